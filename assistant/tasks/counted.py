"""What a number counts: the stem of the word behind it, or its unit, the same in both languages."""

from __future__ import annotations

import re

from assistant.dates_and_times import Number
from assistant.memory.stemming import stems
from assistant.tasks.names import fold, is_stop

# As they are stemmed; percent, money, time and measures.
UNITS = {
    stem: unit
    for unit, words in {
        "$": "dollar доллар usd",
        "€": "euro евр eur",
        "£": "pound фунт gbp",
        "₽": "roubl rubl рубл rub",
        "¥": "yen",
        "%": "percent процент",
        "second": "second sec секунд сек",
        "minute": "minut min минут мин",
        "hour": "hour час ч",
        "day": "day дне ден дня дни дням",
        "week": "week недел",
        "month": "month месяц",
        "year": "year год лет год",
        "degree": "degre градус",
        "gram": "gram g грамм г гр",
        "kilo": "kilogram kg kilo килограмм кг",
        "metre": "metr meter m метр м",
        "kilometre": "kilometr kilomet km километр км",
        "litre": "litr liter l литр л",
        "tonne": "tonn ton тонн тон",
        "hectare": "hectar гектар га",
    }.items()
    for stem in words.split()
}
UNIT_NAMES = frozenset(UNITS.values())


def counted(sentence: str, number: Number) -> str:
    """The stem of what a number counts: the next word that is no number and says something."""
    rest = re.sub(r"^\s*(?:[-–—]|to|до|и|or|или)?\s*\d[\d.,]*", "", sentence[number.end : number.end + 60])
    if sentence[: number.start].rstrip()[-1:] in tuple("$€£₽¥") and number.start:
        return sentence[: number.start].rstrip()[-1]
    if not re.match(r"[\s%°-]*[^\W\d_]", rest):
        return ""
    following = re.match(r"[\s-]*(?:of\s+|the\s+|из\s+)*([^\W\d_]+)", rest)
    found = stems(following[1]) if following and not is_stop(fold(following[1])) else []
    return UNITS.get(found[0], found[0]) if found else ""
