"""KV states on disk, so that what was computed once is read back instead of computed again.

A file holds one state: 16 bytes (magic, length of the header, CRC-32 of the header), the header (JSON, the tokens, the
text they were cut from), and the state as llama.cpp writes it. Its name is the key of all that makes a state usable,
and a digest of the tokens: whoever stores the same again replaces it.

Nothing here is worth an error. A file that is damaged is removed, a folder that cannot be written is left alone, and
the prompt is computed. A state goes to llama.cpp, which trusts it, only after its checksum; that is also why a file
needs no fsync.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from models.fingerprint import fingerprint
from models.paths import cache_dir

State = ctypes.Array[ctypes.c_uint8]
Tokens = NDArray[np.int32]

_MAGIC = b"KVSTATE1"
_HEAD = struct.Struct("<8sII")
_LONGEST_HEADER = 1 << 26
_CHUNK = 8 << 20  # read and checked while it is in the processor's cache
_ABANDONED = 600  # seconds after which nobody writes to a `*.partial` any more
_SPARE = 1_000_000_000  # bytes that are left free on the disk: this cache is not what fills it
_CLEARED = "cleared"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One state on disk.

    Attributes:
        model: the name of its file, for people.
        tokens: those of ``text``, and perhaps more. length: how many of them the state holds.
        text: what the first ``text_tokens`` tokens were cut from: the same text cut anew could give other tokens.
        seconds: that computing one token took.
        size: bytes of the file. used: when it was last read or written, in seconds since the epoch.
    """

    path: Path
    model: str
    tokens: Tokens
    length: int
    text: str
    text_tokens: int
    seconds: float
    size: int
    used: float
    _state: int  # bytes
    _crc: int

    def shared(self, tokens: Sequence[int] | Tokens) -> int:
        """How many tokens from the beginning the state and ``tokens`` have in common."""
        return common_prefix(self.tokens[: self.length], np.asarray(tokens, dtype=np.int32))


def common_prefix(a: Tokens, b: Tokens) -> int:
    length = min(len(a), len(b))
    different = a[:length] != b[:length]
    return int(different.argmax()) if different.any() else length


def state_key(model: Path, *parts: object) -> str:
    """What must be equal for a state to be usable: the model's file, the library, and whatever else decides the layout.

    Raises:
        OSError: the file cannot be read.
    """
    described = [fingerprint(model), version("llama-cpp-python"), *map(str, parts)]
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:32]


