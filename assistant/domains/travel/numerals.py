"""Numbers written in words, English and Russian, in the forms that stand before a noun or in a date."""

from __future__ import annotations

import re

_ENGLISH_WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty"""
_ENGLISH = _ENGLISH_WORDS.split()
_ENGLISH_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_ENGLISH_ORDINAL_WORDS = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"""
_ENGLISH_ORDINALS = _ENGLISH_ORDINAL_WORDS.split()
_RUSSIAN = (
    "ноль нуль нулём; один одна одно одну одного одной; два две двух двум двумя двое двоих; "
    "три трех трем тремя трое троих; четыре четырех четырем четырьмя четверо четверых; "
    "пять пяти пятью пятеро пятерых; шесть шести шестью шестеро шестерых; семь семи семью семеро семерых; "
    "восемь восьми восемью; девять девяти девятью; десять десяти десятью; одиннадцать одиннадцати; "
    "двенадцать двенадцати; тринадцать тринадцати; четырнадцать четырнадцати; пятнадцать пятнадцати; "
    "шестнадцать шестнадцати; семнадцать семнадцати; восемнадцать восемнадцати; девятнадцать девятнадцати; "
    "двадцать двадцати двадцатью"
)
_RUSSIAN_TENS = {"двадцать": 20, "двадцати": 20, "тридцать": 30, "тридцати": 30, "сорок": 40, "сорока": 40}
_RUSSIAN_TENS |= {"пятьдесят": 50, "шестьдесят": 60, "семьдесят": 70, "восемьдесят": 80, "девяносто": 90}
_RUSSIAN_ORDINAL_STEMS = """перв втор треть четверт пят шест седьм восьм девят десят одиннадцат двенадцат тринадцат
четырнадцат пятнадцат шестнадцат семнадцат восемнадцат девятнадцат двадцат"""
_RUSSIAN_ORDINALS = _RUSSIAN_ORDINAL_STEMS.split()
_HUNDREDS = {"hundred": 100, "сто": 100, "ста": 100, "двести": 200, "триста": 300, "четыреста": 400, "пятьсот": 500}


def _cardinals() -> dict[str, int]:
    words = {word: value for value, word in enumerate(_ENGLISH)}
    for value, forms in enumerate(_RUSSIAN.split(";")):
        words |= dict.fromkeys(forms.split(), value)
    words |= _ENGLISH_TENS | _RUSSIAN_TENS | _HUNDREDS
    for tens, units in ((_ENGLISH_TENS, _ENGLISH[1:10]), (_RUSSIAN_TENS, [w for w in words if words[w] < 10])):
        for word, value in tens.items():
            words |= {f"{word} {unit}": value + words[unit] for unit in units if words[unit] and unit.isalpha()}
    return words


def _ordinals() -> dict[str, int]:
    words = {word: value for value, word in enumerate(_ENGLISH_ORDINALS, 1)} | {"thirtieth": 30}
    russian: dict[str, int] = {}
    for value, stem in enumerate(_RUSSIAN_ORDINALS, 1):
        endings = "ий его ье им ем" if stem == "треть" else "ый ой ое ого ым ом"
        russian |= {stem + ending: value for ending in endings.split()}
    russian |= {f"тридцат{ending}": 30 for ending in ("ый", "ое", "ого", "ым", "ом")}
    words |= {
        f"{tens} {word}": base + words[word]
        for tens, base in (("twenty", 20), ("thirty", 30))
        for word in _ENGLISH_ORDINALS[:9]
    }
    for tens, base in (("двадцать", 20), ("тридцать", 30)):
        words |= {f"{tens} {word}": base + value for word, value in russian.items() if value < 10}
    return words | russian


CARDINALS = _cardinals()
ORDINALS = _ordinals()


def alternation(words: dict[str, int]) -> str:
    """A regular expression of these words, the longest first; a space in them may be a hyphen."""
    return "|".join(re.escape(word).replace(r"\ ", "[ -]") for word in sorted(words, key=len, reverse=True))


def value(text: str) -> int | None:
    """The number that digits or words stand for: ``12``, ``twenty-one``, ``двух``, ``третьего``, ``3rd``, ``3-го``."""
    word = text.casefold().replace("ё", "е").strip()
    if digits := re.match(r"\d+", word):
        return int(digits[0])
    word = re.sub(r"[\s-]+", " ", word)
    return CARDINALS.get(word, ORDINALS.get(word))
