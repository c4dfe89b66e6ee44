"""The header of a safetensors file, checked, and its tensors, read a few rows at a time.

Format: https://github.com/huggingface/safetensors#format: the length of a JSON header (8 bytes, little-endian), the
header, the tensors one after another without holes. Every length, shape and offset is taken as hostile.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from convert.json_files import DAMAGED, open_regular, parse_object
from convert.tensors import LazyTensor
from models.errors import ModelError

MAX_HEADER = 32 << 20  # bytes; that of 50,000 tensors has 7 MB
MAX_DIMS = 8
MAX_NAME = 256

# How numpy reads each type; BF16 and FP8 as bit patterns.
_NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "F8_E4M3": "u1", "F8_E5M2": "u1", "BOOL": "u1",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip

# The bit pattern, without the sign, from which on values are infinite or NaN. E4M3 has a single NaN, no infinity.
_INFINITY = {
    "F64": 0x7FF0 << 48, "F32": 0x7F80 << 16, "F16": 0x7C00, "BF16": 0x7F80, "F8_E4M3": 0x7F, "F8_E5M2": 0x7C,
}  # fmt: skip


def finite(values: NDArray[Any], dtype: str) -> bool:
    """No NaN, no infinity. Taken as signed integers, their bit patterns are the largest of all; as unsigned ones, those
    with the sign set are. So two reductions do, which allocate nothing."""
    if dtype not in _INFINITY or not values.size:
        return True
    size = values.dtype.itemsize
    sign = 1 << (8 * size - 1)
    return bool(
        values.view(f"i{size}").max() < _INFINITY[dtype] and values.view(f"u{size}").max() < _INFINITY[dtype] + sign
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor as its file has it: ``dtype`` by the name that safetensors uses, ``offset`` of its first byte."""

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows in the type of the file; BF16 and FP8 as bit patterns.

        Raises:
            ModelError: the file ends early, or a value is NaN or infinite.
        """
        type_ = np.dtype(_NUMPY[self.dtype])
        width = math.prod(self.shape[1:])
        count = (stop - start) * width
        try:
            values = np.fromfile(self.file, type_, count, offset=self.offset + start * width * type_.itemsize)
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror or error}") from error
        if len(values) != count:
            raise self.error("its bytes have gone while they were read", DAMAGED)
        rows = values.reshape(stop - start, *self.shape[1:])
        if not finite(values, self.dtype):
            row = start + next(i for i, row in enumerate(rows) if not finite(row, self.dtype))
            raise self.error(
                f"NaN or infinity in row {row}",
                "The weights are damaged. Download the file again; if that does not help, tell its publisher.",
            )
        return rows

    def lazy(self) -> LazyTensor:
        """Its values; a type that LazyTensor does not have becomes F32."""
        for dtype in ("F32", "F16", "BF16"):
            if self.dtype == dtype:
                return LazyTensor(self.shape, dtype, self.read)
        return LazyTensor(self.shape, "F32", lambda start, stop: self.read(start, stop).astype(np.float32))

    def error(self, what: str, hint: str | None = None) -> ModelError:
        return ModelError(f"{self.file}: tensor {self.name}: {what}.", hint)


def read_tensors(path: Path) -> dict[str, Stored]:
    """The tensors of one file, by name, names sorted.

    Raises:
        ModelError: not a safetensors file, or the header contradicts itself or the size of the file.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER:
            raise ModelError(f"{path}: not a safetensors file: its header would have {length} bytes.", DAMAGED)
        begin = 8 + length
        if not length or begin > size:
            raise ModelError(f"{path}: not a safetensors file, or only the beginning of one.", DAMAGED)
        text = file.read(length)
    header = parse_object(path, text, unique=True)
    header.pop("__metadata__", None)
    found = {name: _tensor(path, name, header[name], begin) for name in sorted(header)}
    end = begin
    for tensor, stop in sorted(found.values(), key=lambda item: item[0].offset):
        if tensor.offset != end:
            problem = "overlap those of another tensor" if tensor.offset < end else "leave a hole before them"
            raise tensor.error(f"its bytes, from {tensor.offset} on, {problem}", DAMAGED)
        if stop > size:
            raise tensor.error(f"its bytes end at {stop}, but the file has only {size}", DAMAGED)
        end = stop
    if end != size:
        raise ModelError(f"{path}: the tensors end at byte {end}, but the file has {size}.", DAMAGED)
    return {name: tensor for name, (tensor, _) in found.items()}


def _tensor(path: Path, name: str, entry: Any, begin: int) -> tuple[Stored, int]:
    """The tensor of an entry in the header, and where its bytes end."""
    check_name(path, name)
    if not isinstance(entry, dict):
        raise ModelError(f"{path}: tensor {name}: its entry in the header is not an object.", DAMAGED)
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _NUMPY:
        raise ModelError(
            f"{path}: tensor {name}: type {str(dtype)[:40]!r} cannot be read.",
            "Use the checkpoint in BF16: most models are published in it.",
        )
    if not _whole_numbers(shape) or len(shape) > MAX_DIMS or 0 in shape:
        raise ModelError(f"{path}: tensor {name}: {str(shape)[:80]} is not a shape.", DAMAGED)
    if not _whole_numbers(offsets) or len(offsets) != 2:
        raise ModelError(f"{path}: tensor {name}: {str(offsets)[:80]} are not offsets.", DAMAGED)
    tensor = Stored(name, path, dtype, tuple(shape), begin + offsets[0])
    need = math.prod(shape) * np.dtype(_NUMPY[dtype]).itemsize
    if offsets[1] - offsets[0] != need:
        raise tensor.error(
            f"{dtype} of shape {tuple(shape)} has {need} bytes, the offsets say {offsets[1] - offsets[0]}", DAMAGED
        )
    return tensor, begin + offsets[1]


def check_name(path: Path, name: str) -> None:
    """Refuse what would upset the terminal that an error is printed on."""
    if not name.isprintable() or len(name) > MAX_NAME:
        raise ModelError(f"{path}: {name[:80]!r} is not a tensor's name.", DAMAGED)


def _whole_numbers(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 62 for value in values)
