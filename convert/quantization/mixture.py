"""The types that llama.cpp's built-in mixtures give to the tensors of a model, recomputed from its header.

The rules are those of ``src/llama-quant.cpp`` in the llama.cpp that ``models.llama`` is built on (MIT licence). They
count layers as they go, and a tensor that is overridden by the caller is not counted: every later layer then gets
another layer's type. So we know the whole mixture before anything starts, and override every tensor.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from convert.quantization.tensor_types import BLOCKS, FLOATS, fitting
from models.errors import ModelError
from models.gguf_header import FILE_TYPES, Header, Tensor

# mixture -> the type of most tensors
MIXTURES = {
    "F32": "F32", "BF16": "BF16", "F16": "F16", "Q8_0": "Q8_0", "Q6_K": "Q6_K", "Q5_K_M": "Q5_K", "Q5_K_S": "Q5_K",
    "Q5_1": "Q5_1", "Q5_0": "Q5_0", "Q4_K_M": "Q4_K", "Q4_K_S": "Q4_K", "Q4_1": "Q4_1", "Q4_0": "Q4_0",
    "IQ4_NL": "IQ4_NL", "IQ4_XS": "IQ4_XS", "Q3_K_L": "Q3_K", "Q3_K_M": "Q3_K", "Q3_K_S": "Q3_K", "IQ3_M": "IQ3_S",
    "IQ3_S": "IQ3_S", "IQ3_XS": "IQ3_S", "IQ3_XXS": "IQ3_XXS", "Q2_K": "Q2_K", "Q2_K_S": "Q2_K", "IQ2_M": "IQ2_S",
    "IQ2_S": "IQ2_XS", "IQ2_XS": "IQ2_XS", "IQ2_XXS": "IQ2_XXS", "IQ1_M": "IQ1_M", "IQ1_S": "IQ1_S", "TQ2_0": "TQ2_0",
    "TQ1_0": "TQ1_0", "MXFP4_MOE": "MXFP4", "Q2_0": "Q2_0", "Q1_0": "Q1_0",
}  # fmt: skip
FILE_TYPE_IDS = {name: number for number, name in FILE_TYPES.items() if name in MIXTURES}

_VERY_LOW = ("IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ1_S", "IQ1_M")
_NEED_IMATRIX = ("IQ3_XXS", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_M", "IQ1_S")
_CANNOT_WITHOUT = ("IQ2_XXS", "IQ2_XS", "IQ1_S")  # for any tensor: ggml would end the process
_EMBEDDINGS = {
    "IQ2_XXS": "Q2_K", "IQ2_XS": "Q2_K", "IQ1_S": "Q2_K", "IQ1_M": "Q2_K", "IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S",
    "IQ3_XXS": "IQ3_S", "TQ1_0": "Q4_K", "TQ2_0": "Q4_K", "Q2_0": "Q4_K",
}  # fmt: skip
_ATTENTION_OUTPUT = {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K"}
_ATTENTION_OUTPUT_OF_8_EXPERTS = (
    "Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ3_S", "IQ3_M", "IQ4_XS",
)  # fmt: skip

_CATEGORIES = (
    "attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight", "attn_k.weight", "attn_q.weight", "attn_output.weight",
    "ffn_up", "ffn_gate", "ffn_down",
)  # fmt: skip
_VALUES = ("attn_v", "attn_qkv", "attn_kv_b")  # tensors that hold attention's values: the ones that suffer most
_LAYER = re.compile(r"blk\.(\d+)")

# Parts of names that llama.cpp leaves alone: small, or no factor of a matrix product.
_KEPT = (
    "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj",
    "ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight", "time_mix_first.weight",
    "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight", "time_mix_v0.weight", "time_mix_v1.weight",
    "time_mix_v2.weight", "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight",
    "time_mix_g2.weight", "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight",
    "attn_rel_b.weight", ".position_embd", "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd",
    ".patch_merger", "a.rvq.codebook", "mm.a.code_embd",
)  # fmt: skip
_KEPT_WHOLE = ("position_embd.weight", "token_types.weight")
_KEPT_GLM5 = (
    "hc_", "indexer.attn_q_b", "indexer.attn_k", "indexer.proj", "indexer_compressor_gate", "indexer_compressor_ape",
    "ssm_f_a.weight", "ssm_f_b.weight", "ssm_g_a.weight", "ssm_g_b.weight", "ssm_beta.weight", "attn_kv_a_mqa.weight",
    "attn_k_b.weight", "attn_v_b.weight",
)  # fmt: skip
_Q8_OF_GLM5 = ("attn_q_a", "attn_q_b", "nextn.eh_proj")
_LAYERS_OF_70B = {"llama": 80, "llama-embed": 80, "qwen2": 80, "deci": 80, "olmo": 80, "jais2": 68}


class Choice(NamedTuple):
    """``wanted``: the mixture's type; ``type``: that, or another where its blocks do not divide the tensor's rows."""

    tensor: Tensor
    wanted: str
    type: str


def choices(header: Header, name: str, has_imatrix: bool) -> Iterator[Choice]:
    """The type of every tensor in the mixture ``name``, in the order in which llama.cpp writes them."""
    rules = _Rules(header, name, has_imatrix)
    default = MIXTURES[name]
    for tensor in ordered(header):
        if not quantizable(tensor, header.architecture):
            yield Choice(tensor, tensor.type, tensor.type)
        elif default in FLOATS:
            yield Choice(tensor, default, default)
        else:
            wanted = rules.wanted(tensor)
            yield Choice(tensor, wanted, fitting(wanted, tensor))


def ordered(header: Header) -> list[Tensor]:
    """As llama.cpp goes through them: those of no layer, then layer by layer, by name."""
    return sorted(header.tensors, key=lambda tensor: (layer_of(tensor.name), tensor.name))


def layer_of(name: str) -> int:
    """-1: it belongs to no layer."""
    found = _LAYER.match(name)
    return int(found[1]) if found else -1


def category(name: str) -> str:
    """What a tensor is for, as far as mixtures tell tensors apart."""
    if name == "output.weight":
        return "output"
    if name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return "token_embd"
    return next((part.removesuffix(".weight") for part in _CATEGORIES if part in name), "other")


def quantizable(tensor: Tensor, architecture: str) -> bool:
    """Matrices whose name ends in ``weight``, but for norms and what is small."""
    name = tensor.name
    kept = _KEPT + _KEPT_GLM5 if architecture == "glm5-next" else _KEPT
    return (
        any(length > 1 for length in tensor.shape[1:])
        and name.endswith("weight")
        and name not in _KEPT_WHOLE
        and not any(part in name for part in kept)
    )


def needs_imatrix(tensor: str, type: str, mixture: str) -> bool:
    """llama.cpp refuses these without an importance matrix: the result would be garbage."""
    if category(tensor) in ("token_embd", "output"):
        return type in _CANNOT_WITHOUT
    return type in _NEED_IMATRIX or (type == "Q2_K" and mixture == "Q2_K_S")


class _Rules:
    """Goes through the tensors in llama.cpp's order, and counts."""

    def __init__(self, header: Header, name: str, has_imatrix: bool):
        self.name, self.default, self.has_imatrix = name, MIXTURES[name], has_imatrix
        self.architecture, self.layers = header.architecture, header.layers
        self.experts = header.number("expert_count")
        heads = _of_first_layer(header, "attention.head_count", 0)
        kv_heads = _of_first_layer(header, "attention.head_count_kv", heads)
        self.shared_values = kv_heads > 0 and heads // kv_heads >= 4
        self.is_70b = (
            self.layers - header.number("nextn_predict_layers") == _LAYERS_OF_70B.get(self.architecture)
            and not (self.architecture.startswith("llama") and heads == kv_heads)
        )  # fmt: skip
        names = [tensor.name for tensor in header.tensors]
        self.tied = "output.weight" not in names
        self.values = sum(category(name) in _VALUES for name in names)
        self.seen: Counter[str] = Counter()

    def wanted(self, tensor: Tensor) -> str:
        kind = category(tensor.name)
        if self.architecture == "glm5-next" and any(part in tensor.name for part in _Q8_OF_GLM5):
            return "Q8_0"
        if kind == "output" or (kind == "token_embd" and self.tied):
            return self._output(tensor)
        if self.name == "MXFP4_MOE":
            experts = len(tensor.shape) > 2 and tensor.shape[2] > 1
            return "MXFP4" if experts and (self.architecture != "bailingmoe3" or kind.startswith("ffn")) else "Q8_0"
        if kind == "token_embd":
            return _EMBEDDINGS.get(self.name, self.default)
        if self.name in _VERY_LOW:
            return self._very_low(kind)
        if kind in _VALUES:
            return self._attention_values()
        if kind in ("attn_k", "attn_q"):
            if kind == "attn_k" and self.experts == 8:
                return "Q8_0"
            return {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}.get(self.name, self.default)
        if kind == "ffn_down":
            return self._ffn_down(self._layer(kind, tensor.name))
        if kind == "attn_output":
            return self._attention_output()
        if kind in ("ffn_gate", "ffn_up"):
            layer = self._layer(kind, tensor.name)
            middle = self.layers // 8 <= layer < 7 * self.layers // 8
            return "IQ3_XXS" if self.name == "IQ3_XS" and middle else self.default
        return self.default

    def _layer(self, kind: str, name: str) -> int:
        """With experts it stands in the name; without, tensors of this kind are counted."""
        counted = self.seen[kind]
        self.seen[kind] += 1
        if self.experts < 2:
            return counted
        if not 0 <= (layer := layer_of(name)) < self.layers:
            raise ModelError(f"{name} belongs to no layer of the model, so it cannot be quantized.")
        return layer

    def _more_bits(self, layer: int, layers: int) -> bool:
        """The first and the last eighth, and every third layer between."""
        eighth = layers // 8
        return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2

    def _output(self, tensor: Tensor) -> str:
        row_fits = tensor.shape[0] % BLOCKS[self.default][0] == 0
        if self.name in ("MXFP4_MOE", "Q8_0") or self.architecture == "falcon" or not row_fits:
            return "Q8_0"
        return "Q5_K" if self.name in (*_VERY_LOW, "IQ3_XXS") else "Q6_K"

    def _very_low(self, kind: str) -> str:
        better = "IQ3_S" if self.name in ("IQ2_S", "IQ2_M") else None
        if kind in _VALUES:
            return "Q4_K" if self.shared_values or self.experts >= 4 else better or "Q2_K"
        if kind == "attn_k" and self.experts == 8:
            return "Q4_K"
        if kind == "ffn_down":
            self.seen[kind] += 1
            return better or "Q2_K" if self.seen[kind] <= self.layers // 8 else self.default
        if kind == "attn_output":
            if self.experts == 8:
                return "Q5_K"
            return better or ("IQ2_XXS" if self.name in ("IQ1_S", "IQ1_M") else self.default)
        return self.default

    def _attention_values(self) -> str:
        layer = self.seen["values"]
        self.seen["values"] += 1
        type = self.default
        match self.name:
            case "Q2_K":
                type = "Q4_K" if self.shared_values else "Q3_K"
            case "Q2_K_S" | "IQ3_XS" | "IQ3_S" if self.shared_values:
                type = "Q4_K"
            case "IQ3_XXS":
                type = "Q4_K" if self.shared_values else "IQ3_XXS" if self.has_imatrix else "IQ3_S"
            case "IQ3_M":
                type = "Q4_K"
            case "Q3_K_M":
                type = "Q5_K" if layer < 2 else "Q4_K"
            case "Q3_K_L":
                type = "Q5_K"
            case "IQ4_NL" | "IQ4_XS" if self.shared_values:
                type = "Q5_K"
            case "Q4_K_M" | "Q5_K_M" if self._more_bits(layer, self.values):
                type = "Q6_K"
            case "Q4_K_S" if layer < 4:
                type = "Q5_K"
        if self.is_70b and type in ("Q3_K", "Q4_K"):
            type = "Q5_K"
        return "Q8_0" if self.experts == 8 else type

    def _ffn_down(self, layer: int) -> str:
        first = layer < self.layers // 8
        more = self._more_bits(layer, self.layers)
        falcon = self.architecture == "falcon"
        match self.name:
            case "Q2_K":
                return "Q3_K"
            case "Q2_K_S" if first:
                return "Q4_K"
            case "IQ3_XXS" if not self.has_imatrix:
                return "Q4_K" if first else "Q3_K"
            case "Q3_K_M":
                return "Q5_K" if layer < self.layers // 16 else "Q4_K" if more or not falcon else "Q3_K"
            case "IQ3_M" if first or (self.experts == 8 and more):
                return "Q4_K"
            case "Q3_K_L":
                return "Q4_K" if falcon else "Q5_K"
            case "Q4_K_M" if falcon:
                return "Q6_K" if layer < self.layers // 16 else "Q5_K" if more else "Q4_K"
            case "Q4_K_M" | "Q5_K_M" if more:
                return "Q6_K"
            case "IQ4_NL" | "IQ4_XS" if first and not self.has_imatrix:
                return "Q5_K"
            case "Q4_K_S" if first and not falcon:
                return "Q5_K"
            case "Q4_0" | "Q5_0" if first and self.has_imatrix:
                return "Q4_1" if self.name == "Q4_0" else "Q5_1"
        return self.default

    def _attention_output(self) -> str:
        if self.architecture == "falcon":
            return "Q4_K" if self.name == "Q3_K_L" else self.default
        if self.experts == 8:
            return "Q5_K" if self.name in _ATTENTION_OUTPUT_OF_8_EXPERTS else self.default
        return _ATTENTION_OUTPUT.get(self.name, self.default)


def _of_first_layer(header: Header, key: str, default: int) -> int:
    value = header.metadata.get(f"{header.architecture}.{key}", default)
    if isinstance(value, list):
        value = value[0] if value else default
    return value if isinstance(value, int) else default
