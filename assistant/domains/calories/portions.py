"""Amounts of a food in grams: by its own measures, by its density, or by a usual portion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assistant.domains.calories.foods import Food, Measure
from assistant.domains.calories.units import UNITS, Quantity

Language = Literal["en", "ru"]
FALLBACK = 100.0  # grams, where a food has no measure that could stand for a portion
_AS_PIECE = 15  # a bare number up to this many is a count; above it may be grams
_AS_LITRES = 2.0  # a bare number below this, with a fraction, of a drink
_FEW = 3.0  # pieces of a portion that one may be eaten of
_RICH = 150.0  # kcal per 100 g: a liquid that nobody drinks by the glass
_WHOLE = ("whole", "pizza", "pie", "cake", "loaf", "melon", "fruit", "head")
_METRIC = frozenset(["ml", "cl", "dl", "l"])  # need no size of theirs told
_SPLASH = {"tsp": 1.0, "tbsp": 2.0}  # of what is taken with a drink: sugar by the teaspoon, milk by two tablespoons

# Which of a food's measures may stand for a unit that it has none for; the first that there is.
_ALIKE: dict[str, tuple[str, ...]] = {
    "piece": ("medium", "large", "whole", "small", "bar", "fillet", "ear", "slice", "can", "bottle", "serving"),
    "slice": ("strip", "wedge", "piece", "square", "serving"),
    "wedge": ("slice", "segment", "piece"),
    "square": ("piece",),
    "serving": ("plate", "piece", "medium", "fillet", "slice", "bar", "can", "bottle", "glass"),
    "plate": ("bowl", "serving"),
    "bowl": ("plate", "serving"),
    "spoon": ("tbsp",),
    "teacup": ("cup",),
    "bar": ("piece", "pack"),
    "pack": ("carton", "box", "container", "bag", "bar", "can"),
    "can": ("jar",),
    "jar": ("can", "pack"),
    "bottle": ("can",),
    "carton": ("pack", "container"),
    "head": ("piece",),
    "ear": ("piece",),
    "fillet": ("piece", "serving"),
    "stick": ("piece", "strip"),
    "leaf": ("piece",),
    "clove": ("piece",),
    "scoop": ("serving",),
    "bunch": ("serving",),
}
_WORDS = {
    "density": {
        "en": "{unit} of {size} ml at {density} g/ml",
        "ru": "{unit} {size} мл, плотность {density} г/мл",
    },
    "density_only": {"en": "{density} g/ml", "ru": "плотность {density} г/мл"},
    "water": {"en": "{unit} of {size} ml, taken as 1 g/ml", "ru": "{unit} {size} мл, принято 1 г/мл"},
    "water_only": {"en": "taken as 1 g/ml", "ru": "принято 1 г/мл"},
    "usual": {"en": "{unit}: about {grams} g, usual", "ru": "{unit}: обычно около {grams} г"},
    "measure": {"en": "{amount} {unit} = {grams} g ({source})", "ru": "{amount} {unit} = {grams} г ({source})"},
    "as_grams": {"en": "a number without a unit, taken as grams", "ru": "число без единицы принято за граммы"},
    "as_ml": {"en": "a number without a unit, taken as ml", "ru": "число без единицы принято за мл"},
    "as_litres": {"en": "a number without a unit, taken as litres", "ru": "число без единицы принято за литры"},
    "portion": {"en": "no amount given; usual: {how}", "ru": "количество не указано; обычно: {how}"},
    "nothing": {"en": "100 g, as no portion of it is known", "ru": "100 г: обычная порция неизвестна"},
    "size": {"en": "× {size} for the size", "ru": "× {size} за размер"},
}  # fmt: skip
# The table's own words for a piece that have a Russian one.
_RUSSIAN = {"large": "крупная штука", "medium": "средняя штука", "small": "небольшая штука", "whole": "целая штука"}


@dataclass(frozen=True, slots=True)
class Weight:
    """``amount`` of ``unit`` weighs ``grams``; ``how``: what says so. ``guessed``: nothing does, it is
    :data:`FALLBACK`."""

    amount: float
    unit: str
    grams: float
    how: str
    guessed: bool = False


def to_grams(quantity: Quantity, food: Food, language: Language = "en") -> Weight:
    """What the quantity of this food weighs."""
    size = quantity.size
    if quantity.unit is None:
        found = _bare(quantity, food, language)
    elif quantity.unit == "oz" and _is_liquid(food):
        found = _measured(quantity.value, "floz", food, language)
    elif UNITS[quantity.unit].kind == "mass":
        grams = quantity.value * UNITS[quantity.unit].size
        found = Weight(quantity.value, quantity.unit, grams, _named(quantity.value, quantity.unit, language))
    else:
        found = _measured(quantity.value, quantity.unit, food, language)
    notes = [found.how]
    if size != 1.0 and not (named := _of_size(quantity, food)):
        notes.append(_WORDS["size"][language].format(size=_number(size, language)))
        found = Weight(found.amount, found.unit, found.grams * size, found.how, found.guessed)
    elif size != 1.0 and named:
        found = Weight(quantity.value, "piece", quantity.value * named.grams / named.amount, found.how)
        notes = [_cited(named, language)]
    if quantity.note:
        notes.insert(0, quantity.note)
    return Weight(found.amount, found.unit, found.grams, "; ".join(notes), found.guessed)


def usual(
    food: Food, language: Language = "en", beside: Literal["", "food", "drink"] = "", *, one: bool = False
) -> Weight:
    """The portion that is taken where no amount is given; less ``beside`` another food ("рамен с яйцом"), still less in
    a cup of tea. ``one``: the words name one of them ("яйцо")."""
    found: Weight | None = None
    if beside == "drink":
        sweet = (food.per_100g.carbohydrate_g or 0) > 50
        unit = "tsp" if sweet else "tbsp"
        if food.density or _own(unit, food):
            found = _measured(_SPLASH[unit], unit, food, language)
    if not found:
        rich = (food.per_100g.fat_g or 0) > 50 or (food.per_100g.carbohydrate_g or 0) > 60
        order = ("serving", "tbsp", *_ALIKE["serving"]) if rich else ("serving", *_ALIKE["serving"])
        serving, piece = _own("serving", food), _own("piece", food)
        share = serving.grams / serving.amount / (piece.grams / piece.amount) if serving and piece else 0.0
        small = 1 < share <= _FEW
        if serving and piece and (serving.source.startswith("USDA") or ((beside or one) and small)):
            order = ("piece", *order)  # of an apple, not of a label
        unit = next((unit for unit in order if _own(unit, food)), "")
        found = _measured(1.0, unit, food, language) if unit else None
    if not found and _is_liquid(food):
        cream = (food.per_100g.kcal or 0.0) > _RICH
        found = _measured(2.0 if cream else 1.0, "tbsp" if cream else "glass", food, language)
    if not found:
        found = Weight(1.0, "serving", FALLBACK, _WORDS["nothing"][language], guessed=True)
    return Weight(
        found.amount, found.unit, found.grams, _WORDS["portion"][language].format(how=found.how), found.guessed
    )


def _bare(quantity: Quantity, food: Food, language: Language) -> Weight:
    """A number without a unit: pieces, unless it can only be grams, millilitres, or litres of a drink."""
    value = quantity.value
    piece = _own("piece", food)
    liquid = _is_liquid(food) and not piece
    if (liquid and 0 < value < _AS_LITRES and value != int(value) and value not in (0.5, 1.5)) or (
        liquid and value in (0.5, 1.5) and not quantity.note and not quantity.vague and _is_drink(food)
    ):
        weight = _measured(value, "l", food, language)
        return Weight(value, "l", weight.grams, _WORDS["as_litres"][language])
    if value >= 5 and not quantity.vague and _own("tbsp", food) and not liquid:
        return Weight(value, "g", value, _WORDS["as_grams"][language])  # "масло 10"
    whole = next((measure for unit in _WHOLE if (measure := _own(unit, food))), None)
    if whole and (value < 1 or whole.unit == "pizza"):
        return Weight(value, whole.unit, value * whole.grams / whole.amount, _cited(whole, language))  # "half a pizza"
    if value > _AS_PIECE and not (piece and piece.grams / piece.amount * value <= 1000):
        if liquid:
            return Weight(value, "ml", _measured(value, "ml", food, language).grams, _WORDS["as_ml"][language])
        return Weight(value, "g", value, _WORDS["as_grams"][language])
    # One of what is not counted is a portion: "a coffee", "два супа".
    unit = "piece" if any(_own(alike, food) for alike in ("piece", *_ALIKE["piece"][:7])) else "serving"
    if (
        unit == "serving"
        and not any(_own(alike, food) for alike in ("serving", *_ALIKE["serving"]))
        and _is_liquid(food)
    ):
        unit = "glass"
    return _measured(value, unit, food, language)


def _measured(value: float, unit: str, food: Food, language: Language) -> Weight:
    """Not a mass. By the food's own measure, by density, by what such a unit usually holds."""
    known = UNITS.get(unit)
    own = _own(unit, food)
    if own or (unit == "spoon" and (own := _own("tbsp", food))):
        return Weight(value, unit, value * own.grams / own.amount, _cited(own, language))
    if known and known.kind in ("volume", "vessel"):
        if unit in ("can", "jar", "bottle", "carton") and (alike := _alike(unit, food)):
            return Weight(value, unit, value * alike.grams / alike.amount, _cited(alike, language))
        if unit == "bowl" and not food.density and (alike := _alike(unit, food)):
            return Weight(value, unit, value * alike.grams / alike.amount, _cited(alike, language))
        density = food.density
        words = _WORDS[("density" if density else "water") + "_only" * (unit in _METRIC)][language]
        how = words.format(
            unit=unit_name(unit, language),
            size=_number(known.size, language),
            density=_number(density or 1.0, language),
        )
        return Weight(value, unit, value * known.size * (density or 1.0), how)
    if alike := _alike(unit, food):
        return Weight(value, unit, value * alike.grams / alike.amount, _cited(alike, language))
    if known and known.size:
        how = _WORDS["usual"][language].format(unit=unit_name(unit, language), grams=_number(known.size, language))
        return Weight(value, unit, value * known.size, how)
    if unit == "piece" and _is_liquid(food):
        return _measured(value, "glass", food, language)
    return Weight(value, unit, value * FALLBACK, _WORDS["nothing"][language], guessed=True)


