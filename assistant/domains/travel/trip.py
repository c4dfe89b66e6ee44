"""A trip as typed fields, from a request in free words.

What grammar settles is read by rule: dates, counted people, "from X", "to Y", words of pace. The model marks the rest,
held to spans of the user's own words, and decides where no rule does. Nothing is filled in that nobody said, but for
defaults, and those are named as such.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal

from assistant.domains.travel.dates import FARTHEST, LONGEST, Problem, check_length
from assistant.domains.travel.marking import interests_in, mark
from assistant.domains.travel.party import Pace
from assistant.domains.travel.place_words import Role
from assistant.domains.travel.places import Ambiguous, Place, Places, inside
from assistant.domains.travel.questions import Question, ask
from assistant.domains.travel.said import Said, by_stays
from assistant.engine.engine import Engine, Event, GenerateOptions

Language = Literal["en", "ru"]

MOST_TRAVELLERS = 1000


@dataclass(frozen=True, slots=True)
class Trip:
    """What is known of a trip.

    Attributes:
        destinations: in their order; the first is the one that the JSON names.
        stays: days at each of them, where it is said.
        months: (year, month) it lies in, where no day is known.
        assumed: fields that hold a default, not what was said.
        readings: words about time that were taken in their usual sense.
    """

    request: str
    language: Language
    origin: Place | None = None
    destinations: tuple[Place, ...] = ()
    stays: tuple[int, ...] = ()
    start: date | None = None
    days: int | None = None
    months: tuple[tuple[int, int], ...] = ()
    travellers: int | None = None
    children: bool = False
    pace: Pace = "normal"
    interests: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()

    @property
    def destination(self) -> Place | None:
        return self.destinations[0] if self.destinations else None

    @property
    def end(self) -> date | None:
        return self.start + timedelta(days=self.days - 1) if self.start and self.days else None

    def to_json(self) -> dict[str, Any]:
        """The fields of the trip, those that are not known null; ``assumed`` names the defaults."""
        names = [place.name(self.language) for place in self.destinations]
        fields: dict[str, Any] = {
            "origin": self.origin.name(self.language) if self.origin else None,
            "destination": names[0] if names else None,
            "start": self.start.isoformat() if self.start else None,
            "end": self.end.isoformat() if self.end else None,
            "days": self.days,
            "travellers": self.travellers,
            "pace": self.pace,
            "interests": list(self.interests),
        }
        if len(names) > 1:
            fields["destinations"] = names
        if self.months:
            fields["months"] = [f"{year}-{month:02}" for year, month in self.months]
        return fields | {"assumed": list(self.assumed)}


@dataclass(frozen=True, slots=True)
class Given:
    """Fields that are set whatever the words say."""

    origin: str | None = None
    destination: str | None = None
    start: date | None = None
    days: int | None = None
    travellers: int | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """A trip and what is to be asked about it."""

    trip: Trip
    questions: tuple[Question, ...]

    @property
    def ready(self) -> bool:
        """Whether a plan can be made of it."""
        return not any(question.blocking for question in self.questions)


def extract(
    engine: Engine,
    text: str,
    places: Places,
    today: date,
    *,
    language: Language,
    given: Given | None = None,
    before: Sequence[str] = (),
    options: GenerateOptions | None = None,
    check: Callable[[], None] = lambda: None,
) -> Generator[Event, None, Extraction]:
    """Read a request. Yields what happens meanwhile.

    Args:
        given: fields that are set whatever the words say.
        before: what the same person said before, in order; later words replace earlier ones. A request that has its own
            destination and length stands alone.

    Raises:
        as :meth:`Engine.generate`; Cancelled: ``check`` raised it.
    """
    said = [Said.of(one, today, places) for one in (*before, text)]
    if said[-1].is_whole:
        said = said[-1:]
    whole = said[0]
    for later in said[1:]:
        whole = whole.then(later, places)
    marks: Mapping[str, Any] = {}
    if whole.text.strip():
        marks = yield from mark(engine, whole.text, whole.taken, options or GenerateOptions(), check)
    given = given or Given()
    whole = replace(whole, roles=_decided(whole.roles, marks, given))
    return _settle(whole, interests_in(whole.text, whole.roles, whole.taken, marks), places, today, language, given)


# What is decided, and what is to be asked


def _decided(roles: Role, marks: Mapping[str, Any], given: Given) -> Role:
    """Rules first; the model where they are silent."""
    origin, destinations = roles.origin, roles.destinations
    if given.origin is not None:
        origin = given.origin
    if given.destination is not None:
        destinations = (given.destination,)
    marked = [span for span in marks.get("destination", []) if span != origin]
    if not destinations:
        named = [span for span in roles.unplaced if span != origin]
        destinations = tuple(
            dict.fromkeys(marked if not named else [span for span in marked if span in named] or named)
        )
    if origin is None and marks.get("origin") and marks["origin"] in roles.unplaced:
        origin = marks["origin"] if marks["origin"] not in destinations else None
    return replace(roles, origin=origin, destinations=destinations)


def _settle(
    said: Said, interests: tuple[str, ...], places: Places, today: date, language: Language, given: Given
) -> Extraction:
    text, when, party, pace, roles = said.text, said.when, said.party, said.pace, said.roles
    questions: list[Question] = []
    origin, destinations = _resolved(places, roles, language, questions)
    if given.days is None:
        when = by_stays(when, len(destinations))
    if not roles.destinations:
        questions.append(ask("destination", language))
    if origin and any(place.id == origin.id for place in destinations):
        questions.append(ask("same place", language, place=origin.name(language)))
    if origin is None and roles.origin is None:
        questions.append(ask("origin", language))
    start, days = given.start or when.start, given.days if given.days is not None else when.days
    problems = list(when.problems)
    if given.start:
        problems = [
            one
            for one in problems
            if one.code not in ("impossible", "ambiguous", "past", "far", "vague", "reversed", "conflict")
        ]
        if given.start < today:
            problems.append(Problem("past", given.start.isoformat()))
        elif given.start.year > today.year + FARTHEST:
            problems.append(Problem("far", given.start.isoformat()))
    if given.days is not None:
        problems = [one for one in problems if one.code not in ("no days", "too long", "conflict")]
        if wrong := check_length(None, None, given.days):
            problems.append(Problem(wrong, str(given.days)))
    for problem in problems:
        if problem.code == "vague" and start is not None and days is not None:
            continue  # "at New Year, from 30 December"
        blocking = problem.code != "vague" or days is None
        questions.append(ask(problem.code, language, blocking=blocking, said=problem.text, longest=LONGEST))
    if days is None and not any(question.field == "days" for question in questions if question.blocking):
        questions.append(ask("days", language))
    if start is None and not any(question.field == "start" for question in questions):
        questions.append(ask("start", language))
    travellers = given.travellers if given.travellers is not None else party.travellers
    assumed = []
    if travellers is None and party.uncertain:
        questions.append(ask("travellers", language, said=party.uncertain))
    elif travellers is None:
        travellers = 1
        assumed.append("travellers")
    elif not 0 < travellers <= MOST_TRAVELLERS:
        questions.append(ask("impossible travellers", language, said=str(travellers)))
    if pace is None:
        assumed.append("pace")
    if len(roles.alternatives) > 1:
        listed = "; ".join(place.name(language) for place in destinations)
        questions.append(ask("which", language, candidates=(listed,)))
    there = tuple(dict.fromkeys(destinations))
    trip = Trip(
        request=text,
        language=language,
        origin=origin,
        destinations=there,
        stays=when.stays if len(when.stays) == len(there) and sum(when.stays) == days else (),
        start=start,
        days=days,
        months=() if start else when.months,
        travellers=travellers,
        children=party.has_children,
        pace=pace or "normal",
        interests=interests,
        assumed=tuple(assumed),
        readings=when.assumed,
    )
    return Extraction(trip, tuple(sorted(questions, key=lambda question: not question.blocking)))


def _resolved(
    places: Places, roles: Role, language: Language, questions: list[Question]
) -> tuple[Place | None, list[Place]]:
    """The places that are named; those that one would ask about are looked for near the others."""
    spans = [*([roles.origin] if roles.origin else []), *roles.destinations]
    certain = {span: found for span in spans if isinstance(found := places.resolve(span), Place)}
    named: dict[str, Place] = {}
    for span in spans:
        near = [place for other, place in certain.items() if other != span]
        field = "origin" if span == roles.origin else "destination"
        if place := _resolve(places, span, field, near, language, questions):
            named[span] = place
    for span in roles.unknown:
        questions.append(ask("unknown place", language, blocking=False, said=span))
    origin = named.get(roles.origin) if roles.origin else None
    there = [named[span] for span in roles.destinations if span in named]
    # "Through Altai: Gorno-Altaysk, Chemal": the towns are the places to go to.
    return origin, [area for area in there if area.kind == "city" or not any(inside(one, area) for one in there)]


def _resolve(
    places: Places, span: str, field: str, near: Sequence[Place], language: Language, questions: list[Question]
) -> Place | None:
    found, others = places.choose(span, near)
    if isinstance(found, Place):
        if others:
            listed = "; ".join(places.describe(place, language) for place in others[:3])
            meant = places.describe(found, language, people=False)
            questions.append(ask("taken for", language, field=field, said=span, place=meant, candidates=(listed,)))
        return found
    if isinstance(found, Ambiguous):
        candidates = tuple(places.describe(place, language) for place in found.candidates[:5])
        code = "misspelt" if found.misspelt else "ambiguous place"
        questions.append(ask(code, language, field=field, said=span, candidates=candidates))
    else:
        questions.append(ask("unknown place", language, field=field, said=span))
    return None
