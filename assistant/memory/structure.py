"""How a text is built: its paragraphs, headings, listings and rows, or the definitions of source code.

Offsets count characters of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from assistant.memory.sentences import Span

LONGEST_HEADING = 100  # characters

_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
_CLOSING = re.compile(r"(?:^|(?<=[ \t]))#+[ \t]*$")
_RULE = re.compile(r" {0,3}(?:={3,}|-{3,}|~{3,}) *")
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*`]+|\s*\{#[^}]*\}")
_ITEM = re.compile(r"\s*(?:[-*+•]\s|\d{1,3}[.)]\s|\|)")
_DEFINITION = re.compile(
    r"(?:[\w:<>\[\]*&,]+\s+){0,4}?"
    r"(?:class|def|func|function|fn|struct|interface|impl|trait|enum|type|module|namespace|sub|procedure)\s+\S"
)


class Structured(Protocol):
    """What has a structure: a document, or what was read from elsewhere; see
    :class:`~assistant.memory.documents.Document`."""

    @property
    def text(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def pages(self) -> tuple[int, ...]: ...
    @property
    def is_markdown(self) -> bool: ...


class Heading(NamedTuple):
    """``level`` 1 is the outermost; ``title`` is without markup."""

    level: int
    title: str


class Block(NamedTuple):
    """A paragraph, a row, a listing, or a heading: what is cut only if it is too long."""

    start: int
    end: int
    lines: bool  # whether every line stands for itself
    heading: Heading | None = None


def paragraphs(document: Structured) -> Iterator[Block]:
    """Paragraphs, listings, rows and headings of anything but code; parted by blank lines and pages."""
    text, pages, markdown = document.text, frozenset(document.pages), document.is_markdown
    rows = document.kind in ("csv", "xlsx")
    start, end, fence = -1, 0, ""  # start < 0: between two paragraphs
    for begin, stop in lines(text):
        line = text[begin:stop]
        if fence:
            end = stop
            if line.strip().startswith(fence) and not line.strip(" `~"):
                yield Block(start, end, True)
                start, fence = -1, ""
            continue
        opening, heading = (_FENCE.match(line), _HEADING.match(line)) if markdown else (None, None)
        if rows and not heading:
            if line.strip():
                yield Block(begin, stop, True)
            continue
        rule = _RULE.fullmatch(line)
        if rule and start >= 0 and text.find("\n", start, end) < 0 and not _ITEM.match(text, start):
            yield Block(start, stop, False, Heading(1 if "=" in line else 2, title_of(text[start:end])))
            start = -1
            continue
        if start >= 0 and (opening or heading or begin in pages or not line.strip()):
            yield Block(start, end, False)
            start = -1
        if heading:
            yield Block(begin, stop, False, Heading(len(heading[1]), title_of(heading[2])))
        elif opening:
            start, end, fence = begin, stop, opening[1]
        elif line.strip() and not (rule and start < 0):
            start, end = (begin if start < 0 else start), begin + len(line.rstrip())
    if start >= 0:
        yield Block(start, end, bool(fence))


def definitions(text: str) -> Iterator[tuple[str, list[Block]]]:
    """Source code at its blank lines: what begins at the margin after one, with the line that defines it, or ``""``."""
    title, blocks = "", list[Block]()
    start, last, blank = 0, 0, True
    for begin, end in lines(text):
        line = text[begin:end]
        if not line.strip():
            blank = True
            continue
        if blank:
            if last > start:
                blocks.append(Block(start, last, True))
            if not line[0].isspace() and line[0] not in "})]" and blocks:
                yield title, blocks
                title, blocks = "", []
            start, blank = begin, False
        if not title and _DEFINITION.match(line[: 2 * LONGEST_HEADING]):
            title = line.strip().rstrip("{: ")[:LONGEST_HEADING]
        last = begin + len(line.rstrip())
    if last > start:
        blocks.append(Block(start, last, True))
        yield title, blocks


def lines(text: str) -> Iterator[Span]:
    """Where each line begins and ends, its line end left out."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, end
        start = end + 1


def title_of(heading: str) -> str:
    """A heading on one line, without markup, not longer than :data:`LONGEST_HEADING`."""
    title = _MARKUP.sub(r"\1", _CLOSING.sub("", heading[: 4 * LONGEST_HEADING])).strip()
    return title[:LONGEST_HEADING]
