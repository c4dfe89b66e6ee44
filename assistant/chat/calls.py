"""Calls of an engine that tell their progress by a callback, as iterators of events."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from assistant.engine.engine import Delta, Engine, Event, Message, OnProgress, Progress, Result, Timings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choice(Result):
    """The end of an answer that was chosen, not generated. ``scores`` has the log-probability of each choice."""

    scores: dict[str, float] = field(default_factory=dict)


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
    """The likeliest of these answers, in the events of a generated one; the last is a :class:`Choice`."""
    start = time.perf_counter()
    tokens = 0

    def score(tell: OnProgress) -> list[float]:
        def on_progress(progress: Progress) -> None:
            nonlocal tokens
            tokens = progress.total
            tell(progress)

        return engine.score(prompt, choices, on_progress)

    scores = dict(zip(choices, (yield from telling(engine, score, check)), strict=True))
    seconds = time.perf_counter() - start
    best = max(scores, key=lambda choice: scores[choice])
    timings = Timings(first_token_seconds=seconds, prefill_tokens=tokens, prefill_seconds=seconds)
    yield Delta(best)
    yield Choice(best, "", "stop", engine.count_tokens(prompt), 0, timings, scores=scores)
