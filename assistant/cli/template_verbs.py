"""``assistant extract``, ``classify``, ``translate``, ``rewrite`` and ``proofread``: a built-in template over texts."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import click

from assistant.cli.over_sources import Frame, Outcome, frame_flags, language_flag, over_sources
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.cli.over_sources import Check, Work
    from assistant.engine.engine import Engine, Event
    from assistant.tasks.answering import Answer
    from assistant.tasks.opening import Opened
    from assistant.tasks.sources import Source


@click.command(short_help="Fill in a form from texts: JSON of a schema.")
@click.option(
    "--schema",
    metavar="SCHEMA",
    help="The form: a file, JSON Schema itself, or the short form 'name, age int'.",
)
@click.option("--schema-multi", metavar="SCHEMA", help='Like --schema, for a list of such objects: {"items": [...]}.')
@frame_flags
@language_flag
def extract(schema: str | None, schema_multi: str | None, **shared: Any) -> None:
    """Fill in a form from each text and print it as JSON.

        assistant extract --schema "firm, date, total float" invoices/*.pdf --json > invoices.jsonl

    What the text does not say stays empty: "" for a text, 0 for a number. Exit codes: as `assistant summarize` has
    them; 1 also when an answer is not what the schema asks for.
    """
    from assistant.cli.constraining import constraint_of

    constraint = constraint_of({"schema": schema, "schema_multi": schema_multi, "regex": None, "grammar": None})
    if constraint is None:
        raise UsageError("There is no form to fill in.", 'Name its fields: --schema "name, age int".')
    _run("extract", {"schema": json.loads(constraint.text)}, shared)


@click.command(short_help="Give each text one of your labels.")
@click.option("--labels", metavar="LIST", required=True, help="The labels, separated by commas.")
@click.option("--by", metavar="TEXT", help="What decides: the topic, the mood, who should answer…")
@frame_flags
@language_flag
def classify(labels: str, by: str | None, **shared: Any) -> None:
    """Give each text one of your labels, with its probability.

        assistant classify --labels "billing,technical,other" --by "who should answer" < mail.txt

    Many short texts go faster through `assistant batch`; guidelines, examples and agreement with people are what
    `assistant label` is for. Exit codes: as `assistant summarize` has them.
    """
    from assistant.cli.question import split_choices

    _run("classify", {"labels": split_choices(labels), "by": by}, shared)


@click.command(short_help="Translate texts of any length.")
@click.option("--to", metavar="LANGUAGE", help="Into this language; by default Russian into English, others Russian.")
@frame_flags
@language_flag
def translate(to: str | None, **shared: Any) -> None:
    """Translate each text, paragraph by paragraph; numbers that the text does not have are told of.

        assistant translate --to German < letter.txt

    Exit codes: as `assistant summarize` has them.
    """
    _run("translate", {"to": to}, shared)


@click.command(short_help="Say texts anew in another style, tone or length.")
@click.option("--style", metavar="TEXT", help="How it should sound: formal, casual, for a child…")
@click.option("--tone", metavar="TEXT", help="The attitude: friendly, firm, apologetic…")
@click.option("--length", metavar="TEXT", help="shorter, about the same, longer, or a number of sentences.")
@frame_flags
@language_flag
def rewrite(style: str | None, tone: str | None, length: str | None, **shared: Any) -> None:
    """Say each text anew; numbers and names that the text does not have are told of.

        assistant rewrite --style formal --length shorter draft.md

    Exit codes: as `assistant summarize` has them.
    """
    _run("rewrite", {"style": style, "tone": tone, "length": length}, shared)


@click.command(short_help="Correct spelling, grammar and punctuation.")
@click.option("--list", "listed", is_flag=True, help="Print the corrections with their places instead of the text.")
@frame_flags
@language_flag
def proofread(listed: bool, **shared: Any) -> None:
    """Print each text with its mistakes corrected, and nothing else changed.

        assistant proofread < letter.txt > corrected.txt

    Exit codes: as `assistant summarize` has them.
    """
    _run("proofread", {}, shared, listed=listed)


def _run(name: str, values: dict[str, Any], shared: dict[str, Any], *, listed: bool = False) -> None:
    """Run a built-in template over the sources; values that are None are left to the template."""
    from assistant.tasks.answering import answering
    from assistant.templates.library import Library
    from assistant.templates.template import fill

    language = shared.pop("language")
    frame = Frame.of(shared)
    given = {name: value for name, value in values.items() if value is not None}
    filled = fill(Library().get(name), given, language)

    def work_for(opened: Opened) -> Work:
        options = opened.generation_for(filled.template.options)

        def work(engine: Engine, source: Source, check: Check) -> Generator[Event, None, Outcome]:
            began = time.monotonic()
            answer = yield from answering(engine, filled, source.text, options, check)
            return _outcome(answer, time.monotonic() - began, listed=listed)

        return work

    over_sources(frame, work_for, {"template": name, "parameters": given} if given else {"template": name})


def _outcome(answer: Answer, seconds: float, *, listed: bool) -> Outcome:
    text = answer.text
    if isinstance(answer.data, dict) and "corrections" in answer.data and not listed:
        text = answer.data["text"].strip("\n")
    told = [f"not in the text: {', '.join(answer.unsupported)}"] if answer.unsupported else []
    if answer.problem:
        told.append(f"not what was asked for: {answer.problem}")
    if answer.probability is not None:
        told.append(f"probability {answer.probability:.2f}")
    timings = {
        "seconds": round(seconds, 3),
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
    }
    data = answer.to_json() | {"unsupported": list(answer.unsupported), "timings": timings}
    return Outcome(text, data, tuple(told), good=not answer.problem, supported=not answer.unsupported)
