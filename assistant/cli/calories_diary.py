"""``assistant calories``: show, correct and export the diary."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import click

from assistant.cli.calories_display import day_json, print_day, print_lines, the_day, width, words
from assistant.cli.writing import print_json, print_table, write_out
from assistant.domains.calories import tables
from assistant.domains.calories.amending import Ambiguous
from assistant.domains.calories.amending import edit as edit_entry
from assistant.domains.calories.chart import draw_week, drawable, week_lines
from assistant.domains.calories.diary import Diary
from assistant.domains.calories.entry import Entry
from assistant.domains.calories.foods import Foods
from assistant.domains.calories.lemmas import lemmas
from assistant.domains.calories.meal import rounded
from assistant.domains.calories.messages import Words
from models.errors import UsageError, UserError

_NUMBER = "ENTRY is a number, which `assistant calories today` shows."
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which spreadsheets begin one


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def today(as_json: bool) -> None:
    """Show what is recorded for today, against the goal."""
    _show(date.today(), words(), as_json)


@click.command("day")
@click.argument("day", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def day_(day: Sequence[str], as_json: bool) -> None:
    """Show a day: 2026-01-31, 31.01, "31 января", yesterday, вчера, вторник."""
    said = " ".join(day)
    say = words(said)
    _show(the_day(said, date.today(), say), say, as_json)


@click.command()
@click.option("--until", metavar="DAY", help="The last day of the seven; else today.")
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Write the chart as a picture, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def week(until: str | None, png: Path | None, as_json: bool) -> None:
    """Show seven days in bars, with the goal and the mean."""
    say = words(until)
    last = the_day(until, date.today(), say) if until else date.today()
    with Diary.open() as diary:
        days, goal = diary.days(last - timedelta(6), last), diary.goal
    if as_json:
        print_json(
            {
                "days": [{"day": day.day.isoformat(), "entries": day.entries, **rounded(day.totals)} for day in days],
                "goal": goal and asdict(goal),
            }
        )
    else:
        print_lines(week_lines(days, goal, say, width(), blocks=drawable(sys.stdout.encoding)))
    if png:
        try:
            draw_week(days, goal, say, png)
        except ValueError as error:
            raise UsageError(f"{png} is no picture that can be written.", "Name it week.png, .svg or .pdf.") from error
        except OSError as error:
            raise UserError(f"{png} cannot be written: {error.strerror}.", "Choose another place.") from error


@click.command()
def undo() -> None:
    """Take the last change of the diary back; again, the one before it."""
    say = words()
    with Diary.open() as diary:
        undone = diary.undo()
    if not undone:
        click.echo(say("nothing_to_undo"), err=True)
        return
    entries = undone.restored or undone.removed
    text = say(f"undone_{undone.kind}", foods=_named(entries, say)) if entries else say("undone_learnt")
    click.echo(text, err=True)


@click.command(epilog=_NUMBER)
@click.argument("entries", metavar="ENTRY...", nargs=-1, type=int, required=True)
def rm(entries: Sequence[int]) -> None:
    """Remove entries from the diary; `undo` brings them back."""
    say = words()
    with Diary.open() as diary:
        removed = diary.remove(*entries)
    click.echo(say("removed", foods=_named(removed, say)), err=True)


@click.command(epilog=_NUMBER)
@click.argument("entry", type=int)
@click.option("--grams", type=float, help="How much it was.")
@click.option("--food", help="What it was: words, or an id of the table.")
def edit(entry: int, grams: float | None, food: str | None) -> None:
    """Correct an entry. A food that is corrected is remembered for the words it was recorded with."""
    if grams is None and not food:
        raise UsageError("Say what to correct.", "Give --grams, --food, or both.")
    say = words(food)
    with Diary.open() as diary, Foods.open() as foods:
        try:
            said = " ".join(filter(None, (food, f"{grams:f} g" if grams is not None else "")))
            changed = edit_entry(diary, entry, said, foods, say)
        except Ambiguous as several:
            names = "; ".join(f"{one.id} {tables.name_of(one, say.language)}" for one in several.foods)
            raise UsageError(f"“{food}” may be several foods: {names}.", "Give the id of one.") from several
    click.echo(say("edited", foods=_named([changed], say)), err=True)


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.pass_context
def corrections(ctx: click.Context, as_json: bool) -> None:
    """List which foods you meant by which words, as you corrected them."""
    if ctx.invoked_subcommand:
        return
    say = words()
    with Diary.open() as diary, Foods.open() as foods:
        known = [(one, foods.get(one.food_id)) for one in diary.corrections()]
    if as_json:
        print_json([asdict(one) for one, _ in known])
        return
    print_table([(one.span, one.food_id, tables.name_of(food, say.language) if food else "") for one, food in known])
    if not known:
        click.echo("Nothing was corrected yet.", err=True)


@corrections.command("rm")
@click.argument("words_", metavar="WORDS...", nargs=-1, required=True)
def corrections_rm(words_: Sequence[str]) -> None:
    """Forget which food is meant by WORDS."""
    said = " ".join(words_)
    with Diary.open() as diary:
        if not diary.forget_correction(" ".join(lemmas(said))):
            raise UsageError(f"Nothing was corrected for “{said}”.", "`assistant calories corrections` lists them.")
    click.echo(f"Forgotten: {said}.", err=True)


@click.command()
@click.option("--csv", "kind", flag_value="csv", default=True, help="A row an entry. This is the default.")
@click.option("--json", "kind", flag_value="json", help="A JSON array.")
@click.option("--from", "first", metavar="DAY", help="The first day; else all.")
@click.option("--to", "last", metavar="DAY", help="The last day; else all.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="The file to write, instead of stdout.")
def export(kind: str, first: str | None, last: str | None, output: str | None) -> None:
    """Write the diary as CSV or JSON, each entry with its numbers and their source."""
    say, now = words(), date.today()
    with Diary.open() as diary:
        entries = diary.entries(the_day(first, now, say) if first else None, the_day(last, now, say) if last else None)
    records = [entry.to_json() for entry in entries]
    text = json.dumps(records, ensure_ascii=False, indent=2) + "\n" if kind == "json" else _csv(entries)
    write_out(text, output)


def _csv(entries: Sequence[Entry]) -> str:
    """RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe in front."""
    columns = (
        "id", "day", "meal", "span", "food_id", "food", "food_ru", "amount", "unit", "grams", "kcal", "protein_g",
        "fat_g", "carbohydrate_g", "fibre_g", "source", "estimate", "assumed", "measure", "created",
    )  # fmt: skip
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for entry in entries:
        record = entry.to_json()
        writer.writerow([_safe(record[column]) for column in columns])
    return file.getvalue()


def _safe(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _show(day: date, say: Words, as_json: bool) -> None:
    with Diary.open() as diary:
        entries, goal = diary.entries(day, day), diary.goal
    if as_json:
        print_json({**day_json(day, entries), "goal": goal and asdict(goal)})
    else:
        print_day(day, entries, goal, date.today(), say)


def _named(entries: Sequence[Entry], say: Words) -> str:
    return ", ".join(
        f"{entry.id}: {tables.name_of(entry, say.language)} {say('in_grams', value=say.number(entry.grams))}"
        for entry in entries
    )


COMMANDS: tuple[click.Command, ...] = (today, day_, week, undo, rm, edit, corrections, export)
