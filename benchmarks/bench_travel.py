"""Trips: what of a request is read right, whether facts are exact, which claims the check of a plan lets through.

    python benchmarks/bench_travel.py [--model starter] [--trips PATH] [--claims PATH] [--only fields|facts|claims]
        [--baseline]

Another set can be measured in the form of ``data/trips.json`` and ``data/planted_claims.json``, which say it in their
first lines. Each claim is planted alone into the day part of a clean plan (behind a sentence, or as its own line) and
counts as caught when a mark lies within it; a mark elsewhere is a false one. The fields are read by
the model at temperature 0; the baseline is the same schema without rules and spans: free strings, in one call.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from report import Row, markdown, publish, write_readme

from assistant.domains.travel.facts import facts as facts_of
from assistant.domains.travel.geography import distance_km
from assistant.domains.travel.grounding import check
from assistant.domains.travel.places import Place, Places
from assistant.domains.travel.plan import Plan, make
from assistant.domains.travel.trip import extract
from assistant.engine.calls import returned
from assistant.engine.engine import Constraint, Event, GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from assistant.memory.stemming import language_of, stems
from models.store import Store

DATA = Path(__file__).parent / "data"
FIELDS = ("origin", "destination", "start", "days", "travellers", "pace", "interests")
OPTIONS = GenerateOptions(temperature=0, draft="off", seed=1, keep_state=False)
# Known beforehand: distances of city centres by great-circle tables (km), offsets by the tz database (minutes).
DISTANCES = (
    ("Moscow", "Tbilisi", 1650),
    ("London", "New York", 5570),
    ("Berlin", "Paris", 878),
    ("Sydney", "Auckland", 2155),
)
OFFSETS = (
    ("Tbilisi", "2027-05-03", 240),
    ("Berlin", "2027-07-01", 120),
    ("Berlin", "2027-01-15", 60),
    ("Kathmandu", "2027-05-03", 345),
)
HOLIDAYS = (("Tbilisi", "2027-05-26"), ("Paris", "2027-07-14"), ("Moscow", "2027-06-12"))
T = TypeVar("T")


class First:
    """An engine that takes the first of what it may write, for plans whose wording does not matter here."""

    def generate(self, messages: list[Message], options: GenerateOptions) -> Iterator[Event]:
        yield Result("{}", "", "stop", 0, 0)


def same(field: str, expected: Any, got: Any) -> bool:
    if field != "interests":
        return bool(expected == got)
    wanted, found = ({tuple(stems(one)) for one in interests} for interests in (expected, got or []))
    return wanted == found


def measure_fields(
    engine: LocalEngine, places: Places, path: Path, *, baseline: bool
) -> tuple[dict[str, list[bool]], list[bool], dict[str, list[bool]]]:
    """By field whether it is right; whether the questions that are due were asked; the baseline's fields."""
    content = json.loads(path.read_text(encoding="utf-8"))
    today = date.fromisoformat(content["today"])
    right: dict[str, list[bool]] = {field: [] for field in FIELDS}
    free: dict[str, list[bool]] = {field: [] for field in FIELDS}
    asked = []
    for entry in content["trips"]:
        request, expected = entry["request"], entry["expected"]
        language: Any = "ru" if language_of(request) == "ru" else "en"
        found = returned(extract(engine, request, places, today, language=language, options=OPTIONS))
        got = found.trip.to_json()
        unguided = read_freely(engine, request, today) if baseline else {}
        for field in FIELDS:
            right[field].append(same(field, expected[field], got[field]))
            free[field].append(same(field, expected[field], unguided.get(field)))
            if not right[field][-1]:
                print(f"{request}\n  {field}: expected {expected[field]!r}, got {got[field]!r}", flush=True)
        due = entry.get("asks")
        blocking = {question.field for question in found.questions if question.blocking}
        asked.append(due in blocking if due else not blocking)
        if not asked[-1]:
            print(f"{request}\n  asked about {blocking or 'nothing'}, due: {due}", flush=True)
    return right, asked, free


def read_freely(engine: LocalEngine, request: str, today: date) -> dict[str, Any]:
    """What the model writes by itself."""
    text = {"type": ["string", "null"]}
    schema = {
        "type": "object",
        "properties": {
            "origin": text, "destination": text, "start": text, "days": {"type": ["integer", "null"]},
            "travellers": {"type": "integer"}, "pace": {"enum": ["slow", "normal", "fast"]},
            "interests": {"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": 8},
        },
        "required": list(FIELDS),
    }  # fmt: skip
    task = (
        f"Today is {today}. Read this request for a trip into JSON; start is the first day as YYYY-MM-DD, null if "
        f"it is not said; one traveller and normal pace if nothing is said; names in the nominative.\n{request}"
    )
    constraint = Constraint("json_schema", json.dumps(schema))
    options = GenerateOptions(
        temperature=0, max_tokens=200, draft="off", seed=1, constraint=constraint, keep_state=False
    )
    result = next(event for event in engine.generate([Message("user", task)], options) if isinstance(event, Result))
    try:
        found: dict[str, Any] = json.loads(result.text)
    except ValueError:
        return {}
    return found


