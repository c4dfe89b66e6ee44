"""Bringing a file of this machine into a folder of the store: copied, linked or moved, and hashed."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from models.manifest import File
from models.pull import sync_folder
from models.sources import BLOCK, digest_of


def bring(
    original: Path, folder: Path, how: Literal["copy", "link", "move"], report: Callable[[int], None], name: str
) -> File:
    """Put one file into the folder under this name, whole or not at all."""
    target, partial = folder / name, folder / f"{name}.partial"
    size = original.stat().st_size
    if how == "copy":
        digest = _copy(original, partial, report)
    else:
        with original.open("rb") as file:
            digest = digest_of(file, max(size, 1), report)
        partial.unlink(missing_ok=True)
        if how == "link":
            partial.symlink_to(original)
        else:
            try:
                original.replace(partial)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy(original, partial, report)  # to another disk: the original goes when the copy is safe
    partial.replace(target)
    sync_folder(folder)
    if how == "move":
        original.unlink(missing_ok=True)
    return File(name=target.name, size=size, sha256=digest)


def name_of(path: Path) -> str:
    """A name for the store, from that of the file; of a split model without the number of the part."""
    stem = re.sub(r"-\d{5}-of-\d{5}$", "", path.stem).lower()
    return re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:100]


def _copy(source: Path, target: Path, report: Callable[[int], None]) -> str:
    """Copy a file to disk for good; returns its sha256."""
    digest, done = hashlib.sha256(), 0
    try:
        with source.open("rb") as original, target.open("wb") as copy:
            while block := original.read(BLOCK):
                copy.write(block)
                digest.update(block)
                done += len(block)
                report(done)
            copy.flush()
            os.fsync(copy.fileno())
    except BaseException:
        target.unlink(missing_ok=True)  # unlike a pull it does not go on: the file is here
        raise
    return digest.hexdigest()
