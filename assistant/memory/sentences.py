"""Where sentences begin and end, in English, Russian and what punctuates like them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

LONGEST = 100  # words: what an embedder still hears as one thing
LETTERS_A_WORD = 7  # where no spaces part them
LONGEST_ABBREVIATION = 12  # letters
NARROWEST = 40  # characters: shorter lines were not broken for their length

Span = tuple[int, int]

# After these a sentence goes on, whatever comes: titles, and words that introduce a name or a number.
_TITLES = """
mr mrs ms dr prof st messrs rev hon gen col lt capt sgt gov sen rep pres fig figs no nos vol vols pp vs cf e.g i.e eg ie
al approx est dept ca viz
см ср рис табл стр гл разд п пп ст ул просп пл пер д кв корп обл р-н г гг в вв с им проф акад доц инж тов гр св т н б
тыс млн млрд трлн т.е т.к т.н напр прим англ нем фр лат греч рус род ум тел
"""
# After these it goes on unless a capital letter follows.
_UNITS = """
etc inc ltd co corp jr sr bros a.m p.m am pm ph.d jan feb mar apr jun jul aug sep sept oct nov dec ave blvd
т.д т.п др пр н.э руб коп долл чел ч мин сек кг км м см мм га янв февр апр авг сент окт нояб дек
"""
_NEVER_LAST = frozenset(_TITLES.split())
_SELDOM_LAST = frozenset(_UNITS.split())
_END = re.compile(r"[.!?…]{1,9}[\"'»”’)\]]{0,9}(?=\s)|[。！？｡]{1,9}[」』”）]{0,9}")
_ITEM = re.compile(r"\s*(?:[-*+•–—▪◦·]\s|\(?\d{1,3}[.)]\s|\(?[a-zа-я][.)]\s|[|#>])", re.IGNORECASE)
_LAST_WORD = re.compile(r"[^\s(\[«\"'“„]*$")


def sentences(text: str, start: int, end: int, *, lines: bool = False) -> Iterator[Span]:
    """The sentences of the paragraph ``text[start:end]``, trimmed, none empty, none much over :data:`LONGEST` words.

    A line is one if it was not broken for its length; each line is with ``lines``, as in code and tables.
    """
    for begin, stop in _lines(text, start, end, lines):
        for match in () if lines else _END.finditer(text, begin, stop):
            if _ends(text, begin, match, stop):
                yield from _bounded(text, begin, match.end())
                begin = match.end()
        yield from _bounded(text, begin, stop)


def words_in(text: str) -> int:
    """How long a text is in words, also where no spaces part them."""
    return max(len(text.split()), len(text) // LETTERS_A_WORD)


def _lines(text: str, start: int, end: int, separate: bool) -> Iterator[Span]:
    """Lines; those that were broken only for their length are put together again."""
    lines = text[start:end].split("\n")
    width = max(map(len, lines))
    begin = stop = start
    for number, line in enumerate(lines):
        stop += len(line)
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if separate or not _is_wrapped(line, following, width):
            yield begin, stop
            begin = stop + 1
        stop += 1


def _is_wrapped(line: str, following: str, width: int) -> bool:
    """Whether the first word of the next line had no place on this one, or goes on in the middle of a sentence."""
    if not line.strip() or not following.strip() or _ITEM.match(following):
        return False
    first = following.split(None, 1)[0]
    return first[0].islower() or (width >= NARROWEST and len(line) + 1 + len(first) > width * 0.9)


def _ends(text: str, begin: int, match: re.Match[str], stop: int) -> bool:
    """Whether the sentence from ``begin`` on ends with this punctuation."""
    mark, after = match.start(), text[match.end() : min(stop, match.end() + 40)].lstrip()[:1]
    if not after or text[mark] in "。！？｡":
        return True
    if after.islower():
        return False
    if match.group().rstrip("\"'»”’)]") != ".":
        return True
    window = text[max(begin, mark - LONGEST_ABBREVIATION) : mark]
    word = _LAST_WORD.search(window).group()  # type: ignore[union-attr] # it matches nothing, too
    if word.isdigit() and word == text[max(begin, mark - 8) : mark].strip():
        return False  # the number of an item
    if word.casefold() in _SELDOM_LAST:
        return after.isupper()
    initials = word[:1].isupper() and all(len(part) == 1 for part in word.split("."))
    return not initials and word.casefold() not in _NEVER_LAST


def _bounded(text: str, start: int, end: int) -> Iterator[Span]:
    """A sentence without the spaces around it, in even parts when it is too long."""
    start, end = _trimmed(text, start, end)
    if start == end:
        return
    parts = math.ceil(words_in(text[start:end]) / LONGEST)
    width = math.ceil((end - start) / parts)
    while parts > 1 and end - start > width + LETTERS_A_WORD:
        cut = text.rfind(" ", start + width // 2, start + width)
        cut = start + width if cut < 0 else cut
        first, last = _trimmed(text, start, cut)
        if first < last:
            yield first, last
        start = cut
    start, end = _trimmed(text, start, end)
    if start < end:
        yield start, end


def _trimmed(text: str, start: int, end: int) -> Span:
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    return start, start + len(part.strip())
