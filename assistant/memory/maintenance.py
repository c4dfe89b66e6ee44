"""Whether the memory's database is whole, and mending what can be mended without the documents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assistant.database import Database
from assistant.memory.vectors import signs_of
from models.errors import UserError

_TABLES = ("documents", "occurrences", "chunks", "embedders", "vectors", "signs", "facts", "feedback")
# Rows that must not be: found by check, and removed by repair, in this order.
_WRONG = (
    ("places of documents that do not exist", "occurrences", "document_id NOT IN (SELECT id FROM documents)"),
    ("places of chunks that do not exist", "occurrences", "chunk_id NOT IN (SELECT id FROM chunks)"),
    (
        "chunks that no document has",
        "chunks",
        "NOT EXISTS (SELECT 1 FROM occurrences WHERE chunk_id = chunks.id)",
    ),
    ("vectors of chunks that do not exist", "vectors", "chunk_id NOT IN (SELECT id FROM chunks)"),
    (
        "vectors of the wrong length",
        "vectors",
        """length(vectors.spans) <> 8 * count OR length(vectors.vectors) IS NOT
           2 * count * (SELECT dims FROM embedders WHERE id = vectors.embedder_id)""",
    ),
    ("signs of vectors that do not exist", "signs", "id NOT IN (SELECT id FROM vectors)"),
    ("ratings of chunks that do not exist", "feedback", "chunk_id NOT IN (SELECT id FROM chunks)"),
)
_NO_VECTORS = """SELECT count(*) FROM chunks WHERE NOT EXISTS (
    SELECT 1 FROM vectors v JOIN embedders e ON e.id = v.embedder_id WHERE v.chunk_id = chunks.id AND e.current = 1)"""
_MISCOUNTED = "vectors <> (SELECT coalesce(sum(count), 0) FROM vectors WHERE embedder_id = embedders.id)"


def counts(database: Database) -> dict[str, int]:
    """The rows of every table; those of ``chunks_fts`` are the chunks that the index of words knows."""
    tables = {table: table for table in _TABLES} | {"chunks_fts": "chunks_fts_docsize"}
    return {name: database.rows(f"SELECT count(*) FROM {table}")[0][0] for name, table in tables.items()}


def check(database: Database) -> list[str]:
    """What is wrong, a sentence each. Reads the whole file; blocks other writers for the while."""
    try:
        problems = [f"The file: {row[0]}." for row in database.rows("PRAGMA integrity_check(20)") if row[0] != "ok"]
        if problems:
            return problems
        with database.transaction():
            if not _words_match(database):
                problems.append("The index of words does not match the chunks.")
            for what, table, condition in _WRONG:
                if number := database.rows(f"SELECT count(*) FROM {table} WHERE {condition}")[0][0]:
                    problems.append(f"{number} {what}.")
            broken, unsigned = _look_at_vectors(database)
            if broken:
                problems.append(f"{len(broken)} chunks have vectors that are no numbers.")
            if unsigned:
                problems.append(f"{len(unsigned)} chunks have vectors without their signs.")
            if database.rows(f"SELECT 1 FROM embedders WHERE {_MISCOUNTED}"):
                problems.append("The vectors are miscounted.")
            if number := database.rows(_NO_VECTORS)[0][0]:
                problems.append(f"{number} chunks are not embedded.")
    except UserError as error:
        return [error.message]
    return problems


def repair(database: Database) -> list[str]:
    """Mend what :func:`check` finds: what can be computed is computed, rows that belong to nothing go.

    Returns what was done, and what is left to do, a sentence each.

    Raises:
        UserError: the file itself is damaged.
    """
    done = []
    if [row[0] for row in database.rows("PRAGMA integrity_check(20)")] != ["ok"]:
        database.rows("REINDEX")
        left = [row[0] for row in database.rows("PRAGMA integrity_check(20)") if row[0] != "ok"]
        if left:
            raise database.schema.error(f"The file is damaged: {left[0]}.", database.schema.damaged)
        done.append("Made the indexes of the file anew.")
    with database.transaction():
        # First: it is told of every chunk that goes.
        if not _words_match(database):
            database.write("INSERT INTO chunks_fts (chunks_fts) VALUES ('rebuild')")
            done.append("Made the index of words anew.")
        for what, table, condition in _WRONG:
            if number := database.write(f"DELETE FROM {table} WHERE {condition}").rowcount:
                done.append(f"Removed {number} {what}.")
        broken, unsigned = _look_at_vectors(database)
        if broken:
            database.write_many("DELETE FROM vectors WHERE id = ?", [(id,) for id in broken])
            done.append(f"Removed the vectors of {len(broken)} chunks: they were no numbers.")
        for id in unsigned:
            _sign(database, id)
        if unsigned:
            done.append(f"Made the signs of {len(unsigned)} chunks anew.")
        if database.rows(f"SELECT 1 FROM embedders WHERE {_MISCOUNTED}"):
            database.write("""UPDATE embedders SET removals = removals + 1, vectors =
                (SELECT coalesce(sum(count), 0) FROM vectors WHERE embedder_id = embedders.id)""")
            done.append("Counted the vectors.")
        if number := database.rows(_NO_VECTORS)[0][0]:
            done.append(f"{number} chunks are to be embedded: run `assistant memory reindex`.")
    return done


def _words_match(database: Database) -> bool:
    try:
        with database.savepoint():
            database.write("INSERT INTO chunks_fts (chunks_fts, rank) VALUES ('integrity-check', 1)")
    except UserError:
        return False
    return True


def _look_at_vectors(database: Database) -> tuple[list[int], list[int]]:
    """Rows of vectors that are not finite, and those whose signs are missing or are not theirs."""
    broken, unsigned = [], []
    for id, dims, vectors, signs in _rows_of_vectors(database):
        matrix = np.frombuffer(vectors, "<f2").reshape(-1, dims)
        if not np.isfinite(matrix).all():
            broken.append(id)
        elif signs_of(matrix).tobytes() != signs:
            unsigned.append(id)
    return broken, unsigned


def _rows_of_vectors(database: Database) -> Iterator[tuple[int, int, bytes, bytes | None]]:
    for row in database.each(
        """SELECT v.id, e.dims, v.vectors, s.signs FROM vectors v JOIN embedders e ON e.id = v.embedder_id
           LEFT JOIN signs s ON s.id = v.id AND s.chunk_id = v.chunk_id AND s.embedder_id = v.embedder_id
           WHERE length(v.vectors) = 2 * v.count * e.dims"""
    ):
        yield tuple(row)


def _sign(database: Database, id: int) -> None:
    embedder, chunk, dims, vectors = database.rows(
        """SELECT v.embedder_id, v.chunk_id, e.dims, v.vectors FROM vectors v JOIN embedders e ON e.id = v.embedder_id
           WHERE v.id = ?""",
        id,
    )[0]
    signs = signs_of(np.frombuffer(vectors, "<f2").reshape(-1, dims)).tobytes()
    database.write(
        "INSERT OR REPLACE INTO signs (id, embedder_id, chunk_id, signs) VALUES (?, ?, ?, ?)",
        *(id, embedder, chunk, signs),
    )
