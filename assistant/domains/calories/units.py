"""Amounts in free text, English and Russian: numbers in digits and in words, and the units that food is measured in.

``find("полторы ложки сахара и 2 eggs")`` gives 1.5 ``spoon`` and 2 of no unit. Nothing here knows foods.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from assistant.domains.calories import numerals

Kind = Literal["mass", "volume", "vessel", "count"]


@dataclass(frozen=True, slots=True)
class Unit:
    """Attributes:
    size: grams of a mass, millilitres of a volume or a vessel; of a count the grams that stand in where a food has no
        measure of its own, or 0.
    english, russian: abbreviations or names, for people.
    """

    id: str
    kind: Kind
    size: float
    english: str
    russian: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount as ``text[start:end]`` says it.

    Attributes:
        unit: id of a :class:`Unit`; None: a bare number, or only a size ("big").
        size: how the piece compares with a usual one: 1.3 for a big one.
        note: how the number was read where that is not plain: ``2-3``, ``2 × 50``.
        vague: an article, a size or a unit without a number: it says one, but only beside a food.
    """

    value: float
    unit: str | None
    start: int
    end: int
    size: float = 1.0
    note: str = ""
    vague: bool = False


# id; kind; size; names; forms, where ~ is up to three letters of an ending; a line that begins with a blank goes on.
# Particular forms come before general ones. Cup, tablespoon and teaspoon as US labels round them (21 CFR 101.9); a
# Russian стакан is 250 ml to the rim.
_TABLE = r"""
kg; mass; 1000; kg; кг; kgs?|kilos?|kilogram(me)?s?|кг|кило|килограмм~|килограммчик~
mg; mass; 0.001; mg; мг; mg|milligrams?|мг|миллиграмм~
g; mass; 1; g; г; g|grm?s?|grams?|grammes?|г|гр|грамм?|грамма|граммов|граммы|граммчик~
t; mass; 1e6; t; т; t|tons?|tonnes?|т|тонн~
centner; mass; 1e5; quintal; ц; quintals?|ц|центнер~
floz; volume; 29.57; fl oz; жидк. унции; fl\.?\s?oz|fluid\s?ounces?
oz; mass; 28.35; oz; унц.; oz|ounces?|унци[яиюей]~
lb; mass; 453.6; lb; фунт; lbs?|pounds?|фунт~
ml; volume; 1; ml; мл; mls?|millilit(er|re)s?|cc|мл|миллилитр~
cl; volume; 10; cl; сл; cl|centilit(er|re)s?
dl; volume; 100; dl; дл; dl|decilit(er|re)s?|дл|децилитр~
l; volume; 1000; l; л; l|ltrs?|lit(er|re)s?|л|литр~|литрушк~
pint; volume; 473; pint; пинта; pints?|pt|пинт~
quart; volume; 946; quart; кварта; quarts?|qts?
gallon; volume; 3785; gallon; галлон; gallons?|галлон~
dessertspoon; volume; 10; dessert spoon; дес. л.; dessert\s?spoon(ful)?s?|дес\.?\s?л|десертн~\s+лож~к?~|дес\.?\s?лож~к?~
drizzle; volume; 5; drizzle; струйка; drizzles?|splash(es)?
tbsp; volume; 15; tbsp; ст. л.; tbsps?|tbs|tbls?|table\s?spoon(ful)?s?|soup\s?spoon~
 |ст\.?\s?л|столов~\s+лож~к?~|ст\.?\s?лож~к?~
tsp; volume; 5; tsp; ч. л.; tsps?|tea\s?spoon(ful)?s?|ч\.?\s?л|чайн~\s+лож~к?~|ч\.?\s?лож~к?~|ложечк~|ложечек
spoon; volume; 15; spoon; ложка; spoon(ful)?s?|ложк~|ложек
cup; vessel; 240; cup; чашка; cup(ful)?s?
teacup; vessel; 200; cup; чашка; чаш(к~|ек)|чашечк~|чашечек|пиал~
shot; vessel; 45; shot; рюмка; shots?|рюмк~|рюмок|рюмочк~|стопк~|стопок|стопочк~
wineglass; vessel; 150; glass; бокал; wine\s?glass(es)?|бокал~|бокальчик~|фужер~
glass; vessel; 250; glass; стакан; glass(es)?|tumblers?|стакан~|стаканчик~
mug; vessel; 300; mug; кружка; mugs?|кружк~|кружек|кружечк~
bowl; vessel; 300; bowl; миска; bowl(ful)?s?|миск~|мисок|мисочк~|пиалк~|пиалочк~
ladle; vessel; 150; ladle; половник; ladle(ful)?s?|половник~|повар[её]шк~|черпак~
bottle; vessel; 500; bottle; бутылка; bottles?|бутылк~|бутылок|бутылочк~
can; vessel; 330; can; банка; cans?|tins?|банк[аиуе]|банкой|банками|банок|баночк~|баночек|жестянк~
jar; vessel; 450; jar; банка; jars?
carton; vessel; 1000; carton; пакет; cartons?
plate; count; 250; plate; тарелка; plate(ful)?s?|тарелк~|тарелок|тарелочк~|тарелочек
serving; count; 0; serving; порция; servings?|portions?|helpings?|порци~|порцайк~|порцийк~
slice; count; 0; slice; кусок; slices?|rashers?|strips?|кус(ок|к[аиу]|ков|ком)|кусоч(ек|к~)|ломт~|ломоть|ломтик~
handful; count; 30; handful; горсть; handfuls?|горст~|горстк~|горсточк~|жмен~|жменьк~
pinch; count; 0.4; pinch; щепотка; pinch(es)?|dash(es)?|щепотк~|щепоток|щепоточк~
drop; count; 0.05; drop; капля; drops?|капл~|капель|капельк~
clove; count; 4; clove; зубчик; cloves?|зубчик~|зубок|зубка|зубков
wedge; count; 0; wedge; долька; wedges?|segments?|дольк~|долек|долечк~
square; count; 5; square; квадратик; squares?|квадратик~
scoop; count; 60; scoop; шарик; scoops?|скуп(а|ы|ов)?|шарик~
bar; count; 0; bar; плитка; bars?|плитк~|плиток|плиточк~
pack; count; 0; pack; пачка; packs?|packets?|packages?|bags?|pouch(es)?|sachets?|box(es)?
 |пачк~|пачек|пачечк~|упаковк~|упаковок|пакет~|пакетик~|коробк~|коробок|коробочк~
stick; count; 0; stick; палочка; sticks?|палочк~|палочек
leaf; count; 0; leaf; лист; leaf|leaves|листа?|листик~|листьев
bunch; count; 0; bunch; пучок; bunch(es)?|пуч(ок|к~)|гроздь|грозди|веточк~|веточек
head; count; 0; head; кочан; heads?|кочан~|головк~
ear; count; 0; ear; початок; ears?|початок|початк~
loaf; count; 400; loaf; буханка; loaf|loaves|батона|буханк~
fillet; count; 0; fillet; филе; fillets?
piece; count; 0; piece; шт.; pieces?|pcs?|шт|штук~|штучк~|штучек
"""


