"""A plan as iCalendar (RFC 5545): one all-day event a day.

All-day events have no hour and no time zone, so that they stand on the right day wherever the calendar is read; hours
would be made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from assistant.domains.travel.trip import Trip
from models.errors import UsageError


def to_ics(trip: Trip, days: Sequence[tuple[str, str, str]]) -> bytes:
    """The events as a file.

    Args:
        days: (summary, description, name of the place) of each day, from the first.

    Raises:
        UsageError: the trip has no first day.
    """
    from icalendar import Calendar, Event

    if trip.start is None or trip.destination is None:
        raise UsageError("A calendar needs the first day of the trip.", "Say it in the request, or with --start DATE.")
    calendar = Calendar()
    calendar.add("prodid", "-//assistant//travel plan//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("x-wr-calname", trip.destination.name(trip.language))
    for number, (summary, description, where) in enumerate(days):
        day = trip.start + timedelta(days=number)
        event = Event()
        event.add("uid", _uid(trip, day))
        event.add("dtstamp", datetime.now(UTC))
        event.add("dtstart", day)
        event.add("dtend", day + timedelta(days=1))  # the day after, which is not part of it
        event.add("summary", summary)
        event.add("description", description)
        event.add("location", where)
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def _uid(trip: Trip, day: date) -> str:
    """The same for the same day of the same trip, so that a plan that is imported again replaces the first."""
    assert trip.destination is not None
    key = f"{trip.destination.id} {trip.start} {day}"
    return f"{sha256(key.encode()).hexdigest()[:32]}@assistant.invalid"
