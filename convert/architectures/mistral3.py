"""Ministral 3, and Mistral Small 3.1 and later: Mistral within a model that sees; the vision tower is left out.

Ministral 3 reaches its long context by YaRN, with its own multiplier of the logarithm, and by a temperature on the
queries that grows with the position (as in Llama 4). It is published in FP8. Source: transformers'
configuration_ministral3.py, configuration_mistral3.py and modeling_ministral3.py; YaRN is arXiv 2309.00071, the
temperature arXiv 2501.19399.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gguf

from convert.architectures.llama import Llama

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint


class Mistral3(Llama):
    names = ("Mistral3ForConditionalGeneration", "Ministral3ForCausalLM")
    arch = gguf.MODEL_ARCH.MISTRAL3
    # Two kinds of text model with defaults that differ; their published files say everything.
    defaults: ClassVar[Mapping[str, Any]] = {"num_key_value_heads": 8, "head_dim": None, "tie_word_embeddings": True}
    skipped = ("vision_tower.", "multi_modal_projector.")

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        kind = self.config.get("model_type")
        if kind not in ("ministral3", "mistral", "mistral3"):  # "mistral4" is a mixture of experts
            raise self.bad("model_type", kind, "a text model of this family (ministral3 or mistral)")
        self.is_ministral = kind == "ministral3"
        if self.is_ministral and self.rope["rope_type"] != "yarn":
            raise self.bad("rope_type", self.rope["rope_type"], "yarn, the only scaling of Ministral 3")

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        super().write_metadata(writer)
        if self.is_ministral:
            writer.add_rope_scaling_yarn_log_mul(self.number("mscale_all_dim", self.rope))
            writer.add_attn_temperature_scale(self.number("llama_4_scaling_beta", self.rope))
