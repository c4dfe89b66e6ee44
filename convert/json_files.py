"""JSON that strangers wrote: only regular files, of a limited size, and errors that name the file."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from models.errors import ModelError

MAX_JSON = 64 << 20  # bytes; the largest tokenizer.json of our families has 33 MB

DAMAGED = "The file is damaged or incomplete: download it again."


def open_regular(path: Path) -> BinaryIO:
    """Open for reading; links are followed. A pipe is refused: it would hang.

    Raises:
        ModelError: missing, unreadable, or not a regular file.
    """
    try:
        # Without O_NONBLOCK the opening of a pipe waits for a writer. Windows needs O_BINARY and has no O_NONBLOCK.
        file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read: {error.strerror or error}.",
            "Give the folder of a checkpoint or adapter as it is published, with all of its files.",
        ) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ModelError(f"{path}: not a regular file.")
    return file


def parse_object(path: Path, text: bytes, *, unique: bool = False) -> dict[str, Any]:
    """
    Args:
        unique: a key that stands twice in an object is an error, not overwritten.

    Raises:
        ModelError: not JSON, or not an object.
    """
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates if unique else None)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not valid JSON: {error}.", DAMAGED) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: not a JSON object.", DAMAGED)
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)[:80]!r} stands twice")
    return found


def read_object(path: Path, *, unique: bool = False, limit: int = MAX_JSON) -> dict[str, Any]:
    """The object in a file of at most ``limit`` bytes.

    Raises:
        ModelError: missing, too big, not JSON, or not an object.
    """
    return parse_object(path, read_limited(path, limit), unique=unique)


def read_limited(path: Path, limit: int = MAX_JSON) -> bytes:
    """The content of a file of at most ``limit`` bytes.

    Raises:
        ModelError: missing, or too big.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(min(size, limit))
    if size > limit:
        raise ModelError(f"{path}: larger than {limit >> 20} MB: not the file of this name that a model comes with.")
    return content