def _own(unit: str, food: Food) -> Measure | None:
    return next((measure for measure in food.measures if measure.unit == unit and measure.amount > 0), None)


def _alike(unit: str, food: Food) -> Measure | None:
    return next((measure for alike in _ALIKE.get(unit, ()) if (measure := _own(alike, food))), None)


def _of_size(quantity: Quantity, food: Food) -> Measure | None:
    """The table's own big or small piece."""
    if quantity.unit not in (None, "piece"):
        return None
    names = ("small", "mini") if quantity.size < 1 else ("extra large", "large") if quantity.size > 1.5 else ("large",)
    return next((measure for name in names if (measure := _own(name, food))), None)


def _is_liquid(food: Food) -> bool:
    """Whether it is drunk: the table weighs a fluid ounce or a mug of it, or it is about as heavy as water."""
    if any(_own(unit, food) for unit in ("floz", "mug", "bottle", "shot", "wineglass", "teacup")):
        return True
    return food.density is not None and 0.9 <= food.density <= 1.1 and not _own("piece", food)


def _is_drink(food: Food) -> bool:
    return _is_liquid(food) and (food.per_100g.kcal or 0) < 300


def _cited(measure: Measure, language: Language) -> str:
    return _WORDS["measure"][language].format(
        amount=_number(measure.amount, language),
        unit=unit_name(measure.unit, language),
        grams=_number(measure.grams, language),
        source=measure.source_ru or measure.source if language == "ru" else measure.source,
    )


def unit_name(unit: str, language: Language) -> str:
    """For people: of a unit of units.py, or of the table's own words."""
    if unit not in UNITS:
        return _RUSSIAN.get(unit, unit) if language == "ru" else unit
    return UNITS[unit].russian if language == "ru" else UNITS[unit].english


def _named(value: float, unit: str, language: Language) -> str:
    return f"{_number(value, language)} {unit_name(unit, language)}"


def _number(value: float, language: Language) -> str:
    return f"{value:g}".replace(".", ",") if language == "ru" else f"{value:g}"
