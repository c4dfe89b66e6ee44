"""What the user's own documents say of a place, quoted with the source, each on the day where it helps."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assistant.domains.travel.dates import read
from assistant.domains.travel.rendering import Citation
from assistant.domains.travel.trip import Trip
from assistant.engine.calls import completing
from assistant.engine.engine import Constraint, Engine, Event, GenerateOptions, Message

if TYPE_CHECKING:
    from assistant.memory.memory import Memory

QUOTES = 6
LONGEST_QUOTE = 300  # characters


def citations_of(trip: Trip, memory: Memory | None, collection: str | None) -> tuple[Citation, ...]:
    """Sentences of passages that the memory has on the place, with their sources."""
    if memory is None:
        return ()
    from assistant.memory.sentences import sentences

    found: dict[str, Citation] = {}
    for place in trip.destinations:
        names = {place.name("en"), place.name("ru")}
        for hit in memory.recall(f"{' '.join(names)} {' '.join(trip.interests)}".strip(), collection=collection).hits:
            passage = hit.passage
            title = passage.place.title + (
                f", {passage.place.path.name}" if passage.place.path.name != passage.place.title else ""
            )
            for start, end in sentences(passage.text, 0, len(passage.text)):
                text = " ".join(passage.text[start:end].split())
                if 15 < len(text) <= LONGEST_QUOTE and not text.startswith("#"):
                    found.setdefault(text, Citation(text, title))
    return tuple(list(found.values())[:QUOTES])


def place_quotes(
    engine: Engine,
    trip: Trip,
    citations: Sequence[Citation],
    options: GenerateOptions,
    check_cancelled: Callable[[], None],
) -> Generator[Event, None, dict[int, int]]:
    """The day that each quotation is read on, by its number; those of no use to a visitor have none. One that names a
    day of the trip is read on that day; the model is asked about the others."""
    placed = {number: day for number, one in enumerate(citations, 1) if (day := _day_named(trip, one.text))}
    others = [number for number in range(1, len(citations) + 1) if number not in placed]
    if not others:
        return placed
    listed = "\n".join(f"{number}. {citations[number - 1].text}" for number in others)
    last = trip.days or 1
    task = (
        f"These are the traveller's own notes. For each say on which day of the trip (1 to {last}) it helps, or 0 "
        f"if it does not help "
        f"a visitor. Spread them over the days.\n{listed}"
    )
    days = "|".join(map(str, range(last + 1)))
    expression = "\n".join(f"{number}: (?:{days})" for number in others)
    options = replace(
        options, temperature=0, max_tokens=None, constraint=Constraint("regex", expression), stop=(), beams=1
    )
    result = yield from completing(engine, [Message("user", task)], options, check_cancelled)
    found = re.findall(r"^(\d+): (\d+)$", result.text, re.MULTILINE)
    return placed | {int(number): int(day) for number, day in found if int(day)}


def _day_named(trip: Trip, text: str) -> int | None:
    """The number of the day that a sentence names by its date."""
    if trip.start is None or trip.days is None:
        return None
    named = read(text, trip.start).start
    number = (named - trip.start).days + 1 if named else 0
    return number if 1 <= number <= trip.days else None
