"""A template's own tests: each input is answered by a model, and the answer is held against what the test expects.

The same model gives the same outcomes again: answers are the likeliest (temperature 0), and a tool's today is fixed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import date
from tempfile import TemporaryDirectory
from typing import Any

from assistant.engine.calls import Choice, Computed
from assistant.engine.engine import Engine, Event, GenerateOptions, Progress, Result
from assistant.memory.stemming import language_of
from assistant.templates.running import answer
from assistant.templates.template import Approximately, Expect, Filled, Language, Template, Test, fill
from assistant.templates.tools import ToolCall
from models.errors import DoesNotFit, UsageError

TODAY = date(2026, 3, 2)  # for tools that count days
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Failure:
    """What was expected of an answer, and what of it was there instead."""

    expected: str
    came: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test of a template on a model.

    Attributes:
        number: its place in the file, from 1.
        data: of an answer that is JSON or that the program worked out.
    """

    template: str
    number: int
    language: Language
    input: str
    answer: str
    data: Any
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"passed": self.passed}


def run(
    engine: Engine,
    template: Template,
    options: GenerateOptions,
    *,
    reasons: bool = False,
    check: Callable[[], None] = lambda: None,
) -> Generator[Event, None, list[Outcome]]:
    """Answer the inputs of all tests; yields the progress, returns the outcomes in the file's order.

    Tests that share a prompt come one after the other: the KV cache then holds all of it but the input.

    Args:
        options: how answers are sampled, the template's own options in them; the temperature is 0 all the same.
        reasons: the model reasons before it answers.
        check: raises Cancelled when it is to be stopped.

    Raises:
        ModelError, EngineDied, Cancelled: as :meth:`Engine.generate`.
    """
    options = replace(options, temperature=0, seed=0)
    outcomes = []
    for number, test, filled, language in _in_order(template):
        try:
            result = yield from _answered(engine, filled, test.input, options, reasons, check)
        except (DoesNotFit, UsageError) as error:
            failed = (Failure("an answer", error.message),)
            outcomes.append(Outcome(template.name, number, language, test.input, "", None, failed))
            continue
        data = _data(result)
        failures = tuple(failures_of(test.expect, filled, result))
        outcomes.append(Outcome(template.name, number, language, test.input, result.text, data, failures))
    return sorted(outcomes, key=lambda outcome: outcome.number)


def failures_of(expect: Expect, filled: Filled, result: Result) -> Iterator[Failure]:
    """What of an answer is not as expected. Capitals, ё for е and spaces make no difference, but for ``equals``,
    ``one_of`` and ``matches``."""
    text, folded, words = result.text.strip(), _fold(result.text), len(result.text.split())
    if expect.equals is not None and text != expect.equals.strip():
        yield Failure(f"exactly {expect.equals!r}", text)
    if expect.one_of is not None and text not in {one.strip() for one in expect.one_of}:
        yield Failure(f"one of {', '.join(map(repr, expect.one_of))}", text)
    for wanted in expect.contains:
        if _fold(wanted) not in folded:
            yield Failure(f"{wanted!r} in it", text)
    if expect.contains_any and not any(_fold(wanted) in folded for wanted in expect.contains_any):
        yield Failure(f"one of {', '.join(map(repr, expect.contains_any))} in it", text)
    for unwanted in expect.not_contains:
        if _fold(unwanted) in folded:
            yield Failure(f"no {unwanted!r} in it", text)
    if expect.matches is not None and not re.search(expect.matches, text):
        yield Failure(f"a match of {expect.matches!r}", text)
    if expect.language and (language := language_of(text)) != expect.language:
        yield Failure(f"the language {expect.language}", f"{language}: {text}")
    if expect.max_words is not None and words > expect.max_words:
        yield Failure(f"at most {expect.max_words} words", f"{words}: {text}")
    if expect.min_words is not None and words < expect.min_words:
        yield Failure(f"at least {expect.min_words} words", f"{words}: {text}")
    if expect.choice is not None and text != expect.choice:
        yield Failure(f"the choice {expect.choice!r}", text)
    if expect.between is not None and not _is_between(text, *expect.between):
        yield Failure("a number from {:g} to {:g}".format(*expect.between), text)
    if expect.valid is not None:
        wrong = _invalid(filled, result)
        if expect.valid and wrong:
            yield Failure("an answer of the form that the template asks for", f"{wrong}: {text}")
        if not expect.valid and not wrong:
            yield Failure("an answer of another form than the template asks for", text)
    for path, value in (expect.json_ or {}).items():
        found = _at(_data(result), path)
        if not _is_as_expected(found, value):
            yield Failure(f"{path}: {_shown(value)}", "nothing" if found is _MISSING else _shown(found))


