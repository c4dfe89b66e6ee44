"""GGUF files appear whole, with the right types and rounding, or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from families import FAMILIES
from random_checkpoints import random_checkpoint, write_safetensors

from convert.architectures import find
from convert.checkpoint import Checkpoint
from convert.write import Choice, disk_need, plan, write_gguf
from models.errors import Cancelled, ModelError, UsageError, UserError
from models.gguf_header import read_header


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only to be read."""
    return random_checkpoint(tmp_path_factory.mktemp("llama") / "llama", "llama", shards=2)


def convert(folder: Path, path: Path, **options: Any) -> list[Path]:
    return write_gguf(find(Checkpoint.open(folder)), path, **options)


def tensors(path: Path) -> dict[str, tuple[str, bytes]]:
    return {tensor.name: (tensor.tensor_type.name, tensor.data.tobytes()) for tensor in gguf.GGUFReader(path).tensors}


def metadata(path: Path) -> dict[str, Any]:
    return {key: field.contents() for key, field in gguf.GGUFReader(path).fields.items()}


def bits(folder: Path, name: str) -> bytes:
    tensor = Checkpoint.open(folder).tensors[name]
    return tensor.read(0, tensor.shape[0]).tobytes()


@pytest.mark.parametrize(
    ("stored", "dtype", "matrices", "file_type"),
    [
        ("BF16", "auto", "BF16", 32),
        ("F16", "auto", "F16", 1),
        ("F32", "auto", "F16", 1),
        ("BF16", "f16", "F16", 1),
        ("F16", "bf16", "BF16", 32),
        ("F32", "bf16", "BF16", 32),
        ("BF16", "f32", "F32", 0),
    ],
)
def test_types_and_rounding(tmp_path: Path, stored: str, dtype: Choice, matrices: str, file_type: int) -> None:
    folder = random_checkpoint(tmp_path / "c", "llama", dtype=stored)
    assert convert(folder, tmp_path / "m.gguf", dtype=dtype) == [tmp_path / "m.gguf"]
    found = tensors(tmp_path / "m.gguf")
    for name, (type_, _) in found.items():
        assert type_ == ("F32" if "norm" in name or name == "rope_freqs.weight" else matrices), name
    assert metadata(tmp_path / "m.gguf")["general.file_type"] == file_type
    source = Checkpoint.open(folder).tensors
    for ours, theirs in (("token_embd", "model.embed_tokens"), ("blk.1.ffn_down", "model.layers.1.mlp.down_proj")):
        tensor = source[f"{theirs}.weight"]
        expected = gguf.quants.quantize(tensor.rows(0, tensor.shape[0]), gguf.GGMLQuantizationType[matrices])
        assert found[f"{ours}.weight"][1] == expected.tobytes()
        if stored == matrices:
            assert found[f"{ours}.weight"][1] == bits(folder, f"{theirs}.weight")


@pytest.mark.parametrize(
    "values",
    [
        np.array([0x3F808000, 0x3F818000, 0x3F808001, 0xBF808000, 0x00008000, 0x00018000, 0x7F7F0000], np.uint32),
        np.random.default_rng(0).integers(0, 0x7F7F0000, 10_000, np.uint32),
    ],
    ids=["ties", "random bits"],
)
def test_bf16_is_rounded_to_the_nearest_and_ties_to_even(tmp_path: Path, values: np.ndarray[Any, Any]) -> None:
    folder = random_checkpoint(tmp_path / "c", "llama", dtype="F32")
    path = folder / "model.safetensors"
    stored = Checkpoint.open(folder).stored["model.embed_tokens.weight"]
    with path.open("r+b") as file:
        file.seek(stored.offset)
        file.write(values.tobytes())
    convert(folder, tmp_path / "m.gguf", dtype="bf16")
    expected = gguf.quants.quantize(values.view(np.float32).reshape(1, -1), gguf.GGMLQuantizationType.BF16)
    assert tensors(tmp_path / "m.gguf")["token_embd.weight"][1][: 2 * len(values)] == expected.tobytes()


