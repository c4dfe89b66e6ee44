"""How a pull is shown: a bar on a terminal, else a plain line every few seconds. Always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from models.pull import PullProgress, size_text

_LINE_SECONDS = 5.0
_WORDS = {"download": "pulling", "join": "pulling", "verify": "checking"}


class PullDisplay:
    """Call it with every :class:`PullProgress`; ``note`` prints a line beside it."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
                BarColumn(bar_width=20),
                DownloadColumn(table_column=Column(no_wrap=True, min_width=14)),
                TransferSpeedColumn(table_column=Column(no_wrap=True, min_width=9)),
                TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=5)),
                console=Console(stderr=True),
                expand=True,
                transient=True,
            )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._next_line = time.monotonic() + _LINE_SECONDS
        self._began: dict[tuple[str, str], tuple[float, int]] = {}

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def note(self, line: str) -> None:
        """A line that stays."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            click.echo(line, err=True)

    def __call__(self, progress: PullProgress) -> None:
        words = _WORDS[progress.phase]
        key = (progress.entry_id, words)
        if self._bar:
            self._show_bar(self._bar, key, progress)
            return
        began, before = self._began.setdefault(key, (time.monotonic(), progress.done))
        now = time.monotonic()
        if now < self._next_line:
            return
        self._next_line = now + _LINE_SECONDS
        speed = (progress.done - before) / max(now - began, 0.001)
        share = progress.done / progress.total if progress.total else 1
        line = f"{words} {progress.entry_id}: {share:.0%} of {size_text(progress.total)}, {size_text(int(speed))}/s"
        click.echo(line, err=True)

    def _show_bar(self, bar: Progress, key: tuple[str, str], progress: PullProgress) -> None:
        if key not in self._tasks:
            self._tasks[key] = bar.add_task(f"{key[1]} {key[0]}", total=progress.total, completed=progress.done)
        for each, task in self._tasks.items():
            bar.update(task, visible=each == key)
        bar.update(self._tasks[key], completed=progress.done)
