"""Russian words by the dictionary of OpenCorpora (pymorphy3)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymorphy3 import MorphAnalyzer


@cache
def analyzer() -> MorphAnalyzer:
    """Loading takes a moment and some 20 MB."""
    from pymorphy3 import MorphAnalyzer

    return MorphAnalyzer(lang="ru")


@cache
def is_known(word: str) -> bool:
    """Whether the dictionary has this form of a word; ё may be written as е."""
    return bool(analyzer().word_is_known(word.lower()))