class PromptCache:
    """A folder of states, the least recently used of which make room for new ones. Any number of processes may share
    it.

    Args:
        folder: private to the user; made when the first state is stored. None: the user's own.
        limit: bytes of all files together.
    """

    def __init__(self, folder: Path | None = None, limit: int = 2_000_000_000):
        self.folder = cache_dir() / "prompts" if folder is None else folder
        self.limit = limit
        self._known: dict[tuple[str, int], Entry] = {}

    def entries(self, key: str = "") -> list[Entry]:
        """All states, or those with this key, the most recently used first. Damaged files are removed."""
        found = []
        for file in self._files(f"{key}*.kv"):
            try:
                status = file.stat()
                known = self._known.get((file.name, status.st_mtime_ns)) or _read_header(file)
            except FileNotFoundError:
                continue  # another process made room
            except OSError:
                continue
            except (ValueError, KeyError, TypeError):
                self.remove(file)
                continue
            found.append(known)
            self._known[file.name, status.st_mtime_ns] = known
        if len(self._known) > 2 * len(found) + 100:
            self._known.clear()
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def find(self, key: str, tokens: Sequence[int], *, window: int, whole: bool = False) -> Entry | None:
        """The state that has the most in common with ``tokens``, or None.

        Args:
            window: tokens that the context can hold; longer states are of no use.
            whole: only states that ``tokens`` continue (recurrent models cannot use a part of one).
        """
        wanted = np.asarray(tokens, dtype=np.int32)
        usable = []
        for entry in self.entries(key):
            shared = entry.shared(wanted)
            if shared > 0 and entry.length <= window and not (whole and shared < entry.length):
                usable.append((shared, -entry.length, entry))
        return max(usable, key=lambda each: each[:2])[2] if usable else None

    def read(self, entry: Entry) -> State | None:
        """The state, checked; None if it is not there any more or damaged, and then the file is removed."""
        state: State = (ctypes.c_uint8 * entry._state)()
        view, crc = memoryview(state).cast("B"), 0
        try:
            with entry.path.open("rb") as file:
                file.seek(entry.size - entry._state)
                for start in range(0, entry._state, _CHUNK):
                    chunk = view[start : start + _CHUNK]
                    if file.readinto(chunk) != len(chunk):
                        break
                    crc = zlib.crc32(chunk, crc)
        except OSError:
            return None
        if crc != entry._crc:
            self.remove(entry.path)
            return None
        self.touch(entry)
        return state

    def touch(self, entry: Entry) -> None:
        """Note that it was of use."""
        with contextlib.suppress(OSError):
            os.utime(entry.path)

    def write(
        self,
        key: str,
        state: State,
        tokens: Sequence[int],
        length: int,
        *,
        text: str,
        text_tokens: int,
        seconds: float,
        model: str,
        instead_of: Entry | None = None,
    ) -> bool:
        """Store a state, in the place of another if there is one to replace; False if that was not possible."""
        held = np.asarray(tokens, dtype="<i4").tobytes()
        raw_text = text.encode("utf-8", "surrogatepass")
        meta = {
            "model": model,
            "tokens": len(tokens),
            "length": length,
            "text": len(raw_text),
            "text_tokens": text_tokens,
            "seconds": seconds,
            "state": len(state),
            "crc": _crc(state),
        }
        described = json.dumps(meta).encode() + b"\n" + held + raw_text
        head = _HEAD.pack(_MAGIC, len(described), zlib.crc32(described))
        size = len(head) + len(described) + len(state)
        path = self.folder / f"{key}-{hashlib.sha256(held[: 4 * length]).hexdigest()[:16]}.kv"
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            if size > self.limit or shutil.disk_usage(self.folder).free < size + _SPARE:
                return False
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=0) as file:
                for part in (head, described, state):
                    _write_all(file, part)
            partial.replace(path)
            if instead_of and instead_of.path != path:
                self.remove(instead_of.path)
            self.evict()
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            return False
        return True

    def evict(self) -> None:
        """Remove the least recently used states until the others are within the limit."""
        files = []
        for file in self._files("*.kv"):
            with contextlib.suppress(OSError):
                status = file.stat()
                files.append((status.st_mtime, status.st_size, file))
        total = sum(size for _, size, _ in files)
        for _, size, file in sorted(files):
            if total <= self.limit:
                return
            self.remove(file)
            total -= size

    def clear(self) -> None:
        """Remove all states. What any process has computed up to now is not stored any more (:meth:`cleared_since`).

        Raises:
            OSError: one of them cannot be removed.
        """
        with contextlib.suppress(FileNotFoundError):
            for file in [*self._files("*.kv"), *self._files("*.partial")]:
                file.unlink(missing_ok=True)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / _CLEARED).touch(0o600)
        self._known.clear()

    def cleared_since(self, moment: float) -> bool:
        """Whether the user removed what was there at ``moment``, in seconds since the epoch."""
        try:
            return (self.folder / _CLEARED).stat().st_mtime >= moment
        except OSError:
            return False

    @staticmethod
    def remove(file: Path) -> None:
        with contextlib.suppress(OSError):  # another process was faster, or may do it
            file.unlink(missing_ok=True)

    def _files(self, pattern: str) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            yield from self.folder.glob(pattern)

    def _sweep(self) -> None:
        """Remove what a kill left half written."""
        now = time.time()
        for file in self._files("*.partial"):
            with contextlib.suppress(OSError):
                if now - file.stat().st_mtime > _ABANDONED:
                    file.unlink(missing_ok=True)


def _read_header(path: Path) -> Entry:
    """
    Raises:
        ValueError: it is not whole, or not ours.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise ValueError("truncated")
        magic, length, crc = _HEAD.unpack(head)
        if magic != _MAGIC or length > min(_LONGEST_HEADER, status.st_size):
            raise ValueError("another format")
        described = file.read(length)
    if zlib.crc32(described) != crc:
        raise ValueError("damaged")
    meta, _, rest = described.partition(b"\n")
    about = json.loads(meta)
    count = about["tokens"]
    if status.st_size != _HEAD.size + length + about["state"]:
        raise ValueError("truncated")
    return Entry(
        path=path,
        model=about["model"],
        tokens=np.frombuffer(rest, dtype="<i4", count=count),
        length=about["length"],
        text=rest[4 * count : 4 * count + about["text"]].decode("utf-8", "surrogatepass"),
        text_tokens=about["text_tokens"],
        seconds=about["seconds"],
        size=status.st_size,
        used=status.st_mtime,
        _state=about["state"],
        _crc=about["crc"],
    )


def _crc(data: State) -> int:
    view, crc = memoryview(data).cast("B"), 0
    for start in range(0, len(view), _CHUNK):
        crc = zlib.crc32(view[start : start + _CHUNK], crc)
    return crc


def _write_all(file: IO[bytes], data: bytes | State) -> None:
    view = memoryview(data).cast("B")
    while view:  # a raw write may take less than it is given, for instance 2 GiB
        view = view[file.write(view) :]
