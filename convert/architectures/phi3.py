"""Phi-3 and Phi-4-mini: Llama with the query, key and value projections in one tensor, and gate and up in another.

They stay as they are: llama.cpp reads them so. The longer context (LongRoPE, arXiv 2402.13753) is two tensors by which
the rotary frequencies are divided, one for texts within the original context and one for longer ones, and a factor on
attention; only a part of each head is rotated. Source: transformers' configuration_phi3.py, modeling_phi3.py and
modeling_rope_utils.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gguf
import numpy as np
from numpy.typing import NDArray

from convert.architectures.architecture import Architecture, Shape
from convert.tensors import LazyTensor, computed
from convert.tokenizer import vocab

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint


class Phi3(Architecture):
    names = ("Phi3ForCausalLM",)
    arch = gguf.MODEL_ARCH.PHI3
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 32064,
        "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "partial_rotary_factor": 1.0,
    }
    ropes = ("default", "longrope", "su")

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        share = self.number("partial_rotary_factor", self.config | self.rope)
        if share > 1:
            raise self.bad("partial_rotary_factor", share, "at most 1")
        self.rotated = int(share * self.head_dim)

    def layer(self, index: int) -> dict[str, Shape]:
        hidden, queries, keys = self.hidden_size, self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "input_layernorm.weight": (hidden,),
            "self_attn.qkv_proj.weight": (queries + 2 * keys, hidden),
            "self_attn.o_proj.weight": (hidden, queries),
            "post_attention_layernorm.weight": (hidden,),
            "mlp.gate_up_proj.weight": (2 * self.ffn_size, hidden),
            "mlp.down_proj.weight": (hidden, self.ffn_size),
        }

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        super().write_metadata(writer)
        # 0 is how llama.cpp knows Phi-4.
        writer.add_sliding_window(self.integer("sliding_window") if "sliding_window" in self.config else 0)

    def _write_rope(self, writer: gguf.GGUFWriter) -> None:
        trained, original = self.integer("max_position_embeddings"), self.integer("original_max_position_embeddings")
        writer.add_rope_freq_base(self.number("rope_theta", self.rope))
        writer.add_rope_dimension_count(self.rotated)
        writer.add_rope_scaling_orig_ctx_len(original)
        if self.rope["rope_type"] != "default":
            if original == 1:
                raise self.bad("original_max_position_embeddings", original, "more than 1")
            stretch = math.log(max(trained / original, 1)) / math.log(original)
            writer.add_rope_scaling_attn_factors(math.sqrt(1 + stretch))

    def extra_tensors(self) -> Iterator[tuple[str, LazyTensor]]:
        if self.rope["rope_type"] != "default":
            for length in ("long", "short"):
                yield f"rope_factors_{length}.weight", computed(self._factors(f"{length}_factor"))

    def _factors(self, key: str) -> NDArray[np.float32]:
        values = self.rope.get(key)
        if not isinstance(values, list) or len(values) != self.rotated // 2:
            raise self.bad(key, values, f"a list of {self.rotated // 2} numbers, one for each pair that is rotated")
        return np.array([self.number(key, {key: value}) for value in values], np.float32)

    def vocabulary(self, pre: str | None = None) -> vocab.Vocabulary:
        return vocab.read_phi3(self.checkpoint, self.vocab_size, pre)
