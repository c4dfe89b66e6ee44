"""``assistant calories``: a meal in free words, the food diary, the goal."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, cast

import click
from click_default_group import DefaultGroup

from assistant.cli import calories_diary, calories_goal
from assistant.cli.calories_display import food_json, print_meals, the_day, words
from assistant.cli.loading import finish, load, model_flags
from assistant.cli.question import read_question
from assistant.cli.writing import print_json, print_table, shortened
from assistant.domains.calories import tables
from assistant.domains.calories.amending import amended
from assistant.domains.calories.diary import Diary
from assistant.domains.calories.foods import Foods
from assistant.domains.calories.portions import unit_name
from assistant.domains.calories.proposal import Meals, read
from assistant.domains.calories.replies import Plain
from assistant.domains.calories.replies import read as read_reply
from assistant.domains.calories.sections import NoSuchDay, read_meal
from models.errors import ModelError, UsageError

if TYPE_CHECKING:
    from assistant.domains.calories.messages import Words
    from assistant.engine.engine import Engine

_MEALS = "breakfast, lunch, dinner, snack, завтрак, обед, ужин, перекус"


@click.group(
    cls=DefaultGroup,
    default="today",
    default_if_no_args=True,
    short_help="Count a meal in free words, keep a food diary, compare it with a goal.",
)
def calories() -> None:
    """Count a meal in free words, keep a food diary, compare it with a goal. Alone it shows today.

    The model only reads what you wrote; every number comes from the tables of the USDA, or from a recipe, and is shown
    with its source. This is no medical advice.
    """


class _Said(click.Command):
    """A command whose words may begin with a negative amount, which is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f" {arg}" if re.match(r"-\s*\d", arg) else arg for arg in args])


