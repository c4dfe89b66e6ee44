"""One entry of the diary: a food of a meal with the numbers as they were when it was recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from assistant.database import encodable
from assistant.domains.calories.foods import Food, Foods, Nutrients
from assistant.domains.calories.meal import Item, rounded

_NUTRIENTS = ("kcal", "protein_g", "fat_g", "carbohydrate_g", "fibre_g")


@dataclass(frozen=True, slots=True)
class Entry:
    """One food of one meal as it was recorded. ``meal`` is empty where nobody said which; ``created`` is in UTC."""

    id: int
    day: date
    meal: str
    span: str
    food_id: str
    food: str
    food_ru: str | None
    source: str
    estimate: bool
    amount: float
    unit: str
    grams: float
    assumed: bool
    how: str
    per_100g: Nutrients
    created: datetime

    @property
    def nutrients(self) -> Nutrients:
        """Of these grams, not rounded."""
        return self.per_100g.times(self.grams / 100)

    def item(self, foods: Foods) -> Item:
        """As it was read, to be corrected: with the numbers of its record, and the measures that the table has now."""
        known = foods.get(self.food_id)
        food = Food(
            self.food_id,
            self.food,
            self.food_ru,
            self.source,
            self.estimate,
            self.per_100g,
            known.measures if known else (),
            known.density if known else None,
        )
        place = 0, len(self.span)
        return Item(self.span, *place, food, self.amount, self.unit, self.grams, self.assumed, self.how)

    def to_json(self) -> dict[str, Any]:
        """Rounded as :meth:`meal.Item.to_json`."""
        return {
            "id": self.id,
            "day": self.day.isoformat(),
            "meal": self.meal,
            "span": self.span,
            "food_id": self.food_id,
            "food": self.food,
            "food_ru": self.food_ru,
            "amount": self.amount,
            "unit": self.unit,
            "grams": round(self.grams, 1),
            **rounded(self.nutrients),
            "source": self.source,
            "estimate": self.estimate,
            "assumed": self.assumed,
            "measure": self.how,
            "created": self.created.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Day:
    """The sum of a day; ``entries`` is 0 where nothing is known of it."""

    day: date
    totals: Nutrients
    entries: int


def total(entries: Iterable[Entry]) -> Nutrients:
    """The sum of their nutrients, not rounded; what a table does not say of one entry is missing from it."""
    return sum((entry.nutrients for entry in entries), Nutrients(0.0, 0.0, 0.0, 0.0, 0.0))


def columns_of(item: Item) -> dict[str, Any]:
    """What the diary's table keeps of an item, by column."""
    food = item.food
    return {
        "span": encodable(item.span),
        "food_id": food.id,
        "food": food.name,
        "food_ru": food.name_ru,
        "source": food.source,
        "estimate": food.estimate,
        "amount": item.amount,
        "unit": item.unit,
        "grams": item.grams,
        "assumed": item.assumed,
        "how": item.how,
        **{name: getattr(food.per_100g, name) for name in _NUTRIENTS},
    }


def entry_of(row: sqlite3.Row) -> Entry:
    """A row of that table."""
    values = dict(row)
    per_100g = Nutrients(**{name: values.pop(name) for name in _NUTRIENTS})
    return Entry(
        **values
        | {
            "day": date.fromisoformat(values["day"]),
            "created": datetime.fromisoformat(values["created"]),
            "estimate": bool(values["estimate"]),
            "assumed": bool(values["assumed"]),
        },
        per_100g=per_100g,
    )
