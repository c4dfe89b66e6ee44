"""A day plan around the facts of a trip.

The program knows the frame: the days, their dates, the holidays among them, what is known of the place. The model
chooses what each part of each day is for, among activities that fit the interests and the pace, none of them twice; it
cannot write a fact, because it writes none. What the user's own documents say is quoted, with the source. At last
everything between the program's own lines is checked against the sources, whoever wrote it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from assistant.domains.travel.facts import Facts
from assistant.domains.travel.facts import facts as facts_of
from assistant.domains.travel.grounding import Ungrounded, check, marked
from assistant.domains.travel.interests import Activity, activities, kinds_of
from assistant.domains.travel.places import Places
from assistant.domains.travel.prices import Price
from assistant.domains.travel.rendering import Citation, DayText, day_heading, is_timeless, render
from assistant.domains.travel.trip import Extraction, Trip
from assistant.engine.calls import completing
from assistant.engine.engine import Constraint, Engine, Event, GenerateOptions, Message

if TYPE_CHECKING:
    from assistant.memory.memory import Memory

CHOICES = 4  # for a part of a day: more only take time to read
QUOTES = 6  # from the user's documents
LONGEST_QUOTE = 300  # characters

_PARTS = {
    "slow": ("m", "a", "e"),
    "normal": ("m", "a", "e"),
    "fast": ("m", "a", "l", "e"),
}
_PART_NAMES = {
    "m": {"en": "Morning", "ru": "Утро"},
    "a": {"en": "Afternoon", "ru": "День"},
    "l": {"en": "Late afternoon", "ru": "Ближе к вечеру"},
    "e": {"en": "Evening", "ru": "Вечер"},
}
_OWN_INTEREST = {
    "en": "Give this time to what you came for: {}.",
    "ru": "Посвятите это время тому, ради чего едете: {}.",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan and all that it rests on.

    Attributes:
        facts: None when questions stand in the way of a plan; then ``markdown`` is empty.
        own: lines that the program wrote itself.
    """

    extraction: Extraction
    facts: Facts | None = None
    days: tuple[DayText, ...] = ()
    citations: tuple[Citation, ...] = ()
    markdown: str = ""
    ungrounded: tuple[Ungrounded, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def trip(self) -> Trip:
        return self.extraction.trip

    def to_json(self) -> dict[str, Any]:
        """``{trip, facts, plan (Markdown), ungrounded: [{text, kind}], questions: []}``."""
        return {
            "trip": self.trip.to_json(),
            "facts": told(self.facts, self.trip),
            "plan": self.markdown,
            "ungrounded": [one.to_json() for one in self.ungrounded],
            "questions": [question.text for question in self.extraction.questions],
        }


def told(facts: Facts | None, trip: Trip) -> dict[str, Any]:
    """The facts as JSON, without those of today where nobody said when the trip is."""
    if facts is None:
        return {}
    content = facts.to_json()
    if not trip.start and not trip.months:
        content["facts"] = {key: fact for key, fact in content["facts"].items() if is_timeless(key)}
        content["on"] = content["until"] = None
    return content


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
    first, last = _period(trip, today)
    facts = facts_of(trip.destination, first, trip.origin, trip.language, until=last, places=places)
    citations = _citations(trip, memory, collection)
    menus = _menus(trip)
    chosen = yield from _choose(engine, trip, menus, options or GenerateOptions(), check_cancelled)
    placed = {}
    if citations:
        placed = yield from _place_quotes(engine, trip, citations, options or GenerateOptions(), check_cancelled)
    days = tuple(_day(trip, facts, number, chosen, citations, placed) for number in range(1, trip.days + 1))
    return finish(Plan(extraction, facts, days, citations), prices)


def finish(plan: Plan, prices: Sequence[Price] = ()) -> Plan:
    """The plan as Markdown, checked: what has no source is marked in it and listed."""
    assert plan.facts is not None
    trip = plan.trip
    before, between, after = render(trip, plan.facts, plan.days, plan.citations, prices)
    own = tuple(
        line
        for line in [*before.splitlines(), *after.splitlines(), *(f"### {day.heading}" for day in plan.days)]
        if line.strip("-|# ")
    ) + tuple(note for day in plan.days for note in day.notes)
    passages = [citation.text for citation in plan.citations]
    request = {**trip.to_json(), "request": trip.request}
    found = check(between, told(plan.facts, trip), request, passages, trip.language, own=own)
    shifted = tuple(replace(one, start=one.start + len(before), end=one.end + len(before)) for one in found)
    return replace(plan, markdown=marked(before + between + after, shifted), ungrounded=shifted, own=own)


def _period(trip: Trip, today: date) -> tuple[date, date | None]:
    if trip.start:
        return trip.start, trip.end
    if trip.months:
        (year, month), (last_year, last_month) = trip.months[0], trip.months[-1]
        end = date(last_year, last_month, monthrange(last_year, last_month)[1])
        return max(today, date(year, month, 1)), end
    return today, None


# What to do


@dataclass(frozen=True, slots=True)
class _Choice:
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class _Menu:
    """What a part of a day may be for."""

    day: int
    part: str
    choices: tuple[_Choice, ...]


def _menus(trip: Trip) -> list[_Menu]:
    """A menu for each part of each day, such that no activity is in two of them until all that fit were in one."""
    language, days = trip.language, trip.days or 0
    wishes: list[tuple[str, frozenset[str]]] = [(interest, kinds_of(interest)) for interest in trip.interests]
    if trip.children:
        wishes.append(("", frozenset({"family"})))
    own = [_Choice(interest, _OWN_INTEREST[language].format(interest)) for interest, kinds in wishes if not kinds]
    kinds = [kinds for _, kinds in wishes if kinds]
    wanted = frozenset().union(*kinds) if kinds else frozenset[str]()
    slots = [(number, part) for number in range(1, days + 1) for part in _PARTS[trip.pace]]
    used: set[str] = set()
    menus = []
    for position, (number, part) in enumerate(slots):
        edge = "first" if number == 1 and part in "me" else "last" if number == days and part != "a" else ""
        edge = edge if days > 1 else ""
        if own and part == "a":
            menus.append(_Menu(number, part, (own.pop(0),)))
            continue
        left = sum(_hour(other) == _hour(part) for _, other in slots[position:])
        focus = kinds[position % len(kinds)] if kinds else frozenset[str]()
        found = _fitting(trip, part, focus, wanted, edge, used, left)
        used |= {activity.label["en"] for activity in found}
        choices = tuple(_Choice(activity.label[language], activity.text[language]) for activity in found)
        menus.append(_Menu(number, part, choices))
    return menus


def _hour(part: str) -> str:
    return "a" if part == "l" else part


def _fitting(
    trip: Trip, part: str, focus: frozenset[str], wanted: frozenset[str], edge: str, used: set[str], left: int
) -> list[Activity]:
    """Some activities for a part of the day, of which there are ``left``, this one included: those in focus first, used
    ones only when nothing else fits."""
    at_hour = [one for one in activities() if _hour(part) in one.parts]
    at_edge = [one for one in at_hour if (edge == "first" and one.first) or (edge == "last" and one.last)]
    if fresh := [one for one in at_edge if one.label["en"] not in used]:
        return fresh[:CHOICES]
    fit = [
        one
        for one in at_hour
        if not one.first
        and not one.last
        and (not wanted or not one.interests or wanted.intersection(one.interests))
        # What is for children first of all is for them only.
        and (not one.interests or one.interests[0] != "family" or "family" in wanted)
    ]
    strain = 0 if trip.pace == "slow" and part != "a" else 1 if trip.pace == "slow" else 2

    def rank(activity: Activity) -> tuple[bool, bool, bool, bool]:
        in_focus = bool(focus.intersection(activity.interests))
        return activity.label["en"] in used, activity.effort > strain, not in_focus, not activity.interests

    unused = sum(one.label["en"] not in used for one in fit)
    return sorted(fit, key=rank)[: max(1, min(CHOICES, unused // left))]


def _choose(
    engine: Engine, trip: Trip, menus: Sequence[_Menu], options: GenerateOptions, check_cancelled: Callable[[], None]
) -> Generator[Event, None, dict[tuple[int, str], _Choice]]:
    """One activity of each menu. The model chooses where there is a choice."""
    open_menus = [menu for menu in menus if len(menu.choices) > 1]
    chosen = {(menu.day, menu.part): menu.choices[0] for menu in menus}
    if not open_menus:
        return chosen
    assert trip.destination is not None
    lines = [f"{menu.day}{menu.part}: " + " | ".join(choice.label for choice in menu.choices) for menu in open_menus]
    wishes = ", ".join(trip.interests) or "everything"
    task = (
        f"A trip to {trip.destination.name(trip.language)}: {trip.days} days, {trip.pace} pace, interests: "
        f"{wishes}. For each line "
        "(number of the day; m morning, a afternoon, l late afternoon, e evening) choose one activity, so that "
        "every day is varied and "
        "follows the interests.\n" + "\n".join(lines)
    )
    expression = "\n".join(
        f"{menu.day}{menu.part}: (?:{'|'.join(_literal(choice.label) for choice in menu.choices)})"
        for menu in open_menus
    )
    options = replace(
        options, temperature=0, max_tokens=None, constraint=Constraint("regex", expression), stop=(), beams=1
    )
    result = yield from completing(engine, [Message("user", task)], options, check_cancelled)
    answers = dict(line.split(": ", 1) for line in result.text.splitlines() if ": " in line)
    for menu in open_menus:
        label = answers.get(f"{menu.day}{menu.part}")
        chosen[menu.day, menu.part] = next((one for one in menu.choices if one.label == label), menu.choices[0])
    return chosen


def _literal(text: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$#&~-])", r"\\\1", text)


# The user's own documents


def _citations(trip: Trip, memory: Memory | None, collection: str | None) -> tuple[Citation, ...]:
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
                if 15 < len(text) <= LONGEST_QUOTE:
                    found.setdefault(text, Citation(text, title))
    return tuple(list(found.values())[:QUOTES])


def _place_quotes(
    engine: Engine,
    trip: Trip,
    citations: Sequence[Citation],
    options: GenerateOptions,
    check_cancelled: Callable[[], None],
) -> Generator[Event, None, dict[int, int]]:
    """The day that each quotation is read on, by its number; those of no use to a visitor have none."""
    listed = "\n".join(f"{number}. {one.text}" for number, one in enumerate(citations, 1))
    last = trip.days or 1
    task = (
        f"These are the traveller's own notes. For each say on which day of the trip (1 to {last}) it helps, or 0 "
        f"if it does not help "
        f"a visitor. Spread them over the days.\n{listed}"
    )
    day = "|".join(map(str, range(last + 1)))
    expression = "\n".join(f"{number}: (?:{day})" for number in range(1, len(citations) + 1))
    options = replace(
        options, temperature=0, max_tokens=None, constraint=Constraint("regex", expression), stop=(), beams=1
    )
    result = yield from completing(engine, [Message("user", task)], options, check_cancelled)
    found = re.findall(r"^(\d+): (\d+)$", result.text, re.MULTILINE)
    return {int(number): int(day) for number, day in found if int(day)}


def _day(
    trip: Trip,
    facts: Facts,
    number: int,
    chosen: dict[tuple[int, str], _Choice],
    citations: Sequence[Citation],
    placed: dict[int, int],
) -> DayText:
    parts = [
        (_PART_NAMES[part][trip.language], chosen[number, part].text)
        for part in _PARTS[trip.pace]
        if (number, part) in chosen
    ]
    quoted = "Из ваших заметок" if trip.language == "ru" else "From your notes"
    parts += [
        (quoted, f"{citations[quote - 1].text} [{quote}]") for quote, day in sorted(placed.items()) if day == number
    ]
    return DayText(day_heading(trip, number), tuple(_notes(trip, facts, number)), tuple(parts))


def _notes(trip: Trip, facts: Facts, number: int) -> list[str]:
    """What the program says of a day: the leg of a trip to several places, the holidays."""
    from datetime import timedelta

    russian = trip.language == "ru"
    notes = []
    if len(trip.destinations) > 1:
        index = _leg(trip, number)
        if number == 1 or index != _leg(trip, number - 1):
            where = trip.destinations[index].name(trip.language)
            notes.append(f"Место: {where}" if russian else f"Place: {where}")
    if trip.start:
        day = (trip.start + timedelta(days=number - 1)).isoformat()
        for key in ("holidays_there", "holidays_home"):
            fact = facts.get(key)
            for holiday in (fact.value or []) if fact else []:
                if holiday["date"] == day:
                    there = key == "holidays_there"
                    label = (
                        ("Праздник там" if there else "Праздник дома")
                        if russian
                        else ("Holiday there" if there else "Holiday at home")
                    )
                    notes.append(f"{label}: {holiday['name']}")
    return notes


def _leg(trip: Trip, number: int) -> int:
    """Which destination a day belongs to: the days are shared out evenly, in order."""
    return (number - 1) * len(trip.destinations) // max(trip.days or 1, len(trip.destinations))
