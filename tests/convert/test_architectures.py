"""Every family, from tiny checkpoints: what comes out is what llama.cpp's own converter makes of them, and it runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from families import FAMILIES
from random_checkpoints import random_checkpoint
from write_goldens import CASES, GOLDENS, make, summary

from convert.architectures import KNOWN, find
from convert.architectures.architecture import NEEDED
from convert.checkpoint import Checkpoint
from convert.write import write_gguf
from models.errors import ModelError
from models.llama.context import Context
from models.llama.model import Model

# case -> keys of the metadata that are meant to differ
DIFFERENCES: dict[str, set[str]] = {}

NONSENSE = (-1, 0, 3, 10**9, 10**30, 1e300, float("inf"), float("nan"), "64", None, [], {}, {"a": 1}, True, ["x"])


@pytest.mark.parametrize("case", CASES)
def test_equals_upstream_and_runs(case: str, tmp_path: Path) -> None:
    golden = json.loads(GOLDENS.read_text())[case]
    file = tmp_path / "converted.gguf"
    write_gguf(find(Checkpoint.open(make(case, tmp_path))), file)

    found = summary(file)
    assert list(found["tensors"].items()) == list(golden["tensors"].items())
    for metadata in (found["metadata"], golden["metadata"]):
        for key in DIFFERENCES.get(case, ()):
            metadata.pop(key, None)
    assert found["metadata"] == golden["metadata"]

    tokens = [5, 40, 100, 7, 300, 250, 33]
    with Model(file) as model, Context(model, n_ctx=64, threads=1, outputs=len(tokens)) as context:
        context.decode(tokens, outputs=len(tokens))
        logits = np.stack([context.logits(output) for output in range(len(tokens))])
    assert np.isfinite(logits).all()
    assert (logits.std(axis=1) > 0.01).all()


def test_goldens_cover_every_family_and_gguf_knows_it() -> None:
    golden = json.loads(GOLDENS.read_text())
    assert golden.keys() == CASES.keys()
    assert {name for family in FAMILIES.values() for name in family.config["architectures"]} <= KNOWN.keys()
    assert {family.arch.name for family in KNOWN.values()} == set(NEEDED.split())


def test_unknown_architecture(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "llama", architectures=["FrogForCausalLM"]))
    with pytest.raises(ModelError, match=r"config\.json: the architecture FrogForCausalLM is not known") as error:
        find(checkpoint)
    assert error.value.hint
    assert all(name in error.value.hint for name in KNOWN)


def test_hybrid_models_are_refused_with_the_reason(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "qwen3", architectures=["Qwen3_5ForCausalLM"]))
    with pytest.raises(ModelError, match="attention with recurrent layers"):
        find(checkpoint)


@pytest.mark.parametrize("names", [None, [], "LlamaForCausalLM", [1]])
def test_no_architecture(tmp_path: Path, names: Any) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "llama", architectures=names))
    with pytest.raises(ModelError, match="does not say which architecture"):
        find(checkpoint)


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"])
def test_missing_keys_are_named(tmp_path: Path, key: str) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "llama"))
    del checkpoint.config[key]
    with pytest.raises(ModelError, match=rf"config\.json: {key} is missing"):
        find(checkpoint)


@pytest.mark.parametrize(
    ("family", "key", "value"),
    [
        ("llama", "num_hidden_layers", -1),
        ("llama", "num_hidden_layers", 10**9),
        ("llama", "num_attention_heads", 0),
        ("llama", "num_key_value_heads", 3),
        ("llama2", "hidden_size", 65),
        ("llama2", "hidden_size", "64"),
        ("llama2", "rms_norm_eps", float("nan")),
        ("llama", "head_dim", 15),
        ("llama", "hidden_act", "gelu"),
        ("qwen2", "rope_scaling", {"rope_type": "dynamic", "factor": 2.0}),
        ("qwen3", "rope_scaling", {"rope_type": "llama3", "factor": 2.0}),
        ("qwen2", "rope_scaling", {"rope_type": "linear", "factor": 0}),
        ("mistral3", "model_type", "mistral4"),
        ("mistral3", "rope_parameters", {"rope_type": "default"}),
        ("smollm3", "no_rope_layers", [1, 0, 1, 0]),
        ("granite", "head_dim", 32),
    ],
)
def test_configurations_that_make_no_sense(tmp_path: Path, family: str, key: str, value: Any) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, family))
    checkpoint.config.get("text_config", checkpoint.config)[key] = value
    with pytest.raises(ModelError, match=r"config\.json: ") as error:
        find(checkpoint).write_metadata(gguf.GGUFWriter(None, "test"))
    if isinstance(value, dict):
        key = next(name for name in ("rope_type", "factor") if name in error.value.message)
    assert key in error.value.message


@pytest.mark.parametrize("family", FAMILIES)
def test_nonsense_in_any_key_is_an_error_or_does_no_harm(tmp_path: Path, family: str) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, family))
    original = json.dumps(checkpoint.config)
    for path in _paths(checkpoint.config):
        for nonsense in NONSENSE:
            config = json.loads(original)
            within = config
            for key in path[:-1]:
                within = within[key]
            within[path[-1]] = nonsense
            writer = gguf.GGUFWriter(None, "test")
            try:
                architecture = find(replace(checkpoint, config=config))
                architecture.write_metadata(writer)
                list(architecture.tensors())
            except ModelError:
                continue
            for value in writer.kv_data[0].values():  # what would fail only while the file is written
                writer._pack_val(value.value, value.type, add_vtype=True, sub_type=value.sub_type)


def _paths(config: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    paths = []
    for key, value in config.items():
        paths.append((*above, key))
        if isinstance(value, dict) and key != "vision_config":
            paths += _paths(value, (*above, key))
    return paths


def test_missing_tensor(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "llama", num_hidden_layers=2))
    checkpoint.config["num_hidden_layers"] = 3
    with pytest.raises(ModelError, match=r"model\.layers\.2\.input_layernorm\.weight and 8 more is missing"):
        find(checkpoint)


def test_missing_head_of_an_untied_model(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "llama"))
    checkpoint.config["tie_word_embeddings"] = False
    with pytest.raises(ModelError, match=r"lm_head\.weight is missing"):
        find(checkpoint)


def test_a_head_of_its_own_is_kept_though_the_configuration_ties_it(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "llama", tie_word_embeddings=False))
    checkpoint.config["tie_word_embeddings"] = True
    assert "output.weight" in dict(find(checkpoint).tensors())


def test_frequencies_in_old_checkpoints_are_left_out(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "llama2"))
    names = [name for name, _ in find(checkpoint).tensors()]
    checkpoint.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = checkpoint.tensors["model.norm.weight"]
    assert [name for name, _ in find(checkpoint).tensors()] == names


def test_unknown_tensor(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "qwen2"))
    checkpoint.config["architectures"] = ["LlamaForCausalLM"]
    with pytest.raises(ModelError, match=r"model\.safetensors: the tensor \S+_proj\.bias is not known in Llama"):
        find(checkpoint)


def test_wrong_shape(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "llama", shards=2))
    checkpoint.config["intermediate_size"] = 192
    with pytest.raises(ModelError, match=r"00001-of-00002\.safetensors: the tensor \S+ has the shape .*192"):
        find(checkpoint)


def test_a_tensor_under_two_names(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(random_checkpoint(tmp_path, "mistral3"))
    name = "language_model.model.norm.weight"
    for tensors in (checkpoint.tensors, checkpoint.stored):
        tensors["model.norm.weight"] = tensors[name]  # type: ignore[index,assignment]
    with pytest.raises(ModelError, match=r"model\.norm\.weight is there twice"):
        find(checkpoint)
