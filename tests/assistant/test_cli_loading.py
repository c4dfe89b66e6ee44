"""Work that a command does with a model."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from typing import Any, cast

import pytest

from assistant.cli.loading import finish
from assistant.engine.engine import Engine, Event, Progress
from models.errors import Cancelled


class Deaf:
    """An engine that nothing is asked of at the moment."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()


def work(engine: Deaf, stopped_at: int | None, done: list[Any]) -> Generator[Event, None, str]:
    try:
        for number in range(5):
            if number == stopped_at:
                os.kill(os.getpid(), signal.SIGINT)
                assert engine.cancelled.wait(10)
            done.append(number)
            yield Progress("prefill", number, 5)
        if stopped_at == 5:
            os.kill(os.getpid(), signal.SIGINT)
            assert engine.cancelled.wait(10)
        return "all"
    finally:
        done.append("closed")


def test_work_is_done_to_its_end() -> None:
    done: list[Any] = []
    engine = Deaf()
    assert finish(work(engine, None, done), cast("Engine", engine)) == "all"
    assert done == [0, 1, 2, 3, 4, "closed"]


@pytest.mark.parametrize("stopped_at", [2, 5])
def test_ctrl_c_ends_work_between_two_calls_of_the_model(stopped_at: int) -> None:
    done: list[Any] = []
    engine = Deaf()
    with pytest.raises(Cancelled):
        finish(work(engine, stopped_at, done), cast("Engine", engine))
    assert done == [*range(min(stopped_at + 1, 5)), "closed"]
