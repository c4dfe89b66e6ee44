"""A new template from answers to what makes a good prompt: task, output format, context, steps, limits, examples and
counter-examples, audience, splitting of long inputs. It is written as YAML with comments, to be edited on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assistant.templates.fields import Language
from assistant.templates.yaml_source import write

# What is asked, in this order, with an example of an answer: field -> (English, Russian).
QUESTIONS: dict[str, tuple[str, str]] = {
    "title": (
        "Title, as lists show it",
        "Название, как оно видно в списках",
    ),
    "task": (
        "Task: what is the model to do? (Turn meeting notes into a list of decisions.)",
        "Задача: что должна сделать модель? (Составь из заметок о встрече список решений.)",
    ),
    "format": (
        "Output format: how does the answer look? (A list; each line: who, what, by when.)",
        "Формат: как выглядит ответ? (Список; в строке: кто, что, к какому сроку.)",
    ),
    "context": (
        "Context: what is the input, what is the answer for? (Notes of a weekly meeting of builders.)",
        "Контекст: что подаётся на вход и зачем нужен ответ? (Заметки с планёрки строителей.)",
    ),
    "steps": (
        "Steps: in which order does one work? (Find what was decided; then who does it; then the date.)",
        "Шаги: в каком порядке работать? (Найди решения; потом исполнителей; потом сроки.)",
    ),
    "limits": (
        "Limits: what must not be done, how long may it be? (At most ten lines. Nothing that is not in the notes.)",
        "Ограничения: чего делать нельзя, какой длины ответ? (Не больше десяти строк. Ничего от себя.)",
    ),
    "audience": (
        "Audience: who reads the answer? (Foremen, on a phone.)",
        "Аудитория: кто читает ответ? (Прорабы, с телефона.)",
    ),
    "examples": (
        "Example of an input",
        "Пример ввода",
    ),
    "splitting": (
        "Splitting: a long input is divided into parts of how many tokens? (2000; nothing: it is not divided)",
        "Деление: на части по сколько токенов делить длинный ввод? (2000; пусто — не делить)",
    ),
}
ANSWER = ("Its right answer", "Верный ответ на него")
COUNTER = ("Input that is easily answered wrongly", "Ввод, на который легко ответить неверно")
WRONG = ("Its wrong answer", "Неверный ответ на него")
WHY = ("Why is it wrong?", "Почему он неверен?")
SKIP = ("Enter skips a question.", "Enter — пропустить вопрос.")

_LABELS = {
    "format": ("Output format", "Формат ответа"),
    "context": ("Context", "Контекст"),
    "steps": ("Steps", "Порядок работы"),
    "limits": ("Limits", "Ограничения"),
    "audience": ("The answer is read by", "Ответ читает"),
}
_COMMENTS = {
    "head": (
        "A template of `assistant`. Look it over with `assistant templates lint {name}`,\n"
        'use it with `assistant ask -t {name} "…"`, or in the chat with /template {name}.',
        "Шаблон для `assistant`. Проверить: `assistant templates lint {name}`,\n"
        "применить: `assistant ask -t {name} «…»`, а в чате — /template {name}.",
    ),
    "system": (
        "What the model is told, whatever the input is. For two languages: en: and ru: under it.",
        "Что говорится модели при любом вводе. Для двух языков: en: и ru: под ним.",
    ),
    "prompt": ("What stands around the input.", "Что стоит вокруг ввода."),
    "examples": (
        "Right answers: a small model learns most from them.",
        "Верные ответы: малая модель учится на них лучше всего.",
    ),
    "counter_examples": ("Wrong answers, and why they are wrong.", "Неверные ответы, и почему они неверны."),
    "chunking": ("How a long input is divided.", "Как делится длинный ввод."),
    "options": ("0: the same input gives the same answer.", "0: один и тот же ввод даёт один и тот же ответ."),
    "tests": (
        "What `assistant templates test {name}` checks:\n"
        "tests:\n"
        "  - input: …\n"
        "    expect: {{contains: [word], max_words: 50}}",
        "Что проверяет `assistant templates test {name}`:\n"
        "tests:\n"
        "  - input: …\n"
        "    expect: {{contains: [слово], max_words: 50}}",
    ),
}


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered; an empty text was skipped.

    Attributes:
        examples: (input, right answer). counter_examples: (input, wrong answer, why it is wrong).
        splitting: tokens of a part; None: a long input is not divided.
    """

    name: str
    task: str
    format: str = ""
    title: str = ""
    context: str = ""
    steps: str = ""
    limits: str = ""
    audience: str = ""
    examples: tuple[tuple[str, str], ...] = ()
    counter_examples: tuple[tuple[str, str, str], ...] = ()
    splitting: int | None = None


def document(answers: Answers, language: Language) -> str:
    """The YAML of a template, commented in this language."""
    at = int(language == "ru")
    parts = [f"{answers.task.strip()}"]
    parts += [f"{label[at]}: {text}" for name, label in _LABELS.items() if (text := getattr(answers, name).strip())]
    fields: dict[str, Any] = {"name": answers.name, "version": 1}
    if answers.title.strip():
        fields["title"] = answers.title.strip()
    sections: list[tuple[str, Mapping[str, Any]]] = [
        ("head", fields),
        ("system", {"system": "\n\n".join(parts).replace("$", "$$") + "\n"}),
        ("prompt", {"prompt": "$input"}),
        ("examples", {"examples": [{"user": user, "assistant": answer} for user, answer in answers.examples]}),
        (
            "counter_examples",
            {
                "counter_examples": [
                    {"user": user, "assistant": answer, "why": why} for user, answer, why in answers.counter_examples
                ]
            },
        ),
        ("chunking", {"chunking": {"tokens": answers.splitting} if answers.splitting else None}),
        ("options", {"options": {"temperature": 0}}),
    ]
    written = [
        _comment(kind, at, answers.name) + write(dict(section))
        for kind, section in sections
        if all(value for value in section.values())
    ]
    return "\n".join([*written, _comment("tests", at, answers.name)])


def _comment(kind: str, at: int, name: str) -> str:
    return "".join(f"# {line}\n" for line in _COMMENTS[kind][at].format(name=name).splitlines())
