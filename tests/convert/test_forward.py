"""What llama.cpp computes from a converted checkpoint is what the checkpoint says, by a forward pass written apart."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forward
import gguf
import numpy as np
import pytest
from families import FAMILIES, SIZES
from numpy.typing import NDArray
from random_checkpoints import random_checkpoint
from small_tokenizers import write_sentencepiece_tokenizer

from convert.architectures import KNOWN, find
from convert.architectures.architecture import Architecture
from convert.checkpoint import Checkpoint
from convert.write import write_gguf
from models.errors import ModelError
from models.llama import context
from models.llama.context import Context
from models.llama.model import Model

# Largest difference of two logits, over the standard deviation of all. With weights and KV cache in F32, sums in
# another order make 5e-5 at most. llama.cpp looks up GELU in a table of F16: a number between two entries may fall to
# either, and heads without a scale, as in gemma4, make the most of it.
EXACT, BY_TABLE = 3e-4, 5e-3
WRONG = 2e-2  # what a rule left out makes at least
VOCABULARY = SIZES["vocab_size"]


@dataclass(frozen=True)
class Case:
    """``changes``: of ``config.json``, so that everything that depends on length happens within ``length`` tokens."""

    family: str
    changes: dict[str, Any] = field(default_factory=dict)
    length: int = 40
    dtype: str = "BF16"


LLAMA3 = FAMILIES["llama"].config["rope_scaling"] | {"original_max_position_embeddings": 64}
YARN = FAMILIES["mistral3"].config["text_config"]["rope_parameters"] | {"original_max_position_embeddings": 16}
PHI4 = {"original_max_position_embeddings": 256, "max_position_embeddings": 8192}
PLAIN_GEMMA3 = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "query_pre_attn_scalar": 32,
    "rms_norm_eps": 1e-6,
    "sliding_window_pattern": 2,
}
CASES = {
    "llama": Case("llama", {"rope_scaling": LLAMA3}),
    "llama-long": Case("llama", {"rope_scaling": LLAMA3}, length=100),
    "llama-biases": Case("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama2": Case("llama2"),
    "mistral": Case("mistral"),
    "mistral3": Case("mistral3", {"rope_parameters": YARN}),
    "mistral3-fp8": Case("mistral3", {"rope_parameters": YARN}, dtype="F8_E4M3"),
    "qwen2": Case("qwen2"),
    "qwen2-yarn": Case(
        "qwen2", {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}}
    ),
    "qwen3": Case("qwen3"),
    "granite": Case("granite"),
    "smollm3": Case("smollm3"),
    "phi3": Case("phi3", PHI4),
    "phi3-long": Case("phi3", PHI4, length=300),
    "phi3_4k": Case("phi3_4k"),
    "gemma2": Case("gemma2", {"sliding_window": 8, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}),
    "gemma3": Case("gemma3", PLAIN_GEMMA3),
    "gemma3_text": Case("gemma3_text", {"sliding_window": 8}),
    "gemma3_text-untied": Case("gemma3_text", {"tie_word_embeddings": False}),
    "gemma4": Case("gemma4", {"sliding_window": 8}),
    "gemma4_31b": Case("gemma4_31b", {"sliding_window": 8}),
}


@pytest.fixture(autouse=True)
def as_exact_as_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A KV cache in F32, and GELU by llama.cpp's table."""
    monkeypatch.setitem(context._KV_TYPES, "f16", gguf.GGMLQuantizationType.F32.value)
    gelu = forward._gelu
    monkeypatch.setattr(forward, "_gelu", lambda x: _f16(gelu(_f16(x))))


