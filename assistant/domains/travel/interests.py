"""What a traveller likes, as the activities of ``data/activities.toml`` are sorted by."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

_FILE = Path(__file__).with_name("data") / "activities.toml"

Part = Literal["m", "a", "e"]


@dataclass(frozen=True, slots=True)
class Activity:
    """Something to do anywhere: ``label`` to choose it by and ``text`` for the plan, by language.

    Attributes:
        parts: of the day: morning, afternoon, evening.
        effort: 0 to 2.
        interests: kinds that it serves, the first above all; none: everybody's.
        first, last: only for the first, or the last day.
        fact: what the program can add to it: currency, language, sunset, sunrise.
    """

    label: dict[str, str]
    text: dict[str, str]
    parts: str
    effort: int
    interests: tuple[str, ...]
    first: bool
    last: bool
    fact: str


@cache
def activities() -> tuple[Activity, ...]:
    """All of them, in the order of the file."""
    return tuple(
        Activity(
            label=entry["label"],
            text={language: entry[language] for language in ("en", "ru")},
            parts=entry["parts"],
            effort=entry["effort"],
            interests=tuple(entry.get("interests", ())),
            first=entry.get("first", False),
            last=entry.get("last", False),
            fact=entry.get("fact", ""),
        )
        for entry in _content()["activity"]
    )


def kinds_of(words: str) -> frozenset[str]:
    """The kinds of interest that words tell of, by how each begins: none for what no activity here serves."""
    lowered = words.lower().replace("ё", "е")
    return frozenset(kind for kind, pattern in _kinds().items() if pattern.search(lowered))


_SHORT = 5  # letters; such a beginning is a whole word but for an ending: "bar" is not "barber"
_ENDING = r"(?:s|[аеиоуыяюй]|ов|ам|ах|ами|ой|ом)?(?!\w)"


@cache
def _kinds() -> dict[str, re.Pattern[str]]:
    return {
        kind: re.compile("|".join(rf"(?<!\w){word}" + _ENDING * (len(word) < _SHORT) for word in words))
        for kind, words in _content()["interests"].items()
    }


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return content
