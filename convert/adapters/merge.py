"""A LoRA adapter merged into its checkpoint: W + scale * (B @ A), some rows at a time, as they are converted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.adapters.peft import WEIGHTS, Pair, PeftAdapter
from convert.checkpoint import Checkpoint
from models.errors import ModelError

_TIED = ("embed_tokens.weight", "lm_head.weight")


def merge(checkpoint: Checkpoint, adapter: Path) -> Checkpoint:
    """The checkpoint with the folder of a PEFT adapter merged into it, ready to be converted. Nothing is computed yet,
    and both folders stay as they are.

    Raises:
        ModelError: the adapter is damaged, or does not fit; file and tensor are named.
    """
    source = PeftAdapter.open(adapter)
    tensors = dict(checkpoint.tensors)
    tied = checkpoint.config.get("tie_word_embeddings") or not any(name.endswith("lm_head.weight") for name in tensors)
    shapes: dict[str, tuple[int, ...]] = {name: pair.shape for name, pair in source.pairs.items()}
    shapes |= {name: tensor.shape for name, tensor in source.whole.items()}
    for name, shape in shapes.items():
        if tied and name.endswith(_TIED):
            raise ModelError(
                f"{adapter / WEIGHTS} changes {name}, but in {checkpoint.folder} the embedding and the output are one "
                "tensor, of which it would change only one use.",
                "Merge it with PEFT (merge_and_unload), or leave it out when training.",
            )
        if name not in tensors:
            raise ModelError(
                f"{checkpoint.folder} has no tensor {name}, which {adapter / WEIGHTS} changes.",
                "Choose the model that it was trained on.",
            )
        if tensors[name].shape != shape:
            raise ModelError(
                f"{adapter / WEIGHTS} is for a {name} of shape {shape}, but in {checkpoint.folder} it is "
                f"{tensors[name].shape}.",
                "Choose the model that it was trained on.",
            )
    for name, pair in source.pairs.items():
        tensors[name] = tensors[name].map(_adding(pair))
    return replace(checkpoint, tensors=tensors | source.whole)


def _adding(pair: Pair) -> Callable[[NDArray[np.float32], int], NDArray[np.float32]]:
    def add(rows: NDArray[np.float32], start: int) -> NDArray[np.float32]:
        change = pair.b.rows(start, start + len(rows)) @ pair.a.rows(0, pair.rank)
        change *= np.float32(pair.scale)
        change += rows
        return change

    return add
