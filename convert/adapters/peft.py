"""A LoRA adapter as PEFT saves it: a folder with ``adapter_config.json`` and ``adapter_model.safetensors``.

Formats and rules: https://huggingface.co/docs/peft/developer_guides/checkpoint and peft/tuners/lora/config.py.
What would make another model than the one that was trained is refused by name.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convert.json_files import DAMAGED, read_object
from convert.safetensors import Stored, read_tensors
from convert.tensors import LazyTensor, computed
from models.errors import ModelError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_PLAIN = re.compile(r"\^?[\w.]+")  # a module's name, or its end, and no expression
# Ways to begin training that leave the base model as it is; others replace its weights.
_HARMLESS = (True, False, None, "gaussian", "eva", "orthogonal", "mica")
_REFUSED = {
    "use_dora": "it is a DoRA adapter, which has magnitudes beside A and B",
    "use_qalora": "it is a QA-LoRA adapter, whose A reads groups of numbers",
    "use_bdlora": "it is a BD-LoRA adapter, whose A and B are block diagonal",
    "lora_bias": "its B has biases",
    "alora_invocation_tokens": "it is an activated LoRA, for what comes after certain tokens only",
    "layer_replication": "it is for a model with repeated layers",
    "target_parameters": "it changes parameters that are no layers",
    "trainable_token_indices": "it has new values for single tokens",
    "kasa_config": "it is a KaSA adapter, which changes the base model too",
    "monteclora_config": "it is a MonteCLoRA adapter, which has more than A and B",
    "arrow_config": "it chooses among several adapters for each token",
}
_ADVICE = "Merge it into its model with PEFT (merge_and_unload), and convert that."


@dataclass(frozen=True, slots=True)
class Pair:
    """The model's matrix grows by ``scale * b @ a``.

    Attributes:
        a: of shape (rank, columns). b: (rows, rank).
        embedding: it is of an embedding.
    """

    a: LazyTensor
    b: LazyTensor
    scale: float
    embedding: bool = False

    @property
    def rank(self) -> int:
        return self.a.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix."""
        return self.b.shape[0], self.a.shape[1]


@dataclass(frozen=True, slots=True)
class PeftAdapter:
    """
    Attributes:
        pairs: by the name of the tensor in the checkpoint that they change, in the order of the names.
        whole: tensors that stand in the place of the checkpoint's (``modules_to_save``, trained biases).
    """

    folder: Path
    config: dict[str, Any]
    pairs: dict[str, Pair]
    whole: dict[str, LazyTensor]

    @classmethod
    def open(cls, folder: Path) -> PeftAdapter:
        """Read and check the configuration and the header of the weights.

        Raises:
            ModelError: something is missing, damaged, or of a kind that cannot be used; file and tensor are named.
        """
        if not folder.is_dir():
            raise ModelError(f"{folder}: not a folder.", f"Give the folder of the adapter, with {CONFIG} in it.")
        config = read_object(folder / CONFIG)
        _check_config(folder / CONFIG, config)
        if not (folder / WEIGHTS).exists() and (folder / "adapter_model.bin").exists():
            raise ModelError(
                f"{folder / 'adapter_model.bin'} is a PyTorch pickle: whoever reads one runs the code that is in it. "
                "Not read.",
                f"Save the adapter with PEFT again: it writes {WEIGHTS}.",
            )
        halves: dict[str, dict[str, Stored]] = {}
        whole: dict[str, LazyTensor] = {}
        for stored in read_tensors(folder / WEIGHTS).values():
            module, kind = _split(stored)
            if kind == "whole":
                whole[module] = stored.lazy()
            elif kind != "base":
                halves.setdefault(module, {})[kind] = stored
        pairs = {f"{module}.weight": _pair(module, found, config) for module, found in halves.items()}
        if both := pairs.keys() & whole.keys():
            raise _unusable(folder / WEIGHTS, f"the tensor {min(both)} is both adapted and replaced")
        if not pairs and not whole:
            raise ModelError(f"{folder / WEIGHTS}: no tensors.", DAMAGED)
        return cls(folder, config, pairs, whole)


