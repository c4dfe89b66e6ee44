"""The draft model's own cache, on the 135M: whatever came before, it drafts what it would write itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from assistant.engine.kv_cache import KVCache
from assistant.engine.speculation.draft_model import FIRST_ACCEPTANCE, ModelDrafter
from models.errors import ModelError
from models.llama import Aborted, Model

TEXT = "The three largest cities of Germany are Berlin, Hamburg and"


def always(chances: Sequence[float]) -> bool:
    return True


@pytest.fixture(scope="module")
def model(tiny: Path) -> Model:
    return Model(tiny)


@pytest.fixture(scope="module")
def text(model: Model) -> list[int]:
    return model.tokenize(TEXT, add_special=True, parse_special=False)


def greedy(model: Model, tokens: Sequence[int], count: int) -> list[int]:
    cache, text = KVCache(model, limit=512, threads=1), list(tokens)
    for _ in range(count):
        list(cache.prefill(text))
        text.append(int(cache.context.logits().argmax()))
    cache.close()
    return text[len(tokens) :]


def new_drafter(path: Path, *, vocabulary_size: int = 49152, limit: int = 512) -> ModelDrafter:
    return ModelDrafter(path, threads=1, limit=limit, vocabulary_size=vocabulary_size)


@pytest.fixture(scope="module")
def opened(tiny: Path) -> Iterator[ModelDrafter]:
    drafter = new_drafter(tiny)
    drafter.open()
    yield drafter
    drafter.close()


@pytest.fixture
def drafter(opened: ModelDrafter) -> ModelDrafter:
    """Loaded, with nothing read; what it has learned is of earlier tests."""
    opened.cache.close()
    opened.begin(())
    return opened


def test_it_drafts_what_it_would_write(drafter: ModelDrafter, model: Model, text: list[int]) -> None:
    drafter.begin(text)
    draft = drafter.propose(text, 6, always)
    assert draft.tokens == greedy(model, text, 6)
    assert len(draft.chances) == 6
    assert all(0 < chance < 1 for chance in draft.chances)


@pytest.mark.parametrize("accepted", [0, 2, 4])
def test_after_any_acceptance_it_agrees_with_the_text(
    drafter: ModelDrafter, model: Model, text: list[int], accepted: int
) -> None:
    drafter.begin(text)
    draft = drafter.propose(text, 4, always)
    drafter.learn(draft, accepted)
    other = model.tokenize(" very", add_special=False, parse_special=False)
    now = [*text, *draft.tokens[:accepted], *other]
    assert drafter.pending(now) == 1 + (accepted == 4)  # after full acceptance it lacks the last drafted token too
    assert drafter.propose(now, 4, always).tokens == greedy(model, now, 4)


def test_the_next_prompt_reuses_what_is_the_same(drafter: ModelDrafter, model: Model, text: list[int]) -> None:
    drafter.begin(text)
    drafter.propose(text, 4, always)
    changed = [*text[:-3], *text[-2:]]
    drafter.begin(changed)
    assert drafter.pending(changed) == 2
    assert drafter.propose(changed, 3, always).tokens == greedy(model, changed, 3)


def test_it_pays_for_no_token_that_is_not_worth_it(drafter: ModelDrafter, text: list[int]) -> None:
    drafter.begin(text)
    asked: list[int] = []

    def worth(chances: Sequence[float]) -> bool:
        asked.append(len(chances))
        return len(chances) < 2

    assert len(drafter.propose(text, 8, worth).tokens) == 2
    assert asked == [0, 1, 2]
    assert len(drafter.cache.tokens) == len(text) + 1  # the second was read off the logits of the first
    assert drafter.propose(text, 8, lambda chances: False).tokens == []
    assert drafter.propose(text, 0, always).tokens == []


def test_it_stops_before_the_end_of_the_answer(drafter: ModelDrafter, model: Model) -> None:
    prompt = "<|im_start|>user\nSay only: yes<|im_end|>\n<|im_start|>assistant\n"
    tokens = model.tokenize(prompt, add_special=True, parse_special=True)
    drafter.begin(tokens)
    drafted = drafter.propose(tokens, 40, always).tokens
    assert len(drafted) < 40
    following = greedy(model, tokens, len(drafted) + 1)
    assert drafted == following[:-1]
    assert model.is_end(following[-1])


def test_a_token_of_the_model_alone_is_never_read_nor_drafted(tiny: Path, model: Model, text: list[int]) -> None:
    drafter = new_drafter(tiny, vocabulary_size=model.vocabulary_size + 100)
    drafter.open()
    foreign = [*text, model.vocabulary_size + 3]
    drafter.begin(text)
    assert drafter.propose(foreign, 4, always).tokens == []
    assert drafter.propose([*foreign, 5], 4, always).tokens == []
    drafter.close()
    smaller = new_drafter(tiny, vocabulary_size=300)  # of a model with fewer tokens than the draft
    smaller.open()
    short = [token % 300 for token in text]
    smaller.begin(short)
    assert all(token < 300 for token in smaller.propose(short, 8, always).tokens)
    smaller.close()


def test_it_drafts_up_to_its_limit(tiny: Path, text: list[int]) -> None:
    drafter = new_drafter(tiny, limit=len(text) + 3)
    drafter.open()
    drafter.begin(text)
    draft = drafter.propose(text, 8, always)
    assert len(draft.tokens) == 3
    assert drafter.propose([*text, *draft.tokens], 8, always).tokens == []
    drafter.close()


def test_chances_follow_what_the_model_takes(tiny: Path, text: list[int]) -> None:
    drafter = new_drafter(tiny)
    drafter.open()
    drafter.begin(text)
    first = drafter.propose(text, 4, always)
    for _ in range(40):
        drafter.learn(first, 0)
    refused = drafter.propose(text, 4, always)
    assert refused.tokens == first.tokens
    assert refused.chances[0] < 0.5 * first.chances[0]
    assert drafter.acceptance < 0.2
    for _ in range(40):
        drafter.learn(refused, 4)
    assert drafter.propose(text, 4, always).chances[0] > first.chances[0]
    assert drafter.acceptance > 0.9
    drafter.close()


def test_a_shortened_draft_teaches_only_what_was_checked(drafter: ModelDrafter, text: list[int]) -> None:
    drafter.acceptance = FIRST_ACCEPTANCE
    drafter.begin(text)
    draft = drafter.propose(text, 4, always)
    draft.tokens, draft.chances = draft.tokens[:1], draft.chances[:1]
    drafter.learn(draft, 1)
    assert drafter.acceptance == pytest.approx(FIRST_ACCEPTANCE + 0.05 * (1 - FIRST_ACCEPTANCE))


def test_stopped_it_gives_what_there_is_and_goes_on_later(drafter: ModelDrafter, model: Model, text: list[int]) -> None:
    drafter.begin(text)

    def worth(chances: Sequence[float]) -> bool:
        if len(chances) == 2:
            stopper = threading.Thread(target=drafter.stop)
            stopper.start()
            stopper.join()
        return True

    draft = drafter.propose(text, 8, worth)
    assert len(draft.tokens) == 2
    assert drafter.propose([*text, 5, 6], 4, always).tokens == []
    drafter.rearm()
    assert drafter.propose(text, 5, always).tokens == greedy(model, text, 5)


def test_stopped_while_it_loads(tiny: Path) -> None:
    drafter = new_drafter(tiny)
    drafter.stop()
    with pytest.raises(Aborted):
        drafter.open()
    assert not drafter.is_open
    drafter.rearm()
    drafter.open()
    assert drafter.is_open
    drafter.close()


def test_closed_it_drafts_nothing_and_can_be_opened_again(drafter: ModelDrafter, model: Model, text: list[int]) -> None:
    drafter.close()
    drafter.begin(text)
    assert drafter.pending(text) == len(text)
    assert drafter.propose(text, 4, always).tokens == []
    drafter.open()
    assert drafter.propose(text, 4, always).tokens == greedy(model, text, 4)


def test_a_file_that_cannot_be_loaded_is_an_error(tmp_path: Path, tiny: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    with tiny.open("rb") as file:
        damaged.write_bytes(file.read(100_000))
    for path in (damaged, tmp_path / "missing.gguf"):
        drafter = new_drafter(path)
        with pytest.raises(ModelError):
            drafter.open()
        assert not drafter.is_open
