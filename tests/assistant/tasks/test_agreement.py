"""Agreement of two columns of labels, against numbers of the literature and counted by hand."""

from __future__ import annotations

import pytest

from assistant.tasks.agreement import Labels, agreement, labels_in, mcnemar, wilson
from models.errors import UsageError


def test_numbers_of_a_table_counted_by_hand() -> None:
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: the example that Cohen's kappa is usually shown with
    truth = ["yes"] * 25 + ["no"] * 25
    predicted = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = agreement(truth, predicted, ("yes", "no"))
    assert found.matrix == ((20, 5), (10, 15))
    assert (found.right, found.n, found.accuracy, found.note) == (35, 50, 0.7, "")
    assert found.kappa == pytest.approx(0.4)
    yes, no = found.scores
    assert (yes.precision, yes.recall) == (pytest.approx(2 / 3), 0.8)
    assert yes.f1 == pytest.approx(8 / 11)
    assert (no.precision, no.recall) == (0.75, 0.6)
    assert found.to_json()["per_label"]["no"]["truth"] == 25


def test_few_rows_promise_little() -> None:
    assert wilson(7, 10) == pytest.approx((0.3968, 0.8922), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_sign_test_is_exact() -> None:
    assert mcnemar(0, 6) == pytest.approx(2 / 64)
    assert mcnemar(10, 2) == mcnemar(2, 10) == pytest.approx(2 * (1 + 12 + 66) / 4096)
    assert mcnemar(0, 0) == mcnemar(4, 4) == 1.0
    assert 0 < mcnemar(4_000, 5_000) < 1e-20  # numbers beyond what a float holds


@pytest.mark.parametrize(
    ("truth", "predicted", "kappa", "note"),
    [
        ("aaa", "aaa", None, "not defined"),
        ("aaa", "aab", 0.0, "the column has one label only"),
        ("aab", "aaa", 0.0, "the prediction has one label only"),
        ("", "", None, "no row"),
        ("ab", "ba", -1.0, ""),
    ],
)
def test_where_kappa_says_nothing_it_says_why(truth: str, predicted: str, kappa: float | None, note: str) -> None:
    found = agreement(list(truth), list(predicted), "ab")
    assert found.kappa == kappa
    assert note in found.note
    assert bool(note) == bool(found.note)


def test_labels_that_no_row_has_have_no_scores() -> None:
    found = agreement(["a", "b"], ["a", "a"], ("a", "b", "c"))
    assert [each.precision for each in found.scores] == [0.5, None, None]
    assert [each.recall for each in found.scores] == [1.0, 0.0, None]
    assert found.scores[2].f1 is None


def test_case_and_spaces_do_not_tell_labels_apart() -> None:
    labels = Labels(["Не важно", "important"])
    assert labels.find("  НЕ   ВАЖНО ") == "Не важно"
    assert labels.find("import") is None
    assert labels_in(["Bug ", "bug", "", "BUG", "question", "bug"], 5) == ("bug", "question")


@pytest.mark.parametrize("labels", [["one"], ["bug", "Bug "], ["bug", " "], []])
def test_labels_that_cannot_be_chosen_from(labels: list[str]) -> None:
    with pytest.raises(UsageError):
        Labels(labels)


def test_a_column_of_texts_is_no_column_of_labels() -> None:
    with pytest.raises(UsageError, match="more than 20 different labels"):
        labels_in(map(str, range(10_000)), 20)
