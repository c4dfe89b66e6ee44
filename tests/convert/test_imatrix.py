"""Importance matrices: by llama.cpp's rule, in its formats, and nothing believed that a file says."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from random_gguf import EPSILON, LAYERS, random_weights, write_model

from convert import imatrix
from convert.imatrix import Entry, Imatrix
from models.errors import ModelError, UsageError, UserError
from models.gguf_header import read_header
from models.llama import Model

CHUNK, CHUNKS, EXPERTS = 32, 3, 4
TEXT = "A little owl sat on the old oak, and counted the mice: один, два, три, четыре. " * 3


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("dense") / "dense.gguf", random_weights())


@pytest.fixture(scope="module")
def experts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("experts") / "experts.gguf"
    return write_model(path, random_weights(experts=EXPERTS), experts=EXPERTS)


def rows_of(model: Path, name: str) -> tuple[NDArray[np.uint8], gguf.GGMLQuantizationType]:
    """The rows of a tensor as they are in the file, and their type."""
    (tensor,) = (tensor for tensor in read_header(model).tensors if tensor.name == name)
    raw = np.memmap(model, np.uint8, "r", tensor.offset, (tensor.size,))
    return raw.reshape(*tensor.shape[:0:-1], -1), gguf.GGMLQuantizationType[tensor.type]


def first_inputs(model: Path, text: str) -> NDArray[np.float64]:
    """What the first attention multiplies, of all chunks: (tokens, columns), computed without llama.cpp's graph."""
    with Model(model, gpu_layers=0) as loaded:
        tokens = np.array(loaded.tokenize(text, add_special=True, parse_special=False))
        begins = loaded.tokenize("", add_special=True, parse_special=False)
    chunks = tokens[: len(tokens) // CHUNK * CHUNK].reshape(-1, CHUNK)[:CHUNKS]
    chunks[:, 0] = begins or chunks[:, 0]
    embedding, kind = rows_of(model, "token_embd.weight")
    x = gguf.dequantize(embedding[chunks.ravel()], kind).astype(np.float64)
    norm = rows_of(model, "blk.0.attn_norm.weight")[0].view(np.float32)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * norm


def test_sums_of_the_first_layer_are_those_that_numpy_finds(dense: Path) -> None:
    found = imatrix.collect(dense, TEXT, chunk_size=CHUNK, chunks=CHUNKS, threads=1)
    expected = (first_inputs(dense, TEXT) ** 2).sum(0)
    for name in ("q", "k", "v"):
        entry = found.entries[f"blk.0.attn_{name}.weight"]
        assert entry.counts.tolist() == [CHUNKS * CHUNK]
        np.testing.assert_allclose(entry.sums, expected[None], rtol=1e-5)
        np.testing.assert_allclose(entry.means(), expected / (CHUNKS * CHUNK), rtol=1e-5)
    parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    assert set(found.entries) == {f"blk.{layer}.{part}.weight" for layer in range(LAYERS) for part in parts}
    assert (found.chunks, found.chunk_size) == (CHUNKS, CHUNK)
    # The last layer sees every token too, not only the one that a text would go on from.
    assert {entry.counts[0] for entry in found.entries.values()} == {CHUNKS * CHUNK}


def test_the_same_of_a_real_model(tiny: Path) -> None:
    found = imatrix.collect(tiny, TEXT, chunk_size=CHUNK, chunks=2, threads=1)
    assert len(found.entries) == 30 * 7
    expected = (first_inputs(tiny, TEXT)[: 2 * CHUNK] ** 2).sum(0)
    np.testing.assert_allclose(found.entries["blk.0.attn_q.weight"].sums[0], expected, rtol=1e-4)


def test_chunks_are_computed_in_pieces_where_they_are_long(dense: Path) -> None:
    found = imatrix.collect(dense, TEXT * 6, chunk_size=600, chunks=1, threads=1)
    assert {entry.counts[0] for entry in found.entries.values()} == {600}


def test_experts_are_counted_by_the_tokens_that_they_were_given(experts: Path) -> None:
    found = imatrix.collect(experts, TEXT, chunk_size=CHUNK, chunks=CHUNKS, threads=1)
    tokens = CHUNKS * CHUNK
    router = found.entries["blk.0.ffn_gate_inp.weight"]
    assert router.counts.tolist() == [tokens]
    for part in ("gate", "up", "down"):
        entry = found.entries[f"blk.0.ffn_{part}_exps.weight"]
        assert entry.sums.shape == (EXPERTS, {"down": 96}.get(part, 64))
        assert entry.counts.sum() == 2 * tokens, "each token goes to two"
        assert len(set(entry.counts.tolist())) > 1
    # What the router saw went to the experts: each token to two of them.
    np.testing.assert_allclose(found.entries["blk.0.ffn_up_exps.weight"].sums.sum(0), 2 * router.sums[0], rtol=1e-5)


def test_an_expert_that_no_token_was_sent_to_counts_as_one() -> None:
    entry = Entry(np.array([[8, 2], [0, 0]], np.float32), np.array([2, 0]))
    assert entry.means().tolist() == [4, 1, 1, 1]


def test_the_output_is_there_on_request(dense: Path) -> None:
    found = imatrix.collect(dense, TEXT, chunk_size=CHUNK, chunks=1, threads=1, output=True)
    assert found.entries["output.weight"].counts.tolist() == [CHUNK]


def test_a_text_without_a_whole_chunk_is_refused_with_numbers(dense: Path) -> None:
    with pytest.raises(UsageError, match=r"6 tokens; one chunk takes 512"):
        imatrix.collect(dense, "Hello", threads=1)
    with pytest.raises(UsageError, match="too short"):
        imatrix.collect(dense, TEXT, chunk_size=8, threads=1)


def test_a_model_that_overflows_is_named_with_its_tensor(tmp_path: Path) -> None:
    weights = random_weights()
    weights["blk.1.attn_norm.weight"] *= np.float32(1e25)
    model = write_model(tmp_path / "model.gguf", weights)
    with pytest.raises(ModelError, match=r"blk\.1\.\w+\.weight are not finite"):
        imatrix.collect(model, TEXT, chunk_size=CHUNK, threads=1)


def test_progress_ends_at_its_total_and_can_stop_in_the_middle_of_a_chunk(dense: Path) -> None:
    steps: list[tuple[int, int]] = []
    imatrix.collect(dense, TEXT, chunk_size=CHUNK, chunks=2, threads=1, on_progress=lambda *step: steps.append(step))
    assert steps == sorted(set(steps), key=steps.index)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (2 * LAYERS, 2 * LAYERS)

    def stop(done: int, total: int) -> None:
        if done == LAYERS + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imatrix.collect(dense, TEXT, chunk_size=CHUNK, chunks=2, threads=1, on_progress=stop)


# Files


def matrix() -> Imatrix:
    random = np.random.default_rng(1)
    return Imatrix(
        {
            "blk.0.attn_q.weight": Entry(random.random((1, 8), np.float32), np.array([96])),
            "blk.0.ffn_up_exps.weight": Entry(random.random((4, 8), np.float32), np.array([50, 46, 96, 0])),
        },
        chunks=3,
        chunk_size=32,
        datasets=("books.txt",),
    )


def same(one: Imatrix, other: Imatrix) -> bool:
    assert one.entries.keys() == other.entries.keys()
    for name, entry in one.entries.items():
        np.testing.assert_array_equal(entry.sums, other.entries[name].sums)
        np.testing.assert_array_equal(entry.counts, other.entries[name].counts)
    return (one.chunks, one.chunk_size, one.datasets) == (other.chunks, other.chunk_size, other.datasets)


def test_what_is_written_is_read_again_and_is_what_llama_cpp_writes(tmp_path: Path) -> None:
    path = tmp_path / "imatrix.gguf"
    matrix().write(path)
    assert same(Imatrix.read(path), matrix())
    assert [file.name for file in tmp_path.iterdir()] == ["imatrix.gguf"]
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert list(fields.items()) == [
        ("general.type", "imatrix"),
        ("imatrix.datasets", ["books.txt"]),
        ("imatrix.chunk_count", 3),
        ("imatrix.chunk_size", 32),
    ]
    assert [(tensor.name, tensor.shape.tolist(), tensor.tensor_type.name) for tensor in reader.tensors] == [
        ("blk.0.attn_q.weight.in_sum2", [8], "F32"),
        ("blk.0.attn_q.weight.counts", [1], "F32"),
        ("blk.0.ffn_up_exps.weight.in_sum2", [8, 4], "F32"),
        ("blk.0.ffn_up_exps.weight.counts", [1, 4], "F32"),
    ]


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "imatrix.gguf").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        matrix().write(tmp_path / "imatrix.gguf")
    with pytest.raises(UserError, match="cannot be written"):
        matrix().write(tmp_path / "no" / "imatrix.gguf")
    assert [file.name for file in tmp_path.iterdir()] == ["imatrix.gguf"]


