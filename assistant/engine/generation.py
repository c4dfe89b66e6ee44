"""The decode loop: one answer of the model, drafted tokens and forced ones included."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence, Set
from itertools import takewhile
from typing import TYPE_CHECKING

from assistant.engine.engine import FinishReason, GenerateOptions
from assistant.engine.kv_cache import OUTPUTS, KVCache
from assistant.engine.repetition import Repetition
from models.llama import Aborted, Model, Sampler

if TYPE_CHECKING:
    from assistant.engine.speculation.speculator import Speculator
    from assistant.engine.structured import Grammar

_MOST_DRAFTED = OUTPUTS - 1


class Generation:
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
        self._model = model
        self._shown = shown
        self._cache = cache
        self._prompt = prompt
        self._most = most
        self._grammar = grammar
        self._repetition = Repetition()
        self._speculator = speculator
        if speculator:
            speculator.begin(prompt, options.draft, options.num_draft_tokens, most)
        self._sampler = Sampler(
            model,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            min_p=options.min_p,
            repeat_penalty=options.repeat_penalty,
            seed=options.seed,
        )
        self._forced: list[int] = []
        self.generated: list[int] = []
        self.decoded = 0
        self.finish_reason: FinishReason = "length"

    def decode(self) -> Iterator[bytes]:
        """Generate; yields the bytes of each token, before the next batch is computed."""
        drafted: list[int] = []
        while True:
            new, accepted, ended = self._sample(drafted)
            for token in new:
                self.generated.append(token)
                yield self._model.piece(token, special=token in self._shown)
            if ended:
                return
            forced, self._forced = self._forced, []
            for token in forced:
                self._sampler.accept(token)
                self.generated.append(token)
                yield self._model.piece(token, special=token in self._shown)
            new += forced
            if self._grammar and self._most - len(self.generated) <= min(
                self._most // 4, 32 + len(self.generated) // 8
            ):
                self._grammar.hurry()  # what is left may just be enough to close it
            try:
                drafted = self._compute(new[accepted:])
            except Aborted:
                self.finish_reason = "cancelled"
                return

    def force(self, tokens: Sequence[int]) -> None:
        """Go on with these tokens behind those that are sampled already, whatever the model would say; the last call
        counts. To be called between two tokens of :meth:`decode`. Without room for them and an answer it goes on as it
        would."""
        has_room = len(self.generated) + len(tokens) + _MOST_DRAFTED < self._most
        self._forced = list(tokens) if has_room else []

    def _sample(self, drafted: Sequence[int]) -> tuple[list[int], int, bool]:
        """Sample from the outputs of the last batch: (new tokens, how many of them were drafted, whether it ends).

        Forced tokens follow the sampled ones; the KV cache then holds what was drafted rightly, and not those.
        """
        new: list[int] = []
        ended = False
        for place, guess in enumerate([*drafted, None]):
            ended = self._take(self._next(place - len(drafted) - 1), new)
            if ended or new[-1] != guess:
                break
        accepted = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(new, drafted, strict=False)))
        self._cache.truncate(len(self._cache.tokens) - len(drafted) + accepted)
        self.decoded += accepted
        if self._speculator:
            self._speculator.learn(accepted)
        if self._grammar and not ended:
            forced = self._grammar.forced()
            for left, token in zip(range(len(forced) - 1, -1, -1), forced, strict=True):
                self._sampler.accept(token)
                ended = self._take(token, new, last=not left)
                if ended:
                    break
        return new, accepted, ended

    def _next(self, output: int) -> int:
        """The token that the model chooses after an output of the last batch."""
        if self._grammar:
            self._grammar.mask(self._cache.context.logits(output))
        token = self._sampler.sample(self._cache.context, output)
        if self._grammar and not self._model.is_end(token):
            self._grammar.accept(token)
        return token

    def _take(self, token: int, new: list[int], last: bool = True) -> bool:
        """Add a token to the new ones, unless it ends the answer; True: nothing comes after it. ``last``: the grammar
        has accepted no tokens beyond this one."""
        grammar = self._grammar
        if self._model.is_end(token):
            self._end()
            return True
        new.append(token)
        if last and grammar and grammar.finished:
            self._end()
            return True
        if self._repetition.feed(token) and not (grammar and grammar.hurried):
            self.finish_reason = "repetition"
            if not grammar:
                return True
            grammar.hurry()
        return len(self.generated) + len(new) >= self._most

    def _end(self) -> None:
        """The answer is complete: by itself, or because it was made to end."""
        if not (self._grammar and self._grammar.hurried):
            self.finish_reason = "stop"

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

    def close(self) -> None:
        self._sampler.close()
