"""Plans as iCalendar files."""

from __future__ import annotations

from datetime import date

import pytest
from icalendar import Calendar

from assistant.domains.travel.calendar import to_ics
from assistant.domains.travel.places import Place, Places
from assistant.domains.travel.trip import Trip
from models.errors import UsageError

DAYS = [
    ("Тбилиси: день 1; начало, да", "Утро: музей\nВечер: ужин, вино; \\ долгий " + "очень " * 40, "Тбилиси"),
    ("two", "x", "Мцхета"),
]


def trip(start: date | None) -> Trip:
    with Places.open() as places:
        place = places.resolve("Tbilisi")
    assert isinstance(place, Place)
    return Trip("", "ru", destinations=(place,), start=start, days=2)


def test_each_day_is_an_all_day_event_that_reads_back() -> None:
    content = to_ics(trip(date(2027, 12, 31)), DAYS)
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    events = Calendar.from_ical(content).walk("VEVENT")
    assert [event.decoded("dtstart") for event in events] == [date(2027, 12, 31), date(2028, 1, 1)]
    assert [event.decoded("dtend") for event in events] == [date(2028, 1, 1), date(2028, 1, 2)]
    names = ("summary", "description", "location")
    assert [tuple(str(event[name]) for name in names) for event in events] == DAYS


def test_the_same_day_of_a_trip_keeps_its_uid() -> None:
    def uids(start: date) -> list[str]:
        return [str(event["uid"]) for event in Calendar.from_ical(to_ics(trip(start), DAYS)).walk("VEVENT")]

    first = uids(date(2027, 5, 3))
    assert first == uids(date(2027, 5, 3))
    assert len({*first, *uids(date(2027, 6, 3))}) == 4


def test_without_a_first_day_there_is_no_calendar() -> None:
    with pytest.raises(UsageError, match="first day"):
        to_ics(trip(None), DAYS)
