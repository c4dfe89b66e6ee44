"""A template: what the model is told for one job, in English and Russian, and how its answer must look.

It is a YAML file, a superset of the names of simonw/llm, read strictly: whatever is unknown, missing or of another type
is an error with file and line. docs/templates.md describes the form.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from assistant.settings import parse_options
from assistant.templates.fields import Fields, Language, Localized, NonEmpty, Several
from assistant.templates.filled import Filled, fill
from assistant.templates.variables import Variable
from models.errors import UsageError

__all__ = ["Chunking", "CounterExample", "Example", "Expect", "Filled", "Language", "Template", "Test", "fill", "parse"]

NAME = r"[^\W_][\w-]{0,63}"  # of a template and its file
WORD = "A name is one word of up to 64 letters, digits, - and _, and begins with a letter or digit."
LARGEST_SCALE = 100  # steps


def option_texts(name: str, value: Any) -> list[tuple[str, str]]:
    """An option as ``-o`` has it: a text, several for a list."""
    return [(name, str(one)) for one in (value if isinstance(value, list) else [value])]


def _answer(value: object) -> object:
    """An answer may be written as the YAML of its JSON."""
    if isinstance(value, str) or value is None:
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))  # as constrained answers are


class Example(Fields):
    """A question and its right answer; without a language it is for both. ``variables`` are those of this example."""

    user: NonEmpty
    assistant: NonEmpty
    language: Language | None = None
    variables: dict[str, Any] = Field({})

    _answer = field_validator("assistant", mode="before")(_answer)


class CounterExample(Fields):
    """A question, a wrong answer, and why it is wrong."""

    user: NonEmpty
    assistant: NonEmpty
    why: Localized
    language: Language | None = None

    _answer = field_validator("assistant", mode="before")(_answer)


class Chunking(Fields):
    """How a long input is divided: parts of so many tokens, and what the model is told to make of their answers."""

    tokens: Annotated[int, Field(ge=64)]
    combine: Localized | None = None


class Approximately(Fields):
    """A number within a share (0.15: 15 %) of another."""

    approx: float
    within: Annotated[float, Field(ge=0, le=1)] = 0.05


class Expect(Fields):
    """What the answer of a test must be; all that is named must hold.

    Attributes:
        json_: by dotted path into the answer (``items.0.name``): the value, or a number that it is near to.
        valid: whether it is what schema, choices or scale ask for.
        between: of a scale: least and greatest.
    """

    equals: str | None = None
    one_of: Several[str] | None = None
    contains: Several[NonEmpty] = ()
    contains_any: Several[NonEmpty] = ()
    not_contains: Several[NonEmpty] = ()
    matches: NonEmpty | None = None
    json_: dict[str, Any] | None = Field(None, alias="json")
    valid: bool | None = None
    language: Language | None = None
    max_words: Annotated[int, Field(ge=0)] | None = None
    min_words: Annotated[int, Field(ge=0)] | None = None
    choice: NonEmpty | None = None
    between: Annotated[Several[float], Field(min_length=2, max_length=2)] | None = None

    @field_validator("matches")
    @classmethod
    def _regular(cls, pattern: str | None) -> str | None:
        import re

        try:
            re.compile(pattern or "")
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern

    @field_validator("json_")
    @classmethod
    def _near(cls, paths: dict[str, Any] | None) -> dict[str, Any] | None:
        return paths and {
            path: Approximately.model_validate(value) if isinstance(value, dict) and "approx" in value else value
            for path, value in paths.items()
        }

    @model_validator(mode="after")
    def _something(self) -> Expect:
        if not self.model_fields_set:
            raise ValueError("a test must expect something")
        return self


class Test(Fields):
    """An input, and what the answer must be."""

    __test__ = False  # pytest looks for classes of this name

    input: str
    language: Language | None = None
    variables: dict[str, Any] = Field({})
    expect: Expect


class Template(Fields):
    """One job.

    Attributes:
        prompt: what stands around ``$input``.
        schema_: of the answer: a JSON Schema, its short form, or ``$name`` of a variable of type schema.
        choices: the answer is one of these, or of the variable ``$name`` of type list.
        scale: the answer is a number from the first to the second, each a number or ``$name``; or ``$name`` of a list.
        options: by the names of :data:`assistant.settings.GENERATION`.
        steps: work that the model writes before its answer, hidden.
        check: a question by which the model looks over its draft, hidden.
        conversation: earlier turns stand in the prompt; else each input is worked on alone.
        grounded: numbers of the answer, or numbers and names (``all``), that the input does not have are told of.
        tools: what of the program answers instead of the model alone.
    """

    name: Annotated[str, Field(pattern=f"^{NAME}$")]
    version: Annotated[int, Field(ge=1)] = 1
    title: Localized | None = None
    description: Localized | None = None
    system: Localized | None = None
    prompt: Localized = Localized(en="$input", ru="$input")
    variables: dict[str, Variable] = Field({})
    examples: Several[Example] = ()
    counter_examples: Several[CounterExample] = ()
    schema_: dict[str, Any] | NonEmpty | None = Field(None, alias="schema")
    choices: Several[NonEmpty] | NonEmpty | None = None
    scale: Annotated[Several[int | NonEmpty], Field(min_length=2, max_length=2)] | NonEmpty | None = None
    options: dict[str, Any] = Field({})
    steps: Localized | None = None
    check: Localized | None = None
    conversation: bool = False
    model_hint: NonEmpty | None = None
    tools: Several[NonEmpty] = ()
    chunking: Chunking | None = None
    grounded: Literal["numbers", "all"] | None = None
    disclaimer: Localized | None = None
    tests: Several[Test] = ()

    @field_validator("options")
    @classmethod
    def _typed(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Each as its setting's type; checking tells of those that are none, by their line."""
        for name, value in options.items():
            with contextlib.suppress(UsageError):
                options = options | parse_options(option_texts(name, value))
        return options

    def heading(self, language: str) -> str:
        """Its title in this language, else its name."""
        return self.title.of(language) if self.title else self.name


def parse(text: str, path: Path) -> Template:
    """The template that a file holds; without ``name`` it has the file's.

    Args:
        path: what errors name; it is not read.

    Raises:
        UsageError: ``file:line: what is wrong``, one line for each mistake.
    """
    from assistant.templates.checking import check, problems
    from assistant.templates.yaml_source import Source

    source = Source(text, path)
    if not isinstance(source.value, dict):
        raise source.error((), "expected keys and values (`system: …`), as a template has them.")
    try:
        template = Template.model_validate({"name": path.stem} | source.value)
    except ValidationError as error:
        raise problems(error, source) from error
    check(template, source)
    return template
