"""Whether two words are one name: declined, or in another script."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache

from assistant.memory.claims import alike, sound_of
from assistant.memory.stemming import STOP_WORDS
from assistant.morphology import analyzer

CYRILLIC = re.compile("[\u0400-\u04ff]")
_FLEETING = re.compile(
    r"(?:[оеё]([бвгдзклмнпрстфхцчшщ])/ь?\1[аеиоуыя]\w{0,2}|ь?([бвгдзклмнпрстфхцчшщ])[аеиоуыя]/[оеё]\2)\Z"
)
_ENDINGS = """
а я у ю ы и е о ь й ой ей ом ем ём ою ею ым им ого его ому ему ых их ами ями ах ях ам ям ий ый ая яя ую юю ые ие ии ию
ия
"""
_CASE_ENDINGS = frozenset(["", *_ENDINGS.split()])
_LATIN_ENDINGS = frozenset(["", "s", "n", "an", "ns", "ese", "ish", "ian", "ians", "ic", "ean", "a", "e", "es", "i"])
_NAME_TAGS = frozenset(["Name", "Surn", "Patr", "Geox", "Orgn", "Trad", "Init"])
_LATIN = "a b v g d e zh z i i k l m n o p r s t u f kh ts ch sh sch  y  e yu ya"
_TRANSLITERATED = dict(zip("абвгдежзийклмнопрстуфхцчшщъыьэюя", _LATIN.split(" "), strict=True))


@lru_cache(1 << 16)
def long_sound(word: str) -> str:
    """Empty for a word that is too short to be told by its sound."""
    code = sound_of(word) if len(word) >= 5 else ""
    return code if len(code) >= 4 else ""


@lru_cache(1 << 14)
def same_name(a: str, b: str) -> bool:
    """Whether two words of one script, in lower case, are one name in two forms."""
    if a == b:
        return True
    common = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    ends = (a[common:], b[common:])
    if not CYRILLIC.search(a):
        return common >= 4 and all(end in _LATIN_ENDINGS for end in ends) and "" in ends
    if common >= 3 and (all(end in _CASE_ENDINGS for end in ends) or _FLEETING.match("/".join(sorted(ends, key=len)))):
        return True
    return common >= 2 and bool(_lemmas(a) & _lemmas(b))


@lru_cache(1 << 14)
def sounds_like(a: str, b: str) -> bool:
    """Whether two words in different scripts are one name."""
    sounds = sound_of(a), sound_of(b)
    if not (alike(*sounds) or sounds[0] == sounds[1]):
        return False
    closeness = difflib.SequenceMatcher(None, _latin(a), _latin(b), autojunk=False).ratio()
    if len(sounds[0]) < 2:
        return bool(closeness >= 0.8)  # Anna, Анна
    return bool(closeness >= (0.5 if sounds[0] == sounds[1] and len(sounds[0]) > 2 else 0.6))


def _latin(word: str) -> str:
    return "".join(_TRANSLITERATED.get(letter, letter) for letter in word)


@lru_cache(1 << 14)
def _lemmas(word: str) -> frozenset[str]:
    return frozenset(
        parse.normal_form for parse in analyzer().parse(word) if _NAME_TAGS & parse.tag.grammemes and parse.is_known
    )


@lru_cache(1 << 14)
def is_russian_name(word: str) -> bool:
    parses = analyzer().parse(word)
    if not any(parse.is_known for parse in parses):
        return not word.endswith(("ть", "ся", "ие", "ый", "ая", "ое", "но"))
    return bool(_NAME_TAGS & parses[0].tag.grammemes)


@lru_cache(1 << 14)
def is_common(word: str) -> bool:
    """Whether a Russian word is an ordinary one, which capitals make a term of: Арендатор, Сторона."""
    return bool(CYRILLIC.search(word)) and all(
        parse.is_known and not _NAME_TAGS & parse.tag.grammemes for parse in analyzer().parse(word)
    )


def is_stop(folded: str) -> bool:
    return folded in STOP_WORDS


def fold(word: str) -> str:
    return word.casefold().replace("ё", "е").replace("’", "'")
