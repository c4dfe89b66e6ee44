"""Small GGUF files with the tensors of several families, for what looks at names and shapes or quantizes numbers."""

from __future__ import annotations

import os
from pathlib import Path

import gguf
import numpy as np

Shapes = dict[str, tuple[int, ...]]  # in numpy's order


def write_gguf(
    path: Path,
    architecture: str,
    metadata: dict[str, int | float | list[int]],
    shapes: Shapes,
    *,
    dtype: type[np.floating] = np.float16,
    seed: int | None = None,
) -> Path:
    """``seed``: of random numbers; None: there are holes in their place, for who reads the header alone. ``metadata``:
    without the prefix of the architecture."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in metadata.items():
        add = writer.add_array if isinstance(value, list) else writer.add_uint32
        (writer.add_float32 if isinstance(value, float) else add)(f"{architecture}.{key}", value)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{number}" for number in range(64)])
    for name, shape in shapes.items():
        kept = np.float32 if len(shape) == 1 else dtype
        if seed is None:
            writer.add_tensor_info(name, shape, np.dtype(kept), int(np.prod(shape)) * np.dtype(kept).itemsize)
        else:
            random = np.random.default_rng([seed, len(writer.tensors[-1])])
            writer.add_tensor(name, random.normal(0, 0.1, shape).astype(kept))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    if seed is not None:
        writer.write_tensors_to_file()
    else:
        writer.write_ti_data_to_file()
        assert writer.fout
        start = -(-writer.fout[0].tell() // 32) * 32
        size = sum(-(-info.nbytes // 32) * 32 for info in writer.tensors[-1].values())
        writer.fout[0].flush()
        os.truncate(path, start + size)
    writer.close()
    return path


def llama_like(
    layers: int,
    width: int,
    feed_forward: int,
    heads: int,
    kv_heads: int,
    *,
    tied: bool = False,
    experts: int = 0,
    fused: bool = False,
    vocabulary: int = 64,
) -> tuple[dict[str, int | float | list[int]], Shapes]:
    """Metadata and tensors. ``fused``: queries, keys and values in one tensor, gate and up in another."""
    kv = width // heads * kv_heads
    metadata: dict[str, int | float | list[int]] = {
        "block_count": layers,
        "context_length": 128,
        "embedding_length": width,
        "feed_forward_length": feed_forward,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "attention.layer_norm_epsilon": 1e-5,
        "rope.dimension_count": width // heads,
        "vocab_size": vocabulary,
    }
    if experts:
        metadata |= {"expert_count": experts, "expert_used_count": 2}
    shapes: Shapes = {"token_embd.weight": (vocabulary, width), "output_norm.weight": (width,)}
    if not tied:
        shapes["output.weight"] = (vocabulary, width)
    for layer in range(layers):
        if fused:
            block: Shapes = {
                "attn_qkv.weight": (width + 2 * kv, width),
                "ffn_up.weight": (2 * feed_forward, width),
                "ffn_down.weight": (width, feed_forward),
            }
        else:
            block = {
                "attn_q.weight": (width, width),
                "attn_k.weight": (kv, width),
                "attn_v.weight": (kv, width),
                "attn_q.bias": (width,),
            }
            if experts:
                block |= {
                    "ffn_gate_inp.weight": (experts, width),
                    "ffn_gate_exps.weight": (experts, feed_forward, width),
                    "ffn_up_exps.weight": (experts, feed_forward, width),
                    "ffn_down_exps.weight": (experts, width, feed_forward),
                }
            else:
                block |= {
                    "ffn_gate.weight": (feed_forward, width),
                    "ffn_up.weight": (feed_forward, width),
                    "ffn_down.weight": (width, feed_forward),
                }
        block |= {"attn_output.weight": (width, width), "attn_norm.weight": (width,), "ffn_norm.weight": (width,)}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    return metadata, shapes
