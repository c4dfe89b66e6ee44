"""Beam search: several answers are written side by side, and the one that is likeliest as a whole is given.

The classical method (Lowerre 1976; sums divided by a power of the length as in Wu et al. 2016). The beams share the KV
cache of the prompt and of whatever they have in common, and each step computes one token of every beam in one batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from assistant.engine.engine import FinishReason, GenerateOptions
from assistant.engine.kv_cache import KVCache
from assistant.engine.repetition import Repetition
from assistant.engine.scoring import end_log_prob, log_softmax
from models.errors import ModelError, UsageError
from models.llama import Aborted, Context, Model, Row

LENGTH_PENALTY = 1.0  # the exponent: 0 prefers short answers, 1 compares the mean log-probability of a token
_ROOM = 256  # tokens for which each beam gets room of its own at a time
_LOOK = 32  # tokens after which a beam is looked at for a loop


@dataclass(frozen=True, slots=True)
class _Beam:
    """An answer so far. ``score``: its log-probability; ``steps``: the terms of that sum, the end being one;
    ``parent``: the place among the beams of the step before of the one that it goes on from."""

    tokens: list[int] = field(default_factory=list)
    score: float = 0.0
    steps: int = 0
    parent: int = 0
    finish_reason: FinishReason = "cancelled"

    @property
    def rank(self) -> float:
        return self.score / math.pow(max(self.steps, 1), LENGTH_PENALTY)


class BeamSearch:
    """Searches from the prompt, which the KV cache holds, in a context of its own: what
    :class:`~assistant.engine.generation.Generation` does, where ``options.beams`` is more than 1.

    Sampling options (temperature, repeat_penalty and the like) and drafting have no meaning here and are ignored: beams
    are compared by the model's own probabilities, and the same prompt has one answer. A beam that ends is put aside and
    the others go on, one fewer, as long as they rank above the best that has ended. So a width of 1 is greedy decoding.

    Args:
        shown: control tokens whose text belongs to the output; all others are silent.
        most: tokens to generate at the most.
        stop: strings that end an answer; they are left in it, for the caller to cut off.

    Raises:
        UsageError: the model's memory cannot be forked, or the answer is constrained.

    Attributes:
        generated: the tokens of the answer; while it runs, those on which all beams agree.
        decoded: steps, each one token of every beam.
        finish_reason: why it ended; score: the log-probability of the answer, its end included. Final when
            :meth:`decode` is exhausted.
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
        stop: Sequence[str] = (),
    ):
        if not model.can_rewind:
            raise UsageError("Beam search cannot fork this model's recurrent memory.", "Leave out the option beams.")
        if options.constraint:
            raise UsageError(
                "Beam search takes no schema or grammar.", "Leave out the option beams, or the constraint."
            )
        self._model = model
        self._cache = cache
        self._prompt = prompt
        self._width = self._width_asked = options.beams
        self._most = most
        self._shown = shown
        self._stop = [text.encode() for text in stop if text]
        self._ends = list(model.ends)
        self._context: Context | None = None
        self._bank = 0  # the first of the sequences in which the live beams are; the other bank is empty
        self._live = [_Beam()]
        self._best: _Beam | None = None  # of those that have ended
        self.generated: list[int] = []
        self.decoded = 0
        self.score = 0.0
        self.finish_reason: FinishReason = "length"

    def decode(self) -> Iterator[bytes]:
        """Search; yields after each step the bytes of the tokens that became certain, often none.

        Raises:
            ModelError: there is not enough memory for this many beams.
        """
        looped = False
        try:
            self._choose(self._cache.context)
            while self._live:
                yield self._agree(_common([beam.tokens for beam in self._candidates]))
                if self._loops():
                    looped = True
                    break
                self._choose(self._compute())
        except Aborted:
            pass
        best = max(self._candidates, key=lambda beam: beam.rank)
        self.score = best.score
        self.finish_reason = "repetition" if looped else "cancelled" if self._live else best.finish_reason
        yield self._agree(best.tokens)

    @property
    def _candidates(self) -> list[_Beam]:
        """All of which one, or what grows from it, will be the answer."""
        return [*self._live, self._best] if self._best else self._live

    def _choose(self, context: Context) -> None:
        """From the logits of the live beams choose those that live on, and put aside those that end."""
        before = self._live
        offers: list[tuple[float, int, int | None]] = []  # score, beam, and token or the end
        for index, beam in enumerate(before):
            log_probs = log_softmax(context.logits(index - len(before)))
            offers.append((beam.score + end_log_prob(self._model, log_probs), index, None))
            log_probs[self._ends] = -np.inf
            for token in np.argpartition(log_probs, -self._width)[-self._width :]:
                offers.append((beam.score + float(log_probs[token]), index, int(token)))
        self._live = []
        for score, index, token in sorted(offers, key=lambda offer: offer[0], reverse=True)[: self._width]:
            beam = before[index]
            tokens = beam.tokens if token is None else [*beam.tokens, token]
            reason: FinishReason = "cancelled"
            if token is None or self._stops(tokens):
                reason = "stop"
            elif len(tokens) == self._most:
                reason = "length"
            chosen = _Beam(tokens, score, beam.steps + 1, index, reason)
            if reason == "cancelled":
                self._live.append(chosen)
            else:
                self._width -= 1
                self._best = max(self._best or chosen, chosen, key=lambda beam: beam.rank)
        if self._best:
            self._live = [beam for beam in self._live if beam.rank > self._best.rank]

    def _loops(self) -> bool:
        """Whether the best live beam repeats itself; looked at now and then, as it is read from its beginning."""
        best = max(self._live, key=lambda beam: beam.rank)
        return len(best.tokens) % _LOOK == 0 and any(map(Repetition().feed, best.tokens))

    def _stops(self, tokens: list[int]) -> bool:
        """Whether the last token completes a stop string."""
        if not self._stop:
            return False
        tail = b"".join(map(self._piece, tokens[-max(map(len, self._stop)) :]))
        return any(text in tail for text in self._stop)

    def _compute(self) -> Context:
        """The last token of each live beam, on what its parent has in the KV cache.

        Raises:
            Aborted: the KV cache was stopped.
        """
        if self._cache.stopped:
            raise Aborted
        shared = len(_common([beam.tokens for beam in self._live]))
        length = len(self._live[0].tokens)
        needed = len(self._prompt) + shared + len(self._live) * (length - shared)
        context = self._context
        if context is None or needed > context.n_ctx:
            context = self._grow(needed, shared)
        else:
            # From one bank of sequences to the other: no beam can overwrite one that another still goes on from.
            bank = self._width_asked - self._bank
            for index, beam in enumerate(self._live):
                context.copy_sequence(self._bank + beam.parent, bank + index)
            for index in range(self._width_asked):
                context.remove_sequence(self._bank + index)
            self._bank = bank
        self._decode_rows(context, length - 1)
        self.decoded += 1
        return context

    def _grow(self, needed: int, shared: int) -> Context:
        """A context with more room, in which all tokens of the live beams but the last of each are computed again."""
        self.close()
        width = self._width_asked
        try:
            n_ctx = needed + len(self._live) * min(_ROOM, self._most)
            context = self._context = self._cache.fork(n_ctx, sequences=2 * width)
        except ModelError as error:
            raise ModelError(
                error.message, f"Take fewer beams than {width} (`-o beams N`), or a smaller model."
            ) from error
        length = len(self._live[0].tokens) - 1
        common = self._live[0].tokens[: min(shared, length)]
        for start in range(0, len(common), context.n_batch):
            context.decode(common[start : start + context.n_batch])
        self._bank = width
        for index in range(len(self._live)):
            context.copy_sequence(0, width + index)
        context.remove_sequence(0)
        for place in range(len(common), length):
            self._decode_rows(context, place)
        return context

    def _decode_rows(self, context: Context, place: int) -> None:
        position = len(self._prompt) + place
        context.decode_rows([Row(b.tokens[place], position, (self._bank + i,)) for i, b in enumerate(self._live)])

    def _agree(self, tokens: list[int]) -> bytes:
        new = tokens[len(self.generated) :]
        self.generated += new
        return b"".join(map(self._piece, new))

    def _piece(self, token: int) -> bytes:
        return self._model.piece(token, special=token in self._shown)

    def close(self) -> None:
        if self._context:
            self._context.close()
        self._context = None


def _common(texts: list[list[int]]) -> list[int]:
    """What all of them begin with: what the first and the last in their order begin with."""
    first, last = min(texts), max(texts)
    same = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:same]
