"""Meals as they were read, until the user says yes: rows with numbers that can be corrected, kept as JSON meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from assistant.domains.calories import portions, units
from assistant.domains.calories.diary import Correction, Diary
from assistant.domains.calories.entry import Entry
from assistant.domains.calories.foods import SURE, Food, Foods, Nutrients
from assistant.domains.calories.lemmas import lemmas
from assistant.domains.calories.meal import IMPOSSIBLE_GRAMS, Item, Meal, parse, rounded
from assistant.domains.calories.portions import Language
from assistant.domains.calories.sections import sections
from assistant.domains.calories.units import Quantity
from assistant.engine.engine import Engine, Event

MOST_CANDIDATES = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One food. Without ``item`` it is not known, and cannot be recorded.

    Attributes:
        start: of the span in the user's text.
        amount, unit: what was said of an unknown food; 0: nothing.
        doubtful: whether the amount can be right is asked, so only a yes records it.
        corrected: the user said which food it is, which is remembered with the record.
    """

    span: str
    item: Item | None
    start: int = 0
    amount: float = 0.0
    unit: str = ""
    doubtful: bool = False
    corrected: bool = False

    @property
    def correction(self) -> Correction | None:
        """What there is to learn from it."""
        if not (self.corrected and self.item):
            return None
        return Correction(" ".join(lemmas(self.span)), self.span, self.item.food.id)

    def with_food(self, food: Food, language: Language) -> Row:
        """The same amount of another food; its usual portion where nothing was said, or nothing possible."""
        amount, unit = self.amount, self.unit
        if self.item:
            amount, unit = (0.0, "") if self.item.assumed else (self.item.amount, self.item.unit)
        quantity = Quantity(amount, unit or None, 0, 0) if amount > 0 else None
        item = weighed(self.span, food, quantity, language) or weighed(self.span, food, None, language)
        another = not (self.item and self.item.food.id == food.id)
        return replace(self, item=item, corrected=self.corrected or another, doubtful=False)


@dataclass(frozen=True, slots=True)
class Choosing:
    """The foods that the words for row ``number`` may mean, as ids; the user answers with the number of one."""

    number: int
    words: str
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Meals:
    """What waits for an answer: rows of one meal after the other, numbered through from 1.

    Attributes:
        rows: (day, name of the meal or nothing, row).
        questions: what the reading asks.
    """

    rows: tuple[tuple[date, str, Row], ...]
    questions: tuple[str, ...] = ()
    choosing: Choosing | None = None

    @property
    def known(self) -> list[Row]:
        return [row for *_, row in self.rows if row.item]

    @property
    def words(self) -> str:
        """The user's own words for all rows."""
        return " ".join(row.span for *_, row in self.rows)

    @property
    def unknown(self) -> list[tuple[int, Row]]:
        return [(number, row) for number, (*_, row) in enumerate(self.rows, 1) if not row.item]

    def row(self, number: int) -> Row | None:
        return self.rows[number - 1][2] if 0 < number <= len(self.rows) else None

    def changed(self, number: int, row: Row) -> Meals:
        """With another row ``number``; what was asked about the old one is answered."""
        day, meal, old = self.rows[number - 1]
        rows = (*self.rows[: number - 1], (day, meal, row), *self.rows[number:])
        questions = tuple(question for question in self.questions if not _asked(old.span, [question]))
        return replace(self, rows=rows, questions=questions, choosing=None)

    def without(self, *numbers: int) -> Meals:
        kept, questions = [], self.questions
        for number, row in enumerate(self.rows, 1):
            if number in numbers:
                questions = tuple(question for question in questions if not _asked(row[2].span, [question]))
            else:
                kept.append(row)
        return replace(self, rows=tuple(kept), questions=questions, choosing=None)

    def record(self, diary: Diary, *, doubtful: bool) -> list[Entry]:
        """Write the known ones, one meal after the other, as one change. ``doubtful``: those too."""
        meals: dict[tuple[date, str], list[Item]] = {}
        taken = [(day, meal, row) for day, meal, row in self.rows if row.item and (doubtful or not row.doubtful)]
        for day, meal, row in taken:
            assert row.item
            meals.setdefault((day, meal), []).append(row.item)
        learnt = [row.correction for *_, row in taken if row.correction]
        return diary.add([(day, meal, items) for (day, meal), items in meals.items()], learnt)

    def asking(self, foods: Foods) -> Meals:
        """With the question which food is meant by the first words that may mean several; of a name that is too wide
        ("суп") the usual one is taken meanwhile."""
        for number, (*_, row) in enumerate(() if self.choosing else self.rows, 1):
            if row.doubtful if not row.item else not row.doubtful or row.corrected:
                continue
            candidates = foods.look_up(row.span, MOST_CANDIDATES)
            if candidates and (not row.item or (candidates[0].score < SURE and foods.is_name(row.span))):
                return replace(self, choosing=Choosing(number, row.span, tuple(one.food.id for one in candidates)))
        return self

    @property
    def totals(self) -> Nutrients:
        return sum((row.item.nutrients for row in self.known if row.item), Nutrients(0.0, 0.0, 0.0, 0.0, 0.0))

    def parsed(self) -> dict[str, Any]:
        """For scripts: as :meth:`meal.Meal.to_json`, with the day and the meal of each item."""
        return {
            "items": [
                row.item.to_json()
                | {"start": row.start, "end": row.start + len(row.span), "food_ru": row.item.food.name_ru}
                | {"day": day.isoformat(), "meal": meal}
                for day, meal, row in self.rows
                if row.item
            ],
            "unknown": [row.span for _, row in self.unknown],
            "totals": rounded(self.totals),
            "questions": list(self.questions),
        }

    def to_json(self) -> dict[str, Any]:
        """To be kept: :meth:`from_json` reads it."""
        return {
            "rows": [{"day": day.isoformat(), "meal": meal, **_row_json(row)} for day, meal, row in self.rows],
            "questions": list(self.questions),
            "choosing": self.choosing
            and {
                "number": self.choosing.number,
                "words": self.choosing.words,
                "candidates": list(self.choosing.candidates),
            },
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], foods: Foods) -> Meals:
        choosing = stored["choosing"]
        return cls(
            tuple((date.fromisoformat(row["day"]), row["meal"], _row(row, foods)) for row in stored["rows"]),
            tuple(stored["questions"]),
            choosing and Choosing(choosing["number"], choosing["words"], tuple(choosing["candidates"])),
        )


