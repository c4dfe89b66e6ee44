"""A probe on corrections: against leaving rows out one by one, and on data where it must and must not be used."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from assistant.tasks import probe as probing
from assistant.tasks.probe import Learnt, fit, learn

LABELS = ("a", "b")


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def cloud(n: int, seed: int, apart: float) -> tuple[NDArray[np.float32], list[str]]:
    """Texts of two labels as vectors, so far apart along one direction."""
    random = np.random.default_rng(seed)
    truth = [LABELS[i % 2] for i in range(n)]
    vectors = random.normal(size=(n, 64)) / 8
    vectors[:, 0] += [apart if label == "a" else -apart for label in truth]
    return unit(vectors), truth


def believing(labels: list[str], surety: float = 0.8) -> list[dict[str, float]]:
    return [{name: surety if name == label else 1 - surety for name in LABELS} for label in labels]


def test_the_closed_form_is_what_leaving_out_gives() -> None:
    random = np.random.default_rng(0)
    n, features, labels = 15, 4, 3
    x, targets = random.normal(size=(n, features)), random.integers(0, labels, n)
    counts = np.bincount(targets, minlength=labels)
    weights = n / (np.count_nonzero(counts) * counts[targets])
    onehot = np.eye(labels)[targets]
    with_one = np.hstack([np.ones((n, 1)), x])

    def solved(rows: list[int], penalty: float) -> NDArray[np.float64]:
        ridge = penalty * np.eye(features + 1)
        ridge[0, 0] = 0
        a, w = with_one[rows], weights[rows, None]
        return np.linalg.solve(a.T @ (w * a) + ridge, a.T @ (w * onehot[rows]))

    expected = np.empty((n, labels))
    for i in range(n):
        others = [j for j in range(n) if j != i]

        def error(penalty: float, i: int = i, others: list[int] = others) -> float:
            """Of the other rows, each left out in its turn."""
            return sum(
                weights[j] * ((onehot[j] - with_one[j] @ solved([k for k in others if k != j], penalty)) ** 2).sum()
                for j in others
            )

        best = min(probing._PENALTIES, key=error)
        expected[i] = with_one[i] @ solved(others, best)
    _, unseen = fit(x, targets, labels)
    assert np.allclose(unseen, expected)


def test_it_is_used_where_the_model_is_at_a_loss() -> None:
    vectors, truth = cloud(30, 1, 0.8)
    model = believing(["a"] * 30)
    learnt = learn(vectors, model, truth, LABELS)
    assert learnt.used == "probe"
    assert learnt.measured["model"].right == 15
    assert learnt.measured["probe"].right >= 27
    more, expected = cloud(40, 2, 0.8)
    shares = learnt.probabilities(more, believing(["a"] * 40))
    assert np.allclose(shares.sum(1), 1)
    right = [LABELS[i] == said for i, said in zip(shares.argmax(1), expected, strict=True)]
    assert np.mean(right) > 0.9
    assert shares.max() < 0.99  # 30 corrections do not make sure


def test_a_good_model_is_kept() -> None:
    vectors, truth = cloud(30, 3, 0.8)
    learnt = learn(vectors, believing(truth), truth, LABELS)
    assert learnt.used == "model"
    assert "luck" in learnt.reason
    model = believing(["a", "b"])
    assert np.allclose(learnt.probabilities(vectors[:2], model), [[0.8, 0.2], [0.2, 0.8]])


def test_a_model_that_leans_to_one_side_is_set_right_by_what_it_says_itself() -> None:
    random = np.random.default_rng(4)
    truth = [LABELS[i % 2] for i in range(40)]
    vectors = unit(random.normal(size=(40, 64)))  # tell nothing
    model = [{"a": p, "b": 1 - p} for p in (0.9 if label == "a" else 0.6 for label in truth)]  # always "a"
    learnt = learn(vectors, model, truth, LABELS)
    assert learnt.used == "combination"
    assert learnt.measured["combination"].right > 35 > learnt.measured["probe"].right


def test_luck_does_not_decide() -> None:
    """Labels that nothing tells: whatever is used is chance, and that should hardly ever be claimed to be better."""
    used = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        truth = [LABELS[i] for i in random.integers(0, 2, 30)]
        if min(map(truth.count, LABELS)) < 2:
            continue
        model = [{"a": p, "b": 1 - p} for p in random.random(30)]
        used += learn(unit(random.normal(size=(30, 64))), model, truth, LABELS).used != "model"
    assert used <= 6


def kept(learnt: Learnt) -> str:
    assert (learnt.used, learnt.probe) == ("model", None)
    return learnt.reason


def test_too_few_corrections_teach_nothing() -> None:
    vectors, truth = cloud(9, 5, 0.8)
    assert "9 corrections" in kept(learn(vectors, believing(truth), truth, LABELS))
    vectors, _ = cloud(12, 5, 0.8)
    assert "b (1)" in kept(learn(vectors, believing(["a"] * 12), ["a"] * 11 + ["b"], LABELS))
    assert "c (0)" in kept(learn(vectors, believing(["a"] * 12), ["a", "b"] * 6, ("a", "b", "c")))


def test_corrections_of_mistakes_only_cannot_be_compared() -> None:
    vectors, truth = cloud(20, 6, 0.8)
    model = believing(["b" if label == "a" else "a" for label in truth])
    assert "wrong on all of them" in kept(learn(vectors, model, truth, LABELS))


@pytest.mark.parametrize("copies", [0, 1])
def test_rows_that_are_all_alike_break_nothing(copies: int) -> None:
    vectors = unit(np.ones((12, 8)))
    truth = ["a", "b"] * 6
    learnt = learn(vectors, [{"a": 1.0 - copies, "b": float(copies)}] * 12, truth, LABELS)
    assert learnt.used == "model"
    assert all(0 <= each.right <= 12 for each in learnt.measured.values())
