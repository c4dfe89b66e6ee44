"""llama.cpp's quantizers, on rows of numbers in memory."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.gguf_header import TYPES
from models.llama import library

_IDS = {name: (number, values, size) for number, (name, values, size) in TYPES.items()}


def needs_importance(type: str) -> bool:
    """Must the quantizer of this type be told which columns are important? The lowest IQ types must."""
    ggml = library.start()
    ggml.ggml_quantize_requires_imatrix.restype = ctypes.c_bool
    return bool(ggml.ggml_quantize_requires_imatrix(_IDS[type][0]))


def quantize_rows(
    rows: NDArray[np.float32], type: str, importance: NDArray[np.float32] | None = None
) -> NDArray[np.uint8]:
    """Rows of finite numbers, of shape (rows, columns), as the blocks of a type: shape (rows, bytes of a row).

    Args:
        type: any that llama.cpp has a quantizer for, by its name in a GGUF file.
        importance: of the columns, as an imatrix says: the mean of their squared inputs.

    Raises:
        ValueError: what llama.cpp would end the process over.
    """
    number, values, size = _IDS[type]
    if rows.shape[1] % values or not rows.size:
        raise ValueError(f"rows of {rows.shape[1]} numbers cannot be of type {type}")
    if importance is None and needs_importance(type):
        raise ValueError(f"{type} needs the importance of the columns")
    if importance is not None and importance.shape != rows.shape[1:]:
        raise ValueError(f"the importance of {len(importance)} columns, of {rows.shape[1]}")
    if not np.isfinite(rows).all():
        raise ValueError("numbers that are not finite cannot be quantized")
    rows = np.ascontiguousarray(rows, np.float32)
    weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
    blocks = np.empty((len(rows), rows.shape[1] // values * size), np.uint8)
    quantize: Any = library.start().ggml_quantize_chunk
    quantize.restype = ctypes.c_size_t
    quantize.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    data = None if weights is None else weights.ctypes.data
    quantize(number, rows.ctypes.data, blocks.ctypes.data, 0, len(rows), rows.shape[1], data)
    return blocks
