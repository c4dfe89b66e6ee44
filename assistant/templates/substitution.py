"""``$name`` and ``${name}`` in a template's texts; ``$$`` is a dollar sign. Nothing is evaluated, and what stands in
for a name is not looked at again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from models.errors import UsageError

INPUT = "input"  # the name of what the user writes
_NAME = r"[^\W\d]\w*"
NAME = re.compile(_NAME)
_PLACE = re.compile(rf"\$(?:(?P<dollar>\$)|(?P<name>{_NAME})|\{{(?P<braced>{_NAME})\}}|(?P<wrong>))")
_TRUTH = {"en": ("no", "yes"), "ru": ("нет", "да")}


def names(text: str) -> Iterator[tuple[str, str]]:
    """Each name in the text, and how it is written there.

    Raises:
        UsageError: a dollar sign stands before no name.
    """
    for place in _PLACE.finditer(text):
        if place["wrong"] is not None:
            start = place.start()
            raise UsageError(f"`{text[start : start + 12].splitlines()[0]}`: a dollar sign itself is written `$$`.")
        if name := place["name"] or place["braced"]:
            yield name, place[0]


def substitute(text: str, render: Callable[[str, bool], str]) -> str:
    """The text with ``render(name, alone)`` for each name; ``alone``: nothing else stands on its line."""

    def put(place: re.Match[str]) -> str:
        if place["dollar"]:
            return "$"
        start = text.rfind("\n", 0, place.start()) + 1
        end = text.find("\n", place.end())
        line = text[start : end if end >= 0 else len(text)]
        return render(place["name"] or place["braced"], line.strip() == place[0])

    return _PLACE.sub(put, text)


def shown(value: Any, language: str, alone: bool) -> str:
    """A value as it stands in a prompt: a list with commas (items that have one in quotes), or by line with dashes if
    it is alone on its line; a schema as JSON; yes and no in the language."""
    match value:
        case bool():
            return _TRUTH[language][value]
        case list() | tuple():
            if alone:
                return "\n".join(f"- {item}" for item in value)
            return ", ".join(f'"{item}"' if "," in str(item) else str(item) for item in value)
        case Mapping():
            return json.dumps(value, ensure_ascii=False)
        case float():
            return f"{value:.15g}"
    return str(value)


def single(text: object) -> str | None:
    """The name, when the text is nothing but ``$name``: a field that takes its whole value from a variable."""
    if not isinstance(text, str) or not (place := _PLACE.fullmatch(text.strip())):
        return None
    return place["name"] or place["braced"]
