"""Damaged and hostile files get a ModelError, quickly; real ones are read as llama.cpp reads them."""

from __future__ import annotations

import os
import random
import shutil
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
from edges import write_gguf

from models.errors import ModelError
from models.gguf_header import Array, read_header, split_parts


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def text_value(key: str, value: str) -> bytes:
    return string(key) + struct.pack("<I", 8) + string(value)


def start(tensors: int, keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def tensor(name: str = "t", shape: tuple[int, ...] = (32, 2), type_id: int = 0, offset: int = 0) -> bytes:
    packed = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return string(name) + packed + struct.pack("<IQ", type_id, offset)


ARCHITECTURE = text_value("general.architecture", "llama")
DATA = bytes(1024)


def test_a_valid_file_made_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(start(1, 1) + ARCHITECTURE + tensor() + DATA)
    header = read_header(path)
    assert header.architecture == "llama"
    assert header.tensors[0].shape == (32, 2)
    assert header.tensors[0].size == 256
    assert header.tensors[0].offset % 32 == 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "not a GGUF file: it has 0 bytes", id="empty"),
        pytest.param(b"GGUF", "not a GGUF file: it has 4 bytes", id="only the magic"),
        pytest.param(b"PK\x03\x04" + DATA, "not a GGUF file", id="a zip"),
        pytest.param(b"GGJT" + DATA, "not a GGUF file", id="an older format"),
        pytest.param(
            start(0, 2) + ARCHITECTURE + string("llama.block_count") + struct.pack("<II", 4, 0) + DATA,
            "its block_count is 0",
            id="no layers",
        ),
        pytest.param(
            start(0, 2) + ARCHITECTURE + string("llama.context_length") + struct.pack("<II", 4, 2**31) + DATA,
            "its context_length is 2147483648",
            id="a negative window",
        ),
        pytest.param(
            start(0, 2)
            + ARCHITECTURE
            + string("llama.attention.layer_norm_rms_epsilon")
            + struct.pack("<If", 6, float("nan"))
            + DATA,
            "its layer_norm_rms_epsilon is nan",
            id="an epsilon that is no number",
        ),
        pytest.param(start(0, 0, version=1) + DATA, "GGUF version 1", id="version 1"),
        pytest.param(start(0, 0, version=4) + DATA, "GGUF version 4", id="version 4"),
        pytest.param(b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + DATA, "big-endian", id="big-endian"),
        pytest.param(start(0, 0) + DATA, "names no architecture", id="no architecture"),
        pytest.param(start(2**63, 1) + DATA, "claims 9,223,372", id="huge number of tensors"),
        pytest.param(start(1, 2**64 - 1) + DATA, "claims", id="huge number of keys"),
        pytest.param(start(0, 1) + struct.pack("<Q", 2**64 - 1) + DATA, "truncated", id="endless key"),
        pytest.param(start(0, 2) + ARCHITECTURE * 2 + DATA, "there twice", id="a key twice"),
        pytest.param(start(0, 1) + text_value("", "x") + DATA, "a metadata key is empty", id="empty key"),
        pytest.param(start(0, 1) + string("k") + struct.pack("<I", 77) + DATA, "unknown type 77", id="unknown value"),
        pytest.param(
            start(0, 1) + string("general.architecture") + struct.pack("<II", 4, 7) + DATA,
            "names no architecture",
            id="architecture is a number",
        ),
        pytest.param(
            start(0, 1) + string("k") + struct.pack("<IIQ", 9, 8, 2**62) + DATA, "claims", id="endless array of strings"
        ),
        pytest.param(
            start(0, 1) + string("k") + struct.pack("<IIQ", 9, 10, 2**61) + DATA, "truncated", id="endless array"
        ),
        pytest.param(
            start(0, 1) + string("k") + struct.pack("<IIQIQ", 9, 9, 1, 9, 1) + DATA,
            "items of type 9",
            id="nested arrays",
        ),
        pytest.param(
            start(0, 2)
            + ARCHITECTURE
            + string("tokenizer.ggml.tokens")
            + struct.pack("<IIQ", 9, 8, 2000)
            + b"".join(string(f"token {i % 1999}") for i in range(2000)),
            "a token of its vocabulary is there twice",
            id="a token twice",
        ),
        pytest.param(start(1, 1) + ARCHITECTURE, "truncated", id="ends before the tensors"),
        pytest.param(start(1, 1) + ARCHITECTURE + tensor(), "truncated", id="no data"),
        pytest.param(start(1, 1) + ARCHITECTURE + tensor() + bytes(100), "truncated", id="not all data"),
        pytest.param(start(1, 1) + ARCHITECTURE + tensor(offset=32) + DATA, "lies at 32", id="a gap"),
        pytest.param(start(1, 1) + ARCHITECTURE + tensor(offset=2**64 - 32) + DATA, "lies at", id="offset overflows"),
        pytest.param(
            start(2, 1) + ARCHITECTURE + tensor("a") + tensor("b", offset=0) + DATA, "lies at 0", id="an overlap"
        ),
        pytest.param(start(2, 1) + ARCHITECTURE + tensor() * 2 + DATA, "there twice", id="a tensor twice"),
        pytest.param(start(1, 1) + ARCHITECTURE + tensor("n" * 64) + DATA, "name is too long", id="a long name"),
        pytest.param(start(1, 1) + ARCHITECTURE + tensor(shape=()) + DATA, "0 dimensions", id="no dimensions"),
        pytest.param(start(1, 1) + ARCHITECTURE + tensor(shape=(1,) * 5) + DATA, "5 dimensions", id="five dimensions"),
        pytest.param(start(1, 1) + ARCHITECTURE + tensor(shape=(0, 4)) + DATA, "the shape 0×4", id="empty shape"),
        pytest.param(
            start(1, 1) + ARCHITECTURE + tensor(shape=(2**40, 2**40)) + DATA, "has the shape", id="shape overflows"
        ),
        pytest.param(start(1, 1) + ARCHITECTURE + tensor(type_id=99) + DATA, r"unknown type \(99\)", id="unknown type"),
        pytest.param(
            start(1, 1) + ARCHITECTURE + tensor(shape=(31, 2), type_id=2) + DATA, "has the shape", id="half a block"
        ),
        pytest.param(
            start(1, 2) + ARCHITECTURE + string("general.alignment") + struct.pack("<II", 4, 33) + tensor() + DATA,
            "its alignment is 33",
            id="alignment",
        ),
    ],
)
def test_a_damaged_file_is_refused(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=says) as refused:
        read_header(path)
    assert refused.value.exit_code == 3


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.gguf")
    for path, says in (
        (tmp_path, "is not a file"),
        (tmp_path / "fifo.gguf", "is not a file"),
        (tmp_path / "absent.gguf", "does not exist"),
        (Path("/dev/zero"), "is not a file"),
    ):
        with pytest.raises(ModelError, match=says):
            read_header(path)


