"""Chapters of plain text, where only words tell the headings: ``Chapter 12``, ``ГЛАВА ПЕРВАЯ``, ``IV.``, ``2.1 Data``.

A heading has text of its own: the lines of a table of contents and the items of a list have none, and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.memory.structure import LONGEST_HEADING, Block, Heading, title_of
from assistant.number_words import CARDINALS, ORDINALS

_LONGEST = 240  # characters of a heading in capitals, over several lines

_LEVELS: dict[str, int] = {
    word: level
    for level, words in enumerate(
        (
            "volume vol том",
            "book книга",
            "part часть act акт действие",
            "раздел",
            "chapter глава letter письмо canto песнь stave lecture лекция lesson урок",
            "section scene сцена явление картина article статья appendix приложение §",
        ),
        3,  # below the headings that are underlined
    )
    for word in words.split()
}
_CHAPTER, _NUMBERED = _LEVELS["chapter"], max(_LEVELS.values()) + 1
_ALONE = """
prologue epilogue introduction preface foreword afterword conclusion abstract summary references bibliography
acknowledgements acknowledgments appendix пролог эпилог введение вступление предисловие послесловие заключение аннотация
выводы приложение библиография
"""
_ROMAN = r"(?=[IVXLC])(?:XC|XL|L?X{0,3}|C{1,3}X{0,3})(?:IX|IV|V?I{0,3})"
_WORD = re.compile(r"[^\W_]+|§")
_NUMBER = re.compile(
    rf"(?:(?P<digits>\d{{1,3}}(?:\.\d{{1,2}}){{0,3}})|(?P<roman>{_ROMAN}))(?P<point>[.)]?)(?: +(?P<title>\S.*))?"
)
_SENTENCE_END = re.compile(r"[.!?…][\"'»”’)\]]*$")
_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}

Sort = Literal["named", "alone", "number"]


@dataclass(slots=True)
class _Candidate:
    """What looks like a heading: where it stands among the blocks, and where it ends, perhaps before its block does."""

    place: int
    end: int
    sort: Sort
    level: int
    title: str
    number: tuple[int, ...] = ()
    bare: bool = False  # a number without a title: the next line may be one


def with_chapters(text: str, blocks: Sequence[Block], *, pages: bool = False) -> list[Block]:
    """The blocks, with those marked, or parted, that are headings of chapters by their words.

    Args:
        pages: the text came in pages, so that a number alone is that of a page.
    """
    found = [one for place, block in enumerate(blocks) if (one := _candidate(text, place, block, pages))]
    found = _in_sequence(found)
    if not any(one.sort == "named" for one in found):
        for one in found:
            one.level = _NUMBERED if one.sort == "alone" else one.level
    found = _with_text(text, blocks, found)
    headings = {one.place: one for one in found}
    marked: list[Block] = []
    titled = -1
    for place, block in enumerate(blocks):
        one = headings.get(place)
        if one is None:
            if place != titled:
                marked.append(block)
            continue
        end, title = one.end, one.title
        if one.bare and end == block.end and place + 1 not in headings and _is_title(text, blocks, place + 1):
            titled = place + 1
            end = blocks[titled].end
            title = f"{title.rstrip('.: ')}. {title_of(text[blocks[titled].start : end])}"
        marked.append(Block(block.start, end, False, Heading(one.level, title[:LONGEST_HEADING])))
        if end < block.end:
            start = end + len(text[end : block.end]) - len(text[end : block.end].lstrip())
            marked.append(Block(start, block.end, block.lines))
    return marked


def is_chapter(title: str) -> bool:
    """Whether a heading, of any format, is that of a chapter by its words: ``Chapter 3``, ``Глава третья``."""
    one = _named(0, 0, title)
    return one is not None and one.level == _CHAPTER


def _candidate(text: str, place: int, block: Block, pages: bool) -> _Candidate | None:
    if block.lines or block.heading or block.end == block.start:
        return None
    newline = text.find("\n", block.start, block.end)
    first = newline if newline >= 0 else block.end
    if first - block.start > _LONGEST:
        return None
    whole = block.end - block.start <= _LONGEST
    said = " ".join(title_of(line) for line in text[block.start : block.end].split("\n")) if whole else ""
    if said and (len(said) <= LONGEST_HEADING or said.isupper()) and (one := _named(place, block.end, said)):
        return one if newline < 0 or not _named(place, first, title_of(text[newline : block.end].strip())) else None
    line = title_of(text[block.start : first])
    if newline >= 0:  # a heading without an empty line after it
        following = text[newline : block.end].lstrip()
        one = _named(place, first, line)
        if one and (one.bare or (len(line) < 60 and not following[0].islower())):
            return None if _named(place, first, title_of(following.split("\n", 1)[0])) else one
        return None
    if line.rstrip(".:").casefold() in _ALONE.split():
        return _Candidate(place, first, "alone", _CHAPTER, line)
    return _numbered(place, first, line, pages)


def _named(place: int, end: int, line: str) -> _Candidate | None:
    """``Chapter 3``, ``Глава третья. Мельница``, ``Part the First``; but not ``Chapter 3 tells of the mill.``"""
    words = list(_WORD.finditer(line, 0, _LONGEST))[:5]
    said = [word.group().casefold().replace("ё", "е") for word in words]
    if not words or words[0].start() or line[0].islower():
        return None
    kind = 1 if said[0] in ORDINALS else 0  # Первая часть
    level = _LEVELS.get(said[kind]) if kind < len(said) else None
    last = kind if kind else 2 if said[1:2] == ["the"] else 1
    if level is None or last >= len(said):
        return None
    if not kind:
        number = words[last].group()
        counted = said[last] in CARDINALS or said[last] in ORDINALS
        if not (counted or number.isdecimal() or _roman(number.upper()) or (len(number) == 1 and number.isupper())):
            return None
        between = line[words[0].end() : words[last].start()].replace("the", "", last - 1)
        if between.strip(" .№"):
            return None
        following = said[last + 1] if counted and last + 1 < len(said) else ""
        if following in CARDINALS or following in ORDINALS:  # twenty-first
            last += 1
    rest = line[words[last].end() :].strip()
    if rest and rest[0] not in ".:—–-" and (not rest[0].isupper() or _SENTENCE_END.search(rest)):
        return None
    if rest[-1:] in (",", ";"):
        return None
    return _Candidate(place, end, "named", level, line, bare=not rest.strip(".:—–- "))


def _numbered(place: int, end: int, line: str, pages: bool) -> _Candidate | None:
    """``IV``, ``12.``, ``2.1 Method``; the numbers still have to follow each other."""
    match = _NUMBER.fullmatch(line)
    if match is None or len(line) > LONGEST_HEADING:
        return None
    title = match["title"]
    if title is None:
        if pages and match["digits"]:
            return None
    elif not title[0].isupper() or title[-1] in ".!?;:,…" or (match["roman"] and not match["point"]):
        return None
    number = tuple(map(int, match["digits"].split("."))) if match["digits"] else (_roman(match["roman"]),)
    return _Candidate(place, end, "number", _NUMBERED + len(number) - 1, line, number, bare=title is None)


def _in_sequence(found: Sequence[_Candidate]) -> list[_Candidate]:
    """Without numbers that come out of order: years, pages, items of a list that began elsewhere."""
    kept: list[_Candidate] = []
    expected: set[tuple[int, ...]] = {(0,), (1,)}
    for one in found:
        if one.sort == "named":
            expected = {(0,), (1,)}
        elif one.sort == "number":
            if one.number not in expected:
                continue
            number = one.number
            expected.discard(number)
            expected |= {(*number, 1), *((*number[:depth], number[depth] + 1) for depth in range(len(number)))}
        kept.append(one)
    return kept


def _with_text(text: str, blocks: Sequence[Block], found: Sequence[_Candidate]) -> list[_Candidate]:
    """Those that have text under them, before the next of their level; single numbers are none."""
    places = {one.place: one for one in found}
    bodies, count = [], 0  # blocks of text up to each
    for place, block in enumerate(blocks):
        bodies.append(count)
        count += place not in places or places[place].end < block.end
    bodies.append(count)
    following = len(blocks)
    kept: list[_Candidate] = []
    below: list[_Candidate] = []  # later ones, the nearest last, each shallower than those after it in the text
    for one in reversed(found):
        while below and below[-1].level > one.level:
            below.pop()
        following = below[-1].place if below else len(blocks)
        if bodies[following] > bodies[one.place]:
            kept.append(one)
        below.append(one)
    numbers = [one for one in kept if one.sort == "number"]
    lone = [one for one in numbers if one.bare]
    pages = 3 * sum(_in_a_sentence(text, blocks, one) for one in lone) > len(lone)
    kept = [one for one in reversed(kept) if one.sort != "number" or not (len(numbers) < 2 or (one.bare and pages))]
    return kept if any(one.sort != "alone" for one in kept) else []


def _in_a_sentence(text: str, blocks: Sequence[Block], one: _Candidate) -> bool:
    """Whether what stands before a number breaks off, as at the end of a page."""
    before = blocks[one.place - 1 : one.place]
    said = text[before[0].start : before[0].end] if before else ""
    return len(said) > 40 and not _SENTENCE_END.search(said)


def _is_title(text: str, blocks: Sequence[Block], place: int) -> bool:
    """Whether a block under a chapter's number is its title, with text after it."""
    if place + 1 >= len(blocks) or blocks[place].lines or blocks[place].heading:
        return False
    line = text[blocks[place].start : blocks[place].end]
    return len(line) <= 80 and "\n" not in line and line[0].isupper() and line[-1] not in ".,;:…"


def _roman(number: str) -> int:
    """0 of what is none."""
    if not re.fullmatch(_ROMAN, number):
        return 0
    digits = [_ROMAN_DIGITS[letter] for letter in number]
    return sum(-one if one < after else one for one, after in zip(digits, [*digits[1:], 0], strict=True))
