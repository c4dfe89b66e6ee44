"""Rows of food as Markdown: what is proposed, and what the diary has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby

from assistant.domains.calories.chart import day_lines
from assistant.domains.calories.entry import Entry, total
from assistant.domains.calories.foods import Food, Nutrients
from assistant.domains.calories.goal import Goal
from assistant.domains.calories.messages import Words
from assistant.domains.calories.proposal import Meals

Cells = tuple[str, ...]
_BAR_WIDTH = 72  # cells of a line with bars; a chat is seldom narrower


def name_of(food: Food | Entry, language: str) -> str:
    """What the food is called, as the user would; the table's own name where nobody named it in Russian."""
    if isinstance(food, Entry):
        return food.food_ru or food.food if language == "ru" else food.food
    return food.name_ru or food.name if language == "ru" else food.name


def head(say: Words) -> Cells:
    """Number, food, grams, energy, protein, fat, carbohydrate, source."""
    return "№" if say.language == "ru" else "#", *map(say, ("food", "grams", "kcal", "p", "f", "c", "source"))


def cells(number: int, food: Food | Entry, grams: float, nutrients: Nutrients, say: Words) -> Cells:
    """A row under :func:`head`. ``≈`` marks what a recipe gave."""
    name = name_of(food, say.language) + (f" {say('estimate_mark')}" if food.estimate else "")
    id = food.food_id if isinstance(food, Entry) else food.id
    return str(number), name, say.number(grams), *_numbers(nutrients, say), id


def sum_cells(nutrients: Nutrients, say: Words) -> Cells:
    return "", say("total"), "", *_numbers(nutrients, say), ""


def proposed(meals: Meals, say: Words) -> list[tuple[date, str, list[Cells]]]:
    """The rows of each meal, numbered through, with the sum of those of more than one."""
    numbered = enumerate(meals.rows, 1)
    found = []
    for (day, meal), group in groupby(numbered, key=lambda each: each[1][:2]):
        rows: list[Cells] = []
        sums = Nutrients(0.0, 0.0, 0.0, 0.0, 0.0)
        for number, (*_, row) in group:
            if row.item:
                rows.append(cells(number, row.item.food, row.item.grams, row.item.nutrients, say))
                sums += row.item.nutrients
            else:
                rows.append(
                    (str(number), say("doubtful_food" if row.doubtful else "unknown_food", span=row.span), *[""] * 6)
                )
        found.append((day, meal, rows if len(rows) == 1 else [*rows, sum_cells(sums, say)]))
    return found


def recorded(entries: Sequence[Entry], say: Words) -> list[tuple[str, list[Cells]]]:
    """The entries of a day, meal by meal in the order in which they were recorded; their numbers are the diary's."""
    order = list(dict.fromkeys(entry.meal for entry in entries))
    return [
        (
            meal,
            [cells(entry.id, entry, entry.grams, entry.nutrients, say) for entry in entries if entry.meal == meal],
        )
        for meal in order
    ]


def title(meal: str, day: date, today: date, say: Words) -> str:
    """``завтрак, сегодня, вс 22 ноя``."""
    text = ", ".join(filter(None, (say.meal(meal), say.day(day, today))))
    return text[0].upper() + text[1:]


def markdown(rows: Iterable[Cells], say: Words) -> str:
    """A table under :func:`head`; a row without a number is a sum."""
    lines = [_line(head(say)), "|---:|:---|---:|---:|---:|---:|---:|:---|"]
    for row in rows:
        lines.append(_line(row if row[0] else [f"**{cell}**" if cell else "" for cell in map(escaped, row)]))
    return "\n".join(lines)


def escaped(text: str) -> str:
    """One line that cannot leave its cell of a table."""
    return " ".join(text.replace("|", "/").replace("`", "'").split())


def day_markdown(totals: Nutrients, goal: Goal | None, say: Words) -> str:
    return "```\n" + "\n".join(day_lines(totals, goal, say, _BAR_WIDTH)) + "\n```"


def day_in_markdown(day: date, entries: Sequence[Entry], goal: Goal | None, today: date, say: Words) -> str:
    """A day of the diary: its meals, their sum, the goal."""
    if not entries:
        return say("nothing_recorded_day", day=say.day(day, today))
    parts = [f"**{title('', day, today, say)}**"]
    for meal, rows in recorded(entries, say):
        parts += [say.meal(meal).capitalize()] * bool(meal) + [markdown(rows, say)]
    return "\n\n".join([*parts, *notes(entries, say), day_markdown(total(entries), goal, say)])


def summary(totals: Nutrients, say: Words) -> str:
    """``1 850 ккал, Б 90 · Ж 60 · У 200``."""
    kcal, *macros = _numbers(totals, say)
    return (
        f"{kcal} {say('kcal')}, {' · '.join(f'{say(key)} {value}' for key, value in zip('pfc', macros, strict=True))}"
    )


def notes(foods: Iterable[Food | Entry], say: Words) -> list[str]:
    """What the marks in the tables mean, where they occur."""
    foods = list(foods)
    estimated = any(food.estimate for food in foods)
    missing = any(name != "fibre_g" for food in foods for name in food.per_100g.missing())
    return [say("estimate_note")] * estimated + [say("missing_note")] * missing


def _numbers(nutrients: Nutrients, say: Words) -> Cells:
    macros = nutrients.protein_g, nutrients.fat_g, nutrients.carbohydrate_g
    return say.number(nutrients.kcal), *(say.number(value, 1) for value in macros)


def _line(row: Iterable[str]) -> str:
    return f"| {' | '.join(map(escaped, row))} |"
