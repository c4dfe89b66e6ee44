"""PEFT's LoRA adapter as a GGUF adapter, which llama.cpp adds to a model at run time.

The rows of B are reordered where the model's own conversion reorders rows. GGUF has one alpha for the whole file, and
the scale of a pair is alpha / rank: where PEFT has another (rsLoRA, an alpha of its own), B is multiplied.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gguf
import numpy as np

from convert import architectures
from convert.adapters import peft
from convert.adapters.peft import Pair, PeftAdapter
from convert.architectures.llama import interleaved
from convert.checkpoint import Checkpoint
from convert.progress import OnProgress, silent
from convert.tensors import LazyTensor, computed
from convert.write import add_infos, write_tensors
from models.adapter import EMBEDDING, OUTPUT
from models.errors import ModelError
from models.gguf_header import read_header

_FAMILIES = {arch.name.lower(): arch for arch in (gguf.MODEL_ARCH.LLAMA, gguf.MODEL_ARCH.QWEN2, gguf.MODEL_ARCH.QWEN3)}
_HEADER = 1 << 20  # bytes, generously


@dataclass(frozen=True)
class Base:
    """What has to be known of the model that an adapter is for.

    Attributes:
        shapes: of its matrices, rows first, by their names in GGUF.
        heads: of the queries; kv_heads: of the keys; head_dim: numbers of each.
    """

    path: Path
    architecture: str
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def open(cls, path: Path) -> Base:
        """
        Args:
            path: a GGUF file, or the folder of a checkpoint.

        Raises:
            ModelError: neither of them, damaged, or of a family whose adapters cannot be converted.
        """
        if path.is_dir():
            model = architectures.find(Checkpoint.open(path))
            names = {plain for name in model.checkpoint.tensors if (plain := model.plain_name(name))}
            shapes = {model.gguf_name(name): shape for name, shape in model.shapes().items() if name in names}
            family = gguf.MODEL_ARCH_NAMES[model.arch]
            base = cls(path, family, model.layers, model.heads, model.kv_heads, model.head_dim, shapes)
        else:
            header = read_header(path)
            shapes = {tensor.name: tensor.shape[::-1] for tensor in header.tensors}
            counts = header.layers, header.heads, header.kv_heads, header.head_dims[0]
            base = cls(path, header.architecture, *counts, shapes)
        if base.architecture not in _FAMILIES:
            raise ModelError(
                f"{path} is a {base.architecture[:40]} model: adapters are converted for {', '.join(_FAMILIES)}.",
                "Merge it into its model (`assistant convert merge`).",
            )
        return base

    def place(self, name: str, pair: Pair) -> tuple[str, Pair]:
        """The GGUF name of the checkpoint's tensor, and the pair with its rows in GGUF's order.

        Raises:
            ModelError: the model has no such tensor, or another shape.
        """
        names = gguf.get_tensor_name_map(_FAMILIES[self.architecture], self.layers)
        found = names.get_name(name, try_suffixes=(".weight",))
        if found is None or found not in self.shapes:
            raise ModelError(
                f"{self.path} has no tensor for the adapter's {name}.",
                "Its output is its embedding: merge the adapter instead, or leave lm_head out when training."
                if found == OUTPUT
                else "Choose the model that it was trained on.",
            )
        if found == EMBEDDING and OUTPUT not in self.shapes:
            raise ModelError(
                f"The adapter changes {name}, which in {self.path} is the output too: llama.cpp cannot tell the two.",
                "Leave embed_tokens out when training.",
            )
        if self.shapes[found] != pair.shape:
            raise ModelError(
                f"The adapter is for a {name} of shape {pair.shape}, but in {self.path} it is {self.shapes[found]}.",
                "Choose the model that it was trained on.",
            )
        if self.architecture == "llama" and name.endswith((".q_proj.weight", ".k_proj.weight")):
            heads = self.heads if name.endswith(".q_proj.weight") else self.kv_heads
            if heads * self.head_dim != pair.shape[0] or self.head_dim % 2:
                raise ModelError(f"{self.path}: {found} does not have {heads} heads of {self.head_dim} rows.")
            order = interleaved(heads, self.head_dim)
            pair = Pair(pair.a, pair.b.take(order), pair.scale)
        return found, pair


def convert_adapter(
    adapter: Path, base: Path, out: Path, dtype: Literal["f16", "f32"] = "f16", on_progress: OnProgress = silent
) -> None:
    """Convert the folder of a PEFT adapter. The file appears whole or not at all.

    Args:
        base: a GGUF file of the model that it was trained on, quantized or not, or its checkpoint's folder.
        on_progress: bytes of tensors written, and all of them.

    Raises:
        ModelError: the adapter is damaged, does not fit, or has what a GGUF adapter cannot hold: all by name.
        UserError: the file exists already, or the disk is full or cannot be written.
    """
    source, model = PeftAdapter.open(adapter), Base.open(base)
    if source.whole:
        raise ModelError(
            f"{adapter / peft.WEIGHTS} replaces the tensor {min(source.whole)}, which an adapter in GGUF cannot.",
            "Merge it into its checkpoint: `assistant convert merge`.",
        )
    pairs = dict(model.place(name, pair) for name, pair in source.pairs.items())
    alpha = Counter(np.float32(pair.scale * pair.rank).item() for pair in pairs.values()).most_common(1)[0][0]
    tensors = [part for name, pair in pairs.items() for part in _tensors(name, pair, alpha)]
    writer = gguf.GGUFWriter(None, model.architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_name(adapter.absolute().name)
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    type_: Literal["F16", "F32"] = "F16" if dtype == "f16" else "F32"
    typed = [(name, tensor, type_) for name, tensor in tensors]
    add_infos(writer, typed)
    size = sum(math.prod(tensor.shape) for _, tensor in tensors) * (2 if type_ == "F16" else 4)
    write_tensors(writer, out, typed, space=size + _HEADER, on_progress=on_progress)


def _tensors(name: str, pair: Pair, alpha: float) -> Iterator[tuple[str, LazyTensor]]:
    factor = np.float32(pair.scale * pair.rank / alpha)
    a, b = pair.a, pair.b
    if not math.isclose(factor, 1, rel_tol=1e-6):
        b = b.map(lambda rows, _: rows * factor)
    if pair.embedding:  # llama.cpp looks up rows of A
        a, b = b, computed(np.ascontiguousarray(a.rows(0, pair.rank).T))
    yield f"{name}.lora_a", a
    yield f"{name}.lora_b", b
