"""An engine whose every step is decided by the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from assistant.engine.engine import (
    Delta,
    Event,
    GenerateOptions,
    Message,
    ModelInfo,
    OnProgress,
    Progress,
    Result,
    Timings,
)
from models.errors import Cancelled, UserError


class ScriptedEngine:
    """Says what the test tells it, when the test tells it: ``answers`` in turn, each a list of pieces."""

    def __init__(self, *answers: Sequence[str | UserError | Delta]):
        self.answers = list(answers)
        self.asked: list[list[Message]] = []
        self.may_load = threading.Event()
        self.may_load.set()
        self.may_go_on = threading.Event()  # waited for after the first piece of each answer
        self.may_go_on.set()
        self.cancelled = threading.Event()
        self.load_error: UserError | None = None
        self.closed = False
        self.window = 4096

    def load(self, on_progress: OnProgress | None = None) -> ModelInfo:
        if on_progress:
            on_progress(Progress("load", 43, 100))
        self._wait(self.may_load)
        if self.cancelled.is_set():
            self.cancelled.clear()
            raise Cancelled()
        if self.load_error:
            raise self.load_error
        return ModelInfo("m.gguf", "scripted", "llama", 1, 1, self.window, self.window, False, (0, 1), 2)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) + 4 for message in messages)

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        self.cancelled.clear()
        self.asked.append(list(messages))
        tokens = self.count_tokens(messages)
        yield Progress("prefill", tokens, tokens)
        text, reasoning, number = "", "", 0
        for piece in self.answers.pop(0):
            if isinstance(piece, UserError):
                raise piece
            number += 1
            delta = piece if isinstance(piece, Delta) else Delta(piece, tokens=number)
            text, reasoning = text + delta.text * (not delta.reasoning), reasoning + delta.text * delta.reasoning
            yield delta
            self._wait(self.may_go_on)
            if self.cancelled.is_set():
                break
        reason = "cancelled" if self.cancelled.is_set() else "stop"
        yield Result(text, reasoning, reason, tokens, number, Timings(0.0, 0.1, tokens, 0.5, number, 0.25))  # type: ignore[arg-type]

    def score(
        self, messages: Sequence[Message], choices: Sequence[str], on_progress: OnProgress | None = None
    ) -> list[float]:
        """The gate of answers from memory: yes."""
        return [0.0, -5.0]

    def _wait(self, allowed: threading.Event) -> None:
        while not allowed.wait(0.01) and not self.cancelled.is_set():
            pass

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.closed = True
