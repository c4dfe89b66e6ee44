"""What every native object has in common: one owner, freed once."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import weakref
from types import TracebackType
from typing import Self

# Native objects still alive at exit are freed before the interpreter goes: they log while they are freed.
_open: weakref.WeakSet[Handle] = weakref.WeakSet()


class Handle:
    """Owns one native pointer; ``close`` frees it once, a closed handle refuses to be used."""

    outlives = False  # it is freed after all others: they point into it

    def __init__(self) -> None:
        self._pointer: ctypes.c_void_p | None = None

    def _own(self, pointer: ctypes.c_void_p) -> None:
        self._pointer = pointer
        _open.add(self)

    @property
    def pointer(self) -> ctypes.c_void_p:
        if self._pointer is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._pointer

    def _free(self, pointer: ctypes.c_void_p) -> None:
        raise NotImplementedError(type(self))

    def close(self) -> None:
        if self._pointer is not None:
            pointer, self._pointer = self._pointer, None
            self._free(pointer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


@atexit.register
def _close_all() -> None:
    for handle in sorted(_open, key=lambda handle: handle.outlives):
        handle.close()
