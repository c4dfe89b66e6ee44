"""A long source in passages that fit a model's window, cut where its structure allows it best.

The borders are chosen together, by dynamic programming: few passages, of even length, cut at headings rather than
between paragraphs, and only at last in a sentence or a word. A tokenizer takes seconds for a book: tokens are counted
once, in short pieces, and again only where a passage begins or ends inside one.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from assistant.memory.sentences import Span, sentences
from assistant.memory.structure import Structured
from assistant.tasks.sections import Piece, outline, path_of
from models.errors import DoesNotFit

TokenCount = Callable[[str], int]

LEAST_ROOM = 32  # tokens: less is no passage
_PIECE = 600  # characters that are counted at once; a tokenizer of words may need a second for a million of them
_STEPS = 16  # borders to choose from in the room of a passage
_MARGIN = 0.98  # of the room: how exact a sum of pieces is

# What a cut costs, next to 1 + share² for a passage that fills a share of the room.
_HEADING, _LEVEL, _PARAGRAPH, _LINE, _SENTENCE, _BREAK, _WORD, _ANYWHERE = 0.0, 0.05, 0.5, 0.6, 0.8, 1.5, 1.8, 2.5
_SENTENCE_END = re.compile(r"[.!?…][\"'»”’)\]]{0,3}\s+$|[。！？｡][」』”）]{0,3}\s*$")
_LINE_END = re.compile(r"\n\s*")
_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Passage:
    """``source.text[start:end]``, without white space around it.

    Attributes:
        heading: the path to it, as in ``Part I > Chapter 2``; of what has several, as much as they share. May be empty.
        tokens: of the text alone, by the tokenizer that it was cut for; one or two too many at most.
    """

    start: int
    end: int
    heading: str
    tokens: int


class _Border(NamedTuple):
    """A place to cut, the tokens before it, and what it costs to cut there."""

    offset: int
    tokens: float
    cost: float


def passages_of(
    source: Structured, count_tokens: TokenCount, room: int, *, start: int = 0, end: int | None = None
) -> list[Passage]:
    """The passages of ``source.text[start:end]``, in order, disjoint; only white space is in none of them.

    Args:
        count_tokens: of a text, by the model's tokenizer.
        room: tokens of the longest passage.

    Raises:
        DoesNotFit: there is hardly any room.
    """
    if room < LEAST_ROOM:
        said = f"The model's window leaves room for {max(room, 0)} tokens of the text at a time."
        raise DoesNotFit(said, "Use a model with a larger window.")
    text = source.text
    end = len(text) if end is None else min(end, len(text))
    pieces = [piece for piece in outline(source) if piece.block.start < end and piece.block.end > start]
    offsets = [max(piece.block.start, start) for piece in pieces]
    limit = room * _MARGIN
    lengths = _Lengths(text, [start, *offsets, end], count_tokens)
    borders = _thinned(_borders(text, start, end, pieces, lengths, limit / _STEPS), limit / _STEPS)
    chosen = _chosen([*borders, _Border(end, lengths.before(end), 0.0)], limit)
    spans = (span for a, b in pairwise(chosen) for span in _fitting(text, a.offset, b.offset, borders, lengths, room))
    return [
        Passage(a, b, _common(pieces[max(bisect_right(offsets, a) - 1, 0) : bisect_left(offsets, b)]), tokens)
        for a, b, tokens in spans
    ]


def _common(pieces: Sequence[Piece]) -> str:
    """The headings that all the text of these is under; those of the first if they share none."""
    above = [piece.headings for piece in pieces if not piece.block.heading] or [piece.headings for piece in pieces]
    if not above:
        return ""
    shared = 0
    while all(len(each) > shared and each[shared] == above[0][shared] for each in above):
        shared += 1
    return path_of(above[0][:shared] or above[0])


class _Lengths:
    """How many tokens a part of the text has, from counts of short pieces."""

    def __init__(self, text: str, cuts: Sequence[int], count_tokens: TokenCount):
        self._text, self._count_tokens = text, count_tokens
        self._frame = count_tokens("")  # what counting through a chat template adds to every text
        self._offsets, self._tokens = [cuts[0]], [0]
        for start, end in self._spans(text, cuts):
            self._offsets.append(end)
            self._tokens.append(self._tokens[-1] + self._count(start, end))

    @staticmethod
    def _spans(text: str, cuts: Sequence[int]) -> Iterator[Span]:
        """Blocks together, or parts of one."""
        start = cuts[0]
        for before, end in pairwise(cuts):
            if end - start > _PIECE and before > start:
                yield start, before
                start = before
            while end - start > _PIECE:
                space = text.rfind(" ", start + _PIECE // 2, start + _PIECE)
                cut = space if space > 0 else start + _PIECE
                yield start, cut
                start = cut
        if start < cuts[-1]:
            yield start, cuts[-1]

    def _count(self, start: int, end: int) -> int:
        return max(self._count_tokens(self._text[start:end]) - self._frame, 0) if start < end else 0

    def exact(self, start: int, end: int) -> int:
        return self._frame + self._count(start, end)

    def between(self, start: int, end: int) -> int:
        """Tokens of this part; what is not a whole piece is counted."""
        first, last = bisect_left(self._offsets, start), bisect_right(self._offsets, end) - 1
        if first > last:
            return self.exact(start, end)
        rest = self._count(start, self._offsets[first]) + self._count(self._offsets[last], end)
        return self._frame + self._tokens[last] - self._tokens[first] + rest

    def before(self, offset: int) -> float:
        """Tokens up to there, about."""
        place = bisect_right(self._offsets, offset) - 1
        if place + 1 == len(self._offsets):
            return self._tokens[-1]
        start, end = self._offsets[place : place + 2]
        return self._tokens[place] + (self._tokens[place + 1] - self._tokens[place]) * (offset - start) / (end - start)


def _borders(
    text: str, start: int, end: int, pieces: Iterable[Piece], lengths: _Lengths, step: float
) -> Iterator[_Border]:
    """Where the text may be cut, in order, at least every ``step`` tokens."""
    yield _Border(start, 0.0, 0.0)
    before: Piece | None = None
    for piece in pieces:
        block, cost, before = piece.block, _cost_before(text, piece, before), piece
        first, last = max(block.start, start), min(block.end, end)
        if first > start:
            yield _Border(first, lengths.before(first), cost)
        if lengths.before(last) - lengths.before(first) <= step:
            continue
        costs = {match.end(): _BREAK for match in _LINE_END.finditer(text, first, last)}
        costs |= {begin: _cost_inside(text, begin) for begin, _ in sentences(text, first, last, lines=block.lines)}
        for a, b in pairwise([first, *sorted(place for place in costs if place > first), last]):
            if a > first:
                yield _Border(a, lengths.before(a), costs[a])
            for place in _between_words(text, a, b, int((lengths.before(b) - lengths.before(a)) / step)):
                yield _Border(place, lengths.before(place), _cost_inside(text, place))


def _cost_before(text: str, piece: Piece, before: Piece | None) -> float:
    """What it costs to cut in front of a block: never between a heading and what it heads."""
    block, under_heading = piece.block, before is not None and before.block.heading is not None
    if piece.begins:
        return _WORD if under_heading else _HEADING + _LEVEL * len(piece.headings)
    if under_heading or text[block.start].islower():  # a page ends in the middle of a sentence
        return _WORD
    return _LINE if block.lines and "\n" not in text[block.start : block.end] else _PARAGRAPH


def _between_words(text: str, start: int, end: int, number: int) -> Iterator[int]:
    """So many places between two others, at even distances as far as words and letters with their accents allow."""
    width = (end - start) // (number + 1)
    last = start
    for place in range(start + width, end, width) if width and number else ():
        space = text.rfind(" ", max(last, place - width // 2), place)
        if space > last:
            place = space + 1
        else:
            while place > last and _goes_on(text, place):
                place -= 1
        if place > last:
            yield place
            last = place


def _goes_on(text: str, place: int) -> bool:
    """Whether what is here belongs to the character before it."""
    return unicodedata.category(text[place]).startswith("M") or _JOINER in text[place - 1 : place + 1]


def _cost_inside(text: str, place: int) -> float:
    before = text[max(place - 8, 0) : place]
    if "\n" in before[len(before.rstrip()) :]:
        return _LINE
    if _SENTENCE_END.search(before):
        return _SENTENCE
    return _WORD if before[-1:].isspace() else _ANYWHERE


def _thinned(borders: Iterable[_Border], step: float) -> list[_Border]:
    """The best of those that are near to one another; the first stays."""
    kept: list[_Border] = []
    for border in borders:
        if len(kept) > 1 and int(border.tokens / step) == int(kept[-1].tokens / step):
            if border.cost < kept[-1].cost:
                kept[-1] = border
        else:
            kept.append(border)
    return kept


def _chosen(borders: Sequence[_Border], limit: float) -> list[_Border]:
    """The cheapest way from the first border to the last, no passage over ``limit`` tokens if that can be."""
    best, came_from = [0.0], [0]
    earliest = 0
    for place in range(1, len(borders)):
        here = borders[place]
        while earliest < place - 1 and here.tokens - borders[earliest].tokens > limit:
            earliest += 1
        cost, start = min(
            (best[before] + ((here.tokens - borders[before].tokens) / limit) ** 2, before)
            for before in range(earliest, place)
        )
        best.append(cost + 1 + here.cost)
        came_from.append(start)
    path = [len(borders) - 1]
    while path[-1]:
        path.append(came_from[path[-1]])
    return [borders[place] for place in reversed(path)]


def _fitting(
    text: str, start: int, end: int, borders: Sequence[_Border], lengths: _Lengths, room: int
) -> Iterator[tuple[int, int, int]]:
    """What is between two borders, trimmed, with its tokens; in two where it is longer than was estimated."""
    said = text[start:end]
    first, last = start + len(said) - len(said.lstrip()), end - len(said) + len(said.rstrip())
    if first >= last:
        return
    tokens = lengths.between(start, end)
    if tokens + (end - start) // _PIECE + 2 > room:  # cuts may hide some; and empty lines are tokens, too
        tokens = lengths.exact(first, last)
    if tokens <= room or last - first < 2:
        yield first, last, tokens
        return
    middle, reach = (first + last) // 2, (last - first) // 4
    near = [each for each in borders if abs(each.offset - middle) < reach]
    cut = min(near, key=lambda each: (each.cost, abs(each.offset - middle)), default=None)
    for a, b in pairwise((first, cut.offset if cut else middle, last)):
        yield from _fitting(text, a, b, borders, lengths, room)
