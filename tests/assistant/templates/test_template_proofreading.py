"""Corrections with their places, from a text and its corrected copy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assistant.engine.calls import Computed
from assistant.engine.engine import Event, Result
from assistant.templates.library import Library
from assistant.templates.proofreading import apply, corrections, is_correction, parts_of, reply, unknown_words
from assistant.templates.template import fill
from assistant.templates.tools import ToolCall


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


def test_corrections_make_the_corrected_text_again() -> None:
    before, after = "Я не знаю что делать , и по этому\nмолчу.", "Я не знаю, что делать, и поэтому\nмолчу."
    made = apply(before, corrections(before, after))
    assert made.replace(" ,", ",") == after  # what is only spaced otherwise is no correction


def test_words_that_no_dictionary_has_are_named_unless_they_are_corrected() -> None:
    text = "Вчера я хадил в магазин за\nмалако в Кузькино, купил елку и blabla."
    found = corrections(text, text.replace("хадил", "ходил"))
    assert [(one.line, one.column, one.wrong) for one in unknown_words(text, found)] == [(2, 1, "малако")]


def test_the_dictionary_overrules_the_model() -> None:
    """A copy that spells a right word wrongly is not taken; what the copy left wrong is named."""
    template = Library().get("proofread")

    class Copying:
        def generate(self, messages: object, options: object) -> Iterator[Event]:
            yield Result("Мы ходили в музей и пили малако в кафэ.", "", "stop", 10, 10)

    call = ToolCall(
        engine=Copying(), text="Мы хадили в музей и пили малако в кафе.", language="ru", filled=fill(template, {})
    )  # type: ignore[arg-type]
    *_, end = reply(call)
    assert isinstance(end, Computed)
    assert end.data["text"] == "Мы ходили в музей и пили малако в кафе."
    assert [one["wrong"] for one in end.data["corrections"]] == ["хадили"]
    assert [one["wrong"] for one in end.data["unknown_words"]] == ["малако"]
    assert "«малако» нет в словаре" in end.text
