"""A meal in the user's own words as items with grams and nutrients: the model reads, the tables and arithmetic know."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from assistant.domains.calories import extraction, portions, reading
from assistant.domains.calories.foods import SURE, Candidate, Food, Foods, Nutrients
from assistant.domains.calories.lemmas import lemmas
from assistant.domains.calories.naming import Mention
from assistant.domains.calories.portions import Language
from assistant.domains.calories.reading import Reading
from assistant.domains.calories.units import UNITS, Quantity
from assistant.domains.calories.when import MealName
from assistant.engine.engine import Engine, Event
from models.errors import DoesNotFit

# More than this of one food in one meal is asked about; far more is not taken for food at all.
MUCH_GRAMS, MUCH_KCAL = 1500.0, 3000.0
LONGEST = 5_000  # characters
WATERY = 5.0  # kcal per 100 g: twice as much of it is drunk
IMPOSSIBLE_GRAMS = 10_000.0

_OTHERS = 5  # candidates at most that a question names
_PARTED = re.compile(
    r"(?<!\w)(?:на\s+(?:двоих|троих|четверых|пятерых|всех|компанию)|for\s+(?:two|three|four)|shared\s+\w+)(?!\w)", re.I
)

# By how much yes has to be likelier than no (logarithms) for words that a model marked: with other food around them,
# alone; less where the table knows them.
_RATHER, _SURELY, _KNOWN = -0.15, 0.3, -0.3

_TEXTS = {
    "much": {
        "en": "“{span}”: {grams:g} g ({kcal:.0f} kcal) is a lot for one meal. Is that right?",
        "ru": "«{span}»: {grams:g} г ({kcal:.0f} ккал) — много для одного раза. Верно?",
    },
    "impossible": {
        "en": "“{span}”: nobody eats so much at once ({said}). How much was it?",
        "ru": "«{span}»: столько за один раз не съесть ({said}). Сколько было на самом деле?",
    },
    "negative": {
        "en": "“{span}”: an amount below zero ({said}). How much was it?",
        "ru": "«{span}»: количество меньше нуля ({said}). Сколько было на самом деле?",
    },
    "dash": {
        "en": "“{span}”: I took the minus for a dash: {said}. Is that right?",
        "ru": "«{span}»: минус понят как тире: {said}. Верно?",
    },
    "future": {"en": "“{span}” has not come yet.", "ru": "«{span}»: этот день ещё не наступил."},
    "portion": {
        "en": "“{span}”: I know no usual portion of it and took {grams:g} g. How much was it?",
        "ru": "«{span}»: обычная порция неизвестна, взято {grams:g} г. Сколько было на самом деле?",
    },
    "taken": {
        "en": "“{span}”: not in the food table, taken for “{name}”. Is that right?",
        "ru": "«{span}»: такого в таблице нет, взято «{name}». Верно?",
    },
    "wide": {
        "en": "“{span}”: which one? Taken for “{name}”; or {others}?",
        "ru": "«{span}»: какой продукт? Взято «{name}»; или {others}?",
    },
    "wide_alone": {
        "en": "“{span}”: which one? Taken for “{name}”.",
        "ru": "«{span}»: что именно? Взято «{name}».",
    },
    "unit": {
        "en": "“{span}”: I do not know how much “{said}” weighs and took a usual portion. How much was it?",
        "ru": "«{span}»: не знаю, сколько весит «{said}», взята обычная порция. Сколько было на самом деле?",
    },
    "shared": {
        "en": "“{span}”: so much of it alone, or of all with it ({other})? Taken as of it alone.",
        "ru": "«{span}»: это вес одного или всего вместе ({other})? Взято как вес одного.",
    },
    "parted": {
        "en": "“{span}”: all of it is counted. How much of it was yours?",
        "ru": "«{span}»: посчитано всё целиком. Сколько из этого ваше?",
    },
    "day": {"en": "There is no such day: “{span}”.", "ru": "Такого дня нет: «{span}»."},
    "unknown": {"en": "not in the food table", "ru": "нет в таблице продуктов"},
    "several": {"en": "may mean several foods", "ru": "может значить разные продукты"},
    "amount": {"en": "the amount cannot be right", "ru": "количество не может быть верным"},
}  # fmt: skip


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
        """``totals`` are sums of what is not rounded, rounded then: they can differ from the sum of the rounded items
        by half of the last digit an item."""
        return {
            "items": [item.to_json() for item in self.items],
            "unknown": [unknown.span for unknown in self.unknown],
            "totals": rounded(self.totals),
            "questions": list(self.questions),
            "day": self.day.isoformat() if self.day else None,
            "meal": self.meal,
        }


def parse(
    engine: Engine | None,
    text: str,
    foods: Foods,
    *,
    language: Language,
    corrections: Mapping[str, str] | None = None,
    check: Callable[[], None] = lambda: None,
    today: date | None = None,
) -> Generator[Event, None, Meal]:
    """Read a meal.

    The grammar decides what it can; the model is asked only about words that are left, and not at all where there is no
    ``engine``. Whatever it answers, grams and nutrients come from the tables.

    Args:
        corrections: food ids that the user chose before, by the lemmas of the words, joined by blanks.
        check: raises when it is to be cancelled.
        today: what "вчера" counts from.

    Raises:
        DoesNotFit: the text is longer than any meal.
        as :meth:`Engine.generate`; Cancelled.
    """
    if len(text) > LONGEST:
        raise DoesNotFit(
            f"The text of the meal has {len(text)} characters, at most {LONGEST} are read.", "Give one meal at a time."
        )
    today = today or date.today()
    read = reading.read(text, foods, today)
    if engine and read.undecided:
        start, end = read.excerpt()
        end = min(end, start + extraction.LONGEST_TEXT)
        part = text[start:end].rstrip(" \n.;")
        spans = [(a - start, b - start) for a, b in read.spans(start, end, extraction.LONGEST_SPAN)]
        amounts = [text[q.start : q.end] for q in read.quantities if start <= q.start and q.end <= end]
        marks = yield from extraction.mark(engine, part, spans[: extraction.MOST_SPANS], amounts, check)
        for mark in marks:
            place, until = mark.start + start, mark.end + start
            if not read.decides(place, until):
                # A model that may only point points at something: is it sure? Less so where nothing else was eaten.
                sure = yield from extraction.ate(engine, part, text[place:until], check)
                wanted = (_RATHER if read.eaten else _SURELY) + _KNOWN * read.names(place, until)
                if sure >= wanted:
                    read.take(place, until, mark.amount)
    return _meal(read, foods, language, corrections or {}, today)


def _meal(read: Reading, foods: Foods, language: Language, corrections: Mapping[str, str], today: date) -> Meal:
    items: list[Item] = []
    unknown: list[Unknown] = []
    questions = [
        _TEXTS["day"][language].format(span=read.text[hint.start : hint.end].strip())
        for hint in read.hints
        if hint.impossible
    ]
    questions += [
        _TEXTS["future"][language].format(span=read.text[hint.start : hint.end].strip())
        for hint in read.hints
        if hint.day and hint.day > today
    ]
    for mention in read.mentions:
        if not mention.eaten:
            continue
        read_as = _read_mention(read, mention, foods, language, corrections, questions)
        if isinstance(read_as, Item):
            items.append(read_as)
        elif read_as:
            unknown.append(read_as)
    if items and (parted := _PARTED.search(read.text)):
        questions.append(_TEXTS["parted"][language].format(span=parted[0]))
    days = {hint.day for hint in read.hints if hint.day}
    meals = {hint.meal for hint in read.hints if hint.meal and not read.is_negated(hint.start)}
    return Meal(
        read.text,
        tuple(items),
        tuple(unknown),
        tuple(questions),
        day=days.pop() if len(days) == 1 else None,
        meal=meals.pop() if len(meals) == 1 else None,
    )


def _read_mention(
    read: Reading,
    mention: Mention,
    foods: Foods,
    language: Language,
    corrections: Mapping[str, str],
    questions: list[str],
) -> Item | Unknown | None:
    span = read.text[mention.start : mention.end]

    def failed(reason: str, candidates: tuple[Candidate, ...] = ()) -> Unknown:
        return Unknown(span, mention.start, mention.end, _TEXTS[reason][language], candidates)

    quantity = _best(mention.quantities)
    if quantity and quantity.value == 0:
        return None
    if (
        quantity
        and quantity.value < 0
        and quantity.start > mention.start
        and "-" in read.text[quantity.start : quantity.end]
    ):
        # "творог -200 г" is a dash, more likely than not.
        quantity = replace(quantity, value=-quantity.value)
        questions.append(_TEXTS["dash"][language].format(span=span, said=read.text[quantity.start + 1 : quantity.end]))
    if quantity and quantity.value < 0:
        said = read.text[quantity.start : quantity.end]
        questions.append(_TEXTS["negative"][language].format(span=span, said=said))
        return failed("amount")
    if quantity and (strange := read.strange_unit(quantity, mention)):
        questions.append(_TEXTS["unit"][language].format(span=span, said=strange))
        quantity = None
    candidates = tuple(foods.look_up(mention.words))
    chosen = foods.get(corrections.get(" ".join(lemmas(span)), ""))
    if chosen:
        candidates = (Candidate(chosen, 1.0, "correction"), *(c for c in candidates if c.food.id != chosen.id))
    taken = False
    if mention.core and (not candidates or candidates[0].score < SURE):
        candidates, taken = tuple(foods.look_up(mention.core)), True
    wide = bool(candidates) and candidates[0].score < SURE and foods.is_name(mention.words)
    if not candidates or (candidates[0].score < SURE and not wide):
        return failed("several" if candidates else "unknown", candidates)
    if quantity and quantity.unit in ("can", "jar") and not chosen:
        canned = foods.look_up(
            f"{mention.words} {'консервированный' if reading.is_russian(mention.words) else 'canned'}"
        )
        candidates = tuple(canned) if canned and canned[0].score == 1.0 else candidates
    food = candidates[0].food
    if quantity:
        weight = portions.to_grams(quantity, food, language)
    else:
        weight = portions.usual(
            food, language, read.beside(mention), one=reading.is_singular(mention.core or mention.words)
        )
    if weight.grams > IMPOSSIBLE_GRAMS:
        said = read.text[quantity.start : quantity.end] if quantity else ""
        questions.append(_TEXTS["impossible"][language].format(span=span, said=said))
        return failed("amount", candidates)
    item = Item(
        span, mention.start, mention.end, food, weight.amount, weight.unit, weight.grams,
        quantity is None or (quantity.vague and weight.unit == "serving"), weight.how, candidates,
    )  # fmt: skip
    name = _name(food, language)
    if wide:
        others = ", ".join(_name(one.food, language) for one in candidates[1:_OTHERS] if one.how == "alias")
        key = "wide" if others else "wide_alone"
        questions.append(_TEXTS[key][language].format(span=span, name=name, others=others))
    elif taken:
        questions.append(_TEXTS["taken"][language].format(span=span, name=name))
    if mention.shared_with is not None:
        other = next(one for one in read.mentions if one.start == mention.shared_with)
        questions.append(_TEXTS["shared"][language].format(span=span, other=read.text[other.start : other.end]))
    kcal = item.nutrients.kcal or 0.0
    if weight.guessed:
        questions.append(_TEXTS["portion"][language].format(span=span, grams=weight.grams))
    elif weight.grams > MUCH_GRAMS * (1 if (food.per_100g.kcal or 0.0) > WATERY else 2) or kcal > MUCH_KCAL:
        questions.append(_TEXTS["much"][language].format(span=span, grams=weight.grams, kcal=kcal))
    return item


def _best(quantities: list[Quantity]) -> Quantity | None:
    """The most exact of the amounts of one food: "тарелка борща 300 г" is 300 g."""
    order = {"mass": 0, "volume": 1, "vessel": 2, "count": 3}
    return min(quantities, key=lambda q: (order[UNITS[q.unit].kind] if q.unit else 4, q.vague), default=None)


def _name(food: Food, language: Language) -> str:
    return food.name_ru if language == "ru" and food.name_ru else food.name


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
