"""What each part of each day is for: the program makes the menus, the model chooses."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from assistant.domains.travel.interests import Activity, activities, kinds_of
from assistant.domains.travel.trip import Trip
from assistant.engine.calls import completing
from assistant.engine.engine import Constraint, Engine, Event, GenerateOptions, Message

CHOICES = 4  # for a part of a day: more only take time to read

_FOR_ANYBODY = frozenset({"history", "architecture", "museums", "food", "nature", "art", "shopping", "hiking", "books"})
# The letters are those of the activities; "l" is a second afternoon.
_PARTS = {"normal": ("m", "a", "e"), "fast": ("m", "a", "l", "e")}
_OWN_INTEREST = {
    "en": "Give this time to what you came for: {}.",
    "ru": "Посвятите это время тому, ради чего едете: {}.",
}


def parts_of(trip: Trip, number: int) -> tuple[str, ...]:
    """The parts of a day that have something in them: at a slow pace two, the morning or the afternoon left free."""
    if trip.pace == "slow":
        return ("m", "e") if number % 2 == 0 else ("a", "e")
    return _PARTS[trip.pace]


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to do; ``fact`` names what the program adds to it."""

    label: str
    text: str
    fact: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """What a part of a day may be for."""

    day: int
    part: str
    choices: tuple[Choice, ...]


def menus(trip: Trip) -> list[Menu]:
    """A menu for each part of each day, such that no activity is in two of them until all that fit were in one."""
    language, days = trip.language, trip.days or 0
    wishes: list[tuple[str, frozenset[str]]] = [(interest, kinds_of(interest)) for interest in trip.interests]
    if trip.children:
        wishes.append(("", frozenset({"family"})))
    own = [Choice(interest, _OWN_INTEREST[language].format(interest)) for interest, kinds in wishes if not kinds]
    kinds = [kinds for _, kinds in wishes if kinds]
    wanted = frozenset().union(*kinds) if kinds else frozenset[str]()
    slots = [(number, part) for number in range(1, days + 1) for part in parts_of(trip, number)]
    used: dict[str, int] = {}
    found_menus = []
    for position, (number, part) in enumerate(slots):
        slow = trip.pace == "slow"
        edge = "first" if number == 1 and (slow or part in "me") else ""
        edge = edge or ("last" if number == days and (slow or part != "a") else "")
        edge = edge if days > 1 else ""
        if own and part == "a":
            found_menus.append(Menu(number, part, (own.pop(0),)))
            continue
        left = sum(_hour(other) == _hour(part) for _, other in slots[position:])
        focus = kinds[position % len(kinds)] if kinds else frozenset[str]()
        found = _fitting(trip, part, focus, wanted, edge, used, left)
        used |= dict.fromkeys((activity.label["en"] for activity in found), position)
        choices = tuple(Choice(activity.label[language], activity.text[language], activity.fact) for activity in found)
        found_menus.append(Menu(number, part, choices))
    return found_menus


def _hour(part: str) -> str:
    return "a" if part == "l" else part


def _fitting(
    trip: Trip, part: str, focus: frozenset[str], wanted: frozenset[str], edge: str, used: dict[str, int], left: int
) -> list[Activity]:
    """Some activities for a part of the day, of which there are ``left``, this one included.

    Those that are wanted come first; when they run short, every other time one that suits anybody; when all were in a
    menu (``used``: the last one, by label), the one that was so longest ago.
    """
    at_hour = [one for one in activities() if _hour(part) in one.parts]
    at_edge = [one for one in at_hour if (edge == "first" and one.first) or (edge == "last" and one.last)]
    if fresh := [one for one in at_edge if one.label["en"] not in used]:
        return fresh[:CHOICES]
    anyday = [one for one in at_hour if not one.first and not one.last]
    fit = [one for one in anyday if (not one.interests and wanted) or wanted.intersection(one.interests)]
    others = [one for one in anyday if one not in fit and (not one.interests or one.interests[0] in _FOR_ANYBODY)]
    fresh = [one for one in fit if one.label["en"] not in used]
    more = [one for one in others if one.label["en"] not in used]
    if more and len(fresh) < left and (not fresh or len(used) % 2):
        fresh = more
    if not fresh:
        return sorted([*fit, *others], key=lambda one: used[one.label["en"]])[:1]
    strain = 0 if trip.pace == "slow" and part != "a" else 1 if trip.pace == "slow" else 2

    def rank(activity: Activity) -> tuple[bool, bool, bool]:
        return activity.effort > strain, not focus.intersection(activity.interests), not activity.interests

    return sorted(fresh, key=rank)[: max(1, min(CHOICES, len(fresh) // left))]


def choose(
    engine: Engine, trip: Trip, menus: Sequence[Menu], options: GenerateOptions, check_cancelled: Callable[[], None]
) -> Generator[Event, None, dict[tuple[int, str], Choice]]:
    """One activity of each menu. The model chooses where there is a choice."""
    open_menus = [menu for menu in menus if len(menu.choices) > 1]
    chosen = {(menu.day, menu.part): menu.choices[0] for menu in menus}
    if not open_menus:
        return chosen
    assert trip.destination is not None
    lines = [f"{menu.day}{menu.part}: " + " | ".join(choice.label for choice in menu.choices) for menu in open_menus]
    wishes = ", ".join(trip.interests) or "everything"
    task = (
        f"A trip to {trip.destination.name(trip.language)}: {trip.days} days, {trip.pace} pace, interests: "
        f"{wishes}. For each line "
        "(number of the day; m morning, a afternoon, l late afternoon, e evening) choose one activity, so that "
        "every day is varied and "
        "follows the interests.\n" + "\n".join(lines)
    )
    expression = "\n".join(
        f"{menu.day}{menu.part}: (?:{'|'.join(_literal(choice.label) for choice in menu.choices)})"
        for menu in open_menus
    )
    options = replace(
        options, temperature=0, max_tokens=None, constraint=Constraint("regex", expression), stop=(), beams=1
    )
    result = yield from completing(engine, [Message("user", task)], options, check_cancelled)
    answers = dict(line.split(": ", 1) for line in result.text.splitlines() if ": " in line)
    for menu in open_menus:
        label = answers.get(f"{menu.day}{menu.part}")
        chosen[menu.day, menu.part] = next((one for one in menu.choices if one.label == label), menu.choices[0])
    return chosen


def _literal(text: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$#&~-])", r"\\\1", text)
