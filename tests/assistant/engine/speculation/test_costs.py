"""What batches cost: measured, kept, corrected, and measured anew when anything changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from assistant.engine.engine import LoadOptions, Progress
from assistant.engine.kv_cache import OUTPUTS
from assistant.engine.local import LocalEngine
from assistant.engine.speculation.costs import BatchCosts, CostsFile, measure


def test_what_lies_between_is_interpolated_and_what_lies_beyond_is_in_proportion() -> None:
    costs = BatchCosts({1: 1.0, 4: 2.5, 16: 4.5})
    assert costs(1) == 1.0
    assert costs(2) == pytest.approx(1.5)
    assert costs(10) == pytest.approx(3.5)
    assert costs(32) == pytest.approx(9.0)


def test_a_round_corrects_its_own_size_most_and_no_round_too_much() -> None:
    costs = BatchCosts({1: 1.0, 8: 2.0})
    costs.observe(8, 3.0)
    assert costs(8) > 2.0
    assert 1.0 < costs(1) < 1.1
    assert costs(8) / 2.0 > costs(1) / 1.0
    before = costs(8)
    costs.observe(8, 1000.0)  # the machine slept
    assert costs(8) < 1.5 * before
    for _ in range(60):
        costs.observe(8, 3.0)
    assert costs(8) == pytest.approx(3.0, rel=0.05)
    costs.observe(OUTPUTS + 100, 1.0)  # a long text; it says nothing of drafts


def test_measuring_leaves_the_cache_as_it_was(tiny: Path) -> None:
    engine = LocalEngine(tiny, LoadOptions(threads=1))
    cache = engine.kv_cache
    cache.reserve(64)
    cache.append([1, 2, 3])
    events: list[Progress] = []

    def run() -> Generator[Progress, None, BatchCosts]:
        return (yield from measure(cache))

    measuring = run()
    while True:
        try:
            events.append(next(measuring))
        except StopIteration as end:
            costs: BatchCosts = end.value
            break
    assert cache.tokens == [1, 2, 3]
    assert cache.context.length == 3
    assert events[-1].done == events[-1].total
    assert {1, 4, 16} <= set(costs.measured)
    assert 0 < costs(1) < costs(32)
    engine.close()


def test_a_measurement_is_kept_until_something_changes(tiny: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    shutil.copy(tiny, model)

    def file(threads: int = 2, offloaded: int = 0, kv_type: str = "f16") -> CostsFile:
        return CostsFile(model, threads=threads, offloaded=offloaded, kv_type=kv_type)

    assert file().read() is None
    file().write(BatchCosts({1: 0.5, 4: 0.7}))
    kept = file().read()
    assert kept
    assert kept.measured == {1: 0.5, 4: 0.7}
    assert file(threads=1).read() is None
    assert file(offloaded=3).read() is None
    assert file(kv_type="q8_0").read() is None
    assert CostsFile(model, tiny, threads=2, offloaded=0, kv_type="f16").read() is None
    os.utime(model, ns=(0, 0))
    assert file().read() is None


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "{}", '{"1": "slow"}', '{"1": -1}', '{"2": 1.0}', '{"1": NaN}', "null"]
)
def test_a_damaged_file_is_measured_anew(tiny: Path, home: Path, damage: str) -> None:
    file = CostsFile(tiny, threads=1, offloaded=0, kv_type="f16")
    file.write(BatchCosts({1: 0.5}))
    [path] = (home / "cache" / "batch-costs").iterdir()
    path.write_text(damage)
    assert file.read() is None


def test_a_folder_that_cannot_be_written_is_no_error(tiny: Path, home: Path) -> None:
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "batch-costs").write_text("a file in its place")
    file = CostsFile(tiny, threads=1, offloaded=0, kv_type="f16")
    file.write(BatchCosts({1: 0.5}))
    assert file.read() is None
