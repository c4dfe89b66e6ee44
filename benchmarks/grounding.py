"""What the model makes of the passages that it is given: right answers, right citations, and what it refuses.

    python benchmarks/grounding.py PATH [--model starter] [--sets 6] [--publish]

PATH is a file in the form of XQuAD's articles, English and Russian aligned, as for ``retrieval.py``. Each set is four
passages: three paragraphs of one article and one of another, in one language. Questions in both languages are asked of
each: two that the paragraphs answer, one of a paragraph of the same article that is not there, and one of yet another
article. Greedy; everything goes through what the product uses. Right: most of the stems of the expected answer are in
the model's. Cited: the right passage is, by the model or, failing that, by the program.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from report import Row, publish

from assistant.engine.engine import GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from assistant.memory.citations import check
from assistant.memory.claims import Evidence
from assistant.memory.embedding import Embedder, load_embedder
from assistant.memory.grounding import NOT_IN_MEMORY, Source, answerable, is_refusal, question_with
from assistant.memory.index import Passage, Place
from assistant.memory.stemming import language_of, stems
from models.store import Store

LANGUAGES = ("en", "ru")
NAMES = {"en": "English", "ru": "Russian"}
Outcomes: TypeAlias = dict[tuple[str, str], dict[str, list[bool]]]
OPTIONS = GenerateOptions(temperature=0, max_tokens=64, draft="off", seed=1, keep_state=False)
NONCE = "5eed5eed"  # the same for all: the passages of a set stay in the KV cache
RIGHT = 0.6  # of the stems of the expected answer
Z = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class Asked:
    """A question in both languages; ``passage``: the id of the one that answers it, 0 if none does."""

    entry: dict[str, str]
    passage: int


def sets_of(path: Path, count: int, seed: int) -> Iterator[tuple[list[dict[str, Any]], list[Asked]]]:
    """Sets of four paragraphs, the shorter ones of an article, and four questions."""
    articles = json.loads(path.read_text(encoding="utf-8"))["articles"]
    chosen = random.Random(seed)
    order = chosen.sample(range(len(articles)), len(articles))
    for number in order[:count]:
        paragraphs = sorted(articles[number]["paragraphs"], key=lambda paragraph: len(paragraph["en"]))[:4]
        chosen.shuffle(paragraphs)
        *there, absent = paragraphs
        others = [articles[(number + step) % len(articles)]["paragraphs"] for step in (1, 2)]
        passages = [*there, min(others[0], key=lambda paragraph: len(paragraph["en"]))]
        chosen.shuffle(passages)
        asked = [
            Asked(chosen.choice(paragraph["questions"]), passages.index(paragraph) + 1)
            for paragraph in chosen.sample(there, 2)
        ]
        asked += [Asked(chosen.choice(paragraph["questions"]), 0) for paragraph in (absent, chosen.choice(others[1]))]
        yield passages, asked


def sources_of(passages: Sequence[dict[str, Any]], language: str) -> list[Source]:
    found = []
    for id, paragraph in enumerate(passages, 1):
        text = paragraph[language].strip("\ufeff \n")
        place = Place(
            document_id=id,
            collection="default",
            path=Path(f"/{id}.html"),
            title=f"Document {id}",
            kind="html",
            start=0,
            end=len(text),
            page=None,
            line=1,
            end_line=1,
            heading="",
            modified=datetime.now(UTC),
            digest="",
        )
        found.append(Source(id, Passage(id, text, 0, language, place), 1.0))
    return found


def is_right(answer: str, entry: dict[str, str]) -> bool:
    """Whether most of the expected answer, in either language, is in it."""
    said = Evidence(answer)
    for language in LANGUAGES:
        expected = set(stems(entry[f"answer_{language}"]))
        if expected and len(expected & said.stems) >= RIGHT * len(expected):
            return True
    return False


def ask(engine: LocalEngine, sources: list[Source], question: str, language: str, *, refuse: bool) -> str:
    asked = question_with(sources, question, language, NONCE)
    if refuse:
        asked += f" If the passages do not answer the question, write only: {NOT_IN_MEMORY[language]}"
    message = Message("user", asked)
    return next(event for event in engine.generate([message], OPTIONS) if isinstance(event, Result)).text


def measure(
    engine: LocalEngine, embedder: Embedder, path: Path, count: int, seed: int
) -> dict[tuple[str, str], dict[str, list[bool]]]:
    """By language of question and of passages, what came of each question, by name of what is counted."""
    outcomes: Outcomes = defaultdict(lambda: defaultdict(list))
    for number, (passages, questions) in enumerate(sets_of(path, count, seed)):
        for written in LANGUAGES:
            sources = sources_of(passages, written)
            for language in LANGUAGES:
                for asked in questions:
                    _measure_one(engine, embedder, sources, asked, language, outcomes[language, written])
        print(f"set {number + 1} of {count}", flush=True)
    return outcomes


def _measure_one(
    engine: LocalEngine,
    embedder: Embedder,
    sources: list[Source],
    asked: Asked,
    language: str,
    counts: dict[str, list[bool]],
) -> None:
    question = asked.entry[language].strip()
    passed = answerable(engine, [], sources, question, language, NONCE)
    refused = is_refusal(ask(engine, sources, question, language, refuse=True))
    kind = "answerable" if asked.passage else "unanswerable"
    counts[f"{kind}: refused by the gate"].append(not passed)
    counts[f"{kind}: refused by the answer itself"].append(refused)
    counts[f"{kind}: refused by either"].append(refused or not passed)
    if asked.passage:
        answer = ask(engine, sources, question, language, refuse=False)
        citations = check(answer, sources, question=question, embedder=embedder).citations
        by_model = {citation.id for citation in citations if not citation.attributed}
        counts["answerable: right"].append(is_right(answer, asked.entry))
        counts["answerable: in the language of the question"].append(language_of(answer) == language)
        counts["answerable: cited by the model"].append(asked.passage in by_model)
        counts["answerable: cited by the model or the program"].append(asked.passage in {c.id for c in citations})


def row(name: str, outcomes: Sequence[bool]) -> Row:
    share, n = sum(outcomes) / len(outcomes), len(outcomes)
    # Wilson's interval: these are few.
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return Row(name, share, 1.0, "share", share, "", True, f"{middle - half:.2f}–{middle + half:.2f} of {n}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--sets", type=int, default=6, help="two minutes each on two cores")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--publish", action="store_true", help="write results/grounding.json")
    arguments = parser.parse_args()
    load = LoadOptions(drafting=False, prompt_cache=False, context_length=6144)
    engine = LocalEngine(Store().resolve(arguments.model).path, load)
    outcomes = measure(engine, load_embedder(), arguments.path, arguments.sets, arguments.seed)
    engine.close()
    rows = [
        row(f"{NAMES[asked]} question, {NAMES[written]} passages; {name}", found)
        for (asked, written), counts in sorted(outcomes.items(), key=lambda item: item[0][0] != item[0][1])
        for name, found in sorted(counts.items())
    ]
    if arguments.publish:
        publish(
            "grounding", rows, notes=f"{arguments.model}, {arguments.sets} sets of four passages, seed {arguments.seed}"
        )
    else:
        for each in rows:
            print(f"{each.name:<90} {each.ours:.2f}  {each.note}")


if __name__ == "__main__":
    main()
