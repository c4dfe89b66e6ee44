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


def phi3_layer(config: Config, index: int) -> Shapes:
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    rows = hidden + 2 * hidden * config["num_key_value_heads"] // config["num_attention_heads"]
    return {
        "input_layernorm.weight": (hidden,),
        "mlp.down_proj.weight": (hidden, ffn),
        "mlp.gate_up_proj.weight": (2 * ffn, hidden),
        "post_attention_layernorm.weight": (hidden,),
        "self_attn.o_proj.weight": (hidden, hidden),
        "self_attn.qkv_proj.weight": (rows, hidden),
    }


def gemma2_layer(config: Config, index: int) -> Shapes:
    norms = ("pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight")
    return llama_layer(config, index) | dict.fromkeys(norms, (config["hidden_size"],))


def gemma3_layer(config: Config, index: int) -> Shapes:
    """What ``config.json`` of the 4B does not say is what transformers takes for granted."""
    config = {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256} | config
    return gemma2_layer(config, index) | qwen3_layer(config, index)


def gemma4_layer(config: Config, index: int) -> Shapes:
    """Files have keys and values of layers that do not use them, too."""
    wide = config["layer_types"][index] == "full_attention"
    kv_heads = config["num_global_key_value_heads"] if wide and config["attention_k_eq_v"] else None
    first_shared = config["num_hidden_layers"] - config["num_kv_shared_layers"]
    double = 2 if config["use_double_wide_mlp"] and index >= first_shared else 1
    layer = config | {
        "head_dim": config["global_head_dim" if wide else "head_dim"],
        "num_key_value_heads": kv_heads or config["num_key_value_heads"],
        "intermediate_size": config["intermediate_size"] * double,
    }
    shapes = gemma3_layer(layer, index) | {"layer_scalar": (1,)}
    if kv_heads:
        del shapes["self_attn.v_proj.weight"]
    if size := config["hidden_size_per_layer_input"]:
        shapes["per_layer_input_gate.weight"] = (size, config["hidden_size"])
        shapes["per_layer_projection.weight"] = (config["hidden_size"], size)
        shapes["post_per_layer_input_norm.weight"] = (config["hidden_size"],)
    return shapes


def gemma4_more(config: Config) -> Shapes:
    size = config["hidden_size_per_layer_input"]
    if not size:
        return {}
    return {
        "model.embed_tokens_per_layer.weight": (config["vocab_size"], config["num_hidden_layers"] * size),
        "model.per_layer_model_projection.weight": (config["num_hidden_layers"] * size, config["hidden_size"]),
        "model.per_layer_projection_norm.weight": (size,),
    }


def _biases(shapes: Shapes, part: str) -> Shapes:
    return {n.replace(".weight", ".bias"): shape[:1] for n, shape in shapes.items() if n.startswith(f"{part}.")}


