"""How documents are shown as they go into memory: a bar on a terminal, else a line now and then. Always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from assistant.memory.files import Skipped, printable
from assistant.memory.ingest import Added, Event, Removed, Report, Unchanged, Updated
from assistant.memory.ingest import Progress as Done

_LINE_SECONDS = 10.0


class IngestDisplay:
    """Call it with every event: a line for what was skipped or removed, and how far it is."""

    def __init__(self, *, each: bool = False, unit: str = "documents") -> None:
        self._each = each  # a line for every document that is added
        self._unit = unit
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}", table_column=Column(no_wrap=True)),
                TimeRemainingColumn(compact=True),
                console=self._console,
                expand=True,
                transient=True,
            )
        self._next_line = time.monotonic() + _LINE_SECONDS

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Done):
            self._progress(event)
        elif isinstance(event, Skipped):
            self.note(f"skipped: {printable(event.path)} {event.reason}")
        elif isinstance(event, Removed):
            self.note(f"removed: {printable(event.path)} is gone")
        elif self._each and isinstance(event, Added | Updated):
            self.note(f"{'added' if isinstance(event, Added) else 'updated'}: {printable(event.path)}")

    def note(self, line: str) -> None:
        """A line that stays."""
        if self._bar:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line, err=True)

    def _progress(self, done: Done) -> None:
        speed = f"{done.sentences / max(done.seconds, 0.001):.0f} sentences/s"
        if self._bar:
            if self._task is None:
                self._task = self._bar.add_task("", total=done.total, speed="")
            self._bar.update(
                self._task, completed=done.done, total=done.total, description=printable(done.path or ""), speed=speed
            )
        elif (now := time.monotonic()) >= self._next_line:
            self._next_line = now + _LINE_SECONDS
            click.echo(f"{done.done:,} of {done.total:,} {self._unit}, {speed}", err=True)


def summary(report: Report) -> str:
    """What became of all documents, as a sentence."""
    counts = {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "skipped": report.skipped,
    }
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing to read"
    return f"{said[0].upper()}{said[1:]} ({report.sentences:,} sentences embedded in {report.seconds:.1f} s)."


def event_json(event: Event) -> dict[str, Any] | None:
    """An event as it stands in ``--json``; None for those that are only for the eye."""
    match event:
        case Added() | Updated():
            what = "added" if isinstance(event, Added) else "updated"
            return {"event": what, "path": str(event.path), "chunks": event.chunks}
        case Removed():
            return {"event": "removed", "path": str(event.path), "id": event.id}
        case Skipped():
            return {"event": "skipped", "path": str(event.path), "reason": event.reason}
        case Unchanged() | Done():
            return None
        case Report():
            return {"event": "report", **vars(event), "seconds": round(event.seconds, 3)}
