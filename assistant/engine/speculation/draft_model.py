"""A draft model: a smaller one of the same vocabulary, which drafts greedily in a context of its own."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from assistant.engine.kv_cache import KVCache
from assistant.engine.speculation.chances import Chances
from assistant.engine.speculation.drafter import Draft, Worth
from models.errors import Cancelled, ModelError
from models.gguf_header import read_header
from models.llama import Aborted, Model

FIRST_ACCEPTANCE = 0.8  # of a draft model of which nothing is known
_LOADS = 700e6  # bytes a second that a model is expected to load with
_FORGETS = 0.05  # share of the newest token in the acceptance
# Classes by the probability that the draft model gives its token: lower bounds, and the chance until it is learned
# (the 0.5B for the 1.5B, greedy, chat, code, summary: 0.36, 0.55, 0.62, 0.73, 0.87, 0.88, 0.95, 1.00, 0.99, 1.00).
_BOUNDS = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.995)
_PRIORS = (0.25, 0.42, 0.53, 0.64, 0.76, 0.83, 0.91, 0.95, 0.97, 0.98)


class ModelDrafter:
    """
    Args:
        path: the draft model's GGUF file, of the same vocabulary as the model's (``models.vocabulary.mismatch``).
        limit: tokens of prompt and answer up to which it drafts.
        vocabulary_size: of the model; the two sizes may differ by some tokens that are never used.

    Attributes:
        acceptance: share of the drafted tokens that the model took, of late.
        open_seconds: what :meth:`open` took, or before that, what it is expected to take.
    """

    name = "model"

    def __init__(self, path: Path, *, threads: int, limit: int, vocabulary_size: int, gpu_layers: int = -1):
        self.path = path
        self._threads, self._limit, self._gpu_layers = threads, limit, gpu_layers
        self._common = vocabulary_size
        self._model: Model | None = None
        self._cache: KVCache | None = None
        self._stopped = False
        self._same = 0  # tokens from the beginning of the answer's text that the cache is known to hold
        self._chances = Chances(_PRIORS)
        self._kinds: list[int] = []
        self.acceptance = FIRST_ACCEPTANCE
        self.open_seconds = path.stat().st_size / _LOADS if path.is_file() else 0.0

    @property
    def is_open(self) -> bool:
        return self._cache is not None

    @property
    def cache(self) -> KVCache:
        """What it has read of the text; :meth:`open` comes first."""
        assert self._cache is not None, "open() comes first"
        return self._cache

    def open(self) -> None:
        """Load the model, unless it is loaded.

        Raises:
            ModelError: the file is damaged, llama.cpp refuses it, or it cannot draft.
            Aborted: :meth:`stop` was called.
        """
        if self._cache:
            return
        started = time.perf_counter()
        read_header(self.path)  # a damaged file must not reach llama.cpp
        try:
            model = Model(self.path, gpu_layers=self._gpu_layers, on_progress=lambda done: not self._stopped)
        except Cancelled:
            raise Aborted from None
        if not (model.can_generate and model.can_rewind):
            model.close()
            raise ModelError(
                f"{self.path.name} cannot draft: it cannot take back single tokens.", "Choose another: --draft-model."
            )
        self._common = min(self._common, model.vocabulary_size)
        self._limit = min(self._limit, model.trained_context_length)
        self._model, self._cache = model, KVCache(model, limit=self._limit, threads=self._threads)
        if self._stopped:
            self._cache.stop()
        self.open_seconds = time.perf_counter() - started

    def begin(self, prompt: Sequence[int]) -> None:
        self._same = 0

    def pending(self, tokens: Sequence[int]) -> int:
        """How many of these tokens it has to read before it can draft; at least the last one."""
        held = self._cache.tokens if self._cache else []
        most = min(len(held), len(tokens) - 1)
        self._same = min(self._same, most)  # never -1: of an empty text
        while self._same < most and held[self._same] == tokens[self._same]:
            self._same += 1
        return len(tokens) - self._same

    def propose(self, tokens: Sequence[int], most: int, worth: Worth) -> Draft:
        """As the protocol says; what there is if it is stopped meanwhile.

        Raises:
            ModelError: not enough memory.
        """
        draft = Draft()
        self._kinds = []
        most = min(most, self._limit - len(tokens))
        if not (self._model and self._cache and tokens and most > 0 and worth(draft.chances)):
            return draft
        unread = tokens[len(tokens) - self.pending(tokens) :]
        if max(unread) >= self._common:  # a token that only the model knows
            return draft
        cache = self._cache
        try:
            cache.reserve(len(tokens) + most)
            cache.truncate(len(tokens) - len(unread))
            for start in range(0, len(unread), cache.context.n_batch):
                cache.append(unread[start : start + cache.context.n_batch])
            while True:
                token, probability = self._likeliest(cache)
                if self._model.is_end(token):
                    return draft
                self._kinds.append(bisect_right(_BOUNDS, probability) - 1)
                draft.tokens.append(token)
                draft.chances.append(float(self._chances.rates[self._kinds[-1]]))
                if len(draft.tokens) == most or not worth(draft.chances):
                    return draft
                cache.append((token,))
        except Aborted:
            return draft

    def _likeliest(self, cache: KVCache) -> tuple[int, float]:
        logits = cache.context.logits()[: self._common]
        token = int(logits.argmax())
        return token, float(1 / np.exp(logits - logits[token]).sum())

    def learn(self, draft: Draft, accepted: int) -> None:
        for place, kind in enumerate(self._kinds[: min(accepted + 1, len(draft.tokens))]):
            right = place < accepted
            self._chances.learn(kind, right)
            self.acceptance += _FORGETS * (right - self.acceptance)

    def stop(self) -> None:
        """End what it computes, from any thread, and compute nothing more until :meth:`rearm`."""
        self._stopped = True
        cache = self._cache  # once: the other thread may be closing it
        if cache:
            cache.stop()

    def rearm(self) -> None:
        self._stopped = False
        if self._cache:
            self._cache.rearm()

    def close(self) -> None:
        """Free the model; it can be opened again. What was learned stays."""
        if self._cache:
            self._cache.close()
        if self._model:
            self._model.close()
        self._model = self._cache = None
        self._same = 0
