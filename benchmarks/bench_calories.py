"""What is read from meals in free words: share of foods and grams that are right, by model and by method.

    python benchmarks/bench_calories.py [--meals FILE] [-m MODEL]… [--limit N] [--show]

FILE is a JSON list of meals; by default ``data/meals.json``, whose results are written to ``results/``: 60 meals that
were written after the reading was tuned on others; some of their failures have been seen since::

    {"text": "200 г творога и банан", "language": "ru", "items": [
        {"span": "творога", "foods": ["recipe:tvorog-5", "recipe:tvorog-9"], "grams": 200},
        {"span": "банан", "foods": ["sr24:09040"], "grams": null}]}

``foods``: the ids that are right; none: no table has it, and it has to be reported as unknown. ``grams``: right within
15 %; ``[least, most]`` where the words leave that much open; null where they say no amount: not judged. A meal that was
not eaten has no items.

Methods: *program*: the grammar, and the model for what it leaves open; *the grammar alone*; *spans*: the model alone,
held to words and amounts of the text; *free*: the model alone with a JSON schema of free strings, the baseline.
All look foods up and weigh them in the same way. An item is right when its food and its grams are; what was read
beyond the expected items is spurious. Totals are recomputed from the table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from report import Row, markdown, publish, write_readme

from assistant.domains.calories import extraction, meal, portions, reading, units
from assistant.domains.calories.foods import SURE, Foods
from assistant.engine.engine import Constraint, GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from models.store import Store

MEALS = Path(__file__).parent / "data" / "meals.json"
MODELS = ("starter", "qwen2.5-coder-0.5b-instruct-q4_k_m")
WITHIN = 0.15
TODAY = date(2026, 6, 1)
_FREE = """Extract the foods and drinks that the user ate as a JSON list: "food" is its name, "amount" a number, \
"unit" the unit or "". Leave out what was not eaten. If nothing was eaten, answer []."""
_FREE_EXAMPLES = (
    (
        "Утром с Машей в парке съел 2 сырника и выпил чашку чая, хотел торт",
        '[{"food":"сырник","amount":2,"unit":""},{"food":"чай","amount":1,"unit":"чашка"}]',
    ),
    ("The sky is blue, my cat sleeps", "[]"),
)
_FREE_SCHEMA = {
    "type": "array",
    "maxItems": extraction.MOST_ITEMS,
    "items": {
        "type": "object",
        "properties": {
            "food": {"type": "string", "maxLength": 40},
            "amount": {"type": ["number", "null"]},
            "unit": {"type": "string", "maxLength": 20},
        },
        "required": ["food", "amount", "unit"],
    },
}


@dataclass(frozen=True)
class Read:
    """One item as any of the methods reads it; ``food`` None: reported as unknown."""

    span: str
    food: str | None
    grams: float


def finish(work: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def parsed(engine: LocalEngine | None, text: str, language: portions.Language, foods: Foods) -> list[Read]:
    result: meal.Meal = finish(meal.parse(engine, text, foods, language=language, today=TODAY))
    total = sum((item.food.per_100g.kcal or 0.0) * item.grams / 100 for item in result.items)
    assert abs(total - (result.totals.kcal or 0.0)) < 1e-6 * max(1.0, total), text
    return [Read(item.span, item.food.id, item.grams) for item in result.items] + [
        Read(unknown.span, None, 0.0) for unknown in result.unknown
    ]


def spans(engine: LocalEngine | None, text: str, language: portions.Language, foods: Foods) -> list[Read]:
    assert engine
    read = reading.read(text, foods, TODAY)
    amounts = {text[quantity.start : quantity.end]: quantity for quantity in read.quantities}
    places = read.spans(0, len(text), extraction.LONGEST_SPAN)
    marks = finish(extraction.mark(engine, text, places, list(amounts), lambda: None))
    return [weighed(text[mark.start : mark.end], amounts.get(mark.amount), language, foods) for mark in marks]


def free(engine: LocalEngine | None, text: str, language: portions.Language, foods: Foods) -> list[Read]:
    assert engine
    messages = [Message("system", _FREE)]
    for question, answer in _FREE_EXAMPLES:
        messages += [Message("user", question), Message("assistant", answer)]
    options = GenerateOptions(
        temperature=0,
        max_tokens=400,
        constraint=Constraint("json_schema", json.dumps(_FREE_SCHEMA)),
        keep_state=False,
    )
    events = engine.generate([*messages, Message("user", text)], options)
    answer = next(event for event in events if isinstance(event, Result)).text
    read = []
    for entry in json.loads(answer):
        said = units.find(f"{entry['amount']:g} {entry['unit']}") if entry["amount"] is not None else []
        read.append(weighed(entry["food"], said[0] if said else None, language, foods))
    return read


def weighed(words: str, quantity: units.Quantity | None, language: portions.Language, foods: Foods) -> Read:
    found = foods.look_up(words, 1)
    if not found or found[0].score < SURE:
        return Read(words, None, 0.0)
    food = found[0].food
    weight = portions.to_grams(quantity, food, language) if quantity else portions.usual(food, language)
    return Read(words, food.id, weight.grams)


@dataclass
class Score:
    right: int = 0
    foods_right: int = 0
    expected: int = 0
    spurious: int = 0
    seconds: float = 0.0


def judge(expected: Sequence[dict[str, Any]], read: Sequence[Read], score: Score) -> list[str]:
    """Adds to the score; returns what is wrong."""
    left, wrong = list(read), []
    for item in expected:
        score.expected += 1
        fitting = [one for one in left if (one.food in item["foods"] if item["foods"] else _same(one, item["span"]))]
        best = next((one for one in fitting if _weighs(one, item)), next(iter(fitting), None))
        if best:
            left.remove(best)
            score.foods_right += 1
            score.right += _weighs(best, item)
        if not best or not _weighs(best, item):
            wrong.append(f"{item['span']}: {best or 'missed'}; expected {item['foods'][:2]} {item['grams']}")
    spurious = [one for one in left if one.food]
    score.spurious += len(spurious)
    return wrong + [f"spurious {one}" for one in spurious]


def _same(one: Read, span: str) -> bool:
    return one.food is None and (one.span in span or span in one.span)


def _weighs(one: Read, item: dict[str, Any]) -> bool:
    grams = item["grams"]
    if grams is None or not item["foods"]:
        return True
    least, most = grams if isinstance(grams, list) else (grams * (1 - WITHIN), grams * (1 + WITHIN))
    return bool(least <= one.grams <= most)


def measure(
    method: Callable[..., list[Read]], engine: LocalEngine | None, meals: Sequence[dict[str, Any]], show: bool
) -> Score:
    score = Score()
    with Foods.open() as foods:
        for entry in meals:
            start = time.perf_counter()
            read = method(engine, entry["text"], entry["language"], foods)
            score.seconds += time.perf_counter() - start
            wrong = judge(entry["items"], read, score)
            if show and wrong:
                print(entry["text"], *wrong, sep="\n    ")
    return score


def rows(name: str, score: Score, meals: int, wanted: str = "") -> list[Row]:
    share = score.right / max(1, score.expected)
    holds = not wanted or share >= float(wanted.split()[1])
    note = (
        f"{score.right} of {score.expected}; food alone {score.foods_right}; {score.spurious} spurious; "
        f"{score.seconds / max(1, meals):.1f} s a meal"
    )
    return [Row(f"items right: {name}", share, 1.0, "share", share, wanted, holds, note)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--meals", type=Path, default=MEALS)
    parser.add_argument("-m", "--model", action="append", help="of the store; may be given more than once")
    parser.add_argument("--methods", default="program,spans,free", help="of these, with commas between them")
    parser.add_argument("--limit", type=int, help="only so many meals")
    parser.add_argument("--show", action="store_true", help="print what is wrong")
    arguments = parser.parse_args()
    meals = json.loads(arguments.meals.read_text(encoding="utf-8"))[: arguments.limit]
    methods = {"program": parsed, "spans": spans, "free": free}
    found = rows("the grammar alone", measure(parsed, None, meals, False), len(meals))
    for number, model in enumerate(arguments.model or MODELS):
        load = LoadOptions(drafting=False, prompt_cache=False, context_length=4096)
        engine = LocalEngine(Store().resolve(model).path, load)
        engine.load()
        for name in arguments.methods.split(","):
            score = measure(methods[name], engine, meals, arguments.show)
            wanted = ">= 0.85" if name == "program" and not number else ""
            found += rows(f"{name}, {model}", score, len(meals), wanted)
            print(found[-1].name, found[-1].note, flush=True)
        engine.close()
    if arguments.meals == MEALS and not arguments.limit:
        publish("calories", found, notes=f"{len(meals)} meals; totals of all equal the arithmetic of the table")
        write_readme("calories", markdown(found))
    else:
        for row in found:
            print(f"{row.name:<60} {row.ours:.2f}  {row.note}")


if __name__ == "__main__":
    main()
