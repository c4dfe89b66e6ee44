"""Qwen3, the dense ones: Llama without the interleaved rows, with a norm on the queries and keys of each head.

Source: transformers' configuration_qwen3.py and modeling_qwen3.py; the report is arXiv 2505.09388.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gguf

from convert.architectures.architecture import Architecture, Shape


class Qwen3(Architecture):
    names = ("Qwen3ForCausalLM",)
    arch = gguf.MODEL_ARCH.QWEN3
    defaults: ClassVar[Mapping[str, Any]] = {
        "head_dim": 128,
        "max_position_embeddings": 32768,
        "num_key_value_heads": 32,
        "rms_norm_eps": 1e-6,
    }
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {**Architecture.fixed, "attention_bias": (False,)}

    def layer(self, index: int) -> dict[str, Shape]:
        norms = ("self_attn.q_norm.weight", "self_attn.k_norm.weight")
        return super().layer(index) | dict.fromkeys(norms, (self.head_dim,))
