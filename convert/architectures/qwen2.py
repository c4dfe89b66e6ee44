"""Qwen2 and Qwen2.5: Llama without the interleaved rows, with biases on queries, keys and values.

Source: transformers' configuration_qwen2.py and modeling_qwen2.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gguf

from convert.architectures.architecture import Architecture, Shape


class Qwen2(Architecture):
    names = ("Qwen2ForCausalLM",)
    arch = gguf.MODEL_ARCH.QWEN2
    defaults: ClassVar[Mapping[str, Any]] = {
        "max_position_embeddings": 32768,
        "num_key_value_heads": 32,
        "rms_norm_eps": 1e-6,
    }

    def layer(self, index: int) -> dict[str, Shape]:
        shapes = super().layer(index)
        return shapes | {f"self_attn.{p}_proj.bias": shapes[f"self_attn.{p}_proj.weight"][:1] for p in "qkv"}
