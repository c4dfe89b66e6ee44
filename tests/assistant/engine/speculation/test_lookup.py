"""Lookup on texts and what an editor made of them, played through with what batches cost."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import edited_texts
import numpy as np
import pytest

from assistant.engine.speculation.lookup import LookupDrafter
from models.llama import Model

# t(N) of the 1.5B Q4_K_M on 2 cores, in units of one decode step: a kind machine, and one where batches are dear.
KIND = np.interp(range(34), [1, 2, 4, 8, 12, 16, 24, 32], [1, 1.33, 1.42, 1.81, 2.35, 2.28, 3.64, 4.18])
DEAR = np.interp(range(34), [1, 2, 4, 8, 16, 32], [1, 1.9, 3.1, 5.2, 6.4, 11.4])


@pytest.fixture(scope="module")
def model(tiny: Path) -> Model:
    return Model(tiny)


class Played:
    """An answer that is known, generated as with a model that checks drafts of the most promising length.

    Attributes:
        gain: speed, as a multiple of plain decoding's. sent: drafted tokens that were checked; accepted: those right.
        promised: the sum of the chances of the checked ones, each given that those before it are right.
    """

    def __init__(self, drafter: LookupDrafter, prompt: Sequence[int], answer: Sequence[int], costs: np.ndarray):
        drafter.begin(prompt)
        text, end = list(prompt), len(prompt) + len(answer)
        whole = [*prompt, *answer]
        self.rounds = self.sent = self.accepted = 0
        self.promised = cost = 0.0
        while len(text) < end:
            draft = drafter.propose(text, 32, lambda chances: True)
            assert len(draft.tokens) == len(draft.chances) <= 32
            assert all(0 < chance < 1 for chance in draft.chances)
            expected = 1 + np.cumsum(np.cumprod(draft.chances))
            rates = np.concatenate([[1.03 / costs[1]], expected / costs[2 : len(draft.tokens) + 2]])
            sent = int(np.argmax(rates))
            rest = whole[len(text) :]
            accepted = next((n for n in range(sent) if n >= len(rest) or draft.tokens[n] != rest[n]), sent)
            self.promised += sum(draft.chances[: min(accepted + 1, sent)])
            draft.tokens, draft.chances = draft.tokens[:sent], draft.chances[:sent]
            drafter.learn(draft, accepted)
            text += rest[: accepted + 1]
            cost += costs[sent + 1]
            self.rounds, self.sent, self.accepted = self.rounds + 1, self.sent + sent, self.accepted + accepted
        self.per_round = len(answer) / self.rounds
        self.gain = len(answer) / cost


def _play(model: Model, before: str, after: str, costs: np.ndarray = KIND) -> Played:
    prompt, answer = (model.tokenize(text, add_special=False, parse_special=False) for text in (before, after))
    return Played(LookupDrafter(model.piece), prompt, answer, costs)


@pytest.mark.parametrize(
    ("text", "per_round", "gain"),
    [
        (edited_texts.unwrapped(edited_texts.ENGLISH), 5.5, 2.8),
        (edited_texts.unwrapped(edited_texts.RUSSIAN), 9.5, 4.3),
        (edited_texts.CODE, 2.2, 1.6),
    ],
    ids=["english", "russian", "code"],
)
def test_a_copy_with_edits_is_drafted_in_long_runs(model: Model, text: str, per_round: float, gain: float) -> None:
    before, after = edited_texts.before_and_after(text)
    played = _play(model, f"Correct this.\n\n{before}\n\n", after)
    assert played.per_round > per_round
    assert played.gain > gain
    assert _play(model, f"Correct this.\n\n{before}\n\n", after, DEAR).gain > 1.05


def test_quotes_pay_and_other_talk_costs_little(model: Model) -> None:
    quotes = _play(model, f"Summarize with quotes.\n\n{edited_texts.ARTICLE}\n\n", edited_texts.QUOTES)
    assert quotes.gain > 1.2
    for costs in (KIND, DEAR):
        assert _play(model, f"{edited_texts.ARTICLE}\n\nHow do I swim?\n\n", edited_texts.CHAT, costs).gain > 0.97


def test_random_tokens_are_not_worth_a_draft() -> None:
    draw = random.Random(1)
    played = Played(LookupDrafter(), draw.choices(range(300), k=2000), draw.choices(range(300), k=400), KIND)
    assert played.sent < 10
    assert played.gain > 0.99


def test_what_is_promised_is_kept(model: Model) -> None:
    """Over all texts together: the drafter errs to the careful side, and not far."""
    drafter = LookupDrafter(model.piece)
    promised = accepted = 0.0
    for text in (edited_texts.ENGLISH, edited_texts.CODE, edited_texts.RUSSIAN):
        sides = edited_texts.before_and_after(text)
        before, after = (model.tokenize(side, add_special=False, parse_special=False) for side in sides)
        played = Played(drafter, before, after, KIND)
        promised, accepted = promised + played.promised, accepted + played.accepted
    assert 0.9 < promised / accepted < 1.05


@pytest.mark.parametrize(
    ("answer", "goes_on"),
    [
        ([*range(20, 40), 900], 41),  # a token replaced
        ([*range(20, 40), 41], 42),  # a token left out
        ([*range(20, 40), 900, 40], 41),  # a token added
    ],
)
def test_the_copy_goes_on_after_an_edit(answer: list[int], goes_on: int) -> None:
    prompt = list(range(10, 100))
    drafter = LookupDrafter()
    drafter.begin(prompt)
    for length in range(1, len(answer) + 1):
        draft = drafter.propose([*prompt, *answer[:length]], 8, lambda chances: True)
    assert draft.tokens[:8] == list(range(goes_on, goes_on + 8))


def test_the_rest_of_an_edited_word_is_left_out() -> None:
    pieces = {40: b" re", 41: b"cie", 42: b"ve", 900: b" receive"}
    prompt, answer = list(range(10, 100)), [*range(20, 40), 900]
    drafter = LookupDrafter(lambda token: pieces.get(token, b" word"))
    drafter.begin(prompt)
    for length in range(1, len(answer) + 1):
        draft = drafter.propose([*prompt, *answer[:length]], 4, lambda chances: True)
    assert draft.tokens == [43, 44, 45, 46]


def test_the_place_near_the_last_copied_wins_over_another() -> None:
    prompt = [1, 2, 3, 50, 60, 61, 62, *range(100, 120), 50, 70, 71, 72]
    drafter = LookupDrafter()
    drafter.begin(prompt)
    answer = [*range(104, 120), 50]
    for length in range(1, len(answer) + 1):
        draft = drafter.propose([*prompt, *answer[:length]], 3, lambda chances: True)
    assert draft.tokens == [70, 71, 72]


@pytest.mark.parametrize("prompt", [[], [5], [5, 5], [5] * 1000])
def test_any_prompt_can_be_looked_up(prompt: list[int]) -> None:
    drafter = LookupDrafter()
    drafter.begin(prompt)
    text = list(prompt)
    for token in (5, 5, 6, 5, 6, 5):
        draft = drafter.propose(text, 4, lambda chances: True)
        assert set(draft.tokens) <= set(text)
        assert len(draft.tokens) <= 4
        text.append(token)
    assert drafter.propose(text, 0, lambda chances: True).tokens == []


def test_a_new_answer_forgets_the_text_and_keeps_the_chances() -> None:
    drafter = LookupDrafter()
    text = list(range(200)) * 2
    first = Played(drafter, text, text, KIND)
    second = Played(drafter, text, text, KIND)
    assert second.sent / second.rounds >= first.sent / first.rounds
    drafter.begin([7, 8, 9])
    assert drafter.propose([7, 8, 9, 150], 8, lambda chances: True).tokens == []


def test_a_long_prompt_takes_milliseconds() -> None:
    draw = random.Random(1)
    prompt = draw.choices(range(2000), k=30_000)
    drafter = LookupDrafter()
    began = time.process_time()
    drafter.begin(prompt)
    for _ in range(10):
        prompt.append(draw.randrange(2000))
        drafter.propose(prompt, 32, lambda chances: True)
    assert time.process_time() - began < 0.5  # some 10 ms