@calories.command(cls=_Said)
@click.argument("text", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: items, unknown, totals.")
@model_flags
def parse(text: Sequence[str], as_json: bool, model: str | None, options: Sequence[tuple[str, str]]) -> None:
    """Read a meal in free words and count it; nothing is saved.

    TEXT may come by a pipe: echo "2 eggs and a cup of coffee" | assistant calories parse
    """
    said, today = _said(text), date.today()
    say = words(said)
    with Foods.open() as foods, Diary.open() as diary:
        meals = _read(said, foods, diary, say, today, model, options)
    if as_json:
        print_json(meals.parsed())
        return
    if meals.rows:
        print_meals(meals, today, say)
    _ask_about(meals, say)
    if not meals.rows and not meals.questions:
        click.echo(say("no_food"), err=True)


@calories.command(cls=_Said)
@click.argument("text", nargs=-1)
@click.option("-y", "--yes", is_flag=True, help="Record what was read as it is; do not ask.")
@click.option("--day", "day_said", metavar="DAY", help="2026-01-31, 31.01, yesterday, вчера, вторник; else today.")
@click.option("--meal", "meal_said", metavar="MEAL", help=f"{_MEALS}.")
@click.option("--json", "as_json", is_flag=True, help="Print what was recorded as one JSON object; needs -y.")
@model_flags
def add(
    text: Sequence[str],
    yes: bool,
    day_said: str | None,
    meal_said: str | None,
    as_json: bool,
    model: str | None,
    options: Sequence[tuple[str, str]],
) -> None:
    """Record a meal in free words. At a terminal it shows what it read, and asks.

    What TEXT itself says of the day and the meal goes before --day and --meal. Foods that no table has are not
    recorded; they are told on stderr, and with nothing else the exit code is 1.
    """
    said, today = _said(text), date.today()
    say = words(said)
    if not yes and (as_json or not (sys.stdin.isatty() and sys.stderr.isatty())):
        raise UsageError("Recording a meal needs a yes.", "Add -y, or look first: assistant calories parse")
    day = the_day(day_said, today, say) if day_said else today
    meal = read_meal(meal_said, today) if meal_said else ""
    if meal_said and not meal:
        raise UsageError(f"{meal_said} is no meal of the day.", f"One of: {_MEALS}.")
    with Foods.open() as foods, Diary.open() as diary:
        meals = _read(said, foods, diary, say, today, model, options, day=day, meal=meal)
        if future := next((when for when, *_ in meals.rows if when > today), None):
            raise UsageError(say("future_day", day=say.day(future, today)))
        if not yes:
            meals = _confirmed(meals, foods, today, say)
        _ask_about(meals, say)
        entries = meals.record(diary, doubtful=True)
        if entries:
            named = ", ".join(
                f"{tables.name_of(entry, say.language)} {say('in_grams', value=say.number(entry.grams))}"
                for entry in entries
            )
            click.echo(say("recorded", foods=named), err=True)
    if as_json:
        unknown = [row.span for _, row in meals.unknown]
        print_json({"entries": [entry.to_json() for entry in entries], "unknown": unknown})
    if not entries:
        if not meals.rows:
            click.echo(say("no_food"), err=True)
        sys.exit(1)


@calories.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many foods.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def search(query: Sequence[str], limit: int, as_json: bool) -> None:
    """Find foods in the table, in English or Russian: id, name, kcal, protein, fat and carbohydrate of 100 g."""
    asked = " ".join(query)
    say = words(asked)
    with Foods.open() as foods:
        found = foods.search(asked, limit)
    if as_json:
        print_json([food_json(food) for food in found])
        return
    if not found:
        click.echo(say("no_such_food", words=asked), err=True)
        return
    rows = [
        (
            food.id,
            shortened(_both_names(food.name, food.name_ru, say), 60),
            say.number(food.per_100g.kcal),
            *(
                say.number(value, 1)
                for value in (food.per_100g.protein_g, food.per_100g.fat_g, food.per_100g.carbohydrate_g)
            ),
        )
        for food in found
    ]
    print_table([("id", *(say(key) for key in ("food", "kcal", "p", "f", "c"))), *rows], right=(2, 3, 4, 5))


@calories.command()
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def food(id: str, as_json: bool) -> None:
    """Show all that the table says of a food: nutrients of 100 g, measures, source; what a recipe's dish is made of.
    `search` finds its ID."""
    say = words()
    with Foods.open() as foods:
        found = foods.get(id)
        if not found:
            raise UsageError(f"The table has no food {id}.", f"Find it: assistant calories search {id}")
        ingredients = foods.ingredients(found)
    shown = food_json(found, ingredients)
    if as_json:
        print_json(shown)
        return
    click.echo(click.style(_both_names(found.name, found.name_ru, say), bold=True))
    click.echo(f"{found.id} · {found.source}")
    print_table(
        [
            (name.replace("_", ", "), say.number(value, 0 if name == "kcal" else 2))
            for name, value in shown["per_100g"].items()
        ],
        right=(1,),
    )
    print_table(
        [
            (f"{one.amount:g} {unit_name(one.unit, say.language)}", say("in_grams", value=f"{one.grams:g}"), source)
            for one in found.measures
            for source in [one.source_ru if say.language == "ru" and one.source_ru else one.source]
        ],
        right=(1,),
    )
    if ingredients:
        click.echo(say("made_of"))
        print_table(
            [
                (say("in_grams", value=say.number(grams, 1)), each.id, _both_names(each.name, each.name_ru, say))
                for each, grams in ingredients
            ],
            right=(0,),
        )


def _said(text: Sequence[str]) -> str:
    try:
        return read_question(" ".join(text), ())
    except UsageError as error:
        if "nothing to ask" not in error.message:
            raise
        example = 'assistant calories parse "200 g cottage cheese, a glass of milk"'
        raise UsageError("There is no meal in this.", f"Say what was eaten: {example}") from error


def _read(
    said: str,
    foods: Foods,
    diary: Diary,
    say: Words,
    today: date,
    model: str | None,
    options: Sequence[tuple[str, str]],
    day: date | None = None,
    meal: str = "",
) -> Meals:
    """The meals of the text; the model is loaded only if words are left that the grammar cannot judge.

    Raises:
        UsageError: it names a day that no calendar has.
    """
    engine = _OnDemand(model, options)
    try:
        work = read(
            cast("Engine", engine), said, foods, diary, language=say.language, today=today, day=day, meal_name=meal
        )
        return finish(work, cast("Engine", engine))
    except NoSuchDay as error:
        raise UsageError(say("no_such_day", words=error)) from error
    except ModelError as error:
        if model or engine.opened:
            raise
        # No model is installed: what the grammar is sure of needs none.
        click.echo(f"{say('no_model')} {error.message}", err=True)
        work = read(None, said, foods, diary, language=say.language, today=today, day=day, meal_name=meal)
        return finish(work, cast("Engine", engine))
    finally:
        engine.close()


class _OnDemand:
    """The engine of the model that is asked for, opened by the first call that needs it."""

    def __init__(self, model: str | None, options: Sequence[tuple[str, str]]):
        self._asked = model, options
        self.opened: Engine | None = None

    def __getattr__(self, name: str) -> Any:
        if not self.opened:
            self.opened = load(*self._asked).engine
        return getattr(self.opened, name)

    def cancel(self) -> None:
        if self.opened:
            self.opened.cancel()

    def close(self) -> None:
        if self.opened:
            self.opened.close()


def _ask_about(meals: Meals, say: Words) -> None:
    """What is not sure, and what nobody knows, on stderr."""
    for question in meals.questions:
        click.echo(question, err=True)
    unknown = [row.span for _, row in meals.unknown if not row.doubtful]
    if unknown:
        click.echo(say("left_out", foods=", ".join(f"«{span}»" for span in unknown)), err=True)


def _confirmed(meals: Meals, foods: Foods, today: date, say: Words) -> Meals:
    """As the user corrects it, until a yes; a no leaves nothing."""
    while meals.rows:
        print_meals(meals, today, say)
        for question in meals.questions:
            click.echo(question)
        if choosing := meals.choosing:
            click.echo(say("choose", words=choosing.words, number=choosing.number))
            for number, id in enumerate(choosing.candidates, 1):
                candidate = foods.get(id)
                click.echo(f"  {number}. {tables.name_of(candidate, say.language)} ({id})" if candidate else id)
        answer = click.prompt(say("terminal_question"), default="", show_default=False, err=True)
        try:
            replies = read_reply(answer, today)
        except NoSuchDay:
            replies = []
        meals, wrong = amended(meals, replies, foods, say)
        for message in wrong:
            click.echo(message, err=True)
        if Plain("yes") in replies and not wrong and (len(replies) == 1 or not meals.choosing):
            return meals
        if Plain("no") in replies:
            click.echo(say("discarded"), err=True)
            sys.exit(1)
        if not meals.rows:
            click.echo(say("nothing_left"), err=True)
            sys.exit(1)
    return meals


def _both_names(name: str, russian: str | None, say: Words) -> str:
    if not russian:
        return name
    return f"{russian} ({name})" if say.language == "ru" else f"{name} ({russian})"


for _command in (*calories_diary.COMMANDS, *calories_goal.COMMANDS):
    calories.add_command(_command)
