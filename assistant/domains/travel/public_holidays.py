"""National public holidays of a country, from the package ``holidays``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

FIRST_YEAR = 1970

_NOTES = {
    "observed": "перенос",
    "in lieu": "перенос",
    "estimated": "дата оценена",
    "Second Day": "второй день",
    "Spring Festival": "Праздник весны",
    "additional holiday": "дополнительный выходной",
    "by new style": "по новому стилю",
    "by old style": "по старому стилю",
}
_BRACKETS = re.compile(r"\(([^)]*)\)")
_MOVED = re.compile(r"Day off \(substituted from (\d\d)/(\d\d)/(\d{4})\)")


@dataclass(frozen=True)
class Holiday:
    """A day off. ``name`` says when the day is estimated (holidays of the Moon) or a replacement (observed)."""

    day: date
    name: str

    def to_json(self) -> dict[str, str]:
        """Day as YYYY-MM-DD, and name."""
        return {"date": self.day.isoformat(), "name": self.name}


def holidays_between(country: str, start: date, end: date, language: str) -> list[Holiday] | None:
    """National holidays of ``country`` (ISO code) from ``start`` to ``end``, both included, by day.

    Names are Russian where the package or our table has them, else English. None: the package does not know the
    country, or not these years; moving holidays are not computed past 2100.
    """
    if start.year < FIRST_YEAR or end.year > last_year(country):
        return None
    return [
        Holiday(day, name)
        for year in range(start.year, end.year + 1)
        for day, name in _of_year(country, year, language)
        if start <= day <= end
    ]


def holidays_near(country: str, on: date, days: int, language: str) -> list[Holiday] | None:
    """From ``on`` to ``days`` days after it."""
    return holidays_between(country, on, on + timedelta(days=days), language)


def source() -> str:
    """The source's name, for people."""
    from importlib.metadata import version

    return f"python-holidays {version('holidays')}"


@cache
def last_year(country: str) -> int:
    """The last year that the package computes for the country; 0 when it does not have it."""
    known = _calendar(country)
    return int(known.end_year) if known is not None else 0


def _calendar(country: str, **arguments: Any) -> Any:
    import holidays

    try:
        return holidays.country_holidays(country, **arguments)
    except NotImplementedError:
        return None


@lru_cache(64)
def _of_year(country: str, year: int, language: str) -> list[tuple[date, str]]:
    supported = _calendar(country).supported_languages or ()
    names = [each for each in supported if language == "ru" and each.startswith("ru")]
    names = names or sorted((each for each in supported if each.startswith("en")), key=lambda each: each != "en_US")
    found = _calendar(country, years=year, language=names[0] if names else None)
    russian = language == "ru" and not (names and names[0].startswith("ru"))
    return sorted((day, _in_russian(name) if russian else name) for day, name in found.items() if day.year == year)


def _in_russian(names: str) -> str:
    return "; ".join(_one_in_russian(name) for name in names.split("; "))


def _one_in_russian(name: str) -> str:
    known = _russian_names()
    if name in known:
        return known[name]
    if moved := _MOVED.fullmatch(name):
        return f"выходной (перенесён с {moved[2]}.{moved[1]}.{moved[3]})"
    plain, _, _ = name.partition(" (")
    notes = [note for part in _BRACKETS.findall(name) for note in part.split(", ")]
    if plain not in known or any(note not in _NOTES for note in notes):
        return name
    told = dict.fromkeys(_NOTES[note] for note in notes)
    return f"{known[plain]} ({', '.join(told)})" if told else known[plain]


@cache
def _russian_names() -> dict[str, str]:
    return dict(_rows())


def _rows() -> Iterator[tuple[str, str]]:
    path = Path(__file__).with_name("data") / "holidays.tsv"
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            english, _, russian = line.partition("\t")
            yield english, russian
