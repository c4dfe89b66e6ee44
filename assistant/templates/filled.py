"""A template with the values of its variables: what the model is given for an input."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assistant.engine.engine import Constraint, Message
from assistant.memory.stemming import language_of
from assistant.templates.fields import LANGUAGES, Language, Localized
from assistant.templates.substitution import INPUT, single, substitute
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.templates.template import CounterExample, Example, Template

_WRONG = {
    "en": ("Never answer like this:", "Input", "Wrong answer", "Why it is wrong"),
    "ru": ("Так отвечать нельзя:", "Ввод", "Неверный ответ", "Почему это неверно"),
}
_RANGE = re.compile(r"\s*(-?\d{1,6})\s*(?:,|-|–|—|\.\.+|…)\s*(-?\d{1,6})\s*")


@dataclass(frozen=True)
class Filled:
    """A template ready for inputs.

    Attributes:
        values: of every variable, as its type; a default of two languages is a ``Localized``.
        language: of the prompt; None: that of each input.
    """

    template: Template
    values: dict[str, Any] = field(default_factory=dict)
    language: Language | None = None

    def language_of(self, input: str) -> Language:
        """The language in which the model is told what to do with this input."""
        return self.language or ("ru" if language_of(input) == "ru" else "en")

    def system(self, language: str) -> str:
        """The system text, counter-examples in it; empty when there is none."""
        template = self.template
        texts = [self.render(template.system, language)] if template.system else []
        wrong = [example for example in template.counter_examples if example.language in (None, language)]
        if wrong:
            texts.append("\n\n".join([_WRONG[language][0], *(_counter_example(one, language) for one in wrong)]))
        return "\n\n".join(texts)

    def opening(self, language: str) -> list[Message]:
        """The examples, as turns before the first question."""
        return [
            message
            for example in self.template.examples
            if example.language in (None, language)
            for message in (
                Message("user", self.overridden(example.variables).question(example.user, language)),
                Message("assistant", self.answer(example)),
            )
        ]

    def answer(self, example: Example) -> str:
        """The right answer of an example. JSON is without spaces, as the grammar of a schema writes it."""
        answer = example.assistant.rstrip("\n")
        if self.template.schema_ is None:
            return answer
        try:
            return json.dumps(json.loads(answer), ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            return answer  # `assistant templates lint` tells of it

    def question(self, input: str, language: str) -> str:
        """The prompt around an input."""
        return self.render(self.template.prompt, language, input)

    def steps(self, language: str) -> str | None:
        """What the model is to write before its answer, if anything."""
        return self.render(self.template.steps, language) if self.template.steps else None

    def check(self, language: str, input: str = "") -> str | None:
        """The question by which the model looks over its draft, if there is one."""
        return self.render(self.template.check, language, input) if self.template.check else None

    def messages(self, input: str) -> list[Message]:
        """All that the model is given for an input that comes alone."""
        language = self.language_of(input)
        system = self.system(language)
        return [
            *([Message("system", system)] if system else []),
            *self.opening(language),
            Message("user", self.question(input, language)),
        ]

    def render(self, text: Localized, language: str, input: str = "") -> str:
        """One of the template's texts with the values in it."""

        def put(name: str, alone: bool) -> str:
            if name == INPUT:
                return input
            return self.template.variables[name].text(self.values[name], language, alone)

        return substitute(text.of(language).rstrip("\n"), put)

    def overridden(self, variables: Mapping[str, Any]) -> Filled:
        """With other values of some variables, as an example or a test has them."""
        own = {name: self.template.variables[name].value(value) for name, value in variables.items()}
        return Filled(self.template, self.values | own, self.language)

    def schema(self) -> dict[str, Any] | None:
        """The JSON Schema of the answer, or None."""
        from assistant.engine import schema as schemas

        schema = self.template.schema_
        if isinstance(schema, str):
            name = single(schema)
            return self.values[name] if name else schemas.from_short_form(schema)
        return schema

    def choices(self) -> tuple[str, ...]:
        """What the answer is one of; empty when it is free."""
        choices = self.template.choices
        if isinstance(choices, str):
            choices = tuple(self.values[single(choices) or ""])
        return choices or ()

    def scale(self) -> tuple[int, int] | None:
        """The least and the greatest number that the answer may be, or None."""
        scale = self.template.scale
        if scale is None:
            return None
        if isinstance(scale, str):
            value = self.values[single(scale) or ""]
            found = _RANGE.fullmatch(value if isinstance(value, str) else ",".join(value))
            if not found:
                raise self._wrong(f"the scale goes from one whole number to another, such as 1-10, not {value!r}")
            low, high = int(found[1]), int(found[2])
        else:
            low, high = (self.values[name] if (name := single(end)) else int(end) for end in scale)
        from assistant.templates.template import LARGEST_SCALE

        if not 0 < high - low <= LARGEST_SCALE:
            raise self._wrong(f"the scale goes up, by at most {LARGEST_SCALE} steps, not from {low} to {high}")
        return low, high

    def constraint(self) -> Constraint | None:
        """What schema, choices or scale make of it: what the answer must look like."""
        if (schema := self.schema()) is not None:
            return Constraint("json_schema", json.dumps(schema, ensure_ascii=False))
        choices: tuple[str, ...] = self.choices()
        if scale := self.scale():
            choices = tuple(str(number) for number in range(scale[0], scale[1] + 1))
        return Constraint("choices", json.dumps(choices, ensure_ascii=False)) if choices else None

    def _wrong(self, problem: str) -> UsageError:
        return UsageError(f"Template {self.template.name}: {problem}.", _show(self.template))


def fill(template: Template, given: Mapping[str, Any], language: Language | None = None) -> Filled:
    """The template with these values, each a text or of its variable's type, and the defaults of the others. A value
    for ``language``, where that is no variable, is the language of the prompt.

    Raises:
        UsageError: a variable is missing or unknown, or a value is of another type or out of its range.
    """
    values: dict[str, Any] = {}
    if "language" in given and "language" not in template.variables:
        language = given["language"]
        if language not in LANGUAGES:
            raise UsageError(f"The language of a template is en or ru, not {language!r}.", "-p language ru")
        given = {name: value for name, value in given.items() if name != "language"}
    unknown = [name for name in given if name not in template.variables]
    if unknown:
        have = ", ".join(template.variables)
        message = f"The template {template.name} has no variable {unknown[0]!r}."
        raise UsageError(message, f"It has: {have}." if have else "It has none.")
    for name, variable in template.variables.items():
        value = given.get(name, variable.default)
        if value is None:
            raise UsageError(f"The template {template.name} needs a value for {name!r}.", _show(template))
        try:
            values[name] = variable.value(value)
        except ValueError as error:
            raise UsageError(f"Template {template.name}, variable {name!r}: {error}.", _show(template)) from error
    filled = Filled(template, values, language)
    if isinstance(template.choices, str) and len(filled.choices()) < 2:
        raise UsageError(f"Template {template.name}: there must be at least two choices.", _show(template))
    filled.scale()
    return filled


def _show(template: Template) -> str:
    shows = f"`assistant templates show {template.name}` lists its variables"
    return f"{shows}; -p NAME VALUE gives one, in the chat NAME=VALUE."


def _counter_example(example: CounterExample, language: str) -> str:
    _, user, answer, why = _WRONG[language]
    asked, answered = example.user.strip(), example.assistant.strip()
    return f"{user}: {asked}\n{answer}: {answered}\n{why}: {example.why.of(language).strip()}"
