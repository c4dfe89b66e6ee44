"""A trip as typed fields, from a request in free words.

What grammar settles is read by rule: dates, counted people, "from X", "to Y", words of pace. The model marks the rest,
held to spans of the user's own words, and decides where no rule does. Nothing is filled in that nobody said, but for
defaults, and those are named as such.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal

from assistant.domains.travel.dates import FARTHEST, LONGEST, Problem, When, check_length, read
from assistant.domains.travel.interests import kinds_of
from assistant.domains.travel.party import Pace, Party, read_pace, read_party
from assistant.domains.travel.place_words import Role, read_places
from assistant.domains.travel.places import Ambiguous, Place, Places
from assistant.domains.travel.prices import price_spans
from assistant.domains.travel.questions import Question, ask
from assistant.engine.calls import completing
from assistant.engine.engine import Constraint, Engine, Event, GenerateOptions, Message

Language = Literal["en", "ru"]

MOST_TRAVELLERS = 1000
MOST_INTERESTS = 8
LONGEST_REQUEST = 2000  # characters; what is behind is not read by the model


@dataclass(frozen=True, slots=True)
class Trip:
    """What is known of a trip.

    Attributes:
        destinations: in their order; the first is the one that the JSON names.
        months: (year, month) it lies in, where no day is known.
        assumed: fields that hold a default, not what was said.
        readings: words about time that were taken in their usual sense.
    """

    request: str
    language: Language
    origin: Place | None = None
    destinations: tuple[Place, ...] = ()
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
    said = [_Said.of(one, today, places) for one in (*before, text)]
    if said[-1].is_whole:
        said = said[-1:]
    whole = said[0]
    for later in said[1:]:
        whole = whole.then(later, places)
    marks: Mapping[str, Any] = {}
    if whole.text.strip():
        marks = yield from _mark(engine, whole.text, whole.taken, options or GenerateOptions(), check)
    given = given or Given()
    whole = replace(whole, roles=_decided(whole.roles, marks, given))
    return _settle(whole, _interests(whole.text, whole.roles, whole.taken, marks), places, today, language, given)


@dataclass(frozen=True)
class _Said:
    """What the rules read in a text."""

    text: str
    when: When
    party: Party
    pace: Pace | None
    roles: Role
    taken: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str, today: date, places: Places) -> _Said:
        when = read(text, today)
        party = read_party(text, when.spans)
        pace, pace_spans = read_pace(text)
        taken = (*when.spans, *party.spans, *pace_spans, *price_spans(text))
        return cls(text, when, party, pace, read_places(text, taken, places), taken)

    @property
    def is_whole(self) -> bool:
        """A request by itself, not the answer to a question."""
        return bool(self.roles.destinations) and self.when.days is not None

    def then(self, later: _Said, places: Places) -> _Said:
        """This, and what was said after it."""
        when, roles, party = later.when, later.roles, later.party
        if number := re.fullmatch(r"\s*(\d{1,3})\s*[.!]?\s*", later.text):  # the answer to "how many?"
            if self.when.days is None or any(one.code in ("no days", "too long") for one in self.when.problems):
                when = replace(when, days=int(number[1]), problems=_length_problem(int(number[1])))
            else:
                party = replace(party, travellers=int(number[1]))
        # A name alone answers whichever place is missing.
        destinations, origin = roles.destinations, roles.origin
        alone = len(later.text.split()) <= 4 and not when.spans and len(destinations) == 1
        to_it = re.match(r"(?:to|in|в|во|на)\s", later.text.strip(), re.IGNORECASE)
        if alone and not to_it and self._wants_origin(places):
            origin, destinations = roles.destinations[0], ()
        offset = len(self.text) + 1
        taken = tuple((begin + offset, end + offset) for begin, end in later.taken)
        spans = tuple((begin + offset, end + offset) for begin, end in roles.spans)
        new_time = bool(when.start or when.days is not None or when.months or when.problems)
        start = when.start or (self.when.start if not when.months and not when.problems else None)
        return _Said(
            f"{self.text}\n{later.text}",
            replace(
                when,
                start=start,
                end=None,
                days=when.days if when.days is not None else self.when.days,
                months=when.months or (() if when.start else self.when.months),
                assumed=when.assumed or self.when.assumed,
            )
            if new_time
            else self.when,
            party if party.travellers is not None or party.uncertain else self.party,
            later.pace or self.pace,
            Role(
                origin or self.roles.origin,
                destinations or self.roles.destinations,
                (*self.roles.unplaced, *roles.unplaced),
                (*self.roles.spans, *spans),
            ),
            (*self.taken, *taken),
        )

    def _wants_origin(self, places: Places) -> bool:
        """It is known where the trip goes, not where it starts."""
        known = [isinstance(places.resolve(name), Place) for name in self.roles.destinations]
        return bool(known) and all(known) and self.roles.origin is None


def _length_problem(days: int) -> tuple[Problem, ...]:
    wrong = check_length(None, None, days)
    return (Problem(wrong, str(days)),) if wrong else ()


# What the model does

_TASK = (
    "Mark what the request for a trip says. Copy words of the request exactly. destination: where to, also "
    "several. origin: where "
    "from, empty if it is not said. interests: what they like to see and do there, each as one to three words, "
    "without places, "
    "dates, people; empty if nothing is said."
)
_SHOTS = (
    (
        "a week in Porto from Berlin in June, four people, wine and old churches, slow",
        {"destination": ["Porto"], "origin": "Berlin", "interests": ["wine", "old churches"]},
    ),
    (
        "Хотим с друзьями съездить в Казань на выходные, любим активный отдых и вкусно поесть",
        {"destination": ["Казань"], "origin": "", "interests": ["активный отдых", "вкусно поесть"]},
    ),
    ("trip for 3 days", {"destination": [], "origin": "", "interests": []}),
)
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_LONGEST_SPAN = 3  # words
_MOST_SPANS = 400


def _mark(
    engine: Engine,
    text: str,
    taken: tuple[tuple[int, int], ...],
    options: GenerateOptions,
    check: Callable[[], None],
) -> Generator[Event, None, Mapping[str, Any]]:
    text = text[:LONGEST_REQUEST]
    spans = _spans(text, taken)
    if not spans:
        return {}
    choice = {"enum": spans}
    schema = {
        "type": "object",
        "properties": {
            "destination": {"type": "array", "items": choice, "maxItems": 4},
            "origin": {"enum": ["", *spans]},
            "interests": {"type": "array", "items": choice, "maxItems": MOST_INTERESTS},
        },
        "required": ["destination", "origin", "interests"],
    }
    messages = [Message("system", _TASK)]
    for request, answer in _SHOTS:
        messages += [
            Message("user", request),
            Message("assistant", json.dumps(answer, ensure_ascii=False, separators=(",", ":"))),
        ]
    messages.append(Message("user", text))
    constraint = Constraint("json_schema", json.dumps(schema, ensure_ascii=False))
    options = replace(options, temperature=0, max_tokens=200, constraint=constraint, stop=(), beams=1)
    result = yield from completing(engine, messages, options, check)
    try:
        found: dict[str, Any] = json.loads(result.text)
    except ValueError:  # cut short
        return {}
    return found


def _spans(text: str, taken: tuple[tuple[int, int], ...]) -> list[str]:
    """Runs of one to three words with nothing but spaces between, outside of what is read already."""
    words = [
        match.span()
        for match in _WORD.finditer(text)
        if not match[0].isdigit() and not any(start < match.end() and match.start() < end for start, end in taken)
    ]
    found: dict[str, None] = {}
    for first, (start, _) in enumerate(words):
        for _, end in words[first : first + _LONGEST_SPAN]:
            span = text[start:end]
            if any(mark in span for mark in ".,;:!?()\n") and not re.fullmatch(r"[\w. '’-]+", span):
                break
            found.setdefault(span)
    return list(found)[:_MOST_SPANS]


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


_STOP_WORDS = """
from at by on or not no travelling traveling alone together going flying pace темп темпе like love enjoy want
interested interests interest prefer trip travel go see visit plan please with and the for some a to in of i we my
our я мы хочу хотим люблю любим интересует интересуют интересы интерес поездка поездку поехать съездить посмотреть
увидеть план маршрут и в на с по для нам мне нас составь спланируй нравится нравятся предпочитаем хотелось бы days
дней day holiday vacation отпуск бюджет budget отдых город города
"""
_STOP = frozenset(_STOP_WORDS.split())


def _interests(text: str, roles: Role, taken: tuple[tuple[int, int], ...], marks: Mapping[str, Any]) -> tuple[str, ...]:
    """The user's words for what they like, in their order: those with a known beginning, and what the model marked."""
    found: dict[int, str] = {}
    occupied = [*taken, *roles.spans]

    def free(start: int, end: int) -> bool:
        return not any(start < last and first < end for first, last in occupied)

    for span in marks.get("interests", []):
        start = text.find(span)
        words = span.casefold().split()
        while words and words[0] in _STOP:
            start += len(words[0]) + 1
            words.pop(0)
        while words and words[-1] in _STOP and not kinds_of(" ".join(words)):
            words.pop()
        end = start + len(" ".join(words))
        if words and start >= 0 and free(start, end) and _is_interest(text[start:end]) and words != ["еду"]:
            found[start] = text[start:end]
            occupied.append((start, end))
    for match in _WORD.finditer(text):
        driving = match[0].casefold() == "еду" and _ROAD.match(text, match.end())  # the verb, not the food
        if free(*match.span()) and kinds_of(match[0]) and match[0].casefold() not in _STOP and not driving:
            found[match.start()] = match[0]
            occupied.append(match.span())
    unique = dict.fromkeys(found[start] for start in sorted(found))
    return tuple(unique)[:MOST_INTERESTS]


