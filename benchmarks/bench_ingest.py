"""Putting a folder into memory against the embedder alone, and putting it there again against reading it.

    python benchmarks/bench_ingest.py [--files 200] [--unchanged 2000] [--rounds 3]

The embedder's own time is that of one call with the very texts that the ingest had it embed. The folder that has not
changed is compared with a walk that computes the SHA-256 of every file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import Row, compare, publish

from assistant.memory import ingest
from assistant.memory.embedding import Embedder, load_embedder
from assistant.memory.index import Index

WORDS = {
    "en": "harbour council silt ferry winter ledger bridge captain letter market garden lamp teacher river window "
    "answer engine paper morning kitchen village station picture journey silver doctor history music island bread",
    "ru": "гавань совет паром зима мост капитан письмо рынок сад лампа учитель река окно ответ машина бумага утро "
    "кухня деревня станция картина поездка серебро доктор история музыка остров хлеб дорога библиотека",
}


class Recording:
    """The embedder, and the texts that it was given."""

    def __init__(self, embedder: Embedder):
        self.name, self.version, self.dims = embedder.name, embedder.version, embedder.dims
        self.whole_chunks, self.count_tokens, self.query = embedder.whole_chunks, embedder.count_tokens, embedder.query
        self._embedder = embedder
        self.texts: list[str] = []

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        return self._embedder.passages(texts)


def write_notes(folder: Path, files: int, paragraphs: int) -> None:
    """Markdown of synthetic text, half of it English, half Russian; the same at every run."""
    chance = random.Random(1)
    for number in range(files):
        words = WORDS["en" if number % 2 else "ru"].split()
        lines = [f"# Note {number}", ""]
        for paragraph in range(paragraphs):
            sentences = [
                f"{' '.join(chance.choices(words, k=chance.randint(7, 16)))} {number}.{paragraph}.".capitalize()
                for _ in range(chance.randint(3, 7))
            ]
            lines += [" ".join(sentences), ""]
        path = folder / str(number % 20) / f"note {number}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")
        os.utime(path, (1_700_000_000, 1_700_000_000))


def ingested(embedder: Embedder, files: int, rounds: int) -> Row:
    """Sentences a second of all of the ingest, and of the embedder alone."""
    ours, alone = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "notes"
        folder.mkdir()
        write_notes(folder, files, 12)
        for number in range(rounds):
            recording = Recording(embedder)
            with Index.open(Path(name) / f"{number}.db") as index:
                began = time.perf_counter()
                *_, report = ingest.add(index, lambda recording=recording: recording, [folder])
                seconds = time.perf_counter() - began
            assert isinstance(report, ingest.Report)
            assert report.added == files
            ours.append(len(recording.texts) / seconds)
            began = time.perf_counter()
            embedder.passages(recording.texts)
            alone.append(len(recording.texts) / (time.perf_counter() - began))
            print(f"{len(recording.texts):,} sentences: {ours[-1]:.0f} a second, {alone[-1]:.0f} alone", flush=True)
    name = f"ingest of {files} notes / the embedder alone ({embedder.name})"
    return compare(name, ours, alone, "1/s", ">= 0.85")


def unchanged(embedder: Embedder, files: int, rounds: int) -> Row:
    """Seconds to find that nothing has changed, and to compute the digest of every file."""
    again, hashed = [], []
    with tempfile.TemporaryDirectory() as name, Index.open(Path(name) / "memory.db") as index:
        folder = Path(name) / "notes"
        folder.mkdir()
        write_notes(folder, files, 3)
        for _ in ingest.add(index, lambda: embedder, [folder]):
            pass
        for _ in range(rounds):
            began = time.perf_counter()
            *_, report = ingest.add(index, lambda: embedder, [folder])
            again.append(time.perf_counter() - began)
            assert isinstance(report, ingest.Report)
            assert report.unchanged == files
            began = time.perf_counter()
            for path, _, names in os.walk(folder):
                for each in names:
                    with open(os.path.join(path, each), "rb") as file:
                        hashlib.file_digest(file, "sha256")
            hashed.append(time.perf_counter() - began)
    return compare(f"{files:,} unchanged files again / a walk that hashes them", again, hashed, "s", "<= 2")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--unchanged", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--embedder", help="another one than the default")
    chosen = parser.parse_args()
    embedder = load_embedder(chosen.embedder)
    rows = [ingested(embedder, chosen.files, chosen.rounds), unchanged(embedder, chosen.unchanged, chosen.rounds + 4)]
    publish("ingest", rows)


if __name__ == "__main__":
    main()
