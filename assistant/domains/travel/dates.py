"""The dates of a trip in a request, English or Russian: which words tell them, and what they come to on a given day.

Everything is read by rule. A date without a year is the next one of its kind; what has several readings, or none,
becomes a problem to ask about, and no date is made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from assistant.domains.travel import date_words as words
from assistant.domains.travel.numerals import value
from assistant.domains.travel.prices import money_spans

LONGEST = 31  # days that are planned at a time
FARTHEST = 10  # years ahead

Code = Literal["impossible", "ambiguous", "past", "far", "reversed", "no days", "too long", "conflict", "vague"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Words about time that come to no date. ``vague`` ones only leave it open; the others must be settled first."""

    code: Code
    text: str


@dataclass(frozen=True, slots=True)
class When:
    """When a trip is, as far as the words go.

    Attributes:
        days: from the first day to the last, both counted.
        months: (year, month) that it lies in where the day is not known; the three of a season.
        assumed: words that were read in one of several usual ways.
        spans: (start, end) of all words about time, problems included.
        stays: days of each length that is counted, in the order of the text; of nights the number of nights.
        by_night: those are nights.
    """

    start: date | None = None
    end: date | None = None
    days: int | None = None
    months: tuple[tuple[int, int], ...] = ()
    problems: tuple[Problem, ...] = ()
    assumed: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    stays: tuple[int, ...] = ()
    by_night: bool = False


def read(text: str, today: date) -> When:
    """The dates in a request. What has no year is looked for from ``today`` on."""
    reader = _Reader(text, today)
    reader.pass_over_asides()
    for match in reader.take(words.PAST):
        reader.problem("past", match)
    reader.read_calendar_days()
    reader.read_relative_days()
    for match in reader.take(words.VAGUE):
        reader.problem("vague", match)
    reader.read_length()
    reader.read_months()
    for match in reader.take(words.DAY_ALONE):
        reader.problem("vague", match)
    return reader.resolve()


def check_length(start: date | None, end: date | None, days: int | None) -> Code | None:
    """What is wrong with these together."""
    if start and end and end < start:
        return "reversed"
    length = (end - start).days + 1 if start and end else days
    if length is not None and not 0 < length <= LONGEST:
        return "no days" if length < 1 else "too long"
    return "conflict" if start and end and days is not None and days != length else None


@dataclass(slots=True)
class _Day:
    """A day that the text names; without a year it is the next of its kind."""

    start: int
    end: int
    day: int
    month: int
    year: int | None = None

    def on(self, year: int) -> date | None:
        try:
            return date(year, self.month, self.day)
        except ValueError:
            return None

    def next(self, earliest: date) -> date | None:
        if self.year is not None:
            return self.on(self.year)
        found = (self.on(earliest.year + ahead) for ahead in range(9))  # 29 February may be eight years away
        return next((day for day in found if day and day >= earliest), None)


_ONE = ("день", "ночь", "неделя", "месяц", "day", "night", "week", "month")  # of these, where they stand alone


