"""Tiny models of the llama family, written as GGUF with random weights: dense, or with experts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

LAYERS, COLUMNS, HIDDEN, HEADS, EPSILON = 3, 64, 96, 4, 1e-5
Weights = dict[str, NDArray[np.float32]]


def random_weights(*, experts: int = 0, seed: int = 0) -> Weights:
    """By their GGUF names, in numpy's order of axes."""
    random = np.random.default_rng(seed)

    def weight(*shape: int) -> NDArray[np.float32]:
        return (random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    vocabulary = len(_tokens()[0])
    found = {"token_embd.weight": weight(vocabulary, COLUMNS), "output.weight": weight(vocabulary, COLUMNS)}
    found["output_norm.weight"] = np.ones(COLUMNS, np.float32)
    for layer in range(LAYERS):
        block = {f"attn_{name}.weight": weight(COLUMNS, COLUMNS) for name in ("q", "k", "v", "output")}
        for name in ("attn_norm", "ffn_norm"):
            block[f"{name}.weight"] = 1 + weight(COLUMNS)
        shapes = {"gate": (HIDDEN, COLUMNS), "up": (HIDDEN, COLUMNS), "down": (COLUMNS, HIDDEN)}
        for name, shape in shapes.items():
            block[f"ffn_{name}_exps.weight" if experts else f"ffn_{name}.weight"] = (
                weight(experts, *shape) if experts else weight(*shape)
            )
        if experts:
            block["ffn_gate_inp.weight"] = weight(experts, COLUMNS)
        found |= {f"blk.{layer}.{name}": value for name, value in block.items()}
    return found


def write_model(path: Path, weights: Weights, *, experts: int = 0, types: Mapping[str, str] | None = None) -> Path:
    """In F32, but for the ``types`` of some tensors. Tokens are single bytes, and each text begins with token 1."""
    tokens, token_types = _tokens()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(2048)
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(COLUMNS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(COLUMNS // HEADS)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(2)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(token_types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    for name, value in weights.items():
        kind = gguf.GGMLQuantizationType[(types or {}).get(name, "F32")]
        writer.add_tensor(name, gguf.quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tokens() -> tuple[list[str], list[int]]:
    special = [("<unk>", gguf.TokenType.UNKNOWN), ("<s>", gguf.TokenType.CONTROL), ("</s>", gguf.TokenType.CONTROL)]
    every = special + [(f"<0x{byte:02X}>", gguf.TokenType.BYTE) for byte in range(256)]
    return [text for text, _ in every], [int(kind) for _, kind in every]
