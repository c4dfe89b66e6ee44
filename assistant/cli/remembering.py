"""``--memory`` of ``ask``: where to look, and what is said of the sources."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import click

from assistant.memory.memory import Memory
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.chat.history import StoredMessage


def scope_of(memory: Memory, given: str, prompt: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The collection and the prompt. ``--memory`` may stand alone before a question: what follows it is a collection
    only when there is one of that name.

    Raises:
        UsageError: it stands before a question and looks like a collection, and there is none of this name.
    """
    collections = memory.index.collections()
    if not given or given in collections:
        return given or None, prompt
    if prompt and (" " in prompt[0] or len(prompt) == 1) and " " not in given:
        close = difflib.get_close_matches(given, collections, n=3)
        known = ", ".join(close or collections) or "none yet"
        raise UsageError(f"Memory has no collection {given}.", f"There is {known}: see `assistant memory list`.")
    return None, (given, *prompt)


def say_sources(answer: StoredMessage, memory: Memory, *, err: bool) -> None:
    """The sources of an answer, one a line; sentences that none of them supports, on stderr."""
    from assistant.memory.citations import source_lines
    from assistant.memory.stemming import language_of

    language = "ru" if language_of(answer.text) == "ru" else "en"
    lines = source_lines(answer.citations, memory.index, language)
    if lines:
        click.echo("\n" + "\n".join(lines), err=err)
    for number in answer.unknown:
        click.echo(f"[{number}] names no source.", err=True)
    for one in answer.unsupported:
        sentence = answer.text[one.start : one.end].strip()
        missing = f" ({', '.join(one.missing)})" if one.missing else ""
        click.echo(f"not in what it cites{missing}: {sentence}", err=True)


def to_json(answer: StoredMessage, memory: Memory) -> dict[str, Any]:
    """What ``--json`` adds to an answer from memory."""
    from assistant.memory.citations import state

    return {
        "in_memory": answer.in_memory,
        "citations": [one.to_json(state(one, memory.index)) for one in answer.citations],
        "unsupported": [one.to_json() for one in answer.unsupported],
        "unknown": list(answer.unknown),
    }
