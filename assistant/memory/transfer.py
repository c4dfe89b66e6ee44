"""From one memory into another: documents with their chunks and vectors, facts, and ratings, from an exported file."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from assistant.memory.chunking import key_of
from assistant.memory.index import Index, IndexUnusable
from assistant.memory.maintenance import check
from assistant.memory.storing import ChunkRow, DocumentRow, Occurrence, Packed, store
from models.errors import UserError

_AT_ONCE = 100  # documents in one transaction


@dataclass(frozen=True)
class Imported:
    """What an import did. ``unchanged`` documents were here, as they are there or newer; ``not_embedded`` chunks came
    with the vectors of another embedder, or with none."""

    added: int
    updated: int
    unchanged: int
    facts: int
    not_embedded: int


def merge(index: Index, path: Path) -> Imported:
    """Add what an exported file has. A document that both have stays as it is, unless the file's was read later.

    Run again after it was interrupted, it goes on. The exported file is only read.

    Raises:
        UserError: the file is not an exported memory, is damaged, or comes from a newer version.
    """
    if not path.is_file():
        raise IndexUnusable(f"{path} is not a file.", "Export one: `assistant memory export FILE`.")
    with tempfile.TemporaryDirectory(dir=index.path and index.path.parent, prefix=".import-") as folder:
        copy = Path(folder) / "memory.db"  # a file of an older version is brought up to date
        try:
            shutil.copyfile(path, copy)
            with Index(copy) as source:
                _must_be_ours(source)
                return _merge(index, source)
        except OSError as error:
            raise IndexUnusable(f"{path} cannot be read: {error.strerror or error}.", "Choose another file.") from error
        except UserError as error:
            message = error.message.replace(str(copy), str(path))
            raise IndexUnusable(message, None if message != error.message else error.hint) from error


def _must_be_ours(source: Index) -> None:
    """A file from elsewhere may have triggers and views of its own, and rows that fit nowhere."""
    schema = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY name"
    with Index.in_memory() as ours:
        same = [tuple(row) for row in source.database.rows(schema)] == [tuple(r) for r in ours.database.rows(schema)]
    problems = check(source.database) if same else ["Its tables are not those of a memory."]
    problems = [problem for problem in problems if not problem.endswith("not embedded.")]
    if problems:
        raise IndexUnusable(f"{source.path} is damaged: {problems[0]}")


def _merge(index: Index, source: Index) -> Imported:
    added = updated = unchanged = 0
    theirs = source.embedder
    if theirs and (index.embedder is None or not index.counts()["vectors"]):
        index.use_embedder(*theirs)
    documents = source.database.rows(
        """SELECT id, collection, CAST(path AS BLOB), kind, title, language, size, mtime_ns, digest, added, updated
           FROM documents ORDER BY id"""
    )
    remaining = iter(documents)
    while some := list(islice(remaining, _AT_ONCE)):
        with index.transaction():
            rows = index.database.rows("SELECT id FROM embedders WHERE current = 1")
            embedder = rows[0][0] if rows else None
            same = theirs is not None and index.embedder == theirs
            for row in some:
                document = DocumentRow(*tuple(row)[1:])
                before = _mine(index, document)
                if before and (before["digest"] == document.digest or before["updated"] >= document.updated):
                    unchanged += 1
                    continue
                store(index.database, document, _chunks(source, row["id"], with_vectors=same), embedder)
                added, updated = added + (not before), updated + bool(before)
    if updated:
        index.forget_removed()  # the words of the versions before
    facts = _merge_facts(index, source)
    _merge_feedback(index, source)
    not_embedded = index.count_not_embedded(index.embedder) if index.embedder else 0
    return Imported(added, updated, unchanged, facts, not_embedded)


def _mine(index: Index, document: DocumentRow) -> sqlite3.Row | None:
    rows = index.database.rows(
        "SELECT digest, updated FROM documents WHERE collection = ? AND path = CAST(? AS TEXT)", *document[:2]
    )
    return rows[0] if rows else None


def _chunks(source: Index, document: int, *, with_vectors: bool) -> Sequence[ChunkRow]:
    rows = source.database.rows(
        """SELECT c.text, c.tokens, v.count, v.spans, v.vectors, s.signs,
                  o.position, o.start, o.end, o.page, o.line, o.end_line, o.heading
           FROM occurrences o JOIN chunks c ON c.id = o.chunk_id
           LEFT JOIN vectors v ON v.chunk_id = c.id AND v.embedder_id = (SELECT id FROM embedders WHERE current = 1)
           LEFT JOIN signs s ON s.id = v.id
           WHERE o.document_id = ? ORDER BY o.position""",
        document,
    )
    found = []
    for row in rows:
        text, tokens, *packed = row[:6]
        vectors: Packed | None = tuple(packed) if with_vectors and row["count"] else None
        # Its own key, whatever the file says: another's would put this text in the place of what has that key.
        found.append(ChunkRow(key_of(text), text, tokens, vectors, Occurrence(*row[6:])))
    return found


def _merge_facts(index: Index, source: Index) -> int:
    facts = source.database.rows("SELECT text, created, updated FROM facts ORDER BY id")
    with index.database.transaction():
        known = {row[0] for row in index.database.rows("SELECT text FROM facts")}
        new = [tuple(fact) for fact in facts if fact["text"] not in known]
        index.database.write_many("INSERT INTO facts (text, created, updated) VALUES (?, ?, ?)", new)
    return len(new)


def _merge_feedback(index: Index, source: Index) -> None:
    rows = source.database.rows(
        "SELECT c.key, f.message_id, f.value, f.created FROM feedback f JOIN chunks c ON c.id = f.chunk_id"
    )
    index.database.write_many(
        """INSERT OR IGNORE INTO feedback (chunk_id, message_id, value, created)
           SELECT id, ?2, ?3, ?4 FROM chunks WHERE key = ?1""",
        [tuple(row) for row in rows],
    )
