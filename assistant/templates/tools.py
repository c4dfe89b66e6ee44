"""Built-in functions that a template names: the input goes to one of them, and it asks the model only what it cannot
know itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from assistant.engine.engine import Engine, Event, GenerateOptions, Message

if TYPE_CHECKING:
    from assistant.memory.memory import Memory
    from assistant.templates.filled import Filled

TOOLS = {
    "calories": "assistant.domains.calories.dialogue:reply",
    "proofreading": "assistant.templates.proofreading:reply",
    "travel": "assistant.domains.travel.dialogue:reply",
}


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """What a tool gets.

    Attributes:
        text: what the user wrote; ``before``: questions and answers of the same conversation before it.
        values: of the template's variables.
        filled: the template itself, for a tool that puts its own questions into it.
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
    filled: Filled | None = None
    options: GenerateOptions = field(default_factory=GenerateOptions)
    check: Callable[[], None] = lambda: None
    before: tuple[Message, ...] = ()
    conversation_id: int | None = None
    memory: Callable[[], Memory] | None = None
    collection: str | None = None
    today: date = field(default_factory=date.today)


def run(name: str, call: ToolCall) -> Iterator[Event]:
    """The events of one tool's answer; the last is a :class:`assistant.engine.calls.Computed`."""
    module, _, function = TOOLS[name].partition(":")
    reply: Callable[[ToolCall], Iterator[Event]] = getattr(importlib.import_module(module), function)
    return reply(call)
