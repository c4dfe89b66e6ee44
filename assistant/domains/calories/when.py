"""When a meal was eaten, as its text says it: "вчера на завтрак", "on Monday for lunch", "12 мая"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

MealName = Literal["breakfast", "lunch", "dinner", "snack"]


@dataclass(frozen=True, slots=True)
class Hint:
    """``text[start:end]`` names a day, a meal, or a time of day that is neither. ``impossible``: a day that no calendar
    has."""

    start: int
    end: int
    day: date | None = None
    meal: MealName | None = None
    impossible: bool = False


_MEALS: dict[MealName, str] = {
    "breakfast": r"(?:на|после|во время|в)\s+завтрак\w{0,3}|завтрак\w{0,3}|(?:for|at|my)?\s*\b(?:breakfast|brunch)",
    "lunch": r"(?:на|в|во время)\s+(?:бизнес-?\s?)?(?:обед|ланч)\w{0,3}|(?:бизнес-?\s?)?(?:обед|ланч)(?:а|е|ом)?"
    r"|(?:for|at|my)?\s*\blunch",
    "dinner": r"(?:на|за|в)\s+ужин\w{0,3}|ужин(?:а|е|ом)?|(?:for|at|my)?\s*\b(?:dinner|supper)",
    "snack": r"(?:на|в)\s+(?:перекус|полдник)\w{0,3}|(?:перекус|полдник)(?:а|е|ом)?"
    r"|(?:for|as|my)?\s*(?:an?\s+)?(?:afternoon\s+|evening\s+)?\bsnacks?",
}
# The verb says the meal and that something was eaten: the word itself stays.
_VERBS: dict[MealName, str] = {
    "breakfast": r"(?:по)?завтракал\w{0,2}|breakfasted",
    "lunch": r"(?:по)?обедал\w{0,2}|lunched",
    "dinner": r"(?:по)?ужинал\w{0,2}|dined",
    "snack": r"перекусил\w{0,2}|перекусывал\w{0,2}|полдничал\w{0,2}|snacked",
}
# Parts of a day that stand for the meal of that time, where no meal is named.
_PARTS: dict[MealName, str] = {
    "breakfast": r"утром|с\s+утра|(?:in|during)\s+the\s+morning",
    "lunch": r"дн[её]м|в\s+полдень|at\s+noon",
    "dinner": r"вечером|(?:in|during)\s+the\s+evening",
}
_DAYS = {
    0: r"сегодня\w{0,3}|today|this\s+(?:morning|afternoon|evening)|tonight",
    -1: r"вчера(?:шн\w+)?|yesterday|last\s+night",
    -2: r"позавчера|(?:the\s+)?day\s+before\s+yesterday",
    1: r"завтра|tomorrow",
    2: r"послезавтра|(?:the\s+)?day\s+after\s+tomorrow",
}
_WEEKDAYS = (
    r"понедельник\w?|пн|mon(?:day)?",
    r"вторник\w?|вт|tue(?:s(?:day)?)?",
    r"сред[ауы]|ср|wed(?:nesday)?",
    r"четверг\w?|чт|thu(?:rs(?:day)?)?",
    r"пятниц[ауы]|пт|fri(?:day)?",
    r"суббот[ауы]|сб|sat(?:urday)?",
    r"воскресень[ея]|вс|sun(?:day)?",
)
_MONTHS = (
    r"январ[яь]|jan(?:uary)?",
    r"феврал[яь]|feb(?:ruary)?",
    r"март[а]?|mar(?:ch)?",
    r"апрел[яь]|apr(?:il)?",
    r"ма[яй]|may",
    r"июн[яь]|june?",
    r"июл[яь]|july?",
    r"август[а]?|aug(?:ust)?",
    r"сентябр[яь]|sep(?:t(?:ember)?)?",
    r"октябр[яь]|oct(?:ober)?",
    r"ноябр[яь]|nov(?:ember)?",
    r"декабр[яь]|dec(?:ember)?",
)
_TIME = (
    r"(?:(?:в|к|около|примерно|at|by|around)\s+)?\d{1,2}(?::\d\d\s*(?:[ap]\.?m\b\.?)?|\s*(?:[ap]\.?m\b\.?|час\w{0,2}|o'?clock"
    r"|утра|вечера|дня|ночи)(?:\s+(?:утра|вечера|дня|ночи))?)|ночью|на\s+ночь|(?:in|during)\s+the\s+afternoon"
    r"|at\s+night|перед\s+сном|after\s+work|после\s+работы"
)


def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)


_MONTH = "|".join(_MONTHS)
_PATTERNS = {
    "iso": _whole(r"(\d{4})-(\d\d)-(\d\d)"),
    "numeric": _whole(r"(\d{1,2})\.(\d\d)(?:\.(\d{4}|\d\d))?(?!\s*(?:л|г|кг|l|kg|g|мл|ml)\b)(?![.,]?\d)"),
    "day_month": _whole(
        rf"(?:on\s+(?:the\s+)?)?(\d{{1,2}})(?:st|nd|rd|th)?(?:-?го)?\s+(?:of\s+)?({_MONTH})\.?(?:,?\s+(\d{{4}})(?:\s*г(?:ода|\.))?)?"
    ),
    "month_day": _whole(
        rf"(?:on\s+)?({_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?!\s*(?:g|kg|ml|г|кг|мл)\b)(?:,?\s+(\d{{4}}))?"
    ),
    "ago": _whole(r"(\d{1,2}|два|две|три|a|two|three)\s+(день|дня|дней|days?|недел[юия]|weeks?)\s+(?:назад|ago)"),
    "weekday": _whole(
        r"(?:(?:в|во|on|last|this|прошл\w+|на)\s+)*(?:" + "|".join(f"({day})" for day in _WEEKDAYS) + ")"
    ),
    "relative": _whole("|".join(f"({pattern})" for pattern in _DAYS.values())),
    "meal": _whole("|".join(f"({pattern})" for pattern in _MEALS.values())),
    "verb": _whole("|".join(f"({pattern})" for pattern in _VERBS.values())),
    "part": _whole("|".join(f"({pattern})" for pattern in _PARTS.values())),
    "time": _whole(_TIME),
}
_COUNTED = {"a": 1, "два": 2, "две": 2, "two": 2, "три": 3, "three": 3}


# "не завтракал", "вместо обеда", "skipped lunch": a meal that was none.
_NO_MEAL = re.compile(
    r"(?<!\w)(?:не|без|вместо|пропустил[аи]?|no|skipped|without|instead\s+of|missed|(?:did\s+not|didn['’]?t)\s+(?:have|eat))\s+\Z",
    re.IGNORECASE,
)


def find(text: str, today: date) -> list[Hint]:
    """The hints in their order; of those that overlap the one that is tried first stays."""
    hints: list[Hint] = []
    parts: list[Hint] = []
    for kind, pattern in _PATTERNS.items():
        for match in pattern.finditer(text):
            if any(hint.start < match.end() and match.start() < hint.end for hint in hints):
                continue
            hints += _hint(kind, match, today)
            parts += hints[-1:] if kind == "part" else []
    hints = [replace(hint, meal=None) if _NO_MEAL.search(text[: hint.start]) else hint for hint in hints]
    if any(hint.meal for hint in hints if hint not in parts):
        # "вечером перекусил": the meal that is named counts.
        hints = [replace(hint, meal=None) if hint in parts else hint for hint in hints]
    return sorted(hints, key=lambda hint: hint.start)


def _hint(kind: str, match: re.Match[str], today: date) -> Iterator[Hint]:
    start, end = match.span()
    groups = match.groups()
    which = next((number for number, group in enumerate(groups) if group), 0)
    if kind == "time":
        yield Hint(start, end)
    elif kind == "part":
        yield Hint(start, end, meal=list(_PARTS)[which])
    elif kind in ("meal", "verb"):
        yield Hint(start, end if kind == "meal" else start, meal=list(_MEALS)[which])
    elif kind == "relative":
        yield Hint(start, end, today + timedelta(list(_DAYS)[which]))
    elif kind == "weekday":
        # Words that are something else too are days only behind their preposition: sun, sat, среды.
        if match[0].casefold() not in ("sun", "sat", "mon", "wed", "среды"):
            yield Hint(start, end, today - timedelta((today.weekday() - which) % 7))
    elif kind == "ago":
        number = _COUNTED.get(groups[0].casefold()) or int(groups[0])
        yield Hint(start, end, today - timedelta(number * (7 if groups[1][0].casefold() in "нw" else 1)))
    elif kind == "numeric" and not 1 <= int(groups[1]) <= 12:
        return
    else:
        yield _calendar_day(kind, match, today)


def _calendar_day(kind: str, match: re.Match[str], today: date) -> Hint:
    first, second, third = match.groups()
    if kind == "iso":
        year, month, day = int(first), int(second), int(third)
    else:
        named = {"day_month": (second, first), "month_day": (first, second)}.get(kind)
        month = _month(named[0]) if named else int(second)
        day = int(named[1] if named else first)
        year = int(third) + 2000 * (int(third) < 100) if third else today.year
    try:
        found = date(year, month, day)
        if not third and found > today:
            found = date(year - 1, month, day)  # a meal without a year was eaten
    except ValueError:
        return Hint(*match.span(), impossible=True)
    return Hint(*match.span(), day=found)


def _month(name: str) -> int:
    return next(number for number, form in enumerate(_MONTHS, 1) if re.fullmatch(form, name, re.IGNORECASE))
