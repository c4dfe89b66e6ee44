"""The Drafter protocol: what guesses the next tokens, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

# Told the chances of what is drafted so far: does one token more raise the expected tokens per second?
Worth = Callable[[Sequence[float]], bool]


@dataclass(slots=True)
class Draft:
    """Tokens that may come next.

    Attributes:
        chances: for each token the estimated probability (0 … 1) that the model samples it, given that it sampled
            those before it.
    """

    tokens: list[int] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)


class Drafter(Protocol):
    """Guesses what comes next. One answer: ``begin``, then ``propose`` and ``learn`` round after round."""

    name: str

    def begin(self, prompt: Sequence[int]) -> None:
        """A new answer to this prompt. What was learned of chances stays."""
        ...

    def propose(self, tokens: Sequence[int], most: int, worth: Worth) -> Draft:
        """Up to ``most`` tokens to follow ``tokens``: the prompt and all of the answer so far, which only ever grows
        between two calls. A drafter that pays for each token asks ``worth`` before each; a free one need not.
        May return an empty draft."""
        ...

    def learn(self, draft: Draft, accepted: int) -> None:
        """The model took the first ``accepted`` of the drafted tokens (of those that were sent to it: ``draft`` may
        have been shortened) and then sampled another."""
        ...
