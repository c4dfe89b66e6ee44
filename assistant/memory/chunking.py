"""Documents in chunks of 300 to 800 tokens that follow their structure, and the spans of sentences in each.

A chunk is what is stored, shown and cited; a span is what gets a vector, since one vector of a long mixed text says
little of each of its parts. Every offset counts characters of :attr:`Document.text`.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING

from assistant.memory.sentences import LONGEST as LONGEST_SPAN
from assistant.memory.sentences import Span, sentences, words_in
from assistant.memory.structure import Block, Heading, definitions, paragraphs

if TYPE_CHECKING:
    from assistant.memory.documents import Document

SHORTEST, LONGEST = 300, 800  # tokens of a chunk; only what has nothing to be joined with is shorter
SHORTEST_SPAN = 8  # words
CHARACTERS_A_TOKEN = 12  # at most: an embedder may see one unknown token in a page of emoji


TokenCount = Callable[[str], int]


@dataclass(frozen=True)
class Chunk:
    """``text`` is ``document.text[start:end]``; ``heading`` is the path to it, as in ``Guide > Install``.

    ``tokens`` are the embedder's. ``sentences`` are spans within ``text`` of one to a few sentences, in order, at most
    about 100 words each: each is to get a vector.
    """

    text: str
    start: int
    end: int
    tokens: int
    heading: str
    sentences: tuple[Span, ...]

    @cached_property
    def key(self) -> str:
        """See :func:`key_of`."""
        return key_of(self.text)


@dataclass(slots=True)
class _Section:
    """Blocks that belong together, with the headings above them, the outermost first, on one page."""

    path: tuple[str, ...] = ()
    blocks: list[Block] = field(default_factory=list)
    tokens: int = 0
    page: int = 0  # where it begins; 0: the format has none

    def takes(self, other: _Section) -> bool:
        """Whether both are one chunk at most; what is between them counts, too, be it only white space.

        A chunk is of one page, so that a citation names the right one.
        """
        if self.page != other.page:
            return False
        length = other.blocks[-1].end - self.blocks[0].start
        return self.tokens + other.tokens <= LONGEST and length <= LONGEST * CHARACTERS_A_TOKEN

    def joined(self, other: _Section) -> _Section:
        common = [a for a, b in takewhile(lambda pair: pair[0] == pair[1], zip(self.path, other.path, strict=False))]
        return _Section(tuple(common) or self.path, self.blocks + other.blocks, self.tokens + other.tokens, self.page)


def chunk(document: Document, count_tokens: TokenCount) -> list[Chunk]:
    """The chunks of a document, in order; none if it has no text. ``count_tokens`` is the embedder's.

    Sections that fit are kept whole, small neighbours joined, long ones cut in even parts between paragraphs, else
    between sentences. Rows of a table stay whole.
    """
    text = document.text
    parts = (part for section in _sections(document) for part in _cut(section, text, count_tokens))
    return [_chunk(section, text, count_tokens) for section in _join(parts)]


def key_of(text: str) -> str:
    """A digest of what a text says: equal for texts that differ only in case, spacing and rules of ---- or ====.

    Signs and digits count: 3.5 is not 35, and ``a + b`` not ``a - b``.
    """
    text = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    text = re.sub(r"([^\w\s])\1{3,}", r"\1", text)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _chunk(section: _Section, text: str, count_tokens: TokenCount) -> Chunk:
    start, end = section.blocks[0].start, section.blocks[-1].end
    said = text[start:end]
    found = (
        (*span, block.heading is not None)
        for block in section.blocks
        for span in sentences(text, block.start, block.end, lines=block.lines)
    )
    spans = tuple((first - start, last - start) for first, last in _join_spans(text, found))
    return Chunk(said, start, end, count_tokens(said), " > ".join(section.path), spans)


def _join_spans(text: str, found: Iterable[tuple[int, int, bool]]) -> list[Span]:
    """Sentences, the short ones together with the next, the last with the one before; none with a heading after it."""
    spans: list[tuple[int, int, int, bool]] = []  # with the number of words, and whether a heading begins it
    for start, end, heading in found:
        words = words_in(text[start:end])
        short = bool(spans) and spans[-1][2] < SHORTEST_SPAN and spans[-1][2] + words <= LONGEST_SPAN
        under_a_heading = short and spans[-1][3] and "\n" not in text[spans[-1][0] : spans[-1][1]]
        if short and (not heading or under_a_heading):
            spans[-1] = (spans[-1][0], end, spans[-1][2] + words, spans[-1][3])
        else:
            spans.append((start, end, words, heading))
    if len(spans) > 1:
        (start, _, before, began), (_, end, words, heading) = spans[-2:]
        if not heading and words < SHORTEST_SPAN and words + before <= LONGEST_SPAN:
            spans[-2:] = [(start, end, words + before, began)]
    return [(start, end) for start, end, *_ in spans]


def _cut(section: _Section, text: str, count_tokens: TokenCount) -> Iterator[_Section]:
    """The section, in even parts if it is longer than a chunk."""
    units: list[tuple[Block, int]] = []
    for block in section.blocks:
        if (tokens := _size(text[block.start : block.end], count_tokens)) <= LONGEST:
            units.append((block, tokens))
            continue
        for start, end in sentences(text, block.start, block.end, lines=block.lines):
            units.append((Block(start, end, block.lines, block.heading), _size(text[start:end], count_tokens)))
    total = sum(tokens for _, tokens in units)
    even = total if total <= LONGEST else total / math.ceil(total / ((SHORTEST + LONGEST) / 2))
    part: _Section | None = None
    for block, tokens in units:
        unit = _Section(section.path, [block], tokens, section.page)
        if part and part.takes(unit) and part.tokens + tokens / 2 <= even:
            part.blocks.append(block)
            part.tokens += tokens
            continue
        if part:
            yield part
        part = unit
    if part:
        yield part


def _size(text: str, count_tokens: TokenCount) -> int:
    """In tokens; what is too long in characters is not counted."""
    size = len(text) // CHARACTERS_A_TOKEN
    return size if size > LONGEST else max(size, count_tokens(text))


def _join(parts: Iterable[_Section]) -> list[_Section]:
    """Small parts with the next, or with the one before."""
    joined: list[_Section] = []
    for part in parts:
        if joined and joined[-1].tokens < SHORTEST and joined[-1].takes(part):
            joined[-1] = joined[-1].joined(part)
        else:
            _join_last(joined)
            joined.append(part)
    _join_last(joined)
    return joined


def _join_last(joined: list[_Section]) -> None:
    if len(joined) > 1 and joined[-1].tokens < SHORTEST and joined[-2].takes(joined[-1]):
        joined[-2:] = [joined[-2].joined(joined[-1])]


def _sections(document: Document) -> Iterator[_Section]:
    if document.kind != "code":
        return _headed(document)
    return (_Section((title,) if title else (), blocks) for title, blocks in definitions(document.text))


def _headed(document: Document) -> Iterator[_Section]:
    """Prose and tables at their headings and pages."""
    pages = iter((*document.pages, len(document.text) + 1))
    following = next(pages)
    headings: list[Heading] = []
    section, has_text, page = _Section(), False, 0
    for block in paragraphs(document):
        heading = block.heading
        turned = block.start >= following
        while block.start >= following:
            following, page = next(pages), page + 1
        if heading:
            while headings and headings[-1].level >= heading.level:
                headings.pop()
            headings.append(heading)
        path = tuple(each.title for each in headings)
        # A heading right under another one goes on with its section: alone it would say nothing.
        if section.blocks and (turned or (heading and (has_text or path[: len(section.path)] != section.path))):
            yield section
            section, has_text = _Section(), False
        section.path, section.page = path, page
        section.blocks.append(block)
        has_text = has_text or not heading
    if section.blocks:
        yield section
