"""Who drafts and how many tokens, by what batches cost; the costs are made up, the drafters are real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.engine.speculation.costs import BatchCosts
from assistant.engine.speculation.draft_model import ModelDrafter
from assistant.engine.speculation.speculator import Speculator
from models.errors import UsageError
from models.llama import Model

FLAT = BatchCosts({1: 0.1, 32: 0.11})
STEEP = BatchCosts({1: 0.1, 2: 0.2, 32: 3.2})
TEXT = list(range(1000, 1080))
COPYING = [*TEXT, *TEXT[:30]]  # the answer has copied the beginning of the prompt so far


def speculator(costs: BatchCosts) -> Speculator:
    return Speculator(costs, lambda token: b" word")


def drafts(costs: BatchCosts, *, mode: str = "auto", fixed: int | None = None, most: int = 100) -> list[int]:
    subject = speculator(costs)
    subject.begin(TEXT, mode, fixed, 200)  # type: ignore[arg-type]
    subject.draft([*TEXT, TEXT[0]], 1, most)  # what follows is compared with what was proposed
    return subject.draft(COPYING, 1, most)


def test_where_batches_cost_nothing_a_copy_is_drafted_far_ahead() -> None:
    drafted = drafts(FLAT)
    assert len(drafted) > 16
    assert drafted == TEXT[30 : 30 + len(drafted)]


def test_where_each_token_costs_the_same_nothing_is_drafted() -> None:
    assert drafts(STEEP) == []


def test_the_cheapest_length_is_found_on_a_bumpy_curve() -> None:
    bumpy = BatchCosts({1: 0.1, 2: 0.2, 3: 0.3, 4: 0.12, 5: 0.5, 32: 3.2})
    assert len(drafts(bumpy)) == 3  # and the certain one


def test_a_fixed_length_is_kept_whatever_it_costs() -> None:
    assert len(drafts(STEEP, fixed=4)) == 4


def test_no_more_than_there_is_room_for() -> None:
    assert len(drafts(FLAT, most=2)) <= 2
    assert drafts(FLAT, most=0) == []
    assert drafts(FLAT, mode="off") == []


def test_only_what_the_grammar_allows() -> None:
    subject = speculator(FLAT)
    subject.begin(TEXT, "auto", None, 200)
    subject.draft([*TEXT, TEXT[0]], 1, 100)
    assert subject.draft(COPYING, 1, 100, lambda tokens: 3) == TEXT[30:33]


def test_what_came_of_it_is_counted() -> None:
    subject = speculator(BatchCosts({1: 1.0, 32: 1.0}))
    subject.begin(TEXT, "lookup", 4, 200)
    assert subject.summary().mode == "none"
    subject.draft([*TEXT, TEXT[0]], 1, 100)
    subject.computed(1, 1.0)
    subject.learn(0)
    assert len(subject.draft(COPYING, 1, 100)) == 4
    subject.computed(1, 1.0)
    subject.learn(3)
    report = subject.summary()
    assert report.mode == "lookup"
    assert report.accepted == 3
    assert sum(length * rounds for length, rounds in report.lengths) == report.drafted
    assert report.gain > 1


@pytest.fixture
def drafter(tiny: Path) -> Iterator[ModelDrafter]:
    with Model(tiny) as model:
        vocabulary_size = model.vocabulary_size
    drafter = ModelDrafter(tiny, threads=1, limit=512, vocabulary_size=vocabulary_size)
    yield drafter
    drafter.close()


@pytest.mark.parametrize(("each", "drafts"), [(0.001, True), (0.1, False)])
def test_a_draft_model_is_loaded_only_where_it_pays(drafter: ModelDrafter, each: float, drafts: bool) -> None:
    subject = Speculator(FLAT, lambda token: b" word", drafter, BatchCosts({1: each, 128: each}))
    subject.begin([1, 2, 3], "auto", None, 10_000)
    drafted = subject.draft([1, 2, 3], 1, 100)
    assert drafter.is_open is bool(drafted) is drafts


def test_a_short_answer_is_not_worth_loading_a_draft_model(drafter: ModelDrafter) -> None:
    subject = Speculator(FLAT, lambda token: b" word", drafter, BatchCosts({1: 0.001, 128: 0.001}))
    drafter.open_seconds = 5.0
    subject.begin([1, 2, 3], "auto", None, 20)
    subject.draft([1, 2, 3], 1, 20)
    assert not drafter.is_open


def test_a_draft_model_that_cannot_be_loaded_is_left_out(tmp_path: Path) -> None:
    missing = ModelDrafter(tmp_path / "gone.gguf", threads=1, limit=512, vocabulary_size=1000)
    costs = BatchCosts({1: 0.001, 128: 0.001})
    subject = Speculator(FLAT, lambda token: b" word", missing, costs)
    subject.begin([1, 2, 3], "auto", None, 10_000)
    assert subject.draft([1, 2, 3], 1, 100) == []
    with pytest.raises(UsageError, match="no draft model"):
        subject.begin([1, 2, 3], "model", None, 100)
