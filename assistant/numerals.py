"""Numbers, dates and times of a text, in digits and in words, English and Russian, each as the set of what it can mean.

``2 млн``, ``two million`` and ``2,000,000`` mean the same, as do ``15:00`` and ``3 pm``, ``half`` and ``50 %``, ``7
January`` and ``07.01``. What is meant is written as text: a plain number in decimal notation (``12.5``), a share as
``50%``, a time of day as ``t15:00``, a date as ``d7.1`` or ``d7.1.1943``, a month as ``m1``, a day of the week as
``w1``, the 7th of any month as ``o7``, a decade as ``1990s``, a century as ``c19``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache, partial
from itertools import pairwise

from assistant.dates_and_times import (
    MONTH_BEGINNINGS,
    WEEKDAY_BEGINNINGS,
    WORDED_CLOCK,
    Kind,
    Number,
    clock_times,
    counts_days,
    date,
    dates,
    folded,
    month_dates,
    of_year,
    time_of_day,
    weekdays,
)
from assistant.number_words import (
    AND_A_HALF,
    CARDINALS,
    DECADES,
    ORDINALS,
    PREFIXES,
    SCALES,
    SHARES,
    TIMES,
)

LONGEST = 30  # digits: what is longer is no number that anyone reads

_KNOWN = frozenset([*CARDINALS, *ORDINALS, *SCALES, *AND_A_HALF, *SHARES, *TIMES, *DECADES])
_PREFIX = re.compile(rf"({'|'.join(sorted(PREFIXES, key=len, reverse=True))})(?=\w{{4}})")
_ROMAN = {"I": 1, "V": 5, "X": 10}

_HOURS = re.compile(r"\s?(?:hours?|hrs?|h|час\w{0,2}|ч)(?!\w)", re.IGNORECASE)
_UNTIL = re.compile(r"\s*(?:[-–—]|to|and|until|till|до|по|и)\s*")
_FROM = re.compile(r"(?<!\w)(?:с|from|between)\s+$", re.IGNORECASE)
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
_JOIN = re.compile(r"(?:[ \t\u00a0\u202f]+(?:and\s+)?|-|\n)")
_HALF_MORE = re.compile(r"\s+(?:and\s+a\s+half|с\s+половиной)(?!\w)", re.IGNORECASE)


def numbers(text: str) -> list[Number]:
    """All of a text in order, none within another. Numbers of more than :data:`LONGEST` digits are left out."""
    found: list[Number] = []
    taken = bytearray(len(text))
    words = [(match.start(), match.end(), folded(match[0])) for match in _WORD.finditer(text)]
    beginnings = {word[:3] for *_, word in words}
    digits = any(map(str.isdigit, text))
    readers: list[Callable[[str, bytearray], Iterator[Number]]] = [dates] * digits
    readers += [month_dates] * (not beginnings.isdisjoint(MONTH_BEGINNINGS))
    readers += [weekdays] * (not beginnings.isdisjoint(WEEKDAY_BEGINNINGS))
    readers += [clock_times, _in_digits] * digits
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
        found[place : place + 2] = _from_time(text, found[place], found[place + 1])
    return found


def _from_time(text: str, one: Number, until: Number) -> tuple[Number, Number]:
    """7 in "7 to 10 pm" is a time; in "с 7 до 10" both can be."""
    if one.kind != "number" or not _UNTIL.fullmatch(text, one.end, until.start):
        return one, until
    time, end = _on_the_hour(one), _on_the_hour(until)
    if time and until.kind == "time":
        return time, until
    if time and end and (_FROM.search(text, max(0, one.start - 10), one.start) or end.values & until.bears):
        return replace(one, bears=one.bears | time.values), replace(until, bears=until.bears | end.values)
    return one, until


def _on_the_hour(number: Number) -> Number | None:
    """The time of day that a plain number can be."""
    hours = [int(value) for value in number.values if value.isdigit() and len(value) < 3 and int(value) < 25]
    return time_of_day(number.start, number.end, hours[0], "00", None, None) if hours else None


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
            bears |= date(0, 0, [(day, month)], None).bears if 0 < day < 32 and 0 < month < 13 else set()
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
    unit = folded(word[1]) if word else ""
    money = text[start - 1 : start] in "$€£¥₽" if start else False
    scale = SCALES.get(unit) or ({"m": 10**6, "b": 10**9}.get(unit) if money else None)
    if word and money is False and unit == "k" and text[end : end + 1] != "k":
        scale = None
    if scale and word and unit != "dozen":
        values = frozenset(plain(Decimal(value) * scale) for value in values)
        bears, end = bears | values, word.end()
    if percent := _PERCENT.match(text, end):
        shares = {f"{value}%" for value in values}
        return Number(start, percent.end(), frozenset(shares), frozenset(shares | bears), "share")
    if digits.isdigit() and len(digits) < 3 and int(digits) < 25 and _HOURS.match(text, end):
        bears |= time_of_day(start, end, int(digits), "00", None, None).values
    is_year = digits.isdigit() and len(digits) == 4 and 1000 <= int(digits) < 2100
    if is_year:
        bears |= of_year(int(digits))
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
        bears |= of_year(int(value)) if year else set()
        kind: Kind = "period" if decade else "year" if year else "ordinal"
        yield Number(start, end, values, frozenset(bears), kind, vague=kind == "ordinal")
        return
    clock = WORDED_CLOCK.match(text, end) if value.isdigit() and 0 < int(value) <= 24 else None
    if clock and not counts_days(text, start, int(value), text[start : clock.end()]):
        yield time_of_day(start, clock.end(), int(value), "00", clock["pm"], clock["am"])
        return
    number = _scaled(text, start, end, values, bears, value if len(run) > 1 else "")
    lone = run in (["hundred"], ["dozen"]) or (len(run) == 1 and (run[0] in SCALES or value in ("0", "1")))
    yield Number(number.start, number.end, number.values, number.bears, number.kind, vague=lone)
