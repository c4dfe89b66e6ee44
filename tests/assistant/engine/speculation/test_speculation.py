"""Drafting on a real model: the same text, the same distribution, and nothing lost when it is stopped."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assistant.engine.engine import Constraint, Delta, GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from models.errors import UsageError
from models.llama import Model

COPY = [
    Message(
        "user",
        "Repeat this text: The river was wide and slow, the boats were small and old, and the river was cold in spring."
        " The boats were tied to the trees, and the trees were wide and old.",
    )
]
GREEDY = GenerateOptions(temperature=0, max_tokens=64)
OFF = replace(GREEDY, draft="off")
FOUR = replace(GREEDY, draft="lookup", num_draft_tokens=4)
TIE = 0.1  # logits closer than this may change places when a batch is computed by other kernels than a single row


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(tiny, LoadOptions(threads=1, prompt_cache=False))
    yield engine
    engine.close()


def run(engine: LocalEngine, messages: list[Message], options: GenerateOptions) -> Result:
    *_, result = engine.generate(messages, options)
    assert isinstance(result, Result)
    return result


def tokens_of(engine: LocalEngine, messages: list[Message], options: GenerateOptions) -> tuple[list[int], list[int]]:
    """The prompt and the answer as tokens, read from the KV cache; the cache may lack the answer's last token."""
    prompt = engine.count_tokens(messages)
    run(engine, messages, options)
    held = engine.kv_cache.tokens
    return held[:prompt], held[prompt:]


def margin(engine: LocalEngine, text: Sequence[int]) -> float:
    """By how much the best logit after a text is larger than the second, computed without drafting."""
    cache = engine.kv_cache
    cache.truncate(0)
    for _ in cache.prefill(text[:-1]):
        pass
    cache.append(text[-1:])
    second, best = np.sort(cache.context.logits())[-2:]
    return float(best - second)


@pytest.mark.parametrize("length", [1, 4, 32])
def test_greedy_text_is_that_of_plain_decoding_except_at_ties(engine: LocalEngine, length: int) -> None:
    questions = ["Write a poem about rain and rain.", COPY[0].content, "Напиши: раз, два, три, раз, два, три."]
    drafted = 0
    for question in questions:
        messages = [Message("user", question)]
        prompt, plain = tokens_of(engine, messages, OFF)
        _, other = tokens_of(engine, messages, replace(FOUR, num_draft_tokens=length))
        drafted += run(engine, messages, replace(FOUR, num_draft_tokens=length)).speculation.drafted
        same = next((i for i, (a, b) in enumerate(zip(plain, other, strict=False)) if a != b), None)
        if same is not None:
            assert margin(engine, [*prompt, *plain[:same]]) < TIE
    assert drafted > 20


def test_drafting_is_reported(engine: LocalEngine) -> None:
    result = run(engine, COPY, FOUR)
    report = result.speculation
    assert report.mode == "lookup"
    assert 0 < report.accepted <= report.drafted
    assert report.drafted <= 4 * report.rounds
    assert report.mean_length == pytest.approx(report.drafted / report.rounds, abs=0.01)
    assert report.gain > 0
    assert run(engine, COPY, OFF).speculation.rounds == 0


def test_a_seed_gives_the_same_text_with_penalties_and_a_temperature(engine: LocalEngine) -> None:
    """One sampler draws once for each token, whoever drafted it, so that the stream of random numbers is the same."""
    for seed in range(4):
        options = GenerateOptions(temperature=0.8, repeat_penalty=1.1, seed=seed, max_tokens=24, draft="off")
        plain = run(engine, COPY, options)
        drafted = run(engine, COPY, replace(options, draft="lookup", num_draft_tokens=6))
        if plain.text != drafted.text:
            continue  # a draw at the edge between two tokens
        assert drafted.speculation.rounds > 0
        return
    pytest.fail("no seed gave the same text")


