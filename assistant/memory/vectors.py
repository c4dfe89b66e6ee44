"""All vectors of the current embedder in memory, and the chunks nearest to a query.

Few vectors are compared exactly, as one matrix of float32. Of many only the signs are kept, one bit a dimension: the
Hamming distance to the query's signs picks candidates (as in Faiss' binary indexes and "Binary Passage Retriever",
Yamada et al. 2021), whose float16 vectors are then read from the database and compared exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.database import Database

EXACT = 50_000  # as many vectors at most are kept as float32: 102 MB of 512 dimensions
# Chunks that are compared exactly after their signs. Of 30,000 sentences in the default embedder's vectors, 800 have
# 98 % of the 50 nearest to a sentence (99.8 % of the 10 nearest), 1,600 have 99.6 %.
CANDIDATES = 1200
_READ_AT_ONCE = 20_000  # rows, so that what is read does not double the memory
_BLOCK = 1 << 14  # vectors whose distances are computed at once: their signs stay in the processor's cache

Span = tuple[int, int]


def pack(vectors: Sequence[tuple[int, int, NDArray[np.float32]]], dims: int) -> tuple[int, bytes, bytes, bytes]:
    """What the tables keep of a chunk's vectors: how many, their spans, float16, signs.

    Raises:
        ValueError: a vector has another length, or is not finite.
    """
    matrix = np.array([vector for _, _, vector in vectors], dtype=np.float32)
    if matrix.shape != (len(vectors), dims) or not np.isfinite(matrix).all():
        raise ValueError(f"vectors of shape {matrix.shape} instead of ({len(vectors)}, {dims}), or not finite")
    spans = np.array([span[:2] for span in vectors], dtype="<i4")
    halves = matrix.astype("<f2")
    return len(vectors), spans.tobytes(), halves.tobytes(), signs_of(halves).tobytes()


def spans_of(spans: bytes) -> list[Span]:
    """As a row of ``vectors`` has them."""
    return [(start, end) for start, end in np.frombuffer(spans, "<i4").reshape(-1, 2).tolist()]


def signs_of(vectors: NDArray[np.floating]) -> NDArray[np.uint64]:
    """(n, dims) to (n, ceil(dims / 64)): a bit is 1 where the value is positive."""
    bits = np.packbits(vectors > 0, axis=1, bitorder="little")
    padding = -bits.shape[1] % 8
    return np.pad(bits, ((0, 0), (0, padding))).view("<u8")


class Matrix:
    """The vectors as they are in the database now; every search first catches up with it.

    Attributes:
        chunk_ids: (rows,), a row being one chunk with all its vectors.
    """

    def __init__(self, database: Database):
        self._database = database
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Read everything again at the next search."""
        self._embedder: tuple[int, int] | None = None  # id, dims
        self._exact = False
        self._last = self._removals = 0
        self._ids, self.chunk_ids = np.empty(0, np.int64), np.empty(0, np.int64)  # of rows; of vectors and of chunks
        self._first = np.zeros(0, np.int64)  # each row's first vector
        self._count = 0  # of vectors
        self._data: NDArray[np.float32] | NDArray[np.uint64] = np.empty((0, 0), np.float32)

    def nearest(
        self, query: NDArray[np.float32], limit: int, allowed: NDArray[np.int64] | None = None
    ) -> list[tuple[int, float, Span]]:
        """The chunks whose best vector is nearest to ``query`` (dims,), unit length: (chunk, cosine, span of the best).

        ``allowed``: sorted ids of the chunks to look at; None: all.

        Raises:
            ValueError: the query has another number of dimensions than the vectors.
        """
        with self._lock, self._database.transaction(write=False):  # one view of all tables
            self.refresh()
            if not len(self._ids) or limit < 1:
                return []
            if query.shape != (self._data_dims(),):
                raise ValueError(f"a query of shape {query.shape} for vectors of {self._data_dims()} dimensions")
            rows = None if allowed is None else np.flatnonzero(np.isin(self.chunk_ids, allowed))
            wanted = max(CANDIDATES, 4 * limit)
            if self._exact:
                scores = np.maximum.reduceat(self._data[: self._count] @ query, self._first)
                candidates = _best(-scores, limit, rows)
            elif rows is not None and len(rows) <= wanted:
                candidates = rows
            else:
                candidates = _best(np.minimum.reduceat(self._distances(query), self._first), wanted, rows)
            ids = self._ids[candidates].tolist()
            return self._scored(query, limit, f"id IN ({', '.join('?' * len(ids))})", *ids)

    def refresh(self) -> None:
        """Take over what was added and removed since, by this process or by others."""
        found = self._database.rows("SELECT id, dims, vectors, removals FROM embedders WHERE current = 1")
        if not found:
            return self.forget()
        id, dims, vectors, removals = found[0]
        if self._embedder != (id, dims) or self._exact != (vectors <= EXACT):
            self.forget()
            self._embedder, self._exact = (id, dims), vectors <= EXACT
            self._data = self._room(int(vectors))
            self._removals = removals
        if self._removals != removals:
            self._drop_removed(id)
            self._removals = removals
        self._append_new(id)
        return None

    def _room(self, vectors: int) -> NDArray[np.float32] | NDArray[np.uint64]:
        """Memory that is not touched is not used: a quarter more, so that growing seldom copies."""
        assert self._embedder
        capacity = vectors + vectors // 4 + 1024
        if self._exact:
            return np.empty((capacity, self._data_dims()), np.float32)
        # Words first: a distance is then a sum of whole arrays.
        return np.empty((-(-self._data_dims() // 64), capacity), np.uint64)

    def _data_dims(self) -> int:
        assert self._embedder
        return self._embedder[1]

    def _append_new(self, embedder: int) -> None:
        table, column = ("vectors", "vectors") if self._exact else ("signs", "signs")
        sql = f"""SELECT id, chunk_id, {column} FROM {table} WHERE id > ? AND embedder_id = ? ORDER BY id
                  LIMIT {_READ_AT_ONCE}"""
        width = self._data_dims() * 2 if self._exact else -(-self._data_dims() // 64) * 8
        while rows := self._database.rows(sql, self._last, embedder):
            ids, chunk_ids, blobs = zip(*rows, strict=True)
            counts = np.fromiter(map(len, blobs), np.int64, len(rows)) // width
            ends = self._count + np.cumsum(counts)
            self._reserve(int(ends[-1]))
            blob = b"".join(blobs)
            if self._exact:
                new = np.frombuffer(blob, "<f2").reshape(-1, self._data_dims())
                self._data[self._count : ends[-1]] = new
            else:
                self._data[:, self._count : ends[-1]] = np.frombuffer(blob, "<u8").reshape(-1, width // 8).T
            self._ids = np.append(self._ids, np.array(ids, np.int64))
            self.chunk_ids = np.append(self.chunk_ids, np.array(chunk_ids, np.int64))
            self._first = np.append(self._first, ends - counts)
            self._count, self._last = int(ends[-1]), int(ids[-1])
            if len(rows) < _READ_AT_ONCE:
                return

    def _reserve(self, vectors: int) -> None:
        axis = 0 if self._exact else 1
        if vectors > self._data.shape[axis]:
            larger = self._room(vectors)
            if self._exact:
                larger[: self._count] = self._data[: self._count]
            else:
                larger[:, : self._count] = self._data[:, : self._count]
            self._data = larger

    def _drop_removed(self, embedder: int) -> None:
        present = self._database.rows("SELECT id FROM vectors WHERE embedder_id = ? AND id <= ?", embedder, self._last)
        keep = np.isin(self._ids, np.fromiter((row[0] for row in present), np.int64, len(present)))
        counts = np.diff(self._first, append=self._count)
        kept = np.repeat(keep, counts)
        end = 0
        for start in range(0, self._count, _BLOCK):  # in place: a copy would double the memory
            chosen = kept[start : min(start + _BLOCK, self._count)]
            moved = int(chosen.sum())
            if self._exact:
                self._data[end : end + moved] = self._data[start : start + len(chosen)][chosen]
            else:
                self._data[:, end : end + moved] = self._data[:, start : start + len(chosen)][:, chosen]
            end += moved
        counts = counts[keep]
        self._ids, self.chunk_ids, self._count = self._ids[keep], self.chunk_ids[keep], end
        self._first = np.cumsum(counts) - counts

    def _distances(self, query: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Hamming distances (vectors,) of the signs."""
        signs = signs_of(query[None])[0]
        distances = np.empty(self._count, np.uint16)
        differing, ones = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint8)
        for start in range(0, self._count, _BLOCK):
            some = distances[start : start + _BLOCK]
            some[:] = 0
            size = len(some)
            for word, sign in zip(self._data, signs, strict=True):
                np.bitwise_xor(word[start : start + size], sign, out=differing[:size])
                np.bitwise_count(differing[:size], out=ones[:size])
                some += ones[:size]
        return distances

    def compare(self, query: NDArray[np.float32], chunk_ids: Sequence[int]) -> list[tuple[int, float, Span]]:
        """The cosine of each of these chunks' best vector, and its span, as in :meth:`nearest`."""
        with self._lock:
            self.refresh()
            if self._embedder is None:
                return []
            where = f"embedder_id = {self._embedder[0]} AND chunk_id IN ({', '.join('?' * len(chunk_ids))})"
            return self._scored(query, len(chunk_ids), where, *chunk_ids)

    def _scored(
        self, query: NDArray[np.float32], limit: int, where: str, *values: int
    ) -> list[tuple[int, float, Span]]:
        rows = self._database.rows(f"SELECT chunk_id, spans, vectors FROM vectors WHERE {where}", *values)
        if not rows:
            return []
        matrix = np.frombuffer(b"".join(row[2] for row in rows), "<f2").astype(np.float32).reshape(-1, len(query))
        scores = np.minimum(matrix @ query, 1)  # float16 is a little longer or shorter than one
        counts = np.array([len(row[1]) // 8 for row in rows])
        first = np.cumsum(counts) - counts
        bests = np.maximum.reduceat(scores, first)
        found = []
        for number in sorted(range(len(rows)), key=lambda number: (-bests[number], rows[number][0]))[:limit]:
            best = int(np.argmax(scores[first[number] : first[number] + counts[number]]))
            start, end = np.frombuffer(rows[number][1], "<i4", 2, best * 8).tolist()
            found.append((int(rows[number][0]), float(bests[number]), (start, end)))
        return found


def _best(distances: NDArray[np.number], limit: int, rows: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """The numbers of the ``limit`` smallest, among ``rows`` only if given, in any order."""
    if rows is not None:
        distances = distances[rows]
    best = np.argpartition(distances, limit)[:limit] if limit < len(distances) else np.arange(len(distances))
    return best if rows is None else rows[best]
