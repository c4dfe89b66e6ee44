"""Where ``-o`` of an export leads: a file that appears whole, or standard output."""

from __future__ import annotations

import click

from models.errors import UserError


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
