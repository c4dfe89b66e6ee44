"""Calls of an engine that tell their progress by a callback, as iterators of events."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from assistant.engine.engine import (
    Delta,
    Engine,
    Event,
    GenerateOptions,
    Message,
    NoProbabilities,
    OnProgress,
    Progress,
    Result,
    Timings,
)
from models.errors import Cancelled

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choice(Result):
    """The end of an answer that was chosen, not generated. ``scores`` has the log-probability of each choice."""

    scores: dict[str, float] = field(default_factory=dict)


def chosen(scores: dict[str, float], prompt_tokens: int, timings: Timings) -> Choice:
    """The likeliest of these answers."""
    best = max(scores, key=lambda choice: scores[choice])
    return Choice(best, "", "stop", prompt_tokens, 0, timings, scores=scores)


@dataclass(frozen=True, slots=True)
class Computed(Result):
    """The end of an answer that the program worked out, perhaps with the model's help. ``data`` is what it holds, as
    JSON would."""

    data: Any = None


def returned(work: Generator[Any, None, T]) -> T:
    """What work returns at its end; what it tells on its way is not listened to."""
    with closing(work):
        while True:
            try:
                next(work)
            except StopIteration as end:
                result: T = end.value
                return result


def telling(engine: Engine, work: Callable[[OnProgress], T], check: Callable[[], None]) -> Generator[Progress, None, T]:
    """Yields what ``work`` tells and returns what it returns. ``check`` raises when it is to be cancelled."""
    told: queue.SimpleQueue[Progress | tuple[T] | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            told.put((work(told.put),))
        except BaseException as error:
            told.put(error)

    thread = threading.Thread(target=run, name="engine call", daemon=True)
    thread.start()
    try:
        while not isinstance(item := told.get(), tuple):
            if isinstance(item, BaseException):
                raise item
            yield item
            check()
    except BaseException:
        engine.cancel()
        thread.join()
        raise
    return item[0]


def scoring(
    engine: Engine, prompt: list[Message], choices: Sequence[str], check: Callable[[], None]
) -> Iterator[Event]:
    """The likeliest of these answers, in the events of a generated one; the last is a :class:`Choice`, or a plain
    Result where nobody knows how probable they are."""
    start = time.perf_counter()
    tokens = 0

    def score(tell: OnProgress) -> list[float]:
        def on_progress(progress: Progress) -> None:
            nonlocal tokens
            tokens = progress.total
            tell(progress)

        return engine.score(prompt, choices, on_progress)

    try:
        scores = dict(zip(choices, (yield from telling(engine, score, check)), strict=True))
    except NoProbabilities as unknown:
        yield Delta(unknown.likeliest)
        yield Result(unknown.likeliest, "", "stop", tokens, 0)
        return
    seconds = time.perf_counter() - start
    timings = Timings(first_token_seconds=seconds, prefill_tokens=tokens, prefill_seconds=seconds)
    choice = chosen(scores, engine.count_tokens(prompt), timings)
    yield Delta(choice.text)
    yield choice


def completing(
    engine: Engine, messages: Sequence[Message], options: GenerateOptions, check: Callable[[], None]
) -> Generator[Event, None, Result]:
    """A call whose answer the program reads, not the user: what the model writes is yielded as reasoning, its Result is
    returned.

    Raises:
        as :meth:`Engine.generate`; Cancelled: it was cancelled, or ``check`` raised it.
    """
    for event in engine.generate(messages, options):
        check()
        if isinstance(event, Result):
            if event.finish_reason == "cancelled":
                raise Cancelled()
            return event
        yield Delta(event.text, reasoning=True, tokens=event.tokens) if isinstance(event, Delta) else event
    raise Cancelled()  # an engine ends with a result unless it was closed meanwhile
