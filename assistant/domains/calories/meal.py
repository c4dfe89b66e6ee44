"""A meal in the user's own words as items with grams and nutrients: the model reads, the tables and arithmetic know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from assistant.domains.calories.foods import Candidate, Food, Nutrients

MealName = Literal["breakfast", "lunch", "dinner", "snack"]


@dataclass(frozen=True, slots=True)
class Item:
    """One food that was eaten.

    Attributes:
        span: the words of the user that name it, ``text[start:end]``.
        amount, unit: as the user said it: 1.5 ``tbsp``, 200 ``g``; units are ids of units.py.
        assumed: no amount was given, it is a usual portion.
        how: what the grams come from, for people.
        candidates: other foods that the words may mean, the best first.
    """

    span: str
    start: int
    end: int
    food: Food
    amount: float
    unit: str
    grams: float
    assumed: bool
    how: str
    candidates: tuple[Candidate, ...] = ()

    @property
    def nutrients(self) -> Nutrients:
        """Of these grams, not rounded."""
        return self.food.per_100g.times(self.grams / 100)

    def to_json(self) -> dict[str, Any]:
        """Rounded for display: grams and kcal to 0.1, nutrients to 0.01 g."""
        return {
            "span": self.span,
            "start": self.start,
            "end": self.end,
            "food_id": self.food.id,
            "food": self.food.name,
            "amount": self.amount,
            "unit": self.unit,
            "grams": round(self.grams, 1),
            **rounded(self.nutrients),
            "source": self.food.source,
            "estimate": self.food.estimate,
            "assumed": self.assumed,
            "measure": self.how,
        }


@dataclass(frozen=True, slots=True)
class Unknown:
    """Words that name something eaten which no table has, or that may mean several foods."""

    span: str
    start: int
    end: int
    reason: str
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Meal:
    """What was read from one text.

    Attributes:
        questions: what the user should be asked before this is believed: implausible amounts, unknown foods.
        day, meal: what the text says of the time; None where it says nothing.
    """

    text: str
    items: tuple[Item, ...]
    unknown: tuple[Unknown, ...] = ()
    questions: tuple[str, ...] = ()
    day: date | None = None
    meal: MealName | None = None

    @property
    def totals(self) -> Nutrients:
        """The sum of the items' nutrients, not rounded; what a table does not say of one item is missing from it."""
        return sum((item.nutrients for item in self.items), Nutrients(0.0, 0.0, 0.0, 0.0, 0.0))

    def to_json(self) -> dict[str, Any]:
        """``totals`` are sums of what is not rounded, rounded then: they can differ from the sum of the rounded items by
        half of the last digit an item."""
        return {
            "items": [item.to_json() for item in self.items],
            "unknown": [unknown.span for unknown in self.unknown],
            "totals": rounded(self.totals),
            "questions": list(self.questions),
            "day": self.day.isoformat() if self.day else None,
            "meal": self.meal,
        }


def rounded(nutrients: Nutrients) -> dict[str, float | None]:
    """kcal to 0.1, the others to 0.01 g; None where the table does not say."""

    def number(value: float | None, digits: int) -> float | None:
        return None if value is None else round(value, digits)

    return {
        "kcal": number(nutrients.kcal, 1),
        "protein_g": number(nutrients.protein_g, 2),
        "fat_g": number(nutrients.fat_g, 2),
        "carbohydrate_g": number(nutrients.carbohydrate_g, 2),
        "fibre_g": number(nutrients.fibre_g, 2),
    }
