"""Gemma 2: norms before and after both halves of a layer, and every other layer sees only the last tokens.

Norms are stored as their difference from one: the one is added here, in F32 as transformers does it (llama.cpp's own
converter adds it in F16 where the checkpoint is F16). Logits, and attention scores before the softmax, are kept within
±cap. The head is the embedding. Rows of the embedding beyond the vocabulary are left out.
Source: transformers' configuration_gemma2.py and modeling_gemma2.py; arXiv 2408.00118.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gguf
import numpy as np

from convert.architectures.architecture import Architecture, Shape
from convert.tensors import LazyTensor
from convert.tokenizer import vocab

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint

EMBEDDING = "model.embed_tokens.weight"
COMPUTED: dict[str, tuple[Any, ...]] = {
    "hidden_activation": ("gelu_pytorch_tanh",),
    "use_bidirectional_attention": (False,),
}
SLIDING, FULL = "sliding_attention", "full_attention"


class Gemma2(Architecture):
    names: ClassVar[tuple[str, ...]] = ("Gemma2ForCausalLM",)
    arch = gguf.MODEL_ARCH.GEMMA2
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 256_000,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "sliding_window_pattern": 2,
        "final_logit_softcapping": 30.0,
        "attn_logit_softcapping": 50.0,
    }
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = COMPUTED | {"tie_word_embeddings": (True,)}
    ropes: ClassVar[tuple[str, ...]] = ("default", "linear")
    skipped: ClassVar[tuple[str, ...]] = ("lm_head.",)
    norms_add_one: ClassVar[bool] = True
    # Attention is scaled by 1/√head_dim; llama.cpp knows the 27B, where it is otherwise, by its layers.
    layers_of_27b: ClassVar[int] = 46

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self.sliding = self._sliding()
        self._check()

    def _check(self) -> None:
        """What llama.cpp takes for granted."""
        self._check_scale()
        for key in ("attn_logit_softcapping", "final_logit_softcapping"):
            self.number(key)
        if not any(self.sliding):
            raise self.bad("layer_types", self.config.get("layer_types"), "a list with sliding layers")

    def _check_scale(self) -> None:
        scalar = self.hidden_size // self.heads if self.layers == self.layers_of_27b else self.head_dim
        if self.number("query_pre_attn_scalar") != scalar:
            raise self.bad("query_pre_attn_scalar", self.config["query_pre_attn_scalar"], f"llama.cpp's {scalar}")

    def _sliding(self) -> list[bool]:
        """Of every layer, whether it sees only the last tokens."""
        kinds = self.config.get("layer_types")
        if kinds is None:
            return self._pattern(self.integer("sliding_window_pattern"))
        if not isinstance(kinds, list) or len(kinds) != self.layers or any(k not in (SLIDING, FULL) for k in kinds):
            raise self.bad("layer_types", kinds, f"a list of {self.layers} times {SLIDING} or {FULL}")
        return [kind == SLIDING for kind in kinds]

    def _pattern(self, every: int) -> list[bool]:
        return [bool((index + 1) % every) for index in range(self.layers)]

    def layer(self, index: int) -> dict[str, Shape]:
        norms = ("pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight")
        return super().layer(index) | dict.fromkeys(norms, (self.hidden_size,))

    def shapes(self) -> dict[str, Shape]:
        shapes = super().shapes()
        for name, tensor in self.checkpoint.tensors.items():
            if self.plain_name(name) == EMBEDDING and tensor.shape:
                shapes[EMBEDDING] = (max(tensor.shape[0], self.vocab_size), self.hidden_size)
        return shapes

    def convert(self, name: str, tensor: LazyTensor) -> Iterator[tuple[str, LazyTensor]]:
        if name == EMBEDDING and tensor.shape[0] > self.vocab_size:
            tensor = tensor.take(np.arange(self.vocab_size))
        elif self.norms_add_one and name.endswith("norm.weight"):
            tensor = tensor.map(lambda rows, _: rows + 1)
        yield from super().convert(name, tensor)

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        super().write_metadata(writer)
        if "attn_logit_softcapping" in self.config:
            writer.add_attn_logit_softcapping(self.number("attn_logit_softcapping"))
        if "final_logit_softcapping" in self.config:
            writer.add_final_logit_softcapping(self.number("final_logit_softcapping"))

    def _write_layers(self, writer: gguf.GGUFWriter) -> None:
        super()._write_layers(writer)
        if any(self.sliding):
            writer.add_sliding_window(self.integer("sliding_window"))
            if self.sliding != self._pattern(self.defaults["sliding_window_pattern"]):  # llama.cpp's default too
                writer.add_sliding_window_pattern(self.sliding)

    def _write_rope(self, writer: gguf.GGUFWriter) -> None:
        if self.rope_sliding or self.rope != {"rope_theta": 10_000.0, "rope_type": "default"}:  # llama.cpp's default
            super()._write_rope(writer)

    def vocabulary(self, pre: str | None = None) -> vocab.Vocabulary:
        vocabulary = super().vocabulary(pre)
        if vocabulary.model == "llama":
            vocabulary.add_space_prefix = False
        return vocabulary