@dataclass(frozen=True)
class Family:
    """
    Attributes:
        config: ``config.json``.
        tokenizer: ``sentencepiece``, ``byte_fallback``, or the pre-tokenizer of a byte-level BPE.
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

GEMMA4: Config = SIZES | {
    "model_type": "gemma4_text",
    "attention_bias": False,
    "enable_moe_block": False,
    "final_logit_softcapping": 30.0,
    "global_head_dim": 32,
    "head_dim": 16,
    "hidden_activation": "gelu_pytorch_tanh",
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-06,
    "rope_parameters": {
        "full_attention": {"partial_rotary_factor": 0.25, "rope_theta": 1000000.0, "rope_type": "proportional"},
        "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
    },
    "sliding_window": 512,
    "tie_word_embeddings": True,
    "use_bidirectional_attention": None,
    "vocab_size_per_layer_input": 384,
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
        tokenizer="llama-bpe",
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
        tokenizer="tekken",
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
        tokenizer="qwen2",
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
        tokenizer="qwen2",
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
        tokenizer="refact",
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
        tokenizer="smaug-bpe",
    ),
    # Phi-4-mini: three quarters of each head are rotated, factors for short and for long texts
    "phi3": Family(
        SIZES
        | {
            "architectures": ["Phi3ForCausalLM"],
            "model_type": "phi3",
            "attention_bias": False,
            "max_position_embeddings": 131072,
            "original_max_position_embeddings": 4096,
            "partial_rotary_factor": 0.75,
            "rms_norm_eps": 1e-05,
            "rope_scaling": {
                "long_factor": [1, 1.118320672, 1.250641126, 9.55, 28.25, 60.4],
                "short_factor": [1.0, 1.0, 1.02, 1.1, 1.25, 1.5],
                "type": "longrope",
            },
            "rope_theta": 10000.0,
            "sliding_window": 262144,
            "tie_word_embeddings": True,
        },
        tokenizer="gpt-4o",
        layer=phi3_layer,
    ),
    # Phi-3-mini-4k
    "phi3_4k": Family(
        SIZES
        | {
            "architectures": ["Phi3ForCausalLM"],
            "model_type": "phi3",
            "max_position_embeddings": 4096,
            "num_key_value_heads": 4,
            "original_max_position_embeddings": 4096,
            "rms_norm_eps": 1e-05,
            "rope_scaling": None,
            "rope_theta": 10000.0,
            "sliding_window": 2047,
            "tie_word_embeddings": False,
        },
        tokenizer="sentencepiece",
        layer=phi3_layer,
    ),
    "gemma2": Family(
        SIZES
        | {
            "architectures": ["Gemma2ForCausalLM"],
            "model_type": "gemma2",
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
            "head_dim": 32,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_activation": "gelu_pytorch_tanh",
            "max_position_embeddings": 8192,
            "query_pre_attn_scalar": 32,
            "rms_norm_eps": 1e-06,
            "rope_theta": 10000.0,
            "sliding_window": 4096,
            "tie_word_embeddings": True,
        },
        tokenizer="sentencepiece",
        layer=gemma2_layer,
        norm=0.0,
    ),
    # Gemma 3 4B: vision around it, and a config.json that leaves most to transformers
    "gemma3": Family(
        {
            "architectures": ["Gemma3ForConditionalGeneration"],
            "model_type": "gemma3",
            "eoi_token_index": 256,
            "mm_tokens_per_image": 256,
            "torch_dtype": "bfloat16",
            "tie_word_embeddings": True,
            "text_config": {
                "model_type": "gemma3_text",
                "hidden_size": 64,
                "intermediate_size": 160,
                "num_hidden_layers": 2,
                "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
                "sliding_window": 1024,
                "vocab_size": 384,
            },
            "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 32, "num_hidden_layers": 1},
        },
        tokenizer="sentencepiece",
        layer=gemma3_layer,
        prefix="language_model.",
        others={
            "multi_modal_projector.mm_input_projection_weight": (32, 64),
            "multi_modal_projector.mm_soft_emb_norm.weight": (32,),
            "vision_tower.vision_model.embeddings.patch_embedding.weight": (32, 3, 14, 14),
            "vision_tower.vision_model.encoder.layers.0.layer_norm1.weight": (32,),
        },
        norm=0.0,
    ),
    # Gemma 3 1B
    "gemma3_text": Family(
        SIZES
        | {
            "architectures": ["Gemma3ForCausalLM"],
            "model_type": "gemma3_text",
            "attention_bias": False,
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "head_dim": 32,
            "hidden_activation": "gelu_pytorch_tanh",
            "max_position_embeddings": 32768,
            "num_hidden_layers": 7,
            "query_pre_attn_scalar": 32,
            "rms_norm_eps": 1e-06,
            "rope_local_base_freq": 10000,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": 512,
            "sliding_window_pattern": 6,
            "tie_word_embeddings": True,
        },
        tokenizer="sentencepiece",
        layer=gemma3_layer,
        norm=0.0,
    ),
    # Gemma 4 E2B: vision and hearing around it, an embedding for every layer, shared keys and values
    "gemma4": Family(
        {
            "architectures": ["Gemma4ForConditionalGeneration"],
            "model_type": "gemma4",
            "audio_config": {"model_type": "gemma4_audio", "hidden_size": 32, "num_hidden_layers": 1},
            "dtype": "bfloat16",
            "text_config": GEMMA4
            | {
                "attention_k_eq_v": False,
                "hidden_size_per_layer_input": 16,
                "layer_types": [*["sliding_attention"] * 2, "full_attention"] * 3,
                "num_global_key_value_heads": None,
                "num_hidden_layers": 9,
                "num_kv_shared_layers": 6,
                "use_double_wide_mlp": True,
            },
            "tie_word_embeddings": True,
            "vision_config": {"model_type": "gemma4_vision", "hidden_size": 32, "num_hidden_layers": 1},
        },
        tokenizer="byte_fallback",
        layer=gemma4_layer,
        more=gemma4_more,
        prefix="model.language_",
        others={
            "model.audio_tower.layers.0.feed_forward1.ffw_layer_1.linear.weight": (32, 32),
            "model.embed_audio.embedding_projection.weight": (64, 32),
            "model.embed_vision.embedding_projection.weight": (64, 32),
            "model.vision_tower.encoder.layers.0.input_layernorm.weight": (32,),
            "model.vision_tower.patch_embedder.input_proj.weight": (32, 768),
        },
    ),
    # Gemma 4 31B: full layers use their keys as values
    "gemma4_31b": Family(
        GEMMA4
        | {
            "architectures": ["Gemma4ForCausalLM"],
            "attention_k_eq_v": True,
            "hidden_size_per_layer_input": 0,
            "layer_types": [*["sliding_attention"] * 2, "full_attention"],
            "num_global_key_value_heads": 1,
            "num_hidden_layers": 3,
            "num_kv_shared_layers": 0,
            "use_double_wide_mlp": False,
        },
        tokenizer="byte_fallback",
        layer=gemma4_layer,
        more=gemma4_more,
    ),
}

# The text model of Ministral 3 alone
FAMILIES["ministral3"] = Family(
    {
        "architectures": ["Ministral3ForCausalLM"],
        **FAMILIES["mistral3"].config["text_config"],
        "tie_word_embeddings": False,
    },
    tokenizer="tekken",
)
