"""Folders that stay in memory as they change: whatever the file system reports, they are added again.

Adding again reads only what differs, so it does not matter which of the changes were reported, or in which order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import watchfiles

from assistant.memory import ingest
from assistant.memory.files import Skipped
from assistant.memory.index import DEFAULT_COLLECTION, Index

if TYPE_CHECKING:
    from assistant.memory.embedding import Embedder

_TICK_MS = 1000
_QUIET_MS = 400  # a program that saves a file writes it in steps
_AGAIN_SECONDS = 60.0  # without a report: drives of a network give none


@dataclass(frozen=True)
class Watching:
    """All is read; changes of ``paths`` follow from now on. Those in ``missing`` are waited for."""

    paths: tuple[Path, ...]
    missing: tuple[Path, ...]


def watch(
    index: Index,
    embedder: Callable[[], Embedder],
    paths: Sequence[Path],
    *,
    collection: str = DEFAULT_COLLECTION,
    max_bytes: int | None = None,
    stop: threading.Event,
    forget: Callable[[Sequence[int]], object] | None = None,
) -> Iterator[ingest.Event | Watching]:
    """:func:`~assistant.memory.ingest.add` now and after every change, until ``stop`` is set.

    What is skipped is said once. A folder that is itself deleted keeps its documents, as it does without watching:
    it may be a drive that comes back.

    Raises:
        UserError: memory cannot be written, or there is no embedder.
    """
    skipped: set[Skipped] = set()
    said: Watching | None = None
    polling: bool | None = None  # None: watchfiles knows the systems that report nothing

    def again() -> Iterator[ingest.Event]:
        options: dict[str, Any] = {"max_bytes": max_bytes, "stop": stop, "forget": forget}
        for event in ingest.add(index, embedder, list(there), collection=collection, **options):
            if not isinstance(event, Skipped) or event not in skipped:
                yield event
            if isinstance(event, Skipped):
                skipped.add(event)

    there: dict[Path, tuple[int, int]] = {}
    while not stop.is_set():
        there = _identities(paths)
        yield from again()
        now = Watching(tuple(there), tuple(path for path in paths if path not in there))
        try:
            # The first round adds once more: something may have changed before the watch began.
            due = 0.0
            for changes in _changes(list(there), stop, polling) if there else _nothing(stop):
                if _identities(paths) != there:
                    break
                if changes or time.monotonic() >= due:
                    yield from again()
                    due = time.monotonic() + _AGAIN_SECONDS
                if now != said:
                    yield (said := now)
        except (OSError, RuntimeError):
            # No notification here, or not for so many folders.
            polling = True
            stop.wait(_TICK_MS / 1000)


def _changes(paths: Sequence[Path], stop: threading.Event, polling: bool | None) -> Iterator[object]:
    """Something true after each change, and something false every second."""
    return watchfiles.watch(
        *paths,
        step=_QUIET_MS,
        rust_timeout=_TICK_MS,
        yield_on_timeout=True,
        stop_event=stop,
        force_polling=polling,
        ignore_permission_denied=True,
    )


def _nothing(stop: threading.Event) -> Iterator[object]:
    while not stop.wait(_TICK_MS / 1000):
        yield None


def _identities(paths: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """The paths that exist, and the files they are: one that was replaced is no longer the one that is watched."""
    found = {}
    for path in paths:
        try:
            about = path.stat()
        except OSError:
            continue
        found[path] = (about.st_dev, about.st_ino)
    return found
