"""How probable each of some given answers is: the whole answer with its end, not its first token."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.engine.chat_format import ChatFormat
from assistant.engine.kv_cache import OUTPUTS, KVCache
from models.errors import DoesNotFit, UsageError
from models.llama import Model


def check_choices(choices: Sequence[str]) -> None:
    """Refuse what cannot be chosen from.

    Raises:
        UsageError: there are none, one is empty, or one comes twice.
    """
    if not choices or not all(choice.strip() for choice in choices):
        raise UsageError("A choice is empty.", 'Name all of them: --choices "positive,negative,neutral".')
    seen: set[str] = set()
    for choice in choices:
        if choice in seen:
            raise UsageError(f"The choice {choice!r} comes twice.", "Name each choice once.")
        seen.add(choice)


def close_reasoning(prompt: str, chat_format: ChatFormat) -> str:
    """The prompt up to where the answer itself begins.

    A model that reasons would put a block of it before any choice. Here the block stays empty, as the templates of such
    models write it where reasoning is turned off: the choice is what the model would say without thinking.
    """
    if chat_format.reasoning_markers is None:
        return prompt
    opening, closing = chat_format.reasoning_markers
    if prompt.rstrip().endswith(closing):
        return prompt
    begun = prompt.rstrip() if chat_format.opens_reasoning(prompt) else prompt + opening
    return f"{begun}\n\n{closing}\n\n"


def probabilities(scores: Mapping[str, float]) -> dict[str, float]:
    """Of each choice, given that it is one of them: they sum to 1."""
    highest = max(scores.values())
    weights = {choice: math.exp(score - highest) for choice, score in scores.items()}
    return {choice: weight / sum(weights.values()) for choice, weight in weights.items()}


def coverage(scores: Mapping[str, float]) -> float:
    """The probability that the model, left alone, gives any of these answers; low where it wanted to say something
    else."""
    return math.fsum(math.exp(score) for score in scores.values())


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities of a row of logits, as a copy."""
    shifted: NDArray[np.float32] = logits - logits.max()
    shifted -= np.float32(np.log(np.exp(shifted).sum(dtype=np.float64)))
    return shifted


def end_log_prob(model: Model, log_probs: NDArray[np.float32]) -> float:
    """The log-probability that the answer ends here: of all tokens together that end a generation."""
    return float(np.logaddexp.reduce(log_probs[list(model.ends)], dtype=np.float64)) if model.ends else -np.inf


class Scoring:
    """log P(choice and end | prompt) of each choice, read from the logits of its own tokens on the KV cache of the
    prompt, which is what the cache holds afterwards.

    A choice is cut into tokens as the tokenizer cuts it. The model could write the same text in other tokens too; what
    little probability these have is not counted.

    Raises:
        DoesNotFit: a choice is too long for the window behind this prompt.

    Attributes:
        scores: in the order of the choices, once :meth:`run` is exhausted.
    """

    def __init__(self, model: Model, cache: KVCache, prompt: list[int], choices: Sequence[str]):
        self._model = model
        self._cache = cache
        self._prompt = prompt
        self._choices = [model.tokenize(choice, add_special=False, parse_special=False) for choice in choices]
        longest = max(range(len(choices)), key=lambda index: len(self._choices[index]))
        self._needed = len(prompt) + len(self._choices[longest])
        if self._needed > cache.limit:
            raise DoesNotFit(
                f"The prompt has {len(prompt):,} tokens and the choice {choices[longest][:40]!r} "
                f"{len(self._choices[longest]):,}, but the window holds {cache.limit:,}.",
                "Shorten them, or choose a model with a longer window.",
            )
        self.scores = [0.0] * len(choices)

    def run(self) -> Iterator[tuple[int, int]]:
        """Yields (done, total) tokens of the prompt, as far as it has to be computed, and of the choices.

        Raises:
            Aborted: the cache was told to stop.
        """
        cache, prompt, model = self._cache, self._prompt, self._model
        cache.reserve(self._needed)
        done, of_choices = 0, sum(map(len, self._choices))
        for done, total in cache.prefill(prompt):
            yield done, total + of_choices
        total = done + of_choices
        state = None if model.can_rewind else cache.context.save_state()
        tokens = sorted({token for choice in self._choices for token in choice})
        columns = {token: column for column, token in enumerate(tokens)}

        def read(output: int) -> NDArray[np.float64]:
            """Of one row, what may be asked: the log-probability of any choice's token, and last that of the end."""
            log_probs = log_softmax(cache.context.logits(output))
            return np.append(log_probs[tokens], end_log_prob(model, log_probs)).astype(np.float64)

        rows = [read(-1)]  # after the prompt, and after each token of the choice before
        before: list[int] = []
        # In the order of their tokens, so that a choice begins as much like the one before it as any does.
        for index in sorted(range(len(self._choices)), key=self._choices.__getitem__):
            choice = self._choices[index]
            same = next((i for i, (a, b) in enumerate(zip(before, choice, strict=False)) if a != b), len(before))
            if state is not None:
                same = 0
            self._rewind(len(prompt) + same, state)
            del rows[same + 1 :]
            for start in range(same, len(choice), OUTPUTS):
                chunk = choice[start : start + OUTPUTS]
                cache.append(chunk, len(chunk))
                rows += [read(row - len(chunk)) for row in range(len(chunk))]
            self.scores[index] = float(
                sum(row[columns[t]] for row, t in zip(rows, choice, strict=False)) + rows[-1][-1]
            )
            before = choice
            done += len(choice)
            yield done, total
        self._rewind(len(prompt), state)

    def _rewind(self, length: int, state: ctypes.Array[ctypes.c_uint8] | None) -> None:
        if state is None:
            self._cache.truncate(length)
        elif len(self._cache.tokens) > length:
            self._cache.restore(state, list(self._prompt))  # a recurrent memory is put back as a whole
