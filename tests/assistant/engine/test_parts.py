"""Texts in parts that fit."""

from __future__ import annotations

import pytest

from assistant.engine.parts import parts_of


def words(text: str) -> int:
    return len(text.split())


def test_short_texts_are_joined_and_long_ones_cut_at_paragraphs() -> None:
    paragraphs = [f"Paragraph {n} " + "word " * 18 for n in range(6)]
    assert parts_of(["a b", "c d", "e f"], words, 4) == ["a b\n\nc d", "e f"]
    parts = parts_of(["\n\n".join(paragraphs)], words, 45)
    assert all(words(part) <= 45 for part in parts)
    assert all(part.startswith("Paragraph") for part in parts)
    assert " ".join(" ".join(parts).split()) == " ".join(" ".join(paragraphs).split())


@pytest.mark.parametrize("border", [". ", " ", "\n"])
def test_without_paragraphs_it_is_cut_between_sentences_lines_or_words(border: str) -> None:
    text = border.join(f"w{n}" for n in range(100))
    parts = parts_of([text], lambda part: len(part), 60)
    assert all(len(part) <= 60 for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part.startswith("w") for part in parts)


def test_a_text_without_any_border_is_cut_anyway() -> None:
    assert [len(part) for part in parts_of(["x" * 1000], len, 300)] == [250] * 4
    assert parts_of([], len, 300) == []
    assert parts_of([""], len, 300) == [""]
