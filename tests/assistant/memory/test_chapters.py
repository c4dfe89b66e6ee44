"""Chapters of plain text are known by their words, and by text that stands under them."""

from __future__ import annotations

import pytest

from assistant.tasks.sections import sections_of
from assistant.tasks.sources import source_of

TEXT = "The mill on the river stood still that winter, and nobody in the village knew why it did so."
ТЕКСТ = "Мельница на реке стояла всю зиму, и никто в деревне не знал, отчего она остановилась."


def headings(text: str) -> list[str]:
    """Of the sections, after checking that they hold all of the text."""
    source = source_of(text)
    sections = sections_of(source)
    place = 0
    for section in sections:
        assert not source.text[place : section.start].strip()
        place = section.end
    assert not source.text[place:].strip()
    return [section.heading for section in sections]


def book(*titles: str, text: str = TEXT, between: str = "\n\n") -> str:
    return "\n\n".join(f"{title}{between}{text}\n\n{text}" for title in titles)


@pytest.mark.parametrize(
    "titles",
    [
        ("Chapter 1", "Chapter 2", "Chapter 12"),
        ("CHAPTER I.", "CHAPTER II.", "CHAPTER XIV."),
        ("Chapter One", "Chapter Two", "Chapter Twenty-One"),
        ("Chapter 1: The mill", "Chapter 2: The river", "Chapter 3: Who was it?"),
        ("Chapter 1. The Mill", "Chapter 2 — The River"),
        ("ГЛАВА ПЕРВАЯ", "ГЛАВА ВТОРАЯ", "ГЛАВА ДВАДЦАТЬ ТРЕТЬЯ"),
        ("Глава 1", "Глава 2. Мельница", "Глава III"),
        ("Часть первая", "Часть вторая"),
        ("Первая часть", "Вторая часть"),
        ("Part the First", "Part the Second"),
        ("Prologue", "Chapter 1", "Epilogue"),
        ("Введение", "Глава 1", "Заключение"),
        ("Letter 1", "Letter 2"),
        ("§ 1. Общие положения", "§ 2. Права сторон"),
        ("I", "II", "III", "IV"),
        ("I.", "II.", "III."),
        ("1", "2", "3"),
        ("1. Introduction", "2. The method", "3. Results"),
        ("1 Введение", "2 Метод", "3 Итоги"),
        (
            "CHAPTER XII. IN WHICH PHILIP AND ALL OF HIS COMPANIONS VENTURE\nACROSS THE FORESTS, AND WHAT",
            "CHAPTER XIII. HOME",
        ),
    ],
)
def test_headings_of_books_and_papers(titles: tuple[str, ...]) -> None:
    assert headings(book(*titles)) == [" ".join(title.split())[:100] for title in titles]
    assert headings(book(*titles, text=ТЕКСТ)) == [" ".join(title.split())[:100] for title in titles]


def test_a_heading_needs_no_empty_line_after_it() -> None:
    assert headings(book("Chapter 1", "Chapter 2", between="\n")) == ["Chapter 1", "Chapter 2"]
    assert headings(book("Глава 1. Мельница", "Глава 2. Река", between="\n")) == ["Глава 1. Мельница", "Глава 2. Река"]


def test_the_title_below_a_number_belongs_to_it() -> None:
    assert headings(book("CHAPTER I.\n\nThe Old Mill", "CHAPTER II.\n\nWho Was It?")) == [
        "CHAPTER I. The Old Mill",
        "CHAPTER II. Who Was It?",
    ]


def test_what_stands_before_the_first_chapter_is_a_section_without_heading() -> None:
    assert headings(f"THE MILL\n\nby A. Smith\n\n{book('Chapter 1', 'Chapter 2')}") == ["", "Chapter 1", "Chapter 2"]


def test_parts_hold_chapters() -> None:
    text = book("PART ONE\n\nChapter 1", "Chapter 2", "PART TWO\n\nChapter 1", "Chapter 2")
    assert headings(text) == [f"PART {part} > Chapter {number}" for part in ("ONE", "TWO") for number in (1, 2)]
    assert headings(text.replace("Chapter", "Scene")) == ["PART ONE", "PART TWO"]
    one = book("Part I\n\nChapter 1", "Chapter 2", "Chapter 3")
    assert headings(one) == ["Part I > Chapter 1", "Part I > Chapter 2", "Part I > Chapter 3"]


@pytest.mark.parametrize("line", ["\n", "\n\n"])
def test_a_table_of_contents_is_none(line: str) -> None:
    titles = ["Chapter 1. The Mill", "Chapter 2. The River", "Chapter 3. The Winter"]
    assert headings(f"Contents{line}{line.join(titles)}\n\n{book(*titles)}")[-3:] == titles
    assert len(headings(f"Contents{line}{line.join(titles)}\n\n{book(*titles)}")) == 4


@pytest.mark.parametrize(
    "text",
    [
        f"{TEXT}\n\nChapter 3 tells of the mill, and chapter 4 of the river.\n\n{TEXT}",
        f"{TEXT}\n\nSection 5 applies.\n\n{TEXT}\n\nPart of it was lost.\n\nBook a table.\n\n{TEXT}",
        f"{TEXT}\n\nГлава семьи встал.\n\n{TEXT}\n\nЧасть людей ушла.\n\n{ТЕКСТ}",
        f"Shopping:\n\n1. Milk\n\n2. Eggs\n\n3. Bread\n\n{TEXT}",
        f"{TEXT}\n\n1874\n\n{TEXT}\n\n17\n\n{TEXT}\n\nI\n\n{TEXT}",
        f"{TEXT[:-30]}\n\n1\n\n{TEXT[:-20]}\n\n2\n\n{TEXT[:-30]}\n\n3\n\n{TEXT}",
        f"Introduction\n\n{TEXT}",
        "1\n\n2\n\n3\n\n4",
        "Chapter 1",
    ],
)
def test_what_only_looks_like_headings(text: str) -> None:
    assert len(headings(text)) == 1


def test_numbers_of_pages_are_no_chapters() -> None:
    source = source_of("\n\n".join(f"{number}\n\n{TEXT}\n\n{TEXT}" for number in range(1, 6)))
    assert len(sections_of(source)) == 5
    assert len(sections_of(source.__class__(**vars(source) | {"pages": (0, 200)}))) == 1
