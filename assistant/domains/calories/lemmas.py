"""Words of a text as dictionary forms: pymorphy3 for Cyrillic, the rules of the English plural for Latin letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from assistant.morphology import analyzer, is_known

LONGEST_WORD = 64  # characters; what is longer is no word

# A percentage is one word (`2,5 %`), parts of `кока-кола` and `hard-boiled` are words of their own.
_WORD = re.compile(
    r"(?P<share>\d{1,3}(?:[.,]\d+)?) ?(?:%|процент\w*\b|-?процентн\w+|percent\b)"
    r"|[^\W_]+(?:['’][^\W_]+)?"
)
_SPELT = {
    "одно": 1, "двух": 2, "трех": 3, "четырех": 4, "пяти": 5, "шести": 6, "семи": 7, "восьми": 8, "девяти": 9,
    "десяти": 10, "пятнадцати": 15, "двадцати": 20, "тридцати": 30,
}  # fmt: skip
_SPELT_SHARE = re.compile(rf"({'|'.join(_SPELT)})процентн")
_POSSESSIVE = re.compile(r"['’]s?$")
_CYRILLIC = re.compile("[а-яёіїєґ]")
_LATIN = re.compile("[a-z]")
_MARKS = re.compile("[\u0300-\u036f]")
_LOOKALIKES = str.maketrans("aceopxykmtbh", "асеорхукмтвн")
# What takes -s on -ie: every other word on -ies has a -y.
_IE = frozenset(["brownie", "calorie", "cookie", "die", "foodie", "hoagie", "lie", "pie", "smoothie", "tie", "veggie"])
_IRREGULAR = {"geese": "goose", "mice": "mouse", "teeth": "tooth", "feet": "foot", "leaves": "leaf", "loaves": "loaf"}
_SINGULAR_ON_S = ("ss", "us", "is")


@dataclass(frozen=True, slots=True)
class Word:
    """``text[start:end]`` folded: lower case, ``ё`` as ``е``, no accents, no possessive; ``percent``: of ``2,5 %``."""

    text: str
    start: int
    end: int
    percent: float | None = None


def lemmas(text: str) -> list[str]:
    """The dictionary form of each word, the likeliest where there are several; a percentage as ``2.5%``.

    The same words in another case, number or spelling of ``ё`` give the same list; word order is kept.
    """
    return [readings(word.text)[0] for word in words(text)]


def words(text: str) -> Iterator[Word]:
    """The words of a text in their order, with their places in it."""
    for match in _WORD.finditer(text):
        if share := match["share"]:
            percent = float(share.replace(",", "."))
            yield Word(f"{percent:g}%", match.start(), match.end(), percent)
        elif match.end() - match.start() <= LONGEST_WORD and (folded := fold(match[0])):
            spelt = _SPELT_SHARE.match(folded)  # пятипроцентный
            if spelt:
                share = str(_SPELT[spelt[1]])
                yield Word(f"{share}%", match.start(), match.end(), float(share))
            else:
                yield Word(folded, match.start(), match.end())


def fold(word: str) -> str:
    """One word in lower case, ``ё`` as ``е``, accents and stress marks gone, Latin letters in a Cyrillic word replaced
    by the Cyrillic ones that look like them."""
    word = _POSSESSIVE.sub("", word.casefold())
    if _CYRILLIC.search(word):
        # NFC keeps й whole; what is left of marks is stress.
        word = _MARKS.sub("", unicodedata.normalize("NFC", word)).replace("ё", "е")
        return word.translate(_LOOKALIKES)
    return _MARKS.sub("", unicodedata.normalize("NFKD", word)).replace("’", "'")


@lru_cache(1 << 14)
def readings(word: str) -> tuple[str, ...]:
    """All dictionary forms that a folded word may be of, the likeliest first; never empty."""
    if _CYRILLIC.search(word):
        return tuple(dict.fromkeys(fold(parse.normal_form) for parse in analyzer().parse(word))) or (word,)
    return _singulars(word) if _LATIN.search(word) else (word,)


def dictionary_form(word: str) -> str:
    """Of a Russian word that stands in its dictionary form already: itself where that is one of its readings. Of others
    the likeliest."""
    found = readings(word)
    return word if word in found and _CYRILLIC.search(word) else found[0]


@lru_cache(1 << 12)
def is_russian_word(word: str) -> bool:
    """Whether the dictionary has it, in any form; a folded word."""
    return bool(_CYRILLIC.search(word)) and is_known(word)


@lru_cache(1 << 14)
def grammemes(word: str) -> frozenset[str]:
    """What pymorphy3 says of a folded Russian word in its likeliest reading (part of speech, case, name or place …),
    which is a guess for a word that the dictionary does not have; empty for other words."""
    return frozenset(analyzer().parse(word)[0].tag.grammemes) if _CYRILLIC.search(word) else frozenset()


def agreeing(adjective: str, name: str) -> str:
    """A Russian adjective in gender and number of the first noun of a name: варёный, Гречневая каша → варёная. Other
    words stay as they are."""
    parsed = analyzer().parse(adjective)[0]
    if " " in adjective or parsed.tag.POS not in ("ADJF", "PRTF"):
        return adjective
    nouns = (one for word in name.split() for one in analyzer().parse(word) if {"NOUN", "nomn"} <= one.tag.grammemes)
    noun = next(nouns, None)
    wanted = {"nomn", noun.tag.gender if noun and noun.tag.number == "sing" else "plur"} - {None} if noun else set()
    inflected = parsed.inflect(wanted) if wanted else None
    return str(inflected.word) if inflected else adjective


def _singulars(word: str) -> tuple[str, ...]:
    if word in _IRREGULAR:
        return (_IRREGULAR[word],)
    if len(word) < 4 or not word.endswith("s") or word.endswith(_SINGULAR_ON_S):
        return (word,)
    stem = word[:-1]
    found: tuple[str, ...]
    if stem.endswith("ie"):
        found = (stem, stem[:-2] + "y") if stem in _IE else (stem[:-2] + "y", stem)
    elif stem.endswith("ve"):
        found = (stem, stem[:-2] + "f", stem[:-2] + "fe")
    elif stem.endswith(("oe", "che", "she", "xe", "sse", "ze")):
        found = (stem[:-1], stem)
    else:
        found = (stem,)
    return (*found, word)