def _check_config(file: Path, config: dict[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise _unusable(file, f"its peft_type is {str(config.get('peft_type'))[:40]!r}, not LORA")
    for key, what in _REFUSED.items():
        if config.get(key):
            raise _unusable(file, f"{what} ({key})")
    start = config.get("init_lora_weights")
    if not isinstance(start, (bool, str, type(None))) or start not in _HARMLESS:
        raise ModelError(
            f"{file}: training began with init_lora_weights={str(start)[:40]!r}, which changes the base model too.",
            "Save it with PEFT's path_initial_model_for_weight_conversion, which makes an ordinary LoRA adapter of it.",
        )


def _split(stored: Stored) -> tuple[str, str]:
    """The module that a tensor belongs to, and what it is there; of a whole one the name, without PEFT's prefix."""
    if not stored.name.startswith(_PREFIX):
        raise stored.error(f"its name does not begin with {_PREFIX}, as PEFT's do", _ADVICE)
    name = stored.name.removeprefix(_PREFIX)
    for suffix, kind in (
        (".lora_A.weight", "A"),
        (".lora_B.weight", "B"),
        (".lora_embedding_A", "embedding_A"),
        (".lora_embedding_B", "embedding_B"),
        (".base_layer.weight", "base"),  # the checkpoint's own, which PEFT keeps beside an adapted embedding
    ):
        if name.endswith(suffix):
            return name.removesuffix(suffix), kind
    if re.search(r"lora_|token_adapter|\.base_layer\.", name) or not name.endswith((".weight", ".bias")):
        raise stored.error("not known in LoRA adapters", _ADVICE)
    return name, "whole"


def _pair(module: str, found: dict[str, Stored], config: dict[str, Any]) -> Pair:
    embedding = "embedding_A" in found or "embedding_B" in found
    kinds = ("embedding_A", "embedding_B") if embedding else ("A", "B")
    if set(found) != set(kinds):
        raise next(iter(found.values())).error(f"its partner, A or B of {module}, is missing", DAMAGED)
    a, b = (found[kind] for kind in kinds)
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1]:
        raise b.error(f"its shape {b.shape} and that of A, {a.shape}, do not go together", DAMAGED)
    scale = _scale(b, module, a.shape[0], config)
    if not embedding:
        return Pair(a.lazy(), b.lazy(), scale)
    return Pair(_transposed(b), _transposed(a), scale, embedding=True)  # PEFT looks up columns of A


def _transposed(stored: Stored) -> LazyTensor:
    """In memory: the longer side of an embedding's A is as long as the vocabulary, the other is the rank."""
    tensor = stored.lazy()
    return computed(np.ascontiguousarray(tensor.rows(0, tensor.shape[0]).T))


def _scale(stored: Stored, module: str, rank: int, config: dict[str, Any]) -> float:
    """``lora_alpha / rank``, of the module's own alpha, if it has one; or by the square root (rsLoRA)."""
    alpha, patterns = config.get("lora_alpha"), config.get("alpha_pattern") or {}
    file = stored.file.with_name(CONFIG)
    if not isinstance(patterns, dict):
        raise ModelError(f"{file}: alpha_pattern is not an object.", DAMAGED)
    for pattern, own in patterns.items():
        if not _PLAIN.fullmatch(pattern):
            raise _unusable(file, f"alpha_pattern has an expression, {pattern[:40]!r}")
        if module == pattern.removeprefix("^") or (pattern[0] != "^" and module.endswith(f".{pattern}")):
            alpha = own
            break
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < 1e9:
        raise ModelError(f"{file}: the alpha of {module} is {str(alpha)[:40]}, not a positive number.", DAMAGED)
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _unusable(file: Path, why: str) -> ModelError:
    return ModelError(f"{file}: {why}.", _ADVICE)