def legacy(*entries: tuple[bytes, int, list[float]], tail: bytes = b"") -> bytes:
    data = struct.pack("<i", len(entries))
    for name, count, values in entries:
        data += struct.pack("<i", len(name)) + name + struct.pack(f"<ii{len(values)}f", count, len(values), *values)
    return data + tail


def test_the_older_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "imatrix.dat"
    tail = struct.pack("<ii", 7, 5) + b"a.txt"
    path.write_bytes(legacy((b"blk.0.attn_q.weight", 7, [14.0, 3.5]), tail=tail))
    found = Imatrix.read(path)
    assert found.means()["blk.0.attn_q.weight"].tolist() == [2.0, 0.5]
    assert (found.chunks, found.datasets) == (7, ("a.txt",))
    path.write_bytes(legacy((b"blk.0.attn_q.weight", 7, [14.0, 3.5])))  # the oldest end here
    assert Imatrix.read(path).means()["blk.0.attn_q.weight"].tolist() == [2.0, 0.5]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        struct.pack("<i", 0),
        struct.pack("<i", -1),
        struct.pack("<ii", 1, -5),
        struct.pack("<ii", 1, 2**31 - 1),
        legacy((b"a", 1, [1.0]))[:-1],
        legacy((b"a", 1, [])),
        legacy((b"a", 1, [1.0]), (b"a", 1, [1.0])),
        legacy((b"a", 1, [float("nan")])),
        legacy((b"a", 1, [-1.0])),
        legacy((b"a", -1, [1.0])),
    ],
)
def test_damaged_files_of_the_older_format_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "imatrix.dat"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"imatrix\.dat"):
        Imatrix.read(path)


