"""What a template lacks: of the seven things that make a good prompt, of its languages, of its tests.

That a text states its limits or names its audience is told from the words such texts have: a hint, not a proof.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assistant.engine.engine import Message
from assistant.templates.fields import LANGUAGES, Localized
from assistant.templates.filled import Filled, fill
from assistant.templates.substitution import INPUT, names
from assistant.templates.template import Template
from models.errors import UsageError

Level = Literal["error", "warning", "advice"]

# What the field teaches of prompts, in its order.
SEVEN = ("task", "context", "steps", "limits", "examples", "audience", "splitting")
LONG_PROMPT = (
    1500  # tokens before the input: minutes of reading on a slow machine, and little is left of a small window
)
_PROBE = {"text": "…", "int": 1, "float": 1.0, "bool": True, "list": ["…", "……"], "schema": {"type": "object"}}

_SIGNS = {
    "task": r"""\b(answer|reply|respond|write|return|output|format|list|give|print|summari[sz]e|translate|rewrite
        |explain|json|markdown|table|bullets?|paragraphs?|sentences?)\b
        |\b(ответь|отвечай|ответ|напиши|пиши|верни|вывед|выводи|формат|перечисл|список|списк|дай|json|markdown|таблиц|абзац
        |перевед|сократи|перепиши|объясни|исправ)""",
    "context": r"\b(you are|context|background|given|based on|the (text|user|input|document)|below|from)\b"
    r"|\b(ты|вы|контекст|дан[аоы]?|на основе|текст|пользовател|документ|ниже|из)\b",
    "steps": r"\b(first|then|steps?|before you|finally)\b|^\s*1[.)]"
    r"|\b(сначала|затем|потом|шаг|прежде|наконец|порядок работы)",
    "limits": r"\b(only|never|don't|must not|no|not|without|at most|at least|limits?|short|brief|briefly|exactly"
    r"|unless|up to)\b|\b(только|никогда|не|нельзя|без|максимум|кратко|коротк|ровно|лишь|если нет|ограничения)\b",
    "audience": r"\b(read by|readers?|audience|beginner|child|children|expert|adult|colleague|customer|learner"
    r"|student)s?\b|\b(чита(ет|ют)|читател|аудитори|новичк|реб[её]н|дет(ей|ям)|эксперт|специалист|коллег|клиент|школьник|студент|взросл)",
    "splitting": r"\b(parts?|sections?|one (by|at)|chunks?|piece by piece)\b|\b(част[ияь]|раздел|по одно|фрагмент)",
}
_PATTERNS = {
    name: re.compile(sign, re.IGNORECASE | re.MULTILINE | re.VERBOSE * (name == "task"))
    for name, sign in _SIGNS.items()
}
_AUDIENCES = {"audience", "reader", "readers", "level", "tone"}

_SAYS = {
    "task": (
        "task and output format: say what to do and how the answer looks",
        "задача и формат ответа: скажите, что сделать и как выглядит ответ",
    ),
    "context": ("context: say what the input is and what it is for", "контекст: скажите, что подаётся на вход и зачем"),
    "steps": (
        "steps: say in which order to work, in the text or under `steps`",
        "шаги: скажите, в каком порядке работать, в тексте или в `steps`",
    ),
    "limits": (
        "limits: say what must not be done, and how long the answer may be",
        "ограничения: скажите, чего делать нельзя и какой длины ответ",
    ),
    "examples": (
        "examples: two or three right answers under `examples`",
        "примеры: два-три верных ответа в `examples`",
    ),
    "counter_examples": (
        "counter-examples: a wrong answer and why, under `counter_examples`",
        "контрпримеры: неверный ответ и почему, в `counter_examples`",
    ),
    "audience": ("audience: say who reads the answer", "аудитория: скажите, кто читает ответ"),
    "splitting": (
        "splitting: say how a long input is divided, under `chunking`",
        "деление: скажите в `chunking`, как делить длинный ввод",
    ),
    "tests": (
        "no tests: `assistant templates test` has nothing to check",
        "нет тестов: `assistant templates test` нечего проверять",
    ),
    "title": ("no title: lists show only the name", "нет названия: в списках видно только имя"),
    "input": (
        "`$input` is not in `prompt`: what the user writes is not used",
        "в `prompt` нет `$input`: написанное пользователем не используется",
    ),
    "gap": ("{field}: {language} is missing", "{field}: нет текста на {language}"),
    "gap_examples": ("{field}: none in {language}", "{field}: ни одного на {language}"),
    "example": (
        "example {number}: its answer is not what the template asks for: {reason}",
        "пример {number}: ответ не такой, как требует шаблон: {reason}",
    ),
    "test_choice": (
        "test {number}: {choice!r} is none of the choices",
        "тест {number}: {choice!r} нет среди вариантов",
    ),
    "form": ("{reason}", "{reason}"),
    "long": (
        "the prompt takes {tokens} tokens before any input: small models lose the thread, and it is read slowly",
        "запрос занимает {tokens} токенов ещё до ввода: малые модели теряют нить, и читается он долго",
    ),
}
_LANGUAGE_NAMES = {"en": ("English", "английском"), "ru": ("Russian", "русском")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (error), probably wrong (warning) or missing of the seven (advice)."""

    level: Level
    kind: str
    values: tuple[tuple[str, Any], ...] = ()

    def message(self, language: str) -> str:
        values = dict(self.values)
        at = int(language == "ru")
        if "language" in values:
            values["language"] = _LANGUAGE_NAMES[values["language"]][at]
        return _SAYS[self.kind][at].format(**values)