def measure_facts(places: Places) -> list[bool]:
    """Whether distances (within 1 %), offsets and holidays are those that are known."""

    def place(name: str) -> Place:
        found = places.resolve(name)
        assert isinstance(found, Place), name
        return found

    exact = [abs(distance_km(place(a), place(b)) - km) <= km * 0.01 for a, b, km in DISTANCES]
    for name, day, minutes in OFFSETS:
        fact = facts_of(place(name), date.fromisoformat(day), None, "en", places=places).get("utc_offset")
        exact.append(fact is not None and fact.value == minutes)
    for name, day in HOLIDAYS:
        on = date.fromisoformat(day)
        fact = facts_of(place(name), on, None, "en", until=on, places=places).get("holidays_there")
        exact.append(fact is not None and any(holiday["date"] == day for holiday in fact.value))
    return exact


def measure_claims(places: Places, path: Path) -> tuple[list[bool], list[bool], int]:
    """Whether each claim was caught, whether each grounded sentence stayed unmarked, marks on clean plans."""
    content = json.loads(path.read_text(encoding="utf-8"))
    plans = {language: clean_plan(places, request, language) for language, request in content["request"].items()}
    clean = sum(len(marks(plan, plan.markdown)) for plan in plans.values())
    caught, unmarked = [], []
    for number, entry in enumerate((*content["planted"], *content["grounded"])):
        plan, planted = plans[entry["language"]], entry["text"]
        text, start = plant(plan, planted, number)
        spans = marks(plan, text)
        within = [span for span in spans if start <= span[0] < start + len(planted)]
        if "kind" in entry:
            caught.append(bool(within))
            clean += len(spans) - len(within)
            if not within:
                print(f"passed: {planted}", flush=True)
        else:
            unmarked.append(not spans)
            if spans:
                print(f"falsely marked: {planted}", flush=True)
    return caught, unmarked, clean


def clean_plan(places: Places, request: str, language: Any) -> Plan:
    engine: Any = First()
    today = date(2026, 11, 22)
    extraction = returned(extract(engine, request, places, today, language=language))
    return returned(make(engine, extraction, places, today))


def plant(plan: Plan, claim: str, number: int) -> tuple[str, int]:
    """The plan with the claim in it, in turns behind the sentence of some part of a day and as a line of its own."""
    lines = plan.markdown.splitlines(keepends=True)
    parts = [index for index, line in enumerate(lines) if line.startswith("- **")]
    index = parts[number * 7 % len(parts)]
    before = "".join(lines[: index + 1])
    before = before[:-1] + " " if number % 2 else before + "- "
    return f"{before}{claim}\n{''.join(lines[index + 1 :])}", len(before)


def marks(plan: Plan, text: str) -> list[tuple[int, int]]:
    request = {**plan.trip.to_json(), "request": plan.trip.request}
    found = check(text, plan.told(), request, [], plan.trip.language, own=plan.own)
    return [(one.start, one.end) for one in found]


def share(name: str, outcomes: list[bool], wanted: float | None, note: str = "") -> Row:
    ratio = sum(outcomes) / len(outcomes)
    bound = f">= {wanted}" if wanted is not None else ""
    return Row(
        name,
        ratio,
        1.0,
        "share",
        ratio,
        bound,
        wanted is None or ratio >= wanted,
        note or f"{sum(outcomes)} of {len(outcomes)}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="starter")
    parser.add_argument("--trips", type=Path, default=DATA / "trips.json")
    parser.add_argument("--claims", type=Path, default=DATA / "planted_claims.json")
    parser.add_argument("--only", choices=["fields", "facts", "claims"])
    parser.add_argument("--baseline", action="store_true", help="free extraction too, twice as slow")
    arguments = parser.parse_args()
    rows: list[Row] = []
    with Places.open() as places:
        if arguments.only in (None, "claims"):
            caught, unmarked, false = measure_claims(places, arguments.claims)
            rows.append(share("planted claims that are caught", caught, 1.0))
            rows.append(share("grounded sentences that stay unmarked", unmarked, 0.95))
            rows.append(Row("marks on clean plans", false, 0, "marks", float(false), "", True))
        if arguments.only in (None, "facts"):
            rows.append(share("facts that are exact", measure_facts(places), 1.0))
        if arguments.only in (None, "fields"):
            load = LoadOptions(drafting=False, prompt_cache=False, context_length=4096)
            engine = LocalEngine(Store().resolve(arguments.model).path, load)
            right, asked, free = measure_fields(engine, places, arguments.trips, baseline=arguments.baseline)
            engine.close()
            rows.append(
                share("fields of requests that are right", [one for field in FIELDS for one in right[field]], 0.9)
            )
            rows += [share(f"right: {field}", right[field], None) for field in FIELDS]
            rows.append(share("questions asked where they are due, and only there", asked, None))
            if arguments.baseline:
                rows.append(
                    share("baseline: free extraction, no rules", [one for field in FIELDS for one in free[field]], None)
                )
                rows += [share(f"baseline, right: {field}", free[field], None) for field in FIELDS]
    ours = arguments.trips.parent == DATA and arguments.claims.parent == DATA
    if ours and not arguments.only:
        write_readme("travel", markdown(rows))
        publish("travel", rows, notes=f"{arguments.model}, {arguments.trips.name}, {arguments.claims.name}")
    else:
        for row in rows:
            print(f"{row.name:<55} {row.ours:.3f}  {row.note}")


if __name__ == "__main__":
    main()