def _no_counts(writer: gguf.GGUFWriter) -> None:
    writer.add_tensor("a.in_sum2", np.ones(8, np.float32))


def _half_precision(writer: gguf.GGUFWriter) -> None:
    writer.add_tensor("a.in_sum2", np.ones(8, np.float16))
    writer.add_tensor("a.counts", np.ones(1, np.float32))


def _uneven(writer: gguf.GGUFWriter) -> None:
    writer.add_tensor("a.in_sum2", np.ones(8, np.float32))
    writer.add_tensor("a.counts", np.ones(3, np.float32))


def _not_finite(writer: gguf.GGUFWriter) -> None:
    writer.add_tensor("a.in_sum2", np.full(8, np.inf, np.float32))
    writer.add_tensor("a.counts", np.ones(1, np.float32))


def _count_not_finite(writer: gguf.GGUFWriter) -> None:
    writer.add_tensor("a.in_sum2", np.ones(8, np.float32))
    writer.add_tensor("a.counts", np.full(1, np.nan, np.float32))


def _nothing(writer: gguf.GGUFWriter) -> None:
    writer.add_tensor("unrelated", np.ones(8, np.float32))


@pytest.mark.parametrize("content", [_no_counts, _half_precision, _uneven, _not_finite, _count_not_finite, _nothing])
def test_damaged_files_are_refused(tmp_path: Path, content: Callable[[gguf.GGUFWriter], None]) -> None:
    path = tmp_path / "imatrix.gguf"
    writer = gguf.GGUFWriter(path, "")
    writer.add_type("imatrix")
    content(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match=r"imatrix\.gguf"):
        Imatrix.read(path)


def test_a_truncated_file_a_missing_file_and_a_model_are_refused(tmp_path: Path, dense: Path) -> None:
    path = tmp_path / "imatrix.gguf"
    matrix().write(path)
    path.write_bytes(path.read_bytes()[:-40])
    for other in (path, tmp_path / "none.gguf", tmp_path, dense):
        with pytest.raises(ModelError, match=other.name):
            Imatrix.read(other)
