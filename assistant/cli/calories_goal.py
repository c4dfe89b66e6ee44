"""``assistant calories goal`` and ``profile``: how much a day should have."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, get_args

import click

from assistant.cli.calories_display import words
from assistant.cli.writing import print_json, print_table
from assistant.domains.calories import goal as goals
from assistant.domains.calories.diary import Diary
from assistant.domains.calories.goal import Goal, Profile
from assistant.domains.calories.messages import Words
from models.errors import UsageError

_FLAGS = ("sex", "age", "height", "weight", "activity", "aim")


@click.command()
@click.argument("kcal", type=float, required=False)
@click.option("--from-profile", is_flag=True, help="Work it out from the profile.")
@click.option("--forget", is_flag=True, help="Have no goal any more.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def goal(kcal: float | None, from_profile: bool, forget: bool, as_json: bool) -> None:
    """Show the goal of a day, or set it to KCAL; protein, fat and carbohydrate are 20, 30 and 50 % of it."""
    say = words()
    if sum((kcal is not None, from_profile, forget)) > 1:
        raise UsageError("Only one of KCAL, --from-profile and --forget can be meant.")
    with Diary.open() as diary:
        if from_profile and not diary.profile:
            raise UsageError("There is no profile yet.", "Tell it: assistant calories profile --help")
        if forget:
            diary.goal = None
        elif kcal is not None:
            diary.goal = goals.from_number(kcal, diary.profile, say)
        elif from_profile and diary.profile:
            diary.goal = goals.from_profile(diary.profile, say)
        found = diary.goal
    if forget:
        click.echo(say("goal_forgotten"), err=True)
    elif as_json:
        print_json(found and asdict(found))
    elif found:
        _print_goal(found, say)
    else:
        click.echo(say("no_goal"), err=True)


@click.command()
@click.option("--sex", type=click.Choice(get_args(goals.Sex)), help="As the equation knows it.")
@click.option("--age", type=int, help="In years.")
@click.option("--height", type=float, help="In cm.")
@click.option("--weight", type=float, help="In kg.")
@click.option("--activity", type=click.Choice(get_args(goals.Activity)), help="How active you are; else light.")
@click.option("--aim", type=click.Choice(get_args(goals.Aim)), help="What for; else keep.")
@click.option("--forget", is_flag=True, help="Remove the profile; the goal stays.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def profile(forget: bool, as_json: bool, **given: Any) -> None:
    """Show or change what the goal is worked out from: the equation of Mifflin and St Jeor (1990), for adults.

    \b
    activity   factor   for example
    sedentary  1.2      at a desk, no sport
    light      1.375    light sport one to three days a week
    moderate   1.55     sport three to five days a week
    high       1.725    hard sport six or seven days a week
    very-high  1.9      hard physical work, or training twice a day
    """
    say = words()
    changes = {name: value for name, value in given.items() if value is not None}
    with Diary.open() as diary:
        if forget:
            diary.profile = None
            click.echo("The profile is forgotten.", err=True)
            return
        known = diary.profile
        if changes:
            known = _merged(known, changes)
            worked_out = goals.from_profile(known, say)
            with diary.database.transaction():
                diary.profile, diary.goal = known, worked_out
        if not known:
            raise UsageError(
                "There is no profile yet.",
                "Tell it: assistant calories profile --sex female --age 30 --height 170 --weight 60",
            )
        set_goal = diary.goal
    if as_json:
        numbers = {"resting_kcal": round(known.resting), "expenditure_kcal": round(known.expenditure)}
        print_json({**asdict(known), **numbers, "goal": set_goal and asdict(set_goal)})
        return
    print_table(
        [(name, f"{getattr(known, name):g}" if name in _FLAGS[1:4] else getattr(known, name)) for name in _FLAGS]
    )
    if set_goal:
        _print_goal(set_goal, say)


def _merged(known: Profile | None, changes: dict[str, Any]) -> Profile:
    if known:
        return replace(known, **changes)
    missing = [f"--{name}" for name in _FLAGS[:4] if name not in changes]
    if missing:
        raise UsageError(f"A new profile needs {', '.join(missing)} too.")
    return Profile(**{"activity": "light", "aim": "keep", **changes})


def _print_goal(goal: Goal, say: Words) -> None:
    click.echo(goals.described(goal, say))
    click.echo(say("disclaimer"), err=True)


COMMANDS: tuple[click.Command, ...] = (goal, profile)