def _compiled() -> tuple[dict[str, Unit], re.Pattern[str]]:
    units, forms = {}, []
    for line in _TABLE.strip().replace("\n ", "").splitlines():
        id, kind, size, english, russian, form = line.split("; ")
        units[id] = Unit(id, kind, float(size), english, russian)  # type: ignore[arg-type]
        pattern = form.replace("(", "(?:").replace("~", r"[^\W\d_]{0,3}")
        forms.append(f"(?P<{id}>{pattern})")
    # A full stop belongs to an abbreviation, unless the word is whole.
    return units, re.compile(
        rf"(?:{'|'.join(forms)})(?![^\W_](?<![xх](?=\s?\d)))(?:(?<=[гкмлтцш])\.|(?<=шт)\.|(?<=tsp)\.|(?<=tbsp)\.|(?<=oz)\.|(?<=lb)\.|(?<=гр)\.)?",
        re.IGNORECASE,
    )


UNITS, _UNIT = _compiled()
_ABBREVIATED = 4  # letters: shorter forms of masses and volumes are no unit without a number


_SIZES = {
    0.7: r"маленьк\w+|небольш\w+|мелк\w{2}|мелких|мелкое|small|little|mini|мини",
    1.0: r"средн\w{2,3}|обычн\w{2,3}|стандартн\w{2,3}|полн\w{2,3}|цел\w{2,3}|хорош\w{2,3}|мерн\w{2,3}"
    r"|medium|regular|average|full|whole|normal|standard|level",
    0.8: r"гран[её]н\w{2,3}|неполн\w{2,3}",
    1.3: r"больш\w{2,3}|крупн\w{2,3}|здоров\w{2,3}|big|large|generous|heaped|heaping",
    1.6: r"огромн\w{2,3}|гигантск\w{2,3}|huge|giant|xl|extra\s+large",
}
_SIZE = re.compile("|".join(f"({pattern})" for pattern in _SIZES.values()), re.IGNORECASE)
_INSIDE = re.compile(r"(?<!\w)(?:в|во|из)\s+\Z", re.IGNORECASE)
_HEAPED = re.compile(r"\s+(?:с\s+горк[оу]й|с\s+верхом)(?!\w)", re.IGNORECASE)

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_GRAMS = 20  # from here on a bare number behind "по" is a weight: "два по сто"
_TIMES = re.compile(
    r"\s*[(,]?\s*(?:(?:[xх×*]|по|each|of|at)\s*(?=[\d½¼¾])|по\s+(?=\w))|\s*\(\s*(?=[\d½¼¾])", re.IGNORECASE
)
_TIMES_AFTER = re.compile(r"\s*[xх×*]\s?(\d{1,2})(?![\d\w%.,/])", re.IGNORECASE)
_COUNT_BEFORE = re.compile(r"[xх×]\s?(\d{1,2})(?![\d\w%/])", re.IGNORECASE)
_INVERTED = re.compile(
    r"(?:кило)?грамм\w{0,2}|гр|мл|миллилитр\w{1,2}|штук\w?|ложк[иу]|ложек|ломтик\w{1,2}|кусочк\w{1,2}|куск[аи]|стакана|чашки"
    r"|кружки|тарелки|порции|бокала|дольки|литра",
    re.IGNORECASE,
)
_MINUS = re.compile(r"(?:[-−–](?=[\d½¼¾])|(?:минус|minus)\s+)", re.IGNORECASE)
# What is counted or measured but is no food: percentages, calories, time, distance, money, degrees.
_OTHER = re.compile(
    r"\s?(?:%|[°$€₽]|:\d\d|(?:k?cal(?:orie)?s?|kj|к?кал|ккалори\w+|к?илокалори\w+|калори\w+|кдж|процент\w*|percent"
    r"|час\w{0,2}|мин(?:ут\w?)?|секунд\w?|раз[а]?|утра|вечера|дня|дней|день|ночи|недел\w+|месяц\w*|лет|год\w?"
    r"|hours?|hrs?|min(?:ute)?s?|sec(?:ond)?s?|times?|days?|weeks?|months?|years?|a\.?m|p\.?m|o'?clock"
    r"|км|km|miles?|м|m|метр\w*|см|cm|мм|mm|руб\w*|р|dollars?|bucks|euros?|человек\w*|чел|people|persons?"
    r"|градус\w*|degrees?|этаж\w?|шаг\w*|steps?|st|nd|rd|th)(?![^\W_])(?!\s+(?:по|x|х)\s+\d))",
    re.IGNORECASE,
)
_REPEATED = re.compile(r"\s?(?:раза?|times)(?=\s+(?:по|x|х)\s+\d)", re.IGNORECASE)


