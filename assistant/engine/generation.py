"""One run of the model: prefill of a prompt, then the decode loop."""

from __future__ import annotations

from collections.abc import Iterator, Set

from assistant.engine.engine import FinishReason, GenerateOptions
from assistant.engine.kv_cache import KVCache
from models.llama import Aborted, Model, Sampler


class Generation:
    """Computes ``prompt`` and then one token after the other.

    Args:
        shown: control tokens whose text belongs to the output (markers of reasoning); all others are silent.
        most: tokens to generate at the most; the KV cache's limit must have room for them.

    Attributes:
        generated: the tokens of the answer; the token that ends it is not among them.
        prefilled: tokens of the prompt that had to be computed. decoded: tokens computed one by one.
        finish_reason: why it ended; final when :meth:`decode` is exhausted.
    """

    def __init__(
        self,
        model: Model,
        cache: KVCache,
        prompt: list[int],
        options: GenerateOptions,
        *,
        most: int,
        shown: Set[int] = frozenset(),
    ):
        self._model = model
        self._shown = shown
        self._cache = cache
        self._prompt = prompt
        self._most = most
        self._sampler = Sampler(
            model,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            min_p=options.min_p,
            repeat_penalty=options.repeat_penalty,
            seed=options.seed,
        )
        self.generated: list[int] = []
        self.prefilled = self.decoded = 0
        self.finish_reason: FinishReason = "length"

    def prefill(self) -> Iterator[tuple[int, int]]:
        """Compute what the KV cache lacks of the prompt; yields (done, total) tokens."""
        try:
            for done, total in self._cache.prefill(self._prompt):
                self.prefilled = done
                yield done, total
        except Aborted:
            self.finish_reason = "cancelled"

    def decode(self) -> Iterator[bytes]:
        """Generate; yields the bytes of each token, before the next one is computed."""
        if self.finish_reason == "cancelled":
            return
        cache = self._cache
        while len(self.generated) < self._most:
            token = self._sampler.sample(cache.context)
            if self._model.is_end(token):
                self.finish_reason = "stop"
                return
            self.generated.append(token)
            yield self._model.piece(token, special=token in self._shown)
            if len(self.generated) == self._most:
                return
            try:
                cache.reserve(len(cache.tokens) + 1)
                cache.append((token,))
            except Aborted:
                self.finish_reason = "cancelled"
                return
            self.decoded += 1

    def close(self) -> None:
        self._sampler.close()
