"""A linear probe: labels learnt from a user's corrections, on embeddings; used only where it is better than the model.

Ridge regression on one-hot targets, classes balanced by weights. Leaving a row out has a closed form (Rifkin & Lippert,
"Notes on Regularized Least Squares", 2007), and so has leaving out two: the strength of the regularisation for a row is
chosen from the others alone, as cross-validation inside of cross-validation would, at the cost of one decomposition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assistant.tasks.agreement import mcnemar, wilson

FEWEST = 10  # corrections: a sign test of fewer than six rows can never say anything, and not all rows tell
FEWEST_OF_A_LABEL = 2  # one is left out, another must be there to learn from
SIGNIFICANT = 0.05  # two-sided: with two challengers, 0.05 is also what luck has of either of them being better
_PENALTIES = 10.0 ** np.arange(-2.0, 2.1, 0.5)  # vectors have length 1
_TEMPERATURES = 2.0 ** np.arange(0.0, 6.1, 0.5)
_ROWS = 512  # of a matrix of pairs that are in memory at once
_MANY = 3_000  # rows, of which one more or less does not move the penalty, while pairs of them would take minutes
_LEAST_LOG = -20.0  # a log-probability below is as good as never

Floats = NDArray[np.float64]
Way = Literal["model", "probe", "combination"]


@dataclass(frozen=True)
class Probe:
    """
    Attributes:
        weights: (features, labels).
        bias: (labels,).
        sharpness: what a score is multiplied by before the softmax.
    """

    weights: Floats
    bias: Floats
    sharpness: float

    def probabilities(self, features: Floats) -> Floats:
        """(n, labels), rows sum to 1."""
        return _softmax(self.sharpness * (features @ self.weights + self.bias))


def fit(features: Floats, targets: NDArray[np.int64], labels: int) -> tuple[Probe, Floats]:
    """A probe of all rows, and (n, labels) the scores of each row by a probe that has not seen it.

    Args:
        features: (n, features).
        targets: (n,) the index of each row's label.
    """
    n = len(targets)
    counts = np.bincount(targets, minlength=labels)
    root = np.sqrt(n / (np.count_nonzero(counts) * counts[targets]))[:, None]  # of the weights, which sum to n
    mean = (root**2 * features).sum(0) / n
    onehot = np.eye(labels)[targets]
    left, singular, right = np.linalg.svd(root * (features - mean), full_matrices=False)
    weighted = root * onehot
    seen = left.T @ weighted
    # In coordinates scaled by the roots the smoother is symmetric: the mean, and the shrunk directions.
    losses, scores = np.empty((len(_PENALTIES), n)), np.empty((len(_PENALTIES), n, labels))
    overall = np.empty(len(_PENALTIES))
    for index, penalty in enumerate(_PENALTIES):
        shrunk = singular**2 / (singular**2 + penalty)
        residuals = weighted - root * (root.T @ weighted) / n - left @ (shrunk[:, None] * seen)
        free = np.maximum(1 - root[:, 0] ** 2 / n - (left**2 * shrunk).sum(1), 1e-9)
        without = residuals / free[:, None]
        scores[index] = onehot - without / root
        overall[index] = (without**2).sum()
        losses[index] = _without_pairs(root, left * np.sqrt(shrunk), residuals, free) if n <= _MANY else overall[index]
    honest = scores[losses.argmin(0), np.arange(n)]
    best = _PENALTIES[overall.argmin()]
    weights = right.T @ ((singular / (singular**2 + best))[:, None] * seen)
    bias = (root**2 * onehot).sum(0) / n - mean @ weights
    doubt = 1 / (n + 2)  # even if all were right (Platt 1999): few rows do not make it sure
    wanted = onehot * (1 - doubt) + (1 - onehot) * doubt / (labels - 1)
    surprise = [-(wanted * np.log(_softmax(t * honest) + 1e-300)).sum() for t in _TEMPERATURES]
    return Probe(weights, bias, float(_TEMPERATURES[int(np.argmin(surprise))])), honest


def _without_pairs(root: Floats, half: Floats, residuals: Floats, free: Floats) -> Floats:
    """(n,) for each row i the squared error on all other rows j when both i and j are left out.

    With the residuals e and the smoother H, that of j is ((1 - Hii) ej + Hij ei) / ((1 - Hii)(1 - Hjj) - Hij²).
    """
    n = len(free)
    squares = (residuals**2).sum(1)
    loss = np.empty(n)
    for start in range(0, n, _ROWS):
        rows = slice(start, start + _ROWS)
        shared = half[rows] @ half.T + root[rows] @ root.T / n
        own = free[rows, None]
        among = own**2 * squares + 2 * own * shared * (residuals[rows] @ residuals.T) + shared**2 * squares[rows, None]
        errors = among / np.maximum(own * free - shared**2, 1e-9) ** 2
        errors[np.arange(len(errors)), np.arange(start, start + len(errors))] = 0
        loss[rows] = errors.sum(1)
    return loss


def _softmax(scores: Floats) -> Floats:
    weights = np.exp(scores - scores.max(1, keepdims=True))
    shares: Floats = weights / weights.sum(1, keepdims=True)
    return shares


@dataclass(frozen=True, slots=True)
class Measured:
    """One way of labelling on the corrected rows.

    Attributes:
        only_model, only_this: rows that only the model, and only this, has right.
        p: of exact McNemar's test against the model; None for the model itself.
    """

    right: int
    n: int
    only_model: int = 0
    only_this: int = 0
    p: float | None = None

    def to_json(self) -> dict[str, Any]:
        against = {} if self.p is None else {"only_model": self.only_model, "only_this": self.only_this, "p": self.p}
        return {"accuracy": self.right / self.n, "interval": list(wilson(self.right, self.n)), **against}


@dataclass(frozen=True)
class Learnt:
    """What came of the corrections.

    Attributes:
        used: what labels rows from now on, and ``reason`` why.
        measured: each way on the corrected rows, none of which the probe had seen; empty when there are too few.
    """

    labels: tuple[str, ...]
    n: int
    used: Way
    reason: str
    measured: Mapping[Way, Measured]
    probe: Probe | None = None
    scale: float = 1.0

    def probabilities(self, vectors: NDArray[np.float32], model: Sequence[Mapping[str, float]]) -> Floats:
        """(n, labels) by what is used.

        Args:
            vectors: (n, dims) embeddings of the texts.
            model: the model's probability of each label, row by row.
        """
        if self.probe is None:
            return np.exp(_logs(model, self.labels))
        features = vectors.astype(np.float64)
        if self.used == "combination":
            features = np.hstack([features, _centred(model, self.labels) / self.scale])
        return self.probe.probabilities(features)

    def to_json(self) -> dict[str, Any]:
        return {
            "corrections": self.n,
            "used": self.used,
            "reason": self.reason,
            "measured": {name: each.to_json() for name, each in self.measured.items()},
        }


def too_few(truth: Sequence[str], labels: Sequence[str]) -> str | None:
    """Why nothing can be learnt from these corrections, or None."""
    if len(truth) < FEWEST:
        return f"there are {len(truth)} corrections, and {FEWEST} are needed to learn from them"
    counts = Counter(truth)
    if rare := [label for label in labels if counts[label] < FEWEST_OF_A_LABEL]:
        named = ", ".join(f"{label} ({counts[label]})" for label in rare)
        return f"each label needs {FEWEST_OF_A_LABEL} corrections, and these have fewer: {named}"
    return None


def learn(
    vectors: NDArray[np.float32], model: Sequence[Mapping[str, float]], truth: Sequence[str], labels: Sequence[str]
) -> Learnt:
    """Train a probe on corrections, and a combination that sees the model's log-probabilities too; take the better one
    if it beats the model on these very rows by more than luck.

    Args:
        vectors: (n, dims) embeddings of the corrected texts, each of length 1; no text twice.
        model: the model's probability of each label, row by row.
        truth: what the user says; each one of ``labels``.
    """
    labels, n = tuple(labels), len(truth)
    if reason := too_few(truth, labels):
        return Learnt(labels, n, "model", reason, {})
    targets = np.array([labels.index(label) for label in truth])
    by_model = np.array([max(row, key=lambda label: row[label]) for row in model]) == np.array(truth)
    measured: dict[Way, Measured] = {"model": Measured(int(by_model.sum()), n)}
    if not by_model.any():
        reason = "the model is wrong on all of them: correct rows too where it is right, or nothing can be compared"
        return Learnt(labels, n, "model", reason, measured)
    texts, logs = vectors.astype(np.float64), _centred(model, labels)
    scale = float(np.sqrt((logs**2).sum(1).mean())) or 1.0  # as long as an embedding
    probes: dict[Way, Probe] = {}
    ways: dict[Way, Floats] = {"probe": texts, "combination": np.hstack([texts, logs / scale])}
    for way, features in ways.items():
        probes[way], unseen = fit(features, targets, len(labels))
        right = unseen.argmax(1) == targets
        gained, lost = int((right & ~by_model).sum()), int((by_model & ~right).sum())
        measured[way] = Measured(int(right.sum()), n, lost, gained, mcnemar(lost, gained))
    better: list[Way] = [way for way in ways if _beats(measured[way])]
    if better:
        used = max(better, key=lambda way: measured[way].right)  # the first of equals: the simpler one
        return Learnt(labels, n, used, _why(measured[used]), measured, probes[used], scale)
    best = max(ways, key=lambda way: measured[way].right)
    return Learnt(labels, n, "model", f"the {best} is not better by more than luck: {_why(measured[best])}", measured)


def _beats(way: Measured) -> bool:
    return way.only_this > way.only_model and way.p is not None and way.p < SIGNIFICANT


def _why(way: Measured) -> str:
    return f"it alone is right on {way.only_this} rows, the model alone on {way.only_model} (p = {way.p:.2g})"


def _logs(model: Sequence[Mapping[str, float]], labels: Sequence[str]) -> Floats:
    least = np.exp(_LEAST_LOG)
    shares = [[max(row[label], least) for label in labels] for row in model]
    logs: Floats = np.log(np.array(shares, dtype=np.float64).reshape(-1, len(labels)))
    return logs


def _centred(model: Sequence[Mapping[str, float]], labels: Sequence[str]) -> Floats:
    logs = _logs(model, labels)
    centred: Floats = logs - logs.mean(1, keepdims=True)
    return centred
