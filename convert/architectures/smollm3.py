"""SmolLM3: Llama where every fourth layer has no rotary embedding (arXiv 2501.18795).

llama.cpp knows which layers by itself, so other choices are refused. Source: transformers' configuration_smollm3.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gguf

from convert.architectures.architecture import Architecture
from convert.architectures.llama import Llama

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint


class SmolLM3(Llama):
    names = ("SmolLM3ForCausalLM",)
    arch = gguf.MODEL_ARCH.SMOLLM3
    defaults: ClassVar[Mapping[str, Any]] = {
        "max_position_embeddings": 32768,
        "no_rope_layer_interval": 4,
        "num_key_value_heads": 4,
        "rms_norm_eps": 1e-6,
        "rope_theta": 2_000_000.0,
        "tie_word_embeddings": True,
    }
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **Llama.fixed,
        "attention_bias": (False,),
        "mlp_bias": (False,),
        "use_sliding_window": (False,),
    }
    ropes = Architecture.ropes

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        every = self.integer("no_rope_layer_interval")
        rotated = self.config.get("no_rope_layers")  # 1: has rope, in spite of the name
        if rotated is None:
            rotated = [int((index + 1) % every != 0) for index in range(self.layers)]
        if rotated != [int((index + 1) % 4 != 0) for index in range(self.layers)]:
            raise self.bad("no_rope_layers", rotated, "llama.cpp's choice (every fourth layer)")