def _in_order(template: Template) -> list[tuple[int, Test, Filled, Language]]:
    tests = []
    for number, test in enumerate(template.tests, 1):
        filled = fill(template, test.variables, test.language)
        tests.append((number, test, filled, filled.language_of(test.input)))
    return sorted(tests, key=lambda test: (test[3], _shown(test[1].variables), test[0]))


def _answered(
    engine: Engine,
    filled: Filled,
    input: str,
    options: GenerateOptions,
    reasons: bool,
    check: Callable[[], None],
) -> Generator[Event, None, Result]:
    call = None
    if filled.template.tools:
        language, values = filled.language_of(input), dict(filled.values)
        call = ToolCall(
            engine=engine, text=input, language=language, values=values, options=options, check=check, today=TODAY
        )
    result = None
    with _own_data() if call else nullcontext():
        for event in answer(engine, filled, input, options=options, reasons=reasons, check=check, call=call):
            check()
            if isinstance(event, Result):
                result = event
            elif isinstance(event, Progress):
                yield event
    assert result is not None  # an answer ends with one
    return result


@contextmanager
def _own_data() -> Iterator[None]:
    """A folder of data for one test of a tool: it sees nothing of the user's diary and leaves nothing in it."""
    before = os.environ.get("ASSISTANT_DATA_DIR")
    with TemporaryDirectory(prefix="assistant-test-") as folder:
        os.environ["ASSISTANT_DATA_DIR"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["ASSISTANT_DATA_DIR"]
            else:
                os.environ["ASSISTANT_DATA_DIR"] = before


def _data(result: Result) -> Any:
    if isinstance(result, Computed):
        return result.data
    if isinstance(result, Choice):
        return {"choice": result.text}
    try:
        return json.loads(result.text)
    except ValueError:
        return None


def _invalid(filled: Filled, result: Result) -> str | None:
    """Why the answer has not the template's form, or None."""
    if isinstance(result, Choice | Computed):
        return None
    constraint = filled.constraint()
    if constraint is None:
        return None if result.text.strip() else "empty"
    from assistant.engine import structured  # loads llama.cpp's library

    return structured.validate(result.text, constraint)


def _at(data: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            return _MISSING
    return data


def _is_as_expected(found: Any, value: Any) -> bool:
    if isinstance(value, Approximately):
        return (
            isinstance(found, int | float)
            and not isinstance(found, bool)
            and abs(found - value.approx) <= value.within * abs(value.approx)
        )
    if isinstance(found, str) and isinstance(value, str):
        return _fold(found) == _fold(value)
    if isinstance(found, list) and isinstance(value, list):
        return len(found) == len(value) and all(map(_is_as_expected, found, value))
    return bool(found == value) and isinstance(found, bool) == isinstance(value, bool)


def _is_between(text: str, low: float, high: float) -> bool:
    try:
        return low <= float(text) <= high
    except ValueError:
        return False


def _fold(text: str) -> str:
    return " ".join(text.casefold().replace("ё", "е").split())


def _shown(value: Any) -> str:
    if isinstance(value, Approximately):
        return f"{value.approx:g} within {value.within:.0%}"
    return json.dumps(value, ensure_ascii=False, default=str)
