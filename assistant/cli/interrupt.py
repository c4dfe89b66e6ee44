"""Ctrl+C for work that spends seconds inside native code, where Python would not hear it."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


def interruptible(items: Iterator[T], cancel: Callable[[], None]) -> Generator[T, None, None]:
    """The same items, produced in a thread. Ctrl+C and SIGTERM call ``cancel``, and the items go on to their end;
    a second one raises KeyboardInterrupt. So does leaving early, with the thread waited for."""
    channel: queue.SimpleQueue[tuple[T] | BaseException | None] = queue.SimpleQueue()
    asked_to_stop = 0

    def produce() -> None:
        try:
            with contextlib.closing(items) if isinstance(items, Generator) else contextlib.nullcontext():
                for item in items:
                    channel.put((item,))
            channel.put(None)
        except BaseException as error:
            channel.put(error)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_stop
        asked_to_stop += 1
        if asked_to_stop > 1:
            raise KeyboardInterrupt
        cancel()

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
        for number, handler in before.items():
            signal.signal(number, handler)
        thread.join(timeout=5)
