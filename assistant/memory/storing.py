"""How a document and its chunks are written. Everything here happens inside a transaction of the caller's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from assistant.database import Database, encodable
from assistant.memory.passages import PATH
from assistant.memory.stemming import language_of, stems
from assistant.memory.vectors import pack

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assistant.memory.chunking import Chunk
    from assistant.memory.documents import Document
    from assistant.memory.files import Found

_SAMPLE = 20_000  # characters that tell a document's language

Packed = tuple[int, bytes, bytes, bytes]  # of a chunk's vectors: how many, spans, float16, signs


class DocumentRow(NamedTuple):
    """A row of ``documents`` without its number. ``path`` is bytes: a file's name need not be UTF-8."""

    collection: str
    path: bytes
    kind: str
    title: str
    language: str
    size: int
    mtime_ns: int
    digest: str
    added: str
    updated: str


class Occurrence(NamedTuple):
    """A row of ``occurrences`` without its references."""

    position: int
    start: int
    end: int
    page: int | None
    line: int
    end_line: int
    heading: str


class ChunkRow(NamedTuple):
    """A chunk at one place; ``packed`` None: its vectors are in the index, or are yet to be made."""

    key: str
    text: str
    tokens: int
    packed: Packed | None
    occurrence: Occurrence


def document_row(collection: str, found: Found, digest: str, document: Document) -> DocumentRow:
    """What ``documents`` keeps of a file."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return DocumentRow(
        collection=encodable(collection),
        path=os.fsencode(found.path),
        kind=document.kind,
        title=encodable(document.title),
        language=language_of(document.text[:_SAMPLE]),
        size=found.size,
        mtime_ns=found.mtime_ns,
        digest=digest,
        added=now,
        updated=now,
    )


def chunk_rows(
    document: Document,
    chunks: Sequence[Chunk],
    vectors: Sequence[Sequence[tuple[int, int, NDArray[np.float32]]]],
    dims: int,
) -> list[ChunkRow]:
    """Chunks with their places in the document, and their vectors (start, end, vector) if they are given.

    Raises:
        ValueError: a vector has not ``dims`` dimensions, or is not finite.
    """
    return [
        ChunkRow(
            key=chunk.key,
            text=encodable(chunk.text),
            tokens=chunk.tokens,
            packed=pack(some, dims) if some else None,
            occurrence=Occurrence(
                position=position,
                start=chunk.start,
                end=chunk.end,
                page=document.page_of(chunk.start),
                line=document.line_of(chunk.start),
                end_line=document.line_of(max(chunk.start, chunk.end - 1)),
                heading=encodable(chunk.heading),
            ),
        )
        for position, (chunk, some) in enumerate(zip(chunks, vectors, strict=True))
    ]


def store(database: Database, document: DocumentRow, chunks: Sequence[ChunkRow], embedder_id: int | None) -> list[int]:
    """Write a document in place of what this collection has under its path; returns its number and its chunks'.

    The new chunks come before the old ones go, so that those that stay are neither written nor embedded again.
    """
    id = _store_document(database, document)
    last = database.rows("SELECT max(id) FROM occurrences WHERE document_id = ?", id)[0][0]
    ids = [_store_chunk(database, chunk, embedder_id) for chunk in chunks]
    database.write_many(
        """INSERT INTO occurrences (document_id, chunk_id, position, start, end, page, line, end_line, heading)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [(id, chunk_id, *chunk.occurrence) for chunk_id, chunk in zip(ids, chunks, strict=True)],
    )
    if last is not None:
        database.write("DELETE FROM occurrences WHERE document_id = ? AND id <= ?", id, last)
    return [id, *ids]


def store_vectors(database: Database, chunk_id: int, embedder_id: int, packed: Packed) -> None:
    """Give a chunk its vectors of this embedder, unless it has them."""
    count, spans, vectors, signs = packed
    cursor = database.write(
        "INSERT OR IGNORE INTO vectors (chunk_id, embedder_id, count, spans, vectors) VALUES (?, ?, ?, ?, ?)",
        *(chunk_id, embedder_id, count, spans, vectors),
    )
    if cursor.rowcount:
        database.write(
            "INSERT INTO signs (id, embedder_id, chunk_id, signs) VALUES (?, ?, ?, ?)",
            *(cursor.lastrowid, embedder_id, chunk_id, signs),
        )


def _store_document(database: Database, document: DocumentRow) -> int:
    found = database.rows(
        f"SELECT id FROM documents WHERE collection = ? AND path = {PATH}", document.collection, document.path
    )
    if found:
        id: int = found[0][0]
        database.write(
            """UPDATE documents SET kind = ?, title = ?, language = ?, size = ?, mtime_ns = ?, digest = ?, updated = ?
               WHERE id = ?""",
            *(*document[2:8], document.updated, id),
        )
        return id
    cursor = database.write(
        f"""INSERT INTO documents (collection, path, kind, title, language, size, mtime_ns, digest, added, updated)
            VALUES (?, {PATH}, ?, ?, ?, ?, ?, ?, ?, ?)""",
        *document,
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _store_chunk(database: Database, chunk: ChunkRow, embedder_id: int | None) -> int:
    found = database.rows("SELECT id FROM chunks WHERE key = ?", chunk.key)
    if found:
        id: int | None = found[0][0]
    else:
        id = database.write(
            "INSERT INTO chunks (key, language, tokens, text, stems) VALUES (?, ?, ?, ?, ?)",
            *(chunk.key, language_of(chunk.text), chunk.tokens, chunk.text, " ".join(stems(chunk.text))),
        ).lastrowid
    assert id is not None
    if chunk.packed and embedder_id is not None:
        store_vectors(database, id, embedder_id, chunk.packed)
    return id
