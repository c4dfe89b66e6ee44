"""Built-in functions that a template names: the input goes to one of them, and it asks the model only what it cannot
know itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.domains.call import Call
from assistant.engine.engine import Event

if TYPE_CHECKING:
    from assistant.templates.filled import Filled

TOOLS = {
    "calories": "assistant.domains.calories.dialogue:reply",
    "proofreading": "assistant.templates.proofreading:reply",
    "travel": "assistant.domains.travel.dialogue:reply",
}


@dataclass(frozen=True, kw_only=True)
class ToolCall(Call):
    """What a tool gets. ``filled``: the template itself, for a tool that puts its own questions into it."""

    filled: Filled | None = None


def run(name: str, call: ToolCall) -> Iterator[Event]:
    """The events of one tool's answer; the last is a :class:`assistant.engine.calls.Computed`."""
    module, _, function = TOOLS[name].partition(":")
    reply: Callable[[ToolCall], Iterator[Event]] = getattr(importlib.import_module(module), function)
    return reply(call)