def find(
    text: str, skip: Sequence[tuple[int, int]] = (), is_food: Callable[[str], bool] = lambda word: False
) -> list[Quantity]:
    """The amounts in the text, in order. ``skip``: places that are something else (dates). ``is_food`` says whether a
    word names a food, for words that are half one: полбанана."""
    found: list[Quantity] = []
    position = 0
    while position < len(text):
        inside = next((end for start, end in skip if start <= position < end), None)
        if inside:
            position = inside
            continue
        starts_word = position == 0 or not (
            text[position - 1].isalnum()
            or text[position - 1] in "_.,/" * (position > 1 and text[position - 2].isdigit())
        )
        quantity = _at(text, position, is_food) if starts_word else None
        if quantity:
            found.append(quantity)
            position = quantity.end
        elif starts_word and (passed := _passed(text, position)):
            position = passed
        else:
            position += 1
    return found


def _passed(text: str, position: int) -> int:
    """Where a number ends that is no amount, so that its last digits are not taken for one."""
    number = numerals.read(text, position)
    return number[1] if number else 0


def _at(text: str, start: int, is_food: Callable[[str], bool]) -> Quantity | None:
    if times := _COUNT_BEFORE.match(text, start):
        return Quantity(float(times[1]), None, start, times.end())
    minus = _MINUS.match(text, start)
    position = minus.end() if minus else start
    number = numerals.read(text, position)
    if not number:
        return _half_word(text, start, is_food) or _without_number(text, start)
    value, end, note, vague = number
    if counted := re.compile(r"-(?:х|ух|ёх|ех|ти|ми|го|м|мя)(?!\w)", re.IGNORECASE).match(text, end):
        end = counted.end()  # из 2-х яиц
    if repeated := _REPEATED.match(text, end):
        end = repeated.end()
    elif _OTHER.match(text, end):
        return None
    quantity = _with_unit(text, Quantity(-value if minus else value, None, start, end, note=note, vague=vague))
    multiplied = _multiplied(text, quantity)
    if multiplied is not quantity:
        return multiplied
    if quantity.unit is None and start > 1 and text[start - 1] == "-" and text[start - 2].isalpha():
        return None  # omega-3
    # Letters on the heels of a number that are no unit: 7up, B12.
    if quantity.unit is None and quantity.end == end and text[end : end + 1].isalpha() and text[end - 1].isdigit():
        if not (glued := re.compile(r"[xх](?=\s)", re.IGNORECASE).match(text, end)):
            return None
        quantity = replace(quantity, end=glued.end())
    return quantity


