"""Is a quantized file what the recipe says, and are its numbers numbers?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.quantization.recipe import Recipe
from convert.quantization.tensor_types import BLOCKS
from models.errors import IntegrityError
from models.gguf_header import Header, Tensor, read_header

PIECE = 16 << 20  # bytes
# Where the scales (F16) of a block begin. From ggml-common.h.
_SCALES = {
    **dict.fromkeys(("Q4_0", "Q5_0", "Q8_0", "Q1_0", "Q2_0", "IQ4_NL", "IQ4_XS"), (0,)),
    **dict.fromkeys(("IQ1_S", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"), (0,)),
    **dict.fromkeys(("Q4_1", "Q5_1", "Q4_K", "Q5_K"), (0, 2)),
    "Q2_K": (80, 82), "Q3_K": (108,), "Q6_K": (208,), "TQ1_0": (52,), "TQ2_0": (64,),
}  # fmt: skip


def verify(path: Path, source: Header, recipe: Recipe, on_piece: Callable[[], None] = lambda: None) -> None:
    """Check the header, the name, shape and type of every tensor, and that no number or scale is infinite or NaN.

    Args:
        on_piece: called after each 16 MiB.

    Raises:
        ModelError: the file is truncated or damaged.
        IntegrityError: it is not what the recipe says; the tensor is named.
    """
    header = read_header(path)
    shapes = {tensor.name: tensor.shape for tensor in source.tensors}
    if {tensor.name for tensor in header.tensors} != set(shapes):
        raise IntegrityError(f"{path} does not hold the tensors of {source.files[0]}.", "Quantize it again.")
    for tensor in header.tensors:
        if tensor.type != recipe.types[tensor.name] or _ones_cut(tensor.shape) != _ones_cut(shapes[tensor.name]):
            raise IntegrityError(
                f"{path}: {tensor.name} is {tensor.type} {tensor.shape} instead of "
                f"{recipe.types[tensor.name]} {shapes[tensor.name]}."
            )
    with path.open("rb") as file:
        for tensor in header.tensors:
            file.seek(tensor.offset)
            for left in range(tensor.size, 0, -_piece(tensor)):
                data = np.fromfile(file, np.uint8, min(left, _piece(tensor)))
                if not finite(tensor.type, data):
                    raise IntegrityError(f"{path}: {tensor.name} holds infinite numbers, or such that are none.")
                on_piece()


def finite(type: str, data: NDArray[np.uint8]) -> bool:
    """Whether no number, or no scale of a block, is infinite or NaN. ``data``: whole blocks of this type."""
    if type in ("F16", "BF16", "F32"):
        exponent: Any = {"F16": np.uint16(0x7C00), "BF16": np.uint16(0x7F80), "F32": np.uint32(0x7F800000)}[type]
        values = data.view(exponent.dtype)
        return not ((values & exponent) == exponent).any()
    blocks = data.reshape(-1, BLOCKS[type][1])
    if type == "MXFP4":  # the scale is an exponent alone
        return not (blocks[:, 0] == 0xFF).any()
    if type == "IQ1_M":  # its scale is spread over the high bits of four numbers
        return not ((blocks[:, 55] & 0x70 == 0x70) & (blocks[:, 53] & 0xC0 == 0xC0)).any()
    return not any((blocks[:, start + 1] & 0x7C == 0x7C).any() for start in _SCALES.get(type, ()))


def _piece(tensor: Tensor) -> int:
    block = BLOCKS[tensor.type][1]
    return PIECE // block * block


def _ones_cut(shape: tuple[int, ...]) -> tuple[int, ...]:
    """ggml does not write lengths of one at the end."""
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape
