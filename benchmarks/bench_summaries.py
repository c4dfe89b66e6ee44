"""What summaries keep of twelve documents, English and Russian, and what they say that the documents do not.

    python benchmarks/bench_summaries.py [-m MODEL]... [--language en|ru] [--longest WORDS] [--show] [--no-publish]

``data/summaries`` has the documents, 300 to 5,000 words, written for this, with the facts that a summary must keep, the
key ones among them, and false ones near them (``planted.py`` says how they are recognised). ``assistant summarize`` is
asked for as many words as the document's file says, greedily; beside it, the baseline, stands what the template
``summarize`` of the same model answers, asked for as many sentences as these words make. Of both, facts count in the
first words up to the number asked for and 15 % more; false items wherever they stand.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from planted import Document, documents, found
from report import RESULTS, Row, publish, write_readme
from summarizing import OPTIONS, summary_of

from assistant.engine.calls import returned
from assistant.engine.engine import LoadOptions
from assistant.engine.local import LocalEngine
from assistant.memory.stemming import language_of
from assistant.tasks.answering import answering
from assistant.tasks.length import words_of
from assistant.tasks.sources import source_of
from assistant.tasks.summarizing import SummaryOptions
from assistant.templates.library import BUILT_IN, read
from assistant.templates.template import fill
from models.store import Store

MODELS = ("starter", "qwen2.5-coder-0.5b-instruct-q4_k_m")
LANGUAGES = {"en": "English", "ru": "Russian"}
WORDS_A_SENTENCE = 18
TOLERANCE = 0.15  # of the words asked for
METHODS = ("summarize", "template")


@dataclass(frozen=True)
class Score:
    """Of one summary.

    Attributes:
        key, facts: planted facts found in as many words as were asked for, and how many there are.
        false: what it says of the false items.
        unsupported: what the program's own check tells of.
        deviation: of its length from the words asked for, as a share.
        cited: points with spans, of all; (0, 0) of the baseline, which has none.
    """

    document: str
    language: str
    method: str
    text: str
    key: tuple[int, int]
    facts: tuple[int, int]
    false: tuple[str, ...]
    unsupported: tuple[str, ...]
    deviation: float
    right_language: bool
    cited: tuple[int, int]
    seconds: float


def score(
    document: Document,
    method: str,
    text: str,
    *,
    unsupported: Sequence[str] = (),
    cited: tuple[int, int] = (0, 0),
    seconds: float = 0.0,
) -> Score:
    key = [fact for fact in document.facts if fact.key]
    counted = first_words(text, int(document.words * (1 + TOLERANCE)))
    return Score(
        document.name,
        document.language,
        method,
        text,
        (len(found(key, counted)), len(key)),
        (len(found(document.facts, counted)), len(document.facts)),
        tuple(item.what for item in found(document.false, text)),
        tuple(unsupported),
        abs(words_of(text) - document.words) / document.words,
        language_of(text) == document.language,
        cited,
        seconds,
    )


def first_words(text: str, words: int) -> str:
    """What is longer than it may be keeps more by that alone: a copy of the document keeps everything."""
    return re.match(rf"\s*(?:\S+\s*){{0,{words}}}", text)[0]  # type: ignore[index]


def ours(engine: LocalEngine, document: Document, model: str) -> Score:
    started = time.perf_counter()
    summary = summary_of(engine, source_of(document.text), SummaryOptions(words=document.words), model)
    cited = (sum(bool(point.spans) for point in summary.points), len(summary.points))
    seconds = time.perf_counter() - started
    return score(document, "summarize", summary.summary, unsupported=summary.unsupported, cited=cited, seconds=seconds)


def baseline(engine: LocalEngine, document: Document, model: str) -> Score:
    template = read(BUILT_IN / "summarize.yaml")
    filled = fill(template, {"sentences": str(min(20, math.ceil(document.words / WORDS_A_SENTENCE)))})
    options = replace(OPTIONS, **template.options)
    started = time.perf_counter()
    answer = returned(answering(engine, filled, document.text, options, lambda: None))
    seconds = time.perf_counter() - started
    return score(document, "template", answer.text, unsupported=answer.unsupported, seconds=seconds)


MAKERS: dict[str, Callable[[LocalEngine, Document, str], Score]] = {"summarize": ours, "template": baseline}


def share(pairs: Sequence[tuple[int, int]]) -> float:
    """Of all items of all documents together."""
    return sum(had for had, _ in pairs) / (sum(total for _, total in pairs) or 1)


def measure(model: str, chosen: Sequence[Document], *, show: bool) -> list[Score]:
    engine = LocalEngine(Store().resolve(model).path, LoadOptions(prompt_cache=False, drafting=False))
    engine.load()
    scores = []
    for document in chosen:
        for method in METHODS:
            scores.append(one := MAKERS[method](engine, document, model))
            print(
                f"{model} {document.language} {document.name:<11} {method:<9} key {one.key[0]}/{one.key[1]} "
                f"facts {one.facts[0]}/{one.facts[1]} false {list(one.false)} unsupported {list(one.unsupported)} "
                f"length {one.deviation:.0%} off, {one.seconds:.0f} s",
                flush=True,
            )
            if show:
                print(one.text, flush=True)
    engine.close()
    return scores


def rows_of(model: str, scores: Sequence[Score]) -> list[Row]:
    """Ours beside the baseline, by language and in all."""
    rows = []
    for language in (*LANGUAGES, ""):
        kept, base = (
            [one for one in scores if one.method == method and one.language.startswith(language)] for method in METHODS
        )
        if not kept:
            continue
        n, where = len(kept), f"{model}, {LANGUAGES.get(language, 'both languages')}"

        def tell(name: str, ours: float, other: float, unit: str = "share", note: str = "", where: str = where) -> None:
            rows.append(Row(f"{where}: {name}", ours, other, unit, ours / other if other else 0.0, "", True, note))

        tell("key facts kept", share([one.key for one in kept]), share([one.key for one in base]))
        tell("facts kept", share([one.facts for one in kept]), share([one.facts for one in base]))
        tell("false items", sum(len(one.false) for one in kept), sum(len(one.false) for one in base), "items")
        told = [sum(len(one.unsupported) for one in group) for group in (kept, base)]
        tell("unsupported, as the check tells", *told, unit="items")
        lengths = [[one.deviation for one in group] for group in (kept, base)]
        within = sum(each <= TOLERANCE for each in lengths[0])
        tell("off the length asked for", *map(statistics.mean, lengths), note=f"{within} of {n} within 15 %")
        tell("in the right language", *(sum(one.right_language for one in group) / n for group in (kept, base)))
        tell("points with spans", share([one.cited for one in kept]), 1.0)
    return rows


def table(scores: Sequence[tuple[str, Score]]) -> list[str]:
    """For README.md: model and language by line, ours and the baseline's side by side."""
    lines = [
        "| model | documents | key facts | facts | false items | told as unsupported | length off | right language "
        "| points with spans |",
        "|---" * 9 + "|",
    ]
    for model in dict.fromkeys(model for model, _ in scores):
        for language in (*LANGUAGES, ""):
            groups = [
                [s for name, s in scores if name == model and s.method == method and s.language.startswith(language)]
                for method in METHODS
            ]
            if not groups[0]:
                continue
            cells = (
                [f"{share([one.key for one in group]):.0%}" for group in groups],
                [f"{share([one.facts for one in group]):.0%}" for group in groups],
                [str(sum(len(one.false) for one in group)) for group in groups],
                [str(sum(len(one.unsupported) for one in group)) for group in groups],
                [f"{statistics.mean(one.deviation for one in group):.0%}" for group in groups],
                [f"{sum(one.right_language for one in group)} of {len(group)}" for group in groups],
            )
            spans = f"{share([one.cited for one in groups[0]]):.0%}"
            name = f"{LANGUAGES.get(language, 'both')} ({len(groups[0])})"
            lines.append(f"| {model} | {name} | " + " | ".join(" / ".join(cell) for cell in cells) + f" | {spans} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", action="append", help="of the store; repeatable")
    parser.add_argument("--language", choices=LANGUAGES, help="only documents in this one")
    parser.add_argument("--longest", type=int, default=100_000, help="only documents up to so many words")
    parser.add_argument("--show", action="store_true", help="print the summaries")
    parser.add_argument("--no-publish", action="store_true", help="write neither results nor README.md")
    arguments = parser.parse_args()
    chosen = [
        document
        for document in documents()
        if document.length <= arguments.longest and document.language.startswith(arguments.language or "")
    ]
    scores: list[tuple[str, Score]] = []
    rows: list[Row] = []
    for model in arguments.model or MODELS:
        of_model = measure(model, chosen, show=arguments.show)
        scores += [(model, one) for one in of_model]
        rows += rows_of(model, of_model)
    lines = table(scores)
    if not arguments.no_publish:
        publish("summaries", rows)
        every = [{"model": model, **asdict(one)} for model, one in scores]
        path = RESULTS / "summaries_texts.json"
        path.write_text(json.dumps(every, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        write_readme("summaries", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
