"""Files into memory: what is new or has changed is read, cut, embedded and written; what is gone from a folder goes.

A document is written in one transaction. A kill loses at most those in flight, and the next run goes on with them.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from assistant.memory import chunking, documents
from assistant.memory.batches import embed_ahead
from assistant.memory.documents import Document, Found, Skipped, Unreadable
from assistant.memory.index import DEFAULT_COLLECTION, EmbedderId, Index
from assistant.memory.loaders import parsing
from assistant.memory.sentences import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assistant.memory.batches import Vectors
    from assistant.memory.chunking import Chunk
    from assistant.memory.embedding import Embedder

    Embedded: TypeAlias = tuple[int, int, NDArray[np.float32]]

_RE_EMBED = 1024  # chunks that are looked for at once
_RECENT_NS = 2_000_000_000  # a file this young may change again and keep its size and time


@dataclass(frozen=True)
class Added:
    path: Path
    chunks: int


@dataclass(frozen=True)
class Updated:
    path: Path
    chunks: int


@dataclass(frozen=True)
class Unchanged:
    path: Path


@dataclass(frozen=True)
class Removed:
    """The file is gone from its folder, or empty, and so it goes from memory."""

    path: Path
    id: int


@dataclass(frozen=True)
class Progress:
    """How far it is: ``done`` of ``total`` documents, the last of them ``path``, and the vectors embedded so far."""

    done: int
    total: int
    path: Path | None
    sentences: int
    seconds: float


@dataclass(frozen=True)
class Report:
    """What became of all documents. ``stopped``: asked to, with some of them left for the next run."""

    added: int
    updated: int
    unchanged: int
    removed: int
    skipped: int
    chunks: int
    sentences: int
    seconds: float
    stopped: bool


Event: TypeAlias = Added | Updated | Unchanged | Removed | Skipped | Progress | Report


@dataclass(frozen=True)
class Changed:
    """A file to be read: it is new, or its size or time is not that of the document ``before`` (id, digest)."""

    found: Found
    before: tuple[int, str] | None

    @property
    def path(self) -> Path:
        return self.found.path


def scan(
    index: Index, paths: Sequence[Path], *, collection: str = DEFAULT_COLLECTION, max_bytes: int | None = None
) -> Iterator[Changed | Unchanged | Removed | Skipped]:
    """What :func:`add` would do, as far as sizes and times tell. No file is read, nothing is written.

    A document is removed when its file is empty, or gone from a folder that could be listed. While the folder itself
    cannot be read, or has nothing at all in it as the place of a drive that is not there, its texts stay; so does that
    of a file that cannot be read.
    """
    known = index.known(collection)
    unread: set[Path] = set()
    for each in documents.walk(paths):
        before = known.pop(str(each.path), None)
        if isinstance(each, Skipped):
            unread.add(each.path)
            yield each
        elif max_bytes is not None and each.size > max_bytes:
            yield Skipped(each.path, "is larger than you want")
        elif before and not each.size:
            yield Removed(each.path, before[0])
        elif before and before[1:3] == (each.size, each.mtime_ns):
            yield Unchanged(each.path)
        else:
            yield Changed(each, (before[0], before[3]) if before else None)
    folders = {folder for path in paths if (folder := Path(os.path.abspath(path))).is_dir()}
    for folder in [folder for folder in folders if not os.listdir(folder)]:
        folders.remove(folder)
        if any(folder in Path(name).parents for name in known):
            yield Skipped(folder, "is empty: a drive that is not there? What memory has of it stays until `memory rm`")
    for name, before in known.items():
        path = Path(name)
        above = set(path.parents)
        if above & folders and not above & unread and not os.path.lexists(path):
            yield Removed(path, before[0])


def add(
    index: Index,
    embedder: Callable[[], Embedder],
    paths: Sequence[Path],
    *,
    collection: str = DEFAULT_COLLECTION,
    max_bytes: int | None = None,
    stop: threading.Event | None = None,
    forget: Callable[[Sequence[int]], object] | None = None,
) -> Iterator[Event]:
    """Bring a collection up to date with files and folders.

    Args:
        max_bytes: leave out larger files; None: those that are too large to be read whole.
        embedder: called when something is to be embedded: loading one takes longer than finding that nothing changed.
        stop: set from elsewhere: what was read is still written, the rest is left for the next run.
        forget: is told the numbers of documents before they are removed: a kill in between leaves some that the next
            run removes again.

    Yields:
        What became of each document, in between how far it is, and a :class:`Report` at the end.

    Raises:
        UserError: memory cannot be written, or there is no embedder. What was written before stays.
    """
    stop = stop or threading.Event()
    began = time.monotonic()
    counts: Counter[type[Event]] = Counter()
    changed: list[Changed] = []
    gone: list[Removed] = []
    for each in scan(index, paths, collection=collection, max_bytes=max_bytes):
        if isinstance(each, Changed):
            changed.append(each)
        elif isinstance(each, Removed):
            gone.append(each)
        else:
            counts[type(each)] += 1
            yield each
        if stop.is_set():
            break
    total = counts.total() + len(changed)
    ingest = _Ingest(index, embedder, collection, max_bytes)
    read = map(ingest.read, itertools.takewhile(lambda _: not stop.is_set(), changed))
    for some in embed_ahead(lambda: ingest.embedder, read, _texts, _size):
        for event in ingest.write(some):
            counts[type(event)] += 1
            yield event
        yield Progress(counts.total(), total, event.path, ingest.sentences, time.monotonic() - began)
    # Last: when a file that was moved is added under its new name, its chunks are still there.
    if not stop.is_set():
        if gone and forget:
            forget([each.id for each in gone])
        index.remove([each.id for each in gone])
        counts[Removed] = len(gone)
        yield from gone
    if counts[Updated]:
        index.forget_removed()  # the words of the versions before
    parsing.close()  # a child that ends by itself, later, would stay a zombie until the next document
    yield Report(
        added=counts[Added],
        updated=counts[Updated],
        unchanged=counts[Unchanged],
        removed=counts[Removed],
        skipped=counts[Skipped],
        chunks=ingest.chunks,
        sentences=ingest.sentences,
        seconds=time.monotonic() - began,
        stopped=stop.is_set(),
    )


@dataclass(frozen=True)
class _Same:
    """Only size or time differ from those of the document ``id``."""

    found: Found
    id: int


@dataclass(frozen=True)
class _Read:
    """A document, cut into chunks. ``spans``: what gets vectors, by chunk; the others have some already."""

    found: Found
    update: bool
    digest: str
    document: Document
    chunks: list[Chunk]
    spans: dict[int, list[Span]]


def _texts(read: _Read | _Same | Skipped) -> list[str]:
    if not isinstance(read, _Read):
        return []
    return [read.chunks[number].text[start:end] for number, spans in read.spans.items() for start, end in spans]


def _size(read: _Read | _Same | Skipped) -> int:
    return len(read.document.text) if isinstance(read, _Read) else 0


class _Ingest:
    """Reads documents, and writes them in the same order."""

    def __init__(self, index: Index, embedder: Callable[[], Embedder], collection: str, max_bytes: int | None):
        self.chunks = self.sentences = 0
        self._index, self._load, self._collection = index, embedder, collection
        self._max_bytes = max_bytes or documents.MAX_BYTES
        self._in_flight: set[str] = set()  # keys of chunks that were read and are not written yet

    @cached_property
    def embedder(self) -> Embedder:
        embedder = self._load()
        self._index.use_embedder(embedder.name, embedder.version, embedder.dims)
        return embedder

    def read(self, changed: Changed) -> _Read | _Same | Skipped:
        """Read and cut a file, unless its digest says that it is the same."""
        path, before = changed.path, changed.before
        try:
            for _ in range(2):
                found = _look_at(path)
                digest = documents.digest_of(path) if before else None
                if before and digest == before[1]:
                    return _Same(_doubted(found), before[0])
                document = documents.load(path, max_bytes=self._max_bytes)
                digest = digest or documents.digest_of(path)
                if _look_at(path) == found:
                    break
            else:
                return Skipped(path, "changes while it is read")
        except Unreadable as error:
            return Skipped(path, error.reason)
        except OSError as error:
            return Skipped(path, f"cannot be read ({(error.strerror or str(error)).lower()})")
        chunks = chunking.chunk(document, self.embedder.count_tokens)
        keys = [chunk.key for chunk in chunks]
        known = self._index.known_chunks(keys) | self._in_flight
        spans: dict[int, list[Span]] = {}
        for number, key in enumerate(keys):
            if key not in known:
                known.add(key)
                spans[number] = _spans(chunks[number].text, chunks[number].sentences, self.embedder)
        self._in_flight.update(keys[number] for number in spans)
        return _Read(_doubted(found), before is not None, digest, document, chunks, spans)

    def write(self, some: list[tuple[_Read | _Same | Skipped, Vectors]]) -> list[Added | Updated | Unchanged | Skipped]:
        """Write documents whose vectors are there, all in one transaction."""
        with self._index.transaction():
            return [self._write(read, vectors) for read, vectors in some]

    def _write(self, read: _Read | _Same | Skipped, vectors: Vectors) -> Added | Updated | Unchanged | Skipped:
        if isinstance(read, Skipped):
            return read
        path = read.found.path
        if isinstance(read, _Same):
            self._index.touch(read.id, read.found.mtime_ns, read.found.size)
            return Unchanged(path)
        given = iter(vectors)
        by_chunk = {number: [(start, end, next(given)) for start, end in spans] for number, spans in read.spans.items()}
        self._in_flight.difference_update(read.chunks[number].key for number in read.spans)
        self._embed_missing(read, by_chunk)
        self._index.put(
            self._collection,
            read.found,
            read.digest,
            read.document,
            read.chunks,
            [by_chunk.get(number, []) for number in range(len(read.chunks))],
        )
        self.chunks += len(read.chunks)
        self.sentences += len(vectors)
        return (Updated if read.update else Added)(path, len(read.chunks))

    def _embed_missing(self, read: _Read, by_chunk: dict[int, list[Embedded]]) -> None:
        """A chunk that was known when the document was read may have gone with another document since."""
        others = [chunk.key for number, chunk in enumerate(read.chunks) if number not in by_chunk]
        known = self._index.known_chunks(others)
        known.update(read.chunks[number].key for number in by_chunk)
        for number, chunk in enumerate(read.chunks):
            if chunk.key not in known:
                known.add(chunk.key)
                text = chunk.text
                spans = _spans(text, chunk.sentences, self.embedder)
                vectors = self.embedder.passages([text[start:end] for start, end in spans])
                by_chunk[number] = [(start, end, vector) for (start, end), vector in zip(spans, vectors, strict=True)]


def _spans(text: str, sentences: Sequence[Span], embedder: Embedder) -> list[Span]:
    """What of a chunk gets a vector: its sentences, and where it helps, or there are none, the whole."""
    whole = (0, len(text))
    spans = [span for span in dict.fromkeys(sentences) if span != whole]
    return [*spans, whole] if embedder.whole_chunks or not spans else spans


def re_embed(index: Index, embedder: Embedder, *, stop: threading.Event | None = None) -> Iterator[Progress]:
    """Give every chunk vectors of this embedder, then search by these and drop all others.

    A kill loses a batch; until the end searches use the vectors that were there before.
    """
    stop = stop or threading.Event()
    began = time.monotonic()
    wanted = EmbedderId(embedder.name, embedder.version, embedder.dims)
    done = sentences = 0
    while not index.switch_embedder(wanted):
        missing = [
            (id, text, _spans(text, spans, embedder)) for id, text, spans in index.not_embedded(wanted, _RE_EMBED)
        ]
        total = done + index.count_not_embedded(wanted)
        some = itertools.takewhile(lambda _: not stop.is_set(), missing)
        for batch in embed_ahead(
            lambda: embedder, some, lambda chunk: [chunk[1][start:end] for start, end in chunk[2]]
        ):
            index.add_vectors(
                wanted,
                [
                    (id, [(start, end, vector) for (start, end), vector in zip(spans, vectors, strict=True)])
                    for (id, _, spans), vectors in batch
                ],
            )
            done += len(batch)
            sentences += sum(len(vectors) for _, vectors in batch)
            yield Progress(done, total, None, sentences, time.monotonic() - began)
        if stop.is_set():
            return


def _look_at(path: Path) -> Found:
    return Found.of(path, path.stat())


def _doubted(found: Found) -> Found:
    """A file so young may change again within what the file system's clock can tell: a time that is a nanosecond off
    lets the next run compare digests."""
    young = abs(time.time_ns() - found.mtime_ns) < _RECENT_NS
    return replace(found, mtime_ns=found.mtime_ns - 1) if young else found
