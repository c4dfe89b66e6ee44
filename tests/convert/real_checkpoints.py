"""A real Hugging Face checkpoint, made from a real GGUF: no hub is needed, and answers prove that conversion works.

The weights are those of the quantized file, exactly or rounded to BF16; everything else is as it was published.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from small_tokenizers import DEFINITIONS, bpe_json

from models.gguf_header import Header, Tensor, read_header, read_strings

PIECE = 32 << 20  # bytes of float32 that are dequantized at a time
VERSION = 1  # of what is built here: a cached folder of another is not used

NAMES = {
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
CLASSES = {"llama": ("LlamaForCausalLM", "GPT2Tokenizer"), "qwen2": ("Qwen2ForCausalLM", "Qwen2Tokenizer")}


def cached_checkpoint(gguf_file: Path, cache: Path, *, shards: int = 1) -> Path:
    """As :func:`real_checkpoint`, built once for all processes and runs. Only to be read."""
    folder = cache / f"{gguf_file.stem}-{gguf_file.stat().st_size}-{shards}-v{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{folder.name}.lock"):
        if not folder.exists():
            partial = cache / f"{folder.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            real_checkpoint(gguf_file, partial, shards=shards)
            os.replace(partial, folder)
    return folder


def real_checkpoint(gguf_file: Path, folder: Path, *, shards: int = 1) -> Path:
    """Write the checkpoint that ``gguf_file``, a llama or qwen2 with byte-level BPE, may have come from."""
    header = read_header(gguf_file)
    folder.mkdir(parents=True)
    _write_weights(header, folder, shards)
    _write_tokenizer(header, folder)
    (folder / "config.json").write_text(json.dumps(_config(header), indent=2))
    ids = {key: header.metadata[f"tokenizer.ggml.{key}"] for key in ("bos_token_id", "eos_token_id")}
    (folder / "generation_config.json").write_text(json.dumps(ids))
    name, licence = header.metadata["general.name"], header.metadata.get("general.license", "apache-2.0")
    (folder / "README.md").write_text(f"---\nlicense: {licence}\nlanguage:\n- en\n---\n# {name}\n")
    return folder


def _config(header: Header) -> dict[str, Any]:
    arch = header.architecture
    value = {key.removeprefix(f"{arch}."): value for key, value in header.metadata.items()}
    return {
        "architectures": [CLASSES[arch][0]],
        "model_type": arch,
        "hidden_act": "silu",
        "hidden_size": value["embedding_length"],
        "intermediate_size": value["feed_forward_length"],
        "max_position_embeddings": value["context_length"],
        "num_attention_heads": value["attention.head_count"],
        "num_hidden_layers": value["block_count"],
        "num_key_value_heads": value["attention.head_count_kv"],
        # Without the digits that float32 adds: 9.999999747378752e-06 was 1e-05.
        "rms_norm_eps": float(f"{value['attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_theta": value["rope.freq_base"],
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in header.tensors),
        "torch_dtype": "bfloat16",
        "vocab_size": header.metadata["tokenizer.ggml.tokens"].length,
        "bos_token_id": value["tokenizer.ggml.bos_token_id"],
        "eos_token_id": value["tokenizer.ggml.eos_token_id"],
    }


def _write_tokenizer(header: Header, folder: Path) -> None:
    meta = header.metadata
    tokens = [token.decode() for token in read_strings(header, "tokenizer.ggml.tokens")]
    merges = [merge.decode() for merge in read_strings(header, "tokenizer.ggml.merges")]
    types = token_types(header.files[0])
    base = int(np.flatnonzero(types == gguf.TokenType.NORMAL)[-1]) + 1
    added = {
        number: types[number] == gguf.TokenType.CONTROL
        for number in np.flatnonzero(np.isin(types, (gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED))).tolist()
    }
    definition = bpe_json(
        DEFINITIONS[meta["tokenizer.ggml.pre"]],
        {token: number for number, token in enumerate(tokens[:base]) if types[number] != gguf.TokenType.UNUSED},
        [merge.split(" ") for merge in merges],
        [(number, tokens[number], bool(special)) for number, special in added.items()],
    )
    (folder / "tokenizer.json").write_text(json.dumps(definition, ensure_ascii=False))
    settings: dict[str, Any] = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "chat_template": _chat_template(header),
        "clean_up_tokenization_spaces": False,
        "model_max_length": meta[f"{header.architecture}.context_length"],
        "tokenizer_class": CLASSES[header.architecture][1],
    }
    for kind, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        if (number := meta.get(f"tokenizer.ggml.{key}_token_id")) is not None:
            settings[f"{kind}_token"] = tokens[number]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False))


def token_types(gguf_file: Path) -> NDArray[np.int32]:
    """``tokenizer.ggml.token_type``; a GGUFReader takes seconds for it."""
    key = b"tokenizer.ggml.token_type"
    with gguf_file.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(key) + len(key)
        kind, item, length = struct.unpack_from("<IIQ", data, start)
        assert (kind, item) == (gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.INT32)
        return np.frombuffer(data, "<i4", length, start + 16).copy()


def _chat_template(header: Header) -> str:
    template = header.metadata["tokenizer.chat_template"]
    return template if isinstance(template, str) else read_strings(header, "tokenizer.chat_template")[0].decode()


@dataclass(frozen=True, slots=True)
class _Source:
    """A tensor of the checkpoint: ``shape`` rows first, ``pieces`` as BF16 bit patterns."""

    name: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterator[NDArray[np.uint16]]]


def _write_weights(header: Header, folder: Path, shards: int) -> None:
    sources = sorted((_source(header, tensor) for tensor in header.tensors), key=lambda source: source.name)
    total = sum(_size(source) for source in sources)
    groups: list[list[_Source]] = [[] for _ in range(shards)]
    done = 0
    for source in sources:
        groups[min(done * shards // total, shards - 1)].append(source)
        done += _size(source)
    if shards == 1:
        _write_safetensors(folder / "model.safetensors", sources)
        return
    index: dict[str, str] = {}
    for number, group in enumerate(groups, 1):
        file = f"model-{number:05d}-of-{shards:05d}.safetensors"
        _write_safetensors(folder / file, group)
        index |= {source.name: file for source in group}
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=2)
    )


def _size(source: _Source) -> int:
    return 2 * int(np.prod(source.shape))


def _write_safetensors(path: Path, sources: list[_Source]) -> None:
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for source in sources:
        entries[source.name] = {
            "dtype": "BF16",
            "shape": source.shape,
            "data_offsets": [offset, offset := offset + _size(source)],
        }
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for source in sources:
            for piece in source.pieces():
                file.write(piece.tobytes())


def _source(header: Header, tensor: Tensor) -> _Source:
    parts = tensor.name.split(".")
    name = ".".join(
        ["model.layers", parts[1], NAMES[parts[2]], parts[3]] if parts[0] == "blk" else [NAMES[parts[0]], parts[1]]
    )
    kind = gguf.GGMLQuantizationType[tensor.type]
    rows = tensor.shape[1] if len(tensor.shape) > 1 else 1
    data = np.memmap(header.files[tensor.part], np.uint8, "r", tensor.offset, (rows, tensor.size // rows))
    heads = 0
    if header.architecture == "llama" and parts[0] == "blk" and parts[2] in ("attn_q", "attn_k"):
        heads = header.metadata["llama.attention.head_count" + ("_kv" if parts[2] == "attn_k" else "")]

    def pieces() -> Iterator[NDArray[np.uint16]]:
        # A tensor with interleaved rows is undone whole; the others are cut.
        step = rows if heads else max(1, PIECE // (4 * tensor.shape[0]))
        for start in range(0, rows, step):
            values: NDArray[np.float32] = gguf.dequantize(data[start : start + step], kind).reshape(-1, tensor.shape[0])
            if heads:
                values = values.reshape(heads, -1, 2, tensor.shape[0]).swapaxes(1, 2)
            yield to_bf16(values)

    return _Source(name, tensor.shape[::-1], pieces)


def to_bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Bit patterns, rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
