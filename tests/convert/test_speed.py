"""Speed, and the choice of a type for this machine."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest

from convert.measuring import placement, speed, stand_in, this_machine
from convert.measuring.speed import Speed
from convert.measuring.stand_in import Sample
from convert.measuring.this_machine import choose
from convert.quantization.recipe import mixture
from models.errors import Cancelled, ModelError
from models.gguf_header import read_header
from models.llama.quantizers import needs_importance, quantize_rows


@pytest.fixture(autouse=True)
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "SAMPLE", 1_000_000)


def test_speed(tiny: Path) -> None:
    steps: list[tuple[int, int]] = []
    found = speed.measure(
        tiny, prompt=64, decode=4, rounds=2, on_progress=lambda done, total: steps.append((done, total))
    )
    assert found.prefill > 0 < found.decode
    assert steps == [(0, 2), (1, 2), (2, 2)]


def test_speed_of_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF but not really")
    with pytest.raises(ModelError):
        speed.measure(tmp_path / "broken.gguf")


@pytest.mark.parametrize("type", ["Q4_0", "Q8_0", "F16", "BF16"])
def test_rows_are_quantized_as_the_reference_in_python_does(type: str) -> None:
    rows = np.random.default_rng(0).normal(0, 0.1, (8, 256)).astype(np.float32)
    wanted = gguf.quantize(rows, gguf.GGMLQuantizationType[type])
    assert np.array_equal(quantize_rows(rows, type), wanted.view(np.uint8).reshape(8, -1))


def test_importance_moves_the_error_to_other_columns() -> None:
    rows = np.random.default_rng(0).normal(0, 0.1, (32, 256)).astype(np.float32)
    importance = np.where(np.arange(256) % 2, 100, 0.01).astype(np.float32)

    def error(weights: np.ndarray | None) -> float:
        off = gguf.dequantize(quantize_rows(rows, "Q4_K", weights), gguf.GGMLQuantizationType.Q4_K) - rows
        return float((off[:, 1::2] ** 2).sum())

    assert error(importance) < 0.9 * error(None)


def test_what_would_end_the_process_is_refused() -> None:
    rows = np.ones((4, 256), np.float32)
    assert needs_importance("IQ2_XXS")
    assert not needs_importance("Q2_K")
    for bad, type, importance in (
        (rows, "IQ2_XXS", None),
        (rows[:, :100], "Q4_0", None),
        (rows, "Q4_K", np.ones(255, np.float32)),
        (rows * np.nan, "Q4_0", None),
    ):
        with pytest.raises(ValueError, match=r"IQ2_XXS|100|255|finite"):
            quantize_rows(bad, type, importance)


def test_a_stand_in_has_the_shapes_types_and_metadata_of_the_real_file(tiny: Path, tmp_path: Path) -> None:
    header = read_header(tiny)
    recipe = mixture(header, "Q5_K_M")
    target = tmp_path / "stand-in.gguf"
    Sample(header).quantize(recipe.types, 1).write(target)
    found = read_header(target)
    assert found.metadata == header.metadata
    assert [(one.name, one.shape) for one in found.tensors] == [(one.name, one.shape) for one in header.tensors]
    assert {one.name: one.type for one in found.tensors} == dict(recipe.types)
    assert abs(found.size - recipe.size) < 100  # the recipe counts two keys that the source may lack
    assert speed.measure(target, prompt=32, decode=2, rounds=1).decode > 0
    vectors = [(one, other) for one, other in zip(header.tensors, found.tensors, strict=True) if len(one.shape) == 1]
    for one, other in vectors:
        assert np.array_equal(
            np.memmap(tiny, np.uint8, "r", one.offset, one.size),
            np.memmap(target, np.uint8, "r", other.offset, other.size),
        )
    matrix = next(one for one in found.tensors if one.name == "blk.0.ffn_down.weight")
    rows = math.prod(matrix.shape[1:])
    blocks = np.memmap(target, np.uint8, "r", matrix.offset, (rows, matrix.size // rows))
    assert len(np.unique(np.asarray(blocks), axis=0)) >= 4  # different rows, not one over and over


def test_the_error_of_a_sample_falls_with_the_bits(tiny: Path) -> None:
    header = read_header(tiny)
    sample = Sample(header)
    errors = [sample.quantize(mixture(header, name).types, 1).error for name in ("Q2_K", "Q3_K_M", "Q5_0", "Q8_0")]
    assert errors == sorted(errors, reverse=True)
    assert 1e-6 < errors[-1] < 1e-4


def test_a_tensor_that_is_no_number_is_named(tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    shutil.copyfile(tiny, broken)
    tensor = next(one for one in read_header(tiny).tensors if one.name == "blk.2.attn_q.weight")
    np.memmap(broken, np.float16, "r+", tensor.offset, tensor.size // 2)[:] = np.nan
    with pytest.raises(ModelError, match=r"blk\.2\.attn_q\.weight"):
        choose(broken)


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Speed]:
    """What is measured, by type, in place of the clock: 100 tokens per second where nothing is said."""
    known: dict[str, Speed] = {}
    monkeypatch.setattr(speed, "measure", lambda path, **_: known.get(path.stem, Speed(100, 100)))
    return known


def test_the_choice_is_of_measured_numbers(tiny: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    choice = choose(
        tiny, candidates=["Q4_0", "Q8_0"], folder=tmp_path, on_progress=lambda done, total: steps.append((done, total))
    )
    assert [one.type for one in choice.candidates] == ["Q4_0", "Q8_0"]
    assert [one.chosen for one in choice.candidates] == [one.type == choice.chosen for one in choice.candidates]
    small, large = choice.candidates
    assert small.size < large.size
    assert small.error > large.error
    assert all(one.prefill and one.decode and one.seconds for one in choice.candidates)
    assert choice.chosen in choice.reason
    assert steps[-1] == (2000, 2000)
    assert steps == sorted(steps)
    assert list(tmp_path.glob("measure-*")) == []


def test_the_fastest_of_those_that_lose_little(tiny: Path, tmp_path: Path, speeds: dict[str, Speed]) -> None:
    candidates = ["Q2_K", "Q5_0", "Q8_0"]
    speeds.update({"Q2_K": Speed(900, 90), "Q5_0": Speed(300, 30), "Q8_0": Speed(200, 20)})
    choice = choose(tiny, candidates=candidates, folder=tmp_path)
    assert choice.chosen == "Q5_0"  # Q2_K is faster, but loses too much
    assert "Q2_K takes" in choice.reason
    speeds["Q8_0"] = Speed(290, 29)
    choice = choose(tiny, candidates=candidates, folder=tmp_path)
    assert choice.chosen == "Q8_0"  # hardly slower, and better
    assert choice.candidates[2].seconds == pytest.approx(this_machine.PROMPT / 290 + this_machine.ANSWER / 29)


def test_what_does_not_fit_is_not_measured(
    tiny: Path, tmp_path: Path, speeds: dict[str, Speed], monkeypatch: pytest.MonkeyPatch
) -> None:
    header = read_header(tiny)
    sizes = [mixture(header, name).size for name in ("Q5_0", "Q8_0")]
    beside = this_machine.beside_the_weights(header)
    monkeypatch.setattr(placement, "room", lambda: beside + sum(sizes) // 2)
    choice = choose(tiny, candidates=["Q8_0", "Q5_0"], folder=tmp_path)
    assert choice.chosen == "Q5_0"
    assert choice.candidates[0].seconds is None
    assert choice.candidates[0].error > 0
    monkeypatch.setattr(placement, "room", lambda: beside)
    with pytest.raises(ModelError, match="Not even Q5_0 fits"):
        choose(tiny, candidates=["Q8_0", "Q5_0"], folder=tmp_path)


def test_a_stopped_choice_leaves_nothing(tiny: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > 300:
            raise Cancelled

    with pytest.raises(Cancelled):
        choose(tiny, candidates=["Q8_0"], folder=tmp_path, on_progress=stop)
    assert list(tmp_path.glob("measure-*")) == []
