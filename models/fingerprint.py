"""What a cache is keyed by: the model's file, told apart from every other without reading all of it."""

from __future__ import annotations

import glob
import hashlib
import re
from pathlib import Path

_HEAD = 1 << 20
_SAMPLES, _SAMPLE = 32, 1 << 15
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


def fingerprint(path: Path) -> str:
    """64 hexadecimal digits that change when the file does: of its size, its time, its first MiB, where the metadata
    is, and samples of the rest; of all parts, if it is split. A digest of the whole would take seconds at every start.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    part = _PART.search(path.name)
    parts = sorted(path.parent.glob(f"{glob.escape(path.name[: part.start()])}-*.gguf")) if part else [path]
    for file in parts:
        status = file.stat()
        digest.update(f"{file.name if part else ''} {status.st_size} {status.st_mtime_ns}\n".encode())
        with file.open("rb") as content:
            digest.update(content.read(_HEAD))
            for sample in range(_SAMPLES if status.st_size > _HEAD else 0):  # other weights of the same shape
                content.seek(_HEAD + (status.st_size - _HEAD) * sample // _SAMPLES)
                digest.update(content.read(_SAMPLE))
    return digest.hexdigest()
