"""Many short texts in the batches of one engine, against one text after another, and against a process for each.

    python benchmarks/bench_batch.py [--model starter] [--rounds 3] [--texts 200] [--extractions 40] [--processes 5]

All ways answer with the same templates (classify with three labels, extract with three fields) and have the prompt's
beginning computed once, but for the processes: `assistant ask -t classify` as users run it, the prompt cache on disk
warm, and without it, measured on a few texts. One after another drafts, as `generate` does by itself; what is written
side by side does not.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from report import compare, markdown, publish, write_readme

from assistant.engine.calls import Choice
from assistant.engine.engine import GenerateOptions, LoadOptions, Result
from assistant.engine.local import LocalEngine
from assistant.engine.many import Request, sequences_that_pay
from assistant.engine.scoring import probabilities
from assistant.templates.library import Library
from assistant.templates.template import fill
from models import hardware
from models.errors import UserError
from models.store import Store

LABELS = ["praise", "complaint", "question"]
THINGS = ("kettle", "tent", "night train", "city map", "bakery", "phone", "garden hose", "museum", "taxi", "printer")
SAYINGS = (
    "The {} stopped working after two days.",
    "I would buy the {} again at once.",
    "Where can I have the {} repaired?",
    "Nobody told us that the {} was closed to guests.",
    "My children talk of nothing but the {}.",
    "How much does the {} cost in winter?",
    "The {} was dirty, and late as well.",
    "Thanks to the {} we had a wonderful week.",
    "Is the {} open on Sundays?",
    "Half of what belongs to the {} was missing.",
    "The {} is worth every cent.",
    "Does the {} come in blue?",
    "I asked three times about the {} and heard nothing.",
    "What a lovely {} that was!",
    "Who do I call when the {} fails?",
    "The {} broke, and I want my money back.",
    "The {} is quieter than I had hoped.",
    "Can two people share the {}?",
    "I am tired of waiting for the {}.",
    "The {} made my day.",
)
PEOPLE = ("Ida Wells", "Tom Reed", "Olive Grant", "Max Stone", "Vera Lind", "Paul Hart", "Nina Cole", "Sam Frost")
ORDERS = (
    "{} ordered {} lamps and pays on delivery.",
    "Please send {} another {} chairs.",
    "For {}: {} bags of cement, by truck.",
    "{} took back {} of the red cups.",
    "We owe {} the price of {} tickets.",
)

Answers = dict[int, Result | UserError]


def classifications(count: int) -> list[str]:
    return [saying.format(thing) for thing, saying in product(THINGS, SAYINGS)][:count]


def extractions(count: int) -> list[str]:
    return [order.format(name, 2 + place) for place, (name, order) in enumerate(product(PEOPLE, ORDERS))][:count]


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_turns(
    engine: LocalEngine, requests: Sequence[Request], rounds: int
) -> tuple[dict[str, list[float]], list[Answers]]:
    """Answers a second of both ways, and what they answered last."""
    rates: dict[str, list[float]] = {"together": [], "in turn": []}
    answers: dict[str, Answers] = {}

    def answer(way: str) -> None:
        engine.kv_cache.close()  # each way computes the prompt's beginning itself
        answers[way] = dict(engine.answer_many(requests, sequences=None if way == "together" else 1))

    for number in range(rounds):
        for way in ("together", "in turn") if number % 2 else ("in turn", "together"):
            rates[way].append(len(requests) / seconds(lambda way=way: answer(way)))
        print(number, *(f"{way} {values[-1]:.2f}" for way, values in rates.items()), flush=True)
    return rates, [answers["together"], answers["in turn"]]


def agreement(answers: Sequence[Answers]) -> str:
    together, alone = answers
    pairs = [(together[number], alone[number]) for number in together]
    same = sum(isinstance(a, Result) and isinstance(b, Result) and a.text == b.text for a, b in pairs)
    said = f"{same} of {len(pairs)} answers the same"
    scored = [(a, b) for a, b in pairs if isinstance(a, Choice) and isinstance(b, Choice)]
    if scored:
        shares = [(probabilities(a.scores), probabilities(b.scores)) for a, b in scored]
        off = max(abs(a[label] - b[label]) for a, b in shares for label in a)
        said += f", probabilities within {off:.3f}"
    return said


def process(model: str, text: str, *options: str) -> float:
    """Texts a second of a process for each."""
    assistant = str(Path(sys.executable).with_name("assistant"))
    command = [assistant, "ask", "-m", model, "-t", "classify", "-p", "labels", ",".join(LABELS), "--no-history"]
    return 1 / seconds(lambda: subprocess.run([*command, *options, text], capture_output=True, check=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--extractions", type=int, default=40)
    parser.add_argument("--processes", type=int, default=5)
    args = parser.parse_args()
    path = Store().resolve(args.model).path
    threads = hardware.default_threads()
    engine = LocalEngine(path, LoadOptions(threads=threads, context_length=8192, prompt_cache=False))
    engine.load()
    assert engine.speculator
    costs = engine.speculator.costs
    batches = {size: cost / costs(1) for size, cost in costs.measured.items() if size <= 32}
    table = ", ".join(f"t({size}) = {ratio:.1f}" for size, ratio in sorted(batches.items()))
    width = sequences_that_pay(costs)

    library = Library()
    texts = classifications(args.texts)
    filled = fill(library.get("classify"), {"labels": LABELS}, language="en")
    choices = tuple(filled.choices())
    requests = [Request(filled.messages(text), GenerateOptions(), choices) for text in texts]
    rates, answers = in_turns(engine, requests, args.rounds)
    rows = [
        compare(
            f"{len(texts)} classifications / one after another",
            rates["together"],
            rates["in turn"],
            "texts/s",
            ">= 1.2",
            agreement(answers),
        )
    ]
    together = rates["together"]

    filled = fill(library.get("extract"), {"schema": "person, thing, count int"}, language="en")
    options = GenerateOptions(temperature=0, max_tokens=200, constraint=filled.constraint())
    requests = [Request(filled.messages(text), options) for text in extractions(args.extractions)]
    rates, answers = in_turns(engine, requests, args.rounds)
    name = f"{len(requests)} extractions, {width} side by side / one after another"
    rows.append(compare(name, rates["together"], rates["in turn"], "texts/s", "", agreement(answers)))
    engine.close()

    process(args.model, texts[-1])  # the disk's cache, and the prompt cache
    for name, flags in (
        ("a process each", ()),
        ("a process each, no prompt cache", ("-o", "prompt_cache", "false")),
    ):
        each = [process(args.model, text, *flags) for text in texts[: args.processes]]
        ours = [statistics.median(together)] * len(each)
        note = f"measured on {len(each)} texts"
        rows.append(compare(f"{len(texts)} classifications / {name}", ours, each, "texts/s", ">= 8", note))
    publish(
        "batch", rows, f"{path.name}, {threads} threads; {args.rounds} rounds in turns; {table}; {width} side by side"
    )
    write_readme("batch", [*markdown(rows), "", f"A batch of N tokens in units of one: {table}."])


if __name__ == "__main__":
    main()
