"""What a template lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.engine.engine import LoadOptions, Message
from assistant.engine.local import LocalEngine
from assistant.templates.authoring import Answers, document
from assistant.templates.fields import Language
from assistant.templates.lint import LONG_PROMPT, SEVEN, Report, estimate, lint
from assistant.templates.template import parse

WHOLE = """
title: {en: Decisions, ru: Решения}
system:
  en: |
    You are given notes of a meeting. Write a list of the decisions in them, for readers who were not there.
    First find what was decided, then who does it. Never add anything of your own.
  ru: |
    Тебе даны заметки о встрече: контекст ниже. Напиши список решений для читателей, которых там не было.
    Сначала найди решения, потом исполнителей. Ничего не добавляй от себя.
examples: [{user: "Ann buys wood.", assistant: "- Ann: wood"}]
counter_examples: [{user: "Ann buys wood.", assistant: "Nice.", why: not a list}]
chunking: {tokens: 1000}
tests: [{input: "Bob paints.", expect: {contains: [Bob]}}]
"""


def look(text: str) -> Report:
    return lint(parse(text, Path("made.yaml")))


def kinds(report: Report, level: str | None = None) -> set[str]:
    return {finding.kind for finding in report.findings if level in (None, finding.level)}


def test_a_whole_template_lacks_nothing() -> None:
    assert look(WHOLE).findings == ()


def test_a_bare_template_lacks_all_seven() -> None:
    report = look("system: Hm.")
    assert kinds(report, "advice") == {*SEVEN, "counter_examples"}
    assert kinds(report, "warning") == {"title", "tests"}
    assert not report.failed
    for finding in report.findings:
        for language in ("en", "ru"):
            assert finding.message(language)
    assert {finding.message("ru") == finding.message("en") for finding in report.findings} == {False}


@pytest.mark.parametrize(
    ("cut", "missing"),
    [
        ("First find what was decided, then who does it.|Сначала найди решения, потом исполнителей.", "steps"),
        (
            "Never add anything of your own.|Ничего не добавляй от себя."
            "|, которых там не было|, for readers who were not there",
            "limits",
        ),
        (", for readers who were not there| для читателей, которых там не было", "audience"),
        ('examples: [{user: "Ann buys wood.", assistant: "- Ann: wood"}]\n', "examples"),
        ('counter_examples: [{user: "Ann buys wood.", assistant: "Nice.", why: not a list}]\n', "counter_examples"),
        ("chunking: {tokens: 1000}\n", "splitting"),
        ('tests: [{input: "Bob paints.", expect: {contains: [Bob]}}]\n', "tests"),
        ("title: {en: Decisions, ru: Решения}\n", "title"),
    ],
)  # fmt: skip
def test_what_is_cut_out_is_missed(cut: str, missing: str) -> None:
    text = WHOLE
    for part in cut.split("|"):
        assert part in text
        text = text.replace("\n" + part if part.endswith("\n") else part, "\n" if part.endswith("\n") else "")
    assert missing in kinds(look(text))


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_new_was_told_is_not_missed(language: Language) -> None:
    """Whatever the words of the answers are: it stands under its heading."""
    told = dict.fromkeys(("task", "format", "context", "steps", "limits", "audience"), "Xyz.")
    answers = Answers("made", examples=(("a", "b"),), counter_examples=(("a", "b", "c"),), splitting=100, **told)
    assert kinds(look(document(answers, language)), "advice") == set()
    assert "audience" in kinds(look(document(Answers("made", "Xyz."), language)), "advice")


def test_language_gaps_are_told() -> None:
    report = look(
        "title: {en: T}\nsystem: {en: Hello}\nprompt: $input\nexamples: [{user: a, assistant: b, language: ru}]"
    )
    said = {finding.message("en") for finding in report.findings if finding.kind.startswith("gap")}
    assert said == {"title: Russian is missing", "system: Russian is missing", "examples: none in English"}


def test_an_input_that_is_not_used_is_told() -> None:
    assert "input" in kinds(look("prompt: Tell a joke."))
    assert "input" not in kinds(look("prompt: {en: Tell a joke on $input.}"))


def test_examples_must_be_answers_that_the_template_allows() -> None:
    schema = "schema: {type: object, properties: {age: {type: integer}}, required: [age]}\nexamples:\n"
    assert "example" not in kinds(look(schema + '  - {user: x, assistant: "{\\"age\\": 5}"}'))
    assert "example" not in kinds(look(schema + "  - {user: x, assistant: {age: 5}}"))
    for answer in ('"5 years"', "{age: old}", "{}"):
        report = look(schema + f"  - {{user: x, assistant: {answer}}}")
        assert report.failed, answer
        assert report.findings[0].kind == "example"
    labels = "choices: $labels\nprompt: '$labels $input'\nvariables: {labels: {type: list}}\n"
    own = labels + "examples: [{user: x, assistant: %s, variables: {labels: [warm, cold]}}]"
    assert not look(own % "warm").failed
    assert look(own % "hot").failed
    assert look("choices: [a, b]\ntests: [{input: x, expect: {choice: c}}]").failed
    assert look("scale: [1, 3]\nexamples: [{user: x, assistant: '4'}]").failed


def test_a_schema_that_no_model_can_follow_is_an_error() -> None:
    report = look(
        'schema: {$ref: "#/$defs/a", $defs: {a: {type: object, properties: {a: {$ref: "#/$defs/a"}}, required: [a]}}}'
    )
    assert report.failed


def test_variables_without_a_default_do_not_stop_it() -> None:
    for variable in (
        "{type: int, min: 5}",
        "{type: int, max: -5}",
        "{type: list, min: 4}",
        "{type: choice, choices: [x, y]}",
        "{type: schema}",
        "{}",
    ):
        report = look(f"prompt: $v $input\nvariables: {{v: {variable}}}")
        assert not report.failed, variable
        assert report.tokens["en"] > 0


def test_a_long_prompt_is_told() -> None:
    report = look("system: {en: " + "word " * 2 * LONG_PROMPT + "}")
    assert "long" in kinds(report)
    assert report.tokens["en"] > LONG_PROMPT
    assert set(report.tokens) == {"en", "ru"}


def test_tokens_are_counted_by_a_model_or_said_to_be_estimated(tiny: Path) -> None:
    made = parse(WHOLE, Path("made.yaml"))
    guess = lint(made)
    assert guess.estimated
    engine = LocalEngine(tiny, LoadOptions(prompt_cache=False, drafting=False))
    try:
        report = lint(made, engine.count_tokens)
        assert not report.estimated
        assert report.tokens["en"] == engine.count_tokens(
            [
                *_system(made.system.en if made.system else ""),
                Message("user", "Ann buys wood."),
                Message("assistant", "- Ann: wood"),
                Message("user", ""),
            ]
        )
        assert guess.tokens["en"] == pytest.approx(report.tokens["en"], rel=0.35)
    finally:
        engine.close()
    assert estimate([Message("user", "")]) < 10


def _system(text: str | None) -> list[Message]:
    wrong = "Never answer like this:\n\nInput: Ann buys wood.\nWrong answer: Nice.\nWhy it is wrong: not a list"
    return [Message("system", f"{(text or '').rstrip()}\n\n{wrong}")]
