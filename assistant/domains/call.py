"""What the dialogue of a domain gets with each message of the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from assistant.engine.engine import Engine, GenerateOptions, Message

if TYPE_CHECKING:
    from assistant.memory.memory import Memory


@dataclass(frozen=True, kw_only=True)
class Call:
    """One message, and what it may be answered with.

    Attributes:
        text: what the user wrote; ``before``: questions and answers of the same conversation before it.
        values: of the template's variables.
        options: how answers of the model are sampled.
        check: raises Cancelled when the user stopped it.
        conversation_id: what belongs together; None: the conversation is not kept.
        memory: opens the user's memory; None: there is none to look in.
        collection: of the memory; None: all of it.
    """

    engine: Engine
    text: str
    language: Literal["en", "ru"]
    values: dict[str, Any] = field(default_factory=dict)
    options: GenerateOptions = field(default_factory=GenerateOptions)
    check: Callable[[], None] = lambda: None
    before: tuple[Message, ...] = ()
    conversation_id: int | None = None
    memory: Callable[[], Memory] | None = None
    collection: str | None = None
    today: date = field(default_factory=date.today)
