"""From logits to the tokens of one answer, as the sampler, the grammar and the ends of the answer want them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from itertools import takewhile
from typing import TYPE_CHECKING

from assistant.engine.engine import FinishReason, GenerateOptions
from assistant.engine.kv_cache import OUTPUTS
from assistant.engine.repetition import Repetition
from models.llama import Context, Model, Sampler

if TYPE_CHECKING:
    from assistant.engine.structured import Grammar

_MOST_DRAFTED = OUTPUTS - 1


class Sampling:
    """Chooses the tokens of one answer: after each batch :meth:`sample`, then :meth:`write`.

    Args:
        most: tokens to generate at the most.
        shown: control tokens whose text belongs to the output (markers of reasoning); all others are silent.
        grammar: what the answer must look like; None: anything.

    Attributes:
        generated: the tokens of the answer; the token that ends it is not among them.
        finish_reason: why it ended; final when :meth:`sample` says that it has.
    """

    def __init__(
        self,
        model: Model,
        options: GenerateOptions,
        *,
        most: int,
        shown: Set[int] = frozenset(),
        grammar: Grammar | None = None,
    ):
        self._model = model
        self._most = most
        self._shown = shown
        self._grammar = grammar
        self._repetition = Repetition()
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
        self.finish_reason: FinishReason = "length"

    def force(self, tokens: Sequence[int]) -> None:
        """Go on with these tokens behind those that are sampled already, whatever the model would say; the last call
        counts. To be called between two tokens of :meth:`write`. Without room for them and an answer it goes on as it
        would."""
        has_room = len(self.generated) + len(tokens) + _MOST_DRAFTED < self._most
        self._forced = list(tokens) if has_room else []

    def sample(self, context: Context, drafted: Sequence[int] = (), last: int = -1) -> tuple[list[int], int, bool]:
        """Sample from outputs of the last batch: (new tokens, how many of them were drafted, whether it ends).

        Tokens that the grammar forces follow the sampled ones.

        Args:
            drafted: those of the batch that were guessed; each has an output, and so has what was before them.
            last: the output of the last of them, counted from the end (-1).
        """
        new: list[int] = []
        ended = False
        for place, guess in enumerate([*drafted, None]):
            ended = self._take(self._next(context, last + place - len(drafted)), new)
            if ended or new[-1] != guess:
                break
        accepted = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(new, drafted, strict=False)))
        if self._grammar and not ended:
            forced = self._grammar.forced()
            for left, token in zip(range(len(forced) - 1, -1, -1), forced, strict=True):
                self._sampler.accept(token)
                ended = self._take(token, new, last=not left)
                if ended:
                    break
        return new, accepted, ended

    def write(self, new: list[int], *, ended: bool) -> Iterator[bytes]:
        """Add the new tokens to the answer, with the bytes of each; and, unless it has ended, those that :meth:`force`
        was given meanwhile, which are added to ``new`` too."""
        for token in new:
            self.generated.append(token)
            yield self._piece(token)
        if ended:
            return
        forced, self._forced = self._forced, []
        for token in forced:
            self._sampler.accept(token)
            self.generated.append(token)
            yield self._piece(token)
        new += forced
        if self._grammar and self._most - len(self.generated) <= min(self._most // 4, 32 + len(self.generated) // 8):
            self._grammar.hurry()  # what is left may just be enough to close it

    def _piece(self, token: int) -> bytes:
        return self._model.piece(token, special=token in self._shown)

    def _next(self, context: Context, output: int) -> int:
        """The token that the model chooses after an output of the last batch."""
        if self._grammar:
            self._grammar.mask(context.logits(output))
        token = self._sampler.sample(context, output)
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

    def close(self) -> None:
        self._sampler.close()
