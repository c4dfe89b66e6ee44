"""Words to chunks: BM25 over the stems, by SQLite's FTS5."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import combinations, islice

from assistant.database import Database

MATCHES = 20_000  # FTS5 scores every chunk that matches, 2 µs each: more than this are not asked for
CANDIDATES = 800  # chunks that are scored by all words when only some chose them
MOST_TERMS = 64  # of a pasted text the rarest words are searched for: each word is counted in every candidate
_AT_ONCE = 500  # parameters of one query
FEW = 1000  # chunks that are scored one by one when a filter leaves no more
_K1, _B = 1.2, 0.75  # as in FTS5


class Lexical:
    """BM25 (Robertson and Zaragoza 2009, with the constants of FTS5). A score is a positive number, higher is better.

    FTS5 takes time for every chunk with any of the words. When these are very many, chunks with a rare word or with
    two frequent ones are candidates, and all words score them: one frequent word weighs next to nothing.
    """

    def __init__(self, database: Database):
        self._database = database
        self._frequencies: dict[str, int] = {}  # how many chunks have a word
        self._counted_at = -1  # how many chunks there were when they were counted

    def search(
        self, stems: Sequence[str], limit: int, allowed: Collection[int] | None = None
    ) -> list[tuple[int, float]]:
        """The best chunks with any of these words. ``allowed``: the chunks to look at; None: all."""
        terms = list(dict.fromkeys(stem for stem in stems if any(map(str.isalnum, stem))))
        if not terms or limit < 1:
            return []
        with self._database.transaction(write=False):
            if len(terms) > MOST_TERMS:
                self._count(terms, self._statistics()[0])
                occurring = [term for term in terms if self._frequencies[term]]
                terms = sorted(occurring, key=self._frequencies.__getitem__)[:MOST_TERMS]
                if not terms:
                    return []
            if allowed is not None and len(allowed) <= FEW:
                return self._rescored(list(allowed), terms)[:limit]
            every = " OR ".join(map(_quoted, terms))
            match = self._selective(terms)
            if match:
                candidates = self._ranked(match, max(CANDIDATES, 4 * limit), allowed)
                if len(candidates) >= limit:
                    return self._rescored([chunk for chunk, _ in candidates], terms)[:limit]
            return self._ranked(every, limit, allowed)

    def frequencies(self, stems: Sequence[str]) -> tuple[int, dict[str, int]]:
        """How many chunks there are, and about how many of them have each of these words."""
        with self._database.transaction(write=False):
            chunks, _ = self._statistics()
            self._count(stems, chunks)
        return chunks, {stem: self._frequencies[stem] for stem in stems}

    def _ranked(self, match: str, limit: int, allowed: Collection[int] | None) -> list[tuple[int, float]]:
        sql = "SELECT rowid, -rank FROM chunks_fts WHERE chunks_fts MATCH ? ORDER BY rank"
        if allowed is None:
            return [(row[0], row[1]) for row in self._database.rows(f"{sql} LIMIT ?", match, limit)]
        found = ((row[0], row[1]) for row in self._database.rows(sql, match))
        return list(islice((hit for hit in found if hit[0] in allowed), limit))

    def _selective(self, terms: Sequence[str]) -> str | None:
        """A query that matches about ``MATCHES`` chunks at most; None: any of the terms does not match more."""
        chunks, _ = self._statistics()
        if chunks <= MATCHES:
            return None
        self._count(terms, chunks)
        often = {term: self._frequencies[term] for term in sorted(terms, key=self._frequencies.__getitem__)}
        if sum(often.values()) <= MATCHES:
            return None
        parts, total = [], 0.0
        for term, count in often.items():
            if total + count <= MATCHES:
                parts.append(_quoted(term))
                total += count
        frequent = [term for term in often if _quoted(term) not in parts]
        if len(frequent) == 1 and not parts:
            return None
        # As if words were independent of one another.
        pairs = sorted((often[one] * often[other] / chunks, one, other) for one, other in combinations(frequent, 2))
        for expected, one, other in pairs:
            if total + expected <= MATCHES:
                parts.append(f"({_quoted(one)} AND {_quoted(other)})")
                total += expected
        if not parts:
            parts.append(" AND ".join(map(_quoted, frequent)))
        return " OR ".join(parts)

    def _statistics(self) -> tuple[int, int]:
        """How many chunks are indexed, and how many words they have, from FTS5's own record of averages."""
        rows = self._database.rows("SELECT block FROM chunks_fts_data WHERE id = 1")
        numbers = _varints(rows[0][0]) if rows else []
        return (numbers[0], numbers[1]) if len(numbers) > 1 else (0, 0)

    def _count(self, terms: Sequence[str], chunks: int) -> None:
        # They need not be exact: counted again only when the index is a tenth larger or smaller.
        if abs(chunks - self._counted_at) > self._counted_at / 10:
            self._frequencies.clear()
            self._counted_at = chunks
        missing = [term for term in terms if term not in self._frequencies]
        self._frequencies |= dict.fromkeys(missing, 0)
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            found = self._database.rows(f"SELECT term, doc FROM chunks_terms WHERE term IN ({marks})", *some)
            self._frequencies |= {row[0]: row[1] for row in found}

    def _rescored(self, ids: Sequence[int], terms: Sequence[str]) -> list[tuple[int, float]]:
        """BM25 of these chunks, best first, without those that have none of the terms."""
        chunks, words = self._statistics()
        self._count(terms, chunks)
        weights = {}
        for term in terms:
            have = self._frequencies[term]
            weights[term] = max(math.log((chunks - have + 0.5) / (have + 0.5)), 1e-6) if have < chunks else 1e-6
        scored = []
        marks = ", ".join("?" * len(ids))
        for id, stems in self._database.rows(f"SELECT id, stems FROM chunks WHERE id IN ({marks})", *ids):
            text = stems.split(" ")
            length = _K1 * (1 - _B + _B * len(text) * chunks / max(words, 1))
            counts = [(weights[term], count) for term in terms if (count := text.count(term))]
            if counts:
                scored.append((id, sum(weight * count * (_K1 + 1) / (count + length) for weight, count in counts)))
        return sorted(scored, key=lambda hit: (-hit[1], hit[0]))


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'


def _varints(block: bytes) -> list[int]:
    """SQLite's integers of one to nine bytes; these numbers never need the ninth."""
    numbers, value = [], 0
    for byte in block:
        value = value << 7 | byte & 127
        if byte < 128:
            numbers.append(value)
            value = 0
    return numbers
