"""Independent numpy forward passes: what a checkpoint computes, from its folder alone and in float64.

It shares no code with ``convert``: its own safetensors reader, Hugging Face names, Hugging Face order of rotary pairs.
Every rule is that of ``transformers`` 5 (``models/*/modeling_*.py``, ``modeling_rope_utils.py``), whose numbers it
gives within float32 rounding; papers are named where a rule has one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def logits(folder: Path, tokens: Sequence[int]) -> NDArray[np.float32]:
    """Logits after every token of one text, of shape (tokens, vocabulary)."""
    config = json.loads((folder / "config.json").read_text())
    config |= config.get("text_config", {})
    return _Forward(config, _weights(folder)).logits(np.asarray(tokens)).astype(np.float32)


def _weights(folder: Path) -> dict[str, Array]:
    """All tensors, without the prefix of their model: ``layers.0.mlp.up_proj.weight``."""
    weights = {}
    for file in sorted(folder.glob("*.safetensors")):
        data = file.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        for name, stored in json.loads(data[8:start]).items():
            if name != "__metadata__":
                begin, end = stored["data_offsets"]
                values = _floats(data[start + begin : start + end], stored["dtype"])
                name = name.replace("language_model.", "").removeprefix("model.")
                weights[name] = values.reshape(stored["shape"]).astype(np.float64)
    return {name: _dequantized(name, weights) for name in weights}


def _floats(data: bytes, dtype: str) -> NDArray[Any]:
    if dtype == "BF16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    if dtype == "F8_E4M3":  # sign, 4 bits of exponent (bias 7), 3 of mantissa: arXiv 2209.05433
        bits = np.frombuffer(data, np.uint8).astype(np.int64)
        exponent, mantissa = bits >> 3 & 15, bits & 7
        size = np.where(exponent, (8 + mantissa) * 2.0 ** (exponent - 10.0), mantissa * 2.0**-9)
        return np.where(bits & 128, -size, size)
    return np.frombuffer(data, {"F32": np.float32, "F16": np.float16, "F64": np.float64}[dtype])


def _dequantized(name: str, weights: dict[str, Array]) -> Array:
    """FP8 weights have a scale: one for all, or one for every block of 128 × 128."""
    weight, scale = weights[name], weights.get(f"{name}_scale_inv")
    if scale is None or scale.size == 1:
        return weight if scale is None else weight * scale.reshape(())
    blocks = np.repeat(np.repeat(scale, 128, axis=0), 128, axis=1)
    return weight * blocks[: weight.shape[0], : weight.shape[1]]


def _silu(x: Array) -> Array:
    activated: Array = x / (1 + np.exp(-x))
    return activated


def _gelu(x: Array) -> Array:
    """With tanh instead of the error function: ``gelu_pytorch_tanh``."""
    activated: Array = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return activated


def _soft_cap(x: Array, cap: float | None) -> Array:
    """Keeps logits within ±cap: Gemma 2, arXiv 2408.00118."""
    return cap * np.tanh(x / cap) if cap else x


class _Forward:
    def __init__(self, config: dict[str, Any], weights: dict[str, Array]):
        self.config, self.weights = config, weights
        kind = config["model_type"].removesuffix("_text")
        self.kind: str = {"mistral3": "ministral3"}.get(kind, kind)
        self.gemma = self.kind.startswith("gemma")
        self.heads: int = config["num_attention_heads"]
        self.layers: int = config["num_hidden_layers"]
        self.layer_types = self._layer_types()
        self.shared: dict[str, tuple[Array, Array]] = {}

    def logits(self, tokens: NDArray[np.integer]) -> Array:
        config, weights = self.config, self.weights
        x = weights["embed_tokens.weight"][tokens]
        if self.gemma:
            x = x * math.sqrt(config["hidden_size"])
        x = x * config.get("embedding_multiplier", 1.0)  # granite
        extra = self._per_layer_inputs(tokens, x)
        for layer in range(self.layers):
            x = self._layer(layer, x, None if extra is None else extra[:, layer])
        x = self._norm(x, "norm") @ weights.get("lm_head.weight", weights["embed_tokens.weight"]).T
        return _soft_cap(x / config.get("logits_scaling", 1.0), config.get("final_logit_softcapping"))

    def _layer(self, layer: int, x: Array, extra: Array | None) -> Array:
        name, residual = f"layers.{layer}", self.config.get("residual_multiplier", 1.0)  # granite
        attended = self._attention(layer, self._norm(x, f"{name}.input_layernorm"))
        if self.gemma:  # norms before and after both halves
            x = x + self._norm(attended, f"{name}.post_attention_layernorm")
            fed = self._feed_forward(f"{name}.mlp", self._norm(x, f"{name}.pre_feedforward_layernorm"))
            x = x + self._norm(fed, f"{name}.post_feedforward_layernorm")
        else:
            x = x + attended * residual
            x = x + self._feed_forward(f"{name}.mlp", self._norm(x, f"{name}.post_attention_layernorm")) * residual
        if extra is not None:
            gated = self._linear(
                f"{name}.per_layer_projection", _gelu(self._linear(f"{name}.per_layer_input_gate", x)) * extra
            )
            x = x + self._norm(gated, f"{name}.post_per_layer_input_norm")
        return x * self.weights.get(f"{name}.layer_scalar", 1.0)

    def _attention(self, layer: int, x: Array) -> Array:
        """Grouped-query attention, arXiv 2305.13245."""
        config, name, kind = self.config, f"layers.{layer}.self_attn", self.layer_types[layer]
        head_dim = config.get("head_dim") or config["hidden_size"] // self.heads
        if self.kind == "gemma4" and kind == "full_attention":
            head_dim = config["global_head_dim"]
        turn = self._rotation(kind, head_dim, len(x)) if self._has_rope(layer) else None
        if f"{name}.qkv_proj.weight" in self.weights:  # phi3
            fused = self._linear(f"{name}.qkv_proj", x)
            pair = config["num_key_value_heads"] * head_dim
            q, k, v = np.split(fused, [self.heads * head_dim, self.heads * head_dim + pair], axis=-1)
        else:
            q = self._linear(f"{name}.q_proj", x)
            k = self._linear(f"{name}.k_proj", x) if f"{name}.k_proj.weight" in self.weights else x
            v = self._linear(f"{name}.v_proj", x) if f"{name}.v_proj.weight" in self.weights else k
        q = self._rotated(self._head_norm(f"{name}.q_norm", q.reshape(len(x), -1, head_dim)), turn)
        if layer < self.layers - config.get("num_kv_shared_layers", 0):
            k = self._rotated(self._head_norm(f"{name}.k_norm", k.reshape(len(x), -1, head_dim)), turn)
            v = v.reshape(len(x), -1, head_dim)
            if self.kind == "gemma4":
                v = self._rms(v)
            self.shared[kind] = k, v
        else:  # gemma4: the last layer of this kind that has its own
            k, v = self.shared[kind]
        if beta := self._rope(kind).get("llama_4_scaling_beta"):  # ministral3, arXiv 2501.19399
            steps = np.arange(len(x)) // self._rope(kind)["original_max_position_embeddings"]
            q = q * (1 + beta * np.log1p(steps))[:, None, None]
        groups = self.heads // k.shape[1]
        k, v = np.repeat(k, groups, axis=1), np.repeat(v, groups, axis=1)
        scores = _soft_cap(
            np.einsum("qhd,khd->hqk", q, k) * self._scale(head_dim), config.get("attn_logit_softcapping")
        )
        distance = np.arange(len(x))[:, None] - np.arange(len(x))
        seen = distance >= 0
        if kind == "sliding_attention":
            seen &= distance < config["sliding_window"]
        scores = np.where(seen, scores, -np.inf)
        odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = np.einsum("hqk,khd->qhd", odds / odds.sum(axis=-1, keepdims=True), v)
        return self._linear(f"{name}.o_proj", mixed.reshape(len(x), -1))

    def _feed_forward(self, name: str, x: Array) -> Array:
        """Gated, arXiv 2002.05202."""
        if f"{name}.gate_up_proj.weight" in self.weights:  # phi3
            gate, up = np.split(self._linear(f"{name}.gate_up_proj", x), 2, axis=-1)
        else:
            gate, up = self._linear(f"{name}.gate_proj", x), self._linear(f"{name}.up_proj", x)
        return self._linear(f"{name}.down_proj", (_gelu if self.gemma else _silu)(gate) * up)

    def _per_layer_inputs(self, tokens: NDArray[np.integer], x: Array) -> Array | None:
        """Gemma 4: a second, small embedding for every layer, of shape (tokens, layers, size)."""
        size = self.config.get("hidden_size_per_layer_input") if self.kind == "gemma4" else None
        if not size:
            return None
        shape = (len(tokens), self.layers, size)
        projected = self._linear("per_layer_model_projection", x).reshape(shape) / math.sqrt(self.config["hidden_size"])
        looked_up = self.weights["embed_tokens_per_layer.weight"][tokens].reshape(shape) * math.sqrt(size)
        both: Array = (self._norm(projected, "per_layer_projection_norm") + looked_up) / math.sqrt(2)
        return both

    def _linear(self, name: str, x: Array) -> Array:
        return x @ self.weights[f"{name}.weight"].T + self.weights.get(f"{name}.bias", 0.0)

    def _rms(self, x: Array) -> Array:
        """arXiv 1910.07467"""
        normed: Array = x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + self.config["rms_norm_eps"])
        return normed

    def _norm(self, x: Array, name: str) -> Array:
        offset = 1.0 if self.kind in ("gemma2", "gemma3") else 0.0
        return self._rms(x) * (self.weights[f"{name}.weight"] + offset)

    def _head_norm(self, name: str, x: Array) -> Array:
        """qwen3, gemma3, gemma4"""
        return self._norm(x, name) if f"{name}.weight" in self.weights else x

    def _scale(self, head_dim: int) -> float:
        if self.kind == "granite":
            return float(self.config["attention_multiplier"])
        if self.kind == "gemma4":
            return 1.0
        return float(self.config.get("query_pre_attn_scalar", head_dim) ** -0.5)

    def _layer_types(self) -> list[str]:
        if given := self.config.get("layer_types"):
            return list(given)
        every = {"gemma2": 2, "gemma3": self.config.get("sliding_window_pattern", 6)}.get(self.kind)
        if every:
            return ["sliding_attention" if (layer + 1) % every else "full_attention" for layer in range(self.layers)]
        windowed = self.kind in ("mistral", "ministral3", "phi3") and self.config.get("sliding_window")
        return ["sliding_attention" if windowed else "full_attention"] * self.layers

    def _has_rope(self, layer: int) -> bool:
        """SmolLM3 leaves every fourth layer without, arXiv 2501.18795."""
        if self.kind != "smollm3":
            return True
        given = self.config.get("no_rope_layers")
        return bool(given[layer] if given else (layer + 1) % self.config.get("no_rope_layer_interval", 4))

    def _rope(self, kind: str) -> dict[str, Any]:
        """Parameters of the rotary embedding, from the keys of transformers 5 or 4."""
        config = self.config
        given = config.get("rope_parameters") or config.get("rope_scaling") or {}
        theta = config.get("rope_theta", 10_000.0)
        if self.kind == "gemma3" and kind not in given:
            if kind == "sliding_attention":
                given, theta = {}, config.get("rope_local_base_freq", 10_000.0)
            else:
                theta = config.get("rope_theta", 1_000_000.0)
        rope = {"rope_theta": theta, "partial_rotary_factor": config.get("partial_rotary_factor", 1.0)}
        rope |= given.get(kind, given)
        rope.setdefault("rope_type", rope.get("type", "default"))
        rope.setdefault("original_max_position_embeddings", config.get("original_max_position_embeddings"))
        return rope

    def _rotation(self, kind: str, head_dim: int, length: int) -> tuple[Array, Array]:
        """Cosines and sines of shape (length, 1, pairs): arXiv 2104.09864, and what stretches it."""
        rope = self._rope(kind)
        how, base, original = rope["rope_type"], rope["rope_theta"], rope["original_max_position_embeddings"]
        turned = head_dim if how == "proportional" else int(head_dim * rope["partial_rotary_factor"])
        frequency = base ** (-np.arange(0, turned, 2) / turned)
        size = 1.0
        if how == "linear":
            frequency = frequency / rope["factor"]
        elif how == "proportional":  # gemma4: the rest of the pairs stand still
            frequency[int(rope["partial_rotary_factor"] * head_dim // 2) :] = 0
            frequency = frequency / rope.get("factor", 1.0)
        elif how == "llama3":  # long waves are stretched, short ones are not, with a ramp between (Llama 3.1)
            low, high = rope["low_freq_factor"], rope["high_freq_factor"]
            keep = np.clip((original * frequency / (2 * math.pi) - low) / (high - low), 0, 1)
            frequency = frequency * (keep + (1 - keep) / rope["factor"])
        elif how == "yarn":  # arXiv 2309.00071
            first, last = (
                turned * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))
                for turns in (rope.get("beta_fast") or 32, rope.get("beta_slow") or 1)
            )
            low, high = max(math.floor(first), 0), min(math.ceil(last), turned - 1)
            keep = 1 - np.clip((np.arange(turned // 2) - low) / max(high - low, 0.001), 0, 1)
            frequency = frequency * (keep + (1 - keep) / rope["factor"])
            size = rope.get("attention_factor") or self._yarn_size(rope, "mscale") / self._yarn_size(
                rope, "mscale_all_dim"
            )
        elif how in ("longrope", "su"):  # phi3: factors by the length of the text, arXiv 2402.13753
            frequency = frequency / np.asarray(rope["long_factor" if length > original else "short_factor"])
            stretch = self.config["max_position_embeddings"] / original
            size = math.sqrt(1 + math.log(stretch) / math.log(original)) if stretch > 1 else 1.0
        elif how != "default":
            raise NotImplementedError(how)
        angle = np.outer(np.arange(length), frequency)[:, None]
        return np.cos(angle) * size, np.sin(angle) * size

    @staticmethod
    def _yarn_size(rope: dict[str, Any], key: str) -> float:
        if not (rope.get("mscale") and rope.get("mscale_all_dim")):
            return 0.1 * math.log(rope["factor"]) + 1 if key == "mscale" else 1.0
        return float(0.1 * rope[key] * math.log(rope["factor"]) + 1)

    @staticmethod
    def _rotated(x: Array, turn: tuple[Array, Array] | None) -> Array:
        """Pairs are (i, i + half) of the part that turns; what is beyond it stays."""
        if turn is None:
            return x
        cos, sin = turn
        half = cos.shape[-1]
        a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
        return np.concatenate((a * cos - b * sin, b * cos + a * sin, rest), axis=-1)
