"""Loops: small models sometimes write the same line, or nothing but spaces, until the window is full."""

from __future__ import annotations

import numpy as np

_LONGEST_PERIOD = 256  # tokens: a paragraph
# How many tokens in a row must repeat those one period before. People ask for a hundred zeros (300 tokens), for a line
# twenty times, for a rule of dashes; refrains and tables repeat with something in between.
_ONE_TOKEN = 192
_FEW_TOKENS = 384
_TIMES = 4


class Repetition:
    """Watches the tokens of one answer for a loop. It costs a few microseconds a token."""

    def __init__(self) -> None:
        periods = np.arange(1, _LONGEST_PERIOD + 1, dtype=np.int32)
        self._limits = np.maximum(_FEW_TOKENS, _TIMES * periods)
        self._limits[0] = _ONE_TOKEN
        self._last = np.full(_LONGEST_PERIOD, -1, np.int32)  # the newest first
        self._runs = np.zeros(_LONGEST_PERIOD, np.int32)  # of each period

    def feed(self, token: int) -> bool:
        """True when the answer ends in a loop with this token."""
        self._runs += 1
        self._runs[self._last != token] = 0
        self._last[1:] = self._last[:-1]
        self._last[0] = token
        return bool((self._runs >= self._limits).any())
