"""Gemma 4 without experts, its language model alone: Gemma 2 with layers that differ more.

Norms are stored whole. Full and sliding layers have heads of different sizes; in full ones only a part of each head is
rotated, which is a tensor of factors: a pair whose frequency is divided by 1e30 stands still. The last layers may take
keys and values from an earlier one, and have a wider feed-forward part; full ones may use the keys as values. Small
models have a second embedding, with a piece for every layer. Around stand a vision and an audio tower, which are
skipped. Source: transformers' configuration_gemma4.py and modeling_gemma4.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gguf
import numpy as np

from convert.architectures.architecture import Shape
from convert.architectures.gemma2 import COMPUTED, Gemma2
from convert.tensors import LazyTensor, computed
from convert.tokenizer import vocab
from models.errors import ModelError

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint

ROPE = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
    "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1_000_000.0},
}


class Gemma4(Gemma2):
    names = ("Gemma4ForCausalLM", "Gemma4ForConditionalGeneration")
    arch = gguf.MODEL_ARCH.GEMMA4
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 262_144,
        "vocab_size_per_layer_input": 262_144,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "global_head_dim": 512,
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "sliding_window": 512,
        "sliding_window_pattern": 6,
        "rope_parameters": ROPE,
        "hidden_size_per_layer_input": 256,
        "num_kv_shared_layers": 0,
    }
    fixed = COMPUTED | {"use_bidirectional_attention": ("vision", False)}  # "vision": images alone
    ropes = ("proportional",)
    skipped = ("vision_tower.", "audio_tower.", "embed_vision.", "embed_audio.")
    norms_add_one = False

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self.wide_head_dim = self.integer("global_head_dim")
        self.keys_are_values = self.config.get("attention_k_eq_v", False) is True
        self.wide_kv_heads = self.integer("num_global_key_value_heads") if self.keys_are_values else self.kv_heads
        if self.heads % self.wide_kv_heads:
            raise self.bad("num_global_key_value_heads", self.wide_kv_heads, f"a divisor of {self.heads}")
        self.double_wide = self.config.get("use_double_wide_mlp", False) is True
        self.per_layer = self._count("hidden_size_per_layer_input")
        self.own_kv = self.layers - self._count("num_kv_shared_layers")
        last_own = self.sliding[max(self.own_kv - 2, 0) : self.own_kv]
        if self.own_kv < self.layers and last_own != [True, False]:
            raise self.bad(
                "num_kv_shared_layers", self.layers - self.own_kv, "such that a sliding and a full layer end the others"
            )

    def _count(self, key: str) -> int:
        return self.integer(key) if self.config.get(key, 0) != 0 else 0

    def _check(self) -> None:
        if self.config.get("enable_moe_block"):
            raise ModelError(
                f"{self.file}: Gemma 4 with experts cannot be converted.", "The models without can: E2B, E4B, 31B."
            )
        self.number("final_logit_softcapping")  # llama.cpp caps at 30 where it is not given
        if self.sliding[-1] or not any(self.sliding):
            raise self.bad("layer_types", self.config.get("layer_types"), "sliding layers with a full one at the end")
        if self._count("hidden_size_per_layer_input"):
            rows = self.integer("vocab_size_per_layer_input")
            if rows != self.vocab_size:
                raise self.bad("vocab_size_per_layer_input", rows, "vocab_size")
        if self.rope_sliding.get("rope_type") != "default":
            raise self.bad("rope_type", self.rope_sliding.get("rope_type"), "default in sliding_attention")

    def layer(self, index: int) -> dict[str, Shape]:
        hidden, sliding = self.hidden_size, self.sliding[index]
        head_dim = self.head_dim if sliding else self.wide_head_dim
        keys = head_dim * (self.kv_heads if sliding else self.wide_kv_heads)
        ffn = self._ffn_sizes()[index]
        shapes = super().layer(index) | {
            "self_attn.q_proj.weight": (self.heads * head_dim, hidden),
            "self_attn.k_proj.weight": (keys, hidden),
            "self_attn.v_proj.weight": (keys, hidden),
            "self_attn.o_proj.weight": (hidden, self.heads * head_dim),
            "self_attn.q_norm.weight": (head_dim,),
            "self_attn.k_norm.weight": (head_dim,),
            "mlp.gate_proj.weight": (ffn, hidden),
            "mlp.up_proj.weight": (ffn, hidden),
            "mlp.down_proj.weight": (hidden, ffn),
            "layer_scalar": (1,),
        }
        if self.per_layer:
            shapes["per_layer_input_gate.weight"] = (self.per_layer, hidden)
            shapes["per_layer_projection.weight"] = (hidden, self.per_layer)
            shapes["post_per_layer_input_norm.weight"] = (hidden,)
        if self.keys_are_values and not sliding:
            del shapes["self_attn.v_proj.weight"]
        return shapes

    def shapes(self) -> dict[str, Shape]:
        shapes = super().shapes()
        if self.per_layer:
            size = self.layers * self.per_layer
            shapes["model.embed_tokens_per_layer.weight"] = (self.vocab_size, size)
            shapes["model.per_layer_model_projection.weight"] = (size, self.hidden_size)
            shapes["model.per_layer_projection_norm.weight"] = (self.per_layer,)
        # Layers that take keys and values from another one have weights for them in some files, used by nobody.
        present = {self.plain_name(name) for name in self.checkpoint.tensors}
        for index in range(self.own_kv, self.layers):
            for part in ("k_proj", "v_proj", "k_norm"):
                if (name := f"model.layers.{index}.self_attn.{part}.weight") not in present:
                    shapes.pop(name, None)
        return shapes

    def convert(self, name: str, tensor: LazyTensor) -> Iterator[tuple[str, LazyTensor]]:
        yield from super().convert(f"{name}.weight" if name.endswith("layer_scalar") else name, tensor)

    def extra_tensors(self) -> Iterator[tuple[str, LazyTensor]]:
        share = self.number("partial_rotary_factor", self.rope)
        if share > 1 or self.wide_head_dim % 2:
            raise self.bad("partial_rotary_factor", share, f"a part of {self.wide_head_dim} numbers in pairs")
        factors = np.full(self.wide_head_dim // 2, 1e30, np.float32)
        factors[: int(share * self.wide_head_dim / 2)] = self.number("factor", {"factor": 1.0} | self.rope)
        yield "rope_freqs.weight", computed(factors)

    def _ffn_sizes(self) -> list[int]:
        return [self.ffn_size * (2 if self.double_wide and index >= self.own_kv else 1) for index in range(self.layers)]

    def _write_layers(self, writer: gguf.GGUFWriter) -> None:
        writer.add_feed_forward_length(self._ffn_sizes() if self.double_wide else self.ffn_size)
        kv_heads = [self.kv_heads if sliding else self.wide_kv_heads for sliding in self.sliding]
        writer.add_head_count_kv(kv_heads if self.keys_are_values else self.kv_heads)
        writer.add_key_length(self.wide_head_dim)
        writer.add_value_length(self.wide_head_dim)
        writer.add_key_length_swa(self.head_dim)
        writer.add_value_length_swa(self.head_dim)
        writer.add_sliding_window(self.integer("sliding_window"))
        writer.add_sliding_window_pattern(self.sliding)
        writer.add_shared_kv_layers(self.layers - self.own_kv)
        writer.add_embedding_length_per_layer_input(self.per_layer)

    def _write_rope(self, writer: gguf.GGUFWriter) -> None:
        writer.add_rope_freq_base(self.number("rope_theta", self.rope))
        writer.add_rope_freq_base_swa(self.number("rope_theta", self.rope_sliding))
        writer.add_rope_dimension_count(self.wide_head_dim)
        writer.add_rope_dimension_count_swa(self.head_dim)

    def vocabulary(self, pre: str | None = None) -> vocab.Vocabulary:
        return vocab.read_gemma4(self.checkpoint, self.vocab_size)
