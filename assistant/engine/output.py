"""From token bytes to what the reader sees: whole characters, no stop strings, reasoning apart from the answer."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


def _held_back(text: str, markers: Sequence[str]) -> int:
    """How many characters at the end of ``text`` may be the beginning of a marker."""
    longest = max((len(marker) for marker in markers), default=0)
    for length in range(min(len(text), longest - 1), 0, -1):
        tail = text[-length:]
        if any(marker.startswith(tail) for marker in markers):
            return length
    return 0


def _first(text: str, markers: Sequence[str]) -> tuple[int, str] | None:
    """Where the first marker stands in the text, and which it is."""
    found = [(text.find(marker), marker) for marker in markers if marker in text]
    return min(found, key=lambda place: (place[0], -len(place[1])), default=None)


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that will not change any more."""

    text: str
    reasoning: bool


class Output:
    """Takes the bytes of one token after the other and gives out text as soon as it is certain.

    Args:
        stop: strings that end the answer; they may span tokens and never appear in it.
        markers: what opens and closes a reasoning block, such as ``("<think>", "</think>")``, or None.
        reasoning: the prompt has opened the block already.

    Attributes:
        text: the answer so far. reasoning: the reasoning so far.
        stopped: a stop string was met; feed nothing more.
    """

    def __init__(self, stop: Sequence[str] = (), markers: tuple[str, str] | None = None, *, reasoning: bool = False):
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._stop = [string for string in stop if string]
        self._markers = markers
        self._inside = reasoning
        self._pending = ""
        self._starting = True  # white space before the first word of a block is not part of it
        self.text = self.reasoning = ""
        self.stopped = False

    def feed(self, raw: bytes) -> Iterator[Piece]:
        """The text that became certain with these bytes."""
        return self._advance(self._decode(raw), final=False)

    @property
    def inside(self) -> bool:
        """The reasoning is open."""
        return self._inside

    def finish(self) -> Iterator[Piece]:
        """The rest: half a character becomes U+FFFD, half a stop string is text after all."""
        return self._advance(self._decode(b"", final=True), final=True)

    def _advance(self, new: str, *, final: bool) -> Iterator[Piece]:
        if self.stopped:
            return
        self._pending += new
        while self._pending:
            marker = [self._markers[self._inside]] if self._markers and (self._inside or self._may_open()) else []
            stop = [] if self._inside else self._stop  # a stop string inside the reasoning does not end the answer
            place = _first(self._pending, [*marker, *stop])
            if place is None:
                held = 0 if final else _held_back(self._pending, [*marker, *stop])
                yield from self._emit(self._pending[: len(self._pending) - held])
                self._pending = self._pending[len(self._pending) - held :]
                return
            position, found = place
            yield from self._emit(self._pending[:position])
            rest = self._pending[position + len(found) :]
            if found in stop and found not in marker:
                self.stopped, self._pending = True, ""
                return
            self._inside, self._starting, self._pending = not self._inside, True, rest

    def _may_open(self) -> bool:
        """Reasoning opens before the answer or not at all: an answer about ``<think>`` stays an answer."""
        assert self._markers is not None
        opening, begun = self._markers[0], self._pending.lstrip()
        return not self.text and (begun.startswith(opening) or opening.startswith(begun))

    def _emit(self, text: str) -> Iterator[Piece]:
        if self._starting:
            text = text.lstrip()
        if not text:
            return
        self._starting = False
        if self._inside:
            self.reasoning += text
        else:
            self.text += text
        yield Piece(text, self._inside)
