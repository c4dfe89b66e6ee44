"""What is asked: the words of the command line, the texts of files, and what comes by a pipe."""

from __future__ import annotations

import csv
import os
import stat
import sys
from pathlib import Path

import click

from assistant.engine.scoring import check_choices
from models.errors import UsageError

_LONGEST = 64 << 20  # bytes of one text


def read_question(prompt: str, files: tuple[str, ...]) -> str:
    """Files, then what is piped, then the words: a model that has read a text for one question can go on with another.

    Raises:
        UsageError: a file cannot be read or is no text, or there is nothing at all.
    """
    parts = []
    for name in files:
        path = Path(name).expanduser()
        try:
            with path.open("rb") as file:
                raw = file.read(_LONGEST + 1)
        except OSError as error:
            raise UsageError(f"{name} cannot be read: {error.strerror}.", "Check the path after -f.") from error
        text = _text(raw, name)
        if not text.strip():
            click.echo(f"warning: {name} is empty", err=True)
        parts.append(f"{path.name}:\n{text.strip()}" if prompt or len(files) > 1 else text.strip())
    if is_piped():
        parts.append(_text(sys.stdin.buffer.read(_LONGEST + 1), "Standard input").strip())
    parts.append(prompt.strip())
    question = "\n\n".join(part for part in parts if part)
    if not question:
        raise UsageError("There is nothing to ask.", 'Type a question: assistant ask "Why is the sky blue?"')
    return question


def split_choices(text: str) -> list[str]:
    """Separated by commas or line ends; one with a comma stands in double quotes.

    Raises:
        UsageError: one is empty, or comes twice.
    """
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    choices = [choice.strip() for row in rows for choice in row]
    check_choices(choices)
    return choices


def is_piped() -> bool:
    """True for a pipe, a file or a socket; a terminal would wait for ever, and /dev/null has nothing."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # closed, or replaced
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _text(raw: bytes, name: str) -> str:
    """Text from bytes, in the encodings that documents are read in: UTF-8, UTF-16, cp1251, KOI8-R, …

    Raises:
        UsageError: it is no text, or endless.
    """
    from assistant.memory.loaders.encoding import decode
    from assistant.memory.loaders.extracted import NoText

    if len(raw) > _LONGEST:
        raise UsageError(f"{name} is longer than {_LONGEST >> 20} MiB, which no window holds.", "Give a part of it.")
    try:
        text = decode(raw)
    except NoText as error:
        raise UsageError(f"{name} {error}.", "Give it text.") from error
    if "\0" in text:
        raise UsageError(f"{name} is binary, not text.", "Give it text.")
    return text
