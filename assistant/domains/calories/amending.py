"""What the user's answers make of a proposal or of the diary: other amounts, other foods, fewer rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from assistant.domains.calories import units
from assistant.domains.calories.diary import Diary
from assistant.domains.calories.entry import Entry
from assistant.domains.calories.foods import SURE, Food, Foods
from assistant.domains.calories.messages import Words
from assistant.domains.calories.proposal import MOST_CANDIDATES, Choosing, Meals, Row, weighed
from assistant.domains.calories.replies import Drop, Fix, Pick, Reply
from assistant.domains.calories.units import Quantity
from models.errors import UsageError

_COUNTED = 5  # "2 = 150" are grams; fewer than so many pieces
_ID = re.compile(r"(?:sr24|fndds|recipe):[\w-]+(?=\s|$)")
_GLUE = re.compile(r"^[\s,.:;=—–-]+|[\s,.:;=—–-]+$")


class Ambiguous(Exception):
    """The words may mean several foods; ``foods`` are the likeliest first."""

    def __init__(self, words: str, foods: list[Food]):
        super().__init__(words)
        self.words, self.foods = words, foods


def amend(meals: Meals, reply: Fix | Drop | Pick, foods: Foods, say: Words) -> Meals:
    """The proposal after an answer. Where words may mean several foods it is asked which (:attr:`Meals.choosing`).

    Raises:
        UsageError: it has no such number, the food is not known, or nobody eats so much; in the user's language.
    """
    if isinstance(reply, Drop):
        for number in reply.numbers:
            _row(meals, number, say)
        return meals.without(*reply.numbers).asking(foods)
    if isinstance(reply, Pick):
        choosing = meals.choosing
        if not choosing or not 0 < reply.number <= len(choosing.candidates):
            raise UsageError(say("no_such_number", number=reply.number))
        food = foods.get(choosing.candidates[reply.number - 1])
        assert food, "candidates come from the table"
        row = _row(meals, choosing.number, say)
        return meals.changed(choosing.number, _amended(row.with_food(food, say.language), choosing.words, say)).asking(
            foods
        )
    row = _row(meals, reply.number, say)
    try:
        return meals.changed(reply.number, corrected(row, reply.words, foods, say)).asking(foods)
    except Ambiguous as several:
        ids = tuple(food.id for food in several.foods)
        return replace(meals, choosing=Choosing(reply.number, reply.words, ids))


def amended(meals: Meals, replies: Sequence[Reply], foods: Foods, say: Words) -> tuple[Meals, list[str]]:
    """The proposal after all corrections among the answers, and what is wrong with those that were not taken."""
    changes: list[Fix | Drop | Pick] = [one for one in replies if isinstance(one, Fix | Pick)]
    # Numbers are those that were shown: what is dropped goes last, and all at once.
    if dropped := tuple(number for one in replies if isinstance(one, Drop) for number in one.numbers):
        changes.append(Drop(dropped))
    wrong = []
    for one in changes:
        try:
            meals = amend(meals, one, foods, say)
        except UsageError as error:
            wrong.append(error.message)
    return meals, wrong


def corrected(row: Row, words: str, foods: Foods, say: Words) -> Row:
    """``150 г``, ``стакан``, ``творог 5%``, ``творог 150 г``, or the id of a food.

    Raises:
        Ambiguous: several foods are meant alike. UsageError: as :func:`amend`.
    """
    name, _ = _split(words)
    if name:
        row = row.with_food(_food(name, foods, say), say.language)
    elif not row.item:
        row = row.with_food(_food(row.span, foods, say), say.language)
        row = replace(row, corrected=False)
    return _amended(row, words, say)


def edit(diary: Diary, number: int, words: str, foods: Foods, say: Words) -> Entry:
    """The same for an entry of the diary; a food that is corrected is remembered.

    Raises:
        as :func:`corrected`; DiaryError: there is no such entry.
    """
    entry = diary.get(number)
    row = corrected(Row(entry.span, entry.item(foods)), words, foods, say)
    assert row.item, "a row with a food stays one"
    return diary.edit(number, row.item, [row.correction] if row.correction else [])


def _amended(row: Row, words: str, say: Words) -> Row:
    """With the amount that the words say, if they say one."""
    _, quantities = _split(words)
    if not quantities or not row.item:
        return row
    quantity, food = quantities[0], row.item.food
    item = weighed(row.span, food, quantity, say.language)
    if quantity.unit is None and quantity.size == 1 and quantity.value >= _COUNTED:
        item = weighed(row.span, food, replace(quantity, unit="g"), say.language)
    if not item:
        raise UsageError(say("impossible_amount", words=words))
    return replace(row, item=item, doubtful=False)


def _food(words: str, foods: Foods, say: Words) -> Food:
    if exact := foods.get(words):
        return exact
    found = foods.look_up(words, MOST_CANDIDATES)
    if not found:
        raise UsageError(say("no_such_food", words=words))
    if found[0].score < SURE:
        raise Ambiguous(words, [candidate.food for candidate in found])
    return found[0].food


def _split(words: str) -> tuple[str, list[Quantity]]:
    """The words for a food, or its id, and the amounts."""
    if named := _ID.match(words):
        return named[0], units.find(words[named.end() :])
    quantities, name = units.find(words), words
    for quantity in reversed(quantities):
        name = f"{name[: quantity.start]} {name[quantity.end :]}"
    name = _GLUE.sub("", name)
    return (" ".join(name.split()) if any(char.isalpha() for char in name) else ""), quantities


def _row(meals: Meals, number: int, say: Words) -> Row:
    row = meals.row(number)
    if not row:
        raise UsageError(say("no_such_number", number=number))
    return row
