"""Tiny checkpoints with random weights, built as real ones are published; the same bits on every machine."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from families import FAMILIES
from numpy.typing import NDArray
from small_tokenizers import write_bpe_tokenizer, write_byte_fallback_tokenizer, write_sentencepiece_tokenizer

# name -> dtype, shape, bytes
Tensors = dict[str, tuple[str, tuple[int, ...], bytes]]


def random_checkpoint(
    folder: Path, family: str, *, dtype: str = "BF16", shards: int = 1, seed: int = 0, **config: Any
) -> Path:
    """A checkpoint of one of ``FAMILIES`` in ``folder``, which is made.

    Args:
        dtype: F32, F16, BF16; or F8_E4M3: the projections are, with a scale each, and the rest is BF16.
        config: keys of ``config.json`` to change (of its ``text_config``, where it has one); None removes a key.
    """
    recipe = FAMILIES[family]
    full: dict[str, Any] = json.loads(json.dumps(recipe.config))
    text = full.get("text_config", full)
    for key, value in config.items():
        text[key] = value
        if value is None:
            del text[key]
    if dtype == "F8_E4M3":
        full["quantization_config"] = {"quant_method": "fp8", "activation_scheme": "static", "weight_block_size": None}
    match recipe.tokenizer:
        case "sentencepiece":
            write_sentencepiece_tokenizer(folder, text["vocab_size"])
        case "byte_fallback":
            write_byte_fallback_tokenizer(folder, text["vocab_size"])
        case pre:
            write_bpe_tokenizer(folder, pre=pre, size=text["vocab_size"])
    (folder / "config.json").write_text(json.dumps(full, indent=2))
    stored: Tensors = {}
    for name, shape in recipe.shapes(text).items():
        full_name = recipe.prefix + name
        if dtype == "F8_E4M3" and name.endswith("_proj.weight"):
            codes, scale = _fp8(f"{seed}:{name}", shape)
            stored[full_name] = dtype, shape, codes
            stored[f"{full_name}_scale_inv"] = "BF16", (), _bytes(np.array(scale), "BF16")
            stored[f"{full_name.removesuffix('.weight')}.activation_scale"] = "BF16", (), _bytes(np.ones(()), "BF16")
        else:
            plain = "BF16" if dtype == "F8_E4M3" else dtype
            stored[full_name] = plain, shape, _bytes(_weights(f"{seed}:{name}", shape, recipe.norm), plain)
    for name, shape in recipe.others.items():  # vision towers and the like
        stored[name] = "BF16", shape, _bytes(_weights(f"{seed}:{name}", shape, 1.0), "BF16")
    _write_shards(folder, stored, shards)
    return folder


def write_safetensors(path: Path, tensors: Tensors) -> None:
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(data for _, _, data in tensors.values()))


def _write_shards(folder: Path, tensors: Tensors, shards: int) -> None:
    if shards == 1:
        write_safetensors(folder / "model.safetensors", tensors)
        return
    names = list(tensors)
    weight_map = {}
    for shard in range(shards):
        part = names[len(names) * shard // shards : len(names) * (shard + 1) // shards]
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        write_safetensors(folder / file, {name: tensors[name] for name in part})
        weight_map |= dict.fromkeys(part, file)
    size = sum(len(data) for _, _, data in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


# Numbers: raw bits of PCG64 are the same in all versions of numpy, those of its distributions are not.


def _bits(seed: str, count: int) -> NDArray[np.uint64]:
    return np.random.PCG64(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "little")).random_raw(count)


def _weights(seed: str, shape: tuple[int, ...], norm: float) -> NDArray[np.float64]:
    """Near to normal: the sum of four uniform numbers. Spread so that activations keep their size from layer to layer;
    norms are about ``norm``."""
    parts = _bits(seed, math.prod(shape)).view(np.uint16).reshape(-1, 4)
    values = (parts.sum(axis=1, dtype=np.int64) - 2 * 65535) / (65536 / math.sqrt(3))
    values = values.reshape(shape)
    if "norm" in seed or "layer_scalar" in seed:
        return norm + 0.1 * values
    if seed.endswith(".bias"):
        return 0.2 * values
    return values * (1.5 / math.sqrt(shape[-1]))


def _fp8(seed: str, shape: tuple[int, ...]) -> tuple[bytes, float]:
    """Random codes but for NaN, and the scale."""
    codes = _bits(seed, math.prod(shape)).view(np.uint8)[: math.prod(shape)]
    codes = np.where(codes & 0x7F == 0x7F, codes - 1, codes).astype(np.uint8)
    return codes.tobytes(), 1.5 / math.sqrt(shape[-1]) / 96


def _bytes(values: NDArray[np.float64], dtype: str) -> bytes:
    if dtype == "BF16":
        return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    return values.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()
