"""Probabilities of choices on a real model, against what the logits say one token at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from assistant.engine.chat_format import ChatFormat
from assistant.engine.engine import GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from assistant.engine.scoring import close_reasoning
from assistant.engine.worker import WorkerEngine
from models.errors import Cancelled, DoesNotFit, UsageError

QUESTION = [Message("user", "Is the sky blue? Answer yes or no.")]
CHOICES = ["Yes", "No", "Yes, the sky is blue.", "Yes, the sea is blue.", "Нет, не синее 🙂", "Yes, the"]


@pytest.fixture(scope="module")
def shared(tiny: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(tiny, LoadOptions(threads=1))
    engine.load()
    yield engine
    engine.close()


ROUNDING = 0.04  # a token: batches of other sizes are other kernels, which round otherwise


def one_by_one(engine: LocalEngine, choice: str) -> float:
    """log P(choice, end) by decoding a token at a time: the definition."""
    cache, model = engine.kv_cache, engine.kv_cache._model
    engine.score(QUESTION, [choice])
    prompt = cache.tokens[: engine.count_tokens(QUESTION)]
    tokens = model.tokenize(choice, add_special=False, parse_special=False)
    score = 0.0
    for count, token in enumerate([*tokens, None]):
        list(cache.prefill(prompt + tokens[:count]))
        logits = cache.context.logits().astype(np.float64)
        logits -= logits.max()
        probabilities = np.exp(logits) / np.exp(logits).sum()
        ends = [t for t in range(model.vocabulary_size) if model.is_end(t)]
        score += math.log(probabilities[ends].sum() if token is None else probabilities[token])
    return score


def test_a_score_is_the_product_over_all_tokens_and_the_end(shared: LocalEngine) -> None:
    scores = shared.score(QUESTION, CHOICES)
    for choice, score in zip(CHOICES, scores, strict=True):
        assert score == pytest.approx(one_by_one(shared, choice), abs=ROUNDING * len(choice.encode()) / 2)
    assert sum(map(math.exp, scores)) < 1


def test_the_order_of_the_choices_does_not_matter_and_the_prompt_stays_computed(shared: LocalEngine) -> None:
    scores = shared.score(QUESTION, CHOICES)
    prompt = list(shared.kv_cache.tokens)
    assert len(prompt) == shared.count_tokens(QUESTION) == shared.kv_cache.context.length
    assert shared.score(QUESTION, CHOICES[::-1])[::-1] == pytest.approx(scores, abs=8 * ROUNDING)
    *_, result = shared.generate(QUESTION, GenerateOptions(temperature=0, max_tokens=4))
    assert isinstance(result, Result)
    assert result.timings.prefill_tokens == 1


def test_the_greedy_answer_is_likelier_than_other_answers(shared: LocalEngine) -> None:
    *_, result = shared.generate(QUESTION, GenerateOptions(temperature=0, max_tokens=60))
    assert isinstance(result, Result)
    scores = shared.score(QUESTION, [result.text, "Purple monkeys dishwasher", result.text[::-1]])
    assert scores[0] == max(scores)


def test_choices_longer_than_a_batch_of_outputs(shared: LocalEngine) -> None:
    long = "The sky is blue because the air scatters blue light more than red light. " * 6
    scores = shared.score(QUESTION, [long + "Yes.", "No", long + "No."])
    assert scores[1] > max(scores[0], scores[2])
    assert scores[0] == pytest.approx(one_by_one(shared, long + "Yes."), rel=0.02)


@pytest.mark.slow
def test_a_thousand_choices(shared: LocalEngine) -> None:
    scores = shared.score([Message("user", "Pick a number.")], [str(number) for number in range(1000)])
    assert len(scores) == 1000
    assert sum(map(math.exp, scores)) < 1
    assert all(-100 < score < 0 for score in scores)


@pytest.mark.parametrize("choices", [[], [""], ["yes", "  "], ["yes", "no", "yes"]])
def test_choices_that_are_none(shared: LocalEngine, choices: list[str]) -> None:
    with pytest.raises(UsageError, match=r"empty|twice"):
        shared.score(QUESTION, choices)


def test_a_choice_that_does_not_fit(tiny: Path) -> None:
    engine = LocalEngine(tiny, LoadOptions(threads=1, context_length=128))
    try:
        with pytest.raises(DoesNotFit, match="the window holds 128"):
            engine.score(QUESTION, ["yes", "no " * 200])
        with pytest.raises(DoesNotFit, match="the window holds 128"):
            engine.score([Message("user", "word " * 500)], ["yes", "no"])
        assert len(engine.score(QUESTION, ["yes", "no"])) == 2
    finally:
        engine.close()


@pytest.mark.parametrize("process", ["here", "child"])
def test_cancel(tiny: Path, process: str) -> None:
    engine = (LocalEngine if process == "here" else WorkerEngine)(tiny, LoadOptions(threads=1))
    long = [Message("user", "Tell me of the sea and of the ships on it. " * 120)]
    try:
        with pytest.raises(Cancelled):
            engine.score(long, CHOICES, lambda progress: engine.cancel() if progress.total else None)
        scores = engine.score(QUESTION, CHOICES)
        assert scores == pytest.approx(engine.score(QUESTION, CHOICES), abs=8 * ROUNDING)
    finally:
        engine.close()


def test_the_child_process_says_the_same(shared: LocalEngine, tiny: Path) -> None:
    engine = WorkerEngine(tiny, LoadOptions(threads=1))
    try:
        assert engine.score(QUESTION, CHOICES) == pytest.approx(shared.score(QUESTION, CHOICES), abs=8 * ROUNDING)
        with pytest.raises(UsageError, match="twice"):
            engine.score(QUESTION, ["a", "a"])
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("opening", "closed"),
    [
        ("", "<think>\n\n</think>\n\n"),  # the model would open the block itself
        ("<think>\n", "<think>\n\n</think>\n\n"),  # the template has
        ("<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"),  # reasoning is turned off already
    ],
)
def test_reasoning_stays_empty(opening: str, closed: str) -> None:
    markers = "{% if false %}<think></think>{% endif %}"
    template = ChatFormat(markers + "{{ messages[0].content }}|" + opening + "\n", control_texts=lambda text: ())
    assert close_reasoning(template.render(QUESTION), template) == f"{QUESTION[0].content}|{closed}"
    plain = ChatFormat("{{ messages[0].content }}|", control_texts=lambda text: ())
    assert close_reasoning(plain.render(QUESTION), plain) == f"{QUESTION[0].content}|"
