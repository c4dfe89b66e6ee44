"""What the index gives back: documents, and passages with the places where they stand."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look at; everything that is given must hold, and None holds always.

    Attributes:
        under: the document is this file or below this folder.
        language: of the passage, or of the document when documents are listed.
        since, until: when the file was last changed, both included.
        documents: their ids.
    """

    collection: str | None = None
    under: Path | None = None
    language: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    documents: tuple[int, ...] | None = None

    def where(self, language_of: str) -> tuple[str, list[object]]:
        """A condition of SQL on ``documents AS d``, and its parameters; ``language_of`` is ``d`` or ``c`` (chunks)."""
        parts: list[str] = []
        values: list[object] = []
        if self.collection is not None:
            parts.append("d.collection = ?")
            values.append(self.collection)
        if self.under is not None:
            path = os.path.abspath(self.under)
            folder = os.fsencode(path.rstrip(os.sep) + os.sep)
            # All that begins with the folder: up to, and without, the character after the separator.
            parts.append(f"(d.path = {PATH} OR (d.path >= {PATH} AND d.path < {PATH}))")
            values += [os.fsencode(path), folder, folder[:-1] + bytes([folder[-1] + 1])]
        if self.language is not None:
            parts.append(f"{language_of}.language = ?")
            values.append(self.language)
        if self.since is not None:
            parts.append("d.mtime_ns >= ?")
            values.append(_nanoseconds(self.since))
        if self.until is not None:
            parts.append("d.mtime_ns <= ?")
            values.append(_nanoseconds(self.until) + 999)
        if self.documents is not None:
            # Numbers that SQLite cannot hold are no document's; as text there may be as many as there are.
            parts.append(f"d.id IN ({', '.join(str(int(id)) for id in self.documents if abs(id) < 1 << 63)})")
        return " AND ".join(parts) or "1", values


PATH = "CAST(? AS TEXT)"  # bytes as text: names of files need not be UTF-8


def _nanoseconds(time: datetime) -> int:
    return (time.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document in memory. ``size``, ``mtime_ns`` and ``digest`` are those of the file when it was read."""

    id: int
    collection: str
    path: Path
    kind: str
    title: str
    language: str
    size: int
    mtime_ns: int
    digest: str
    added: datetime
    updated: datetime
    chunks: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a passage stands.

    Attributes:
        start, end: characters of the document's text.
        page: from 1; None if the format has no pages.
        line, end_line: from 1, both included.
        heading: the path to it, as in ``Guide > Install``.
        modified: the file's time when it was read; ``digest`` its SHA-256 then.
    """

    document_id: int
    collection: str
    path: Path
    title: str
    kind: str
    start: int
    end: int
    page: int | None
    line: int
    end_line: int
    heading: str
    modified: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk with the first place where it stands, and all others in ``also``. ``tokens`` are the embedder's."""

    chunk_id: int
    text: str
    tokens: int
    language: str
    place: Place
    also: tuple[Place, ...] = ()

    @property
    def document_id(self) -> int:
        return self.place.document_id

    @property
    def path(self) -> Path:
        return self.place.path

    @property
    def title(self) -> str:
        return self.place.title

    @property
    def start(self) -> int:
        return self.place.start

    @property
    def end(self) -> int:
        return self.place.end

    @property
    def page(self) -> int | None:
        return self.place.page

    @property
    def line(self) -> int:
        return self.place.line


DOCUMENT_COLUMNS = """d.id, d.collection, CAST(d.path AS BLOB) AS path, d.kind, d.title, d.language, d.size, d.mtime_ns,
    d.digest, d.added, d.updated, (SELECT count(*) FROM occurrences WHERE document_id = d.id) AS chunks"""
PLACES = """SELECT c.id AS chunk_id, c.text, c.tokens, c.language, d.id, d.collection, CAST(d.path AS BLOB) AS path,
    d.title, d.kind, o.start, o.end, o.page, o.line, o.end_line, o.heading, d.mtime_ns, d.digest
    FROM chunks c JOIN occurrences o ON o.chunk_id = c.id JOIN documents d ON d.id = o.document_id"""


def document_of(row: sqlite3.Row) -> StoredDocument:
    """From ``DOCUMENT_COLUMNS``."""
    values = dict(zip(row.keys(), row, strict=True))
    times = {name: datetime.fromisoformat(row[name]) for name in ("added", "updated")}
    return StoredDocument(**{**values, **times, "path": Path(os.fsdecode(row["path"]))})


def passage_of(rows: Sequence[sqlite3.Row]) -> Passage:
    """From all rows of one chunk in ``PLACES``."""
    first, *others = [_place(row) for row in rows]
    chunk_id, text, tokens, language = rows[0][:4]
    return Passage(chunk_id, text, tokens, language, first, tuple(others))


def _place(row: sqlite3.Row) -> Place:
    return Place(
        document_id=row["id"],
        collection=row["collection"],
        path=Path(os.fsdecode(row["path"])),
        title=row["title"],
        kind=row["kind"],
        start=row["start"],
        end=row["end"],
        page=row["page"],
        line=row["line"],
        end_line=row["end_line"],
        heading=row["heading"],
        modified=_EPOCH + timedelta(microseconds=row["mtime_ns"] // 1000),
        digest=row["digest"],
    )