def chi_square_is_plausible(left: Counter[int], right: Counter[int]) -> bool:
    """Whether two samples may come from one distribution (chi-square test of homogeneity, p > 0.0001)."""
    total = left + right
    common = [token for token, count in total.items() if count >= 20]
    table = [[sample[token] for token in common] for sample in (left, right)]
    for row, sample in zip(table, (left, right), strict=True):
        row.append(sum(sample.values()) - sum(row))
    observed = np.array(table, dtype=float)
    observed = observed[:, observed.sum(axis=0) > 0]
    freedom = observed.shape[1] - 1
    if freedom == 0:
        return True
    expected = observed.sum(axis=0) * observed.sum(axis=1, keepdims=True) / observed.sum()
    statistic = float(((observed - expected) ** 2 / expected).sum())
    # Wilson and Hilferty 1931: the cube root of chi-square over its degrees of freedom is nearly normal.
    spread = 2 / (9 * freedom)
    return ((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread) < 3.72


def frequencies(engine: LocalEngine, options: GenerateOptions, answers: int, first_seed: int) -> list[Counter[int]]:
    """How often each token came at each place of the answer but the last, which is not always in the KV cache."""
    prompt = engine.count_tokens(COPY)
    assert options.max_tokens
    places: list[Counter[int]] = [Counter() for _ in range(options.max_tokens - 1)]
    for seed in range(first_seed, first_seed + answers):
        run(engine, COPY, replace(options, seed=seed))
        for place, token in zip(places, engine.kv_cache.tokens[prompt:], strict=False):
            place[token] += 1
    return places


def check_distribution(engine: LocalEngine, answers: int) -> None:
    options = GenerateOptions(temperature=1.2, max_tokens=9, draft="off")
    plain = frequencies(engine, options, answers, 0)
    drafting = replace(options, draft="lookup", num_draft_tokens=3)
    drafted = frequencies(engine, drafting, answers, 1_000_000)
    for place, (left, right) in enumerate(zip(plain, drafted, strict=True)):
        assert chi_square_is_plausible(left, right), f"token {place} of the answer"


def test_drafting_does_not_change_the_distribution(engine: LocalEngine) -> None:
    check_distribution(engine, 120)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_tokens_have_the_same_frequencies(engine: LocalEngine) -> None:
    check_distribution(engine, 1300)


def test_the_test_of_the_distribution_sees_another_temperature(engine: LocalEngine) -> None:
    options = GenerateOptions(temperature=1.2, max_tokens=8, draft="off")
    warm = frequencies(engine, options, 80, 0)
    cold = frequencies(engine, replace(options, temperature=0.5), 80, 1_000_000)
    assert not all(chi_square_is_plausible(left, right) for left, right in zip(warm, cold, strict=True))


def test_a_constrained_answer_is_drafted_too(engine: LocalEngine) -> None:
    constraint = Constraint("regex", r"(the boats were (small|old), ){6}end")
    plain = run(engine, COPY, replace(OFF, constraint=constraint, max_tokens=200))
    drafted = run(engine, COPY, replace(FOUR, constraint=constraint, max_tokens=200))
    assert plain.text.endswith("end")
    assert drafted.text.endswith("end")
    assert plain.finish_reason == drafted.finish_reason == "stop"


def test_stopped_in_the_middle_the_cache_stays_true(engine: LocalEngine) -> None:
    options = replace(GREEDY, draft="lookup", num_draft_tokens=8, max_tokens=200)
    text = ""
    for event in engine.generate(COPY, options):
        if isinstance(event, Delta):
            text += event.text
            if len(text) > 40:
                engine.cancel()
    assert isinstance(event, Result)
    assert event.finish_reason == "cancelled"
    assert engine.kv_cache.context.length == len(engine.kv_cache.tokens)
    after = run(engine, COPY, replace(OFF, max_tokens=12)).text
    engine.close()
    assert after == run(engine, COPY, replace(OFF, max_tokens=12)).text


def test_a_stop_string_inside_a_draft_ends_the_answer_there(engine: LocalEngine) -> None:
    plain = run(engine, COPY, replace(OFF, stop=("small",)))
    drafted = run(engine, COPY, replace(FOUR, num_draft_tokens=16, stop=("small",)))
    assert "small" not in drafted.text
    assert drafted.text == plain.text
    assert drafted.finish_reason == "stop"


def test_max_tokens_is_kept_to_the_token(engine: LocalEngine) -> None:
    for most in (1, 2, 7):
        assert run(engine, COPY, replace(FOUR, max_tokens=most)).completion_tokens == most


def test_models_that_cannot_forget_run_without_drafting(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "can_rewind", property(lambda model: False))
    engine = LocalEngine(tiny, LoadOptions(threads=1))
    result = run(engine, COPY, replace(FOUR, max_tokens=8))
    assert result.completion_tokens == 8
    assert result.speculation.mode == "off"
    engine.close()


def test_a_draft_of_another_vocabulary_is_left_out(engine: LocalEngine, draft: Path, tiny: Path) -> None:
    paired = LocalEngine(tiny, LoadOptions(threads=1, draft_model=str(draft)))
    assert run(paired, COPY, replace(GREEDY, max_tokens=4)).completion_tokens == 4
    with pytest.raises(UsageError, match="vocabulary"):
        run(paired, COPY, replace(GREEDY, draft="model"))
    paired.close()
    with pytest.raises(UsageError, match="no draft model"):
        run(engine, COPY, replace(GREEDY, draft="model"))


def test_a_draft_model_drafts(starter: Path, draft: Path) -> None:
    engine = LocalEngine(starter, LoadOptions(threads=1, draft_model=str(draft), prompt_cache=False))
    question = [Message("user", "Count from one to twenty in words.")]
    options = replace(GREEDY, max_tokens=24, draft="off")
    plain = run(engine, question, options)
    drafted = run(engine, question, replace(options, draft="model", num_draft_tokens=3))
    assert drafted.text == plain.text
    assert drafted.speculation.mode == "model"
    assert drafted.speculation.accepted > drafted.speculation.drafted / 2
    engine.close()