def _with_unit(text: str, quantity: Quantity) -> Quantity:
    """The quantity with the size and the unit that follow it, if any."""
    end, size = quantity.end, 1.0
    while sized := _sized(text, end):
        size, end = size * sized[0], sized[1]
        quantity = replace(quantity, size=size, end=end)
    gap = re.compile(r"[ \t\u00a0\u202f]*").match(text, end)
    unit = _UNIT.match(text, gap.end() if gap else end)
    if not unit or not unit.lastgroup:
        return quantity
    quantity = replace(quantity, unit=unit.lastgroup, end=unit.end(), vague=False)
    if heaped := _HEAPED.match(text, quantity.end):
        quantity = replace(quantity, size=size * 1.3, end=heaped.end())
    if of := re.compile(r"\s+of(?=\s+[^\W\d])", re.IGNORECASE).match(text, quantity.end):
        quantity = replace(quantity, end=of.end())
    return quantity


def _sized(text: str, start: int) -> tuple[float, int] | None:
    match = re.compile(rf"\s*({_SIZE.pattern})(?!\w)", re.IGNORECASE).match(text, start)
    if not match:
        return None
    group = next(number for number, found in enumerate(match.groups()[1:]) if found)
    return list(_SIZES)[group], match.end()


def _inverted(text: str, unit: re.Match[str]) -> Quantity | None:
    """``грамм двести``, ``штук 12``, ``ломтика три``: about so many, as Russian says it."""
    assert unit.lastgroup
    gap = re.compile(r"\s+").match(text, unit.end())
    number = numerals.read(text, gap.end()) if gap and _INVERTED.fullmatch(unit[0]) else None
    if not number or _OTHER.match(text, number[1]):
        return None
    quantity = Quantity(number[0], unit.lastgroup, unit.start(), number[1], note=number[2])
    own = _with_unit(text, replace(quantity, unit=None))
    return None if own.unit else quantity