@dataclass
class _Reader:
    """One pass over a text. Words that were read are blanked out, so that nothing is read twice."""

    original: str
    today: date
    days: list[_Day] = field(default_factory=list)
    length: int | None = None
    stays: list[tuple[int, int, bool]] = field(default_factory=list)  # where, days or nights, whether nights
    usual_length: int | None = None  # of what was named: a weekend, a week
    months: list[tuple[int | None, int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        lowered = "".join(char.lower() if len(char.lower()) == 1 else char for char in self.original)
        self.text = _without_verbs(self.original, lowered.replace("ё", "е").replace("’", "'"))

    def take(self, expression: str, fits: Callable[[re.Match[str]], bool] = bool) -> Iterator[re.Match[str]]:
        position = 0
        while match := words.pattern(expression).search(self.text, position):
            position = match.end()
            if not fits(match):
                continue
            self.text = self.text[: match.start()] + "\0" * len(match[0]) + self.text[match.end() :]
            self.spans.append(match.span())
            yield match

    def pass_over_asides(self) -> None:
        """What is spoken of in days and years and is no time of the trip: prices, rates, ages."""
        for start, end in money_spans(self.original):
            self.text = self.text[:start] + "\0" * (end - start) + self.text[end:]
        for expression in words.ASIDES:
            for match in words.pattern(expression).finditer(self.text):
                before, after = self.text[: match.start()], self.text[match.end() :]
                old = match[0].endswith(("old", "olds"))
                counted = "n" in match.groupdict() and not old
                if counted and (words.NO_AGE_BEFORE.search(before) or words.NO_AGE_AFTER.match(after)):
                    continue
                self.text = before + "\0" * len(match[0]) + after

    def said(self, match: re.Match[str]) -> str:
        return self.original[match.start() : match.end()].strip()

    def problem(self, code: Code, match: re.Match[str]) -> None:
        self.problems.append(Problem(code, self.said(match)))

    def put(self, match: re.Match[str], day: int, month: int, year: int | None, last: int | None = None) -> None:
        if year is not None and year < 100:
            year += 2000
        found = [_Day(match.start(), match.end(), day, month, year)]
        if last is not None:
            found.append(_Day(match.end(), match.end(), last, month, year))
        if all(any(one.on(trial) for trial in ((2024, 2025) if year is None else (year,))) for one in found):
            self.days += found
        else:
            self.problem("impossible", match)

    def put_date(self, match: re.Match[str], found: date, days: int | None = None) -> None:
        self.put(match, found.day, found.month, found.year)
        if days:
            self.usual_length = days
            self.assumed.append(self.said(match))

    def read_calendar_days(self) -> None:
        russian = bool(re.search("[а-я]", self.text))
        for expression in (words.ISO, words.DOTTED, words.SLASHED):
            for match in self.take(expression):
                day, month, year = int(match["d"]), int(match["m"]), int(match["y"]) if match["y"] else None
                if expression == words.SLASHED and not russian and day != month and max(day, month) <= 12:
                    self.problem("ambiguous", match)
                elif expression == words.SLASHED and month > 12 >= day:
                    self.put(match, month, day, year)
                else:
                    self.put(match, day, month, year)
        for expression in (*words.RANGES, *words.DAYS):
            for match in self.take(expression):
                groups = match.groupdict()
                last = value(groups["d2"]) if groups.get("d2") else None
                year = int(groups["y"]) if groups["y"] else None
                self.put(match, value(groups["d"]) or 0, words.MONTHS[groups["m"].rstrip(".")], year, last)

        if len(self.days) == 1:
            first = self.days[0]
            for match in self.take(words.BACK, lambda match: first.end <= match.start()):
                day = int(match["d"])
                month = first.month + (day < first.day)
                year = first.year + (month > 12) if first.year else None
                self.put(match, day, (month - 1) % 12 + 1, year)

    def read_relative_days(self) -> None:
        for match in self.take(rf"через\s+(?:(?P<n>{words.NUMBER}|пару)\s+)?(?P<u>{words.UNIT})"):
            self.put_date(match, self._shifted(match["n"], match["u"]))
        # "Rome in 3 days" is a length, "leave in 3 days" and "a week in Rome in 3 days" are not.
        later = rf"in\s+(?P<n>{words.NUMBER}|an?|a couple of)\s+(?P<u>days?|weeks?|months?)(?:'? time)?"
        leaving = rf"(?:leav\w+|start\w*|depart\w*|fly(?:ing)?|go(?:ing)?|set off|trip)\s+{later}"
        others = re.findall(rf"(?<!\w)(?:{words.UNIT}|weekend)(?!\w)", self.text)
        if len(others) > 1 or re.search(leaving, self.text):
            for match in self.take(later):
                self.put_date(match, self._shifted(match["n"], match["u"]))
        for match in self.take("|".join(words.SHIFTS)):
            self.put_date(match, self.today + timedelta(days=words.SHIFTS[match[0]]))
        monday = self.today - timedelta(days=self.today.weekday())
        which = rf"(?:on |over |for )?(?:the )?(?:(?P<next>{words.NEXT})|{words.THIS})\s+"
        for match in self.take(rf"{which}(?:{words.WEEKEND})|(?:on the|в) (?:{words.WEEKEND})"):
            ahead = 7 if match["next"] or self.today.weekday() > 4 else 0
            self.put_date(match, monday + timedelta(days=5 + ahead), 2)
        for match in self.take(rf"{which}(?:{words.WEEK})"):
            self.put_date(match, monday + timedelta(days=7) if match["next"] else self.today, 7)
        for match in self.take(rf"{which}(?:{words.THAT_MONTH})"):
            index = self.today.year * 12 + self.today.month - 1 + bool(match["next"])
            self.months.append((index // 12, index % 12 + 1))
        about = rf"(?:(?:on|from|starting|since|until|till|to|next|this|the|в|во|с|со|по|до)\s+)+(?P<w>{words.WEEKDAY})"
        for match in self.take(rf"{about}|(?P<w2>{words.WEEKDAY})(?=\s*[-–]|$|,)|(?<=[-–])(?P<w3>{words.WEEKDAY})"):
            number = words.WEEKDAYS[match["w"] or match["w2"] or match["w3"]]
            earliest = self.days[-1].next(self.today) if self.days else None
            earliest = earliest or self.today
            self.put_date(match, earliest + timedelta(days=(number - earliest.weekday()) % 7))

    def _shifted(self, count: str | None, unit: str) -> date:
        number = 2 if count and count.startswith(("пару", "a couple")) else value(count or "") or 1
        if unit.startswith(("month", "месяц")):
            index = self.today.year * 12 + self.today.month - 1 + min(number, 1200)
            day = _Day(0, 0, self.today.day, index % 12 + 1)
            return day.on(index // 12) or date(index // 12, index % 12 + 1, 28)
        return self.today + timedelta(days=min(number, 9999) * _unit_days(unit))

    def read_length(self) -> None:
        lengths = [1 for _ in self.take("(?<!-)day[- ]trip", lambda match: not self._counted_before(match))]
        for match in self.take(words.ABOUT):
            lengths.append((value(match["n2"] or match["n"]) or 0) * _unit_days(match["u"]))
            self.assumed.append(self.said(match))
        for match in self.take(words.HOURS):
            lengths.append(-(-int(match["n"]) // 24))
            self.assumed.append(self.said(match))
        for match in self.take(words.COUNTED, self._is_length):
            unit, number = match["u"], value(match["n"]) if match["n"] else None
            if match["n2"]:
                number = value(match["n2"])
                self.assumed.append(self.said(match))
            count = (1 if number is None else number) * (-1 if self._is_negative(match) else 1)
            nights = count >= 1 and unit.startswith(("night", "ноч"))
            days = count * _unit_days(unit) + nights
            lengths.append(days)
            self.stays.append((match.start(), days - nights, nights))
            if problem := check_length(None, None, days):
                self.problem(problem, match)
        lengths += [days for expression, days in words.LENGTHS.items() for _ in self.take(expression)]
        if lengths and max(lengths) - min(lengths) > 1:  # the nights and the days of one trip are not two lengths
            self.problems.append(Problem("conflict", ", ".join(map(str, lengths))))
        self.length = lengths[0] if lengths else None

    def _counted_before(self, match: re.Match[str]) -> bool:
        return bool(re.search(rf"(?:{words.NUMBER})[\s-]$", self.text[: match.start()]))

    def _is_negative(self, match: re.Match[str]) -> bool:
        """A dash behind a word or a number is none: "Rome -3 days" is."""
        return bool(match["sign"]) and (match["sign"] not in "-−" or not self.text[: match.start()][-1:].isalnum())

    def _is_length(self, match: re.Match[str]) -> bool:
        """Not a bare noun."""
        if not match["n"] and not match["one"]:
            before = self.text[: match.start()].rstrip()
            alone = not before or before[-1] in ",.;:"
            return match["u"] in ("неделю", "недельку", "сутки", "денек") or (alone and match["u"] in _ONE)
        return True

    def read_months(self) -> None:
        for match in self.take(rf"(?:{words.PART})?(?P<m>{words.MONTH}){words.BARE_YEAR}"):
            self.months.append((int(match["y"]) if match["y"] else None, words.MONTHS[match["m"].rstrip(".")]))
        season = rf"(?:(?:{words.NEXT})\s+)?(?P<s>{'|'.join(words.SEASONS)}){words.BARE_YEAR}"
        for match in self.take(season):
            first = words.SEASONS[match["s"]]
            year = int(match["y"]) if match["y"] else None
            self.months += [
                ((year + (first + ahead > 12)) if year else None, (first + ahead - 1) % 12 + 1) for ahead in range(3)
            ]

    def resolve(self) -> When:
        start = end = None
        length = self.length if self.length is not None else self.usual_length
        self.days.sort(key=lambda day: day.start)
        if len(self.days) > 2:
            self.problems.append(Problem("conflict", self.original[self.days[0].start : self.days[-1].end]))
        elif self.days:
            start, end = self._range(length)
        days = (end - start).days + 1 if start and end and end >= start else length
        if start and not end and days is not None and 0 < days <= LONGEST:
            end = start + timedelta(days=days - 1)
        if start and not any(problem.code == "conflict" for problem in self.problems):
            said = self.original[self.days[0].start : self.days[-1].end]
            wrong: Code | None = "past" if start < self.today else check_length(start, end, self.length)
            if start.year > self.today.year + FARTHEST:
                wrong = "far"
            if wrong == "conflict" and end and abs((end - start).days + 1 - (self.length or 0)) == 1:
                wrong = None  # nights were counted, or the first and the last day as one
            if wrong and not any(problem.code == wrong for problem in self.problems):
                self.problems.append(Problem(wrong, said))
        return When(
            start, end, days, () if start else self._months(), tuple(self.problems), tuple(self.assumed),
            tuple(sorted(self.spans)), tuple(stay for _, stay, _ in sorted(self.stays)),
            any(nights for *_, nights in self.stays),
        )  # fmt: skip

    def _range(self, length: int | None) -> tuple[date | None, date | None]:
        first, last = self.days[0], self.days[-1]
        if first is last:
            day = first.next(self.today)
            before = self.original[: first.start].rstrip().casefold()
            if day and re.search(r"(?:\b(?:until|till|by|before)|\b(?:до|по))$", before):
                return (day - timedelta(days=length - 1), day) if length and length > 0 else (None, None)
            return day, None
        if first.year is None and last.year is not None:
            first.year = last.year - ((first.month, first.day) > (last.month, last.day) and first.month != last.month)
        start = first.next(self.today)
        if start and last.year is None and first.month == last.month and last.day < first.day:
            last.year = start.year  # "from 9 to 3 May" is a slip, not a year
        return start, last.next(start or self.today)

    def _months(self) -> tuple[tuple[int, int], ...]:
        """Months that begin with the next of the first one."""
        found: list[tuple[int, int]] = []
        earliest = (self.today.year, self.today.month)
        for year, month in self.months:
            if year is None:
                year = earliest[0] + (month < earliest[1])
            if (year, month) < (self.today.year, self.today.month):
                self.problems.append(Problem("past", f"{year}-{month:02}"))
            earliest = max(earliest, (year, month))
            found.append((year, month))
        return tuple(dict.fromkeys(found))


def _unit_days(unit: str) -> int:
    return next((days for expression, days in words.UNITS.items() if re.fullmatch(expression, unit)), 1)


def _without_verbs(text: str, lowered: str) -> str:
    """May, march, sat and sun are other words too: they count where a date can stand, or with a capital inside."""
    before_date = (
        r"(?:\d|(?:st|nd|rd|th)|\b(?:in|of|this|next|last|early|mid|late|until|till|by|from|to|and|or))[\s–-]*$"
    )
    for match in re.finditer(r"(?<!\w)(?:may|march|mar|sat|sun|mon)(?!\w)", lowered):
        before, after = lowered[: match.start()], lowered[match.end() :]
        named = text[match.start()].isupper() and before.strip() and before.strip()[-1] not in ".!?\n"
        if not named and not re.search(before_date, before) and not re.match(r"\s*(?:\d|[-–]|$|,)", after):
            lowered = before + "_" * len(match[0]) + after
    return lowered
