"""What commands print: tables, JSON, and the text of an export."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NoReturn

import click
from rich.cells import cell_len, set_cell_size

from assistant.memory.files import printable
from models.errors import UsageError, UserError

_BROKEN_PIPE = 141  # 128 + SIGPIPE, as other programs of a pipe have it


def write_out(text: str, output: str | None) -> None:
    """Write a text to this file, or to standard output.

    Raises:
        UserError: the file cannot be written; what was there stays. OSError: standard output is gone.
    """
    try:
        with click.open_file(output or "-", "w", encoding="utf-8", atomic=output is not None) as file:
            file.write(text)
    except OSError as error:
        if output is None:
            raise
        raise UserError(f"{output} cannot be written: {error.strerror}.", "Choose another place with -o.") from error


def leave_stdout() -> NoReturn:
    """Nobody reads it any more, as behind ``| head``: end without a word; what is done is kept."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it flushes at exit
    sys.exit(_BROKEN_PIPE)


def print_table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), file: IO[str] | None = None) -> None:
    """Columns as wide as what they show, letters of two cells counted as two; the columns ``right`` to the right."""
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = []
        for column, (text, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - cell_len(text))
            cells.append(space + text if column in right else text + space)
        click.echo("  ".join(cells).rstrip(), file=file)


def print_json(value: object, *, indent: int | None = 2) -> None:
    # Names of files need not be UTF-8: half a surrogate pair is escaped, so that reading it back gives the name.
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    click.echo("".join(f"\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else char for char in text))


def shortened(text: str, width: int) -> str:
    """At most ``width`` cells of a terminal, on one line."""
    line = printable(" ".join(text.split()))
    return line if cell_len(line) <= width else set_cell_size(line, width - 1).rstrip() + "…"


def edit_text(before: str, extension: str, take: Callable[[str], Path], refused: Callable[[str], str]) -> None:
    """Let the user change a text in $EDITOR until ``take`` has it, which returns where it is now; what it raises brings
    the editor back.

    Raises:
        UsageError: with the message of ``refused``: the last text has a mistake, and the user leaves it at that.
    """
    text: str | None = before
    while True:
        text = click.edit(text, extension=extension)
        if text is None or text == before:
            click.echo("Nothing was changed.", err=True)
            return
        try:
            path = take(text)
        except UsageError as wrong:
            click.echo(wrong.message, err=True)
            # Without a terminal nobody can answer, and the editor would bring the same mistake again.
            if not sys.stdin.isatty() or not click.confirm("Go back to the editor?", default=True, err=True):
                raise UsageError(refused(text), wrong.message) from wrong
        else:
            click.echo(f"Written to {path}.", err=True)
            return
