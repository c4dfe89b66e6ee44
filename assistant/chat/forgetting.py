"""Documents that are to be forgotten: out of memory, out of the answers that cite them, out of the prompt cache."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from assistant.chat.history import History
from assistant.memory.index import StoredDocument
from assistant.memory.memory import Memory


def forget(memory: Memory, history: History, ids: Sequence[int]) -> list[StoredDocument]:
    """Leave nothing of these documents; returns those that there were.

    The history first: a kill between the two leaves a document that can be removed again.
    """
    history.forget_documents(ids)
    return memory.index.remove(ids)


def forget_prompts() -> None:
    """Drop the prompt cache: a fact stands in every prompt, also one that was removed or changed since."""
    from assistant.engine.prompt_cache import PromptCache

    with suppress(OSError):
        PromptCache().clear()
