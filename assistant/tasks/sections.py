"""What a text consists of: its blocks with the headings above them, and its chapters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from assistant.memory.chapters import is_chapter, with_chapters
from assistant.memory.structure import Block, Heading, Structured, definitions, paragraphs

_NEARLY_ALL = 0.8  # of a text


class Piece(NamedTuple):
    """A block, the headings above it (its own among them), and whether something begins with it."""

    block: Block
    headings: tuple[Block, ...]
    begins: bool


class Section(NamedTuple):
    """A part of a text from its heading to the next; ``heading`` is the path to it."""

    heading: str
    start: int
    end: int


def outline(source: Structured) -> Iterator[Piece]:
    """The blocks of a text, in order; those of source code are under the lines that define something."""
    if source.kind == "code":
        for title, blocks in definitions(source.text):
            above = (blocks[0]._replace(heading=Heading(1, title)),) if title else ()
            yield from (Piece(block, above, block is blocks[0]) for block in blocks)
        return
    path: tuple[Block, ...] = ()
    for block in _blocks(source):
        if block.heading:
            level = block.heading.level
            path = (*(each for each in path if each.heading and each.heading.level < level), block)
        yield Piece(block, path, block.heading is not None)


def sections_of(source: Structured) -> list[Section]:
    """The chapters of a book, the sections of a paper, and what stands before the first of them; all in one of a text
    without headings."""
    pieces = list(outline(source))
    depth = _depth_of_sections(pieces)
    found: list[tuple[tuple[Block, ...], int, int]] = []
    has_text = True
    for piece in pieces:
        above, start = piece.headings[:depth], piece.block.start
        if found and (above == found[-1][0] or not has_text):  # what is only a heading goes on with the next
            start = found.pop()[1]
        else:
            has_text = False
        found.append((above, start, piece.block.end))
        has_text = has_text or piece.block.heading is None
    return [Section(path_of(above), start, end) for above, start, end in found]


def path_of(headings: Iterable[Block]) -> str:
    """As in ``Part I > Chapter 2``."""
    return " > ".join(map(_title, headings))


def _depth_of_sections(pieces: Sequence[Piece]) -> int:
    """How many headings deep chapters are that call themselves that, else the outermost sections that part the text:
    one of them with nearly all of it, as the book itself beside its notes, parts nothing."""
    chapters = Counter(
        len(piece.headings) for piece in pieces if piece.block.heading and is_chapter(_title(piece.block))
    )
    if chapters and max(chapters.values()) > 1:
        return chapters.most_common(1)[0][0]
    for depth in range(1, max((len(piece.headings) for piece in pieces), default=0) + 1):
        sizes: Counter[tuple[Block, ...]] = Counter()
        for piece in pieces:
            sizes[piece.headings[:depth]] += piece.block.end - piece.block.start
        if len(sizes) > 1 and max(sizes.values()) < _NEARLY_ALL * sizes.total():
            return depth
    return max((len(piece.headings) for piece in pieces), default=0)


def _blocks(source: Structured) -> list[Block]:
    blocks = list(paragraphs(source))
    if source.kind in ("csv", "xlsx") or sum(block.heading is not None for block in blocks) > 1:
        return blocks
    return with_chapters(source.text, blocks, pages=bool(source.pages))


def _title(block: Block) -> str:
    return block.heading.title if block.heading else ""
