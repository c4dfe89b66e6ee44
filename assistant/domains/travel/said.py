"""What the rules read in a request, and in the answers that follow it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta

from assistant.domains.travel.dates import LONGEST, Problem, When, check_length, read
from assistant.domains.travel.names import fold
from assistant.domains.travel.party import Pace, Party, read_pace, read_party
from assistant.domains.travel.place_words import Role, read_places
from assistant.domains.travel.places import Place, Places
from assistant.domains.travel.prices import price_spans


@dataclass(frozen=True)
class Said:
    """What the rules read in a text."""

    text: str
    when: When
    party: Party
    pace: Pace | None
    roles: Role
    taken: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str, today: date, places: Places) -> Said:
        when = read(text, today)
        party = read_party(text, when.spans)
        pace, pace_spans = read_pace(text)
        taken = (*when.spans, *party.spans, *pace_spans, *price_spans(text))
        roles = read_places(text, taken, places)
        return cls(text, when, party, pace, roles, taken)

    @property
    def is_whole(self) -> bool:
        """A request by itself, not the answer to a question."""
        return bool(self.roles.destinations) and self.when.days is not None

    def then(self, later: Said, places: Places) -> Said:
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
        again = alone and any(_first_word(destinations[0]) == _first_word(one) for one in self.roles.destinations)
        if alone and not to_it and not again and self._wants_origin(places):
            origin, destinations = roles.destinations[0], ()
        offset = len(self.text) + 1
        taken = tuple((begin + offset, end + offset) for begin, end in later.taken)
        spans = tuple((begin + offset, end + offset) for begin, end in roles.spans)
        new_time = bool(when.start or when.days is not None or when.months or when.problems)
        start = when.start or (self.when.start if not when.months and not when.problems else None)
        return Said(
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
                (*self.roles.unknown, *roles.unknown),
                roles.alternatives or (() if destinations else self.roles.alternatives),
            ),
            (*self.taken, *taken),
        )

    def _wants_origin(self, places: Places) -> bool:
        """It is known where the trip goes, not where it starts."""
        known = [isinstance(places.resolve(name), Place) for name in self.roles.destinations]
        return bool(known) and all(known) and self.roles.origin is None


def _first_word(name: str) -> str:
    return fold(name).partition(" ")[0]


def by_stays(when: When, destinations: int) -> When:
    """ "Rome 3 days, Florence 2 days" are 5 days, where each place has its length. ``stays`` is kept only then."""
    stays = when.stays[1:] if len(when.stays) == destinations + 1 else when.stays
    if destinations < 2 or len(when.stays) < 2:
        return replace(when, stays=())
    days = sum(stays) + when.by_night
    told = days if len(stays) == len(when.stays) else when.stays[0]
    fits = (
        len(stays) == destinations
        and days in (told, told + when.by_night)
        and not (when.start and when.end and when.days != when.stays[0])
    )
    problems = tuple(one for one in when.problems if one.code != "conflict")
    if not fits or min(stays) < 1:
        said = ", ".join(map(str, when.stays))
        return replace(when, stays=(), problems=(*problems, Problem("conflict", said)))
    end = when.start + timedelta(days=days - 1) if when.start and days <= LONGEST else None
    stays = (*stays[:-1], stays[-1] + when.by_night)
    return replace(when, days=days, end=end, stays=stays, problems=(*problems, *_length_problem(days)))


def _length_problem(days: int) -> tuple[Problem, ...]:
    wrong = check_length(None, None, days)
    return (Problem(wrong, str(days)),) if wrong else ()
