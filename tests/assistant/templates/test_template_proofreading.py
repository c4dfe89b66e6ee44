"""Corrections with their places, from a text and its corrected copy."""

from __future__ import annotations

import pytest

from assistant.templates.proofreading import corrections, is_correction, parts_of


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("I recieved it.", "I received it.", [(1, 3, "recieved", "received")]),
        ("Я не знаю что делать.", "Я не знаю, что делать.", [(1, 6, "знаю", "знаю,")]),
        ("и по этому\nшли долга", "и поэтому\nшли долго", [(1, 3, "по этому", "поэтому"), (2, 5, "долга", "долго")]),
        ("he he is here", "he is here", [(1, 1, "he", "")]),
        ("from 9 a.m. on", "from 9 a. m. on", []),  # only spaced otherwise
        ("All is well.", "All is well.", []),
        ("", "", []),
    ],
)
def test_places(before: str, after: str, expected: list[tuple[int, int, str, str]]) -> None:
    found = corrections(before, after)
    assert [(one.line, one.column, one.wrong, one.right) for one in found] == expected
    for one in found:
        assert before[one.start : one.end].startswith(one.wrong)


def test_an_answer_is_no_correction() -> None:
    assert is_correction("how are you to day", "How are you today?")
    assert not is_correction("how are you to day", "I am fine, thanks for asking!")
    assert not is_correction("как тебя завут", "Меня зовут Алиса, приятно познакомиться")
    assert not is_correction("text", "")


@pytest.mark.parametrize("text", ["", "\n\n", "Один. Два! Три\n\nчетыре " * 60, "x" * 2000, "a\nb\n", "No end"])
def test_parts_are_the_text(text: str) -> None:
    parts = parts_of(text)
    assert "".join(parts) == text
    assert all(len(part) <= 600 for part in parts) or "x" in text
