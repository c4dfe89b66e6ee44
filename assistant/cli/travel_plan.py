"""``assistant travel plan``: a day plan from a request in free words."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assistant.cli.loading import finish, load, model_flags
from assistant.cli.writing import print_json
from models.errors import UsageError, UserError
from models.files import write_whole

if TYPE_CHECKING:
    from assistant.domains.travel.plan import Plan
    from assistant.domains.travel.trip import Given
    from assistant.engine.engine import Event
    from assistant.memory.memory import Memory

_ROUNDS = 5  # of questions at a terminal


@click.command()
@click.argument("request", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; questions are in it.")
@click.option(
    "--ics", type=click.Path(dir_okay=False, path_type=Path), help="Write the days to this calendar file too."
)
@click.option("--lang", type=click.Choice(["en", "ru"]), help="Language of the plan; that of the request by default.")
@click.option("--from", "origin", metavar="PLACE", help="Where the trip starts, whatever the request says.")
@click.option("--to", "destination", metavar="PLACE", help="Where it goes.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The first day, as 2027-05-03.")
@click.option("--days", type=int, metavar="N", help="How many days, the first and the last included.")
@click.option("--travellers", type=int, metavar="N", help="How many people.")
@click.option(
    "-p", "--price", "prices", multiple=True, metavar="NAME=AMOUNT", help='A price of yours: "hotel=80*5 EUR".'
)
@click.option(
    "--memory",
    "collection",
    is_flag=False,
    flag_value="",
    metavar="[COLLECTION]",
    help="Quote your documents in memory.",
)
@click.option("--no-questions", is_flag=True, help="Ask nothing at the terminal.")
@model_flags
def plan(
    request: Sequence[str],
    as_json: bool,
    ics: Path | None,
    lang: str | None,
    origin: str | None,
    destination: str | None,
    start: datetime | None,
    days: int | None,
    travellers: int | None,
    prices: Sequence[str],
    collection: str | None,
    no_questions: bool,
    model: str | None,
    options: Sequence[tuple[str, str]],
) -> None:
    """Plan the trip that REQUEST tells of: facts with their sources, and what to do each day.

    \b
    assistant travel plan "5 days in Tbilisi from Moscow in May, two adults, museums and food, slow"

    Without a request it is read from stdin. What is missing is asked at a terminal; elsewhere the questions go to
    stderr, and the exit code is 1 when there can be no plan without an answer.
    """
    from assistant.domains.travel.trip import Given

    text = " ".join(request).strip() or ("" if sys.stdin.isatty() else sys.stdin.read().strip())
    given = Given(origin, destination, start.date() if start else None, days, travellers)
    if not text and destination is None:
        raise UsageError(
            "Say what trip to plan.", 'For example: assistant travel plan "5 days in Rome from Berlin in May".'
        )
    asks = not (as_json or no_questions) and sys.stdin.isatty() and sys.stderr.isatty()
    made = _make(text, given, lang, prices, collection, model, options, asks)
    questions = made.extraction.questions
    if as_json:
        print_json(made.to_json())
    elif made.markdown:
        click.echo(made.markdown)
    if not as_json:
        for question in questions:
            click.echo(question.text, err=True)
    if not made.markdown:
        sys.exit(1)
    for one in made.ungrounded if not as_json else ():
        click.echo(f"⚠ {one.kind}: {one.text}", err=True)
    if ics:
        _write(ics, made)


def _make(
    text: str,
    given: Given,
    lang: str | None,
    prices: Sequence[str],
    collection: str | None,
    model: str | None,
    options: Sequence[tuple[str, str]],
    asks: bool,
) -> Plan:
    from assistant.domains.travel.places import Places
    from assistant.domains.travel.prices import price, prices_in
    from assistant.memory.memory import Memory
    from assistant.memory.stemming import language_of

    language: Any = lang or ("ru" if language_of(text) == "ru" else "en")
    own = [price(one) for one in prices]
    said: list[str] = []
    loaded = load(model, options)
    try:
        with Places.open() as places, Memory.open() if collection is not None else nullcontext() as memory:
            where = _collection(memory, collection)
            while True:
                work = _planning(
                    loaded.engine, text, said, places, given, language, own, memory, where, loaded.generation
                )
                made = finish(work, loaded.engine)
                if made.markdown or not asks or len(said) >= _ROUNDS:
                    return made
                blocking = [question.text for question in made.extraction.questions if question.blocking]
                said.append(text)
                text = click.prompt("\n".join(blocking), err=True, prompt_suffix="\n> ")
                own += prices_in(text)
    finally:
        loaded.engine.close()


def _planning(
    engine: Any,
    text: str,
    said: Sequence[str],
    places: Any,
    given: Given,
    language: Any,
    prices: Sequence[Any],
    memory: Memory | None,
    collection: str | None,
    generation: Any,
) -> Generator[Event, None, Plan]:
    from assistant.domains.travel.plan import make
    from assistant.domains.travel.prices import prices_in
    from assistant.domains.travel.trip import extract

    today = date.today()
    found = yield from extract(
        engine, text, places, today, language=language, given=given, before=said, options=generation
    )
    every = [*prices, *prices_in(" ".join((*said, text)))]
    plan: Plan = yield from make(
        engine, found, places, today, prices=every, memory=memory, collection=collection, options=generation
    )
    return plan


def _collection(memory: Memory | None, name: str | None) -> str | None:
    """The collection of this name; None: all of them.

    Raises:
        UsageError: there is none.
    """
    if memory is None or not name:
        return None
    if name not in memory.index.collections():
        raise UsageError(f"Memory has no collection {name}.", "See `assistant memory list`.")
    return name


def _write(path: Path, made: Plan) -> None:
    """The calendar file appears whole or not at all."""
    from assistant.domains.travel.calendar import to_ics

    days = []
    for number, day in enumerate(made.days, 1):
        where = next(leg.place for leg in made.legs if leg.first <= number <= leg.last).name(made.trip.language)
        lines = (*day.notes, *(f"{part}: {text}" for part, text in day.parts), *day.closing)
        days.append((f"{where}: {day.heading}", "\n".join(lines), where))
    content = to_ics(made.trip, days)
    try:
        write_whole(path, content)
    except OSError as error:
        raise UserError(f"The calendar cannot be written: {error.strerror}: {path}.", "Choose another file.") from error
    click.echo(str(path), err=True)
