"""The measurement behind ``assistant bench``: what it runs, what it makes of it, and that it can be stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.bench import limits
from assistant.bench.speed import Bench, together
from assistant.bench.workloads import WORKLOADS
from assistant.engine.engine import LoadOptions, Speculation
from assistant.engine.kv_cache import OUTPUTS
from assistant.engine.speculation.costs import BatchCosts
from assistant.engine.structured import validate
from models.errors import Cancelled, ModelError
from models.gguf_header import Tensor, read_header

FREE = BatchCosts({1: 1.0, OUTPUTS: 1.0})  # a batch costs the same, whatever its size
IN_PROPORTION = BatchCosts({1: 1.0, OUTPUTS: float(OUTPUTS)})


@pytest.fixture(autouse=True)
def _small_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_ARRAY", 1 << 20)


def test_the_workloads_are_what_the_documents_say() -> None:
    words = {workload.name: len(workload.document.split()) for workload in WORKLOADS}
    assert list(words) == ["chat", "code", "summary", "proofreading", "extraction", "Russian chat"]
    assert 1150 < words["summary"] < 1350
    assert 290 < words["proofreading"] < 310
    for workload in WORKLOADS:
        (whole,), (part,) = workload.messages(), workload.messages(0.3)
        assert workload.question in part.content
        assert part.content[:200] == whole.content[:200]
        assert (len(part.content) < len(whole.content)) == bool(workload.document)


def test_the_report_of_the_accident_fits_its_schema() -> None:
    constraint = next(workload.constraint for workload in WORKLOADS if workload.constraint)
    person = {"name": "Marta Olsen", "age": 34, "role": "injured", "injury": "left wrist"}
    facts = {
        "date": "14 March",
        "place": "Station Road",
        "people": [person],
        "vehicle": {"make": "Rekord Transit", "colour": "white", "number": "KL 4471"},
        "damage_in_euros": 900,
        "answer_within_days": 21,
    }
    compact = (",", ":")
    assert validate(json.dumps(facts, separators=compact), constraint) is None
    person["age"] = 340
    assert validate(json.dumps(facts, separators=compact), constraint)


def test_the_best_length_follows_the_costs() -> None:
    assert limits.best_length(FREE, 1.0) == (OUTPUTS - 1, float(OUTPUTS))
    assert limits.best_length(IN_PROPORTION, 1.0) == (0, 1.0)
    assert limits.best_length(FREE, 0.0) == (0, 1.0)
    length, gain = limits.best_length(FREE, 0.5, draft_token=0.3)  # 1.5 / 1.3 is more than 1.75 / 1.6
    assert (length, gain) == (1, pytest.approx(1.5 / 1.3))


@pytest.mark.parametrize("chance", [0.2, 0.78, 0.99])
@pytest.mark.parametrize("length", [1, 4, 15])
def test_the_chance_is_found_from_what_was_accepted(chance: float, length: int) -> None:
    rounds = 1_000_000
    accepted = round(rounds * sum(chance**place for place in range(1, length + 1)))
    found = limits.chance_of(Speculation("lookup", rounds, rounds * length, accepted, length))
    assert found == pytest.approx(chance, abs=1e-4)
    assert limits.chance_of(Speculation("lookup", 3, 12, 0, 4.0)) == 0


def test_the_bound_counts_only_the_rounds_that_had_a_draft() -> None:
    assert limits.bound(FREE, Speculation(), 100) == 1
    all_right = Speculation("lookup", 5, 45, 45, 9.0)  # 50 tokens
    assert limits.bound(FREE, all_right, 50) == pytest.approx(OUTPUTS)
    assert limits.bound(FREE, all_right, 100) == pytest.approx(1 / (0.5 + 0.5 / OUTPUTS))
    few = Speculation("lookup", 10, 100, 10, 10.0)  # 20 tokens; where batches are dear, only what is right should come
    costs = BatchCosts({1: 1.0, 2: 1.1, OUTPUTS: OUTPUTS * 2.0})
    assert limits.bound(costs, few, 20) == pytest.approx(2 / 1.1)
    by_model = replace(all_right, mode="model")
    assert limits.bound(FREE, by_model, 50, draft_token=1.0) < 2


def test_weights_that_a_token_reads(tiny: Path) -> None:
    header = read_header(tiny)
    weights = sum(tensor.size for tensor in header.tensors)
    assert limits.bytes_per_token(header) == weights  # its embedding is its output too
    output = Tensor("output.weight", (1, 1), "F32", 0, 1000)
    embedding = next(tensor.size for tensor in header.tensors if tensor.name == "token_embd.weight")
    assert limits.bytes_per_token(replace(header, tensors=(*header.tensors, output))) == weights - embedding + 1000
    experts = Tensor("blk.0.ffn_up_exps.weight", (1, 1), "F32", 0, 8000)
    name = header.architecture
    mixture = {**header.metadata, f"{name}.expert_count": 8, f"{name}.expert_used_count": 2}
    header = replace(header, metadata=mixture, tensors=(*header.tensors, experts))
    assert limits.bytes_per_token(header) == weights + 2000


def test_memory_is_read() -> None:
    assert 1e7 < limits.read_bandwidth(2) < 1e13


def test_answers_are_added_up() -> None:
    added = together([Speculation(), Speculation("lookup", 2, 8, 4, 4.0), Speculation("lookup+model", 2, 4, 4, 2.0)])
    assert (added.mode, added.rounds, added.drafted, added.accepted) == ("lookup+model", 4, 12, 8)
    assert added.mean_length == 3


def test_every_workload_is_measured_both_ways(tiny: Path) -> None:
    bench = Bench(tiny, seconds=200, rounds=2, tokens=6, workloads=WORKLOADS[3:5])
    doing = list(bench.run())
    report = bench.report()
    bench.close()
    assert [line for line in doing if line.startswith("round")] == [
        "round 1: proofreading, plain",
        "round 1: proofreading, drafting",
        "round 1: extraction, drafting",
        "round 1: extraction, plain",
        "round 2: proofreading, drafting",
        "round 2: proofreading, plain",
        "round 2: extraction, plain",
        "round 2: extraction, drafting",
    ]
    assert report.complete
    assert report.rounds == 2
    assert [row.workload for row in report.rows] == ["proofreading", "extraction"]
    for row in report.rows:
        assert 6 <= row.tokens <= (24 if row.workload == "proofreading" else 6)
        assert row.drafting is not None
        assert row.allowed is not None
        assert row.plain > 0
        assert row.drafting > 0
        assert row.allowed >= 1
    assert report.without_model
    assert report.draft_model is report.best_model is report.draft_token_seconds is None
    assert set(report.batch_seconds) >= {1, 2, 4, 8, 16, 32}
    assert report.bandwidth_share == pytest.approx(
        report.rows[0].plain * report.bytes_per_token / (report.bandwidth or 0)
    )


def test_what_is_measured_survives_a_stop(tiny: Path) -> None:
    bench = Bench(tiny, seconds=200, tokens=6, workloads=WORKLOADS[:2])
    for doing in bench.run():
        if doing == "round 1: chat, drafting":
            bench.cancel()
    report = bench.report()
    bench.close()
    assert bench.stopped
    assert not report.complete
    (row,) = report.rows
    assert (row.workload, row.drafting, row.ratio, row.speculation) == ("chat", None, None, None)
    assert row.plain > 0


def test_a_stop_before_anything_is_measured(tiny: Path) -> None:
    bench = Bench(tiny, seconds=200)
    with pytest.raises(Cancelled):
        bench.report()
    bench.close()


def test_it_gives_up_when_the_time_is_over(tiny: Path) -> None:
    bench = Bench(tiny, seconds=0.1, workloads=WORKLOADS[:1])
    list(bench.run())
    report = bench.report()
    bench.close()
    assert not report.complete
    assert not bench.stopped
    assert report.rows == []
    assert report.bandwidth_share is None


def test_a_draft_model_of_another_vocabulary_is_left_out(tiny: Path, draft: Path) -> None:
    bench = Bench(tiny, LoadOptions(draft_model=str(draft)), seconds=0.1, workloads=WORKLOADS[:1])
    list(bench.run())
    report = bench.report()
    bench.close()
    assert report.draft_model is None
    assert "cannot draft" in report.without_model


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF and then nothing")
    with pytest.raises(ModelError):
        list(Bench(path, seconds=10).run())
