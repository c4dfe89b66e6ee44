"""What the clock shows at a place on a day: offset from UTC, changes of it, sunrise and sunset."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from assistant.domains.travel.places import Place
from models.errors import UsageError

TIME_ZONES = "IANA time zone database"
SUN = "astral (NOAA solar calculator)"
FIRST_YEAR, LAST_YEAR = 1970, 2100  # what the time zone database and the calendars of holidays are good for

_HALF_DAY = timedelta(hours=12, minutes=30)


@dataclass(frozen=True)
class Daylight:
    """Times of the place's clock, None when the sun does not rise or set that day; minutes of daylight."""

    sunrise: datetime | None
    sunset: datetime | None
    minutes: int


def checked(on: date, language: str = "en") -> date:
    """The day itself.

    Raises:
        UsageError: nothing is known about that year.
    """
    if FIRST_YEAR <= on.year <= LAST_YEAR:
        return on
    if language == "ru":
        raise UsageError(f"О {on.year} годе ничего не известно.", f"Годятся дни с {FIRST_YEAR} по {LAST_YEAR} год.")
    raise UsageError(f"Nothing is known about the year {on.year}.", f"Give a day from {FIRST_YEAR} to {LAST_YEAR}.")


def offset_minutes(timezone: str, on: date) -> int:
    """From UTC, at noon of that day."""
    offset = datetime.combine(on, time(12), ZoneInfo(timezone)).utcoffset()
    return round((offset or timedelta()).total_seconds() / 60)


def offset_text(minutes: int) -> str:
    """``UTC+05:30``."""
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def clock_changes(timezone: str, start: date, end: date) -> list[tuple[date, int, int]]:
    """Days from ``start`` to ``end`` on which the clock is changed: day, minutes from UTC before and after."""
    found = []
    day = start
    while day <= end and day < date.max:
        morning, night = (_at_midnight(timezone, each) for each in (day, day + timedelta(days=1)))
        if morning != night:
            found.append((day, morning, night))
        day += timedelta(days=1)
    return found


def _at_midnight(timezone: str, on: date) -> int:
    offset = datetime.combine(on, time(0), ZoneInfo(timezone)).utcoffset()
    return round((offset or timedelta()).total_seconds() / 60)


def daylight(place: Place, on: date) -> Daylight:
    """Sunrise and sunset on that day of the place's calendar; polar day and night are told apart by the noon sun."""
    from astral import Observer
    from astral.sun import elevation, noon, sunrise, sunset

    observer, zone = Observer(place.latitude, place.longitude), ZoneInfo(place.timezone)
    # Of days in UTC, which need not be that of the place.
    days = [on + timedelta(days=number) for number in (-1, 0, 1)]
    midday = datetime.combine(on, time(12), zone)
    at_noon = min((noon(observer, day, UTC) for day in days), key=lambda each: abs(each - midday))
    rise, fall = None, None
    for day in days:
        with suppress(ValueError):  # the sun does not rise or set
            moment = sunrise(observer, day, UTC)
            rise = moment if timedelta() < at_noon - moment < _HALF_DAY else rise
        with suppress(ValueError):
            moment = sunset(observer, day, UTC)
            fall = moment if timedelta() < moment - at_noon < _HALF_DAY else fall
    if rise is None or fall is None:
        return Daylight(None, None, 24 * 60 if elevation(observer, at_noon) > 0 else 0)
    return Daylight(rise.astimezone(zone), fall.astimezone(zone), round((fall - rise).total_seconds() / 60))
