"""Checkpoints are read as they are stored; what contradicts itself is refused, with the names of file and tensor."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_checkpoints import Tensors, random_checkpoint, write_safetensors

from convert.checkpoint import Checkpoint
from models.errors import ModelError

MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def f32(values: np.ndarray[Any, Any]) -> tuple[str, tuple[int, ...], bytes]:
    return "F32", values.shape, values.astype("<f4").tobytes()


def write_raw(path: Path, header: object, data: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def refused(folder: Path, *words: str) -> ModelError:
    """All the words stand in the message, or the hint."""
    with pytest.raises(ModelError) as caught:
        Checkpoint.open(folder)
    said = f"{caught.value.message} {caught.value.hint}"
    assert not [word for word in words if word not in said], said
    return caught.value


def test_numbers_are_those_of_the_file(folder: Path) -> None:
    half = MATRIX.astype(np.float16)
    bf16 = (MATRIX.view(np.uint32) >> 16).astype(np.uint16)
    write_safetensors(
        folder / "model.safetensors",
        {
            "single": f32(MATRIX),
            "half": ("F16", (3, 4), half.tobytes()),
            "brain": ("BF16", (3, 4), bf16.tobytes()),
            "double": ("F64", (3, 4), MATRIX.astype(np.float64).tobytes()),
            "whole": ("I64", (3, 4), MATRIX.astype(np.int64).tobytes()),
        },
    )
    tensors = Checkpoint.open(folder).tensors
    assert list(tensors) == ["brain", "double", "half", "single", "whole"]
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {
        "brain": "BF16", "double": "F32", "half": "F16", "single": "F32", "whole": "F32",
    }  # fmt: skip
    assert np.array_equal(tensors["brain"].read(0, 3), bf16)
    for tensor in tensors.values():
        assert tensor.shape == (3, 4)
        assert np.array_equal(tensor.rows(1, 3), MATRIX[1:3])
        assert np.array_equal(tensor.take(np.array([2, 0])).rows(0, 2), MATRIX[[2, 0]])
        assert np.array_equal(tensor.map(lambda rows, first: rows + first).rows(1, 2), MATRIX[1:2] + 1)


def test_shards_come_in_order_and_may_be_links(tmp_path: Path) -> None:
    whole = Checkpoint.open(random_checkpoint(tmp_path / "one", "llama"))
    sharded = random_checkpoint(tmp_path / "three", "llama", shards=3)
    blobs = tmp_path / "blobs"  # as the hub's cache has them
    blobs.mkdir()
    for number, shard in enumerate(sorted(sharded.glob("*.safetensors"))):
        shard.rename(blobs / str(number))
        shard.symlink_to(blobs / str(number))
    parts = Checkpoint.open(sharded)
    assert parts.tensors.keys() == whole.tensors.keys()
    files = [stored.file.name for stored in parts.stored.values()]
    assert files == sorted(files)
    assert len(set(files)) == 3
    for file in set(files):
        names = [name for name, stored in parts.stored.items() if stored.file.name == file]
        assert names == sorted(names)
    for name, tensor in whole.tensors.items():
        assert np.array_equal(tensor.read(0, tensor.shape[0]), parts.tensors[name].read(0, tensor.shape[0]))
    (sharded / "model.safetensors.index.json").unlink()  # the names tell how many there are
    assert list(Checkpoint.open(sharded).tensors) == list(parts.tensors)


def test_other_files_are_read_by_name(folder: Path) -> None:
    write_safetensors(folder / "model.safetensors", {"a": f32(MATRIX)})
    (folder / "tokenizer_config.json").write_text('{"bos_token": "<s>"}')
    (folder / "generation_config.json").write_text("[]")
    checkpoint = Checkpoint.open(folder)
    assert checkpoint.json("tokenizer_config.json") == {"bos_token": "<s>"}
    assert checkpoint.json("missing.json") is None
    with pytest.raises(ModelError, match=r"generation_config\.json: not a JSON object"):
        checkpoint.json("generation_config.json")


FP8 = {"quantization_config": {"quant_method": "fp8", "activation_scheme": "static"}}


def e4m3(codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """By the words of the paper: bias 7, three bits of fraction, no infinities."""
    exponent, fraction = (codes >> 3 & 15).astype(int), (codes & 7) / 8
    size = np.where(exponent, (1 + fraction) * 2.0 ** (exponent - 7), fraction * 2.0**-6)
    return np.where(codes & 128, -size, size).astype(np.float32)


CODES = np.array([code for code in range(256) if code & 0x7F != 0x7F][:240], np.uint8).reshape(12, 20)


@pytest.mark.parametrize(
    ("scale", "block"),
    [
        (np.float32(0.5).reshape(()), None),
        (np.float32(0.25).reshape(1), None),
        (np.linspace(0.1, 2, 12, dtype=np.float32).reshape(12, 1), None),
        (np.linspace(0.1, 2, 12, dtype=np.float32), None),
        (np.linspace(0.1, 2, 9, dtype=np.float32).reshape(3, 3), [5, 8]),
    ],
)
def test_fp8_is_dequantized(folder: Path, scale: np.ndarray[Any, Any], block: list[int] | None) -> None:
    config = {"quantization_config": FP8["quantization_config"] | {"weight_block_size": block}}
    (folder / "config.json").write_text(json.dumps(config))
    tensors: Tensors = {
        "x.weight": ("F8_E4M3", (12, 20), CODES.tobytes()),
        "x.weight_scale_inv": f32(scale),
        "x.activation_scale": f32(np.ones(())),
        "norm.weight": f32(MATRIX[0]),
    }
    write_safetensors(folder / "model.safetensors", tensors)
    checkpoint = Checkpoint.open(folder)
    assert list(checkpoint.tensors) == ["norm.weight", "x.weight"]
    assert checkpoint.stored["x.weight"].dtype == "F8_E4M3"
    factors = np.kron(scale, np.ones((5, 8)))[:12, :20] if block else scale.reshape(-1, 1)
    expected = e4m3(CODES) * factors.astype(np.float32)
    tensor = checkpoint.tensors["x.weight"]
    assert np.array_equal(tensor.rows(0, 12), expected)
    assert np.array_equal(tensor.rows(4, 11), expected[4:11])


def test_e5m2_is_half_of_a_half(folder: Path) -> None:
    codes = np.array([code for code in range(256) if code & 0x7C != 0x7C], np.uint8)
    write_safetensors(folder / "model.safetensors", {"a": ("F8_E5M2", codes.shape, codes.tobytes())})
    expected = (codes.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    assert np.array_equal(Checkpoint.open(folder).tensors["a"].rows(0, len(codes)), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("x.weight_scale_inv"), ["tensor x.weight:", "x.weight_scale_inv is missing"]),
        (lambda t: t.pop("x.weight"), ["tensor x.weight_scale_inv:", "missing"]),
        (
            lambda t: t.update({"x.weight_scale_inv": f32(np.ones((5, 1)))}),
            ["x.weight_scale_inv:", "(5, 1)", "(12, 20)"],
        ),
    ],
)
def test_fp8_scales_have_to_fit(folder: Path, change: Callable[[Tensors], object], words: list[str]) -> None:
    (folder / "config.json").write_text(json.dumps(FP8))
    tensors: Tensors = {
        "x.weight": ("F8_E4M3", (12, 20), CODES.tobytes()),
        "x.weight_scale_inv": f32(np.ones(())),
        "y": f32(MATRIX),
    }
    change(tensors)
    write_safetensors(folder / "model.safetensors", tensors)
    refused(folder, "model.safetensors", *words)


@pytest.mark.parametrize("block", [[0, 8], [128], "128", [1.5, 2]])
def test_fp8_blocks_have_to_be_sizes(folder: Path, block: object) -> None:
    (folder / "config.json").write_text(
        json.dumps({"quantization_config": {"quant_method": "fp8", "weight_block_size": block}})
    )
    write_safetensors(folder / "model.safetensors", {"y": f32(MATRIX)})
    refused(folder, "config.json", "weight_block_size")


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", None, 5])
def test_other_quantizations_are_refused_by_name(folder: Path, method: object) -> None:
    (folder / "config.json").write_text(json.dumps({"text_config": {"quantization_config": {"quant_method": method}}}))
    write_safetensors(folder / "model.safetensors", {"a": f32(MATRIX)})
    refused(folder, "config.json", str(method), "fp8", "BF16")


BAD = [
    (np.nan, "<f4", "F32"), (-np.inf, "<f4", "F32"), (np.inf, "<f2", "F16"), (-np.nan, "<f2", "F16"),
    (0x7F80, "<u2", "BF16"), (0xFF80, "<u2", "BF16"), (0x7FC1, "<u2", "BF16"), (0xFFFF, "<u2", "BF16"),
    (0x7F, "u1", "F8_E4M3"), (0xFF, "u1", "F8_E4M3"), (0xFC, "u1", "F8_E5M2"), (np.inf, "<f8", "F64"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "type_", "dtype"), BAD)
def test_nan_and_infinity_are_found_with_their_row(folder: Path, value: float, type_: str, dtype: str) -> None:
    values = np.zeros((6, 5), type_)
    values[4, 2] = value
    write_safetensors(folder / "model.safetensors", {"layers.0.w": (dtype, (6, 5), values.tobytes())})
    tensor = Checkpoint.open(folder).tensors["layers.0.w"]
    assert np.array_equal(tensor.rows(0, 4), np.zeros((4, 5)))
    with pytest.raises(ModelError, match=r"model\.safetensors: tensor layers\.0\.w: NaN or infinity in row 4\."):
        tensor.rows(1, 6)


def test_the_largest_finite_numbers_are_none(folder: Path) -> None:
    largest = np.array([0x7F7F, 0xFF7F, 0x8000, 0x0001], np.uint16)
    write_safetensors(folder / "model.safetensors", {"a": ("BF16", (4,), largest.tobytes())})
    assert np.array_equal(Checkpoint.open(folder).tensors["a"].read(0, 4), largest)


def entry(**change: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]} | change


HEADERS = {
    "length beyond the file": (b"", ["not a safetensors file"]),
    "not JSON": (b'{"a": ', ["not valid JSON"]),
    "not UTF-8": (b'{"\xff": 1}', ["not valid JSON"]),
    "deep nesting": (b'{"a": ' + b"[" * 100_000, ["not valid JSON"]),
    "a list": (b"[1]", ["not a JSON object"]),
    "the same name twice": (
        b'{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "a": {}}', ["'a' stands twice"]
    ),
    "nothing in it": ({"__metadata__": {}}, ["end at byte"]),
    "an entry that is none": ({"a": 7}, ["tensor a", "not an object"]),
    "a name that plays with the terminal": ({"\x1b[2J": entry()}, ["not a tensor's name"]),
    "a name without end": ({"a" * 5000: entry()}, ["not a tensor's name"]),
    "an unknown type": ({"a": entry(dtype="F4")}, ["tensor a", "'F4'", "BF16"]),
    "no type": ({"a": {"shape": [4], "data_offsets": [0, 16]}}, ["tensor a", "type"]),
    "a negative size": ({"a": entry(shape=[-2, -2])}, ["tensor a", "not a shape"]),
    "a size of zero": ({"a": entry(shape=[0, 4])}, ["tensor a", "not a shape"]),
    "a size that is true": ({"a": entry(shape=[True, 4])}, ["tensor a", "not a shape"]),
    "a fraction": ({"a": entry(shape=[2.0, 2])}, ["tensor a", "not a shape"]),
    "too many dimensions": ({"a": entry(shape=[1] * 9 + [4])}, ["tensor a", "not a shape"]),
    "a shape for more bytes": ({"a": entry(shape=[2, 3])}, ["tensor a", "(2, 3)", "24 bytes", "16"]),
    "a shape that overflows": ({"a": entry(shape=[1 << 33, 1 << 33])}, ["tensor a", "the offsets say 16"]),
    "offsets the wrong way round": ({"a": entry(data_offsets=[16, 0])}, ["tensor a", "the offsets say -16"]),
    "one offset": ({"a": entry(data_offsets=[0])}, ["tensor a", "not offsets"]),
    "beyond the end": ({"a": entry(), "b": entry(data_offsets=[16, 32])}, ["tensor b", "the file has only"]),
    "far beyond": ({"a": entry(data_offsets=[1 << 60, (1 << 60) + 16])}, ["tensor a", "hole"]),
    "overlap": ({"a": entry(), "b": entry(data_offsets=[8, 24])}, ["tensor b", "overlap"]),
    "a hole": ({"b": entry(data_offsets=[4, 20])}, ["tensor b", "hole"]),
    "bytes that nobody owns": ({"a": entry(shape=[2], data_offsets=[0, 8])}, ["end at byte"]),
}  # fmt: skip


@pytest.mark.parametrize("case", HEADERS)
def test_hostile_headers(folder: Path, case: str) -> None:
    header, words = HEADERS[case]
    write_raw(folder / "model.safetensors", header, b"\0" * 16)
    if case == "length beyond the file":
        (folder / "model.safetensors").write_bytes((1000).to_bytes(8, "little") + b"{}")
    refused(folder, "model.safetensors", *words)


@pytest.mark.parametrize("length", [1 << 63, 100_000_000, 0])
def test_a_header_that_claims_any_length(folder: Path, length: int) -> None:
    (folder / "model.safetensors").write_bytes(length.to_bytes(8, "little") + b"{}" * 50)
    refused(folder, "model.safetensors", "not a safetensors file")


@pytest.mark.parametrize("size", [0, 5, 8])
def test_files_that_have_hardly_begun(folder: Path, size: int) -> None:
    (folder / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0"[:size])
    refused(folder, "model.safetensors", "not a safetensors file")


def test_a_truncated_shard_is_named(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "c", "llama", shards=2)
    shard = folder / "model-00002-of-00002.safetensors"
    os.truncate(shard, shard.stat().st_size - 10)
    refused(folder, shard.name, "tensor ", "download it again")


def test_a_file_that_shrinks_while_it_is_read(folder: Path) -> None:
    path = folder / "model.safetensors"
    write_safetensors(path, {"a": f32(MATRIX)})
    tensor = Checkpoint.open(folder).tensors["a"]
    os.truncate(path, path.stat().st_size - 4)
    with pytest.raises(ModelError, match=r"model\.safetensors: tensor a: "):
        tensor.rows(0, 3)


def change_index(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


NAME = "model.norm.weight"
INDEXES: dict[str, tuple[Callable[[dict[str, Any]], object], list[str]]] = {
    "a tensor that is not there": (
        lambda index: index["weight_map"].update(ghost="model-00001-of-00002.safetensors"),
        ["model-00001-of-00002.safetensors: tensor ghost is missing"],
    ),
    "a shard that is not there": (
        lambda index: index["weight_map"].update(ghost="model-00003-of-00002.safetensors"),
        ["model-00003-of-00002.safetensors is missing", "ghost"],
    ),
    "a tensor in the wrong shard": (
        lambda index: index["weight_map"].update({NAME: "model-00001-of-00002.safetensors"}),
        [f"tensor {NAME}", "puts it into model-00001-of-00002.safetensors"],
    ),
    "a tensor that it forgot": (lambda index: index["weight_map"].pop(NAME), [f"tensor {NAME}", "does not know it"]),
    "a way out of the folder": (
        lambda index: index["weight_map"].update(a="../secret.safetensors"),
        ["index.json: tensor a", "../secret.safetensors"],
    ),
    "a file of another kind": (lambda index: index["weight_map"].update(a="config.json"), ["tensor a", "config.json"]),
    "a name that plays with the terminal": (
        lambda index: index["weight_map"].update({"\x1b[2J": "x.safetensors"}),
        ["not a tensor's name"],
    ),
    "no file": (lambda index: index["weight_map"].update(a=None), ["tensor a", "None"]),
    "no map": (lambda index: index.pop("weight_map"), ["index.json: has no weight_map"]),
}


@pytest.mark.parametrize("case", INDEXES)
def test_hostile_indexes(tmp_path: Path, case: str) -> None:
    folder = random_checkpoint(tmp_path / "c", "llama", shards=2)
    Checkpoint.open(folder)
    change, words = INDEXES[case]
    change_index(folder, change)
    refused(folder, *words)


def test_a_shard_that_is_missing(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "c", "llama", shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()
    refused(folder, "model-00002-of-00003.safetensors", "missing", "Download")
    (folder / "model.safetensors.index.json").unlink()
    refused(folder, "model-00002-of-00003.safetensors", "missing", "Download")


def test_a_tensor_in_two_files(folder: Path) -> None:
    write_safetensors(folder / "model.safetensors", {"a": f32(MATRIX)})
    write_safetensors(folder / "model.fp16.safetensors", {"a": f32(MATRIX)})
    refused(folder, "tensor a", "model.fp16.safetensors", "stands in")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth", "model.pt"])
def test_pickles_are_refused_with_the_reason(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x80\x04.")
    refused(folder, name, "runs the code", "safetensors")


def test_pickles_beside_safetensors_are_left_alone(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    write_safetensors(folder / "model.safetensors", {"a": f32(MATRIX)})
    assert list(Checkpoint.open(folder).tensors) == ["a"]


def test_folders_that_are_no_checkpoint(tmp_path: Path) -> None:
    refused(tmp_path / "missing", "not a folder")
    refused(tmp_path, "config.json", "cannot be read")
    config = tmp_path / "config.json"
    for text, words in (
        ("{", "not valid JSON"),
        ("7", "not a JSON object"),
        (" " * (5 << 20) + "{}", "larger than 4 MB"),
    ):
        config.write_text(text)
        refused(tmp_path, "config.json", words)
    config.write_text("{}")
    refused(tmp_path, "no model.safetensors")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_pipe_does_not_hang(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    error = refused(folder, "not a regular file")
    assert re.search(re.escape(name), error.message)
