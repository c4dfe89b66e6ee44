"""Who drafts, and how many tokens: in each round what gives the most expected tokens per second, perhaps nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from assistant.engine.engine import DraftMode, Speculation
from assistant.engine.kv_cache import OUTPUTS
from assistant.engine.speculation.costs import BatchCosts
from assistant.engine.speculation.draft_model import FIRST_ACCEPTANCE, ModelDrafter
from assistant.engine.speculation.drafter import Draft, Drafter
from assistant.engine.speculation.lookup import LookupDrafter
from models.errors import ModelError, UsageError

MOST = OUTPUTS - 1  # drafted tokens in one round
# What drafting has to promise over plain decoding: of many estimates the best is chosen, so it is likely one too high.
_MARGIN = 1.1
_TYPICAL_REST = 64  # tokens that are expected to follow at the beginning; later, as many as there were so far
_STAKE = 0.5  # share of what a draft model promises to save that may be spent on getting it ready
_FORGET = 0.01  # in each round without the draft model, its acceptance goes so far back to what it was first taken for


class Speculator:
    """Drafts for one loaded model, answer after answer.

    Args:
        costs: of the model's batches.
        piece: the bytes of a token of the model.
        model: a draft model, not necessarily open yet, with the costs of its batches.
        without_model: why there is none.
        keep: called at the end with the costs as they turned out to be.
    """

    def __init__(
        self,
        costs: BatchCosts,
        piece: Callable[[int], bytes],
        model: ModelDrafter | None = None,
        model_costs: BatchCosts | None = None,
        *,
        without_model: str = "",
        keep: Callable[[BatchCosts], None] | None = None,
    ):
        self._costs = costs
        self.without_model = without_model
        self._keep, self._observed = keep, False
        self._lookup = LookupDrafter(piece)
        self._model, self._model_costs = model, model_costs
        self._drafters: set[str] = set()
        self._last: Drafter | None
        self.begin((), "off", None, 0)

    @property
    def costs(self) -> BatchCosts:
        """Of the model's batches, as every round corrects them."""
        return self._costs

    @property
    def draft_token_seconds(self) -> float | None:
        """Of a token of the draft model, as every round corrects it; None: there is none."""
        return self._model_costs(1) if self._model and self._model_costs else None

    def begin(self, prompt: Sequence[int], mode: DraftMode, fixed: int | None, most: int) -> None:
        """A new answer of at most ``most`` tokens; ``fixed``: tokens a round, instead of as many as pay.

        Raises:
            UsageError: a draft model is asked for, and there is none.
        """
        if mode == "model" and self._model is None:
            raise UsageError(
                f"There is no draft model to use: {self.without_model}.", "Name one with --draft-model, or pull it."
            )
        self._mode, self._fixed, self._most = mode, fixed, most
        self._prompt_length = len(prompt)
        self._used: list[str] = []
        self._lengths: Counter[int] = Counter()
        self._rounds = self._drafted = self._accepted = self._certain = 0
        self._seconds = 0.0
        self._last, self._proposed = None, Draft()
        if mode in ("auto", "lookup"):
            self._lookup.begin(prompt)
        if mode in ("auto", "model") and self._model:
            self._model.begin(prompt)

    def draft(
        self, tokens: Sequence[int], certain: int, most: int, valid: Callable[[Sequence[int]], int] = len
    ) -> list[int]:
        """Up to ``most`` tokens to check together with the ``certain`` last ones of ``tokens``, which are to be
        computed anyway. ``valid``: how many from the beginning of these tokens may come at all.

        Raises:
            ModelError: the draft model that was asked for cannot be loaded.
        """
        most = min(most, MOST, MOST if self._fixed is None else self._fixed)
        started = time.perf_counter()
        self._last, self._proposed = None, Draft()
        if most > 0 and self._mode != "off":
            self._proposed = self._propose(tokens, certain, most, valid)
        self._seconds += time.perf_counter() - started
        return self._proposed.tokens

    def _propose(self, tokens: Sequence[int], certain: int, most: int, valid: Callable[[Sequence[int]], int]) -> Draft:
        model = self._model if self._mode in ("auto", "model") else None
        if self._mode in ("auto", "lookup"):
            draft = self._lookup.propose(tokens, most, lambda chances: True)
            length, rate = self._best_length(draft.chances[: valid(draft.tokens)], certain)
            if length and not (model and model.is_open and self._model_rate(certain, most) > rate):
                return self._proposed_by(self._lookup, draft, length)
        if model is None:
            return Draft()
        if self._fixed is None and not self._model_pays(model, tokens, certain, most):
            model.acceptance += _FORGET * (FIRST_ACCEPTANCE - model.acceptance)
            return Draft()
        try:
            draft = self._by_model(model, tokens, certain, most)
        except ModelError as error:
            if self._mode == "model":
                raise
            self._model, self.without_model = None, str(error)  # no memory for it, for instance: on without it
            return Draft()
        length, _ = self._best_length(draft.chances[: valid(draft.tokens)], certain)
        return self._proposed_by(model, draft, length)

    def _proposed_by(self, drafter: Drafter, draft: Draft, length: int) -> Draft:
        self._last = drafter
        if drafter.name not in self._used:
            self._used.append(drafter.name)
        return Draft(draft.tokens[:length], draft.chances[:length])

    def _best_length(self, chances: Sequence[float], certain: int) -> tuple[int, float]:
        """How many of the drafted tokens to send, and the tokens per second that this promises."""
        if self._fixed is not None:
            return len(chances), float("inf")
        best, best_rate = 0, _MARGIN / self._costs(certain)
        expected = likely = 1.0
        for length, chance in enumerate(chances, 1):
            likely *= chance
            expected += likely
            rate = expected / self._costs(certain + length)
            if rate > best_rate:
                best, best_rate = length, rate
        return best, best_rate

    # The draft model

    def _model_rate(self, certain: int, most: int) -> float:
        """Tokens per second of the best constant draft length, at the acceptance seen so far."""
        assert self._model is not None
        assert self._model_costs is not None
        chance = self._model.acceptance
        best = 0.0
        expected = likely = 1.0
        for length in range(1, most + 1):
            likely *= chance
            expected += likely
            best = max(best, expected / (self._costs(certain + length) + length * self._model_costs(1)))
        return best

    def _model_pays(self, model: ModelDrafter, tokens: Sequence[int], certain: int, most: int) -> bool:
        """Whether the draft model saves far more in the rest of the answer than it takes to get it ready."""
        if self._model_costs is None:
            return False
        plain = 1 / self._costs(1)
        rate = self._model_rate(1, MOST)
        if rate < plain * _MARGIN or self._model_rate(certain, most) < _MARGIN / self._costs(certain):
            return False
        generated = len(tokens) - self._prompt_length
        rest = min(self._most - generated, max(generated, _TYPICAL_REST))
        ready = model.pending(tokens) * self._model_costs.prefill_token + (0 if model.is_open else model.open_seconds)
        return ready < _STAKE * rest * (1 / plain - 1 / rate)

    def _by_model(self, model: ModelDrafter, tokens: Sequence[int], certain: int, most: int) -> Draft:
        assert self._model_costs is not None
        costs, each = self._costs, self._model_costs(1)
        state = {"length": 0, "likely": 1.0, "expected": 1.0}

        def worth(chances: Sequence[float]) -> bool:
            """Whether some number of further tokens raises the tokens per second of this round."""
            if self._fixed is not None:
                return True
            for chance in chances[int(state["length"]) :]:
                state["likely"] *= chance
                state["expected"] += state["likely"]
            state["length"] = done = len(chances)
            now = state["expected"] / (costs(certain + done) + done * each)
            expected, likely = state["expected"], state["likely"]
            for length in range(done + 1, most + 1):
                likely *= model.acceptance
                expected += likely
                if expected / (costs(certain + length) + length * each) > now:
                    return True
            return False

        if not model.is_open:
            model.open()
        started = time.perf_counter()
        lacks = model.pending(tokens)
        draft = model.propose(tokens, most, worth)
        if draft.tokens and lacks <= 2:  # else most of the time was for catching up
            self._model_costs.observe(1, (time.perf_counter() - started) / len(draft.tokens))
        return draft

    # What came of it

    def computed(self, certain: int, seconds: float) -> None:
        """The batch of these many certain tokens, and the drafted ones, took so long."""
        self._costs.observe(certain + len(self._proposed.tokens), seconds)
        self._observed = True
        self._seconds += seconds
        self._certain += certain

    def learn(self, accepted: int) -> None:
        """The model took so many of the tokens that :meth:`draft` gave."""
        draft = self._proposed
        if draft.tokens and self._last:
            self._last.learn(draft, accepted)
            self._rounds += 1
            self._drafted += len(draft.tokens)
            self._lengths[len(draft.tokens)] += 1
            self._accepted += accepted
            self._certain += accepted

    def summary(self) -> Speculation:
        """Of the answer so far."""
        return Speculation(
            mode="+".join(self._used) or ("off" if self._mode == "off" else "none"),
            rounds=self._rounds,
            drafted=self._drafted,
            accepted=self._accepted,
            mean_length=round(self._drafted / self._rounds, 2) if self._rounds else 0.0,
            lengths=tuple(self._lengths.most_common()),
            gain=round(self._certain * self._costs(1) / self._seconds, 3) if self._rounds else 1.0,
        )

    def stop(self) -> None:
        """End a running draft, from any thread, until :meth:`rearm`."""
        if self._model:
            self._model.stop()

    def rearm(self) -> None:
        if self._model:
            self._model.rearm()

    def close(self) -> None:
        if self._keep and self._observed:
            self._keep(self._costs)
        if self._model:
            self._model.close()
