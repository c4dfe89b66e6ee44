"""``llama_model_quantize``: reads a GGUF file and writes one with other types.

It ends the process on some malformed files, and cannot be stopped: call it in a child process. It overwrites the
target without asking, the source too where they are one file.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.gguf_header import TYPES
from models.llama import library
from models.llama.library import llama_cpp

_TYPE_IDS = {name: number for number, (name, _, _) in TYPES.items()}


def quantize(
    source: Path,
    target: Path,
    file_type: int,
    types: Mapping[str, str] | None = None,
    *,
    imatrix: Mapping[str, NDArray[np.float32]] | None = None,
    threads: int = 0,
    buffer_bytes: int = 0,
    allow_requantize: bool = False,
    dry_run: bool = False,
) -> None:
    """Quantize a file.

    Args:
        file_type: ``LLAMA_FTYPE_…``: the mixture, and what the file then says of itself.
        types: tensor -> type, to be taken instead of the mixture's. Name all: a tensor that is named is not counted in
            the mixture, whose later layers then get other types. Ignored by F32, F16 and BF16.
        imatrix: tensor -> mean square of each of its input columns, expert after expert.
        threads: 0: one for each CPU.
        buffer_bytes: of a tensor's rows that are worked on at once; 0: llama.cpp's own 8 GiB.
        dry_run: only log what would become of each tensor.

    Raises:
        ModelError: llama.cpp refuses; the message says why.
    """
    library.start()
    params = llama_cpp.llama_model_quantize_default_params()
    params.nthread, params.ftype = threads, file_type
    params.allow_requantize, params.dry_run = allow_requantize, dry_run
    params.max_buf_size = buffer_bytes
    if types:
        overrides = [(_pattern(name), _TYPE_IDS[type]) for name, type in types.items()]
        params.tt_overrides = (llama_cpp.llama_model_tensor_override * (len(overrides) + 1))(*overrides)
    if imatrix:
        columns = {name: np.ascontiguousarray(values, np.float32) for name, values in imatrix.items()}
        float_p = ctypes.POINTER(ctypes.c_float)
        params.imatrix = (llama_cpp.llama_model_imatrix_data * (len(columns) + 1))(
            *((name.encode(), values.ctypes.data_as(float_p), values.size) for name, values in columns.items())
        )
    said = library.logged()
    if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), params):
        raise ModelError(f"{source} cannot be quantized: {library.errors_since(said) or 'llama.cpp refuses it'}.")


def _pattern(name: str) -> bytes:
    """Matches this name alone, in the grammar of std::regex (ECMAScript)."""
    return b"^" + re.sub(r"([^\w])", r"\\\1", name, flags=re.ASCII).encode() + b"$"
