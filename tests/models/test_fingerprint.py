"""The key of everything that is kept for a model changes when one of its files does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models.fingerprint import fingerprint


@pytest.mark.parametrize(
    "names", [["a.gguf"], ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"], ["a [1]*-00001-of-00001.gguf"]]
)
def test_it_changes_with_size_time_and_beginning_of_every_part(tmp_path: Path, names: list[str]) -> None:
    files = [tmp_path / name for name in names]
    for file in files:
        file.write_bytes(b"GGUF" + bytes(100))
    seen = [fingerprint(files[0])]
    for file in files:
        status = file.stat()
        file.write_bytes(b"GGUF" + bytes(99) + b"x")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        seen.append(fingerprint(files[0]))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
        seen.append(fingerprint(files[0]))
        file.write_bytes(b"GGUF" + bytes(200))
        seen.append(fingerprint(files[0]))
    assert len(set(seen)) == len(seen)
    assert fingerprint(files[0]) == seen[-1]
