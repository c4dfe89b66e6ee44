"""A template's own tests: what an answer is held against, in which order they run, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from assistant.engine.calls import Choice, Computed
from assistant.engine.engine import Event, GenerateOptions, LoadOptions, Result
from assistant.engine.local import LocalEngine
from assistant.templates import testing
from assistant.templates.template import Expect, fill, parse
from models.paths import data_dir

PLAIN = "name: plain\nsystem: Answer.\n"
FORM = "name: form\nsystem: Answer.\nschema: name, age int\n"
COLOURS = """
name: colours
system: {en: Name the colour., ru: Назови цвет.}
choices: [blue, green]
tests:
  - input: Of grass?
    expect: {one_of: [blue, green], valid: true}
  - input: Какого цвета трава?
    expect: {choice: purple}
  - input: Of the sky?
    expect: {matches: "^(blue|green)$"}
"""


def failures(expect: dict[str, object], text: str, template: str = PLAIN, result: Result | None = None) -> list[str]:
    filled = fill(parse(template, Path("t.yaml")), {})
    result = result or Result(text, "", "stop", 1, 1)
    return [failure.expected for failure in testing.failures_of(Expect.model_validate(expect), filled, result)]


@pytest.mark.parametrize(
    ("expect", "good", "bad"),
    [
        ({"equals": "Yes."}, " Yes.\n", "yes."),
        ({"one_of": ["A", "B"]}, "B", "C"),
        ({"contains": ["Ёлка", "two words"]}, "Two  words: елка", "ёлка"),
        ({"contains_any": ["sun", "moon"]}, "the Moon", "a star"),
        ({"not_contains": ["secret"]}, "nothing", "the SECRET"),
        ({"matches": r"^\d+$"}, "12", "12 eggs"),
        ({"language": "ru"}, "Всё хорошо", "All is well"),
        ({"max_words": 2}, "two words", "three words here"),
        ({"min_words": 3}, "three words here", "two words"),
        ({"between": [2, 3]}, "2.5", "3.5"),
        ({"between": [2, 3]}, "3", "many"),
        ({"valid": True}, "text", " "),
        ({"json": {"a.1.b": "Ёж"}}, '{"a": [0, {"b": "еж"}]}', '{"a": [0, {"b": "кот"}]}'),
        ({"json": {"a": {"approx": 100, "within": 0.1}}}, '{"a": 109}', '{"a": 111}'),
        ({"json": {"a": {"approx": -100, "within": 0.1}}}, '{"a": -95}', '{"a": true}'),
        ({"json": {"a": True}}, '{"a": true}', '{"a": 1}'),
        ({"json": {"a": None}}, '{"a": null}', "{}"),
        ({"json": {"a": []}}, '{"a": []}', '{"a": [1]}'),
        ({"json": {"a.5": 1}}, '{"a": [0, 0, 0, 0, 0, 1]}', "no JSON"),
    ],
)
def test_what_is_expected(expect: dict[str, object], good: str, bad: str) -> None:
    assert failures(expect, good) == []
    assert len(failures(expect, bad)) == 1


def test_the_form_of_an_answer() -> None:
    whole, broken = '{"name":"Ann","age":3}', '{"name":"Ann"}'
    assert failures({"valid": True}, whole, FORM) == []
    assert failures({"valid": True}, broken, FORM) == ["an answer of the form that the template asks for"]
    assert failures({"valid": False}, broken, FORM) == []
    assert failures({"valid": False}, whole, FORM) == ["an answer of another form than the template asks for"]


def test_answers_that_the_program_worked_out() -> None:
    computed = Computed("shown", "", "stop", 1, 1, data={"totals": {"kcal": 90}})
    assert failures({"json": {"totals.kcal": 90}, "contains": ["shown"], "valid": True}, "", PLAIN, computed) == []
    chosen = Choice("blue", "", "stop", 1, 0, scores={"blue": -0.1, "green": -3})
    assert failures({"choice": "blue"}, "", COLOURS, chosen) == []
    assert failures({"choice": "green"}, "", COLOURS, chosen) == ["the choice 'green'"]


def test_every_failure_is_told() -> None:
    told = failures({"equals": "a", "contains": ["b", "c"], "max_words": 1}, "two words")
    assert told == ["exactly 'a'", "'b' in it", "'c' in it", "at most 1 words"]


def test_a_run(tiny: Path) -> None:
    engine = LocalEngine(tiny, LoadOptions(prompt_cache=False, context_length=512))
    template = parse(COLOURS, Path("colours.yaml"))
    try:
        outcomes = _finished(testing.run(engine, template, GenerateOptions(temperature=2)))
        again = _finished(testing.run(engine, template, GenerateOptions(temperature=2)))
    finally:
        engine.close()
    assert outcomes == again
    assert [(one.number, one.language, one.passed) for one in outcomes] == [
        (1, "en", True),
        (2, "ru", False),
        (3, "en", True),
    ]
    assert outcomes[1].failures[0].came == outcomes[1].answer in ("blue", "green")


def test_a_test_that_cannot_be_answered_fails_alone(tiny: Path) -> None:
    text = """
name: pick
variables: {labels: {type: list}}
choices: $labels
tests:
  - {input: one, variables: {labels: [a, b]}, expect: {one_of: [a, b]}}
  - {input: LONG, variables: {labels: [a, b]}, expect: {one_of: [a, b]}}
"""
    template = parse(text.replace("LONG", "many words " * 400), Path("pick.yaml"))
    engine = LocalEngine(tiny, LoadOptions(prompt_cache=False, context_length=256))
    try:
        good, long = _finished(testing.run(engine, template, GenerateOptions()))
    finally:
        engine.close()
    assert good.passed
    assert [failure.expected for failure in long.failures] == ["an answer"]
    assert "tokens" in long.failures[0].came


def test_a_tool_sees_nothing_of_the_user(tiny: Path) -> None:
    """A diary that waits for an answer would make something else of the words."""
    text = "name: food\ntools: [calories]\ntests:\n  - {input: 2 apples, expect: {json: {kind: proposal}}}\n"
    engine = LocalEngine(tiny, LoadOptions(prompt_cache=False, context_length=512))
    try:
        [outcome] = _finished(testing.run(engine, parse(text, Path("food.yaml")), GenerateOptions()))
    finally:
        engine.close()
    assert outcome.passed
    assert outcome.data["items"][0]["amount"] == 2
    assert not (data_dir() / "diary.db").exists()


def test_the_command(tmp_path: Path) -> None:
    own = tmp_path / "colours.yaml"
    own.write_text(COLOURS.strip(), encoding="utf-8")
    done = _command(str(own), "-m", "tiny")
    assert done.returncode == 1
    table = [line.split() for line in done.stdout.splitlines()]
    assert ["template", "en", "ru"] in table
    assert ["colours", "2/2", "0/1"] in table
    assert "colours, test 2 (ru): Какого цвета трава?" in done.stdout
    assert "expected: the choice 'purple'" in done.stdout
    answers = json.loads(_command(str(own), "-m", "tiny", "--json").stdout)
    [model] = answers["models"].values()
    assert (model["passed"], model["tests"]) == (2, 3)
    assert _command("no-such").returncode == 2
    assert _command().returncode == 2


def _finished(work: Generator[Event, None, list[testing.Outcome]]) -> list[testing.Outcome]:
    try:
        while True:
            next(work)
    except StopIteration as end:
        outcomes: list[testing.Outcome] = end.value
        return outcomes


def _command(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assistant", "templates", "test", *args]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=120, check=False
    )
