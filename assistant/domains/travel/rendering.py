"""A plan in Markdown: the parts that the program writes itself, from the trip and the facts, and the days between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from assistant.domains.travel.facts import Facts
from assistant.domains.travel.legs import Leg, is_timeless
from assistant.domains.travel.prices import Price, money
from assistant.domains.travel.sheet import budget, packing
from assistant.domains.travel.trip import Trip

_PACES = {"slow": ("slow", "неспешный"), "normal": ("normal", "обычный"), "fast": ("packed", "насыщенный")}


@dataclass(frozen=True, slots=True)
class DayText:
    """A day of the plan.

    Attributes:
        notes, closing: what the program says above and below the parts.
        parts: (part of the day, what was chosen for it).
        added: sentences of the program within the parts.
    """

    heading: str
    notes: tuple[str, ...]
    parts: tuple[tuple[str, str], ...]
    closing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def markdown(self) -> str:
        lines = [f"### {self.heading}", ""]
        lines += [f"- {note}" for note in self.notes]
        lines += [f"- **{part}.** {sentence}" for part, sentence in self.parts]
        lines += [f"- {note}" for note in self.closing]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage of the user's own documents: its text, and where it is from."""

    text: str
    source: str


def day_name(day: date, language: str) -> str:
    """Monday, 3 May 2027."""
    from babel.dates import format_date

    return format_date(day, "EEEE, d MMMM y", locale=language)


def _month_name(year: int, month: int, language: str) -> str:
    from babel.dates import format_date

    return format_date(date(year, month, 1), "LLLL y", locale=language)


def days_text(count: int, language: str) -> str:
    """``5 days``, ``5 дней``."""
    if language != "ru":
        return f"{count} day{'' if count == 1 else 's'}"
    tens, ones = count // 10 % 10, count % 10
    word = "день" if ones == 1 and tens != 1 else "дня" if 2 <= ones <= 4 and tens != 1 else "дней"
    return f"{count} {word}"


def day_heading(trip: Trip, number: int) -> str:
    """``Day 3, Wednesday, 5 May 2027``; without a first day only the number."""
    name = f"День {number}" if trip.language == "ru" else f"Day {number}"
    return f"{name}, {day_name(trip.start + timedelta(days=number - 1), trip.language)}" if trip.start else name


def render(
    trip: Trip, legs: Sequence[Leg], days: Sequence[DayText], citations: Sequence[Citation], prices: Sequence[Price]
) -> tuple[str, str, str]:
    """What stands before the days, the days, and what stands behind them."""
    return (
        _before(trip, legs),
        "\n\n".join(day.markdown() for day in days) + "\n",
        _after(trip, legs[0].facts, days, citations, prices),
    )


def _before(trip: Trip, legs: Sequence[Leg]) -> str:
    russian = trip.language == "ru"
    names = ", ".join(place.name(trip.language) for place in trip.destinations)
    lines = [
        f"# {names}: {days_text(trip.days or 0, trip.language)}",
        "",
        *_table(("Поездка", "") if russian else ("The trip", ""), _trip_rows(trip)),
        "",
    ]
    lines += ["## Что известно" if russian else "## What is known", ""]
    heads = ("Что", "Значение", "Источник") if russian else ("What", "Value", "Source")
    for leg in legs:
        if len(legs) > 1:
            lines += ["", f"### {leg.place.name(trip.language)}", ""]
        told = [fact for fact in leg.facts.facts if trip.start or trip.months or is_timeless(fact.key)]
        told = [fact for fact in told if leg is legs[0] or fact.key != "holidays_home"]
        lines += _table(heads, [(fact.label, fact.text, fact.source) for fact in told])
    return "\n".join([*lines, "", "## По дням" if russian else "## Day by day", "", ""])


def _trip_rows(trip: Trip) -> list[tuple[str, str]]:
    russian = trip.language == "ru"
    assumed = " (не сказано, по умолчанию)" if russian else " (not said, a default)"
    unknown = "не сказано" if russian else "not said"

    def value(name: str, text: str) -> str:
        return text + (assumed if name in trip.assumed else "")

    when = unknown
    if trip.start and trip.end:
        when = f"{day_name(trip.start, trip.language)} – {day_name(trip.end, trip.language)}"
    elif trip.months:
        when = ", ".join(_month_name(year, month, trip.language) for year, month in trip.months)
        when += " (день не сказан)" if russian else " (the day is not said)"
    if trip.readings:
        when += (
            f" (так понято «{', '.join(trip.readings)}»)" if russian else f" (read from “{', '.join(trip.readings)}”)"
        )
    origin = trip.origin.name(trip.language) if trip.origin else unknown
    return [
        ("Откуда" if russian else "From", origin),
        ("Куда" if russian else "To", ", ".join(place.name(trip.language) for place in trip.destinations)),
        ("Когда" if russian else "When", when),
        ("Дней" if russian else "Days", str(trip.days)),
        ("Путешественников" if russian else "Travellers", value("travellers", str(trip.travellers or unknown))),
        ("Темп" if russian else "Pace", value("pace", _PACES[trip.pace][russian])),
        ("Интересы" if russian else "Interests", ", ".join(trip.interests) or unknown),
    ]


def _after(
    trip: Trip, facts: Facts, days: Sequence[DayText], citations: Sequence[Citation], prices: Sequence[Price]
) -> str:
    russian = trip.language == "ru"
    lines = ["", "## Проверьте в интернете" if russian else "## Check online", ""]
    known = (
        "Программа работает без сети и этого не знает:" if russian else "The program works offline and does not know:"
    )
    lines += [known, "", *(f"- {item}" for item in facts.check_online), ""]
    lines += ["## Что взять" if russian else "## Packing", "", *(f"- [ ] {item}" for item in packing(trip)), ""]
    lines += ["## Бюджет" if russian else "## Budget", "", *_budget(trip, prices), ""]
    if citations:
        lines += ["## Из ваших документов" if russian else "## From your documents", ""]
        quoted = "\n".join(text for day in days for _, text in day.parts)
        for number, one in enumerate(citations, 1):  # what found no day is read here
            text = "" if f"[{number}]" in quoted else f": {one.text}"
            lines.append(f"- [{number}] {one.source}{text}")
        lines.append("")
    closing = (
        "Дела по дням выбраны из общего списка и не описывают конкретных мест. Названия и координаты: GeoNames "
        "(CC BY 4.0)."
        if russian
        else "What to do each day is chosen from a general list and describes no place. Names and coordinates: "
        "GeoNames (CC BY 4.0)."
    )
    return "\n".join([*lines, "---", "", closing, ""])


def _budget(trip: Trip, prices: Sequence[Price]) -> list[str]:
    russian = trip.language == "ru"
    sheet = budget(trip, prices)
    heads = ("Статья", "Сколько", "Расчёт", "Сумма") if russian else ("Item", "How many", "Worked out", "Amount")
    rows: list[tuple[str, ...]] = [*sheet.rows]
    rows += [(f"**{'Всего' if russian else 'Total'}**", "", "", f"**{money(total)}**") for total in sheet.totals]
    rows += [("На человека" if russian else "Per person", "", "", money(share)) for share in sheet.each]
    hint = (
        'Цены только ваши: впишите их сюда или добавьте, например, `--price "отель=80*5"`.'
        if russian
        else 'Prices are only your own: write them here, or add for example `--price "hotel=80*5"`.'
    )
    return [*_table(heads, rows), *(["", hint] if not prices else [])]


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return lines + ["| " + " | ".join(_cell(str(cell)) for cell in row) + " |" for row in rows]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
