"""Gemma 3, its language model alone: Gemma 2 with norms on queries and keys, without the cap on attention scores.

Five layers in six see only the last tokens, and have a rotary base of their own. Around the larger ones stands a
vision tower, which is skipped. Source: transformers' configuration_gemma3.py and modeling_gemma3.py; arXiv 2503.19786.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gguf

from convert.architectures.architecture import Shape
from convert.architectures.gemma2 import COMPUTED, Gemma2


class Gemma3(Gemma2):
    names = ("Gemma3ForCausalLM", "Gemma3ForConditionalGeneration")
    arch = gguf.MODEL_ARCH.GEMMA3
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 262_208,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "sliding_window_pattern": 6,
        "rope_theta": 1_000_000.0,
        "rope_local_base_freq": 10_000.0,
    }
    fixed = COMPUTED
    skipped = ("vision_tower.", "multi_modal_projector.")
    layers_of_27b = 62

    def _check(self) -> None:
        self._check_scale()
        if "attn_logit_softcapping" in self.config:
            raise self.bad("attn_logit_softcapping", self.config["attn_logit_softcapping"], "null, as in this family")

    def layer(self, index: int) -> dict[str, Shape]:
        norms = ("self_attn.q_norm.weight", "self_attn.k_norm.weight")
        return super().layer(index) | dict.fromkeys(norms, (self.head_dim,))