_ROAD = re.compile(r"\s+(?:в|во|на|из|с|со|к|до|од\w+|сам\w*)\s", re.IGNORECASE)


def _is_interest(span: str) -> bool:
    """Not a verb or a lone adverb: something that can be liked. Unknown words may be."""
    if kinds_of(span) or not re.search("[а-яё]", span, re.IGNORECASE):
        return bool(kinds_of(span)) or len(span) > 3
    from assistant.domains.travel.proper_names import has_noun

    return has_noun(span)


# What the program makes of it


def _settle(
    said: _Said, interests: tuple[str, ...], places: Places, today: date, language: Language, given: Given
) -> Extraction:
    text, when, party, pace, roles = said.text, said.when, said.party, said.pace, said.roles
    questions: list[Question] = []
    origin = _resolve(places, roles.origin, "origin", language, questions)
    destinations = []
    for span in roles.destinations:
        if place := _resolve(places, span, "destination", language, questions):
            destinations.append(place)
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
    trip = Trip(
        request=text,
        language=language,
        origin=origin,
        destinations=tuple(dict.fromkeys(destinations)),
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


def _resolve(
    places: Places, span: str | None, field: str, language: Language, questions: list[Question]
) -> Place | None:
    if not span:
        return None
    found = places.resolve(span)
    if isinstance(found, Place):
        return found
    if isinstance(found, Ambiguous):
        candidates = tuple(places.describe(place, language) for place in found.candidates[:5])
        code = "misspelt" if found.misspelt else "ambiguous place"
        questions.append(ask(code, language, field=field, said=span, candidates=candidates))
    else:
        questions.append(ask("unknown place", language, field=field, said=span))
    return None
