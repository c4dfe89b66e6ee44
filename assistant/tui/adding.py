"""Documents on their way into memory, in a thread of their own: the chat goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.message import Message as UIMessage

from assistant.tui.session import Broken
from models.errors import UserError

if TYPE_CHECKING:
    from assistant.chat.history import History
    from assistant.memory.documents import Skipped
    from assistant.memory.ingest import Report
    from assistant.memory.memory import Memory


class DocumentsAdded(UIMessage):
    """All was looked at, or it was stopped."""

    def __init__(self, report: Report, skipped: list[Skipped]) -> None:
        super().__init__()
        self.report = report
        self.skipped = skipped


class AddingFailed(UIMessage):
    """Memory could not take documents, and this is why. What was written before stays."""

    def __init__(self, error: UserError) -> None:
        super().__init__()
        self.error = error


@dataclass(frozen=True, slots=True)
class Added:
    """How far it is, in documents; ``total`` 0: the folders are still being looked at."""

    done: int
    total: int


class Adding:
    """Adds to memory, one call at a time.

    Args:
        tell: takes what happened, from any thread.
    """

    def __init__(self, tell: Callable[[UIMessage], object]):
        self._tell = tell
        self._stop = threading.Event()
        self.progress: Added | None = None  # None: nothing is being added

    def start(
        self, open_memory: Callable[[], Memory], history: History, paths: Sequence[Path], collection: str | None
    ) -> None:
        """Begin; ends with a message.

        Args:
            history: forgets what documents it cites are gone from their folders.
            open_memory: gives a memory of its own, closed at the end: the chat reads through another connection while
                this one writes.
            collection: None: the default one.
        """
        self.progress = Added(0, 0)
        self._stop.clear()
        # A daemon: a kill at any moment loses nothing, so leaving the chat need not wait.
        threading.Thread(target=self._run, args=(open_memory, history, paths, collection), daemon=True).start()

    def stop(self) -> None:
        """Leave the rest for another time."""
        self._stop.set()

    def _run(
        self, open_memory: Callable[[], Memory], history: History, paths: Sequence[Path], collection: str | None
    ) -> None:
        try:
            with open_memory() as memory:
                told = self._add(memory, history, paths, collection)
        except UserError as error:
            told = AddingFailed(error)
        except Exception as error:
            told = Broken(error)
        self.progress = None
        self._tell(told)

    def _add(self, memory: Memory, history: History, paths: Sequence[Path], collection: str | None) -> UIMessage:
        from assistant.memory.documents import Skipped
        from assistant.memory.index import DEFAULT_COLLECTION
        from assistant.memory.ingest import Progress, Report

        skipped: list[Skipped] = []
        options: dict[str, Any] = {"stop": self._stop, "forget": history.forget_documents}
        for event in memory.add(paths, collection=collection or DEFAULT_COLLECTION, **options):
            match event:
                case Progress():
                    self.progress = Added(event.done, event.total)
                case Skipped():
                    skipped.append(event)
                case Report():
                    return DocumentsAdded(event, skipped)
        raise AssertionError("adding ends with a report")
