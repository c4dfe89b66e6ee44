"""The types that a tensor can have: blocks, bits, and what takes the place of one whose blocks do not fit."""

from __future__ import annotations

import math

from models.errors import UsageError
from models.gguf_header import TYPES, Tensor

BLOCKS = {name: (values, size) for name, values, size in TYPES.values()}  # type -> values and bytes of a block
FLOATS = ("F32", "F16", "BF16")
QUANTIZABLE_TO = (  # all that llama.cpp has a quantizer for
    *FLOATS, "Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS", "MXFP4", "Q3_K",
    "IQ3_S", "IQ3_XXS", "Q2_K", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S", "TQ2_0", "TQ1_0", "Q2_0", "Q1_0",
)  # fmt: skip

# For rows that do not divide into blocks of 256: types with smaller blocks.
_FALLBACKS = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_0", "Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
}  # fmt: skip


def bits(type: str) -> float:
    """Bits for each weight."""
    values, size = BLOCKS[type]
    return size * 8 / values


def bytes_of(tensor: Tensor, type: str) -> int:
    """Bytes of the tensor, if it has this type."""
    values, size = BLOCKS[type]
    return math.prod(tensor.shape) // values * size


def fitting(type: str, tensor: Tensor) -> str:
    """This type, or the one that llama.cpp falls back to because blocks do not divide the rows of the tensor."""
    row = tensor.shape[0]
    if row % BLOCKS[type][0] == 0:
        return type
    if type == "Q1_0":  # llama.cpp knows no other type for it
        raise UsageError(f"Q1_0 needs rows in blocks of 128, but {tensor.name} has {row}.", "Choose another type.")
    smaller = _FALLBACKS.get(type, type)
    return smaller if row % BLOCKS[smaller][0] == 0 else "F16"
