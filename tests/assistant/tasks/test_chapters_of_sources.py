"""A text chapter by chapter."""

from __future__ import annotations

from dataclasses import replace

from assistant.tasks.chapters import by_chapter, chapters_of
from assistant.tasks.faithfulness import Point
from assistant.tasks.sources import Unread, source_of

BOOK = (
    "# The Mill\n\nFor Ann.\n\n## Chapter 1\n\nAnna came in 1911.\n\n## Chapter 2\n\nThe miller sold her the orchard.\n"
)


def test_chapters_are_sources_that_cover_the_whole() -> None:
    book = source_of(BOOK, "book.md")
    chapters = chapters_of(book)
    assert [each.name for each in chapters] == [
        "book.md: The Mill",
        "book.md: The Mill > Chapter 1",
        "book.md: The Mill > Chapter 2",
    ]
    assert "".join("".join(each.text.split()) for each in chapters) == "".join(BOOK.split())
    assert all(BOOK[each.start :].startswith(each.text) for each in chapters)
    assert len({each.digest for each in chapters}) == 3


def test_places_are_those_of_the_whole() -> None:
    last = chapters_of(source_of(BOOK))[-1]
    start = last.text.index("The miller")
    (point,) = last.in_whole([Point("She has it.", ((start, start + 10),), ())])
    assert [BOOK[a:b] for a, b in point.spans] == ["The miller"]


def test_a_text_without_headings_is_one_and_what_is_not_read_stays() -> None:
    plain, missing = source_of("Ten lines about nothing."), Unread("a.bin", "is binary")
    assert [each.name for each in by_chapter([plain, missing])] == ["text", "a.bin"]
    assert chapters_of(replace(plain, text="")) == []
