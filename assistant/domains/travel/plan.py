"""A day plan around the facts of a trip.

The program knows the frame: the days, their dates, the holidays among them, what is known of the place. The model
chooses what each part of each day is for, among activities that fit the interests and the pace, none of them twice; it
cannot write a fact, because it writes none. What the user's own documents say is quoted, with the source. At last
everything between the program's own lines is checked against the sources, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from assistant.domains.travel.choosing import Choice, choose, menus, parts_of
from assistant.domains.travel.day_notes import DayNotes
from assistant.domains.travel.facts import Facts
from assistant.domains.travel.grounding import Ungrounded, check, marked
from assistant.domains.travel.legs import Leg, legs_of
from assistant.domains.travel.places import Places
from assistant.domains.travel.prices import Price
from assistant.domains.travel.quoting import citations_of, place_quotes
from assistant.domains.travel.rendering import Citation, DayText, day_heading, render
from assistant.domains.travel.trip import Extraction, Trip
from assistant.engine.engine import Engine, Event, GenerateOptions

if TYPE_CHECKING:
    from assistant.memory.memory import Memory

_PART_NAMES = {
    "m": {"en": "Morning", "ru": "Утро"},
    "a": {"en": "Afternoon", "ru": "День"},
    "l": {"en": "Late afternoon", "ru": "Ближе к вечеру"},
    "e": {"en": "Evening", "ru": "Вечер"},
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan and all that it rests on.

    Attributes:
        legs: the stays with their facts; none when questions stand in the way of a plan; then ``markdown`` is empty.
        own: lines and sentences that the program wrote itself.
    """

    extraction: Extraction
    legs: tuple[Leg, ...] = ()
    days: tuple[DayText, ...] = ()
    citations: tuple[Citation, ...] = ()
    markdown: str = ""
    ungrounded: tuple[Ungrounded, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def trip(self) -> Trip:
        return self.extraction.trip

    @property
    def facts(self) -> Facts | None:
        """Of the first place."""
        return self.legs[0].facts if self.legs else None

    def told(self) -> dict[str, Any]:
        """The facts as JSON: those of the first place, with those of the later ones as ``then``."""
        told = [leg.told(self.trip) for leg in self.legs]
        return (told[0] | ({"then": told[1:]} if told[1:] else {})) if told else {}

    def to_json(self) -> dict[str, Any]:
        """``{trip, facts, plan (Markdown), ungrounded: [{text, kind}], questions: []}``."""
        return {
            "trip": self.trip.to_json(),
            "facts": self.told(),
            "plan": self.markdown,
            "ungrounded": [one.to_json() for one in self.ungrounded],
            "questions": [question.text for question in self.extraction.questions],
        }


def make(
    engine: Engine,
    extraction: Extraction,
    places: Places,
    today: date,
    *,
    prices: Sequence[Price] = (),
    memory: Memory | None = None,
    collection: str | None = None,
    options: GenerateOptions | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
) -> Generator[Event, None, Plan]:
    """A plan of a trip; without one when a question stands in its way.

    Raises:
        as :meth:`Engine.generate`; Cancelled: ``check_cancelled`` raised it.
    """
    trip = extraction.trip
    if not extraction.ready or trip.destination is None or not trip.days:
        return Plan(extraction)
    options = options or GenerateOptions()
    legs = legs_of(trip, places, today)
    citations = citations_of(trip, memory, collection)
    chosen = yield from choose(engine, trip, menus(trip), options, check_cancelled)
    placed = {}
    if citations:
        placed = yield from place_quotes(engine, trip, citations, options, check_cancelled)
    notes = DayNotes(trip, legs)
    days = tuple(_day(trip, notes, number, chosen, citations, placed) for number in range(1, trip.days + 1))
    return finish(Plan(extraction, legs, days, citations), prices)


def finish(plan: Plan, prices: Sequence[Price] = ()) -> Plan:
    """The plan as Markdown, checked: what has no source is marked in it and listed."""
    trip = plan.trip
    before, between, after = render(trip, plan.legs, plan.days, plan.citations, prices)
    own = tuple(
        line
        for line in [*before.splitlines(), *after.splitlines(), *(f"### {day.heading}" for day in plan.days)]
        if line.strip("-|# ")
    ) + tuple(line for day in plan.days for line in (*day.notes, *day.closing, *day.added))
    passages = [citation.text for citation in plan.citations]
    request = {**trip.to_json(), "request": trip.request}
    found = check(between, plan.told(), request, passages, trip.language, own=own)
    shifted = tuple(replace(one, start=one.start + len(before), end=one.end + len(before)) for one in found)
    return replace(plan, markdown=marked(before + between + after, shifted), ungrounded=shifted, own=own)


def _day(
    trip: Trip,
    notes: DayNotes,
    number: int,
    chosen: Mapping[tuple[int, str], Choice],
    citations: Sequence[Citation],
    placed: Mapping[int, int],
) -> DayText:
    above = notes.lines(number)
    parts, added = [], []
    for part in parts_of(trip, number):
        choice = chosen[number, part]
        at_hour = {"sunset": "e", "sunrise": "m"}.get(choice.fact, part) == part
        more = notes.sentence(choice.fact, number) if choice.fact and at_hour else ""
        parts.append((_PART_NAMES[part][trip.language], f"{choice.text} {more}".rstrip()))
        added += [more] if more else []
    quoted = "Из ваших заметок" if trip.language == "ru" else "From your notes"
    parts += [
        (quoted, f"{citations[quote - 1].text} [{quote}]") for quote, day in sorted(placed.items()) if day == number
    ]
    heading = day_heading(trip, number)
    return DayText(heading, tuple(above), tuple(parts), tuple(notes.closing(number)), tuple(added))
