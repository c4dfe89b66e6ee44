"""A weight that makes activations spike is found, by its place and value, in models of any shape and type."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from random_gguf import COLUMNS, LAYERS, Weights, random_weights, write_model

from convert import super_weights
from models.errors import Cancelled, ModelError, UsageError

LAYER, ROW, COLUMN, VALUE = 1, 17, 41, 40.0


def plant(weights: Weights, *, layer: int = LAYER, expert: int | None = None) -> Weights:
    """A weight in ``ffn_down``, and a column before it that is large for any token."""
    part = "" if expert is None else "_exps"
    gate, up, down = (weights[f"blk.{layer}.ffn_{name}{part}.weight"] for name in ("gate", "up", "down"))
    at = () if expert is None else (expert,)
    gate[(*at, COLUMN)] = up[(*at, COLUMN)] = 40 * _direction()
    down[(*at, slice(None), COLUMN)] = 0
    down[(*at, ROW, COLUMN)] = VALUE
    return weights


def _direction() -> np.ndarray:
    return np.random.default_rng(9).standard_normal(COLUMNS).astype(np.float32) / np.sqrt(COLUMNS)


def test_a_planted_weight_is_found_with_its_place_and_value(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.gguf", plant(random_weights()))
    (found,) = super_weights.find(model, threads=1)
    assert (found.tensor, found.layer, found.row, found.column) == ("blk.1.ffn_down.weight", LAYER, ROW, COLUMN)
    assert found.weight == VALUE
    assert abs(found.input_activation) > 50
    assert found.output_activation == pytest.approx(VALUE * found.input_activation, rel=0.05)
    assert found.json() == {
        "tensor": "blk.1.ffn_down.weight",
        "layer": LAYER,
        "row": ROW,
        "column": COLUMN,
        "weight": VALUE,
        "input_activation": found.input_activation,
        "output_activation": found.output_activation,
    }


def test_none_is_found_where_none_was_planted(tmp_path: Path) -> None:
    assert super_weights.find(write_model(tmp_path / "model.gguf", random_weights()), threads=1) == []


def test_a_large_input_alone_or_a_large_output_alone_is_none(tmp_path: Path) -> None:
    weights = plant(random_weights())
    weights["blk.1.ffn_down.weight"][ROW, COLUMN] = 0
    assert super_weights.find(write_model(tmp_path / "input.gguf", weights), threads=1) == []
    weights = random_weights()
    weights["blk.1.ffn_down.weight"][ROW] *= 200
    assert super_weights.find(write_model(tmp_path / "output.gguf", weights), threads=1) == []


def test_a_second_weight_of_a_layer_is_found_once_the_first_is_zero(tmp_path: Path) -> None:
    weights = plant(random_weights())
    weights["blk.1.ffn_down.weight"][ROW + 1, COLUMN] = -0.75 * VALUE
    weights["blk.1.ffn_down.weight"][ROW + 2, COLUMN] = 0.1 * VALUE  # far below the largest: no super weight
    found = super_weights.find(write_model(tmp_path / "model.gguf", weights), threads=1)
    assert [(one.row, one.column, one.weight) for one in found] == [
        (ROW, COLUMN, VALUE),
        (ROW + 1, COLUMN, -0.75 * VALUE),
    ]
    assert len(super_weights.find(tmp_path / "model.gguf", threads=1, most=1)) == 1


def test_a_weight_that_another_one_hides_is_found_in_a_repetition(tmp_path: Path) -> None:
    """The spike of layer 1 is so large that the norm of layer 2 drowns everything else: its own weight shows only
    where the first is zero."""
    hidden = 8 * VALUE  # at least half of the first: less is no spike in a repetition

    def planted() -> Weights:
        weights = plant(plant(random_weights()), layer=2)
        weights["blk.2.ffn_gate.weight"][COLUMN, ROW] = weights["blk.2.ffn_up.weight"][COLUMN, ROW] = 0
        weights["blk.2.ffn_down.weight"][ROW, COLUMN] = hidden
        return weights

    found = super_weights.find(write_model(tmp_path / "model.gguf", planted()), threads=1)
    assert [(one.layer, one.row, one.column, one.weight) for one in found] == [
        (1, ROW, COLUMN, VALUE),
        (2, ROW, COLUMN, hidden),
    ]
    # It is there as it would be in a file where the first one is zero.
    weights = planted()
    weights["blk.1.ffn_down.weight"][ROW, COLUMN] = 0
    (expected,) = super_weights.find(write_model(tmp_path / "zeroed.gguf", weights), threads=1)
    assert found[1].input_activation == pytest.approx(expected.input_activation, rel=1e-2)
    assert found[1].output_activation == pytest.approx(expected.output_activation, rel=1e-2)


def test_a_weight_of_an_expert_is_found_with_its_expert(tmp_path: Path) -> None:
    experts, chosen = 4, 2
    weights = plant(random_weights(experts=experts), expert=chosen)
    found = super_weights.find(write_model(tmp_path / "model.gguf", weights, experts=experts), threads=1)
    assert [(one.tensor, one.expert, one.row, one.column, one.weight) for one in found] == [
        ("blk.1.ffn_down_exps.weight", chosen, ROW, COLUMN, VALUE)
    ]
    assert found[0].json()["expert"] == chosen


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_1"])
def test_weights_of_other_types_are_read_from_the_file(tmp_path: Path, kind: str) -> None:
    weights = plant(random_weights())
    path = write_model(tmp_path / "model.gguf", weights, types={"blk.1.ffn_down.weight": kind})
    (found,) = super_weights.find(path, threads=1)
    quantized = gguf.quantize(weights["blk.1.ffn_down.weight"], gguf.GGMLQuantizationType[kind])
    values = gguf.dequantize(quantized, gguf.GGMLQuantizationType[kind])
    assert (found.row, found.column, found.weight) == (ROW, COLUMN, values[ROW, COLUMN])


def test_the_threshold_is_what_both_activations_exceed(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.gguf", plant(random_weights()))
    (found,) = super_weights.find(model, threads=1)
    assert super_weights.find(model, threads=1, threshold=abs(found.input_activation) + 1) == []
    assert len(super_weights.find(model, threads=1, threshold=abs(found.input_activation) - 1)) == 1


def test_the_smallest_real_model_has_a_known_one(tiny: Path) -> None:
    found = super_weights.find(tiny, threads=1)
    largest = max(found, key=lambda one: abs(one.output_activation))
    assert (largest.layer, largest.row, largest.column) == (11, 507, 1229)
    assert largest.weight == pytest.approx(5.876, abs=1e-3)
    assert largest.input_activation > 2000
    assert largest.output_activation > 20_000
    assert len(found) < 12


def test_prompts_without_tokens_or_with_too_many_are_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.gguf", random_weights())
    with pytest.raises(UsageError, match="2001 tokens"):
        super_weights.find(model, prompt="a" * 2000, threads=1)
    (tmp_path / "other.gguf").write_bytes(bytes(100))
    with pytest.raises(ModelError, match="not a GGUF"):
        super_weights.find(tmp_path / "other.gguf")


def test_it_can_be_stopped(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.gguf", random_weights())
    steps = []

    def stop(done: int, total: int) -> None:
        steps.append((done, total))
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        super_weights.find(model, threads=1, on_progress=stop)
    assert steps == [(1, LAYERS), (2, LAYERS)]
