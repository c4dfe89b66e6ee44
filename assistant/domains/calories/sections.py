"""A long text as its meals: which day and which meal each part of it speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from assistant.domains.calories import when

LONGEST = 300  # characters of one section: a model reads short texts better
_SENTENCE = re.compile(r"(?<=[.;!?])\s+(?=[^\W\d])")
_OPENINGS = re.compile(r"(?<!\w)(?:я|мы|i|we|а|и|and|then|потом|had|ate|ел|ела|съел|съела)(?!\w)", re.IGNORECASE)


class NoSuchDay(ValueError):
    """What looks like a date is none: 31.02. The argument is how it was written."""


@dataclass(frozen=True, slots=True)
class Section:
    """What is said of one meal. ``day`` None and ``meal`` empty: nothing says which."""

    day: date | None
    meal: str
    text: str


def read_day(words: str, today: date) -> date | None:
    """The day that ``words`` name and nothing else; None: they do not.

    Raises:
        NoSuchDay: a date that no calendar has.
    """
    words = words.strip(" \t.,:!?")
    hints = when.find(words, today)
    return _day(hints, words) if hints and not _rest(words, hints) and not any(hint.meal for hint in hints) else None


def read_meal(words: str, today: date) -> str:
    """``breakfast``, ``lunch``, ``dinner``, ``snack``; empty: no such meal."""
    hints = when.find(words, today)
    return next((hint.meal for hint in hints if hint.meal), "") if not _rest(words, hints) else ""


def sections(text: str, today: date) -> list[Section]:
    """The meals of a text, which the words for days and meals, lines and sentences separate. What one line says of day
    and meal holds for those below it that say nothing; after an empty line only the day does.

    Raises:
        NoSuchDay: a date that no calendar has.
    """
    day: date | None = None
    meal, found = "", list[Section]()
    for line in text.splitlines():
        if not line.strip():
            meal = ""
        for clause in _clauses(line, today):
            hints = when.find(clause, today)
            if said := _day(hints, clause):
                day, meal = said, ""
            meal = next((hint.meal for hint in hints if hint.meal), meal)
            if not _rest(clause, hints):
                continue  # a heading
            before = found[-1] if found else None
            if before and (before.day, before.meal) == (day, meal) and len(before.text) + len(clause) < LONGEST:
                found[-1] = Section(day, meal, f"{before.text}\n{clause.strip()}")
            else:
                found.append(Section(day, meal, clause.strip()))
    return found


def _clauses(line: str, today: date) -> Iterator[str]:
    """Parts of a line that speak of one day and one meal each."""
    for sentence in _SENTENCE.split(line):
        hints = when.find(sentence, today)
        marks: list[tuple[int, int]] = []
        for hint in hints:
            if marks and not sentence[marks[-1][1] : hint.start].strip(" ,"):
                marks[-1] = (marks[-1][0], hint.end)  # "вчера на ужин" is one
            elif hint.meal or hint.day:
                marks.append((hint.start, hint.end))
        if len(marks) < 2:
            yield sentence
            continue
        # "завтрак: каша, обед: суп" names the meal first; "каша на завтрак, суп на обед" names it last.
        lead = not _rest(_OPENINGS.sub(lambda opening: " " * len(opening[0]), sentence)[: marks[0][0]], hints)
        cuts = [start for start, _ in marks[1:]] if lead else [end for _, end in marks[:-1]]
        for start, end in zip([0, *cuts], [*cuts, len(sentence)], strict=True):
            yield sentence[start:end]


def _day(hints: list[when.Hint], text: str) -> date | None:
    for hint in hints:
        if hint.impossible:
            raise NoSuchDay(text[hint.start : hint.end].strip())
    return next((hint.day for hint in hints if hint.day), None)


def _rest(text: str, hints: list[when.Hint]) -> str:
    """The words beside those for day, meal and hour."""
    kept = [char for at, char in enumerate(text) if not any(hint.start <= at < hint.end for hint in hints)]
    return "".join(kept) if any(char.isalnum() for char in kept) else ""
