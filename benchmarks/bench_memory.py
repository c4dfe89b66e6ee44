"""What a search of the memory costs beside one matrix product and one query of FTS5, with 100,000 chunks and a million.

    python benchmarks/bench_memory.py [--chunks 100000 1000000] [--queries 200] [--rounds 3] [--keep FOLDER]

The text is made up in two languages: words of a Zipf distribution in documents that have topics, two vectors a chunk
in clusters. Text and vectors go in through ``Index.put``. Every size is built once, and measured in a process of its
own: opening (until the first vectors can be searched), searches, memory. A million chunks take 5 GB of disk.

The limit is measured in turns with our own search: a product of a matrix of all vectors as float32 with the query, of
one BLAS thread like ours, and ``… MATCH … ORDER BY rank LIMIT 50`` with the same words in the same database.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from report import Row, compare, publish

DIMS = 512
VECTORS = 2  # of a chunk
WORDS = 60  # of a chunk
VOCABULARY = 30_000  # words of a language
A_DOCUMENT = 500  # chunks
LIMIT = 50
ENGLISH = "ba ce di fo gu ha je ki lo mu ne pi qua ro su ta ve wi xe yo zu chan ster ment tion"
RUSSIAN = "ба ве ги до жу зе ки ло му не пи ра со ту фе хи цо чу ше ща щи эл юр яв ость"


class Corpus:
    """Made-up documents, the same for the same seed."""

    def __init__(self, seed: int):
        self._random = np.random.default_rng(seed)
        words = np.random.default_rng(0)
        self._words = [_vocabulary(words, syllables) for syllables in (ENGLISH, RUSSIAN)]
        # Words that are left when stop words are gone: the most frequent one is in every sixth chunk.
        self._shares = np.cumsum(1 / (np.arange(VOCABULARY) + 20))
        self._shares /= self._shares[-1]
        self._centres = words.standard_normal((1000, DIMS), np.float32)

    def document(self, chunks: int) -> tuple[list[str], NDArray[np.float32]]:
        """Texts of chunks, in one language and on one topic, and vectors (chunks, VECTORS, DIMS)."""
        words = self._words[self._random.integers(2)]
        topic = self._random.integers(500, VOCABULARY, 300)
        chosen = np.searchsorted(self._shares, self._random.random((chunks, WORDS)))
        on_topic = self._random.random(chosen.shape) < 0.2
        chosen[on_topic] = self._random.choice(topic, int(on_topic.sum()))
        texts = [" ".join(words[row]) for row in chosen]
        return texts, self._vectors(self._random.integers(len(self._centres), size=(chunks, VECTORS)))

    def queries(self, number: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Questions of four to eight words of some chunk, and vectors in the same clusters."""
        for _ in range(number):
            texts, vectors = self.document(1)
            words = self._random.permutation(texts[0].split())[: self._random.integers(4, 9)]
            yield " ".join(words), vectors[0, 0]

    def _vectors(self, clusters: NDArray[np.int64]) -> NDArray[np.float32]:
        noise = self._random.standard_normal((*clusters.shape, DIMS), np.float32)
        vectors: NDArray[np.float32] = self._centres[clusters] + noise
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _vocabulary(random: np.random.Generator, syllables: str) -> NDArray[np.object_]:
    parts = np.array(syllables.split(), object)[random.integers(25, size=(4 * VOCABULARY, 4))]
    lengths = random.integers(2, 5, len(parts))
    words = dict.fromkeys("".join(row[:length]) for row, length in zip(parts, lengths, strict=True))
    return np.array(list(words)[:VOCABULARY], object)


def fill(path: Path, chunks: int) -> None:
    """Add made-up documents until the index has this many chunks."""
    from assistant.memory.chunking import Chunk
    from assistant.memory.documents import Document
    from assistant.memory.files import Found
    from assistant.memory.index import Index

    with Index(path) as index:
        index.use_embedder("made-up", "1", DIMS)
        documents, there = index.counts()["documents"], index.counts()["chunks"]
        corpus = Corpus(seed=1 + documents)
        while there < chunks:
            texts, vectors = corpus.document(min(A_DOCUMENT, chunks - there))
            text = "\n\n".join(texts)
            file = Path(f"/made-up/{documents}.txt")
            starts = np.cumsum([0, *(len(each) + 2 for each in texts)])
            cut = [
                Chunk(each, int(start), int(start) + len(each), WORDS, "", ())
                for each, start in zip(texts, starts, strict=False)
            ]
            spans = [
                [(number * 100, number * 100 + 100, vector) for number, vector in enumerate(some)] for some in vectors
            ]
            digest = hashlib.sha256(text.encode()).hexdigest()
            index.put("made-up", Found(file, len(text), 0), digest, Document(file, "text", file.stem, text), cut, spans)
            documents, there = documents + 1, there + len(texts)


