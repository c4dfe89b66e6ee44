"""What the commands of calories print: tables and bars that fit the terminal, numbers for scripts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from assistant import settings
from assistant.cli.writing import print_table, shortened
from assistant.domains.calories import tables
from assistant.domains.calories.chart import day_lines, drawable
from assistant.domains.calories.entry import Entry, total
from assistant.domains.calories.meal import rounded
from assistant.domains.calories.messages import Words
from assistant.domains.calories.sections import NoSuchDay, read_day
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.domains.calories.foods import Food
    from assistant.domains.calories.goal import Goal
    from assistant.domains.calories.proposal import Meals

_NARROWEST = 12  # cells of a name
_RIGHT = (0, 2, 3, 4, 5, 6)


def words(text: str | None = None) -> Words:
    """In the language of what the user wrote, or else of the interface."""
    from assistant.language import interface_language
    from assistant.memory.stemming import language_of

    if text and language_of(text) == "ru":
        return Words("ru")
    return Words(interface_language(settings.load().language))


def the_day(said: str, today: date, say: Words) -> date:
    """
    Raises:
        UsageError: no date, one that no calendar has, or one to come.
    """
    try:
        day = read_day(said, today)
    except NoSuchDay:
        day = None
    if day is None:
        raise UsageError(say("no_such_day", words=said), "2026-01-31, 31.01, yesterday, вчера, вторник…")
    if day > today:
        raise UsageError(say("future_day", day=say.day(day, today)))
    return day


def print_cells(rows: Sequence[tables.Cells], say: Words) -> None:
    """A table whose names are shortened where the terminal is narrow."""
    rows = [tables.head(say), *rows]
    others = sum(max(map(len, column)) + 2 for at, column in enumerate(zip(*rows, strict=True)) if at != 1)
    room = max(width() - others, _NARROWEST) if sys.stdout.isatty() else 200
    print_table([(row[0], shortened(row[1], room), *row[2:]) for row in rows], right=_RIGHT)


def print_meals(meals: Meals, today: date, say: Words) -> None:
    """What was read, meal by meal."""
    for day, meal, rows in tables.proposed(meals, say):
        click.echo(tables.title(meal, day, today, say))
        print_cells([tuple(cell.replace("**", "") for cell in row) for row in rows], say)
    for note in tables.notes([row.item.food for row in meals.known if row.item], say):
        click.echo(note)


def print_day(day: date, entries: Sequence[Entry], goal: Goal | None, today: date, say: Words) -> None:
    if not entries:
        click.echo(say("nothing_recorded_day", day=say.day(day, today)), err=True)
        return
    click.echo(tables.title("", day, today, say))
    for meal, rows in tables.recorded(entries, say):
        if meal:
            click.echo(say.meal(meal).capitalize())
        print_cells(rows, say)
    for note in tables.notes(entries, say):
        click.echo(note)
    click.echo()
    print_lines(day_lines(total(entries), goal, say, width(), blocks=drawable(sys.stdout.encoding)))


def print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line.rstrip())


def width() -> int:
    """Of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80


def day_json(day: date, entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "day": day.isoformat(),
        "entries": [entry.to_json() for entry in entries],
        "totals": rounded(total(entries)),
    }


def food_json(food: Food, ingredients: Sequence[tuple[Food, float]] = ()) -> dict[str, Any]:
    """Nutrients are those of 100 g, null where the table does not say; so are the grams of the ingredients."""
    return {
        "id": food.id,
        "food": food.name,
        "food_ru": food.name_ru,
        "source": food.source,
        "estimate": food.estimate,
        "density": food.density,
        "per_100g": {**rounded(food.per_100g), **dict(food.more)},
        "measures": [
            {"amount": one.amount, "unit": one.unit, "grams": one.grams, "source": one.source} for one in food.measures
        ],
        "ingredients": [{"food_id": each.id, "food": each.name, "grams": grams} for each, grams in ingredients],
    }
