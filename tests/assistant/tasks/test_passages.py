"""Passages of long sources: nothing is lost, all of them fit, and they begin where the text does."""

from __future__ import annotations

import random
import re

import pytest

from assistant.tasks.passages import LEAST_ROOM, Passage, passages_of
from assistant.tasks.sections import sections_of
from assistant.tasks.sources import Source, source_of
from models.errors import DoesNotFit

ENGLISH = "The mill on the river was built by Dr. Orlov in 1874. It ground rye for nine villages. Who could stop it? "
RUSSIAN = "Мельницу на реке построил в 1874 г. доктор Орлов. Она молола рожь для девяти сёл. Кто мог её остановить? "


def count(text: str) -> int:
    """Words in pieces of four letters and signs, like the tokens of a model."""
    return len(re.findall(r"\w{1,4}|[^\w\s]", text))


def cut(source: Source | str, room: int = 200, **span: int) -> list[Passage]:
    """The passages, after checking what holds for those of any text."""
    source = source_of(source) if isinstance(source, str) else source
    passages = passages_of(source, count, room, **span)
    place = span.get("start", 0)
    for passage in passages:
        text = source.text[passage.start : passage.end]
        assert text
        assert text == text.strip()
        assert count(text) <= passage.tokens <= min(room, count(text) * 1.05 + 5)
        assert not source.text[place : passage.start].strip()
        place = passage.end
    assert not source.text[place : span.get("end")].strip()
    return passages


def chapter(number: int, paragraphs: int, paragraph: str = ENGLISH) -> str:
    return f"## Chapter {number}\n\n" + f"{paragraph}\n\n" * paragraphs


def test_what_fits_is_one_passage() -> None:
    assert [(p.start, p.end) for p in cut(f"  {ENGLISH}\n")] == [(2, 1 + len(ENGLISH))]
    assert cut("") == cut(" \n\n\t ") == []


@pytest.mark.parametrize("paragraph", [ENGLISH, RUSSIAN])
def test_paragraphs_stay_whole_and_passages_are_even(paragraph: str) -> None:
    source = source_of(f"{paragraph.strip()}\n\n" * 50)
    passages = cut(source)
    for passage in passages:
        assert source.text[passage.start : passage.end].split("\n\n")[-1] == paragraph.strip()
    assert max(p.tokens for p in passages) <= 1.6 * min(p.tokens for p in passages)


def test_a_cut_is_at_a_heading_rather_than_elsewhere_and_never_behind_it() -> None:
    source = source_of("# The book\n\n" + "".join(chapter(number, 2 + number % 4) for number in range(1, 30)))
    passages = cut(source, 400)
    begins = [source.text[p.start : p.start + 3] for p in passages]
    assert begins.count("## ") == len(passages) - 1
    assert not any(re.search(r"#[^\n]*\Z", source.text[p.start : p.end]) for p in passages)
    assert all(p.heading.startswith("The book") for p in passages)
    alone = cut(source_of("# The book\n\n" + chapter(1, 6) + chapter(2, 6)), 400)
    assert [p.heading for p in alone] == ["The book > Chapter 1", "The book > Chapter 2"]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    source = source_of(RUSSIAN * 40)
    for passage in cut(source):
        assert source.text[passage.start : passage.end].endswith(("сёл.", "Орлов.", "?"))


def test_rows_and_lines_stay_whole() -> None:
    text = "\n".join(
        f"2024-05-{day % 30:02} INFO request {day} served in 15 ms by worker-{day % 7}" for day in range(500)
    )
    source = source_of(text)
    assert all(source.text[p.start : p.start + 8] == "2024-05-" for p in cut(source))


@pytest.mark.parametrize("text", ["x" * 100_000, "слово " * 30_000, "🙂" * 20_000, "a\u0301" * 20_000, "，好" * 20_000])
def test_one_endless_line_is_cut_in_even_parts(text: str) -> None:
    source = source_of(text)
    passages = cut(source, 1000)
    assert max(p.tokens for p in passages) < 1.2 * min(p.tokens for p in passages)
    assert not any(source.text[p.start] == "\u0301" for p in passages)


def test_hardly_any_character_is_counted_twice() -> None:
    counted = 0

    def counting(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return count(text)

    text = "".join(chapter(number, 30) for number in range(1, 30))
    for endless in (text, text.replace("\n", " "), "x" * len(text)):
        counted = 0
        passages_of(source_of(endless), counting, 1000)
        assert counted < 1.3 * len(endless)


def test_any_text_of_any_density_is_covered() -> None:
    rng = random.Random(7)
    pieces = [
        ENGLISH,
        RUSSIAN,
        "\n",
        "\n\n",
        "# H\n\n",
        "- item\n",
        "| a | b |\n",
        "x" * 900,
        "```\ncode\n\n",
        "!?" * 300,
        "   ",
    ]
    for _ in range(60):
        cut("".join(rng.choices(pieces, k=rng.randrange(1, 60))), rng.randrange(LEAST_ROOM, 400))


def test_a_part_of_a_source_gives_passages_of_that_part() -> None:
    source = source_of("".join(chapter(number, 12) for number in range(1, 6)))
    for section in sections_of(source):
        passages = cut(source, start=section.start, end=section.end)
        assert {p.heading for p in passages} == {section.heading}


def test_no_room_is_said() -> None:
    with pytest.raises(DoesNotFit, match="room for 5 tokens"):
        passages_of(source_of(ENGLISH), count, 5)


def test_the_book_itself_beside_its_notes_is_no_section() -> None:
    chapters = "".join(f"## {title}\n\n{ENGLISH * 3}\n\n" for title in ("The mill", "The river", "Winter"))
    found = sections_of(source_of(f"# The book\n\n{chapters}# Notes\n\nSee above.\n"))
    titles = ["The book > The mill", "The book > The river", "The book > Winter", "Notes"]
    assert [section.heading for section in found] == titles


def test_sections_are_those_of_the_outermost_level_that_has_several() -> None:
    text = "# The book\n\nA word before.\n\n" + chapter(1, 2) + "### Detail\n\nMore.\n\n" + chapter(2, 2)
    found = sections_of(source_of(text))
    assert [section.heading for section in found] == ["The book", "The book > Chapter 1", "The book > Chapter 2"]
    assert text[found[1].start :].startswith("## Chapter 1")
    assert text[: found[1].end].endswith("More.")
    assert [section.heading for section in sections_of(source_of(ENGLISH))] == [""]
    assert sections_of(source_of(" ")) == []