class Ready:
    """In the place of an embedder: the vectors of the questions are there."""

    name, version, dims, whole_chunks = "use-multilingual", "1", DIMS, False

    def __init__(self, queries: dict[str, NDArray[np.float32]]):
        self.query = queries.__getitem__


def measure(path: Path, queries: int, rounds: int, limit: bool) -> dict[str, Any]:
    """Seconds and bytes in this process, which has done nothing else: see the names."""
    from assistant.memory.index import Index
    from assistant.memory.retrieval import Retriever
    from assistant.memory.stemming import stems

    questions = dict(Corpus(seed=0).queries(queries))
    warm = next(iter(questions))
    began = time.perf_counter()
    index = Index(path)
    index.nearest(questions[warm], 1)
    opening = time.perf_counter() - began
    retriever = Retriever(index, Ready(questions))  # type: ignore[arg-type]
    for question in list(questions)[:20]:
        retriever.search(question)
    memory = psutil.Process().memory_info().rss
    ours, parts = [], []
    if limit:
        vectors = np.ones((index.database.rows("SELECT sum(vectors) FROM embedders")[0][0], DIMS), np.float32)
        bare = sqlite3.connect(path)
        match = "SELECT rowid, rank FROM chunks_fts WHERE chunks_fts MATCH ? ORDER BY rank LIMIT ?"
    for _ in range(rounds):
        ours.append(p95([seconds(lambda q=question: retriever.search(q)) for question in questions]))
        if limit:
            products = [seconds(lambda v=vector: vectors @ v) for vector in questions.values()]
            terms = [" OR ".join(f'"{stem}"' for stem in stems(question)) for question in questions]
            words = [seconds(lambda t=term: bare.execute(match, (t, LIMIT)).fetchall()) for term in terms]
            parts.append(p95([sum(both) for both in zip(products, words, strict=True)]))
    return {"opening": opening, "memory": memory, "ours": ours, "limit": parts}


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def p95(values: list[float]) -> float:
    return float(np.quantile(values, 0.95))


def apart(path: Path, queries: int, rounds: int, limit: bool) -> dict[str, Any]:
    """:func:`measure` in a process of its own, with one BLAS thread."""
    command = [sys.executable, __file__, "--measure", str(path), "--queries", str(queries), "--rounds", str(rounds)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *(["--limit"] if limit else [])], check=True, capture_output=True, text=True, env=environment
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder for the databases, to measure them again without filling")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--limit", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.queries, options.rounds, options.limit)))
        return
    rows: list[Row] = []
    first: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        smaller: Path | None = None
        for chunks in sorted(options.chunks):
            path = (options.keep or Path(folder)) / f"{chunks}.db"
            if smaller and not path.exists():
                shutil.copy(smaller, path)  # the smaller one is its beginning
            smaller = path
            filling = seconds(lambda path=path, size=chunks: fill(path, size))
            print(f"{chunks:,} chunks: {path.stat().st_size / 1e9:.1f} GB, {filling:.0f} s to fill", file=sys.stderr)
            found = apart(path, options.queries, options.rounds, not first)
            name = f"{chunks:,} chunks"
            ours = [each * 1000 for each in found["ours"]]
            if not first:
                limit = [each * 1000 for each in found["limit"]]
                what = f"search of {name}, 95 % / a matrix product and an FTS5 query"
                rows.append(compare(what, ours, limit, "ms", "<= 2"))
                opening = f"opening {name}, with the first search / half a second"
                rows.append(compare(opening, [found["opening"] * 1000], [500], "ms", "<= 1"))
                first = found
            else:
                before = [each * 1000 for each in first["ours"]]
                what = f"search of {name}, 95 % / of {min(options.chunks):,}"
                rows.append(compare(what, ours, before, "ms", "<= 5"))
                rows.append(compare(f"opening {name}", [found["opening"]], [1], "s", ""))
            matrix = chunks * VECTORS * DIMS * 4
            what = f"memory of the process, {name} / all vectors in float32"
            rows.append(compare(what, [found["memory"] / 1e6], [matrix / 1e6], "MB", ""))
    notes = f"{options.queries} questions, {options.rounds} rounds; {VECTORS} vectors of {DIMS} dimensions a chunk"
    publish("memory", rows, notes)


if __name__ == "__main__":
    main()
