"""Which amount belongs to which food."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

from assistant.domains.calories import units
from assistant.domains.calories.clauses import SEPARATORS, Token
from assistant.domains.calories.naming import Mention
from assistant.domains.calories.units import Quantity

# What it costs an amount to belong to a food, by what stands between them; above _DROPPED it belongs to none.
_COSTS = {"": 0.0, "with": 3.0, "and": 4.0, "comma": 4.0, "stop": 6.5}
_OPEN_BETWEEN = 2.0  # a word that may name the food it belongs to
_AFTER = 0.6  # "творог 200 г": the food first
_PARTED = 8.0  # "200 г, творог", "пол-литра и огурчик": the amount first, and something between
_SECOND = 2.0
_NEGATED = 6.0  # "салат 200 г без хлеба"
_DROPPED = 7.0
_DISH = 100.0  # grams or millilitres
_ADDED = 60.0  # grams of a usual portion, up to which a food beside another one is an addition: sour cream
_BARE_GRAMS = 100  # a number without a unit from here on is a weight


def pair(
    text: str,
    tokens: Sequence[Token],
    mentions: Sequence[Mention],
    quantities: Sequence[Quantity],
    portion: Callable[[Mention], float],
) -> list[Quantity]:
    """Give the amounts to the foods beside them, at the least cost in all; what is left over is returned.

    "200 г гречки, молоко 150 мл" and "гречка 200 г курица 150 г" are both read right: every amount may belong to the
    food before or behind it, separators between them cost, and a food takes a second amount only for want of better.
    ``portion`` gives the grams of a usual portion, 0 where the food is not known.
    """

    def distance(left: int, right: int) -> float:
        between = [token for token in tokens if left <= token.start < right]
        follower = [token for token in tokens if token.start == right]
        cost = sum(_COSTS[token.before] for token in [*between, *follower])
        cost += _NEGATED * (
            any(token.negated for token in follower)
            and not any(t.negated for t in tokens if t.end <= left <= t.end + 1)
        )
        return cost + sum(_OPEN_BETWEEN * (token.role == "open") + 0.3 * (token.role == "eat") for token in between)

    starts = [mention.start for mention in mentions]

    @cache
    def best(number: int, last: int, used: int) -> tuple[float, tuple[int, ...]]:
        """Cost and the food (-1: none) of each amount from ``number`` on; ``used`` amounts went to food ``last``."""
        if number == len(quantities):
            return 0.0, ()
        quantity = quantities[number]
        behind = sum(start < quantity.start for start in starts)
        options = [(_DROPPED if quantity.unit or not quantity.vague else 2.0, -1)]
        if behind and not quantity.vague and behind - 1 >= last:
            options.append((_AFTER + distance(mentions[behind - 1].end, quantity.start), behind - 1))
        elif behind and quantity.unit and behind - 1 >= last:
            options.append((_AFTER + 0.5 + distance(mentions[behind - 1].end, quantity.start), behind - 1))
        if behind < len(mentions):
            cost = distance(quantity.end, mentions[behind].start)
            parted = _parted(text, tokens, quantity.end, mentions[behind].start)
            options.append((cost + _PARTED * parted, behind))
        results = []
        for cost, food in options:
            again = used if food == last else 0
            second = _SECOND * again if food >= 0 else 0.0
            rest, foods = best(number + 1, max(last, food), again + 1 if food >= 0 else used)
            results.append((cost + second + rest, (food, *foods)))
        return min(results, key=lambda result: result[0])

    loose = []
    for quantity, food in zip(quantities, best(0, -1, 0)[1], strict=True):
        if food >= 0:
            mentions[food].quantities.append(quantity)
        else:
            loose.append(quantity)
    for left, right in pairwise(mentions):
        between = [token for token in tokens if left.end <= token.start <= right.start]
        if any(token.before == "with" for token in between) and not any(t.before in ("comma", "stop") for t in between):
            right.beside = left.start
        elif left.beside is not None and len(between) == 2 and between[0].before == "and" and not right.quantities:
            right.beside = left.beside
        if right.beside == left.start and not left.quantities and right.eaten is not False:
            # "щи со сметаной 400 г": of the dish; "чай с сахаром 2 ложки", "котлета с пюре 200 г": of the second.
            for quantity in [q for q in right.quantities if q.start >= right.end and _is_dish(q)]:
                of_left = _is_of_first(quantity, portion(left), portion(right))
                if of_left:
                    right.quantities.remove(quantity)
                    left.quantities.append(quantity)
                if portion(right) > _ADDED and (not quantity.unit or units.UNITS[quantity.unit].kind != "count"):
                    (left if of_left else right).shared_with = (right if of_left else left).start
    return loose


def _is_of_first(quantity: Quantity, first: float, second: float) -> bool:
    """Whether so much is likelier the first of two foods on a plate: which one's usual portion is nearer."""
    unit = units.UNITS.get(quantity.unit or "g")
    if not unit or unit.kind == "count" or not first or not second or second <= _ADDED:
        return bool(first) or not second
    grams = unit.size * quantity.value
    return abs(math.log(grams / first)) <= abs(math.log(grams / second))


def _is_dish(quantity: Quantity) -> bool:
    unit = units.UNITS.get(quantity.unit or "")
    if not unit:
        return quantity.value >= _BARE_GRAMS
    if unit.kind == "count":
        return quantity.unit in ("plate", "serving", "slice", "piece")
    return unit.size * quantity.value >= _DISH


def _parted(text: str, tokens: Sequence[Token], start: int, end: int) -> bool:
    between = any(token.before == "and" for token in tokens if start <= token.start <= end)
    return between or any(pattern.search(text[start:end]) for _, pattern in SEPARATORS)
