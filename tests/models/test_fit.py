"""Memory is estimated from what llama.cpp really takes, and recommendations suit the machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models import catalogue, fit, licences
from models.gguf_header import Header, read_header
from models.hardware import Hardware
from models.llama import Device

GIB = 1 << 30


def machine(memory: float, cores: int, gpu: float = 0) -> Hardware:
    devices = (Device("GPU0", "a GPU", "gpu", int(gpu * GIB), int(gpu * GIB)),) if gpu else ()
    return Hardware(int(memory * GIB), int(memory * GIB), cores, devices=devices)


@pytest.mark.parametrize("window", [512, 4096])
def test_the_need_is_what_llama_cpp_takes(tiny: Path, window: int) -> None:
    from models import llama

    need = fit.memory_need(read_header(tiny), window)
    with llama.Model(tiny, gpu_layers=0) as model, llama.Context(model, n_ctx=window, threads=1):
        said = "\n".join(llama.log_lines())
    # The log keeps the lines of earlier tests: the last of each kind are ours.
    kv = re.findall(r"KV buffer size = +([\d.]+) MiB", said)[-1]
    compute = re.findall(r"CPU compute buffer size = +([\d.]+) MiB", said)[-1]
    assert need.kv_cache == pytest.approx(float(kv) * 2**20, rel=0.01)
    assert need.compute == pytest.approx(float(compute) * 2**20, rel=0.03)
    assert need.weights == tiny.stat().st_size


def test_hostile_numbers_of_a_header_cost_nothing() -> None:
    hostile: dict[str, object] = {"general.architecture": "x", "x.block_count": 2**62, "x.attention.head_count": 4}
    for heads in (2**31, -1, ["a", -5, 3]):
        header = Header((), 3, 1000, {**hostile, "x.attention.head_count_kv": heads}, ())
        assert fit.largest_window(header, GIB) >= 0
        assert fit.memory_need(header, 4096).total > 0


def test_an_entry_is_estimated_close_to_its_header(tiny: Path, starter: Path, draft: Path) -> None:
    for path in (tiny, starter, draft):
        header = read_header(path)
        entry = next(entry for entry in catalogue.load() if entry.size == header.size)
        from_header, from_entry = fit.memory_need(header, 8192), fit.memory_need(entry, 8192)
        assert from_entry.kv_cache == from_header.kv_cache
        assert from_header.total <= from_entry.total <= 1.05 * from_header.total


def test_the_draft_is_counted(starter: Path, draft: Path) -> None:
    target, small = read_header(starter), read_header(draft)
    need = fit.memory_need(target, 8192, small)
    assert need.draft == fit.memory_need(small, 8192).total
    assert need.total == fit.memory_need(target, 8192).total + need.draft


def test_the_largest_window_fits_and_one_step_more_does_not(starter: Path) -> None:
    header = read_header(starter)
    for available in (1_500_000_000, 3_000_000_000):
        window = fit.largest_window(header, available)
        room = available - min(fit.RESERVE, available // 10)
        assert window % 256 == 0
        assert fit.memory_need(header, window).total <= room < fit.memory_need(header, window + 256).total
    assert fit.largest_window(header, 500_000_000) == 0


def test_a_small_machine_gets_what_fits() -> None:
    found = fit.recommend(machine(3, 2), language="ru")
    best = found[0]
    assert best.fits
    assert best.need.total < 3 * GIB
    assert "ru" in best.entry.languages
    assert "Russian" in best.reason
    assert best.reason.endswith(".")
    assert [one.fits for one in found] == sorted((one.fits for one in found), reverse=True)


def test_two_cores_do_not_get_what_they_would_crawl_with() -> None:
    best = fit.recommend(machine(32, 2))[0]
    assert best.entry.size <= 2 * fit.COMFORTABLE_BYTES_PER_CORE
    assert "quick enough on 2 cores" in best.reason
    slow = next(one for one in fit.recommend(machine(32, 2)) if one.entry.id == "qwen3-8b-q4_k_m")
    assert slow.fits
    assert "will be slow on 2 cores" in slow.reason


def test_more_cores_or_a_gpu_get_a_larger_model() -> None:
    small = fit.recommend(machine(32, 2))[0].entry.params
    assert fit.recommend(machine(32, 8))[0].entry.params > small
    on_gpu = fit.recommend(machine(32, 2, gpu=12))[0]
    assert on_gpu.device == "gpu"
    assert on_gpu.entry.params > small
    assert "on the GPU" in on_gpu.reason


def test_what_does_not_fit_says_so() -> None:
    found = fit.recommend(machine(0.6, 2))
    assert not any(one.fits and one.entry.params > 1e9 for one in found)
    assert "Needs" in found[-1].reason


def test_licences_and_tests_models_are_never_recommended_first() -> None:
    for memory in (1.5, 3, 6, 16, 64):
        for one in fit.recommend(machine(memory, 8)):
            assert licences.checklist(one.entry.licence).commercial_use == "yes"
            assert one.entry.kind == "chat"
        best = fit.recommend(machine(memory, 8))[0]
        if best.fits and memory > 2:
            assert best.entry.params >= fit.SENSIBLE_PARAMS
            assert licences.checklist(best.entry.licence).free_to_use
    everything = {one.entry.id for one in fit.recommend(machine(16, 8), any_licence=True)}
    assert "qwen2.5-3b-instruct-q4_k_m" in everything


def test_a_task_is_preferred() -> None:
    assert "code" in fit.recommend(machine(3, 8), task="code")[0].entry.tasks
    assert "reasoning" in fit.recommend(machine(16, 8), task="reasoning")[0].entry.tasks


def test_layers_that_fit_grow_with_the_device_up_to_all(starter: Path) -> None:
    header = read_header(starter)
    counts = [fit.layers_that_fit(header, int(gib * GIB), 8192) for gib in (0, 0.5, 1, 2, 4, 80)]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert 0 < counts[2] < header.layers + 1
    assert counts[-1] == header.layers + 1


def test_a_kv_cache_in_q8_0_takes_17_32_of_one_in_f16(starter: Path) -> None:
    header = read_header(starter)
    f16, q8_0 = (fit.memory_need(header, 8192, kv_type=kv_type) for kv_type in ("f16", "q8_0"))
    assert q8_0.kv_cache * 32 == f16.kv_cache * 17
    assert fit.largest_window(header, 2 * GIB, "q8_0") > fit.largest_window(header, 2 * GIB)
