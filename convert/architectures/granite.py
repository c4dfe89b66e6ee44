"""Granite 3, the dense ones: Llama with four numbers that scale embeddings, attention, residuals and logits.

Source: transformers' configuration_granite.py and modeling_granite.py; they come from arXiv 2408.13359.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gguf

from convert.architectures.llama import Llama

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint


class Granite(Llama):
    names = ("GraniteForCausalLM",)
    arch = gguf.MODEL_ARCH.GRANITE
    defaults: ClassVar[Mapping[str, Any]] = {
        "attention_multiplier": 1.0,
        "embedding_multiplier": 1.0,
        "logits_scaling": 1.0,
        "max_position_embeddings": 2048,
        "residual_multiplier": 1.0,
        "rms_norm_eps": 1e-6,
    }

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        if self.head_dim * self.heads != self.hidden_size:
            raise self.bad("head_dim", self.head_dim, "hidden_size / num_attention_heads")
        self.config.pop("head_dim", None)  # llama.cpp has no key for it here

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        super().write_metadata(writer)
        writer.add_attention_scale(self.number("attention_multiplier"))
        writer.add_embedding_scale(self.number("embedding_multiplier"))
        writer.add_residual_scale(self.number("residual_multiplier"))
        writer.add_logit_scale(self.number("logits_scaling"))
