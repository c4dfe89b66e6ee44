"""Prompt lookup: what followed the last tokens elsewhere in the prompt or the answer may follow them here too.

Saxena 2023, "Prompt Lookup Decoding". Made for answers that copy with edits (proofreading, rewriting, quotes, code
edits): it remembers where it copies from, so that after an edited word one token, or none, is enough to go on there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.engine.speculation.chances import Chances
from assistant.engine.speculation.drafter import Draft, Worth

_LONGEST = 32  # tokens of a match that are compared
_BACK, _AHEAD = 4, 12  # tokens; a match so close around the place is near
_LOST = 8  # differing tokens in a row after which the answer has left its place
_SETTLED = 4  # a match of so many tokens is a place to copy from
_TRUSTED = 5  # tokens copied around one place before what is near it counts as such
_FAITHFUL = 12  # tokens copied around one place after which an edit is more likely than the end of the copy
_GUESSED = 3  # differing tokens in a row up to which the copy may go on without a match

# Classes of drafted tokens, and the chance of each until it is learned. By the length of the match before them: all
# matches of this length go on with this token; they do not agree; the match is near the place. Then without a match,
# after 1 … _GUESSED differing tokens: they are additional, or replace words; both for little copied and for _FAITHFUL.
_LENGTHS = np.array([1, 2, 3, 4, 6, 9, 13, 20, _LONGEST])
_SURE, _UNSURE, _NEAR, _EDIT = range(0, 4 * len(_LENGTHS), len(_LENGTHS))
_PRIORS = (
    *(0.15, 0.35, 0.45, 0.57, 0.65, 0.78, 0.84, 0.88, 0.92),
    *(0.05, 0.18, 0.28, 0.35, 0.40, 0.50, 0.60, 0.70, 0.80),
    *(0.55, 0.75, 0.82, 0.86, 0.88, 0.90, 0.92, 0.93, 0.95),
    *(0.05, 0.10, 0.10, 0.50),
    *(0.05, 0.05, 0.10, 0.25),
    *(0.03, 0.03, 0.05, 0.10),
)


def _bucket(lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.searchsorted(_LENGTHS, lengths, side="right") - 1


class LookupDrafter:
    """Drafts what follows the best match.

    Its chances are learned from every token that comes, whether what was drafted for it was sent to the model or not;
    ``learn`` has nothing to add.

    Args:
        piece: the bytes of a token; a word that was edited may have been several tokens.
    """

    name = "lookup"

    def __init__(self, piece: Callable[[int], bytes] = lambda token: b" ") -> None:
        self._piece = piece
        self._chances = Chances(_PRIORS)
        self.begin(())

    def begin(self, prompt: Sequence[int]) -> None:
        self._tokens = np.array(prompt, dtype=np.int32)
        self._length = len(self._tokens)
        self._place: int | None = None  # of the token that would be copied next
        self._copied = 0  # tokens, around this place
        self._differing: list[int] = []  # what came since
        self._edits: list[tuple[int, int]] = []  # where the copy may go on without a match, with its class
        self._start = 0  # of what was proposed
        self._proposed: list[tuple[int, int]] = []  # (token, class)

    def propose(self, tokens: Sequence[int], most: int, worth: Worth) -> Draft:
        self._observe(tokens[self._length :])
        self._start, first, kind, matched = self._best()
        copied = self._tokens[self._start : min(self._start + most, self._length)].tolist()
        later = kind + _bucket(matched + np.arange(1, len(copied)))
        self._proposed = list(zip(copied, [first, *later.tolist()], strict=False))
        return Draft(copied, [float(self._chances.rates[kind]) for _, kind in self._proposed])

    def learn(self, draft: Draft, accepted: int) -> None:
        pass

    def _observe(self, tokens: Sequence[int]) -> None:
        """Compare what came with what was proposed, and remember it."""
        if not tokens:
            return
        for place, kind in self._edits:
            self._chances.learn(kind, bool(self._tokens[place] == tokens[0]))
        agrees = True
        for index, token in enumerate(tokens):
            agrees = agrees and index < len(self._proposed)
            settled = False
            if agrees:
                proposed, kind = self._proposed[index]
                agrees = proposed == token
                if kind < _EDIT:
                    self._chances.learn(kind, agrees)
                settled = kind >= _NEAR or _LENGTHS[kind % len(_LENGTHS)] >= _SETTLED
            if agrees and settled:
                self._settle(self._start + index + 1)
            elif self._place is not None:
                self._follow(token)
        self._append(tokens)

    def _settle(self, place: int) -> None:
        near = self._place is not None and -_BACK <= place - self._place <= _LOST + _AHEAD
        self._copied = self._copied + 1 if near else 1
        self._place = place
        self._differing = []

    def _follow(self, token: int) -> None:
        assert self._place is not None
        if not self._differing and self._place < self._length and self._tokens[self._place] == token:
            self._settle(self._place + 1)
            return
        self._differing.append(token)
        if len(self._differing) > _LOST:
            self._place = None

    def _append(self, tokens: Sequence[int]) -> None:
        end = self._length + len(tokens)
        if end > len(self._tokens):
            self._tokens = np.concatenate([self._tokens, np.zeros(max(1024, end), dtype=np.int32)])
        self._tokens[self._length : end] = tokens
        self._length = end

    def _best(self) -> tuple[int, int, int, int]:
        """Where to copy from: (start, class of the first token, kind of match and its length)."""
        self._edits = []
        places, lengths = self._matches()
        if self._place is None or self._copied < _TRUSTED:
            return self._best_match(places, lengths, self._length, np.zeros(len(places), dtype=bool))
        expected = self._place + len(self._differing)
        near = (places >= self._place - _BACK) & (places <= expected + _AHEAD)
        best = self._best_match(places, lengths, expected, near)
        if self._differing and not near.any():
            self._edits = self._after_edit(self._place)
        for place, kind in self._edits:
            if self._chances.rates[kind] > self._chances.rates[best[1]]:
                best = place, kind, _NEAR, 0
        return best

    def _best_match(
        self, places: NDArray[np.intp], lengths: NDArray[np.intp], expected: int, near: NDArray[np.bool_]
    ) -> tuple[int, int, int, int]:
        if not len(places):
            return self._length, _UNSURE, _UNSURE, 1
        longest = self._tokens[places[lengths == lengths.max()]]
        far = _SURE if (longest == longest[0]).all() else _UNSURE
        kinds = np.where(near, _NEAR, np.where(lengths == lengths.max(), far, _UNSURE))
        classes = kinds + _bucket(lengths)
        best = int(np.argmax(self._chances.rates[classes] - 1e-8 * np.abs(places - expected)))
        return int(places[best]), int(classes[best]), int(kinds[best]), int(lengths[best])

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

    def _after_edit(self, place: int) -> list[tuple[int, int]]:
        """Where the copy goes on if the differing tokens are additional, or replace as many words."""
        differing = len(self._differing)
        if differing > _GUESSED or place >= self._length:
            return []
        faithful = 2 * (self._copied >= _FAITHFUL)
        kind = _EDIT + 4 * (differing - 1) + faithful
        words = 1 + sum(map(self._begins_word, self._differing[1:]))
        after = place
        while words and after + 1 < self._length and after < place + _AHEAD:
            after += 1
            words -= self._begins_word(int(self._tokens[after]))
        return [(place, kind), (after, kind + 1)]

    def _begins_word(self, token: int) -> bool:
        first = self._piece(token)[:1]
        return not (first.isalnum() or first >= b"\x80")  # beyond ASCII nearly all are letters
