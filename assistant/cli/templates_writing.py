"""``assistant templates new`` and ``edit``: templates of one's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from assistant import settings as user_settings
from assistant.cli.writing import edit_text
from assistant.language import interface_language
from assistant.templates.authoring import ANSWER, COUNTER, QUESTIONS, SKIP, WHY, WRONG, Answers, document
from assistant.templates.library import Library, check_name, is_name, read_text
from assistant.templates.template import WORD, Language
from models.errors import UsageError, UserError

_NAME = ("Name, one word", "Имя, одно слово")


@click.command()
@click.argument("name", required=False)
@click.option("--title", default="", help="Its title in lists.")
@click.option("--task", default="", help="What the model is to do.")
@click.option("--format", default="", help="How the answer looks.")
@click.option("--context", default="", help="What the input is, and what the answer is for.")
@click.option("--steps", default="", help="In which order to work.")
@click.option("--limits", default="", help="What must not be done; how long the answer may be.")
@click.option("--audience", default="", help="Who reads the answer.")
@click.option(
    "--example", "examples", nargs=2, multiple=True, metavar="INPUT ANSWER", help="A right answer. Repeatable."
)
@click.option(
    "--counter-example",
    "counter_examples",
    nargs=3,
    multiple=True,
    metavar="INPUT ANSWER WHY",
    help="A wrong answer, and why it is wrong. Repeatable.",
)
@click.option("--splitting", type=click.IntRange(64), metavar="TOKENS", help="Divide a long input into such parts.")
@click.option("--language", type=click.Choice(["en", "ru"]), help="Of the questions and of what is written.")
@click.option("--force", is_flag=True, help="Replace a template of yours that has this name.")
def new(name: str | None, language: Language | None, force: bool, **given: Any) -> None:
    """Write a new template NAME. At a terminal it asks for what makes a good prompt and is not given as a flag: task
    and output format, context, steps, limits, examples, audience, splitting.

    Without a terminal NAME, --task and --format are needed.
    """
    if language is None:
        language = interface_language(user_settings.load().language)
    asks = sys.stdin.isatty()
    if not asks:
        missing = [
            flag
            for flag, value in (("NAME", name), ("--task", given["task"]), ("--format", given["format"]))
            if not value
        ]
        if missing:
            raise UsageError(f"Without a terminal `new` needs {', '.join(missing)}.", "assistant templates new --help")
    library = Library()
    say = int(language == "ru")
    name = name or str(_ask(_NAME[say], needed=True, convert=_name))
    check_name(name)
    if library.is_own(name) and not force:
        raise UsageError(f"You have a template {name} already.", "`assistant templates edit` changes it.")
    answers = Answers(name=name, **given)
    if asks:
        click.echo(SKIP[say], err=True)
        answers = _asked(answers, say)
    path = library.save(name, document(answers, language))
    click.echo(f"Written to {path}.", err=True)
    click.echo(f"Look it over: assistant templates lint {name}", err=True)


def _asked(answers: Answers, say: int) -> Answers:
    """The answers with what was not given asked for; nothing is lost by skipping."""
    found: dict[str, Any] = {}
    for field, question in QUESTIONS.items():
        if getattr(answers, field):
            continue
        if field == "examples":
            found["examples"] = tuple(_examples(question[say], ANSWER[say]))
            if not answers.counter_examples:
                found["counter_examples"] = tuple(_examples(COUNTER[say], WRONG[say], WHY[say]))
        elif field == "splitting":
            found[field] = _ask(question[say], convert=_tokens)
        else:
            found[field] = _ask(question[say], needed=field == "task")
    return replace(answers, **found)


def _examples(*questions: str) -> list[tuple[str, ...]]:
    """Groups of answers, until the first question of one is skipped."""
    found: list[tuple[str, ...]] = []
    while first := _ask(questions[0]):
        found.append((first, *(str(_ask(question, needed=True)) for question in questions[1:])))
    return found


def _ask(question: str, *, needed: bool = False, convert: Callable[[str], Any] = str.strip) -> Any:
    while True:
        answer = click.prompt(question, default="", show_default=False, err=True)
        try:
            value = convert(answer)
        except ValueError as wrong:
            click.echo(str(wrong), err=True)
            continue
        if value or not needed:
            return value


def _name(answer: str) -> str:
    name = answer.strip()
    if name and not is_name(name):
        raise ValueError(WORD)
    return name


def _tokens(answer: str) -> int | None:
    if not answer.strip():
        return None
    if not answer.strip().isdecimal() or int(answer) < 64:
        raise ValueError("64, 128 … 2000 …")
    return int(answer)


@click.command()
@click.argument("name")
def edit(name: str) -> None:
    """Edit the template NAME in $EDITOR. One that is built in is copied to your own first. A mistake is not taken over,
    and what you wrote is kept beside the template."""
    library = Library()
    edit_text(
        read_text(library.path(name)),
        ".yaml",
        lambda text: library.save(name, text),
        lambda text: f"The template was left as it is; what you wrote is in {_keep(library, name, text)}.",
    )


def _keep(library: Library, name: str, text: str) -> str:
    """Write what is no template yet where the library does not look."""
    path = library.user_dir / f"{name}.rejected"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error
    return str(path)