@dataclass(frozen=True, slots=True)
class Report:
    """What a template lacks, the worst first.

    Attributes:
        tokens: of the prompt without an input, by language of the prompt.
        estimated: the tokens are an estimate; no model's tokenizer counted them.
    """

    findings: tuple[Finding, ...]
    tokens: dict[str, int]
    estimated: bool

    @property
    def failed(self) -> bool:
        return any(finding.level == "error" for finding in self.findings)


def estimate(messages: Sequence[Message]) -> int:
    """Tokens of messages, roughly: vocabularies of models that know both languages take some four Latin characters
    for a token, or two and a half Cyrillic ones, and a few tokens for the frame of a message."""
    text = "".join(message.content for message in messages)
    cyrillic = sum("а" <= letter <= "ё" for letter in text.lower())
    return round((len(text) - cyrillic) / 4 + cyrillic / 2.5) + 5 * len(messages)


def lint(template: Template, count: Callable[[Sequence[Message]], int] | None = None) -> Report:
    """Look over a template.

    Args:
        count: tokens of messages by a model's tokenizer; without it they are estimated.
    """
    filled = _probe(template)
    found = [*_form(filled), *_languages(template), *_seven(template)]
    if not template.title:
        found.append(Finding("warning", "title"))
    if not template.tests:
        found.append(Finding("warning", "tests"))
    if not template.tools and INPUT not in _used(template.prompt):
        found.append(Finding("warning", "input"))
    tokens = {language: (count or estimate)(_frame(filled, language)) for language in _written(template)}
    if max(tokens.values()) > LONG_PROMPT:
        found.append(Finding("warning", "long", (("tokens", max(tokens.values())),)))
    rank = {"error": 0, "warning": 1, "advice": 2}
    return Report(tuple(sorted(found, key=lambda finding: rank[finding.level])), tokens, count is None)


def _probe(template: Template) -> Filled:
    """The template with its defaults, and something of their type for the variables that have none."""
    given: dict[str, Any] = {}
    for name, variable in template.variables.items():
        if not variable.required:
            continue
        tested = [test.variables[name] for test in template.tests if name in test.variables]
        if tested:
            given[name] = tested[0]
        elif variable.choices:
            given[name] = next(iter(variable.choices))
        elif variable.type in ("int", "float"):
            given[name] = variable.value(str(round(variable.min if variable.min is not None else variable.max or 1)))
        else:
            given[name] = _PROBE[variable.type]
    try:
        return fill(template, given)
    except UsageError:  # a probe out of range: the texts can be looked over all the same
        return Filled(template, {name: variable.default for name, variable in template.variables.items()} | given)


def _frame(filled: Filled, language: str) -> list[Message]:
    """The prompt of an empty input."""
    return Filled(filled.template, filled.values, "ru" if language == "ru" else "en").messages("")


def _form(filled: Filled) -> Iterator[Finding]:
    """Whether the answer's form can be followed, and whether the examples have it."""
    from assistant.engine import structured  # loads llama.cpp's library

    template = filled.template
    try:
        if constraint := filled.constraint():
            structured.check(constraint)
    except (UsageError, KeyError, TypeError) as error:
        yield Finding("error", "form", (("reason", getattr(error, "message", str(error))),))
        return
    for number, example in enumerate(template.examples, 1):
        constraint = filled.overridden(example.variables).constraint()
        if constraint and (reason := structured.validate(filled.answer(example), constraint)):
            yield Finding("error", "example", (("number", number), ("reason", reason)))
    for number, test in enumerate(template.tests, 1):
        choices = filled.overridden(test.variables).choices()
        if choices and test.expect.choice and test.expect.choice not in choices:
            yield Finding("error", "test_choice", (("number", number), ("choice", test.expect.choice)))


def _languages(template: Template) -> Iterator[Finding]:
    """Texts that one of the template's languages lacks: those of a template in one language are none."""
    for field in ("title", "description", "system", "prompt", "steps", "check", "disclaimer"):
        text: Localized | None = getattr(template, field)
        for language in LANGUAGES:
            if text and not text.written(language):
                yield Finding("warning", "gap", (("field", field), ("language", language)))
    for field in ("examples", "tests"):
        written = {one.language for one in getattr(template, field)}
        for language in LANGUAGES:
            if written and None not in written and language not in written:
                yield Finding("warning", "gap_examples", (("field", field), ("language", language)))


def _seven(template: Template) -> Iterator[Finding]:
    """Which of the seven are missing."""
    if template.tools:  # the program knows its job; the model is told by it
        return
    written = [template.system, template.prompt, template.steps, template.check]
    text = "\n".join(words for one in written if one for words in (one.en, one.ru) if words)
    formed = bool(template.schema_ or template.choices or template.scale)
    instead = {
        "task": formed,
        "steps": bool(template.steps or template.choices or template.scale),  # those are not written, but scored
        "limits": formed or "max_tokens" in template.options,
        "audience": formed or bool(_AUDIENCES & template.variables.keys()),
        "splitting": bool(template.chunking) or formed or template.conversation,
    }
    for name in SEVEN:
        if name == "examples":
            if not template.examples:
                yield Finding("advice", "examples")
            if not template.counter_examples:
                yield Finding("advice", "counter_examples")
        elif not instead.get(name) and not _PATTERNS[name].search(text):
            yield Finding("advice", name)


def _written(template: Template) -> list[str]:
    texts = [text for text in (template.system, template.prompt, template.steps) if text]
    return [language for language in LANGUAGES if any(text.written(language) for text in texts)] or list(LANGUAGES)


def _used(text: Localized) -> set[str]:
    return {name for words in (text.en, text.ru) if words for name, _ in names(words)}
