"""Numbers written in words, English and Russian, in the forms that stand before a noun or in a date."""

from __future__ import annotations

import re
from collections.abc import Mapping

from assistant import number_words


def _with_compounds(words: Mapping[str, int], last: int) -> dict[str, int]:
    """The words up to a number, with twenty-one and двадцать один."""
    tens = {word: value for word, value in number_words.CARDINALS.items() if value in range(20, min(last, 90) + 1, 10)}
    units = {word: value for word, value in words.items() if 0 < value < 10}
    return {word: value for word, value in words.items() if value <= last} | {
        f"{ten} {unit}": tens[ten] + units[unit] for ten in tens for unit in units if ten.isascii() == unit.isascii()
    }


CARDINALS = _with_compounds(number_words.CARDINALS, 500)
for _word in ("одному", "одним", "одном"):  # to one museum: which, not how many
    del CARDINALS[_word]
ORDINALS = _with_compounds(number_words.ORDINALS, 30)


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
