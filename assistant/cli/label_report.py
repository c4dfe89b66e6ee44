"""The report of ``assistant label``: what is uncertain first, then agreement, then what corrections taught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from assistant.cli.writing import print_table, shortened
from assistant.tasks.agreement import Labels
from assistant.tasks.labelling import Compared, Labelled

if TYPE_CHECKING:
    from assistant.tasks.probe import Learnt, Measured

_DISAGREE = 10  # rows that are listed
_TEXT = 60  # cells of a terminal


def report_json(
    labels: Labels,
    rows: Sequence[Labelled],
    compared: Compared | None,
    learnt: Learnt | None,
    unsure: Sequence[Labelled],
    failed: int,
) -> dict[str, Any]:
    counts = Counter(row.label for row in rows)
    return {
        "rows_labelled": sum(row.label is not None for row in rows),
        "rows_failed": failed,
        "labels": {label: counts[label] for label in labels},
        "least_certain": [
            {"record": row.record.number, "text": row.record.text, "label": row.label, "confidence": row.confidence}
            for row in unsure
        ],
        "agreement": compared and compared.to_json(),
        "corrections": learnt and learnt.to_json(),
    }


def print_report(
    labels: Labels,
    rows: Sequence[Labelled],
    compared: Compared | None,
    learnt: Learnt | None,
    unsure: Sequence[Labelled],
    stream: IO[str],
) -> None:
    """For people, on this stream."""
    say = _Say(stream)
    if unsure:
        say.head("Least certain")
        say.table([(_share(row.confidence), row.label or "", _short(row)) for row in unsure], right=[0])
    counts = Counter(row.label for row in rows)
    say.head("Labels")
    say.table([(label, f"{counts[label]:,}") for label in labels], right=[1])
    if compared:
        _agreement(say, compared)
    if learnt:
        _learnt(say, learnt)


class _Say:
    def __init__(self, stream: IO[str]):
        self._stream = stream
        self._first = True

    def head(self, text: str) -> None:
        self.line(text if self._first else f"\n{text}")
        self._first = False

    def line(self, text: str) -> None:
        click.echo(text, file=self._stream)

    def table(self, rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
        print_table([("", *row) for row in rows], [column + 1 for column in right], file=self._stream)


def _short(row: Labelled) -> str:
    return shortened(row.record.text, _TEXT)


def _agreement(say: _Say, compared: Compared) -> None:
    found = compared.agreement
    say.head("Agreement with people")
    if found.accuracy is None:
        say.line(f"  {found.note}")
    else:
        low, high = found.interval
        kappa = "not defined" if found.kappa is None else f"{found.kappa:.2f}"
        say.table(
            [
                (
                    "accuracy",
                    f"{found.accuracy:.1%} ({found.right} of {found.n}; 95 % interval {low:.0%} to {high:.0%})",
                ),
                ("Cohen's kappa", kappa),
            ]
        )
        if found.note:
            say.line(f"  {found.note}")
        say.head("Confusion: a row for each label of people, a column for each of the program")
        header = ("", *found.labels)
        matrix = [
            (label, *map(str, row)) for label, row in zip(found.labels, found.matrix, strict=True)
        ]  # fmt: skip
        say.table([header, *matrix], right=range(1, len(header)))
        say.head("By label")
        scores = [
            (each.label, *map(_share, (each.precision, each.recall, each.f1)), f"{each.right} of {each.truth}")
            for each in found.scores
        ]
        say.table([("", "precision", "recall", "F1", "found"), *scores], right=[1, 2, 3, 4])
    left_out = [
        (compared.without_truth, "without a label of people"),
        (compared.by_person, "examples or corrections"),
        (compared.failed, "that the model could not label"),
    ]
    if said := [f"{count:,} {what}" for count, what in left_out if count]:
        say.line(f"  left out: {', '.join(said)}")
    if compared.disagree:
        say.head(f"Disagree: {len(compared.disagree):,}, the least certain first")
        shown = [
            (_share(row.confidence), row.label or "", truth, _short(row))
            for row, truth in compared.disagree[:_DISAGREE]
        ]
        say.table([("", "label", "people", ""), *shown], right=[0])


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _learnt(say: _Say, learnt: Learnt) -> None:
    say.head(f"Corrections: {learnt.n}")
    say.table([(way, *_measured(each)) for way, each in learnt.measured.items()], right=[1, 2])
    say.line(f"  used: the {learnt.used}; {learnt.reason}")


def _measured(each: Measured) -> tuple[str, str, str]:
    against = "" if each.p is None else f"+{each.only_this} −{each.only_model} against the model, p = {each.p:.2g}"
    return f"{each.right / each.n:.0%}", f"{each.right} of {each.n}", against
