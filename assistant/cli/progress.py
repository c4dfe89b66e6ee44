"""How far long work is: a bar on a terminal, else a line now and then. Always on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from assistant.memory.files import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 10.0
BYTES = "bytes"  # a unit that is shown as kB, MB, GB


class ProgressBar:
    """``with ProgressBar("records") as bar: bar.update(3, 200)``.

    Args:
        unit: of what is counted, in the plural; :data:`BYTES` for sizes.
    """

    def __init__(self, unit: str = "") -> None:
        self._unit = unit
        self._began: tuple[float, int] | None = None
        self._stepped: tuple[float, int] | None = None
        self._last = 0
        self._next_line = time.monotonic() + LINE_SECONDS
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._bar = _bar()

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def update(
        self, done: int, total: int | None, description: str = "", *, rate: str | None = None, anew: bool = False
    ) -> None:
        """So much is done. The rate counts from the first call, and anew when ``done`` goes back. It counts from the
        first step once there are two: before that the model was read.

        Args:
            total: None: nobody knows.
            description: what is worked on.
            rate: how fast, if units a second do not say it.
            anew: what was done since the last call took no time, as an earlier run has done it: the rate counts anew.
        """
        now = time.monotonic()
        if self._began is None or anew or done < self._last:
            self._began, self._stepped = (now, done), None
        elif self._stepped is None and done > self._began[1]:
            self._stepped = now, done
        self._last = done
        if not self._bar and now < self._next_line:
            return
        since, before = self._stepped if self._stepped and self._stepped[1] < done else self._began
        seconds, steps = now - since, done - before
        speed = steps / seconds if seconds > 0 else 0.0
        said = [self._amount(done, total), (self._speed(speed) if speed else "") if rate is None else rate]
        if speed and total is not None:
            said.append(f"{_clock((total - done) / speed)} left" if total > done else "")
        status = ", ".join(part for part in said if part)
        description = printable(description)
        if self._bar:
            if self._task is None:
                self._task = self._bar.add_task("", total=total, status="")
            self._bar.update(self._task, completed=done, total=total, description=description, status=status)
        else:
            self._next_line = now + LINE_SECONDS
            click.echo(f"{description}: {status}" if description else status, err=True)

    def note(self, line: str) -> None:
        """A line that stays."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line, err=True)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """The bar makes room for what is printed on the same terminal."""
        live = self._bar if self._bar and sys.stdout.isatty() else None
        if live:
            live.stop()
        try:
            yield
            sys.stdout.flush()
        finally:
            if live:
                live.start()

    def _amount(self, done: int, total: int | None) -> str:
        if self._unit == BYTES:
            return _size(done) if total is None else f"{_size(done)} of {_size(total)}"
        return f"{done:,} {self._unit}".rstrip() if total is None else f"{done:,} of {total:,} {self._unit}".rstrip()

    def _speed(self, speed: float) -> str:
        """Units a second, or a minute or an hour of what is slower."""
        if self._unit == BYTES:
            return f"{_size(int(speed))}/s"
        for name, seconds in (("s", 1), ("min", 60)):
            if speed * seconds >= 1:
                return f"{speed * seconds:.{0 if speed * seconds >= 10 else 1}f}/{name}"
        return f"{speed * 3600:.1f}/h"


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[status]}", markup=False, table_column=Column(no_wrap=True)),
        console=Console(stderr=True),
        expand=True,
        transient=True,
        redirect_stdout=False,  # rich would send it where the bar is, which is stderr
    )


def _size(size: int) -> str:
    from models.pull import size_text

    return size_text(size)


def _clock(seconds: float) -> str:
    """``0:05``, ``12:00``, ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