def weighed(span: str, food: Food, quantity: Quantity | None, language: Language) -> Item | None:
    """So much of a food, or its usual portion; None: nobody eats so much, or so little."""
    weight = portions.to_grams(quantity, food, language) if quantity else portions.usual(food, language)
    if not 0 < weight.grams <= IMPOSSIBLE_GRAMS:
        return None
    return Item(
        span, 0, len(span), food, weight.amount, weight.unit, weight.grams, assumed=quantity is None, how=weight.how
    )  # fmt: skip


def read(
    engine: Engine | None,
    text: str,
    foods: Foods,
    diary: Diary,
    *,
    language: Language,
    today: date,
    day: date | None = None,
    meal_name: str = "",
    check: Callable[[], None] = lambda: None,
) -> Generator[Event, None, Meals]:
    """The meals of a text, as they would be recorded. ``day`` and ``meal_name`` hold where the text says nothing.

    Raises:
        NoSuchDay: a date that no calendar has. as :func:`parse`.
    """
    corrections = {one.lemmas: one.food_id for one in diary.corrections()}
    rows: list[tuple[date, str, Row]] = []
    questions: list[str] = []
    position = 0
    for section in sections(text, today):
        read = yield from parse(
            engine, section.text, foods, language=language, corrections=corrections, check=check, today=today
        )
        when, name = section.day or day or today, section.meal or meal_name
        for row in _rows(read):
            position = max(text.find(row.span, position), 0)
            rows.append((when, name, replace(row, start=position)))
        questions += read.questions
    rows.sort(key=lambda each: each[0])
    return Meals(tuple(rows), tuple(questions)).asking(foods)


def _rows(read: Meal) -> list[Row]:
    """Known and unknown foods in the order of the text."""
    placed = [(item.start, Row(item.span, item, doubtful=_asked(item.span, read.questions))) for item in read.items]
    quantities = units.find(read.text) if read.unknown else []
    for unknown in read.unknown:
        said = next((one for one in quantities if _beside(one, unknown.start, unknown.end, read.text)), None)
        row = Row(unknown.span, None, doubtful=_asked(unknown.span, read.questions))
        row = replace(row, amount=said.value, unit=said.unit or "") if said else row
        placed.append((unknown.start, row))
    return [row for _, row in sorted(placed, key=lambda each: each[0])]


def _asked(span: str, questions: Iterable[str]) -> bool:
    """Whether one of the questions is about these words, which they quote."""
    return any(f"«{span}»" in question or f"“{span}”" in question for question in questions)


def _beside(quantity: Quantity, start: int, end: int, text: str) -> bool:
    if quantity.end <= start:
        return text[quantity.end : start].strip() in ("", "of")
    return quantity.start >= end and text[end : quantity.start].strip() in ("", "-", "–", "—", ":", "(")


def _row_json(row: Row) -> dict[str, Any]:
    item = row.item
    return {
        "span": row.span,
        "start": row.start,
        "amount": row.amount,
        "unit": row.unit,
        "doubtful": row.doubtful,
        "corrected": row.corrected,
        "item": item
        and {
            "food_id": item.food.id,
            "amount": item.amount,
            "unit": item.unit,
            "grams": item.grams,
            "assumed": item.assumed,
            "how": item.how,
        },
    }


def _row(stored: Mapping[str, Any], foods: Foods) -> Row:
    """A food that the table has lost meanwhile is unknown."""
    span, said = stored["span"], dict(stored["item"] or {})
    food = foods.get(said.pop("food_id", ""))
    item = Item(span, 0, len(span), food, **said) if food else None
    flags = {name: stored[name] for name in ("start", "amount", "unit", "doubtful", "corrected")}
    return Row(span, item, **flags)
