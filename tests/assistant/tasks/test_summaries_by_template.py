"""A summary as a template asks for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from answering_engine import AnsweringEngine

from assistant.engine.engine import GenerateOptions
from assistant.tasks.sources import source_of
from assistant.tasks.summarizing import Summary
from assistant.tasks.templated import summarize_by
from assistant.templates.library import Library
from assistant.templates.template import fill
from models.errors import Unanswered

LINES = [
    f"In {1500 + number} the mayor of town {number} sold a mill for {number * 7 + 11} coins." for number in range(200)
]


def summary_of(engine: AnsweringEngine) -> Summary:
    filled = fill(Library().get("summarize"), {})
    going = summarize_by(engine, filled, source_of("\n\n".join(LINES)), model="m", options=GenerateOptions())
    while True:
        try:
            next(going)
        except StopIteration as end:
            found: Summary = end.value
            return found


def saying(text: str) -> Callable[[str], str]:
    return lambda message: text


def test_all_parts_are_read_and_what_the_text_does_not_bear_is_told_of() -> None:
    engine = AnsweringEngine(saying(f"{LINES[7]} In 1503 it sold nine mills for 999 coins."), window=1024)
    found = summary_of(engine)
    assert found.coverage == 1.0
    assert all(line in " ".join(engine.asked) for line in LINES)
    assert "\n\n".join(LINES)[slice(*found.points[0].spans[0])] == LINES[7]
    assert "999" in found.unsupported


def test_a_model_that_writes_nothing_has_failed() -> None:
    with pytest.raises(Unanswered, match="wrote nothing"):
        summary_of(AnsweringEngine(saying(" \n"), window=1024))
