"""What the program writes into the days: the way, the clock, holidays, the sun, money and language, from the facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from assistant.domains.travel import clock, countries, geography
from assistant.domains.travel.countries import thousands
from assistant.domains.travel.legs import Leg
from assistant.domains.travel.places import Place
from assistant.domains.travel.trip import Trip

_FAR_KM = 400  # below that few fly


class DayNotes:
    """Lines and sentences for the days of a trip, each said once."""

    def __init__(self, trip: Trip, legs: Sequence[Leg]):
        self.trip = trip
        self.legs = legs
        self._said: set[str] = set()

    def leg(self, number: int) -> Leg:
        """The stay that a day belongs to."""
        return next(leg for leg in self.legs if leg.first <= number <= leg.last)

    def lines(self, number: int) -> list[str]:
        """What stands above the parts of a day."""
        leg, on = self.leg(number), self._date(number)
        return [*self._arrival(leg, number), *self._holidays(leg, on), *self._clock_change(leg, on)]

    def closing(self, number: int) -> list[str]:
        """What stands below them: money and language that no part had room for, the way home."""
        leg = self.leg(number)
        late = number == min(leg.first + 1, leg.last)
        unsaid = [self.sentence(fact, number) for fact in ("currency", "language")] if late else []
        return [line for line in (*unsaid, *self._way_home(number)) if line]

    def sentence(self, fact: str, number: int) -> str:
        """What belongs to an activity: the money where one buys, the language where one talks, the hour of the sun."""
        leg, on = self.leg(number), self._date(number)
        if fact in ("sunset", "sunrise") and on:
            sun = clock.daylight(leg.place, on)
            moment = sun.sunset if fact == "sunset" else sun.sunrise
            if moment is None:
                return ""
            english, russian = ("The sun sets at", "Закат в") if fact == "sunset" else ("The sun rises at", "Восход в")
            return f"{self._say(english, russian)} {moment:%H:%M}."
        key = f"{fact} {leg.place.country}"
        if fact not in ("currency", "language") or key in self._said:
            return ""
        self._said.add(key)
        return self._money(leg) if fact == "currency" else self._language(leg)

    def _say(self, english: str, russian: str) -> str:
        return russian if self.trip.language == "ru" else english

    def _date(self, number: int) -> date | None:
        return self.trip.start + timedelta(days=number - 1) if self.trip.start else None

    def _money(self, leg: Leg) -> str:
        fact = leg.facts.get("currency")
        home = self.trip.origin
        if fact is None:
            return ""
        if home and fact.value == [code for code, _ in countries.currencies(home.country, leg.facts.on, "en")]:
            return ""  # the money of home
        return self._say(f"The money here: {fact.text}.", f"Деньги здесь: {fact.text}.")

    def _language(self, leg: Leg) -> str:
        spoken = countries.languages(leg.place.country, self.trip.language)
        official = [(code, name) for code, name, is_official in spoken if is_official]
        if not official or any(code == self.trip.language for code, _ in official):
            return ""
        names = ", ".join(name for _, name in official[:3])
        if len(official) == 1:
            return self._say(
                f"The language here is {names}: ask somebody how to say thank you in it.",
                f"Язык здесь {names}: спросите, как на нём сказать «спасибо».",
            )
        return self._say(
            f"The official languages here are {names}: ask somebody how to say thank you.",
            f"Официальные языки здесь: {names}; спросите, как сказать «спасибо».",
        )

    def _arrival(self, leg: Leg, number: int) -> Iterator[str]:
        if number != leg.first:
            return
        name = leg.place.name(self.trip.language)
        if len(self.legs) > 1:
            yield f"{self._say('Place', 'Место')}: {name}"
        if leg.before:
            yield from self._way(leg.before, leg.place, number, self._say("The way", "Дорога"))
        airports = leg.facts.get("airports")
        if airports and (leg.before is None or geography.distance_km(leg.before, leg.place) >= _FAR_KM):
            nearest = re.match(r".*?\([A-Z]{3}\) \d+ \w+", airports.text.split(";")[0])
            if nearest:
                name = nearest[0].removeprefix("аэропорт ")
                where = self._say("as the crow flies", "по прямой")
                yield f"{self._say('Nearest airport', 'Ближайший аэропорт')}: {name} {where}"

    def _way(self, start: Place, end: Place, number: int, name: str) -> Iterator[str]:
        kilometres = geography.distance_km(start, end)
        if kilometres < 1:
            return
        language, on = self.trip.language, self._date(number)
        far = f"{thousands(round(kilometres), language)} {self._say('km as the crow flies', 'км по прямой')}"
        text = f"{name}: {start.name(language)} – {end.name(language)}, {far}"
        minutes = geography.flight_minutes(kilometres)
        if minutes and kilometres >= _FAR_KM:
            about = geography.duration(minutes, language)
            text += self._say(f"; a flight takes about {about} by estimate", f"; полёт по оценке около {about}")
        yield text + self._say(" (check how to get there)", " (чем добраться, проверьте)")
        if on is None or (start.country, start.timezone) == (end.country, end.timezone):
            return
        ahead = clock.offset_minutes(end.timezone, on) - clock.offset_minutes(start.timezone, on)
        if ahead:
            by = geography.duration(abs(ahead), language)
            yield self._say(
                f"Set the clock {by} {'ahead' if ahead > 0 else 'back'}",
                f"Переведите часы на {by} {'вперёд' if ahead > 0 else 'назад'}",
            )
        else:
            yield self._say("The clock stays as it is: the time is the same", "Часы переводить не нужно: время то же")

    def _way_home(self, number: int) -> Iterator[str]:
        if number == self.trip.days and self.trip.origin:
            yield from self._way(self.leg(number).place, self.trip.origin, number, self._say("Home", "Домой"))

    def _holidays(self, leg: Leg, on: date | None) -> Iterator[str]:
        if on is None:
            return
        for key, english, russian in (
            ("holidays_there", "Holiday there", "Праздник там"),
            ("holidays_home", "Holiday at home", "Праздник дома"),
        ):
            fact = leg.facts.get(key)
            closed = self._say("; much may be closed, check", "; многое может быть закрыто, проверьте")
            for holiday in (fact.value or []) if fact and (key != "holidays_home" or leg is self.legs[0]) else []:
                if holiday["date"] == on.isoformat():
                    there = closed if key == "holidays_there" else ""
                    yield f"{self._say(english, russian)}: {holiday['name']}{there}"

    def _clock_change(self, leg: Leg, on: date | None) -> Iterator[str]:
        fact = leg.facts.get("clock_change")
        for change in fact.value if fact and on else []:
            if on and change["date"] == on.isoformat():
                by = geography.duration(abs(change["after"] - change["before"]), self.trip.language)
                forward = change["after"] > change["before"]
                yield self._say(
                    f"The clock is changed there today: {by} {'forward' if forward else 'back'}",
                    f"Сегодня там переводят часы: на {by} {'вперёд' if forward else 'назад'}",
                )
