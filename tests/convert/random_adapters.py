"""LoRA adapters with random weights for the checkpoints of ``random_checkpoints``, as PEFT saves them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from random_checkpoints import Tensors, write_safetensors

PREFIX = "base_model.model."
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")


def numbers(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Between -1 and 1, of the size that a normed input keeps; the same on every machine."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    raw = np.random.PCG64(seed).random_raw(math.prod(shape)) >> 40
    return (((raw / 2**23 - 1) * math.sqrt(3 / shape[-1])).astype(np.float32)).reshape(shape)


def random_adapter(
    folder: Path,
    checkpoint: Path,
    *,
    rank: int = 4,
    targets: Sequence[str] = LINEAR,
    embedding: bool = False,
    more: dict[str, NDArray[np.float32]] | None = None,
    **config: Any,
) -> Path:
    """
    Args:
        rank: where ``rank_pattern`` has no other.
        embedding: of ``embed_tokens`` too.
        more: tensors by their names without PEFT's prefix.
        config: of ``adapter_config.json``, beside the usual.
    """
    modules = [*targets, *["embed_tokens"] * embedding]
    usual = {"peft_type": "LORA", "r": rank, "lora_alpha": 8, "target_modules": modules, "bias": "none"}
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(usual | config))
    found = dict(more or {})
    for name, (rows, columns) in _matrices(checkpoint):
        module = name.removesuffix(".weight")
        own = config.get("rank_pattern", {}).get(module.split(".")[-1], rank)
        if embedding and module.endswith("embed_tokens"):
            found[f"{module}.lora_embedding_A"] = numbers(f"A:{name}", (own, rows))
            found[f"{module}.lora_embedding_B"] = numbers(f"B:{name}", (columns, own))
        elif module.endswith(tuple(targets)):
            found[f"{module}.lora_A.weight"] = numbers(f"A:{name}", (own, columns))
            found[f"{module}.lora_B.weight"] = numbers(f"B:{name}", (rows, own))
    stored: Tensors = {PREFIX + name: ("F32", values.shape, values.tobytes()) for name, values in found.items()}
    write_safetensors(folder / "adapter_model.safetensors", stored)
    return folder


def _matrices(checkpoint: Path) -> list[tuple[str, tuple[int, int]]]:
    """Names and shapes, of a checkpoint in one file."""
    with (checkpoint / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    return [(name, tuple(entry["shape"])) for name, entry in header.items() if len(entry["shape"]) == 2]
