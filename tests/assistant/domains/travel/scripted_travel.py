"""An engine that answers what a test tells it to, and the first of each menu otherwise."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

from assistant.engine.engine import Delta, Event, GenerateOptions, Message, ModelInfo, OnProgress, Result

T = TypeVar("T")


class Scripted:
    """Answers in turn; when none is left, an empty object. ``asked`` keeps what it was asked."""

    def __init__(self, *answers: str):
        self.answers = list(answers)
        self.asked: list[tuple[Sequence[Message], GenerateOptions]] = []

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        self.asked.append((messages, options))
        text = self.answers.pop(0) if self.answers else "{}"
        yield Delta(text)
        yield Result(text, "", "stop", 1, 1)

    def load(self, on_progress: OnProgress | None = None) -> ModelInfo:
        raise NotImplementedError

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) for message in messages)

    def score(
        self, messages: Sequence[Message], choices: Sequence[str], on_progress: OnProgress | None = None
    ) -> list[float]:
        raise NotImplementedError

    def cancel(self) -> None: ...

    def close(self) -> None: ...


def returned(work: Generator[Event, None, T], seen: Callable[[Event], object] = lambda event: None) -> T:
    """What a generator of events returns."""
    while True:
        try:
            seen(next(work))
        except StopIteration as stop:
            result: T = stop.value
            return result
