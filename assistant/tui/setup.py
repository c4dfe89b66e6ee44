"""What a chat starts with. The command line fills it in; tests fill it with what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assistant.chat.history import History
from assistant.engine.engine import Engine, GenerateOptions
from models.store import Installed, Store

if TYPE_CHECKING:
    from assistant.memory.memory import Memory
    from assistant.templates.template import Filled


@dataclass(frozen=True)
class Setup:
    """Everything that comes from outside of the screen.

    Attributes:
        start_engine: an engine for a model; it loads nothing yet.
        generate_options: how answers of this model are sampled; a template's own options come before the settings.
        unsaved: why this chat is not saved, for the user to read; None: it is saved.
        model: what answers; None: there is none yet, and the user is asked.
        system: system prompt of a new chat, and of ``conversation`` if it is given.
        conversation: id of the chat to go on with.
        memory: opens the user's memory, each call a connection of its own; None: there is none.
        template: what the first chat's questions are put into.
        looked_up_in: the collection that questions are looked up in from the start; empty: all of them, None: none.
        keys: binding id -> key, where the user wants another than ours.
    """

    store: Store
    history: History
    start_engine: Callable[[Installed], Engine]
    generate_options: Callable[[Installed, Mapping[str, Any]], GenerateOptions]
    unsaved: str | None = None
    model: Installed | None = None
    system: str | None = None
    conversation: int | None = None
    memory: Callable[[], Memory] | None = None
    looked_up_in: str | None = None
    template: Filled | None = None
    keys: dict[str, str] = field(default_factory=dict)
    theme: str | None = None
    language: str = "en"
