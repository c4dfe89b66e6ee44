"""What checkpoints look like, family by family: ``config.json`` of a real model with its sizes shrunk, and the shapes
of its tensors. Nothing here comes from ``convert``: it is the other side of the comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Config = dict[str, Any]
Shapes = dict[str, tuple[int, ...]]


def llama_layer(config: Config, index: int) -> Shapes:
    """A layer of Llama, with the biases that ``config`` asks for."""
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    head_dim = config.get("head_dim") or hidden // config["num_attention_heads"]
    queries, keys = config["num_attention_heads"] * head_dim, config["num_key_value_heads"] * head_dim
    shapes: Shapes = {
        "input_layernorm.weight": (hidden,),
        "mlp.down_proj.weight": (hidden, ffn),
        "mlp.gate_proj.weight": (ffn, hidden),
        "mlp.up_proj.weight": (ffn, hidden),
        "post_attention_layernorm.weight": (hidden,),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.o_proj.weight": (hidden, queries),
        "self_attn.q_proj.weight": (queries, hidden),
        "self_attn.v_proj.weight": (keys, hidden),
    }
    for part, key in (("self_attn", "attention_bias"), ("mlp", "mlp_bias")):
        if config.get(key):
            shapes |= _biases(shapes, part)
    return shapes


def qwen2_layer(config: Config, index: int) -> Shapes:
    shapes = llama_layer(config, index)
    return shapes | {name: shape for name, shape in _biases(shapes, "self_attn").items() if "o_proj" not in name}


def qwen3_layer(config: Config, index: int) -> Shapes:
    norm = (config["head_dim"],)
    return llama_layer(config, index) | {"self_attn.k_norm.weight": norm, "self_attn.q_norm.weight": norm}


def _biases(shapes: Shapes, part: str) -> Shapes:
    return {n.replace(".weight", ".bias"): shape[:1] for n, shape in shapes.items() if n.startswith(f"{part}.")}


@dataclass(frozen=True)
class Family:
    """
    Attributes:
        config: ``config.json``.
        tokenizer: the kind that the checkpoint comes with.
        layer: shapes of a layer's tensors: (config, index).
        more: shapes of tensors outside layers, besides embedding, norm and head.
        prefix: before every tensor name.
        others: tensors that are no part of the language model.
        norm: about which the weights of norms are: 0 where the model adds 1.
    """

    config: Config
    tokenizer: str
    layer: Callable[[Config, int], Shapes] = llama_layer
    more: Callable[[Config], Shapes] = lambda config: {}
    prefix: str = ""
    others: Shapes = field(default_factory=dict)
    norm: float = 1.0

    def shapes(self, config: Config) -> Shapes:
        shapes: Shapes = {"model.embed_tokens.weight": (config["vocab_size"], config["hidden_size"])}
        if not config.get("tie_word_embeddings", self.config.get("tie_word_embeddings")):
            shapes["lm_head.weight"] = shapes["model.embed_tokens.weight"]
        for index in range(config["num_hidden_layers"]):
            for name, shape in self.layer(config, index).items():
                shapes[f"model.layers.{index}.{name}"] = shape
        return shapes | {"model.norm.weight": (config["hidden_size"],)} | self.more(config)


SIZES: Config = {
    "hidden_act": "silu",
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "vocab_size": 384,
    "torch_dtype": "bfloat16",
}

FAMILIES: dict[str, Family] = {
    # Llama 3.2: tied, factors for the frequencies
    "llama": Family(
        SIZES
        | {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "attention_bias": False,
            "head_dim": 16,
            "max_position_embeddings": 131072,
            "mlp_bias": False,
            "rms_norm_eps": 1e-05,
            "rope_scaling": {
                "factor": 32.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 8192,
                "rope_type": "llama3",
            },
            "rope_theta": 500000.0,
            "tie_word_embeddings": True,
        },
        tokenizer="bpe",
    ),
    # Llama 2 and what has its tokenizer
    "llama2": Family(
        SIZES
        | {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "max_position_embeddings": 4096,
            "pretraining_tp": 1,
            "rms_norm_eps": 1e-05,
            "rope_scaling": None,
            "tie_word_embeddings": False,
        },
        tokenizer="sentencepiece",
    ),
    # Mistral 7B v0.3
    "mistral": Family(
        SIZES
        | {
            "architectures": ["MistralForCausalLM"],
            "model_type": "mistral",
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-05,
            "rope_theta": 1000000.0,
            "sliding_window": None,
            "tie_word_embeddings": False,
        },
        tokenizer="sentencepiece",
    ),
    # Ministral 3: vision around it, the new form of rope parameters, heads wider than hidden / heads
    "mistral3": Family(
        {
            "architectures": ["Mistral3ForConditionalGeneration"],
            "model_type": "mistral3",
            "image_token_index": 10,
            "multimodal_projector_bias": False,
            "projector_hidden_act": "gelu",
            "spatial_merge_size": 2,
            "torch_dtype": "bfloat16",
            "tie_word_embeddings": False,
            "text_config": SIZES
            | {
                "model_type": "ministral3",
                "head_dim": 32,
                "max_position_embeddings": 262144,
                "rms_norm_eps": 1e-05,
                "rope_parameters": {
                    "beta_fast": 32.0,
                    "beta_slow": 1.0,
                    "factor": 16.0,
                    "llama_4_scaling_beta": 0.1,
                    "mscale": 1.0,
                    "mscale_all_dim": 1.0,
                    "original_max_position_embeddings": 16384,
                    "rope_theta": 1000000.0,
                    "rope_type": "yarn",
                    "type": "yarn",
                },
                "sliding_window": None,
            },
            "vision_config": {"model_type": "pixtral", "hidden_size": 32, "num_hidden_layers": 1},
            "vision_feature_layer": -1,
        },
        tokenizer="bpe",
        prefix="language_model.",
        others={
            "multi_modal_projector.linear_1.weight": (64, 32),
            "multi_modal_projector.norm.weight": (32,),
            "multi_modal_projector.patch_merger.merging_layer.weight": (32, 128),
            "vision_tower.ln_pre.weight": (32,),
            "vision_tower.patch_conv.weight": (32, 3, 14, 14),
            "vision_tower.transformer.layers.0.attention.q_proj.weight": (32, 32),
        },
    ),
    # Qwen2.5
    "qwen2": Family(
        SIZES
        | {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "max_position_embeddings": 32768,
            "max_window_layers": 2,
            "rms_norm_eps": 1e-06,
            "rope_theta": 1000000.0,
            "sliding_window": 32768,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
        },
        tokenizer="bpe",
        layer=qwen2_layer,
    ),
    "qwen3": Family(
        SIZES
        | {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "attention_bias": False,
            "head_dim": 32,
            "max_position_embeddings": 40960,
            "max_window_layers": 2,
            "rms_norm_eps": 1e-06,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": None,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
        },
        tokenizer="bpe",
        layer=qwen3_layer,
    ),
    # Granite 3.3
    "granite": Family(
        SIZES
        | {
            "architectures": ["GraniteForCausalLM"],
            "model_type": "granite",
            "attention_bias": False,
            "attention_multiplier": 0.015625,
            "embedding_multiplier": 12.0,
            "logits_scaling": 8.0,
            "max_position_embeddings": 131072,
            "mlp_bias": False,
            "residual_multiplier": 0.22,
            "rms_norm_eps": 1e-05,
            "rope_scaling": None,
            "rope_theta": 10000000.0,
            "tie_word_embeddings": True,
        },
        tokenizer="bpe",
    ),
    "smollm3": Family(
        SIZES
        | {
            "architectures": ["SmolLM3ForCausalLM"],
            "model_type": "smollm3",
            "attention_bias": False,
            "layer_types": ["full_attention"] * 4,
            "max_position_embeddings": 65536,
            "mlp_bias": False,
            "no_rope_layer_interval": 4,
            "no_rope_layers": [1, 1, 1, 0],
            "num_hidden_layers": 4,
            "rms_norm_eps": 1e-06,
            "rope_scaling": None,
            "rope_theta": 5000000.0,
            "sliding_window": None,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
        },
        tokenizer="bpe",
    ),
}
