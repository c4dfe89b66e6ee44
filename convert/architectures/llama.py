"""Llama 1 to 3, and what is built the same way: Mistral, SmolLM, TinyLlama.

Llama's published layout pairs the two halves of a head for rotation; llama.cpp pairs neighbours. So the rows of the
query and key projections are interleaved. Llama 3.1's longer context is a tensor of factors by which each
frequency is divided. Sources: transformers' configuration_llama.py, configuration_mistral.py and, for the factors,
modeling_rope_utils.py; "The Llama 3 Herd of Models" (arXiv 2407.21783).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import gguf
import numpy as np
from numpy.typing import NDArray

from convert.architectures.architecture import Architecture, Shape
from convert.tensors import LazyTensor, computed
from convert.tokenizer import vocab


class Llama(Architecture):
    names: ClassVar[tuple[str, ...]] = ("LlamaForCausalLM", "LLaMAForCausalLM")
    arch = gguf.MODEL_ARCH.LLAMA
    defaults: ClassVar[Mapping[str, Any]] = {"max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "head_dim": None}

    ropes: ClassVar[tuple[str, ...]] = (*Architecture.ropes, "llama3")

    def layer(self, index: int) -> dict[str, Shape]:
        shapes = super().layer(index)
        keys = {"self_attn": "attention_bias", "mlp": "mlp_bias"}
        parts = [part for part, key in keys.items() if self.config.get(key)]
        return shapes | {
            name.replace(".weight", ".bias"): shape[:1] for name, shape in shapes.items() if name.split(".")[0] in parts
        }

    def vocabulary(self, pre: str | None = None) -> vocab.Vocabulary:
        return vocab.read_llama(self.checkpoint, self.vocab_size, pre)

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        super().write_metadata(writer)
        writer.add_vocab_size(self.vocab_size)
        writer.add_rope_dimension_count(self.head_dim)

    def convert(self, name: str, tensor: LazyTensor) -> Iterator[tuple[str, LazyTensor]]:
        if ".q_proj." in name:
            tensor = tensor.take(interleaved(self.heads, self.head_dim))
        elif ".k_proj." in name:
            tensor = tensor.take(interleaved(self.kv_heads, self.head_dim))
        yield from super().convert(name, tensor)

    def extra_tensors(self) -> Iterator[tuple[str, LazyTensor]]:
        if self.rope["rope_type"] == "llama3":
            yield "rope_freqs.weight", computed(self.rope_factors())

    def rope_factors(self) -> NDArray[np.float32]:
        """By what Llama 3.1 divides each frequency: 1 for high ones, ``factor`` for low ones, between them a blend."""
        rope = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0} | self.rope
        factor, low, high = (self.number(key, rope) for key in ("factor", "low_freq_factor", "high_freq_factor"))
        context = self.integer("original_max_position_embeddings", within=rope)
        if low == high:
            raise self.bad("high_freq_factor", high, "greater than low_freq_factor")
        exponents = np.arange(0, self.head_dim, 2, dtype=np.float32) / np.float32(self.head_dim)
        # In double precision and rounded: numpy's own powers of float32 differ between processors.
        powers = np.float64(self.number("rope_theta", rope)) ** exponents.astype(np.float64)
        frequencies = np.float32(1) / powers.astype(np.float32)
        wavelengths = np.float32(2 * math.pi) / frequencies
        blend = (np.float32(context) / wavelengths - np.float32(low)) / np.float32(high - low)
        blended = np.float32(1) / ((np.float32(1) - blend) / np.float32(factor) + blend)
        factors = np.where(wavelengths > context / low, np.float32(factor), blended)
        return np.where(wavelengths < context / high, np.float32(1), factors).astype(np.float32)


class Mistral(Llama):
    names: ClassVar[tuple[str, ...]] = ("MistralForCausalLM",)
    defaults: ClassVar[Mapping[str, Any]] = {
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-6,
        "num_key_value_heads": 8,
        "head_dim": None,
    }


def interleaved(heads: int, head_dim: int) -> NDArray[np.intp]:
    """The order in which rows of a projection are taken so that the halves of each head alternate."""
    return np.arange(heads * head_dim, dtype=np.intp).reshape(heads, 2, head_dim // 2).swapaxes(1, 2).reshape(-1)