def _multiplied(text: str, quantity: Quantity) -> Quantity:
    """``2 шт по 50 г``, ``2 x 200 g``, ``200 г x2``."""
    kind = UNITS[quantity.unit].kind if quantity.unit else "count"
    if kind in ("mass", "volume"):
        if times := _TIMES_AFTER.match(text, quantity.end):
            note = f"{quantity.value:g} × {times[1]}"
            return replace(quantity, value=quantity.value * float(times[1]), end=times.end(), note=note)
        return quantity
    times = _TIMES.match(text, quantity.end)
    number = numerals.read(text, times.end()) if times else None
    if not times or not number:
        return quantity
    each = _with_unit(text, Quantity(number[0], None, times.end(), number[1]))
    if each.unit and UNITS[each.unit].kind not in ("mass", "volume"):
        return quantity
    if not each.unit and ("по" not in times[0] or each.value < _GRAMS):
        return quantity
    # "2 шт (55 г)" is 55 g in all; "2 банки (330 мл)" are 330 ml each.
    total = "(" in times[0] and "по" not in times[0] and quantity.unit in (None, "piece")
    value = each.value if total else quantity.value * each.value
    note = f"{quantity.value:g} × {each.value:g}" if quantity.value != 1 and not total else ""
    closing = (
        re.compile(r"\s*(?:each|каждый|каждая)?\s*\)", re.IGNORECASE).match(text, each.end) if "(" in times[0] else None
    )
    return replace(each, value=value, start=quantity.start, end=closing.end() if closing else each.end, note=note)


def _half_word(text: str, start: int, is_food: Callable[[str], bool]) -> Quantity | None:
    """``полстакана``, ``пол-литра``, ``полкило``; ``полбанана`` where that half is a food."""
    prefix = re.compile(r"пол(?:у(?=литр))?-?(?=\w)", re.IGNORECASE).match(text, start)
    if not prefix:
        return None
    unit = _UNIT.match(text, prefix.end())
    if unit and unit.lastgroup and len(unit[0]) >= _ABBREVIATED:
        return Quantity(0.5, unit.lastgroup, start, unit.end())
    rest = _WORD.match(text, prefix.end())
    if rest and not is_food(text[start : rest.end()]) and (prefix[0].endswith("-") or is_food(rest[0])):
        return Quantity(0.5, None, start, prefix.end())
    return None


def _without_number(text: str, start: int) -> Quantity | None:
    """``стакан молока``, ``glass of milk``, ``большой банан``: one."""
    unit = _UNIT.match(text, start) if not _INSIDE.search(text[max(0, start - 4) : start]) else None  # "в стаканчике"
    if unit and (inverted := _inverted(text, unit)):
        return inverted
    if unit and unit.lastgroup:
        kind = UNITS[unit.lastgroup].kind
        english = unit[0][0].isascii()
        of = re.compile(r"\s+of(?=\s+\w)", re.IGNORECASE).match(text, unit.end())
        long_enough = (
            len(unit[0].rstrip(".")) >= _ABBREVIATED
            or (kind == "volume" and english and unit.lastgroup == "tsp")
            or (kind not in ("mass", "volume") and unit.lastgroup != "piece")
        )
        if long_enough and (not english or of or unit.lastgroup in ("tbsp", "tsp")):
            end = of.end() if of else unit.end()
            heaped = _HEAPED.match(text, end)
            return _multiplied(
                text,
                Quantity(
                    1.0, unit.lastgroup, start, heaped.end() if heaped else end, 1.3 if heaped else 1.0, vague=True
                ),
            )
    if sized := _sized(text, start) if not text.startswith(("whole", " "), start) else None:
        quantity = _with_unit(text, Quantity(1.0, None, start, sized[1], sized[0], vague=True))
        return replace(quantity, size=sized[0], vague=True)
    return None
