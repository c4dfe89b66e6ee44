"""Dates and times of a text, in digits and in words, English and Russian, as numbers that can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from assistant.number_words import CARDINALS, MONTHS, ORDINALS, WEEKDAYS

Kind = Literal["number", "ordinal", "share", "year", "date", "weekday", "time", "period"]

_MONTH_WORDS = """
jan feb mar apr may jun jul aug sep oct nov dec янв фев мар апр май мая мае маю июн июл авг сен окт ноя дек
"""
MONTH_BEGINNINGS = frozenset(_MONTH_WORDS.split())
_WEEKDAY_WORDS = "mon tue wed thu fri sat sun пон вто сре чет пят суб вос"
WEEKDAY_BEGINNINGS = frozenset(_WEEKDAY_WORDS.split())
_DATES = re.compile(
    r"(?<!\d)(?P<iso>(?P<y1>\d{4})-(?P<m1>\d\d)-(?P<d1>\d\d))(?!\d)"
    r"|(?<![\d.,/])(?P<dotted>(?P<a>\d{1,2})(?P<sep>[./])(?P<b>\d{1,2})(?P=sep)(?P<y2>\d{4}|\d\d))(?![\d/]|[.,]\d)"
)
_ORDINAL_END = r"(?:st|nd|rd|th|-?(?:го|е|й|ого|му))?"
_MONTH_NAMES = "|".join(f"(?P<month{number}>{words})" for number, words in enumerate(MONTHS, 1))
_MONTH = re.compile(rf"(?<![^\W_])(?:{_MONTH_NAMES})(?![^\W_])")
_DAYS_BEFORE = re.compile(
    rf"(?<![\d.,:])(?:(?P<from>\d{{1,2}}){_ORDINAL_END}\s*(?:[-–—]|to|and|until|till|по|и|до)\s*)?"
    rf"(?P<day>\d{{1,2}}){_ORDINAL_END}(?:(?:\s+of)?\s+|[/-])$"
)
_DAYS_AFTER = re.compile(
    rf"\.?\s+(?:the\s+)?(?P<day>\d{{1,2}})(?!\d|[.:]\d|,\d{{3}}){_ORDINAL_END}"
    rf"(?:\s*(?:[-–—]|to|and|until|till)\s*(?P<to>\d{{1,2}})(?!\d){_ORDINAL_END})?"
)
_WORDED_DAY = re.compile(r"(?:the\s+)?(?P<words>[^\W\d_]+(?:[ -][^\W\d_]+)?)(?:\s+of)?\s+$")
_YEAR_AFTER = re.compile(r"(?:\.?,?\s+(?:of\s+)?|[/-])(?P<year>1\d{3}|20\d\d)(?!\d)")
_WEEKDAY = re.compile(
    "|".join(f"(?<![^\\W_])(?P<w{number}>{words})(?![^\\W_])" for number, words in enumerate(WEEKDAYS, 1))
)
_PM = r"p(?:m\b|\.\s?m\.)|дня\b|вечера\b|in the (?:afternoon|evening)|at night"
_AM = r"a(?:m\b|\.\s?m\.)|утра\b|ночи\b|in the morning"
_COUNTED_DAYS = re.compile(r"^\w+\s+(?:дня|вечера|утра|ночи)$", re.IGNORECASE)
_AT = re.compile(r"(?<!\w)(?:в|к|до|с|со|около|после)\s+$", re.IGNORECASE)
_HALF_DAY = rf"(?P<pm>{_PM})|(?P<am>{_AM})"
_CLOCK = re.compile(
    rf"(?<![\d:.,])(?P<hour>[01]?\d|2[0-4])[:.](?P<minute>[0-5]\d)(?P<second>:[0-5]\d(?:[.,]\d{{1,6}})?)?(?![\d%]|[:.,]\d)"
    rf"(?:\s*(?:{_HALF_DAY}))?"
    r"|(?<![\d:.,])(?P<bare>[01]?\d|2[0-4])\s*(?:(?:часа?|часов|ч\.?)\s+)?"
    rf"(?:(?P<pm2>{_PM})|(?P<am2>{_AM})|(?P<oclock>o['’]clock))",
    re.IGNORECASE,
)
WORDED_CLOCK = re.compile(rf"\s+(?:(?:часа?|часов)(?!\w)\s*)?(?:{_HALF_DAY}|(?P<oclock>o['’]clock))", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Number:
    """``text[start:end]`` and what it says.

    Attributes:
        values: it means one of these, where it stands in a statement.
        bears: it is evidence for statements of any of these: 15:00 for ``t15:00``, 3 and 15, 1994 for the 1990s.
        vague: a word that seldom is meant as a number (one, first, twice): evidence, no statement of a number.
    """

    start: int
    end: int
    values: frozenset[str]
    bears: frozenset[str]
    kind: Kind = "number"
    vague: bool = False


def folded(word: str) -> str:
    """In lower case, ``е`` for ``ё``."""
    return word.casefold().replace("ё", "е")


def date(start: int, end: int, days: Sequence[tuple[int | None, int]], year: str | None) -> Number:
    """One of these days (07.01 has two readings), or a month. A statement with a year fits a date without one."""
    values, bears = set(), set()
    for day, month in days:
        name = f"d{day}.{month}" if day else f"m{month}"
        values |= {f"{name}.{year}", f"{name}.?"} if year else {name}
        bears |= {f"m{month}", f"m{month}.{year or '?'}", name, f"{name}.{year or '?'}"} | (
            {f"o{day}"} if day else set()
        )
    return Number(start, end, frozenset(values), frozenset(bears), "date")


def year_of(start: int, end: int, year: str) -> Number:
    return Number(start, end, frozenset({year}), frozenset({year, *of_year(int(year))}), "year")


def of_year(year: int) -> set[str]:
    return {f"{year // 10 * 10}s", f"c{(year - 1) // 100 + 1}"} if 1000 <= year < 2100 else set()


def dates(text: str, taken: bytearray) -> Iterator[Number]:
    """In digits: 1943-01-07, 07.01.1943. ``taken`` marks characters of numbers that were found before."""
    for match in _DATES.finditer(text):
        if match["iso"]:
            days, year = [(int(match["d1"]), int(match["m1"]))], match["y1"]
        else:
            a, b = int(match["a"]), int(match["b"])
            days, year = [(day, month) for day, month in ((a, b), (b, a)) if month <= 12 and day], match["y2"]
            year = year if len(year) == 4 else ("20" if int(year) < 50 else "19") + year
        if days and all(1 <= month <= 12 and day <= 31 for day, month in days):
            first, last = ("m1", "d1") if match["iso"] else ("a", "b")
            yield date(match.start(first), match.end(last), days, year)
            yield year_of(*match.span("y1" if match["iso"] else "y2"), year)


def month_dates(text: str, taken: bytearray) -> Iterator[Number]:
    """With the month as a word: 7 January, 03/Jun/2025, седьмого января."""
    for match in _MONTH.finditer(text):
        start, end = match.span()
        if taken[start]:
            continue
        month = next(int(name[5:]) for name, word in match.groupdict().items() if word)
        day: int | None = None
        before = text[max(0, start - 40) : start]
        year = None
        if (near := _DAYS_BEFORE.search(before)) and 1 <= int(near["day"]) <= 31:
            offset = start - len(before)
            day, start = int(near["day"]), offset + near.start("day")
            year = _YEAR_AFTER.match(text, end)
            if near["from"] and 1 <= int(near["from"]) <= 31:
                first = offset + near.start("from")
                yield date(first, first + len(near["from"]), [(int(near["from"]), month)], year and year["year"])
        elif (near := _DAYS_AFTER.match(text, end)) and 1 <= int(near["day"]) <= 31:
            day, end = int(near["day"]), near.end("day")
            year = _YEAR_AFTER.match(text, near.end())
            if near["to"] and 1 <= int(near["to"]) <= 31:
                yield date(*near.span("to"), [(int(near["to"]), month)], year and year["year"])
        else:
            year = _YEAR_AFTER.match(text, end)
            if near := _WORDED_DAY.search(before):
                words = list(_WORD.finditer(near["words"]))
                last = ORDINALS.get(folded(words[-1][0]), 0)
                ten = CARDINALS.get(folded(words[0][0]), 0) if len(words) == 2 and last < 10 else 0
                ten = ten if ten in (20, 30) else 0
                if 0 < last + ten < 32:
                    day = last + ten
                    start -= len(before) - near.start("words") - words[0 if ten else -1].start()
        # "May" begins questions and is a name; "in May" and "by May" are a month.
        is_named = day or year or (match[0] != "Mar" and re.search(r"\w\s+$", before))
        if match[0] in ("May", "Mar") and not is_named:
            continue
        yield date(start, end, [(day, month)], year and year["year"])
        if year:
            yield year_of(*year.span("year"), year["year"])


def weekdays(text: str, taken: bytearray) -> Iterator[Number]:
    """Days of the week."""
    for match in _WEEKDAY.finditer(text):
        value = frozenset({match.lastgroup or ""})
        if not taken[match.start()] and not (
            match[0] in ("Sun", "Sat", "Wed", "Mon") and text[match.end() : match.end() + 1] != ","
        ):
            yield Number(*match.span(), value, value, "weekday")


def clock_times(text: str, taken: bytearray) -> Iterator[Number]:
    """Times of day in digits: 15:00, 02:14:07, 3 pm, 7 часов утра."""
    for match in _CLOCK.finditer(text):
        hour, minute = int(match["hour"] or match["bare"]), match["minute"] or "00"
        after, before = match["pm"] or match["pm2"], match["am"] or match["am2"]
        if taken[match.start()] or hour > 24 or (match["minute"] and "." in match[0][:3] and not (after or before)):
            continue
        if match["bare"] and counts_days(text, match.start(), hour, match[0]):
            continue
        clock = time_of_day(*match.span(), hour, minute, after, before)
        if second := match["second"]:
            exact = frozenset(value + second for value in clock.values)
            clock = replace(clock, values=exact, bears=clock.bears | exact)
        yield clock


def counts_days(text: str, start: int, hour: int, said: str) -> bool:
    """Whether ``три дня`` is no time of day, as it is behind a preposition, but so many days."""
    return 1 < hour < 5 and bool(_COUNTED_DAYS.search(said)) and not _AT.search(text[max(0, start - 10) : start])


def time_of_day(start: int, end: int, hour: int, minute: str, pm: str | None, am: str | None) -> Number:
    if pm:
        values = {hour + 12 if hour < 12 else hour}
    elif am:
        values = {hour % 12 if hour == 12 else hour}
    else:
        values = {hour, hour + 12} if 0 < hour < 12 else {hour}
    means = {f"t{value % 24}:{minute}" for value in values}
    said = {f"t{value % 12}:{minute}" for value in values} | {str(hour), *map(str, values)}
    said |= {str(value % 12 or 12) for value in values}
    return Number(start, end, frozenset(means), frozenset(means | said), "time")
