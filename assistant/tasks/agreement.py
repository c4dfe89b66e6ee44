"""How far two annotators agree: labels of people and those of a model, with what so few rows can tell."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from models.errors import UsageError

_Z = 1.959963984540054  # 95 % of a normal distribution lie within so many deviations


def folded(label: str) -> str:
    """What two ways of writing a label have in common: case, spaces and Unicode composition do not count."""
    return " ".join(unicodedata.normalize("NFC", label).casefold().split())


class Labels(tuple[str, ...]):
    """The labels there are, as they are to be written; at least two.

    Raises:
        UsageError: one is empty, one comes twice (case and spaces do not count), or there are fewer than two.
    """

    _written: dict[str, str]

    def __new__(cls, labels: Iterable[str]) -> Labels:
        self = super().__new__(cls, (" ".join(label.split()) for label in labels))
        self._written = {}
        for label in self:
            if not label:
                raise UsageError("A label is empty.", 'Name all of them: --labels "bug,feature,question".')
            if folded(label) in self._written:
                raise UsageError(f"The label {label!r} comes twice.", "Case and spaces do not tell labels apart.")
            self._written[folded(label)] = label
        if len(self) < 2:
            raise UsageError("There must be at least two labels.", 'Name them: --labels "bug,feature,question".')
        return self

    def find(self, written: str) -> str | None:
        """The label that is meant by this text, or None."""
        return self._written.get(folded(written))


def labels_in(column: Iterable[str], most: int) -> Labels:
    """The labels that a column has, the most usual spelling of each, in the order of their first row.

    Raises:
        UsageError: there are fewer than two, or more than ``most``: no column of labels.
    """
    spellings: dict[str, Counter[str]] = {}
    for cell in column:
        if key := folded(cell):
            spellings.setdefault(key, Counter())[" ".join(cell.split())] += 1
            if len(spellings) > most:
                raise UsageError(
                    f"The column has more than {most} different labels.", "Name those there are: --labels."
                )
    return Labels(counts.most_common(1)[0][0] for counts in spellings.values())


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The interval that has the true share with 95 % confidence (Wilson 1927): unlike the usual one it does not promise
    too much of few rows, nor anything beyond 0 and 1. (0, 1) of none."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = successes / n, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The probability of a difference at least this large if both were equally good (exact, two-sided; McNemar 1947).

    Args:
        only_first, only_second: rows that only the one, and only the other, has right; the rest tells nothing.
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    tail = ways = 1
    for k in range(fewer):  # n over k, from the one before: of thousands of rows the numbers are long
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << n))


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Of one label. A share is None where nothing can be divided: no row has it.

    Attributes:
        truth, predicted, right: how many rows have it by the people, by the model, by both.
    """

    label: str
    truth: int
    predicted: int
    right: int

    @property
    def precision(self) -> float | None:
        return self.right / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        return self.right / self.truth if self.truth else None

    @property
    def f1(self) -> float | None:
        return 2 * self.right / (self.truth + self.predicted) if self.truth + self.predicted else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two columns of labels, row by row.

    Attributes:
        matrix: rows by truth, columns by prediction, in the order of ``labels``.
        kappa: Cohen's (1960): 1 is full agreement, 0 what chance alone would give; None where it is not defined.
        note: what keeps the numbers from saying more, or empty.
    """

    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    kappa: float | None
    note: str

    @property
    def n(self) -> int:
        return sum(map(sum, self.matrix))

    @property
    def right(self) -> int:
        return sum(row[index] for index, row in enumerate(self.matrix))

    @property
    def accuracy(self) -> float | None:
        return self.right / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, of the accuracy."""
        return wilson(self.right, self.n)

    @property
    def scores(self) -> tuple[LabelScores, ...]:
        columns = [sum(column) for column in zip(*self.matrix, strict=True)]
        return tuple(
            LabelScores(label, sum(row), columns[index], row[index])
            for index, (label, row) in enumerate(zip(self.labels, self.matrix, strict=True))
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "right": self.right,
            "accuracy": self.accuracy,
            "interval": list(self.interval) if self.n else None,
            "kappa": self.kappa,
            "note": self.note,
            "labels": list(self.labels),
            "confusion": [list(row) for row in self.matrix],
            "per_label": {
                each.label: {
                    "precision": each.precision,
                    "recall": each.recall,
                    "f1": each.f1,
                    "truth": each.truth,
                    "predicted": each.predicted,
                }
                for each in self.scores
            },
        }


def agreement(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Agreement:
    """Compare two columns of the same length, each cell one of the labels."""
    counts = Counter(zip(truth, predicted, strict=True))
    matrix = tuple(tuple(counts[row, column] for column in labels) for row in labels)
    kappa, note = _kappa(matrix)
    return Agreement(tuple(labels), matrix, kappa, note)


def _kappa(matrix: Sequence[Sequence[int]]) -> tuple[float | None, str]:
    n = sum(map(sum, matrix))
    if n == 0:
        return None, "there is no row to compare"
    rows, columns = [sum(row) for row in matrix], [sum(column) for column in zip(*matrix, strict=True)]
    observed = sum(row[index] for index, row in enumerate(matrix))
    by_chance = sum(a * b for a, b in zip(rows, columns, strict=True))  # times n, so that all stays whole
    if by_chance == n * n:
        return None, "kappa is not defined: both have one and the same label on every row, as chance would"
    kappa = (observed * n - by_chance) / (n * n - by_chance)
    if max(rows) == n or max(columns) == n:
        who = "the column" if max(rows) == n else "the prediction"
        return kappa, f"kappa is 0 whatever the accuracy, as {who} has one label only"
    return kappa, ""