def _f16(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x.astype(np.float16).astype(np.float64)


def _checkpoint(folder: Path, case: Case) -> Path:
    return random_checkpoint(folder, case.family, dtype=case.dtype, **case.changes)


def _tokens(case: Case) -> list[int]:
    return [int(token) for token in np.random.default_rng(7).integers(0, VOCABULARY, case.length)]


def _llama_cpp(checkpoint: Path, file: Path, tokens: list[int]) -> NDArray[np.float32]:
    """Logits of the converted checkpoint, of shape (tokens, vocabulary)."""
    write_gguf(find(Checkpoint.open(checkpoint)), file, dtype="f32")
    n_ctx = 256 * math.ceil(len(tokens) / 256)
    with (
        Model(file, gpu_layers=0, amx=False) as model,
        Context(model, n_ctx=n_ctx, threads=1, outputs=len(tokens)) as decoder,
    ):
        decoder.decode(tokens, outputs=len(tokens))
        return np.array([decoder.logits(row - len(tokens)) for row in range(len(tokens))])


def _difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    return float(np.abs(ours - theirs).max() / theirs.std())


@pytest.mark.parametrize("name", CASES)
def test_logits_agree(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    checkpoint, tokens = _checkpoint(tmp_path / "checkpoint", case), _tokens(case)
    logits = _llama_cpp(checkpoint, tmp_path / "model.gguf", tokens)
    assert _difference(logits, forward.logits(checkpoint, tokens)) < (BY_TABLE if "gemma" in name else EXACT)


# What a wrong converter would take for true: what families have beyond Llama 2 is left out, one thing at a time.
LEFT_OUT: dict[str, list[dict[str, Any]]] = {
    "llama-long": [{"rope_scaling": None}, {"rope_theta": 10000.0}],
    "mistral3": [
        {"rope_parameters": YARN | wrong} for wrong in ({"llama_4_scaling_beta": 0}, {"rope_type": "default"})
    ],
    "granite": [
        {"attention_multiplier": 0.25},
        {"embedding_multiplier": 1.0},
        {"logits_scaling": 1.0},
        {"residual_multiplier": 1.0},
    ],
    "smollm3": [{"no_rope_layers": [1, 1, 1, 1]}],
    "phi3-long": [
        {"original_max_position_embeddings": 512},  # short factors
        {"max_position_embeddings": 256},  # no attention factor
        {"rope_scaling": None},
        {"rope_scaling": None, "partial_rotary_factor": 1.0},
    ],
    "gemma2": [{"sliding_window": 4096}, {"attn_logit_softcapping": None}, {"final_logit_softcapping": None}],
    "gemma3": [{"rope_scaling": None}],
    "gemma3_text": [{"sliding_window": 4096}, {"rope_local_base_freq": 1000000}, {"rope_theta": 10000.0}],
    "gemma4": [{"sliding_window": 4096}, {"num_kv_shared_layers": 0}, {"final_logit_softcapping": None}],
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_would_be_noticed(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    checkpoint, tokens = _checkpoint(tmp_path / "checkpoint", case), _tokens(case)
    logits = _llama_cpp(checkpoint, tmp_path / "model.gguf", tokens)
    file = checkpoint / "config.json"
    config = json.loads(file.read_text())
    for changes in LEFT_OUT[name]:
        inner = {"text_config": config["text_config"] | changes} if "text_config" in config else changes
        file.write_text(json.dumps(config | inner))
        assert _difference(logits, forward.logits(checkpoint, tokens)) > WRONG, changes


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_a_tensor_that_is_not_changed_would_be_noticed(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of llama's queries and keys that are not interleaved; gemma's norms without the one."""
    monkeypatch.setattr(KNOWN[FAMILIES[family].config["architectures"][0]], "convert", Architecture.convert)
    checkpoint, tokens = _checkpoint(tmp_path / "checkpoint", CASES[family]), _tokens(CASES[family])
    logits = _llama_cpp(checkpoint, tmp_path / "model.gguf", tokens)
    assert _difference(logits, forward.logits(checkpoint, tokens)) > WRONG


def test_rows_of_the_embedding_beyond_the_vocabulary_are_left_out(tmp_path: Path) -> None:
    checkpoint, tokens = _checkpoint(tmp_path / "checkpoint", CASES["gemma3_text"]), list(range(3, 40))
    file = checkpoint / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"vocab_size": 300}))
    write_sentencepiece_tokenizer(checkpoint, 290)
    logits = _llama_cpp(checkpoint, tmp_path / "model.gguf", tokens)
    assert logits.shape == (37, 300)
    assert _difference(logits, forward.logits(checkpoint, tokens)[:, :300]) < BY_TABLE


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "query_pre_attn_scalar": ("gemma2", {"query_pre_attn_scalar": 24}),
    "final_logit_softcapping": ("gemma4", {"final_logit_softcapping": None}),
    "attn_logit_softcapping": ("gemma3_text", {"attn_logit_softcapping": 50.0}),
    "layer_types": ("gemma4_31b", {"layer_types": ["full_attention"] * 3}),
    "num_kv_shared_layers": ("gemma4", {"num_kv_shared_layers": 5}),
    "experts": ("gemma4", {"enable_moe_block": True}),
    "vocab_size_per_layer_input": ("gemma4", {"vocab_size_per_layer_input": 256}),
    "rope_type": ("phi3", {"rope_scaling": {"type": "yarn", "factor": 4.0}}),
    "hidden_activation": ("gemma2", {"hidden_activation": "gelu"}),
    "long_factor": ("phi3", {"partial_rotary_factor": 0.5}),
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_llama_cpp_would_compute_otherwise_is_refused(key: str, tmp_path: Path) -> None:
    family, changes = REFUSED[key]
    checkpoint = random_checkpoint(tmp_path, family, **changes)
    with pytest.raises(ModelError, match=key) as refusal:
        list(find(Checkpoint.open(checkpoint)).tensors())
    assert "config.json" in str(refusal.value)
