"""What scripts call: one text or thousands, in and out, without a chat around it. See :mod:`assistant.tasks.api`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant.tasks.answering import Answer
    from assistant.tasks.api import batch, classify, close, extract, label, proofread, rewrite, summarize, translate
    from assistant.tasks.opening import Opened, open_model
    from assistant.tasks.summarizing import Summary

__all__ = [
    "Answer",
    "Opened",
    "Summary",
    "batch",
    "classify",
    "close",
    "extract",
    "label",
    "open_model",
    "proofread",
    "rewrite",
    "summarize",
    "translate",
]


def __getattr__(name: str) -> Any:
    # When it is asked for: the command line imports rooms of this package, and need not wait for all of them.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from assistant.tasks import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
