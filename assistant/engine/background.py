"""Coroutines for code in threads: one event loop a process, in a thread of its own.

What is cancelled there stops at its next ``await`` and closes what it holds: a connection that is being made, or one on
which nothing has come yet. A thread that waits in a socket could not be told.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from models.errors import Cancelled

T = TypeVar("T")

_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process: a fork has none of its parent's threads
_starting = threading.Lock()


def run(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine from now on; from any thread."""
    with _starting:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="event loop", daemon=True).start()
    return asyncio.run_coroutine_threadsafe(work, loop)


class Call(Generic[T]):
    """Items that a coroutine yields, for another thread. It runs from now on; :meth:`cancel` may come from any thread,
    and makes the iteration raise Cancelled."""

    def __init__(self, items: Callable[[], AsyncIterator[T]]):
        self._told: queue.SimpleQueue[tuple[T] | BaseException | None] = queue.SimpleQueue()
        self._future = run(self._run(items))

    async def _run(self, items: Callable[[], AsyncIterator[T]]) -> None:
        try:
            async for item in items():
                self._told.put((item,))
            self._told.put(None)
        except asyncio.CancelledError:
            self._told.put(Cancelled())
            raise
        except BaseException as error:
            self._told.put(error)

    def __iter__(self) -> Iterator[T]:
        try:
            while (told := self._told.get()) is not None:
                if isinstance(told, BaseException):
                    raise told
                yield told[0]
        finally:
            self._future.cancel()

    def cancel(self) -> None:
        self._future.cancel()
        self._told.put(Cancelled())  # it may not have begun: then nothing of it tells
