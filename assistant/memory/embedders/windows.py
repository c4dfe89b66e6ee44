"""Texts that are longer than an embedder takes: cut into windows of tokens, whose vectors are averaged."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def windows_of(ids: Sequence[int], size: int) -> list[Sequence[int]]:
    """As few windows of at most ``size`` tokens as hold them, all about equally long; one for no tokens."""
    count = max(1, math.ceil(len(ids) / size))
    bounds = [round(len(ids) * each / count) for each in range(count + 1)]
    return [ids[start:stop] for start, stop in itertools.pairwise(bounds)]


def average_windows(vectors: NDArray[np.float32], windows: Sequence[Sequence[Sequence[int]]]) -> NDArray[np.float32]:
    """One vector of length 1 a text, of those of its windows.

    Args:
        vectors: (all windows, dims), in the order of ``windows``: for each text, those that :func:`windows_of` gave.
    """
    if len(vectors) > len(windows):
        firsts = np.cumsum([0, *(len(each) for each in windows)][:-1])
        vectors = np.add.reduceat(vectors, firsts, axis=0)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
