"""Whose vectors the index has, and going over to another embedder: a few chunks at a time, then all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from assistant.database import Database

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class EmbedderId(NamedTuple):
    """Which embedder vectors come from: those of two are never compared."""

    name: str
    version: str
    dims: int


def current(database: Database) -> EmbedderId | None:
    """The one whose vectors are searched."""
    rows = database.rows("SELECT name, version, dims FROM embedders WHERE current = 1")
    return EmbedderId(*rows[0]) if rows else None


def make_current(database: Database, embedder: EmbedderId) -> int:
    """Search by its vectors from now on; returns its number."""
    id = row_of(database, embedder)
    database.write("UPDATE embedders SET current = 0 WHERE current = 1 AND id <> ?", id)
    database.write("UPDATE embedders SET current = 1 WHERE id = ?", id)
    return id


def row_of(database: Database, embedder: EmbedderId) -> int:
    """Its number in the database, a new one if it was not known."""
    database.write("INSERT OR IGNORE INTO embedders (name, version, dims) VALUES (?, ?, ?)", *embedder)
    rows = database.rows("SELECT id FROM embedders WHERE name = ? AND version = ? AND dims = ?", *embedder)
    return int(rows[0][0])


def waiting(database: Database, embedder: EmbedderId, limit: int) -> list[tuple[int, str, list[tuple[int, int]]]]:
    """Chunks without its vectors: (id, text, the spans that another's vectors have, or none)."""
    from assistant.memory.vectors import spans_of

    rows = database.rows(
        """SELECT id, text, (SELECT spans FROM vectors WHERE chunk_id = chunks.id LIMIT 1) AS spans FROM chunks
           WHERE NOT EXISTS (SELECT 1 FROM vectors v JOIN embedders e ON e.id = v.embedder_id
                             WHERE v.chunk_id = chunks.id AND e.name = ? AND e.version = ? AND e.dims = ?)
           ORDER BY id LIMIT ?""",
        *(*embedder, limit),
    )
    return [(row["id"], row["text"], spans_of(row["spans"] or b"")) for row in rows]


def count_waiting(database: Database, embedder: EmbedderId) -> int:
    """How many chunks have none of its vectors."""
    rows = database.rows(
        """SELECT (SELECT count(*) FROM chunks) -
                  (SELECT count(*) FROM vectors v JOIN embedders e ON e.id = v.embedder_id
                   WHERE e.name = ? AND e.version = ? AND e.dims = ?)""",
        *embedder,
    )
    return int(rows[0][0])


def add(
    database: Database,
    embedder: EmbedderId,
    vectors: Iterable[tuple[int, Sequence[tuple[int, int, NDArray[np.float32]]]]],
) -> None:
    """Give chunks, by their ids, its vectors with their spans; chunks that went meanwhile are passed over."""
    from assistant.memory.storing import store_vectors
    from assistant.memory.vectors import pack

    id = row_of(database, embedder)
    for chunk_id, some in vectors:
        if database.rows("SELECT 1 FROM chunks WHERE id = ?", chunk_id):
            store_vectors(database, chunk_id, id, pack(some, embedder.dims))


def switch(database: Database, embedder: EmbedderId) -> bool:
    """Search by its vectors from now on, and drop all others; False: some chunks have none."""
    if count_waiting(database, embedder):
        return False
    id = make_current(database, embedder)
    database.write("DELETE FROM vectors WHERE embedder_id <> ?", id)
    database.write("DELETE FROM embedders WHERE id <> ?", id)
    return True
