"""Places by name, in English and Russian, in any case: GeoNames' towns, countries, regions, islands and airports."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from assistant.domains.travel.names import NO_PLACES, fold, nominatives, readings
from assistant.domains.travel.place import Ambiguous, Place
from assistant.domains.travel.spelling import distance
from assistant.memory.stemming import STOP_WORDS
from models.errors import UserError

__all__ = ["Ambiguous", "Place", "Places"]

DATA = Path(__file__).with_name("data")
DEGREE = 100_000  # the table has coordinates in 1e-5 degrees
AIRPORTS = -10_000  # ids of airports are below
LONGEST_QUERY = 200  # characters; no name of a place is longer
MOST_CANDIDATES = 8

# Where Russian speakers know small towns too.
NEAR_RUSSIA = frozenset(["RU", "BY", "UA", "KZ", "GE", "AM", "AZ", "UZ", "KG", "TJ", "TM", "MD", "LT", "LV", "EE"])

Language = Literal["en", "ru"]

_MOST_WORDS = 8  # of a name
_FAR_LARGER = 10  # times: then nobody means the smaller one without saying so
_BETTER_KNOWN = 4  # times: then the other is named, and may still be meant
_NAMESAKE = 25  # times: so much better known, and the smaller one is meant only where the trip is near it
_RANKS = (1.0, 0.004, 0.004)  # main name, other name, code
_DECLINED = 0.05  # "Лима" may be a case of "Лим", but is rather itself
_SELECT = """
select p.id, p.kind, p.en, p.ru, p.country, r.en, r.ru, p.lat, p.lon, z.name, p.population, p.prominence, p.stands, ''
from place p join zone z on z.id = p.zone left join region r on r.id = p.region where p.id in ({})
union all
select a.id, 'airport', a.en, coalesce(a.ru, 'аэропорт ' || p.ru, a.en), a.country, null, null, a.lat, a.lon, z.name,
       0, a.prominence, '', a.iata
