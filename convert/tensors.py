"""A tensor that is read a few rows at a time, so that memory does not grow with the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Dtype = Literal["F32", "F16", "BF16"]


@dataclass(frozen=True, slots=True)
class LazyTensor:
    """
    Attributes:
        shape: in numpy's order: rows first, the length of a row last. A vector's rows are its numbers.
        read: (start, stop) -> those rows, of the dtype below; BF16 as uint16 bit patterns.
    """

    shape: tuple[int, ...]
    dtype: Dtype
    read: Callable[[int, int], NDArray[Any]]

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Those rows as float32."""
        values = self.read(start, stop)
        if self.dtype == "BF16":
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float32, copy=False)

    def take(self, rows: NDArray[np.intp]) -> LazyTensor:
        """Only these rows, in this order."""
        return LazyTensor((len(rows), *self.shape[1:]), self.dtype, lambda start, stop: self._gather(rows[start:stop]))

    def _gather(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        if not len(rows):
            return self.read(0, 0)
        low = int(rows.min())
        return self.read(low, int(rows.max()) + 1)[rows - low]

    def map(self, compute: Callable[[NDArray[np.float32], int], NDArray[np.float32]]) -> LazyTensor:
        """``compute(rows as float32, number of the first)`` of every piece; the shape stays, the dtype becomes F32."""
        return LazyTensor(
            self.shape, "F32", lambda start, stop: np.asarray(compute(self.rows(start, stop), start), np.float32)
        )


def computed(values: NDArray[np.float32]) -> LazyTensor:
    """A small tensor that is in memory."""
    return LazyTensor(values.shape, "F32", lambda start, stop: values[start:stop])
