"""Ctrl+C while native code runs that calls back into Python: raised in a callback, KeyboardInterrupt would vanish."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def heard_afterwards(stop: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Ctrl+C calls ``stop`` as soon as Python runs, and raises KeyboardInterrupt when the block ends, however it ends.

    Does nothing outside the main thread, or where Ctrl+C has a handler that does not raise: there nothing is lost.
    """
    plain = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not plain:
        yield
        return
    pressed = False

    def note(_signal: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        stop()

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, plain)
        if pressed:
            raise KeyboardInterrupt from None
