"""One template over one text, a long one in parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from answering_engine import AnsweringEngine

from assistant.engine.engine import GenerateOptions
from assistant.tasks.answering import Answer, answering
from assistant.templates.library import Library
from assistant.templates.template import fill


def answer(engine: AnsweringEngine, name: str, text: str, **values: Any) -> Answer:
    going = answering(engine, fill(Library().get(name), values), text, GenerateOptions(temperature=0), lambda: None)
    while True:
        try:
            next(going)
        except StopIteration as end:
            found: Answer = end.value
            return found


def paragraphs(*marked: str) -> str:
    """A paragraph of 1,000 words after each of these sentences: more than one part has room for two of them."""
    return "\n\n".join(f"{sentence} " + "and so it goes " * 250 for sentence in marked)


def test_a_form_of_a_long_text_has_what_any_part_says() -> None:
    said = {
        "Ann": {"name": "Ann", "age": 0, "pets": ["cat"]},
        "seventy": {"name": "", "age": 70, "pets": ["dog", "cat"]},
    }

    def say(question: str) -> str:
        text = question.partition("</text>")[0]
        return json.dumps(
            next((form for word, form in said.items() if word in text), {"name": "", "age": 0, "pets": []})
        )

    engine = AnsweringEngine(say)
    text = paragraphs("Nobody.", "Her name was Ann.", "She was seventy.")
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "pets": {"type": "array", "items": {"type": "string"}},
        },
    }
    found = answer(engine, "extract", text, schema=schema)
    assert len(engine.asked) == 3
    assert found.output == {"name": "Ann", "age": 70, "pets": ["cat", "dog"]}
    assert found.problem is None


def test_a_form_that_breaks_off_is_told_of() -> None:
    found = answer(AnsweringEngine(lambda _: '{"name": "An'), "extract", paragraphs("One.", "Two."), schema="name")
    assert found.output == '{"name": "An'
    assert found.problem


def test_the_parts_of_a_long_text_vote_on_its_label() -> None:
    def weigh(question: str) -> dict[str, float]:
        return {"good": 0.6, "bad": 0.4} if "fine" in question else {"good": 0.1, "bad": 0.9}

    text = paragraphs("It was fine.", "It was fine.", "It broke.")
    found = answer(AnsweringEngine(weigh=weigh), "classify", text, labels=["good", "bad"])
    assert found.output == "bad"  # less parts, but surer
    assert found.probability == pytest.approx(0.567, abs=0.01)
    assert sum((found.probabilities or {}).values()) == pytest.approx(1)


def test_a_translation_of_a_long_text_has_all_of_it() -> None:
    def say(question: str) -> str:
        return question.partition("<text>\n")[2].partition("\n</text>")[0].upper()

    text = "\n\n".join(f"Paragraph {number}. " + "some words " * 60 for number in range(12))
    found = answer(AnsweringEngine(say), "translate", text, to="German")
    assert found.output.split() == text.upper().split()
    assert not found.unsupported


def test_an_empty_answer_is_a_problem() -> None:
    assert answer(AnsweringEngine(lambda _: ""), "rewrite", "Hello there.").problem == "the model wrote nothing"


def test_what_is_not_in_the_text_is_told_of() -> None:
    found = answer(AnsweringEngine(lambda _: "We meet Bob at 17:45."), "rewrite", "We meet Ann at 16:45.")
    assert found.unsupported
    assert found.to_json()["unsupported"] == list(found.unsupported)
