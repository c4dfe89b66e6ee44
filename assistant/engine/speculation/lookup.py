"""Prompt lookup: what followed the last tokens elsewhere in the prompt or the answer may follow them here too.

Saxena 2023, "Prompt Lookup Decoding". Made for answers that copy with edits (proofreading, rewriting, quotes, code
edits): it remembers where it copies from, so that after an edited word one token, or none, is enough to go on there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.engine.speculation.chances import Chances
from assistant.engine.speculation.drafter import Draft, Worth

_LONGEST = 32  # tokens of a match that are compared
_BACK, _AHEAD = 4, 12  # tokens; a match so close around the place is near
_LOST = 8  # differing tokens in a row after which the answer has left its place
_SETTLED = 4  # a match of so many tokens is a place to copy from
_SKIPS = 5  # tokens of the source, 0 … 4, that the differing ones may stand for

# Classes of drafted tokens, and the chance of each until it is learned: by the length of the match before it, far from
# the place and near; and without a match, by how many tokens differ (1 …) and how many of the source are skipped (0 …).
_LENGTHS = np.array([1, 2, 3, 4, 6, 9, 13, 20, _LONGEST])
_FAR, _NEAR, _SKIP = 0, len(_LENGTHS), 2 * len(_LENGTHS)
_PRIORS = (
    *(0.06, 0.16, 0.30, 0.45, 0.55, 0.65, 0.75, 0.82, 0.88),
    *(0.55, 0.75, 0.82, 0.86, 0.88, 0.90, 0.92, 0.93, 0.95),
    *(0.15, 0.35, 0.20, 0.10, 0.05) * _LOST,
)


class LookupDrafter:
    """Drafts what follows the best match.

    Its chances are learned from every token that comes, whether what was drafted for it was sent to the model or not;
    ``learn`` has nothing to add.
    """

    name = "lookup"

    def __init__(self) -> None:
        self._chances = Chances(_PRIORS)
        self.begin(())

    def begin(self, prompt: Sequence[int]) -> None:
        self._tokens = np.array(prompt, dtype=np.int32)
        self._length = len(self._tokens)
        self._place: int | None = None  # of the token that would be copied next
        self._differing = 0  # tokens that came since one was copied
        self._start = 0  # of what was proposed
        self._proposed: list[tuple[int, int]] = []  # (token, class)
        self._skipping = False

    def propose(self, tokens: Sequence[int], most: int, worth: Worth) -> Draft:
        self._observe(tokens[self._length :])
        self._start, first, matched, classes = self._best()
        copied = self._tokens[self._start : min(self._start + most, self._length)].tolist()
        lengths = np.searchsorted(_LENGTHS, matched + np.arange(len(copied)), side="right") - 1
        kinds = (classes + lengths).tolist()
        if kinds and first is not None:
            kinds[0] = first
        self._proposed = list(zip(copied, kinds, strict=True))
        return Draft(copied, self._chances.rates[kinds].tolist() if kinds else [])

    def learn(self, draft: Draft, accepted: int) -> None:
        pass

    def _observe(self, tokens: Sequence[int]) -> None:
        """Compare what came with what was proposed."""
        if not tokens:
            return
        if self._skipping and self._place is not None:
            first = _SKIP + (self._differing - 1) * _SKIPS
            source = self._tokens[self._place : self._place + _SKIPS].tolist()
            for skipped, token in enumerate(source):
                self._chances.learn(first + skipped, token == tokens[0])
        agrees = True
        for index, token in enumerate(tokens):
            if agrees and index < len(self._proposed):
                proposed, kind = self._proposed[index]
                agrees = proposed == token
                if kind < _SKIP:
                    self._chances.learn(kind, agrees)
                if agrees and kind >= _FAR + _SETTLED - 1:
                    self._place, self._differing = self._start + index + 1, 0
                    continue
            else:
                agrees = False
            if self._place is not None:
                self._follow(token)
        self._append(tokens)

    def _follow(self, token: int) -> None:
        assert self._place is not None
        if self._differing == 0 and self._place < self._length and self._tokens[self._place] == token:
            self._place += 1
        else:
            self._differing += 1
            if self._differing > _LOST:
                self._place = None

    def _append(self, tokens: Sequence[int]) -> None:
        end = self._length + len(tokens)
        if end > len(self._tokens):
            self._tokens = np.concatenate([self._tokens, np.zeros(max(1024, end), dtype=np.int32)])
        self._tokens[self._length : end] = tokens
        self._length = end

    def _best(self) -> tuple[int, int | None, int, int]:
        """Where to copy from: (start, class of the first token if it is another than follows, length of the match,
        first class of its kind)."""
        places, lengths = self._matches()
        expected = self._length if self._place is None else self._place + self._differing
        kinds = np.searchsorted(_LENGTHS, lengths, side="right") - 1
        self._skipping = False
        if self._place is not None:
            near = (places >= self._place - _BACK) & (places <= expected + _AHEAD)
            kinds[near] += _NEAR
            self._skipping = self._differing > 0 and not near.any()
        best = int(np.argmax(self._chances.rates[kinds] - 1e-8 * np.abs(places - expected))) if len(places) else None
        chance = self._chances.rates[kinds[best]] if best is not None else 0.0
        if self._skipping and self._place is not None:
            first = _SKIP + (self._differing - 1) * _SKIPS
            skipped = int(np.argmax(self._chances.rates[first : first + _SKIPS]))
            if self._chances.rates[first + skipped] >= chance and self._place + skipped < self._length:
                return self._place + skipped, first + skipped, 0, _NEAR
        if best is None:
            return self._length, None, 1, _FAR
        return int(places[best]), None, int(lengths[best]), _NEAR if kinds[best] >= _NEAR else _FAR

    def _matches(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where the last token stands elsewhere: the places after it, and how many tokens are the same before them."""
        tokens, end = self._tokens, self._length
        if not end:
            return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
        places = np.flatnonzero(tokens[: end - 1] == tokens[end - 1]) + 1
        lengths = np.ones_like(places)
        longer = np.arange(len(places))
        for length in range(2, min(_LONGEST, end - 1) + 1):
            longer = longer[places[longer] >= length]
            longer = longer[tokens[places[longer] - length] == tokens[end - length]]
            if not len(longer):
                break
            lengths[longer] = length
        return places, lengths
