"""The templates that come with the program: all there, in both languages, without a fault, and what they make of a
model."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.engine.engine import GenerateOptions, LoadOptions
from assistant.engine.local import LocalEngine
from assistant.memory.stemming import language_of
from assistant.settings import generate_options
from assistant.settings import load as load_settings
from assistant.templates import testing
from assistant.templates.fields import LANGUAGES
from assistant.templates.library import BUILT_IN, read
from assistant.templates.lint import lint
from assistant.templates.template import Template, fill

NAMES = [
    "brainstorm",
    "calories",
    "chat",
    "classify",
    "closed-qa",
    "explain",
    "extract",
    "label",
    "moderate",
    "proofread",
    "rewrite",
    "score",
]
NAMES += ["summarize", "translate", "travel"]


def template(name: str) -> Template:
    return read(BUILT_IN / f"{name}.yaml")


def test_all_are_there() -> None:
    assert sorted(path.stem for path in BUILT_IN.glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_missing(name: str) -> None:
    built_in = template(name)
    report = lint(built_in)
    assert [finding.message("en") for finding in report.findings] == []
    assert all((built_in.title, built_in.description, built_in.examples, built_in.counter_examples))
    assert 4 <= len(built_in.tests) <= 10
    tested = {test.language or ("ru" if language_of(test.input) == "ru" else "en") for test in built_in.tests}
    assert tested == set(LANGUAGES)


@pytest.mark.parametrize("name", NAMES)
def test_tests_are_no_examples(name: str) -> None:
    """Else the model would only have to copy."""
    built_in = template(name)
    assert {example.user.strip() for example in built_in.examples}.isdisjoint(
        test.input.strip() for test in built_in.tests
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("calories", "travel")])
def test_an_input_stands_once_in_the_last_message_after_the_examples(name: str) -> None:
    built_in = template(name)
    for test in built_in.tests[:1] + built_in.tests[-1:]:
        filled = fill(built_in, test.variables, test.language)
        system, *turns, question = filled.messages(test.input)
        assert (system.role, question.role) == ("system", "user")
        assert question.content.count(test.input.strip()) == 1
        examples = [one for one in built_in.examples if one.language in (None, filled.language_of(test.input))]
        assert [turn.role for turn in turns] == ["user", "assistant"] * len(examples)
        assert len(examples) >= 2
        assert "$" not in system.content


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_starter_passes_all_tests(name: str, starter_engine: LocalEngine) -> None:
    built_in = template(name)
    options: GenerateOptions = generate_options(built_in.options, load_settings(), None)
    run = testing.run(starter_engine, built_in, options)
    try:
        while True:
            next(run)
    except StopIteration as end:
        outcomes: list[testing.Outcome] = end.value
    assert [(one.input, one.failures) for one in outcomes if not one.passed] == []


@pytest.fixture(scope="module")
def starter_engine(starter: Path) -> LocalEngine:
    return LocalEngine(starter, LoadOptions(prompt_cache=False, drafting=False))
