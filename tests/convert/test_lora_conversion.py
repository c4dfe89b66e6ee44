"""LoRA adapters: byte for byte what llama.cpp's converter writes, and merged the same as applied at run time."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
import pytest
from families import FAMILIES
from numpy.typing import NDArray
from random_adapters import LINEAR, numbers, random_adapter
from random_checkpoints import random_checkpoint

from convert.adapters.lora import convert_adapter
from convert.adapters.merge import merge
from convert.architectures import find
from convert.checkpoint import Checkpoint
from convert.write import write_gguf
from models.adapter import check
from models.errors import ModelError
from models.gguf_header import read_header
from models.llama import Adapter, Context, Model, context

# Of names, types, shapes and bytes of all tensors that llama.cpp's convert_lora_to_gguf.py writes, of the version that
# llama-cpp-python 0.3.36 is built from.
GOLDENS = {
    ("llama2", "f32"): "6ce7dcba6cec8339e58200e36231bfd6ffd7f7778614a6bf63b9eba3325be151",
    ("llama2", "f16"): "f8649bbd2bfab7b2dd8b677e1688f99d302504476a39c698f30431adde2599d9",
    ("mistral", "f16"): "f8649bbd2bfab7b2dd8b677e1688f99d302504476a39c698f30431adde2599d9",
    ("qwen2", "f32"): "aa8a4d4427c160c2a90c6e66600aea5d091cacd9c11b7ee9aea0819919648d03",
    ("qwen2", "f16"): "9cc3b6e6edeeca7fca9d91713dd1816d102b01b10db011d823ed3859d7c6d4cf",
    ("qwen3", "f32"): "1d14535d1afd774e11ca1f138601d66fb4a818134e81b8787606aa581fa906fe",
    ("qwen3", "f16"): "5f8e69afc024707ae5904731d1b485b5cb64d6495bd0505495627af5960ab1ef",
}
UNTIED = ("llama2", "mistral")
SCALES = {"rank_pattern": {"o_proj": 2}, "alpha_pattern": {"q_proj": 3, "layers.1.mlp.down_proj": 20}}
QUERY = "model.layers.0.self_attn.q_proj"


def everything(folder: Path, checkpoint: Path, family: str, **config: Any) -> Path:
    """An adapter of all that a GGUF adapter for the family can change."""
    untied = family in UNTIED
    targets = (*LINEAR, "lm_head") if untied else LINEAR
    return random_adapter(folder, checkpoint, targets=targets, embedding=untied, **config)


def digest(path: Path) -> str:
    described = "".join(
        f"{name} {about}\n"
        for name, about in sorted(
            (
                tensor.name,
                (
                    tensor.tensor_type.name,
                    tuple(int(size) for size in tensor.shape),
                    hashlib.sha256(tensor.data.tobytes()).hexdigest(),
                ),
            )
            for tensor in gguf.GGUFReader(path).tensors
        )
    )
    return hashlib.sha256(described.encode()).hexdigest()


def as_gguf(checkpoint: Checkpoint, path: Path, family: str) -> Path:
    tokenizer = FAMILIES[family].tokenizer
    write_gguf(find(checkpoint), path, dtype="f32", pre=None if tokenizer == "sentencepiece" else tokenizer)
    return path


def logits(model: Path, adapter: Path | None = None) -> NDArray[np.float32]:
    """Of shape (tokens, vocabulary)."""
    tokens = [int(token) for token in np.random.default_rng(7).integers(3, 380, 24)]
    with Model(model, gpu_layers=0, amx=False) as weights:
        if adapter:
            check(adapter, read_header(model))
            weights.adapter = Adapter(weights, adapter)
        with Context(weights, n_ctx=256, threads=1, outputs=len(tokens)) as decoder:
            decoder.decode(tokens, outputs=len(tokens))
            return np.array([decoder.logits(row - len(tokens)) for row in range(len(tokens))])


@pytest.mark.parametrize(("family", "dtype"), GOLDENS)
def test_tensors_are_those_of_llama_cpps_own_converter(
    family: str, dtype: Literal["f16", "f32"], tmp_path: Path
) -> None:
    checkpoint = random_checkpoint(tmp_path / "base", family)
    adapter = everything(tmp_path / "adapter", checkpoint, family, rank_pattern={"o_proj": 2})
    convert_adapter(adapter, checkpoint, tmp_path / "adapter.gguf", dtype)
    assert digest(tmp_path / "adapter.gguf") == GOLDENS[family, dtype]
    metadata = read_header(tmp_path / "adapter.gguf").metadata
    assert metadata["adapter.lora.alpha"] == 8.0
    assert metadata["general.quantization_version"] == 2
    model = as_gguf(Checkpoint.open(checkpoint), tmp_path / "base.gguf", family)
    convert_adapter(adapter, model, tmp_path / "again.gguf", dtype)
    assert digest(tmp_path / "again.gguf") == GOLDENS[family, dtype]


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("family", ["llama", "llama2", "mistral", "qwen2", "qwen3"])
def test_merged_it_computes_the_same_as_applied_at_run_time(
    family: str, rslora: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(context._KV_TYPES, "f16", gguf.GGMLQuantizationType.F32.value)
    folder = random_checkpoint(tmp_path / "base", family)
    adapter = everything(tmp_path / "adapter", folder, family, use_rslora=rslora, **SCALES)
    checkpoint = Checkpoint.open(folder)
    base = as_gguf(checkpoint, tmp_path / "base.gguf", family)
    merged = as_gguf(merge(checkpoint, adapter), tmp_path / "merged.gguf", family)
    convert_adapter(adapter, base, tmp_path / "adapter.gguf", "f32")
    plain, wanted, applied = logits(base), logits(merged), logits(base, tmp_path / "adapter.gguf")
    assert np.abs(applied - wanted).max() < 1e-3 * wanted.std()
    assert np.abs(applied - plain).max() > 0.1 * plain.std()


@pytest.mark.parametrize("rslora", [False, True])
def test_scales_are_pefts(rslora: bool, tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "base", "llama2")
    head = numbers("head", (384, 64))
    adapter = random_adapter(
        tmp_path / "adapter", folder, more={"lm_head.weight": head}, use_rslora=rslora, modules_to_save=["lm_head"],
        **SCALES,
    )  # fmt: skip
    checkpoint = Checkpoint.open(folder)
    merged = merge(checkpoint, adapter).tensors
    alphas = {QUERY: 3, "model.layers.1.mlp.down_proj": 20, "model.layers.0.mlp.down_proj": 8}
    alphas["model.layers.0.self_attn.o_proj"] = 8
    for module, alpha in alphas.items():
        rank = 2 if module.endswith("o_proj") else 4
        name = f"{module}.weight"
        rows, columns = shape = checkpoint.tensors[name].shape
        change = numbers(f"B:{name}", (rows, rank)).astype(float) @ numbers(f"A:{name}", (rank, columns))
        expected = checkpoint.tensors[name].rows(0, rows) + change * alpha / (math.sqrt(rank) if rslora else rank)
        assert merged[name].shape == shape
        pieces = [merged[name].rows(start, min(start + 24, rows)) for start in range(0, rows, 24)]
        np.testing.assert_allclose(np.concatenate(pieces), expected, rtol=1e-5, atol=1e-5)
    assert np.array_equal(merged["lm_head.weight"].rows(0, 384), head)
    untouched = "model.layers.0.input_layernorm.weight"
    assert merged[untouched] is checkpoint.tensors[untouched]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"use_dora": True}, "DoRA"),
        ({"lora_bias": True}, "biases"),
        ({"alora_invocation_tokens": [1, 2]}, "activated LoRA"),
        ({"trainable_token_indices": [3]}, "single tokens"),
        ({"layer_replication": [[0, 1]]}, "repeated layers"),
        ({"init_lora_weights": "pissa_niter_16"}, "changes the base model too"),
        ({"alpha_pattern": {".*q_proj": 3}}, "an expression"),
        ({"lora_alpha": 0}, "not a positive number"),
        ({"lora_alpha": "8"}, "not a positive number"),
    ],
)
def test_what_is_no_plain_lora_is_refused_by_name(config: dict[str, Any], expected: str, tmp_path: Path) -> None:
    checkpoint = random_checkpoint(tmp_path / "base", "llama2")
    adapter = random_adapter(tmp_path / "adapter", checkpoint, **config)
    with pytest.raises(ModelError) as refused:
        convert_adapter(adapter, checkpoint, tmp_path / "out.gguf")
    assert expected in refused.value.message
    assert str(adapter) in refused.value.message
    with pytest.raises(ModelError):
        merge(Checkpoint.open(checkpoint), adapter)


@pytest.mark.parametrize(
    ("name", "shape", "converts", "merges"),
    [
        ("lm_head.weight", (384, 64), "replaces the tensor lm_head.weight", None),
        ("model.norm.weight", (64,), "replaces the tensor model.norm.weight", None),
        ("lm_head.weight", (400, 64), "replaces the tensor lm_head.weight", "shape (400, 64)"),
        (f"{QUERY}.bias", (64,), f"replaces the tensor {QUERY}.bias", f"no tensor {QUERY}.bias"),
        (f"{QUERY}.weight", (64, 64), "both adapted and replaced", "both adapted and replaced"),
        (f"{QUERY}.lora_magnitude_vector", (64,), "not known", "not known"),
        (f"{QUERY}.lora_B.bias", (64,), "not known", "not known"),
        ("model.layers.9.mlp.up_proj.lora_A.weight", (4, 64), "is missing", "is missing"),
    ],
)
def test_tensors_are_never_left_out_silently(
    name: str, shape: tuple[int, ...], converts: str, merges: str | None, tmp_path: Path
) -> None:
    checkpoint = random_checkpoint(tmp_path / "base", "llama2")
    adapter = random_adapter(tmp_path / "adapter", checkpoint, more={name: numbers(name, shape)})
    with pytest.raises(ModelError) as refused:
        convert_adapter(adapter, checkpoint, tmp_path / "out.gguf")
    assert converts in refused.value.message
    if merges:
        with pytest.raises(ModelError) as refused:
            merge(Checkpoint.open(checkpoint), adapter)
        assert merges in refused.value.message
    else:
        tensor = merge(Checkpoint.open(checkpoint), adapter).tensors[name]
        assert np.array_equal(tensor.rows(0, shape[0]), numbers(name, shape))


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    small = random_checkpoint(tmp_path / "small", "llama2")
    large = random_checkpoint(tmp_path / "large", "llama2", intermediate_size=192)
    deep = random_checkpoint(tmp_path / "deep", "llama2", num_hidden_layers=3)
    granite = random_checkpoint(tmp_path / "granite", "granite")
    adapter = random_adapter(tmp_path / "adapter", large)
    deeper = random_adapter(tmp_path / "deeper", deep)
    for source, expected in ((adapter, "of shape (64, 192)"), (deeper, "model.layers.2.")):
        with pytest.raises(ModelError) as refused:
            convert_adapter(source, small, tmp_path / "out.gguf")
        assert expected in refused.value.message
        with pytest.raises(ModelError) as refused:
            merge(Checkpoint.open(small), source)
        assert expected in refused.value.message
    with pytest.raises(ModelError, match="is a granite model"):
        convert_adapter(adapter, granite, tmp_path / "out.gguf")
    assert not list(tmp_path.glob("out.gguf*"))


def test_one_tensor_for_embedding_and_output_is_not_changed_for_one_use_alone(tmp_path: Path) -> None:
    tied = random_checkpoint(tmp_path / "tied", "qwen2")
    untied = random_checkpoint(tmp_path / "untied", "qwen2", tie_word_embeddings=False)
    embedding = random_adapter(tmp_path / "embedding", tied, embedding=True)
    head = random_adapter(tmp_path / "head", untied, targets=("lm_head",))
    for adapter, name in ((embedding, "model.embed_tokens.weight"), (head, "lm_head.weight")):
        with pytest.raises(ModelError, match=name):
            convert_adapter(adapter, tied, tmp_path / "out.gguf")
        with pytest.raises(ModelError, match=name):
            merge(Checkpoint.open(tied), adapter)


def test_pickles_and_damage_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    checkpoint = random_checkpoint(tmp_path / "base", "llama2")
    adapter, out = random_adapter(tmp_path / "adapter", checkpoint), tmp_path / "out.gguf"
    weights = adapter / "adapter_model.safetensors"
    whole = weights.read_bytes()

    def refused() -> str:
        with pytest.raises(ModelError) as error:
            convert_adapter(adapter, checkpoint, out)
        assert not list(tmp_path.glob("out.gguf*"))
        return error.value.message

    weights.write_bytes(whole[:-4])
    assert "adapter_model.safetensors" in refused()
    weights.write_bytes(whole[:-4] + np.float32(np.nan).tobytes())
    assert "NaN" in refused()
    weights.unlink()
    (adapter / "adapter_model.bin").write_bytes(b"\x80\x02.")
    assert "pickle" in refused()
    (adapter / "adapter_config.json").write_text(json.dumps([]))
    assert "adapter_config.json" in refused()
    (adapter / "adapter_config.json").unlink()
    assert "adapter_config.json" in refused()


def test_a_conversion_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    checkpoint = random_checkpoint(tmp_path / "base", "llama2")
    adapter = random_adapter(tmp_path / "adapter", checkpoint)

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_adapter(adapter, checkpoint, tmp_path / "out.gguf", on_progress=stop)
    assert not list(tmp_path.glob("out.gguf*"))