def test_fp8_goes_by_the_type_of_the_rest(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "c", "mistral3", dtype="F8_E4M3")
    convert(folder, tmp_path / "m.gguf")
    found = tensors(tmp_path / "m.gguf")
    assert metadata(tmp_path / "m.gguf")["general.file_type"] == 32
    tensor = next(
        tensor
        for name, tensor in Checkpoint.open(folder).tensors.items()
        if name.endswith("layers.0.mlp.up_proj.weight")
    )
    expected = gguf.quants.quantize(tensor.rows(0, tensor.shape[0]), gguf.GGMLQuantizationType.BF16)
    assert found["blk.0.ffn_up.weight"] == ("BF16", expected.tobytes())


def test_parts_together_hold_what_one_file_holds(tmp_path: Path, checkpoint: Path) -> None:
    convert(checkpoint, tmp_path / "whole.gguf")
    parts = convert(checkpoint, tmp_path / "split.gguf", split_size=60_000)
    assert len(parts) > 2
    count = f"{len(parts):05d}"
    assert [part.name for part in parts] == [f"split-{i:05d}-of-{count}.gguf" for i in range(1, len(parts) + 1)]
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "whole.gguf", *parts])
    joined: dict[str, tuple[str, bytes]] = {}
    for part in parts:
        joined |= tensors(part)
    whole = tensors(tmp_path / "whole.gguf")
    assert list(joined) == list(whole)
    assert joined == whole
    assert {tensor.name for tensor in read_header(parts[0]).tensors} == set(whole)


def test_the_plan_is_the_header(tmp_path: Path, checkpoint: Path) -> None:
    architecture = find(Checkpoint.open(checkpoint))
    write_gguf(architecture, tmp_path / "m.gguf")
    planned, written = plan(architecture), read_header(tmp_path / "m.gguf")
    assert planned.metadata == written.metadata
    assert [(t.name, t.shape, t.type, t.offset) for t in planned.tensors] == [
        (t.name, t.shape, t.type, t.offset) for t in written.tensors
    ]
    need, size = disk_need(architecture), (tmp_path / "m.gguf").stat().st_size
    assert size <= need <= size + (32 << 20)


def test_progress_counts_bytes_and_the_name_comes_last(tmp_path: Path, checkpoint: Path) -> None:
    path = tmp_path / "m.gguf"
    calls: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> None:
        calls.append((done, total))
        assert [file.name for file in tmp_path.iterdir()] == ["m.gguf.partial"]

    convert(checkpoint, path, on_progress=watch)
    done = [done for done, _ in calls]
    assert done == sorted(done)
    assert {total for _, total in calls} == {done[-1]} == {sum(len(data) for _, data in tensors(path).values())}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "error", [Cancelled(), KeyboardInterrupt(), BrokenPipeError(errno.EPIPE, "the screen is gone")]
)
@pytest.mark.parametrize("split_size", [None, 60_000])
def test_what_stops_it_leaves_nothing(
    tmp_path: Path, checkpoint: Path, error: BaseException, split_size: int | None
) -> None:
    before = {file: file.read_bytes() for file in checkpoint.iterdir()}

    def stop(done: int, total: int) -> None:
        if done * 2 > total:
            raise error

    with pytest.raises(type(error)) as caught:
        convert(checkpoint, tmp_path / "m.gguf", split_size=split_size, on_progress=stop)
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []
    assert {file: file.read_bytes() for file in checkpoint.iterdir()} == before


