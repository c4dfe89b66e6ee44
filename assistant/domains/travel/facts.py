"""What the program knows of a place on a day, each fact with its source; and what it never knows, to check online."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from assistant.domains.travel import airports as airport_table
from assistant.domains.travel import clock, countries, geography, public_holidays
from assistant.domains.travel.countries import country_name, thousands
from assistant.domains.travel.places import Place, Places
from models.errors import UsageError

DAYS_AHEAD = 30  # of holidays and changes of the clock, when no end is given

CHECK_ONLINE = {
    "en": (
        "fares and timetables",
        "opening hours and ticket prices",
        "visas, entry rules and insurance",
        "weather",
        "exchange rates and which cards work",
        "sockets and voltage",
        "safety and health advice",
    ),
    "ru": (
        "цены на билеты и расписание транспорта",
        "часы работы и цены билетов в музеи",
        "виза, правила въезда и страховка",
        "погода",
        "курс валюты и какие карты принимают",
        "розетки и напряжение",
        "безопасность и прививки",
    ),
}
_LABELS = {
    "place": ("Place", "Место"),
    "country": ("Country", "Страна"),
    "capital": ("Capital", "Столица"),
    "coordinates": ("Coordinates", "Координаты"),
    "population": ("Population", "Население"),
    "timezone": ("Time zone", "Часовой пояс"),
    "utc_offset": ("Time", "Время"),
    "offset_to_home": ("Compared with home", "Разница с домом"),
    "clock_change": ("Change of the clock", "Перевод часов"),
    "daylight": ("Daylight", "Световой день"),
    "currency": ("Currency", "Валюта"),
    "languages": ("Languages", "Языки"),
    "distance": ("Distance", "Расстояние"),
    "flight_time": ("Flight time, an estimate", "Время полёта, оценка"),
    "airports": ("Nearest airports", "Ближайшие аэропорты"),
    "holidays_there": ("Public holidays there", "Праздники там"),
    "holidays_home": ("Public holidays at home", "Праздники дома"),
}


@dataclass(frozen=True)
class Fact:
    """One thing that is known.

    Attributes:
        key: its name in JSON.
        label: its name for people.
        value: for programs: numbers in metric units, minutes, ISO codes and dates.
        text: the value as a sentence or a few words in the language of the facts.
        source: where it comes from.
    """

    key: str
    label: str
    value: Any
    text: str
    source: str


@dataclass(frozen=True)
class Facts:
    """What is known of a place from ``on`` to ``until``, and what is to be checked online."""

    place: Place
    on: date
    until: date
    home: Place | None
    language: str
    facts: tuple[Fact, ...]
    check_online: tuple[str, ...]

    def get(self, key: str) -> Fact | None:
        """The fact of that name."""
        return next((fact for fact in self.facts if fact.key == key), None)

    def to_json(self) -> dict[str, Any]:
        """``{place, on, until, home, language, facts: {key: {label, value, text, source}}, check_online}``."""
        return {
            "place": self.place.to_json(self.language),
            "on": self.on.isoformat(),
            "until": self.until.isoformat(),
            "home": self.home.to_json(self.language) if self.home else None,
            "language": self.language,
            "facts": {
                fact.key: {"label": fact.label, "value": fact.value, "text": fact.text, "source": fact.source}
                for fact in self.facts
            },
            "check_online": list(self.check_online),
        }


def facts(
    place: Place,
    on: date | None = None,
    home: Place | None = None,
    language: str = "en",
    *,
    until: date | None = None,
    places: Places | None = None,
) -> Facts:
    """Everything known of ``place``.

    Args:
        on: the first day; today by default.
        home: what distance and time are compared with.
        until: the last day; without it, holidays and changes of the clock of the 30 days from ``on`` are told.

    Raises:
        UsageError: a year of which nothing is known, or an end before the start.
    """
    start = clock.checked(on or date.today(), language)
    if until is not None and clock.checked(until, language) < start:
        words = ("Конец", "раньше начала") if language == "ru" else ("The end", "lies before the start")
        raise UsageError(f"{words[0]} {until} {words[1]} {start}.")
    end = until or start + timedelta(days=DAYS_AHEAD)
    table = places or Places.open()
    try:
        told = _Telling(place, start, end, home, language, table)
        found = [
            Fact(key, _LABELS[key][language == "ru"], value, text, source) for key, value, text, source in told.all()
        ]
    finally:
        if places is None:
            table.close()
    return Facts(place, start, until or start, home, language, tuple(found), CHECK_ONLINE[language])


Told = tuple[str, Any, str, str]


@dataclass(frozen=True)
class _Telling:
    place: Place
    start: date
    end: date
    home: Place | None
    language: str
    places: Places

    def all(self) -> Iterator[Told]:
        yield from self._place()
        yield from self._clock()
        yield from self._country()
        yield from self._way()
        yield from self._airports()
        yield from self._holidays()

    def _say(self, english: str, russian: str) -> str:
        return russian if self.language == "ru" else english

    def _number(self, number: float, digits: int = 0) -> str:
        text = f"{number:,.{digits}f}"
        return text.replace(",", "\u202f").replace(".", ",") if self.language == "ru" else text

    def _stands(self, place: Place) -> str:
        """In brackets: of what the coordinates are."""
        anchor = self.places.anchor(place)
        if anchor is None:
            return ""
        name = anchor.name(self.language).removeprefix("аэропорт ")
        kind = "по аэропорту" if anchor.kind == "airport" else "по городу"
        return self._say(f" (at {name})", f" ({kind} {name})")

    def _place(self) -> Iterator[Told]:
        place, source = self.place, self.place.source
        yield "place", place.name(self.language), self.places.describe(place, self.language, people=False), source
        country = country_name(place.country, self.language)
        yield "country", place.country, country, countries.cldr()
        capital = self.places.capital(place.country)
        if capital and capital.id != place.id:
            yield "capital", capital.name("en"), capital.name(self.language), capital.source
        latitude, longitude = place.latitude, place.longitude
        north = self._say("N" if latitude >= 0 else "S", "с. ш." if latitude >= 0 else "ю. ш.")
        east = self._say("E" if longitude >= 0 else "W", "в. д." if longitude >= 0 else "з. д.")
        text = f"{self._number(abs(latitude), 4)}° {north}, {self._number(abs(longitude), 4)}° {east}"
        value = {"latitude": round(latitude, 5), "longitude": round(longitude, 5)}
        yield "coordinates", value, text + self._stands(place), source
        if place.population:
            yield "population", place.population, thousands(place.population, self.language), source

    def _clock(self) -> Iterator[Told]:
        zone, on = self.place.timezone, self.start
        zones = countries.time_zones(self.place.country) if self.place.kind == "country" else []
        several = len({clock.offset_minutes(each, on) for each in zones})
        more = self._say(f"; different times in the country: {several}", f"; часовых поясов в стране: {several}")
        more = more if several > 1 else ""
        yield "timezone", zone, zone + self._stands(self.place) + more, self.place.source
        minutes = clock.offset_minutes(zone, on)
        day = self._day(on)
        yield "utc_offset", minutes, f"{clock.offset_text(minutes)} ({day})", clock.TIME_ZONES
        if self.home:
            ahead = minutes - clock.offset_minutes(self.home.timezone, on)
            by = geography.duration(abs(ahead), self.language)
            text = self._say(
                "the same time" if not ahead else f"{by} {'ahead' if ahead > 0 else 'behind'}",
                "то же время" if not ahead else f"{'вперёд' if ahead > 0 else 'назад'} на {by}",
            )
            yield "offset_to_home", ahead, f"{text} ({self.home.name(self.language)})", clock.TIME_ZONES
        if changes := clock.clock_changes(zone, self.start, self.end):
            text = "; ".join(
                f"{self._day(each)}: {clock.offset_text(before)} → {clock.offset_text(after)}"
                for each, before, after in changes
            )
            value = [{"date": each.isoformat(), "before": old, "after": new} for each, old, new in changes]
            yield "clock_change", value, text, clock.TIME_ZONES
        yield self._daylight()

    def _daylight(self) -> Told:
        sun = clock.daylight(self.place, self.start)
        rise = fall = None
        if sun.sunrise and sun.sunset:
            rise, fall = f"{sun.sunrise:%H:%M}", f"{sun.sunset:%H:%M}"
            long = geography.duration(sun.minutes, self.language)
            text = self._say(f"sunrise {rise}, sunset {fall}, {long}", f"восход {rise}, закат {fall}, {long}")
        else:
            polar_day = sun.minutes > 0
            text = self._say(
                "the sun does not set (polar day)" if polar_day else "the sun does not rise (polar night)",
                "солнце не заходит (полярный день)" if polar_day else "солнце не восходит (полярная ночь)",
            )
        value = {"sunrise": rise, "sunset": fall, "minutes": sun.minutes}
        return "daylight", value, f"{text} ({self._day(self.start)})", clock.SUN

    def _country(self) -> Iterator[Told]:
        money = countries.currencies(self.place.country, self.start, self.language)
        if money:
            text = ", ".join(f"{name} ({code})" for code, name in money)
            yield "currency", [code for code, _ in money], text, countries.cldr()
        spoken = countries.languages(self.place.country, self.language)
        if spoken:
            official = [name for _, name, is_official in spoken if is_official]
            others = [name for _, name, is_official in spoken if not is_official]
            parts = [self._say("official: ", "официально: ") + ", ".join(official)] if official else []
            parts += [self._say("also widely spoken: ", "также распространены: ") + ", ".join(others)] if others else []
            value = [{"code": code, "official": is_official} for code, _, is_official in spoken]
            yield "languages", value, "; ".join(parts), countries.cldr()

    def _way(self) -> Iterator[Told]:
        if self.home is None:
            return
        kilometres = geography.distance_km(self.home, self.place)
        if kilometres < 1:
            return
        start, end = (each.name(self.language) + self._stands(each) for each in (self.home, self.place))
        text = f"{self._number(round(kilometres))} {self._say('km', 'км')} ({start} – {end}"
        text += self._say(", as the crow flies)", ", по прямой)")
        source = f"{geography.SOURCE}; {self.home.source}; {self.place.source}"
        yield "distance", round(kilometres), text, source
        minutes = geography.flight_minutes(kilometres)
        if minutes:
            formula = geography.formula(self.language)
            about = self._say("about", "около")
            yield "flight_time", minutes, f"{about} {geography.duration(minutes, self.language)} ({formula})", formula

    def _airports(self) -> Iterator[Told]:
        near = airport_table.nearest_airports(self.places, self.place)
        if not near:
            return
        unit = self._say("km", "км")
        text = ", ".join(f"{each.airport.name(self.language)} {each.kilometres:.0f} {unit}" for each in near)
        text += self._say("; check which have flights", "; какие принимают рейсы — проверьте")
        value = [
            {"iata": each.airport.iata, "name": each.airport.name("en"), "km": round(each.kilometres)} for each in near
        ]
        yield "airports", value, text, airport_table.SOURCE

    def _holidays(self) -> Iterator[Told]:
        at = [("holidays_there", self.place.country)]
        if self.home and self.home.country != self.place.country:
            at.append(("holidays_home", self.home.country))
        for key, country in at:
            found = public_holidays.holidays_between(country, self.start, self.end, self.language)
            name = country_name(country, self.language)
            if found is None:
                text = self._say(f"not known for {name}: check online", f"{name}: нет данных, проверьте в интернете")
                yield key, None, text, public_holidays.source()
                continue
            listed = "; ".join(f"{self._day(each.day)} {each.name}" for each in found)
            none = self._say(
                f"none from {self._day(self.start)} to {self._day(self.end)}",
                f"с {self._day(self.start)} по {self._day(self.end)} нет",
            )
            yield key, [each.to_json() for each in found], f"{name}: {listed or none}", public_holidays.source()

    def _day(self, on: date) -> str:
        return f"{on:%d.%m.%Y}" if self.language == "ru" else on.isoformat()
