"""Numbers, dates and times of a text, in digits and in words, English and Russian, each as the set of what it can mean.

``2 млн``, ``two million`` and ``2,000,000`` mean the same, as do ``15:00`` and ``3 pm``, ``half`` and ``50 %``, ``7
January`` and ``07.01``. What is meant is written as text: a plain number in decimal notation (``12.5``), a share as
``50%``, a time of day as ``t15:00``, a date as ``d7.1`` or ``d7.1.1943``, a month as ``m1``, a day of the week as
``w1``, a decade as ``1990s``, a century as ``c19``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache, partial
from itertools import pairwise
from typing import Literal

Kind = Literal["number", "ordinal", "share", "year", "date", "weekday", "time", "period"]

LONGEST = 30  # digits: what is longer is no number that anyone reads

MONTHS = (
    r"Jan(?:uary)?|январ[ьяюе]м?",
    r"Feb(?:ruary)?|феврал[ьяюе]м?",
    r"Mar(?:ch)?|март(?:[аеу]|ом)?",
    r"Apr(?:il)?|апрел[ьяюе]м?",
    r"May|ма[йяею]|маем",
    r"June?|июн[ьяюе]м?",
    r"July?|июл[ьяюе]м?",
    r"Aug(?:ust)?|август(?:[аеу]|ом)?",
    r"Sept?(?:ember)?|сентябр[ьяюе]м?",
    r"Oct(?:ober)?|октябр[ьяюе]м?",
    r"Nov(?:ember)?|ноябр[ьяюе]м?",
    r"Dec(?:ember)?|декабр[ьяюе]м?",
)
WEEKDAYS = (
    r"Mon(?:days?)?|понедельник\w{0,2}",
    r"Tue(?:s|sdays?)?|вторник\w{0,2}",
    r"Wed(?:nesdays?)?|сред(?:а|у|ы|е|ам)",
    r"Thu(?:rs|rsdays?)?|четверг\w{0,2}",
    r"Fri(?:days?)?|пятниц\w{1,2}",
    r"Sat(?:urdays?)?|суббот\w{1,2}",
    r"Sun(?:days?)?|воскресень\w{1,2}",
)


def _cardinals() -> dict[str, int]:
    words = dict(
        zip(
            ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
            range(13),
            strict=True,
        )
    )
    teens = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    words |= {word: value for value, word in enumerate(teens.split(), 13)}
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    words |= {word: 10 * value for value, word in enumerate(tens.split(), 2)}
    small = (
        "ноль нуль ноля нуля нулю нулем; один одна одно одну одного одной одному одним одном; два две двух двум двумя двое двоих двоим; "
        "три трех трем тремя трое троих троим; четыре четырех четырем четырьмя четверо четверых; "
        "пять пяти пятью пятеро пятерых; шесть шести шестью шестеро шестерых; семь семи семеро семерых; "
        "восемь восьми восемью восьмью; девять девяти девятью; десять десяти десятью"
    )
    for value, forms in enumerate(small.split(";")):
        words |= dict.fromkeys(forms.split(), value)
    stems = "одиннадцат двенадцат тринадцат четырнадцат пятнадцат шестнадцат семнадцат восемнадцат девятнадцат двадцат"
    for value, stem in enumerate([*stems.split(), *[""] * 9, "тридцат"], 11):
        words |= {stem + ending: value for ending in ("ь", "и", "ью") if stem}
    for value, unit in ((50, "пят"), (60, "шест"), (70, "сем"), (80, "вос")):
        nominative, genitive = ("восемь", "восьми") if unit == "вос" else (unit + "ь", unit + "и")
        words |= dict.fromkeys((f"{nominative}десят", f"{genitive}десяти", f"{nominative}юдесятью"), value)
        words[f"{nominative[:-1]}ьюдесятью"] = value
    words |= {"сорок": 40, "сорока": 40, "девяносто": 90, "девяноста": 90, "сто": 100, "ста": 100, "hundred": 100}
    words |= dict.fromkeys(["двести", "двухсот", "двумстам", "двумястами", "двухстах"], 200)
    words |= dict.fromkeys(["триста", "трехсот", "тремстам", "тремястами", "трехстах"], 300)
    words |= dict.fromkeys(["четыреста", "четырехсот", "четыремстам", "четырьмястами", "четырехстах"], 400)
    for value, unit in ((500, "пят"), (600, "шест"), (700, "сем"), (800, "вос"), (900, "девят")):
        nominative, genitive = ("восемь", "восьми") if unit == "вос" else (unit + "ь", unit + "и")
        words |= dict.fromkeys((f"{nominative}сот", f"{genitive}сот", f"{genitive}стам", f"{genitive}стах"), value)
    return words


def _ordinals() -> dict[str, int]:
    english = (
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
        "fifteenth sixteenth seventeenth eighteenth nineteenth"
    )
    words = {word: value for value, word in enumerate(english.split(), 1)}
    tens = "twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth hundredth"
    words |= {word: 10 * value for value, word in enumerate(tens.split(), 2)}
    stems = (
        "перв втор трет четверт пят шест седьм восьм девят десят одиннадцат двенадцат тринадцат четырнадцат пятнадцат "
        "шестнадцат семнадцат восемнадцат девятнадцат двадцат"
    )
    hard = "ый ой ого ому ым ом ая ую ое ые ых ыми"
    soft = "ий ьего ьему ьим ьем ья ьей ью ье ьи ьих ьими"
    values = dict(enumerate(stems.split(), 1)) | {
        30: "тридцат", 40: "сороков", 50: "пятидесят", 60: "шестидесят", 70: "семидесят", 80: "восьмидесят",
        90: "девяност", 100: "сот", 1000: "тысячн",
    }  # fmt: skip
    for value, stem in values.items():
        words |= {stem + ending: value for ending in (soft if stem == "трет" else hard).split()}
    return words


CARDINALS = _cardinals()
"""Words and what they say, in lower case, ``е`` for ``ё``; in all cases of Russian."""
ORDINALS = _ordinals()
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12, "bn": 10**9}
_SCALES |= {"mln": 10**6, "тыс": 10**3, "млн": 10**6, "млрд": 10**9, "трлн": 10**12, "k": 10**3}
_SCALES |= dict.fromkeys(
    ["тысяча", "тысячу", "тысячи", "тысяч", "тысячам", "тысячами", "тысячах", "тысячей", "тысяче"], 10**3
)
for _stem, _value in (("миллион", 10**6), ("миллиард", 10**9), ("триллион", 10**12)):
    _SCALES |= {_stem + ending: _value for ending in ("", "а", "ов", "у", "ам", "ами", "ах", "ом", "е")}
_SCALES |= {word + "s": _SCALES[word] for word in ("million", "billion", "trillion")}
_AND_A_HALF = dict.fromkeys(["полтора", "полторы", "полутора"], Decimal("1.5"))
_SHARES = {"half": "0.5", "halves": "0.5", "quarter": "0.25", "третью": "0.333", "четверть": "0.25", "четверти": "0.25"}
_SHARES |= dict.fromkeys(["половина", "половину", "половины", "половине", "половиной", "наполовину"], "0.5")
_SHARES |= dict.fromkeys(["треть", "трети"], "0.333")
_TIMES = {"twice": "2", "double": "2", "doubled": "2", "doubles": "2", "doubling": "2", "triple": "3", "tripled": "3"}
_TIMES |= dict.fromkeys(
    [
        "вдвое",
        "дважды",
        "удвоил",
        "удвоила",
        "удвоили",
        "удвоился",
        "удвоилась",
        "удвоилось",
        "удвоились",
        "пара",
        "пару",
        "both",
        "оба",
        "обе",
    ],
    "2",
)
_TIMES |= dict.fromkeys(["втрое", "трижды", "утроил", "утроила", "утроили", "утроился", "утроилась", "утроились"], "3")
_TIMES |= {"couple": "2", "pair": "2", "once": "1", "однажды": "1", "dozen": "12", "дюжина": "12", "дюжину": "12"}
_TIMES |= {"полдень": "t12:00", "полудня": "t12:00", "noon": "t12:00", "midday": "t12:00", "midnight": "t0:00"}
_TIMES |= {"полночь": "t0:00", "полуночи": "t0:00"}
_DECADES = dict(
    zip(
        ["twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties"],
        range(20, 100, 10),
        strict=True,
    )
)
_PREFIXES = tuple("двух трех четырех пяти шести семи восьми девяти десяти двадцати тридцати сорока пятидесяти".split())
_KNOWN = frozenset([*CARDINALS, *ORDINALS, *_SCALES, *_AND_A_HALF, *_SHARES, *_TIMES, *_DECADES])
_PREFIX = re.compile(rf"({'|'.join(sorted(_PREFIXES, key=len, reverse=True))})(?=\w{{4}})")
_ROMAN = {"I": 1, "V": 5, "X": 10}

_MONTH_BEGINNINGS = frozenset("jan feb mar apr may jun jul aug sep oct nov dec".split())
_MONTH_BEGINNINGS |= frozenset("янв фев мар апр май мая мае маю июн июл авг сен окт ноя дек".split())
_WEEKDAY_BEGINNINGS = frozenset("mon tue wed thu fri sat sun пон вто сре чет пят суб вос".split())
_DATES = re.compile(
    r"(?<!\d)(?P<iso>(?P<y1>\d{4})-(?P<m1>\d\d)-(?P<d1>\d\d))(?!\d)"
    r"|(?<![\d.,/])(?P<dotted>(?P<a>\d{1,2})(?P<sep>[./])(?P<b>\d{1,2})(?P=sep)(?P<y2>\d{4}|\d\d))(?![\d/]|[.,]\d)"
)
_ORDINAL_END = r"(?:st|nd|rd|th|-?(?:го|е|й|ого|му))?"
_MONTH_NAMES = "|".join(f"(?P<month{number}>{words})" for number, words in enumerate(MONTHS, 1))
_MONTH = re.compile(rf"(?<![^\W_])(?:{_MONTH_NAMES})(?![^\W_])")
_DAYS_BEFORE = re.compile(
    rf"(?<![\d.,:])(?:(?P<from>\d{{1,2}}){_ORDINAL_END}\s*(?:[-–—]|to|and|until|till|по|и|до)\s*)?(?P<day>\d{{1,2}}){_ORDINAL_END}"
    r"(?:\s+of)?\s+$"
)
_DAYS_AFTER = re.compile(
    rf"\.?\s+(?:the\s+)?(?P<day>\d{{1,2}})(?!\d|[.:]\d|,\d{{3}}){_ORDINAL_END}(?:\s*(?:[-–—]|to|and|until|till)\s*(?P<to>\d{{1,2}})(?!\d){_ORDINAL_END})?"
)
_WORDED_DAY = re.compile(r"(?:the\s+)?(?P<words>[^\W\d_]+(?:[ -][^\W\d_]+)?)(?:\s+of)?\s+$")
_YEAR_AFTER = re.compile(r"\.?,?\s+(?:of\s+)?(?P<year>1\d{3}|20\d\d)(?!\d)")
_WEEKDAY = re.compile(
    "|".join(f"(?<![^\\W_])(?P<w{number}>{words})(?![^\\W_])" for number, words in enumerate(WEEKDAYS, 1))
)
_HALF_DAY = r"(?P<pm>p(?:m\b|\.\s?m\.)|дня\b|вечера\b|in the (?:afternoon|evening)|at night)|(?P<am>a(?:m\b|\.\s?m\.)|утра\b|ночи\b|in the morning)"
_CLOCK = re.compile(
    rf"(?<![\d:.,])(?P<hour>[01]?\d|2[0-4])[:.](?P<minute>[0-5]\d)(?![\d%]|[:.,]\d)(?:\s*(?:{_HALF_DAY}))?"
    rf"|(?<![\d:.,])(?P<bare>[01]?\d|2[0-4])\s*(?:(?:часа?|часов|ч\.?)\s+)?(?:{_HALF_DAY.replace('pm>', 'pm2>').replace('am>', 'am2>')}|(?P<oclock>o['’]clock))",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d{1,3}(?:[ \u00a0\u2009\u202f'’]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*")
_AFTER = re.compile(
    r"(?P<decade>['’]?s\b|-?(?:е|х|ые|ых|м|ми)(?=\s+(?:год|гг)))|(?P<ordinal>(?:st|nd|rd|th)\b|-?(?:й|я|го|му|ая|ое|ый|ом|ой|ую|м|е|х)\b)"
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
    return found


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
            {str(day)} if day else set()
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
        if match[0] in ("May", "Mar") and not day and not year:
            if match[0] == "Mar" or not re.search(r"\w\s+$", before):
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
        yield _time(*match.span(), hour, minute, after, before)


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
            ordinal = frozenset({"c" + digits, digits}) if (century := _CENTURY.match(text, end)) else values
            yield Number(start, century.end() if century else end, ordinal, frozenset(bears | ordinal), "ordinal")
            continue
        yield _scaled(text, start, end, values, bears, digits)


def _scaled(text: str, start: int, end: int, values: frozenset[str], bears: set[str], digits: str = "") -> Number:
    """A number with the word behind it that multiplies it or makes it a share."""
    word = re.compile(r"[\s-]?([^\W\d_]+)").match(text, end)
    folded = word[1].casefold().replace("ё", "е") if word else ""
    money = text[start - 1 : start] in "$€£¥₽" if start else False
    scale = _SCALES.get(folded) or ({"m": 10**6, "b": 10**9}.get(folded) if money else None)
    if word and money is False and folded == "k" and text[end : end + 1] != "k":
        scale = None
    if scale and word and folded != "dozen":
        values = frozenset(plain(Decimal(value) * scale) for value in values)
        bears, end = bears | values, word.end()
    if percent := _PERCENT.match(text, end):
        shares = {f"{value}%" for value in values}
        return Number(start, percent.end(), frozenset(shares), frozenset(shares | bears), "share")
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
    if not any(word in _KNOWN or word.startswith(_PREFIXES) for *_, word in words):
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
        if word in CARDINALS or word in ORDINALS or word in _AND_A_HALF or word in _SCALES:
            run = [word]
            while place < len(words) and _goes_on(run, words[place][2]) and _joins(text, end, words[place][0]):
                run.append(words[place][2])
                end = words[place][1]
                place += 1
            yield from _said(text, start, end, run)
        elif word in _SHARES:
            share = _SHARES[word]
            percent = "33%" if share == "0.333" else f"{plain(Decimal(share) * 100)}%"
            value = frozenset({plain(share), percent})
            yield Number(start, end, value, value | {"0.33", "4" if share == "0.25" else "2"}, "share", vague=True)
        elif word in _TIMES:
            value = frozenset({_TIMES[word]})
            yield Number(start, end, value, value, vague=True)
        elif word in _DECADES:
            value = frozenset({f"{1900 + _DECADES[word]}s"})
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
    if word in _SCALES:
        return run[-1] not in _SCALES or _SCALES[run[-1]] < _SCALES[word]
    if value is None:
        return False
    if word == "hundred" or word == "hundredth":
        return last is not None and last < 100
    if run[-1] in _SCALES:
        return value < _SCALES[run[-1]] and run[-1] != "dozen"
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
        if word in _SCALES:
            total, current = total + (current or Decimal(1)) * _SCALES[word], Decimal(0)
            continue
        part = _AND_A_HALF.get(word) or Decimal(CARDINALS.get(word, ORDINALS.get(word, 0)))
        if word in ("hundred", "hundredth"):
            current = (current or Decimal(1)) * 100
        elif place and 10 < current < 21 and part >= 20:
            current = current * 100 + part
        else:
            current += part
    if half := _HALF_MORE.match(text, end):
        last = _SCALES.get(run[-1], 1)
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
    if value.isdigit() and 0 < int(value) <= 24 and (clock := _WORDED_CLOCK.match(text, end)):
        yield _time(start, clock.end(), int(value), "00", clock["pm"], clock["am"])
        return
    number = _scaled(text, start, end, values, bears, value if len(run) > 1 else "")
    lone = run in (["hundred"], ["dozen"]) or (len(run) == 1 and (run[0] in _SCALES or value in ("0", "1")))
    yield Number(number.start, number.end, number.values, number.bears, number.kind, vague=lone)
