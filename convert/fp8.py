"""Weights in FP8 with scales beside them, as Ministral 3 (one scale a tensor) and DeepSeek (one a block) store them.

They become float32: number * scale. Scales of activations are for engines that compute in FP8; they are left out.
Formats: https://arxiv.org/abs/2209.05433.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.safetensors import Stored
from convert.tensors import LazyTensor
from models.errors import ModelError

_SCALE = "_scale_inv"
_UNUSED = (".activation_scale", "_activation_scale")


def _values(exponent_bits: int) -> NDArray[np.float32]:
    """The numbers of an FP8 format by their codes. NaN and infinity stand as numbers: reading refuses them."""
    codes = np.arange(256)
    fraction_bits = 7 - exponent_bits
    exponent = (codes & 0x7F) >> fraction_bits
    fraction = (codes & ((1 << fraction_bits) - 1)) / (1 << fraction_bits)
    bias = (1 << (exponent_bits - 1)) - 1
    size = np.ldexp(fraction + (exponent > 0), np.maximum(exponent, 1) - bias)
    return np.asarray(np.where(codes & 0x80, -size, size), np.float32)


_VALUES = {"F8_E4M3": _values(4), "F8_E5M2": _values(5)}


def dequantize(stored: dict[str, Stored], config: dict[str, Any]) -> dict[str, LazyTensor]:
    """The tensors, in their order: FP8 as float32, scales left out.

    Args:
        config: ``quantization_config`` of the checkpoint; empty where there is none.

    Raises:
        ModelError: a scale is missing, has no weight, or does not fit its weight.
    """
    quantized = config.get("quant_method") == "fp8"
    block = config.get("weight_block_size") if quantized else None
    if block is not None and not (
        isinstance(block, list) and len(block) == 2 and all(type(size) is int and size > 0 for size in block)
    ):
        raise ModelError(f"config.json: weight_block_size {str(block)[:80]} is not two sizes.")
    tensors = {}
    for name, tensor in stored.items():
        if quantized and name.endswith(_SCALE):
            if name.removesuffix(_SCALE) not in stored:
                raise tensor.error("the weight that it scales is missing")
        elif quantized and name.endswith(_UNUSED):
            continue
        elif tensor.dtype not in _VALUES:
            tensors[name] = tensor.lazy()
        elif scale := stored.get(name + _SCALE):
            tensors[name] = _scaled(tensor, scale, block)
        elif quantized:
            raise tensor.error(f"in FP8, but {name}{_SCALE} is missing")
        else:
            tensors[name] = _lookup(tensor, _VALUES[tensor.dtype])
    return tensors


def _lookup(weight: Stored, values: NDArray[np.float32]) -> LazyTensor:
    return LazyTensor(weight.shape, "F32", lambda start, stop: values[weight.read(start, stop)])


def _scaled(weight: Stored, scale: Stored, block: list[int] | None) -> LazyTensor:
    """``scale``: one number, one a row, or one a block of ``block[0]`` rows and ``block[1]`` columns."""
    values, numbers = _VALUES[weight.dtype], scale.lazy()
    if math.prod(scale.shape) == 1 and block is None:
        return _lookup(weight, values * numbers.rows(0, 1).reshape(()))
    if len(weight.shape) != 2:
        raise weight.error(f"{len(weight.shape)} dimensions in FP8; with this kind of scale it has to have 2")
    rows, columns = weight.shape
    height, width = block or (1, columns)
    if scale.shape != (-(-rows // height), -(-columns // width)) and (block or scale.shape != (rows,)):
        raise scale.error(f"the shape {scale.shape} does not fit a weight of shape {weight.shape}")

    def read(start: int, stop: int) -> NDArray[np.float32]:
        first = start // height
        scales = numbers.rows(first, -(-stop // height)).reshape(-1, -(-columns // width))
        factors = np.repeat(scales, width, axis=1)[:, :columns]
        scaled: NDArray[np.float32] = values[weight.read(start, stop)]
        scaled *= factors[np.arange(start, stop) // height - first]
        return scaled

    return LazyTensor(weight.shape, "F32", read)