from airport a join zone z on z.id = a.zone left join place p on p.id = a.city where a.id in ({})
"""
_IATA = re.compile(r"[A-Z]{3}|[a-z]{3}")
_NUMBER = re.compile(r"#-?\d{1,12}")
_WITHIN = re.compile(r"\s*(?:,|\(|\bштат\b|\s(?:во?|in)\s)\s*", re.IGNORECASE)
_KNOWN_AIRPORT = 1_000_000  # of prominence: its code is known in small letters too
_KNOWN_PLACE = 1_000_000  # of prominence: its name is recognised when it is misspelt
_WELL_KNOWN_PLACE = 20_000_000  # also when it is so short that many words are near it
_DECLINED_ABROAD = 50_000  # of prominence: "еда" is not Ед in Eritrea
_NEAR_AREA_KM = 250


class Places:
    """The table of places, read only; any thread may ask."""

    def __init__(self, path: Path):
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
            self._db.execute("select count(*) from country")
        except sqlite3.Error as error:
            raise UserError(f"The table of places cannot be read: {path}.", "Install assistant again.") from error

    @classmethod
    def open(cls, path: Path | None = None) -> Places:
        """The table that comes with the program."""
        return cls(path or DATA / "places.db")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def get(self, place: int) -> Place | None:
        """By its id."""
        return next(iter(self._places([place])), None)

    def airport(self, iata: str) -> Place | None:
        """By its IATA code, in any case."""
        rows = self._rows("select id from airport where iata = ?", [iata.upper()])
        return self.get(rows[0][0]) if rows else None

    def capital(self, country: str) -> Place | None:
        """Of a country by its ISO code."""
        rows = self._rows("select capital from country where iso = ?", [country.upper()])
        return self.get(rows[0][0]) if rows else None

    def country(self, code: str) -> Place | None:
        """By its ISO code."""
        query = "select id from place where kind = 'country' and country = ?"
        rows = self._rows(query, [code.upper()])
        return self.get(rows[0][0]) if rows else None

    def airports_in(self, latitudes: tuple[float, float], longitudes: tuple[float, float]) -> list[Place]:
        """Between these degrees; longitudes beyond 180 go on at the other side."""
        query = "select id from airport where lat between ? and ? and lon between ? and ?"
        bounds = [round(each * DEGREE) for each in latitudes]
        ids: dict[int, None] = {}
        for turn in (-360, 0, 360):
            lon = [round((each + turn) * DEGREE) for each in longitudes]
            ids |= dict.fromkeys(row[0] for row in self._rows(query, [*bounds, *lon]))
        return self._places(list(ids))

    def find(self, text: str, language: str | None = None) -> list[Place]:
        """All places that ``text`` may name, best first: a name in any case, with preposition, qualifier, or a code."""
        return [place for place, _ in self._scored(text)]

    def resolve(self, text: str, near: Place | None = None) -> Place | Ambiguous | None:
        """The place that is meant; several where a person would have to ask back; None when it is unknown.

        Args:
            near: breaks a tie in favour of the only candidate in its country.
        """
        scored = self._scored(text)
        if scored:
            best = scored[0][1]
            rivals = [place for place, score in scored if score * _FAR_LARGER > best]
            if len(rivals) > 1 and near:
                at_home = [place for place in rivals if place.country == near.country]
                rivals = at_home if len(at_home) == 1 else rivals
            return rivals[0] if len(rivals) == 1 else Ambiguous(text.strip(), tuple(rivals[:MOST_CANDIDATES]))
        close = self._misspelt(text)
        if not close:
            return None
        (first, off, _), rest = close[0], close[1:]
        # Only a long name with one slip, and nothing else that it could be, is taken as it must be meant.
        if off == 1 and len(fold(text)) >= 7 and all(each[1] > 1 for each in rest):
            return first
        return Ambiguous(text.strip(), tuple(place for place, *_ in close[:MOST_CANDIDATES]), misspelt=True)

    def choose(self, text: str, near: Sequence[Place] = ()) -> tuple[Place | Ambiguous | None, tuple[Place, ...]]:
        """As :meth:`resolve`, but among towns a much better known one, or the one in the country that the trip starts
        or goes on in, is taken; with it those that may be meant instead."""
        found = self.resolve(text)
        if found is None or (isinstance(found, Ambiguous) and found.misspelt):
            return found, ()
        scored = self._scored(text)
        best = scored[0][1] if scored else 0.0
        if not scored or any(place.kind != "city" for place, score in scored if score * _FAR_LARGER > best):
            return found, ()
        countries = {place.country for place in near}
        likely = [(place, score) for place, score in scored if score * _NAMESAKE > best]
        there = [each for each in likely if each[0].country in countries] or likely
        (first, score), others = there[0], tuple(place for place, _ in likely if place.id != there[0][0].id)
        clear = len(there) < 2 or score >= _BETTER_KNOWN * there[1][1]
        if clear and score * _BETTER_KNOWN >= best:
            return first, () if found == first else others[:MOST_CANDIDATES]
        rivals = tuple(place for place, _ in likely)[:MOST_CANDIDATES]
        return (found, ()) if isinstance(found, Ambiguous) else (Ambiguous(text.strip(), rivals), ())

    def anchor(self, place: Place) -> Place | None:
        """The airport or city whose coordinates stand for the place; None when they are its own."""
        kind, _, code = place.stands.partition(":")
        if kind == "airport":
            return self.airport(code)
        return self.get(int(code)) if kind == "city" else None

    def specify(self, place: Place, language: str) -> str:
        """What to type to mean this place and none of its namesakes: ``Paris, Texas``, or its number: ``#4717560``."""
        from assistant.domains.travel.countries import country_name

        name = place.name(language)
        areas = (place.region(language), country_name(place.country, language))
        for text in (name, *(f"{name}, {area}" for area in areas if area)):
            found = self.resolve(text)
            if isinstance(found, Place) and found.id == place.id:
                return text
        return f"#{place.id}"

    def describe(self, place: Place, language: str, *, people: bool = True) -> str:
        """The name with what tells it from its namesakes: region, country, a large town near by, people."""
        from assistant.domains.travel.countries import country_name, thousands

        parts = [place.name(language)]
        region = place.region(language)
        if region and place.kind != "region":
            parts.append(region)
        elif place.kind == "city" and (town := self._town_near(place)):
            parts.append(f"рядом: {town.name('ru')}" if language == "ru" else f"near {town.name('en')}")
        if place.kind != "country":
            parts.append(country_name(place.country, language))
        many = ""
        if people and place.population:
            many = f" ({thousands(place.population, language)} {'чел.' if language == 'ru' else 'people'})"
        return ", ".join(parts) + many

    def _scored(self, text: str) -> list[tuple[Place, float]]:
        text = " ".join(text.split())
        if not text or len(text) > LONGEST_QUERY:
            return []
        if _NUMBER.fullmatch(text):
            known = self.get(int(text[1:]))
            return [(known, 1.0)] if known else []
        for name in readings(text):
            if found := self._named(name):
                return found
        return self._qualified(text)

    def _named(self, name: str) -> list[tuple[Place, float]]:
        """Places of this name or one that it may be a case of, with how likely each is meant."""
        key = fold(name)
        if key.count(" ") >= _MOST_WORDS or key in NO_PLACES or (key in STOP_WORDS and not name.isupper()):
            return []
        forms = nominatives(key)
        weights: dict[int, float] = {}
        exact: dict[int, set[str]] = {}
        for start in range(0, len(forms), 500):
            part = forms[start : start + 500]
            query = f"select key, place, rank from alias where key in ({_marks(part)})"
            for found, place, rank in self._rows(query, part):
                if rank == 2 and not name.isupper():
                    continue  # a code is written in capitals: "in" is not Indiana
                exact.setdefault(place, set()).add(found)
                weight = _RANKS[rank] * (1 if found == key else _DECLINED)
                weights[place] = max(weight, weights.get(place, 0))
        airport = self.airport(name) if _IATA.fullmatch(name) else None
        if airport and (name.isupper() or (not weights and airport.prominence >= _KNOWN_AIRPORT)):
            weights.setdefault(airport.id, _RANKS[1])
        places = [
            (place, max(place.prominence, 1) * weights[place.id])
            for place in self._places(list(weights))
            if key in exact.get(place.id, ()) or place.country in NEAR_RUSSIA or place.prominence > _DECLINED_ABROAD
        ]
        return _without_towns_of_areas(sorted(places, key=lambda each: -each[1]))

    def _qualified(self, text: str) -> list[tuple[Place, float]]:
        """``Paris, Texas``, ``Paris (TX)``, ``Париж в Техасе``, ``Paris Texas``."""
        for found in [*_WITHIN.finditer(text), *re.finditer(" ", text)]:
            name, where = text[: found.start()], text[found.end() :].rstrip(") ")
            if not name or not where or max(name.count(" "), where.count(" ")) >= _MOST_WORDS:
                continue
            if len(where) == 2 and found[0].strip():
                where = where.upper()  # "paris, fr"
            areas = [each for reading in readings(where) for each in self._areas(reading)]
            if areas:
                for reading in readings(name):
                    within = [each for each in self._named(reading) if any(inside(each[0], area) for area in areas)]
                    if within:
                        return within
        return []

    def _areas(self, name: str) -> list[Place]:
        areas = [place for place, _ in self._named(name) if place.kind in ("country", "region", "island")]
        if len(name) == 2 and name.isupper() and (country := self.country(name)):
            areas.append(country)
        return areas

    def _misspelt(self, text: str) -> list[tuple[Place, int, int]]:
        """Well-known places whose name is one or two slips away, with how many; nearest and largest first."""
        off: dict[int, int] = {}
        for name in readings(" ".join(text[: LONGEST_QUERY + 1].split())):
            key = fold(name)
            if not 5 <= len(key) <= 40 or key in NO_PLACES:
                continue
            least = _KNOWN_PLACE if len(key) > 6 else _WELL_KNOWN_PLACE
            most = 1 if len(key) < 8 else 2
            for known, place, letters, prominence in self._well_known:
                if (
                    prominence < least
                    or abs(len(key) - len(known)) > most + 1
                    or len(letters.symmetric_difference(key)) > 2 * most + 2
                ):
                    continue
                # The ending of a case goes first: "Тбилисси", "в Маскве".
                for form in (key, key[:-1] + known[-1:]):
                    if (slips := distance(form, known, most)) <= most:
                        off[place] = min(max(slips, 1), off.get(place, 9))
        found = [(place, off[place.id], place.prominence) for place in self._places(list(off))]
        return sorted(found, key=lambda each: (each[1], -each[2]))

    @cached_property
    def _well_known(self) -> list[tuple[str, int, frozenset[str], int]]:
        query = "select key, place, prominence from alias join place on id = place where rank = 0 and prominence >= ?"
        return [(key, place, frozenset(key), fame) for key, place, fame in self._rows(query, [_KNOWN_PLACE])]

    def _town_near(self, place: Place) -> Place | None:
        """The largest town within about 100 km that is much larger."""
        from math import cos, radians

        wide = 1 / max(0.1, cos(radians(place.latitude)))
        rows = self._rows(
            "select id from place where kind = 'city' and lat between ? and ? and lon between ? and ? and country = ?"
            " and population > ? order by population desc limit 1",
            [
                int((place.latitude - 0.9) * DEGREE),
                int((place.latitude + 0.9) * DEGREE),
                int((place.longitude - 0.9 * wide) * DEGREE),
                int((place.longitude + 0.9 * wide) * DEGREE),
                place.country,
                place.population * 2,
            ],
        )
        return self.get(rows[0][0]) if rows else None

    def _places(self, ids: Sequence[int]) -> list[Place]:
        found: dict[int, Place] = {}
        for start in range(0, len(ids), 400):
            part = ids[start : start + 400]
            for row in self._rows(_SELECT.format(_marks(part), _marks(part)), [*part, *part]):
                number, kind, en, ru, country, region_en, region_ru, lat, lon, *rest = row
                if kind == "airport":
                    en, ru = f"{en} ({rest[-1]})", f"{ru} ({rest[-1]})"
                at = (lat / DEGREE, lon / DEGREE)
                found[number] = Place(number, kind, en, ru, country, region_en, region_ru, *at, *rest)
        return [found[each] for each in ids if each in found]

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def _without_towns_of_areas(scored: list[tuple[Place, float]]) -> list[tuple[Place, float]]:
    """Тунис the country, not its capital of the same name as well; so with an island and its town."""
    areas = {place.country for place, _ in scored if place.kind == "country" or place.stands.startswith("airport:")}
    return [each for each in scored if each[0].kind != "city" or each[0].country not in areas]


def inside(place: Place, area: Place) -> bool:
    """Whether a place lies in a country, a region or an island (by its distance)."""
    if place.country != area.country or place.id == area.id:
        return False
    if area.kind == "country" or area.region_en:
        return area.kind == "country" or place.region_en == area.region_en
    from assistant.domains.travel.geography import distance_km

    return distance_km(place, area) <= _NEAR_AREA_KM


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
