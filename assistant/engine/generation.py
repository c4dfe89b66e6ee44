"""The decode loop: one answer of the model, drafted tokens and forced ones included."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence, Set
from typing import TYPE_CHECKING

from assistant.engine.engine import GenerateOptions
from assistant.engine.kv_cache import OUTPUTS, KVCache
from assistant.engine.sampling import Sampling
from models.llama import Aborted, Model

if TYPE_CHECKING:
    from assistant.engine.speculation.speculator import Speculator
    from assistant.engine.structured import Grammar

_MOST_DRAFTED = OUTPUTS - 1


class Generation(Sampling):
    """Computes the answer to a prompt, which the KV cache has just read, batch after batch.

    A batch has the tokens that are certain but not in the KV cache yet (the last one sampled, and what the grammar
    forces to follow), and after them drafted ones. From its logits tokens are sampled as long as they are the drafted
    ones; the first other one is certain again, and what was drafted after it is forgotten. So every token is sampled
    from the model's own logits after the true text, whoever drafted (Leviathan et al. 2023).

    Args:
        shown: control tokens whose text belongs to the output (markers of reasoning); all others are silent.
        most: tokens to generate at the most; the KV cache's limit must have room for them.
        speculator: what drafts; None: nothing does.
        grammar: what the answer must look like; None: anything.

    Attributes:
        generated: the tokens of the answer; the token that ends it is not among them.
        decoded: tokens of the answer that were computed.
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
        speculator: Speculator | None = None,
        grammar: Grammar | None = None,
    ):
        super().__init__(model, options, most=most, shown=shown, grammar=grammar)
        self._cache = cache
        self._prompt = prompt
        self._speculator = speculator
        if speculator:
            speculator.begin(prompt, options.draft, options.num_draft_tokens, most)
        self.decoded = 0

    def decode(self) -> Iterator[bytes]:
        """Generate; yields the bytes of each token, before the next batch is computed."""
        cache = self._cache
        drafted: list[int] = []
        while True:
            new, accepted, ended = self.sample(cache.context, drafted)
            cache.truncate(len(cache.tokens) - len(drafted) + accepted)  # the cache then holds what was drafted rightly
            self.decoded += accepted
            if self._speculator:
                self._speculator.learn(accepted)
            yield from self.write(new, ended=ended)
            if ended:
                return
            try:
                drafted = self._compute(new[accepted:])
            except Aborted:
                self.finish_reason = "cancelled"
                return

    def _compute(self, certain: Sequence[int]) -> list[int]:
        """Compute these tokens and drafted ones after them, which are returned.

        Raises:
            Aborted: the KV cache was stopped.
        """
        cache = self._cache
        room = self._most - len(self.generated) - 1  # one token is sampled after the last drafted one
        self.decoded += len(certain)
        cache.reserve(len(cache.tokens) + len(certain) + min(room, _MOST_DRAFTED))
        while len(certain) > _MOST_DRAFTED:  # a long forced text
            cache.append(certain[:_MOST_DRAFTED])
            certain = certain[_MOST_DRAFTED:]
        drafted: list[int] = []
        if self._speculator:
            valid = self._grammar.valid_prefix if self._grammar else len
            drafted = self._speculator.draft([*self._prompt, *self.generated], len(certain), room, valid)
        started = time.perf_counter()
        cache.append([*certain, *drafted], len(drafted) + 1)
        if self._speculator:
            self._speculator.computed(len(certain), time.perf_counter() - started)
        return drafted
