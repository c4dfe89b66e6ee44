"""The index: documents, their chunks, and how chunks are found by words and by vectors, in one SQLite file.

A text is stored and embedded once, however many documents have it, and goes with the last of them. Several processes
and several threads may use one file; a document is written in one transaction, or in one with others.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.database import Database, Schema
from assistant.memory import reembedding
from assistant.memory.lexical import Lexical
from assistant.memory.passages import (
    DOCUMENT_COLUMNS,
    PLACES,
    Filter,
    Passage,
    Place,
    StoredDocument,
    document_of,
    passage_of,
)
from assistant.memory.reembedding import EmbedderId
from models.errors import UserError
from models.paths import memory_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assistant.memory.chunking import Chunk
    from assistant.memory.documents import Document
    from assistant.memory.files import Found
    from assistant.memory.transfer import Imported
    from assistant.memory.vectors import Matrix

__all__ = [
    "DEFAULT_COLLECTION",
    "EmbedderId",
    "Filter",
    "Index",
    "IndexUnusable",
    "NotEmbedded",
    "Passage",
    "Place",
    "StoredDocument",
]

DEFAULT_COLLECTION = "default"
_REINDEX = "Embed it anew: `assistant memory reindex`."
_AT_ONCE = 500  # parameters of one query


class IndexUnusable(UserError):
    """The memory cannot be opened, written or used like this. What is in it stays as it was."""


class NotEmbedded(UserError):
    """Chunks came without vectors, and the index has none of them: another process removed them meanwhile."""

    def __init__(self, keys: Sequence[str]):
        super().__init__("The memory was changed by another program at the same time.", "Try again.")
        self.keys = tuple(keys)


SCHEMA = Schema(
    name="the memory",
    application_id=0x4153534D,  # "ASSM"
    migrations="assistant.memory.migrations",
    version=4,
    fts=("chunks_fts",),
    error=IndexUnusable,
    elsewhere="Set ASSISTANT_DATA_DIR to another folder.",
    page_size=8192,  # rows of two or three vectors fill it better
    damaged="Move it away, then add the documents again, or import a copy: `assistant memory import`.",
)


class Index:
    """The memory's database.

    Raises:
        IndexUnusable: the file cannot be read or written, is not ours, or comes from a newer version. From any method.
    """

    def __init__(self, path: Path | None):
        self.path = path
        self.database = Database(path, SCHEMA)
        self._lexical = Lexical(self.database)
        self._declared: EmbedderId | None = None
        self._allowed: tuple[object, tuple[NDArray[np.int64], frozenset[int]] | None] | None = None

    @classmethod
    def open(cls, path: Path | None = None) -> Index:
        """The user's memory, created when it is not there."""
        return cls(path or memory_file())

    @classmethod
    def in_memory(cls) -> Index:
        """An index that is forgotten at the end: nothing is written to the disk."""
        return cls(None)

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of the changes inside; may be nested. Many documents in one are written faster."""
        try:
            # Documents can be read again: a dead machine may take the last ones, a dead process takes nothing.
            with self.database.transaction(durable=False):
                yield
        except BaseException:
            self.__dict__.pop("_matrix", None)  # it may have seen rows that are not there any more
            raise

    # ---- embedders

    @property
    def embedder(self) -> EmbedderId | None:
        """The one whose vectors are searched; None before the first document."""
        return reembedding.current(self.database)

    def use_embedder(self, name: str, version: str, dims: int) -> None:
        """Declare whose vectors :meth:`put` is given. An index without vectors takes any.

        Raises:
            IndexUnusable: the vectors in the index are of another one.
        """
        wanted = EmbedderId(name, version, dims)
        used = self.embedder
        if used != wanted:
            with self.transaction():
                if used and self.database.rows("SELECT 1 FROM embedders WHERE vectors > 0"):
                    message = f"The memory was embedded by {used.name} ({used.version}), not by {name} ({version})."
                    raise IndexUnusable(message, _REINDEX)
                reembedding.make_current(self.database, wanted)
        self._declared = wanted

    def not_embedded(self, embedder: EmbedderId, limit: int = 256) -> list[tuple[int, str, list[tuple[int, int]]]]:
        """Chunks without vectors of this embedder: (id, text, the spans that other vectors of it have, or none).

        Call it again after :meth:`add_vectors`, until there are none: a process that dies in between loses nothing.
        """
        return reembedding.waiting(self.database, embedder, limit)

    def count_not_embedded(self, embedder: EmbedderId) -> int:
        """How many chunks have no vectors of this embedder."""
        return reembedding.count_waiting(self.database, embedder)

    def add_vectors(
        self, embedder: EmbedderId, vectors: Iterable[tuple[int, Sequence[tuple[int, int, NDArray[np.float32]]]]]
    ) -> None:
        """Give chunks, by their ids, the vectors of an embedder that need not be the current one."""
        with self.transaction():
            reembedding.add(self.database, embedder, vectors)

    def switch_embedder(self, embedder: EmbedderId) -> bool:
        """Search by this embedder's vectors from now on, and drop the others'. False: some chunks have none yet."""
        with self.transaction():
            return reembedding.switch(self.database, embedder)

    # ---- writing

    def known(self, collection: str) -> dict[str, tuple[int, int, int, str]]:
        """What is in a collection, by path: (id, size, mtime_ns, digest) when it was read."""
        sql = "SELECT CAST(path AS BLOB), id, size, mtime_ns, digest FROM documents WHERE collection = ?"
        return {os.fsdecode(row[0]): (row[1], row[2], row[3], row[4]) for row in self.database.rows(sql, collection)}

    def known_chunks(self, keys: Collection[str]) -> set[str]:
        """Those of these chunks (see ``chunking.key_of``) that are in the index with vectors."""
        sql = """SELECT key FROM chunks c WHERE key IN ({}) AND EXISTS (
                 SELECT 1 FROM vectors v JOIN embedders e ON e.id = v.embedder_id
                 WHERE v.chunk_id = c.id AND e.current = 1)"""
        return {row[0] for row in self._rows_in(sql, list(keys))}

    def put(
        self,
        collection: str,
        found: Found,
        digest: str,
        document: Document,
        chunks: Sequence[Chunk],
        vectors: Sequence[Sequence[tuple[int, int, NDArray[np.float32]]]],
    ) -> int:
        """Write a document in place of what this collection has under its path; returns its number.

        Args:
            digest: SHA-256 of the file.
            vectors: of each chunk (start, end, vector) with the span of its text that the vector is of; empty where
                the index has them (:meth:`known_chunks`).

        Raises:
            NotEmbedded: a chunk has no vectors here nor in the index.
            IndexUnusable: no embedder was declared, or a vector is not one of it.
        """
        from assistant.memory import storing

        with self.transaction():
            current = self.database.rows("SELECT id FROM embedders WHERE current = 1")
            # Another process may have embedded everything anew, with vectors of the same length.
            if not current or self._declared is None or self.embedder != self._declared:
                raise IndexUnusable("The memory is not embedded by what these vectors come from.", _REINDEX)
            try:
                row = storing.document_row(collection, found, digest, document)
                rows = storing.chunk_rows(document, chunks, vectors, self._declared.dims)
            except ValueError as error:
                raise IndexUnusable(f"The embedder does not fit the memory: {error}.", _REINDEX) from error
            number, *ids = storing.store(self.database, row, rows, current[0][0])
            without = [(id, row.key) for id, row in zip(ids, rows, strict=True) if not row.packed]
            embedded = self._embedded([id for id, _ in without], current[0][0])
            if missing := [key for id, key in without if id not in embedded]:
                raise NotEmbedded(missing)
        return number

    def _embedded(self, chunk_ids: Sequence[int], embedder_id: int) -> set[int]:
        sql = f"SELECT chunk_id FROM vectors WHERE embedder_id = {embedder_id} AND chunk_id IN ({{}})"
        return {row[0] for row in self._rows_in(sql, chunk_ids)}

    def touch(self, id: int, mtime_ns: int, size: int) -> None:
        """The file has another time, and the same content."""
        with self.transaction():
            self.database.write("UPDATE documents SET mtime_ns = ?, size = ? WHERE id = ?", mtime_ns, size, id)

    def remove(self, ids: Iterable[int]) -> list[StoredDocument]:
        """Remove documents, and with them all that no other document has: from the tables and from the file's bytes.

        Returns what went. Inside a :meth:`transaction` the bytes stay until :meth:`forget_removed` is called after it.
        """
        return self._remove(Filter(documents=tuple(ids)))

    def remove_under(self, path: Path, collection: str | None = None) -> list[StoredDocument]:
        """Remove the document of a file, or all below a folder; None: from every collection."""
        return self._remove(Filter(under=path, collection=collection))

    def remove_collection(self, collection: str) -> list[StoredDocument]:
        """Remove all documents of a collection."""
        return self._remove(Filter(collection=collection))

    def forget_removed(self) -> None:
        """Leave nothing of removed words in the file, its log, or the backups of migrations.

        The index of words is written anew for it: about two seconds for 100,000 chunks.
        """
        self.database.forget_removed()

    def _remove(self, filter: Filter) -> list[StoredDocument]:
        with self.transaction():
            gone = self.documents(filter)
            self.database.write_many("DELETE FROM documents WHERE id = ?", [(each.id,) for each in gone])
        if gone and not self.database.in_transaction:
            self.forget_removed()
        return gone

    # ---- reading

    def documents(self, filter: Filter | None = None) -> list[StoredDocument]:
        """Documents by collection and path."""
        where, values = (filter or Filter()).where("d")
        sql = f"SELECT {DOCUMENT_COLUMNS} FROM documents d WHERE {where} ORDER BY d.collection, d.path"
        return [document_of(row) for row in self.database.rows(sql, *values)]

    def document(self, id: int) -> StoredDocument | None:
        """One document; None: it is not in the index, or no longer."""
        found = self.documents(Filter(documents=(id,)))
        return found[0] if found else None

    def collections(self) -> dict[str, int]:
        """The collections, and how many documents each has."""
        rows = self.database.rows("SELECT collection, count(*) FROM documents GROUP BY collection ORDER BY collection")
        return {row[0]: row[1] for row in rows}

    def counts(self) -> dict[str, int]:
        """The rows of every table, the index of words included."""
        from assistant.memory.maintenance import counts

        return counts(self.database)

    def lexical(self, stems: Sequence[str], limit: int, filter: Filter | None = None) -> list[tuple[int, float]]:
        """Chunks with any of these stems, best first: (chunk, BM25, higher is better)."""
        with self.database.transaction(write=False):
            allowed = self._chunks_of(filter)
            return self._lexical.search(stems, limit, allowed and allowed[1])

    def nearest(
        self, query: NDArray[np.float32], limit: int, filter: Filter | None = None
    ) -> list[tuple[int, float, tuple[int, int]]]:
        """Chunks whose best vector is nearest to a query of unit length: (chunk, cosine, span of its text)."""
        with self.database.transaction(write=False):
            allowed = self._chunks_of(filter)
            return self._matrix.nearest(query, limit, allowed and allowed[0])

    def compare(self, query: NDArray[np.float32], chunk_ids: Sequence[int]) -> list[tuple[int, float, tuple[int, int]]]:
        """These chunks as :meth:`nearest` gives them, the nearest first."""
        with self.database.transaction(write=False):
            return self._matrix.compare(query, chunk_ids)

    def frequencies(self, stems: Sequence[str]) -> tuple[int, dict[str, int]]:
        """How many chunks there are, and about how many of them have each of these stems."""
        return self._lexical.frequencies(stems)

    def stems_of(self, chunk_ids: Sequence[int]) -> dict[int, list[str]]:
        """The stems of each of these chunks, in their order."""
        rows = self._rows_in("SELECT id, stems FROM chunks WHERE id IN ({})", list(chunk_ids))
        return {row[0]: row[1].split(" ") for row in rows}

    def passages(self, chunk_ids: Sequence[int], filter: Filter | None = None) -> list[Passage]:
        """These chunks, in this order, with the places that the filter lets through; without those that have none."""
        where, values = (filter or Filter()).where("c")
        sql = f"{PLACES} WHERE c.id IN ({{}}) AND {where} ORDER BY d.id, o.position"
        found: dict[int, list[sqlite3.Row]] = {}
        for row in self._rows_in(sql, list(chunk_ids), values):
            found.setdefault(row["chunk_id"], []).append(row)
        return [passage_of(found[id]) for id in chunk_ids if id in found]

    def texts_of(self, document_id: int) -> list[Passage]:
        """The chunks of a document in their order."""
        rows = self.database.rows(f"{PLACES} WHERE d.id = ? ORDER BY o.position", document_id)
        return [passage_of([row]) for row in rows]

    @cached_property
    def _matrix(self) -> Matrix:
        from assistant.memory.vectors import Matrix

        return Matrix(self.database)

    def _chunks_of(self, filter: Filter | None) -> tuple[NDArray[np.int64], frozenset[int]] | None:
        """The chunks that a filter lets through; None: all. Those of the last filter are kept until a change."""
        if filter is None or filter == Filter():
            return None
        # Two numbers that change with every commit of others, and with every change of our own.
        version = self.database.rows("PRAGMA data_version")[0][0], self.database.changes
        if self._allowed is None or self._allowed[0] != (filter, version):
            self._allowed = (filter, version), self._select_chunks(filter)
        return self._allowed[1]

    def _select_chunks(self, filter: Filter) -> tuple[NDArray[np.int64], frozenset[int]] | None:
        import numpy as np

        where, values = filter.where("c")
        if filter.language is None:
            if not self.database.rows(f"SELECT 1 FROM documents d WHERE NOT ({where}) LIMIT 1", *values):
                return None
            chunks = "documents d JOIN occurrences o ON o.document_id = d.id"
        else:
            chunks = "documents d JOIN occurrences o ON o.document_id = d.id JOIN chunks c ON c.id = o.chunk_id"
        rows = self.database.rows(f"SELECT DISTINCT o.chunk_id FROM {chunks} WHERE {where}", *values)
        ids = np.sort(np.fromiter((row[0] for row in rows), np.int64, len(rows)))
        return ids, frozenset(ids.tolist())

    def _rows_in(self, sql: str, keys: Sequence[object], values: Sequence[object] = ()) -> Iterator[sqlite3.Row]:
        """The rows of a query with ``IN ({})``, for any number of keys; ``values`` are the parameters after it."""
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            yield from self.database.rows(sql.format(", ".join("?" * len(some))), *some, *values)

    # ---- the file

    def check(self) -> list[str]:
        """What is wrong with the database, a sentence each; empty: nothing."""
        from assistant.memory.maintenance import check

        return check(self.database)

    def repair(self) -> list[str]:
        """Mend what :meth:`check` finds, as far as that is possible; what was done, a sentence each."""
        from assistant.memory.maintenance import repair

        done = repair(self.database)
        self.__dict__.pop("_matrix", None)
        return done

    def backup(self, path: Path) -> None:
        """A copy of the database as it is now, private like it; the memory may be used meanwhile."""
        self.forget_removed()  # it should not have words either that this one only keeps by accident
        self.database.copy_to(path)

    def compact(self) -> None:
        """Give free pages back to the disk. Needs as much free space as the database has."""
        self.forget_removed()
        self.database.rows("VACUUM")
        self.database.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def export(self, path: Path) -> None:
        """One portable file with all documents, facts and feedback, for :meth:`import_` on any machine."""
        self.backup(path)

    def import_(self, path: Path) -> Imported:
        """Take over what another memory exported; see :func:`assistant.memory.transfer.merge`."""
        from assistant.memory.transfer import merge

        return merge(self, path)
