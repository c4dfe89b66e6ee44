"""Write goldens/architectures.json: what llama.cpp's own converter makes of the random checkpoints.

    .venv/bin/python tests/convert/write_goldens.py LLAMA_CPP PYTHON

LLAMA_CPP: a checkout, of the version that llama-cpp-python was built from. PYTHON: one that has torch, transformers,
sentencepiece and what else ``requirements/requirements-convert_hf_to_gguf.txt`` there asks for.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import gguf
from families import FAMILIES
from random_checkpoints import random_checkpoint

GOLDENS = Path(__file__).parent / "goldens" / "architectures.json"
LONG = 64  # arrays and texts of more than this are kept as digests

# name -> how the checkpoint is made, besides one of each family: what a family does only sometimes
CASES: dict[str, dict[str, Any]] = {family: {"family": family} for family in FAMILIES} | {
    "llama-f16-shards": {"family": "llama", "dtype": "F16", "shards": 3},
    "llama-f32": {"family": "llama", "dtype": "F32"},
    "llama-wide-heads": {
        "family": "llama",
        "head_dim": 128,
        "rope_scaling": {
            "factor": 8.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
    },
    "llama-biases": {"family": "llama", "attention_bias": True, "mlp_bias": True},
    "llama-untied": {"family": "llama", "tie_word_embeddings": False},
    "llama-linear": {"family": "llama", "rope_scaling": {"type": "linear", "factor": 4.0}},
    "llama-defaults": {
        "family": "llama2",
        **dict.fromkeys(("max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "rope_scaling")),
    },
    "mistral-defaults": {"family": "mistral", **dict.fromkeys(("max_position_embeddings", "rms_norm_eps"))},
    "mistral3-fp8": {"family": "mistral3", "dtype": "F8_E4M3"},
    "mistral3-small": {
        "family": "mistral3",
        "model_type": "mistral",
        "rope_parameters": None,
        "rope_theta": 1000000000.0,
    },
    "qwen2-yarn": {
        "family": "qwen2",
        "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
    },
    "qwen2-defaults": {
        "family": "qwen2",
        "num_attention_heads": 32,
        "hidden_size": 128,
        **dict.fromkeys(("max_position_embeddings", "rms_norm_eps", "rope_theta")),
    },
    "qwen3-defaults": {
        "family": "qwen3",
        "head_dim": 128,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5000000.0},
        **dict.fromkeys(("max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling")),
    },
    "granite-defaults": {
        "family": "granite",
        **dict.fromkeys(("attention_multiplier", "embedding_multiplier", "logits_scaling", "residual_multiplier")),
    },
    "smollm3-defaults": {
        "family": "smollm3",
        **dict.fromkeys(("no_rope_layers", "no_rope_layer_interval", "rope_theta", "max_position_embeddings")),
    },
    "phi3-defaults": {
        "family": "phi3",
        **dict.fromkeys(("original_max_position_embeddings", "partial_rotary_factor", "rope_scaling", "rms_norm_eps")),
    },
    "gemma2-defaults": {
        "family": "gemma2",
        "head_dim": 256,
        **dict.fromkeys(("attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar")),
        **dict.fromkeys(("max_position_embeddings", "rms_norm_eps", "rope_theta", "sliding_window")),
    },
    "gemma3-nested-rope": {
        "family": "gemma3_text",
        "layer_types": [*["sliding_attention"] * 5, "full_attention", "sliding_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        },
        **dict.fromkeys(("rope_local_base_freq", "rope_scaling", "rope_theta", "sliding_window_pattern")),
    },
    "gemma3-untied": {"family": "gemma3_text", "tie_word_embeddings": False},
    "gemma4-defaults": {
        "family": "gemma4",
        "use_bidirectional_attention": "vision",
        **dict.fromkeys(("max_position_embeddings", "rms_norm_eps", "rope_parameters", "sliding_window")),
    },
}


def make(case: str, folder: Path) -> Path:
    """The checkpoint of a case. Its folder gives the model its name, from which llama.cpp concludes this and that."""
    return random_checkpoint(folder / case / "tiny", **CASES[case])


def summary(path: Path) -> dict[str, Any]:
    """Metadata, and digests of the tensors and of what is long in the metadata."""
    reader = gguf.GGUFReader(path)
    metadata = {key: _short(field.contents()) for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    tensors = {
        tensor.name: f"{tensor.tensor_type.name} {[int(n) for n in tensor.shape]} {_digest(tensor.data.tobytes())}"
        for tensor in reader.tensors
    }
    return {"metadata": dict(sorted(metadata.items())), "tensors": tensors}


def _short(value: Any) -> Any:
    if isinstance(value, (list, str)) and len(value) > LONG:
        return f"{len(value)}: {_digest(json.dumps(value).encode())}"
    return value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


# The vocabularies are too small to have a digest that the converter knows: it is told the pre-tokenizer.
UPSTREAM = """
import json, runpy, sys
checkout, jobs = sys.argv[1], json.loads(sys.argv[2])
sys.path[:0] = [checkout, checkout + "/gguf-py"]
from conversion.base import TextModel
for folder, file, pre in jobs:
    TextModel.get_vocab_base_pre = lambda self, tokenizer: pre
    sys.argv = [checkout + "/convert_hf_to_gguf.py", folder, "--outfile", file, "--outtype", "auto"]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def main() -> None:
    checkout, python = sys.argv[1:]
    with tempfile.TemporaryDirectory() as temporary:
        files = {case: Path(temporary) / f"{case}.gguf" for case in CASES}
        jobs = [
            (str(make(case, Path(temporary))), str(file), FAMILIES[CASES[case]["family"]].tokenizer)
            for case, file in files.items()
        ]
        subprocess.run([python, "-c", UPSTREAM, checkout, json.dumps(jobs)], check=True)
        goldens = {case: summary(file) for case, file in files.items()}
    GOLDENS.parent.mkdir(exist_ok=True)
    GOLDENS.write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