def test_killed_it_leaves_no_final_name_and_goes_through_the_next_time(tmp_path: Path, checkpoint: Path) -> None:
    path = tmp_path / "m.gguf"
    program = f"""
import os, signal
from pathlib import Path
from convert.architectures import find
from convert.checkpoint import Checkpoint
from convert.write import write_gguf
def stop(done, total):
    if done * 2 > total:
        os.kill(os.getpid(), signal.SIGKILL)
write_gguf(find(Checkpoint.open(Path({str(checkpoint)!r}))), Path({str(path)!r}), on_progress=stop)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode != 0
    assert [file.name for file in tmp_path.iterdir()] == ["m.gguf.partial"]
    convert(checkpoint, path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_place_of_the_partial_file_is_not_followed(tmp_path: Path, checkpoint: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "m.gguf.partial").symlink_to(precious)
    convert(checkpoint, tmp_path / "m.gguf")
    assert precious.read_text() == "mine"
    assert not (tmp_path / "m.gguf").is_symlink()


@pytest.mark.parametrize("taken", ["m.gguf", "m-00001-of-00001.gguf", "model.safetensors"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, taken: str) -> None:
    folder = random_checkpoint(tmp_path / "c", "llama")
    path = folder / taken
    if not path.exists():
        path.write_text("mine")
    before = path.read_bytes()
    with pytest.raises(UserError, match=f"{taken} exists already"):
        convert(folder, path)
    assert path.read_bytes() == before


def test_a_part_that_is_there_is_not_overwritten(tmp_path: Path, checkpoint: Path) -> None:
    parts = convert(checkpoint, tmp_path / "m.gguf", split_size=60_000)
    for part in parts[1:]:
        part.unlink()
    with pytest.raises(UserError, match=r"m-00001-of-\d+\.gguf exists already"):
        convert(checkpoint, tmp_path / "m.gguf", split_size=60_000)
    assert list(tmp_path.iterdir()) == parts[:1]


def test_too_little_space_is_said_before_anything_is_written(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    need = disk_need(find(Checkpoint.open(checkpoint)))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=need - 1))
    with pytest.raises(UserError, match=r"m\.gguf needs .* of disk space"):
        convert(checkpoint, tmp_path / "m.gguf")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=need))
    convert(checkpoint, tmp_path / "m.gguf")


def test_a_disk_that_becomes_full(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="became full") as caught:
        convert(checkpoint, tmp_path / "m.gguf")
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_half_way(tmp_path: Path, checkpoint: Path) -> None:
    resource = pytest.importorskip("resource")
    size = convert(checkpoint, tmp_path / "m.gguf")[0].stat().st_size
    (tmp_path / "m.gguf").unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * 6 // 10, hard))
    try:
        with pytest.raises(UserError, match=r"m\.gguf: cannot be written: File too large"):
            convert(checkpoint, tmp_path / "m.gguf")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "path", "error"),
    [
        ({"dtype": "q8_0"}, "m.gguf", UsageError),
        ({"split_size": 0}, "m.gguf", UsageError),
        ({}, "missing/m.gguf", UserError),
    ],
)
def test_wrong_arguments(
    tmp_path: Path, checkpoint: Path, options: dict[str, Any], path: str, error: type[UserError]
) -> None:
    with pytest.raises(error):
        convert(checkpoint, tmp_path / path, **options)
    assert list(tmp_path.iterdir()) == []


def poke(folder: Path, name: str, row: int, value: int) -> None:
    """Set the first number of a row of BF16."""
    stored = Checkpoint.open(folder).stored[name]
    with stored.file.open("r+b") as file:
        file.seek(stored.offset + 2 * row * int(np.prod(stored.shape[1:])))
        file.write(value.to_bytes(2, "little"))


@pytest.mark.parametrize("name", ["model.layers.1.self_attn.q_proj.weight", "model.norm.weight"])
@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_nan_in_a_weight_is_named(tmp_path: Path, name: str, dtype: str) -> None:
    folder = random_checkpoint(tmp_path / "c", "llama")
    poke(folder, name, 3, 0x7FC0)
    with pytest.raises(ModelError, match=rf"model\.safetensors: tensor {name}: NaN or infinity in row 3\."):
        convert(folder, tmp_path / "m.gguf", dtype=dtype)
    assert list(tmp_path.iterdir()) == [folder]


def test_numbers_beyond_f16_are_named(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "c", "llama")
    poke(folder, "model.layers.1.mlp.up_proj.weight", 3, 0x4780)  # 65536
    with pytest.raises(ModelError, match=r"blk\.1\.ffn_up\.weight .* too large for F16"):
        convert(folder, tmp_path / "m.gguf", dtype="f16")
    assert list(tmp_path.iterdir()) == [folder]
    convert(folder, tmp_path / "m.gguf", dtype="bf16")


CARD = """---
license: apache-2.0
language: [en, no, ru]
pipeline_tag: text-generation
tags: [chat, 1.5]
version: 1.5
base_model: someone/Tiny-Llama-1B
---
# A model
"""


def test_the_card_becomes_metadata(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "Tiny-Llama-Instruct", "llama")
    (folder / "README.md").write_text(CARD)
    (folder / "generation_config.json").write_text('{"temperature": 0.5, "top_k": 20}')
    convert(folder, tmp_path / "m.gguf")
    about = metadata(tmp_path / "m.gguf")
    expected = {
        "general.architecture": "llama",
        "general.type": "model",
        "general.name": "Tiny Llama Instruct",
        "general.version": "1.5",
        "general.finetune": "Instruct",
        "general.basename": "Tiny-Llama",
        "general.license": "apache-2.0",
        "general.languages": ["en", "no", "ru"],
        "general.tags": ["chat", "1.5", "text-generation"],
        "general.base_model.0.repo_url": "https://huggingface.co/someone/Tiny-Llama-1B",
        "general.sampling.top_k": 20,
        "general.sampling.temp": 0.5,
        "general.quantization_version": 2,
    }
    assert {key: about.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README.md", "---\nlicense: [\n---\n"),
        ("README.md", "---\n" + "\0" + "\n---\n"),
        ("README.md", "---\na: &a [x, x]\nb: &b [*a, *a]\nbase_model: [*b, *b]\n---\n"),
        ("README.md", "---\na: &a [x, x]\n---b: 1\nbase_model: [*a, *a]\n---\n"),
        ("README.md", "#" * (5 << 20)),
        ("generation_config.json", '{"top_k": "many"}'),
        ("generation_config.json", '{"temperature": []}'),
        ("generation_config.json", "[1]"),
    ],
)
def test_descriptions_that_cannot_be_read(tmp_path: Path, file: str, text: str) -> None:
    folder = random_checkpoint(tmp_path / "c", "llama")
    (folder / file).write_text(text)
    with pytest.raises(ModelError, match=file):
        convert(folder, tmp_path / "m.gguf")
    assert list(tmp_path.iterdir()) == [folder]


def widen(folder: Path, fill: Callable[[int], bytes]) -> int:
    """Give every layer matrices of 16 MB; the bytes of the largest."""
    config = json.loads((folder / "config.json").read_text())
    config["intermediate_size"] = 1 << 17
    (folder / "config.json").write_text(json.dumps(config))
    shapes = FAMILIES["llama"].shapes(config)
    sizes = {name: 2 * int(np.prod(shape)) for name, shape in shapes.items()}
    prefix = FAMILIES["llama"].prefix
    stored = {prefix + name: ("BF16", shape, fill(sizes[name])) for name, shape in shapes.items()}
    write_safetensors(folder / "model.safetensors", stored)
    return max(sizes.values())


@pytest.mark.parametrize("dtype", ["bf16", "f16", "f32"])
def test_memory_does_not_grow_with_a_tensor(tmp_path: Path, dtype: Choice) -> None:
    folder = random_checkpoint(tmp_path / "c", "llama")
    largest = widen(folder, bytes)
    architecture = find(Checkpoint.open(folder))
    peaks: list[int] = []
    tracemalloc.start()
    try:
        write_gguf(architecture, tmp_path / "m.gguf", dtype=dtype, on_progress=lambda done, total: None)
        peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert largest == 16 << 20
    assert peaks[0] < largest, peaks
