"""Beam search on a real model: against greedy decoding, against an exhaustive search, and where it has to stop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from assistant import settings
from assistant.engine.beam_search import BeamSearch
from assistant.engine.engine import Constraint, Delta, GenerateOptions, LoadOptions, Message, Progress, Result
from assistant.engine.generation import Generation
from assistant.engine.kv_cache import KVCache
from assistant.engine.local import LocalEngine
from assistant.engine.scoring import log_softmax
from models.errors import ModelError, UsageError
from models.llama import Context, Model

PROMPTS = ["What is the capital of France?", "Name three animals that live in the sea.", "Say hello in Russian."]


@pytest.fixture(scope="module")
def model(tiny: Path) -> Iterator[Model]:
    with Model(tiny) as model:
        yield model


@pytest.fixture
def cache(model: Model) -> Iterator[KVCache]:
    cache = KVCache(model, limit=2048, threads=1)
    yield cache
    cache.close()


def prompt_of(model: Model, question: str) -> list[int]:
    text = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    return model.tokenize(text, add_special=False, parse_special=True)


def search(model: Model, cache: KVCache, prompt: list[int], beams: int, most: int = 24) -> BeamSearch:
    """A finished search."""
    run = BeamSearch(model, cache, prompt, GenerateOptions(beams=beams), most=most)
    with contextlib.closing(run):
        assert list(cache.prefill(prompt))
        assert b"".join(run.decode()) == b"".join(map(model.piece, run.generated))
    return run


def log_prob(model: Model, cache: KVCache, prompt: list[int], tokens: list[int], *, end: bool) -> float:
    """Of the tokens after the prompt, one at a time."""
    total = 0.0
    for count, token in enumerate([*tokens, *([None] if end else [])]):
        list(cache.prefill(prompt + tokens[:count]))
        row = log_softmax(cache.context.logits())
        total += float(np.logaddexp.reduce(row[list(model.ends)]) if token is None else row[token])
    return total


def test_one_beam_is_greedy(model: Model, cache: KVCache) -> None:
    for question in PROMPTS:
        prompt = prompt_of(model, question)
        greedy = Generation(model, cache, prompt, GenerateOptions(temperature=0), most=24)
        with contextlib.closing(greedy):
            list(cache.prefill(prompt))
            list(greedy.decode())
        run = search(model, cache, prompt, beams=1)
        assert (run.generated, run.finish_reason) == (greedy.generated, greedy.finish_reason)


def test_more_beams_find_likelier_answers_and_always_the_same(model: Model, cache: KVCache) -> None:
    for question in PROMPTS:
        prompt = prompt_of(model, question)
        runs = [search(model, cache, prompt, beams, most=12) for beams in (1, 4, 4)]
        assert runs[1].generated == runs[2].generated
        greedy, best = (log_prob(model, cache, prompt, r.generated, end=r.finish_reason == "stop") for r in runs[:2])
        assert best >= greedy - 0.1
        assert best == pytest.approx(
            runs[1].score, abs=0.04 * (len(runs[1].generated) + 1)
        )  # kernels round differently


def test_two_steps_are_searched_exhaustively(model: Model, cache: KVCache) -> None:
    """What cannot be among the best pairs by its first token alone is left out; all others are tried."""
    prompt = prompt_of(model, PROMPTS[0])
    list(cache.prefill(prompt))
    first = log_softmax(cache.context.logits())
    tried = [int(token) for token in np.argsort(first)[::-1][:16]]
    pairs: dict[tuple[int, ...], float] = {}
    ends = list(model.ends)
    for token in tried:
        list(cache.prefill([*prompt, token]))
        second = log_softmax(cache.context.logits())
        second[ends] = -np.inf
        pairs[token, int(second.argmax())] = (float(first[token]) + float(second.max())) / 2
    best = max(pairs, key=lambda pair: pairs[pair])
    assert pairs[best] > first[tried[-1]] / 2  # no pair that begins otherwise can be better
    assert pairs[best] > float(np.logaddexp.reduce(first[ends]))  # nor the empty answer
    assert tuple(search(model, cache, prompt, beams=16, most=2).generated) == best


def test_the_context_grows_and_every_beam_keeps_its_own_text(
    model: Model, cache: KVCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = prompt_of(model, "Tell me about the sea.")
    rooms: list[int] = []
    fork = KVCache.fork

    def small(self: KVCache, n_ctx: int, *, sequences: int) -> Context:
        rooms.append(n_ctx)
        context = fork(self, n_ctx, sequences=sequences)
        context.n_ctx = n_ctx  # as if llama.cpp did not round up
        return context

    monkeypatch.setattr(KVCache, "fork", small)
    monkeypatch.setattr("assistant.engine.beam_search._ROOM", 4)
    grown = search(model, cache, prompt, beams=3, most=40)
    assert len(rooms) > 2
    assert cache.tokens == prompt  # the conversation's own cache is as it was
    true = log_prob(model, cache, prompt, grown.generated, end=grown.finish_reason == "stop")
    assert grown.score == pytest.approx(true, abs=0.04 * len(grown.generated))  # kernels round differently


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(tiny, LoadOptions(threads=1, prompt_cache=False))
    yield engine
    engine.close()


def ask(engine: LocalEngine, **options: object) -> Result:
    *events, result = engine.generate(
        [Message("user", PROMPTS[1])],
        GenerateOptions(beams=4, **{"max_tokens": 24, **options}),  # type: ignore[arg-type]
    )
    assert isinstance(result, Result)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == result.text
    return result


def test_an_answer_through_the_engine(engine: LocalEngine) -> None:
    result = ask(engine)
    assert result.text
    assert 0 < result.completion_tokens <= 24
    assert ask(engine, temperature=2.0, seed=1, repeat_penalty=2.0).text == result.text  # sampling has no say
    word = result.text.split()[2]
    stopped = ask(engine, stop=(word,))
    assert stopped.finish_reason == "stop"
    assert word not in stopped.text
    shorter = ask(engine, max_tokens=1)
    assert shorter.completion_tokens <= 1


def test_cancel_keeps_what_is_there(engine: LocalEngine) -> None:
    events = []
    for event in engine.generate([Message("user", "Tell me a long story.")], GenerateOptions(beams=4)):
        events.append(event)
        if isinstance(event, Delta):
            engine.cancel()
    assert isinstance(events[-1], Result)
    assert events[-1].finish_reason == "cancelled"
    assert events[-1].text
    assert ask(engine).finish_reason != "cancelled"


def test_cancel_before_the_first_step(engine: LocalEngine) -> None:
    engine.load()
    for event in engine.generate([Message("user", PROMPTS[0])], GenerateOptions(beams=4)):
        if isinstance(event, Progress):
            engine.cancel()
    assert isinstance(event, Result)
    assert event.finish_reason == "cancelled"


def test_too_little_memory_for_so_many(model: Model, cache: KVCache, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = prompt_of(model, PROMPTS[0])
    run = BeamSearch(model, cache, prompt, GenerateOptions(beams=16), most=8)
    list(cache.prefill(prompt))
    monkeypatch.setattr("models.llama.context.llama_cpp.llama_init_from_model", lambda *_: None)
    with pytest.raises(ModelError) as caught:
        list(run.decode())
    assert "fewer beams than 16" in (caught.value.hint or "")


def test_no_constraint_with_beams(engine: LocalEngine) -> None:
    with pytest.raises(UsageError, match="Beam search takes no schema"):
        ask(engine, constraint=Constraint("choices", '["yes", "no"]'))


def test_the_option() -> None:
    flags = settings.parse_options([("beams", "4")])
    assert settings.generate_options(flags, settings.load(), None).beams == 4
    for wrong in ("0", "17", "many"):
        with pytest.raises(UsageError, match="beams"):
            settings.parse_options([("beams", wrong)])


def test_a_loop_ends_the_search(model: Model, cache: KVCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.engine.repetition._FEW_TOKENS", 24)
    run = search(model, cache, prompt_of(model, "translate to french: hello"), beams=2, most=300)
    assert run.finish_reason == "repetition"
    assert 24 < len(run.generated) < 200
