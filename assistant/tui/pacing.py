"""How often the screen follows the answer: as often as it may cost, not as often as tokens come.

The engine uses every core, so a millisecond of drawing is a millisecond that it loses. What one refresh really costs is
measured as it happens (CPU time of the event loop's thread), and the pause after it is made as long as it takes to stay
under :data:`BUDGET`.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

BUDGET = 0.018
"""Of one core."""
SHORTEST, LONGEST = 0.12, 1.0
"""Seconds between two refreshes."""


class Pace:
    """Tells how long to wait until the next refresh."""

    def __init__(self) -> None:
        self.interval = SHORTEST
        self._cost = 0.0
        self._cpu = time.thread_time()

    def start(self) -> None:
        """Just before a refresh: what it costs is counted from here, the layout and the painting after it included."""
        self._cpu = time.thread_time()

    def pause(self) -> float:
        """Just before the next refresh, in the same thread: seconds to wait after it."""
        cost = time.thread_time() - self._cpu
        # Half old, half new: one expensive layout (a new block, a key typed) does not make it stutter.
        self._cost = (self._cost + cost) / 2 if self._cost else cost
        self.interval = min(LONGEST, max(SHORTEST, self._cost / BUDGET))
        return self.interval


@dataclass(slots=True)
class Text:
    """What has come since the last look."""

    reasoning: str
    text: str
    tokens: int
    reasoning_tokens: int


class Feed:
    """Collects the deltas of an answer in the thread that iterates; the screen takes them out when it has time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasoning: list[str] = []
        self._text: list[str] = []
        self._tokens = 0
        self._reasoning_tokens = 0

    def put(self, text: str, reasoning: bool, tokens: int) -> None:
        """Called for each delta, by the engine's thread."""
        with self._lock:
            (self._reasoning if reasoning else self._text).append(text)
            self._tokens = tokens
            if reasoning:
                self._reasoning_tokens = tokens

    def take(self) -> Text:
        """All that has come since the last call; called by the screen's thread."""
        with self._lock:
            taken = Text("".join(self._reasoning), "".join(self._text), self._tokens, self._reasoning_tokens)
            self._reasoning.clear()
            self._text.clear()
        return taken
