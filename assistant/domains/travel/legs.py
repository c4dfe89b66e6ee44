"""The places of a trip in turn, each with its days and the facts of them."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from assistant.domains.travel.facts import Facts
from assistant.domains.travel.facts import facts as facts_of
from assistant.domains.travel.places import Place, Places
from assistant.domains.travel.trip import Trip


@dataclass(frozen=True, slots=True)
class Leg:
    """A stay at one place, from day ``first`` to day ``last`` of the trip, both counted from 1.

    Attributes:
        before: where one comes from; None where that is not said.
        facts: of the days there, compared with ``before``.
    """

    place: Place
    first: int
    last: int
    before: Place | None
    facts: Facts

    def told(self, trip: Trip) -> dict[str, Any]:
        """The facts as JSON, without those of today where nobody said when the trip is."""
        content = self.facts.to_json()
        if not trip.start and not trip.months:
            content["facts"] = {key: fact for key, fact in content["facts"].items() if is_timeless(key)}
            content["on"] = content["until"] = None
        return content


_TIMELESS = frozenset(
    "place country capital coordinates population timezone currency languages distance flight_time airports".split()  # noqa: SIM905
)


def is_timeless(key: str) -> bool:
    """Whether a fact holds on any day."""
    return key in _TIMELESS


def legs_of(trip: Trip, places: Places, today: date) -> tuple[Leg, ...]:
    """One for each destination: as many days as was said, else shared out evenly; no more places than days."""
    days = trip.days or 1
    there = trip.destinations[:days]
    ends = [(number + 1) * days // len(there) for number in range(len(there))]
    if len(trip.stays) == len(there):
        ends = [sum(trip.stays[: number + 1]) for number in range(len(there))]
    found: list[Leg] = []
    for place, end in zip(there, ends, strict=True):
        first = found[-1].last + 1 if found else 1
        before = found[-1].place if found else trip.origin
        start, until = _period(trip, first, end, today)
        known = facts_of(place, start, before, trip.language, until=until, places=places)
        found.append(Leg(place, first, end, before, known))
    return tuple(found)


def _period(trip: Trip, first: int, last: int, today: date) -> tuple[date, date | None]:
    if trip.start:
        return trip.start + timedelta(days=first - 1), trip.start + timedelta(days=last - 1)
    if trip.months:
        (year, month), (last_year, last_month) = trip.months[0], trip.months[-1]
        end = date(last_year, last_month, monthrange(last_year, last_month)[1])
        return max(today, date(year, month, 1)), end
    return today, None
