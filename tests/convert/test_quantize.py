"""Quantizing small files of random numbers: the bytes are llama.cpp's own, and nothing bad leaves anything behind."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import psutil
import pytest
from small_gguf import llama_like, write_gguf

from convert.imatrix import Entry, Imatrix
from convert.quantization.mixture import FILE_TYPE_IDS
from convert.quantization.quantize import quantize
from convert.quantization.recipe import Recipe, mixture, protect
from convert.quantization.tensor_types import BLOCKS, QUANTIZABLE_TO
from convert.quantization.verify import finite, verify
from models.errors import Cancelled, IntegrityError, ModelError, UsageError, UserError
from models.gguf_header import TYPES, Header, read_header
from models.llama import library, quantization


def slow(*names: str) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


SMALL = llama_like(8, 256, 256, 4, 2)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("quantize") / "model-F16.gguf", "llama", *SMALL, seed=1)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes long enough to be disturbed."""
    content = llama_like(4, 1024, 1024, 4, 2, vocabulary=1024)
    return write_gguf(tmp_path_factory.mktemp("quantize") / "large-F16.gguf", "llama", *content, seed=2)


@pytest.fixture(scope="session")
def importance(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(3)
    entries = {
        tensor.name: Entry(random.uniform(0, 9, (1, tensor.shape[0])).astype(np.float32), np.array([7]))
        for tensor in read_header(source).tensors
        if len(tensor.shape) > 1
    }
    path = tmp_path_factory.mktemp("quantize") / "model.imatrix"
    Imatrix(entries, chunks=1, chunk_size=7, datasets=("random",)).write(path)
    return path


@pytest.fixture(autouse=True)
def nothing_is_left(source: Path, large: Path, tmp_path: Path) -> Any:
    """Whatever happens: the sources stay as they are, and no partial file stays."""
    before = [(path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_size) for path in (source, large)]
    yield
    assert before == [(path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_size) for path in (source, large)]
    assert not list(tmp_path.rglob("*.partial"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def recipe_of(path: Path, name: str, has_imatrix: bool = False) -> Recipe:
    return mixture(read_header(path), name, has_imatrix=has_imatrix)


@pytest.mark.parametrize(
    "name",
    ["Q4_K_M", "Q3_K_M", "BF16", *slow("Q5_0", "Q8_0", "Q6_K", "Q2_K", "IQ4_XS", "IQ3_S", "F32", "F16", "TQ1_0")],
)
def test_bytes_are_those_of_llama_cpp(name: str, source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "ours.gguf", recipe_of(source, name), threads=1)
    quantization.quantize(source, tmp_path / "theirs.gguf", FILE_TYPE_IDS[name], threads=1)
    assert digest(tmp_path / "ours.gguf") == digest(tmp_path / "theirs.gguf")
    assert (tmp_path / "ours.gguf").stat().st_size == recipe_of(source, name).size


@pytest.mark.parametrize("name", ["Q4_0", *slow("Q4_K_M", "IQ2_XS")])
def test_bytes_with_an_importance_matrix(name: str, source: Path, importance: Path, tmp_path: Path) -> None:
    recipe = recipe_of(source, name, has_imatrix=True)
    quantize(source, tmp_path / "ours.gguf", recipe, imatrix=importance, threads=1)
    # llama.cpp's rule (tools/quantize): sums / counts.
    means = {tensor: entry.sums[0] / np.float32(7) for tensor, entry in Imatrix.read(importance).entries.items()}
    quantization.quantize(source, tmp_path / "theirs.gguf", FILE_TYPE_IDS[name], imatrix=means, threads=1)
    assert digest(tmp_path / "ours.gguf") == digest(tmp_path / "theirs.gguf")


@pytest.mark.parametrize(("architecture", "content"), [
    ("llama", llama_like(8, 96, 352, 4, 2)),
    ("llama", llama_like(4, 80, 512, 2, 1, tied=True)),
    ("phi3", llama_like(4, 256, 256, 4, 1, tied=True, fused=True)),
    ("llama", llama_like(2, 256, 256, 4, 2, experts=8)),
])  # fmt: skip
def test_bytes_of_other_shapes(architecture: str, content: Any, tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "model.gguf", architecture, *content, seed=4, dtype=np.float32)
    recipe = recipe_of(source, "Q4_K_M")
    quantize(source, tmp_path / "ours.gguf", recipe, threads=1)
    quantization.quantize(source, tmp_path / "theirs.gguf", FILE_TYPE_IDS["Q4_K_M"], threads=1)
    assert digest(tmp_path / "ours.gguf") == digest(tmp_path / "theirs.gguf")
    assert (tmp_path / "ours.gguf").stat().st_size == recipe.size


def test_another_type_for_one_tensor_shifts_no_other(source: Path, tmp_path: Path) -> None:
    """Told only of the one, llama.cpp gives other layers other types."""
    header = read_header(source)
    recipe = protect(mixture(header, "Q4_K_M"), header, ["blk.0.ffn_down.weight"])
    quantize(source, tmp_path / "ours.gguf", recipe, threads=1)
    assert types(read_header(tmp_path / "ours.gguf")) == recipe.types
    quantization.quantize(source, tmp_path / "theirs.gguf", 15, {"blk.0.ffn_down.weight": "Q8_0"}, threads=1)
    assert types(read_header(tmp_path / "theirs.gguf")) != recipe.types


def types(header: Header) -> dict[str, str]:
    return {tensor.name: tensor.type for tensor in header.tensors}


def test_a_split_source_becomes_one_file(source: Path, tmp_path: Path) -> None:
    reader = gguf.GGUFReader(source)
    parts = [tmp_path / f"model-0000{number}-of-00002.gguf" for number in (1, 2)]
    for number, part in enumerate(parts):
        writer = gguf.GGUFWriter(part, "llama")
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 2)
        writer.add_int32("split.tensors.count", len(reader.tensors))
        if number == 0:
            for key, value in SMALL[0].items():
                (writer.add_float32 if isinstance(value, float) else writer.add_uint32)(f"llama.{key}", value)
        for tensor in reader.tensors[number::2]:
            writer.add_tensor(tensor.name, np.array(tensor.data))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    recipe = recipe_of(parts[0], "Q4_K_M")
    quantize(parts[0], tmp_path / "one.gguf", recipe, threads=1)
    quantize(source, tmp_path / "whole.gguf", recipe_of(source, "Q4_K_M"), threads=1)
    one, whole = (gguf.GGUFReader(tmp_path / name) for name in ("one.gguf", "whole.gguf"))
    for left, right in zip(one.tensors, whole.tensors, strict=True):
        assert left.name == right.name
        assert np.array_equal(left.data, right.data)
    assert (tmp_path / "one.gguf").stat().st_size == recipe.size


def test_progress_grows_to_the_whole(large: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    recipe = recipe_of(large, "Q3_K_S")
    quantize(large, tmp_path / "o.gguf", recipe, threads=1, on_progress=lambda *now: told.append(now))
    assert told == sorted(told)
    assert told[0] == (0, recipe.size)
    assert told[-1] == (recipe.size, recipe.size)
    assert any(0 < done < recipe.size for done, _ in told)


@pytest.mark.parametrize("stop", [Cancelled(), KeyboardInterrupt(), BrokenPipeError()])
def test_what_progress_raises_stops_the_child(stop: BaseException, large: Path, tmp_path: Path) -> None:
    children: list[psutil.Process] = []

    def on_progress(done: int, total: int) -> None:
        if done:  # in the middle of writing
            others = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
            children.extend(child for child in others if quantize.__module__ in child.cmdline())
            raise stop

    with pytest.raises(type(stop)):
        quantize(large, tmp_path / "o.gguf", recipe_of(large, "Q3_K_S"), threads=1, on_progress=on_progress)
    assert children
    assert not any(child.is_running() for child in children)
    assert not list(tmp_path.glob("o.*"))


def test_a_crash_does_not_take_us_with_it(large: Path, tmp_path: Path) -> None:
    def on_progress(done: int, total: int) -> None:
        if done:
            for child in psutil.Process().children():
                child.send_signal(signal.SIGSEGV)

    with pytest.raises(ModelError, match="SIGSEGV") as error:
        quantize(large, tmp_path / "o.gguf", recipe_of(large, "Q3_K_S"), threads=1, on_progress=on_progress)
    assert "converting to q3_K" in error.value.message, "llama.cpp's last words"
    assert not list(tmp_path.glob("o.*"))


def test_a_killed_parent_leaves_no_process(large: Path, tmp_path: Path) -> None:
    code = (
        "import sys, psutil; from pathlib import Path\n"
        "from convert.quantization.quantize import *; from convert.quantization.recipe import *\n"
        "source = Path(sys.argv[1])\n"
        "def told(done, total):\n"
        "    if done: print(*(child.pid for child in psutil.Process().children()), flush=True)\n"
        "recipe = mixture(read_header(source), 'Q3_K_S')\n"
        "quantize(source, Path(sys.argv[2]), recipe, threads=1, on_progress=told)\n"
    )
    command = [sys.executable, "-c", code, str(large), str(tmp_path / "o.gguf")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        child.wait(timeout=60)
    written = (tmp_path / "o.gguf.partial").stat().st_size
    assert written < recipe_of(large, "Q3_K_S").size, "it did not work on"
    assert not (tmp_path / "o.gguf").exists()
    quantize(large, tmp_path / "o.gguf", recipe_of(large, "Q4_0"), threads=1)  # over what was left


def test_a_disk_that_becomes_full(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of(large, "Q4_0")
    free = iter([recipe.size, *[1000] * 9])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 0, next(free)))  # type: ignore[attr-defined]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (recipe.size * 6 // 10, limits[1]))  # the child cannot write more
    try:
        with pytest.raises(UserError, match="of disk space"):
            quantize(large, tmp_path / "o.gguf", recipe, threads=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.glob("o.*"))


def test_too_little_disk_space_is_known_before(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of(source, "Q4_0")
    usage = shutil._ntuple_diskusage(10**9, 0, recipe.size - 1)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(UserError, match="of disk space"):
        quantize(source, tmp_path / "o.gguf", recipe)


@pytest.mark.parametrize("how", ["same", "hard link", "link", "partial", "link to partial"])
def test_the_source_is_never_the_target(how: str, source: Path, tmp_path: Path) -> None:
    copy, target = tmp_path / "copy.gguf", tmp_path / "o.gguf"
    if how == "partial":
        copy = tmp_path / "o.gguf.partial"
    shutil.copy(source, copy)
    if how == "same":
        target = copy
    elif how == "hard link":
        target.hardlink_to(copy)
    elif how == "link":
        target.symlink_to(copy)
    elif how == "link to partial":
        (tmp_path / "o.gguf.partial").symlink_to(copy)
    with pytest.raises(UsageError, match="is the source itself"):
        quantize(copy, target, recipe_of(copy, "Q4_0"))
    assert digest(copy) == digest(source)
    (tmp_path / "o.gguf.partial").unlink(missing_ok=True)


def test_targets_that_are_refused(source: Path, tmp_path: Path) -> None:
    recipe = recipe_of(source, "Q4_0")
    (tmp_path / "there.gguf").write_text("mine")
    (tmp_path / "dangling.gguf").symlink_to("nowhere")
    for name, message in (
        ("there.gguf", "exists already"),
        ("dangling.gguf", "exists already"),
        ("o-00001-of-00002.gguf", "part of a split model"),
        ("none/o.gguf", "is not a folder"),
    ):
        with pytest.raises(UsageError, match=message):
            quantize(source, tmp_path / name, recipe)
    assert (tmp_path / "there.gguf").read_text() == "mine"


def test_sources_and_recipes_that_are_refused(source: Path, large: Path, importance: Path, tmp_path: Path) -> None:
    target = tmp_path / "o.gguf"
    other = write_gguf(tmp_path / "other.gguf", "llama", *llama_like(4, 256, 256, 4, 2), seed=5)
    with pytest.raises(UsageError, match="is not for the model"):
        quantize(source, target, recipe_of(other, "Q4_0"))
    with pytest.raises(UsageError, match="needs an importance matrix"):
        quantize(source, target, recipe_of(source, "IQ2_XS", has_imatrix=True))
    lacking, foreign = tmp_path / "lacking.imatrix", tmp_path / "foreign.imatrix"
    entries = {
        name: entry
        for name, entry in Imatrix.read(importance).entries.items()
        if ".1." not in name and "token" not in name
    }
    Imatrix(entries, 1, 8, ()).write(lacking)
    Imatrix({"foreign": Entry(np.ones((1, 8), np.float32), np.array([1]))}, 1, 8, ()).write(foreign)
    with pytest.raises(UsageError, match=r"no entry for blk\.1\."):
        quantize(source, target, recipe_of(source, "IQ2_XS", has_imatrix=True), imatrix=lacking)
    asked = tmp_path / "mine.toml"
    asked.write_text('base = "Q8_0"\nrules = {token_embd = "IQ2_XS"}')
    with pytest.raises(UsageError, match=r"no entry for token_embd"):
        quantize(source, target, Recipe.read(asked, read_header(source), has_imatrix=True), imatrix=lacking)
    with pytest.raises(UsageError, match="another model"):
        quantize(source, target, recipe_of(source, "Q4_K_M"), imatrix=foreign)
    with pytest.raises(UsageError, match=r"another model: .* columns, not"):  # of as many layers, but wider
        quantize(large, target, recipe_of(large, "Q4_K_M"), imatrix=importance, threads=1)
    assert not target.exists()


def test_requantizing_has_to_be_asked_for(source: Path, tmp_path: Path) -> None:
    quantized = tmp_path / "q8.gguf"
    quantize(source, quantized, recipe_of(source, "Q8_0"), threads=1)
    again = recipe_of(quantized, "Q4_0")
    with pytest.raises(UsageError, match=r"is quantized already: \S+ is Q8_0"):
        quantize(quantized, tmp_path / "o.gguf", again)
    quantize(quantized, tmp_path / "o.gguf", again, threads=1, allow_requantize=True)
    assert types(read_header(tmp_path / "o.gguf")) == again.types
    same = recipe_of(quantized, "Q8_0")
    quantize(quantized, tmp_path / "same.gguf", same, threads=1)  # nothing is lost again
    assert digest(tmp_path / "same.gguf") == digest(quantized)


def test_a_weight_that_is_no_number(source: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    shutil.copy(source, broken)
    tensor = next(t for t in read_header(broken).tensors if t.name == "blk.3.ffn_up.weight")
    with broken.open("r+b") as file:
        file.seek(tensor.offset + 1000)
        file.write(np.float16(np.nan).tobytes())
    with pytest.raises(ModelError, match=r"broken\.gguf.*blk\.3\.ffn_up\.weight.*invalid"):
        quantize(broken, tmp_path / "o.gguf", recipe_of(broken, "Q4_K_M"), threads=1)
    assert not (tmp_path / "o.gguf").exists()


def test_other_alignment(tmp_path: Path) -> None:
    path = tmp_path / "aligned.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(64)
    writer.add_tensor("token_embd.weight", np.ones((4, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match="32 bytes"):
        quantize(path, tmp_path / "o.gguf", recipe_of(path, "Q8_0"))


@pytest.mark.parametrize("type", QUANTIZABLE_TO)
def test_scales_that_are_no_numbers_are_found(type: str) -> None:
    """As llama.cpp's own check of one block, whatever byte of it is spoilt."""
    ggml = library.start()
    ggml.ggml_validate_row_data.restype = ctypes.c_bool
    ggml.ggml_validate_row_data.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    number = next(number for number, (name, _, _) in TYPES.items() if name == type)
    size = BLOCKS[type][1]
    random, answers = np.random.default_rng(6), set()
    for at in range(size):
        for spoilt in (0x7C, 0x7F, 0xFF):
            block = random.integers(0, 0x3C, size).astype(np.uint8)
            block[at] = spoilt
            block[at - 1 if at % 2 else at] |= 0x80  # BF16 and F32: the exponent's last bit
            block[max(0, at - 2)] |= 0xC0 if type == "IQ1_M" else 0
            expected = ggml.ggml_validate_row_data(number, block.ctypes.data, size)
            assert finite(type, block) == expected, (at, spoilt)
            answers.add(expected)
    assert answers == {True, False}


def test_a_result_that_is_not_what_was_asked_for(source: Path, tmp_path: Path) -> None:
    header, path = read_header(source), tmp_path / "o.gguf"
    recipe = mixture(header, "Q4_K_M")
    quantize(source, path, recipe, threads=1)
    verify(path, header, recipe)
    with pytest.raises(IntegrityError, match=r"\S+\.weight is Q\d_K .* instead of Q\d_K"):
        verify(path, header, mixture(header, "Q5_K_M"))
    tensor = next(t for t in read_header(path).tensors if t.name == "blk.5.attn_q.weight")
    with path.open("r+b") as file:
        file.seek(tensor.offset + tensor.size // 144 // 2 * 144)
        file.write(np.float16(np.inf).tobytes())
    with pytest.raises(IntegrityError, match=r"blk\.5\.attn_q\.weight"):
        verify(path, header, recipe)
    os.truncate(path, recipe.size - 100)
    with pytest.raises(ModelError, match="truncated"):
        verify(path, header, recipe)