def test_hostile_counts_cost_neither_time_nor_memory(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"

    def write(strings: int) -> None:
        with path.open("wb") as file:  # a sparse file: a gigabyte of empty strings that costs nothing to send
            file.write(start(1, 1) + string("k") + struct.pack("<IIQ", 9, 8, strings))
            file.truncate(1 << 30)

    write(7_000_000)
    began = time.monotonic()
    with pytest.raises(ModelError):
        read_header(path)
    assert time.monotonic() - began < 10
    write(100_000)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError):
            read_header(path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_real_model(tiny: Path) -> None:
    header = read_header(tiny)
    reference = gguf.GGUFReader(tiny)
    assert [(t.name, t.shape, t.offset, t.size) for t in header.tensors] == [
        (t.name, tuple(t.shape.tolist()), t.data_offset, t.n_bytes) for t in reference.tensors
    ]
    assert (header.architecture, header.context_length, header.layers, header.heads, header.kv_heads) == (
        "llama",
        8192,
        30,
        9,
        3,
    )
    assert header.head_dims == (64, 64)
    assert header.vocab_size == 49152
    assert header.parameters == 134_515_008
    assert header.quantisation == "Q4_1"
    assert header.has_chat_template
    assert header.metadata["tokenizer.ggml.tokens"] == Array("string", 49152)
    assert header.size == tiny.stat().st_size


def test_a_header_is_read_quickly(tiny: Path) -> None:
    read_header(tiny)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        read_header(tiny)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.2


def test_a_truncated_model_says_how_much_is_there(tiny: Path, tmp_path: Path) -> None:
    path = sparse_copy(tiny, tmp_path)
    os.truncate(path, tiny.stat().st_size - 1000)
    with pytest.raises(ModelError, match=r"it has 98,361,432 of 98,362,432 bytes"):
        read_header(path)


def sparse_copy(model: Path, folder: Path) -> Path:
    """The header as it is, the tensors as a hole."""
    path = folder / "copy.gguf"
    with model.open("rb") as original, path.open("wb") as copy:
        copy.write(original.read(read_header(model).tensors[0].offset))
        copy.truncate(model.stat().st_size)
    return path


def test_fuzzed_headers_never_raise_anything_else(tiny: Path, tmp_path: Path) -> None:
    path = sparse_copy(tiny, tmp_path)
    end = read_header(tiny).tensors[0].offset
    draw = random.Random(20261121)
    places: list[Callable[[], int]] = [
        lambda: draw.randrange(0, 2_000),
        lambda: draw.randrange(end - 20_000, end),
        lambda: draw.randrange(0, end),
    ]
    refused = 0
    with path.open("r+b", buffering=0) as file:
        for round_ in range(200):
            at = places[round_ % 3]()
            file.seek(at)
            before = file.read(draw.choice([1, 1, 4, 8]))
            file.seek(at)
            file.write(draw.randbytes(len(before)) if round_ % 2 else bytes([before[0] ^ 1 << draw.randrange(8)]))
            try:
                read_header(path)
            except ModelError:
                refused += 1
            file.seek(at)
            file.write(before)
    assert refused > 50
    assert read_header(path).parameters == read_header(tiny).parameters


def test_truncated_headers_are_refused(small_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    data = small_gguf.read_bytes()
    draw = random.Random(7)
    for length in [*range(0, 200, 7), *(draw.randrange(len(data)) for _ in range(100))]:
        path.write_bytes(data[:length])
        with pytest.raises(ModelError):
            read_header(path)


def test_parts_of_a_split_model_belong_together(tmp_path: Path) -> None:
    parts = [tmp_path / f"model-0000{number}-of-00002.gguf" for number in (1, 2)]
    for number, part in enumerate(parts):
        write_split(part, number)
    for part in parts:
        header = read_header(part)
        assert header.files == tuple(parts)
        assert header.size == sum(part.stat().st_size for part in parts)
        assert len(header.tensors) == 4
        assert {one.part for one in header.tensors} == {0, 1}
    parts[1].unlink()
    with pytest.raises(ModelError, match=r"00002-of-00002.gguf does not exist"):
        read_header(parts[0])
    shutil.copy(parts[0], parts[1])
    with pytest.raises(ModelError, match="is not part 2 of 2"):
        read_header(parts[0])


def write_split(path: Path, number: int) -> None:
    write_gguf(path, rows=8, **{"split.no": number, "split.count": 2, "split.tensors.count": 4})


def test_a_name_like_a_part_of_one_is_a_file_of_its_own() -> None:
    alone = Path("model-00001-of-00001.gguf")
    assert split_parts(alone) == [alone]
