"""Numbers, dates and times of a text, in digits and in words, English and Russian, each as the set of what it can mean.

``2 млн``, ``two million`` and ``2,000,000`` mean the same, as do ``15:00`` and ``3 pm``, ``half`` and ``50 %``, ``7
January`` and ``07.01``. What is meant is written as text: a plain number in decimal notation (``12.5``), a share as
``50%``, a time of day as ``t15:00``, a date as ``d7.1`` or ``d7.1.1943``, a month as ``m1``, a day of the week as
``w1``, the 7th of any month as ``o7``, a decade as ``1990s``, a century as ``c19``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache, partial
from itertools import pairwise
from typing import Literal

from assistant.number_words import (
    AND_A_HALF,
    CARDINALS,
    DECADES,
    MONTHS,
    ORDINALS,
    PREFIXES,
    SCALES,
    SHARES,
    TIMES,
    WEEKDAYS,
)

Kind = Literal["number", "ordinal", "share", "year", "date", "weekday", "time", "period"]

LONGEST = 30  # digits: what is longer is no number that anyone reads

_KNOWN = frozenset([*CARDINALS, *ORDINALS, *SCALES, *AND_A_HALF, *SHARES, *TIMES, *DECADES])
_PREFIX = re.compile(rf"({'|'.join(sorted(PREFIXES, key=len, reverse=True))})(?=\w{{4}})")
_ROMAN = {"I": 1, "V": 5, "X": 10}

_MONTH_WORDS = """
jan feb mar apr may jun jul aug sep oct nov dec янв фев мар апр май мая мае маю июн июл авг сен окт ноя дек
"""
_MONTH_BEGINNINGS = frozenset(_MONTH_WORDS.split())
_WEEKDAY_WORDS = "mon tue wed thu fri sat sun пон вто сре чет пят суб вос"
_WEEKDAY_BEGINNINGS = frozenset(_WEEKDAY_WORDS.split())
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
_HOURS = re.compile(r"\s?(?:hours?|hrs?|h|час\w{0,2}|ч)(?!\w)", re.IGNORECASE)
_UNTIL = re.compile(r"\s*(?:[-–—]|to|and|until|till|до|по|и)\s*")
_HALF_DAY = rf"(?P<pm>{_PM})|(?P<am>{_AM})"
_CLOCK = re.compile(
    rf"(?<![\d:.,])(?P<hour>[01]?\d|2[0-4])[:.](?P<minute>[0-5]\d)(?P<second>:[0-5]\d(?:[.,]\d{{1,6}})?)?(?![\d%]|[:.,]\d)"
    rf"(?:\s*(?:{_HALF_DAY}))?"
    r"|(?<![\d:.,])(?P<bare>[01]?\d|2[0-4])\s*(?:(?:часа?|часов|ч\.?)\s+)?"
    rf"(?:(?P<pm2>{_PM})|(?P<am2>{_AM})|(?P<oclock>o['’]clock))",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d{1,3}(?:[ \u00a0\u2009\u202f'’]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*")
_AFTER = re.compile(
    r"(?P<decade>['’]?s\b|-?(?:е|х|ые|ых|м|ми)(?=\s+(?:год|гг)))"
    r"|(?P<ordinal>(?:st|nd|rd|th)\b|-?(?:й|я|го|му|ая|ое|ый|ом|ой|ую|м|е|х)\b)"
)
_PERCENT = re.compile(r"\s?(?:%|percent\b|per cent\b|процент\w*|percentage points?)", re.IGNORECASE)
_CENTURY = re.compile(r"\s?[-–]?\s?(?:centur(?:y|ies)|век\w{0,2}|столети\w+|вв?\.)(?![^\W\d_])", re.IGNORECASE)
_ROMAN_CENTURY = re.compile(r"(?<!\w)([XVI]{1,6})(?=\s?[-–]?\s?(?:centur|век|столети|вв?\.))")
_OF_EVERY = re.compile(r"\s+(?:of every|in(?: every)?|out of(?: every)?|из(?: каждых)?)\s+", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_PAST = re.compile(r"(half|quarter)\s+past\s+(\w+)", re.IGNORECASE)
_WORDED_CLOCK = re.compile(rf"\s+(?:(?:часа?|часов)(?!\w)\s*)?(?:{_HALF_DAY}|(?P<oclock>o['’]clock))", re.IGNORECASE)
_JOIN = re.compile(r"(?:[ \t\u00a0\u202f]+(?:and\s+)?|-|\n)")
_HALF_MORE = re.compile(r"\s+(?:and\s+a\s+half|с\s+половиной)(?!\w)", re.IGNORECASE)


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


def numbers(text: str) -> list[Number]:
    """All of a text in order, none within another. Numbers of more than :data:`LONGEST` digits are left out."""
    found: list[Number] = []
    taken = bytearray(len(text))
    words = [(match.start(), match.end(), _folded(match[0])) for match in _WORD.finditer(text)]
    beginnings = {word[:3] for *_, word in words}
    digits = any(map(str.isdigit, text))
    readers: list[Callable[[str, bytearray], Iterator[Number]]] = [_dates] * digits
    readers += [_month_dates] * (not beginnings.isdisjoint(_MONTH_BEGINNINGS))
    readers += [_weekdays] * (not beginnings.isdisjoint(_WEEKDAY_BEGINNINGS))
    readers += [_clock_times, _in_digits] * digits
    readers += [_centuries, partial(_in_words, words)]
    for read in readers:
        for number in read(text, taken):
            found.append(number)
            taken[number.start : number.end] = b"\1" * (number.end - number.start)
    found.sort(key=lambda number: number.start)
    for place, (one, next_one) in enumerate(pairwise(found)):
        if share := _share_of(text, one, next_one):
            found[place] = replace(one, bears=one.bears | share)
    for place in range(len(found) - 2, -1, -1):
        found[place] = _from_time(text, found[place], found[place + 1])
    return found


def _from_time(text: str, one: Number, until: Number) -> Number:
    """7 in "7 to 10 pm" is a time; in "с 7 до 10 часов" it can be one."""
    hours = [int(value) for value in one.values if value.isdigit() and len(value) < 3]
    timed = until.kind == "time" or any(value.startswith("t") for value in until.bears)
    if (
        one.kind != "number"
        or not hours
        or hours[0] > 24
        or not timed
        or not _UNTIL.fullmatch(text, one.end, until.start)
    ):
        return one
    time = _time(one.start, one.end, hours[0], "00", None, None)
    return time if until.kind == "time" else replace(one, bears=one.bears | time.values)


def _share_of(text: str, part: Number, whole: Number) -> frozenset[str]:
    """83 of every 100, one in ten, три четверти: as a percentage."""
    between = text[part.end : whole.start]
    if whole.kind in ("share", "ordinal") and between.isspace():
        bottom = {"quarter": 4, "четвер": 4, "third": 3, "thirds": 3, "трети": 3, "fifths": 5}
        of = next(
            (value for word, value in bottom.items() if text[whole.start : whole.end].casefold().startswith(word)), 0
        )
    elif _OF_EVERY.fullmatch(between) and (tops := [int(value) for value in whole.values if value.isdigit()]):
        of = tops[0]
    else:
        return frozenset()
    tops = [int(value) for value in part.values if value.isdigit() and len(value) < 10]
    return frozenset(f"{round(100 * top / of)}%" for top in tops if 0 < top <= of)


def plain(value: Decimal | int | str) -> str:
    """In decimal notation, without zeros that say nothing."""
    text = f"{Decimal(value):f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


@lru_cache(1 << 14)
def readings(digits: str) -> frozenset[str]:
    """What digits can mean: 1,234 a whole number or, as a comma is also written, a little more than one."""
    digits = re.sub(r"[^\d.,]", "", digits)
    separators = re.findall("[.,]", digits)
    if not separators:
        return frozenset({plain(digits)})
    found = set()
    if re.fullmatch(r"[1-9]\d{0,2}(?:[.,]\d{3})+", digits):
        found.add(re.sub(r"\D", "", digits))
    if len(separators) == 1 or separators[-1] not in separators[:-1]:
        whole, rest = re.split(r"[.,](?=\d*$)", digits)
        found.add(plain(f"{re.sub('[.,]', '', whole) or 0}.{rest or 0}"))
    return frozenset(found)


def _date(start: int, end: int, days: Sequence[tuple[int | None, int]], year: str | None) -> Number:
    """One of these days (07.01 has two readings), or a month. A statement with a year fits a date without one."""
    values, bears = set(), set()
    for day, month in days:
        name = f"d{day}.{month}" if day else f"m{month}"
        values |= {f"{name}.{year}", f"{name}.?"} if year else {name}
        bears |= {f"m{month}", f"m{month}.{year or '?'}", name, f"{name}.{year or '?'}"} | (
            {f"o{day}"} if day else set()
        )
    return Number(start, end, frozenset(values), frozenset(bears), "date")


def _year(start: int, end: int, year: str) -> Number:
    return Number(start, end, frozenset({year}), frozenset({year, *_of_year(int(year))}), "year")


def _of_year(year: int) -> set[str]:
    return {f"{year // 10 * 10}s", f"c{(year - 1) // 100 + 1}"} if 1000 <= year < 2100 else set()


def _dates(text: str, taken: bytearray) -> Iterator[Number]:
    for match in _DATES.finditer(text):
        if match["iso"]:
            days, year = [(int(match["d1"]), int(match["m1"]))], match["y1"]
        else:
            a, b = int(match["a"]), int(match["b"])
            days, year = [(day, month) for day, month in ((a, b), (b, a)) if month <= 12 and day], match["y2"]
            year = year if len(year) == 4 else ("20" if int(year) < 50 else "19") + year
        if days and all(1 <= month <= 12 and day <= 31 for day, month in days):
            first, last = ("m1", "d1") if match["iso"] else ("a", "b")
            yield _date(match.start(first), match.end(last), days, year)
            yield _year(*match.span("y1" if match["iso"] else "y2"), year)


def _month_dates(text: str, taken: bytearray) -> Iterator[Number]:
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
                yield _date(first, first + len(near["from"]), [(int(near["from"]), month)], year and year["year"])
        elif (near := _DAYS_AFTER.match(text, end)) and 1 <= int(near["day"]) <= 31:
            day, end = int(near["day"]), near.end("day")
            year = _YEAR_AFTER.match(text, near.end())
            if near["to"] and 1 <= int(near["to"]) <= 31:
                yield _date(*near.span("to"), [(int(near["to"]), month)], year and year["year"])
        else:
            year = _YEAR_AFTER.match(text, end)
            if near := _WORDED_DAY.search(before):
                words = list(_WORD.finditer(near["words"]))
                last = ORDINALS.get(_folded(words[-1][0]), 0)
                ten = CARDINALS.get(_folded(words[0][0]), 0) if len(words) == 2 and last < 10 else 0
                ten = ten if ten in (20, 30) else 0
                if 0 < last + ten < 32:
                    day = last + ten
                    start -= len(before) - near.start("words") - words[0 if ten else -1].start()
        # "May" begins questions and is a name; "in May" and "by May" are a month.
        is_named = day or year or (match[0] != "Mar" and re.search(r"\w\s+$", before))
        if match[0] in ("May", "Mar") and not is_named:
            continue
        yield _date(start, end, [(day, month)], year and year["year"])
        if year:
            yield _year(*year.span("year"), year["year"])


def _folded(word: str) -> str:
    return word.casefold().replace("ё", "е")


def _weekdays(text: str, taken: bytearray) -> Iterator[Number]:
    for match in _WEEKDAY.finditer(text):
        value = frozenset({match.lastgroup or ""})
        if not taken[match.start()] and not (
            match[0] in ("Sun", "Sat", "Wed", "Mon") and text[match.end() : match.end() + 1] != ","
        ):
            yield Number(*match.span(), value, value, "weekday")


def _clock_times(text: str, taken: bytearray) -> Iterator[Number]:
    for match in _CLOCK.finditer(text):
        hour, minute = int(match["hour"] or match["bare"]), match["minute"] or "00"
        after, before = match["pm"] or match["pm2"], match["am"] or match["am2"]
        if taken[match.start()] or hour > 24 or (match["minute"] and "." in match[0][:3] and not (after or before)):
            continue
        if match["bare"] and _counts(text, match.start(), hour, match[0]):
            continue
        clock = _time(*match.span(), hour, minute, after, before)
        if second := match["second"]:
            exact = frozenset(value + second for value in clock.values)
            clock = replace(clock, values=exact, bears=clock.bears | exact)
        yield clock


def _counts(text: str, start: int, hour: int, said: str) -> bool:
    """Whether ``три дня`` is no time of day, as it is behind a preposition, but so many days."""
    return 1 < hour < 5 and bool(_COUNTED_DAYS.search(said)) and not _AT.search(text[max(0, start - 10) : start])


def _time(start: int, end: int, hour: int, minute: str, pm: str | None, am: str | None) -> Number:
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


def _in_digits(text: str, taken: bytearray) -> Iterator[Number]:
    for match in _DIGITS.finditer(text):
        start, end = match.span()
        if taken[start] or end - start > LONGEST:
            continue
        digits, grouped = match[0], bool(re.search(r"\s|['’]", match[0]))
        if len(re.findall("[.,]", digits)) > 1 and not re.fullmatch(r"\d{1,3}(?:[,.]\d{3})+(?:[.,]\d+)?", digits):
            for part in re.finditer(r"\d+", digits):  # a version, an address
                value = frozenset({plain(part[0])})
                yield Number(start + part.start(), start + part.end(), value, value)
            continue
        values = readings(digits)
        bears = set(values)
        if grouped:  # or, in a table, two numbers
            bears.update(*map(readings, re.split(r"[\s'’]", digits)))
        if (parts := digits.split(".")) and len(parts) == 2 and all(len(part) <= 2 for part in parts):
            day, month = map(int, parts)
            bears |= _date(0, 0, [(day, month)], None).bears if 0 < day < 32 and 0 < month < 13 else set()
        if after := _AFTER.match(text, end):
            end = after.end()
            if after["decade"] and digits.isdigit() and len(digits) in (2, 4):
                decade = int(digits) if len(digits) == 4 else 1900 + int(digits)
                decades = frozenset({f"{decade}s"})
                yield Number(start, end, decades, decades | values, "period")
                continue
            ordinal = (
                frozenset({"c" + digits, digits}) if (century := _CENTURY.match(text, end)) else values | {f"o{digits}"}
            )
            yield Number(start, century.end() if century else end, ordinal, frozenset(bears | ordinal), "ordinal")
            continue
        yield _scaled(text, start, end, values, bears, digits)


def _scaled(text: str, start: int, end: int, values: frozenset[str], bears: set[str], digits: str = "") -> Number:
    """A number with the word behind it that multiplies it or makes it a share."""
    word = re.compile(r"[\s-]?([^\W\d_]+)").match(text, end)
    folded = word[1].casefold().replace("ё", "е") if word else ""
    money = text[start - 1 : start] in "$€£¥₽" if start else False
    scale = SCALES.get(folded) or ({"m": 10**6, "b": 10**9}.get(folded) if money else None)
    if word and money is False and folded == "k" and text[end : end + 1] != "k":
        scale = None
    if scale and word and folded != "dozen":
        values = frozenset(plain(Decimal(value) * scale) for value in values)
        bears, end = bears | values, word.end()
    if percent := _PERCENT.match(text, end):
        shares = {f"{value}%" for value in values}
        return Number(start, percent.end(), frozenset(shares), frozenset(shares | bears), "share")
    if digits.isdigit() and len(digits) < 3 and int(digits) < 25 and _HOURS.match(text, end):
        bears |= _time(start, end, int(digits), "00", None, None).values
    is_year = digits.isdigit() and len(digits) == 4 and 1000 <= int(digits) < 2100
    if is_year:
        bears |= _of_year(int(digits))
    return Number(start, end, values, frozenset(bears), "year" if is_year else "number")


def _centuries(text: str, taken: bytearray) -> Iterator[Number]:
    for match in _ROMAN_CENTURY.finditer(text):
        digits = [_ROMAN[letter] for letter in match[1]]
        value = sum(-x if x < y else x for x, y in zip(digits, [*digits[1:], 0], strict=True))
        yield Number(*match.span(), frozenset({f"c{value}"}), frozenset({f"c{value}", str(value)}), "period")


def _in_words(words: Sequence[tuple[int, int, str]], text: str, taken: bytearray) -> Iterator[Number]:
    """Cardinals, ordinals and shares that are spelled out, with what multiplies them."""
    if not any(word in _KNOWN or word.startswith(PREFIXES) for *_, word in words):
        return
    words = [word for word in words if word[2] != "and"]
    place = 0
    while place < len(words):
        start, end, word = words[place]
        place += 1
        if taken[start]:
            continue
        if word in ("half", "quarter") and (past := _PAST.match(text, start)):
            hour = CARDINALS.get(past[2].casefold(), 0) or int(past[2] if past[2].isdigit() else 0)
            if 0 < hour < 13:
                minute = "30" if past[1].casefold() == "half" else "15"
                times = frozenset(f"t{hour + more}:{minute}" for more in (0, 12))
                yield Number(start, past.end(), times, times | {str(hour)}, "time")
                while place < len(words) and words[place][0] < past.end():
                    place += 1
                continue
        if word in CARDINALS or word in ORDINALS or word in AND_A_HALF or word in SCALES:
            run = [word]
            while place < len(words) and _goes_on(run, words[place][2]) and _joins(text, end, words[place][0]):
                run.append(words[place][2])
                end = words[place][1]
                place += 1
            yield from _said(text, start, end, run)
        elif word in SHARES:
            share = SHARES[word]
            percent = "33%" if share == "0.333" else f"{plain(Decimal(share) * 100)}%"
            value = frozenset({plain(share), percent})
            yield Number(start, end, value, value | {"0.33", "4" if share == "0.25" else "2"}, "share", vague=True)
        elif word in TIMES:
            value = frozenset({TIMES[word]})
            yield Number(start, end, value, value, vague=True)
        elif word in DECADES:
            value = frozenset({f"{1900 + DECADES[word]}s"})
            yield Number(start, end, value, value, "period")
        elif prefix := _PREFIX.match(word):
            value = frozenset({str(CARDINALS[prefix[1]])})
            yield Number(start, end, value, value, vague=True)


def _joins(text: str, end: int, start: int) -> bool:
    return bool(_JOIN.fullmatch(text, end, start))


def _goes_on(run: list[str], word: str) -> bool:
    """Whether a word belongs to the same number: two hundred (and) five; двадцать пятый; девятнадцать сорок."""
    last = CARDINALS.get(run[-1])
    if run[-1] in ORDINALS:
        return False
    value = CARDINALS.get(word, ORDINALS.get(word))
    if word in SCALES:
        return run[-1] not in SCALES or SCALES[run[-1]] < SCALES[word]
    if value is None:
        return False
    if word == "hundred" or word == "hundredth":
        return last is not None and last < 100
    if run[-1] in SCALES:
        return value < SCALES[run[-1]] and run[-1] != "dozen"
    if last is None:
        return False
    return (
        (last >= 100 and value < 100)
        or (last in range(20, 100, 10) and 0 < value < 10)
        or (
            len(run) == 1 and 10 < last < 21 and value in range(20, 100, 10)  # nineteen eighty
        )
    )


def _said(text: str, start: int, end: int, run: list[str]) -> Iterator[Number]:
    total, current = Decimal(0), Decimal(0)
    for place, word in enumerate(run):
        if word in SCALES:
            total, current = total + (current or Decimal(1)) * SCALES[word], Decimal(0)
            continue
        part = AND_A_HALF.get(word) or Decimal(CARDINALS.get(word, ORDINALS.get(word, 0)))
        if word in ("hundred", "hundredth"):
            current = (current or Decimal(1)) * 100
        elif place and 10 < current < 21 and part >= 20:
            current = current * 100 + part
        else:
            current += part
    if half := _HALF_MORE.match(text, end):
        last = SCALES.get(run[-1], 1)
        current, end = current + Decimal(last) / 2, half.end()
    value = plain(total + current)
    values, bears = frozenset({value}), {value}
    if run[-1] in ORDINALS:
        if century := _CENTURY.match(text, end):
            name = f"c{value}"
            yield Number(start, century.end(), frozenset({name}), frozenset({name, value}), "period")
            return
        decade = run[-1].endswith(("ые", "ых", "ыми")) and value[-1] == "0" and value != "0"
        if decade:
            bears.add(f"{value}s" if len(value) == 4 else f"19{value}s")
            if len(value) == 2:
                values = frozenset({f"19{value}s"})
        third = run == ["third"] or run[-1].startswith("трет")
        if third:
            bears.add("33%")
        year = len(run) > 1 and len(value) == 4
        bears |= _of_year(int(value)) if year else set()
        kind: Kind = "period" if decade else "year" if year else "ordinal"
        yield Number(start, end, values, frozenset(bears), kind, vague=kind == "ordinal")
        return
    clock = _WORDED_CLOCK.match(text, end) if value.isdigit() and 0 < int(value) <= 24 else None
    if clock and not _counts(text, start, int(value), text[start : clock.end()]):
        yield _time(start, clock.end(), int(value), "00", clock["pm"], clock["am"])
        return
    number = _scaled(text, start, end, values, bears, value if len(run) > 1 else "")
    lone = run in (["hundred"], ["dozen"]) or (len(run) == 1 and (run[0] in SCALES or value in ("0", "1")))
    yield Number(number.start, number.end, number.values, number.bears, number.kind, vague=lone)
