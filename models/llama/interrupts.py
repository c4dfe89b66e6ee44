"""Ctrl+C while native code runs. Python hears it only when that returns, which can take a minute; and raised in a
callback from native code, KeyboardInterrupt would vanish."""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class _Listener:
    """A thread that hears Ctrl+C at once: the number of each signal is written into a socket by Python's own handler,
    which runs whatever the interpreter is doing (``signal.set_wakeup_fd``)."""

    def __init__(self) -> None:
        self.stop: Callable[[], None] | None = None
        self._hears, tells = socket.socketpair()
        tells.setblocking(False)
        self._tells = tells
        threading.Thread(target=self._listen, name="ctrl-c", daemon=True).start()

    @contextlib.contextmanager
    def calling(self, stop: Callable[[], None]) -> Iterator[None]:
        self.stop = stop
        before = signal.set_wakeup_fd(self._tells.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            self.stop = None

    def _listen(self) -> None:
        while number := self._hears.recv(1):
            stop = self.stop
            if number[0] == signal.SIGINT and stop:
                stop()


@functools.cache
def _listener() -> _Listener:
    return _Listener()


@contextlib.contextmanager
def heard_afterwards(stop: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Ctrl+C calls ``stop`` at once, from another thread too, and raises KeyboardInterrupt when the block ends, however
    it ends.

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
        with _listener().calling(stop):
            yield
    finally:
        signal.signal(signal.SIGINT, plain)
        if pressed:
            raise KeyboardInterrupt from None
