"""How a conversion is shown: the step and its bar on a terminal, else a line for each step. Always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

_LINE_SECONDS = 15.0


class ConvertDisplay:
    """Call ``step`` when a step begins, ``progress`` as it goes on, ``note`` for a line that stays."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                TaskProgressColumn(),
                TimeRemainingColumn(compact=True),
                console=self._console,
                transient=True,
            )
        self._doing, self._began, self._next_line = "", 0.0, 0.0

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            self._finish()
        if self._bar:
            self._bar.stop()

    def step(self, name: str, number: int | None = None, count: int | None = None) -> None:
        """A step begins; the one before has ended."""
        self._finish()
        self._doing = f"{number}/{count} {name}" if number and count else name
        self._began = time.monotonic()
        self._next_line = self._began + _LINE_SECONDS
        if self._bar:
            self._task = self._bar.add_task(self._doing, total=None)
        else:
            click.echo(self._doing, err=True)

    def progress(self, done: int, total: int) -> None:
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif (now := time.monotonic()) >= self._next_line and total:
            self._next_line = now + _LINE_SECONDS
            click.echo(f"  {done / total:.0%}", err=True)

    def note(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _finish(self) -> None:
        if self._bar and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
            self.note(f"✓ {self._doing} ({time.monotonic() - self._began:.1f} s)")
