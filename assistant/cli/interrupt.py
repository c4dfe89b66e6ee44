"""Ctrl+C for work that spends seconds inside native code, where Python would not hear it."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from types import FrameType
from typing import TypeVar

T = TypeVar("T")
_ONE_REQUEST = 0.1  # seconds: timeout(1) sends its signal twice, to the process and to its group
_stopped_by: int = signal.SIGINT  # the latest signal


def exit_code() -> int:
    """Of a command that was stopped, as shells have it: 130 by Ctrl+C, 143 by SIGTERM."""
    return 128 + _stopped_by


def interruptible(items: Iterator[T], cancel: Callable[[], None]) -> Generator[T, None, None]:
    """The same items, produced in a thread. Ctrl+C and SIGTERM call ``cancel``, and the items go on to their end;
    a later one raises KeyboardInterrupt. So does leaving early, with the thread waited for."""
    channel: queue.SimpleQueue[tuple[T] | BaseException | None] = queue.SimpleQueue()
    asked_to_stop: float | None = None  # when

    def produce() -> None:
        try:
            with contextlib.closing(items) if isinstance(items, Generator) else contextlib.nullcontext():
                for item in items:
                    channel.put((item,))
            channel.put(None)
        except BaseException as error:
            channel.put(error)

    def stop(number: int, _frame: FrameType | None) -> None:
        global _stopped_by
        nonlocal asked_to_stop
        _stopped_by = number
        if asked_to_stop is None:
            asked_to_stop = time.monotonic()
            cancel()
        elif time.monotonic() - asked_to_stop > _ONE_REQUEST:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    thread = threading.Thread(target=produce, name="engine", daemon=True)
    thread.start()
    ended = False
    try:
        while (item := channel.get()) is not None:
            if isinstance(item, BaseException):
                ended = True
                raise item
            yield item[0]
        ended = True
    finally:
        if not ended:
            cancel()
        if asked_to_stop is not None:
            time.sleep(max(0.0, asked_to_stop + _ONE_REQUEST - time.monotonic()))
        for number, handler in before.items():
            signal.signal(number, handler)
        thread.join(timeout=5)
