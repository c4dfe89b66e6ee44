"""Limits of containers are respected; the machine itself is the fallback."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from models import hardware


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no limits, to write some into."""
    root = tmp_path / "cgroup"
    (root / "app" / "inner").mkdir(parents=True)
    (tmp_path / "self").write_text("0::/app/inner\n")
    monkeypatch.setattr(hardware, "_CGROUP_ROOT", root)
    monkeypatch.setattr(hardware, "_CGROUP_SELF", tmp_path / "self")
    monkeypatch.setattr(hardware, "_cores_of_affinity", lambda: 8)
    return root


def test_without_limits_the_machine_counts(groups: Path) -> None:
    assert hardware.memory().total == psutil.virtual_memory().total
    assert hardware.physical_cores() == 8


def test_memory_limits_of_version_2(groups: Path) -> None:
    folder = groups / "app"  # the limit stands above our own group
    (folder / "memory.max").write_text("1000000000\n")
    (folder / "memory.current").write_text("700000000\n")
    (folder / "memory.stat").write_text("anon 1\ninactive_file 200000000\n")
    (folder / "inner" / "memory.max").write_text("max\n")
    (folder / "inner" / "memory.current").write_text("5\n")
    assert hardware.memory() == hardware.Memory(1_000_000_000, 500_000_000)


def test_memory_limits_of_version_1(groups: Path, tmp_path: Path) -> None:
    (tmp_path / "self").write_text("4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n")
    folder = groups / "memory"  # as in a container: the path of the host leads nowhere
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text("2000000000\n")
    (folder / "memory.usage_in_bytes").write_text("1500000000\n")
    (folder / "memory.stat").write_text("total_inactive_file 100000000\n")
    cpu = groups / "cpu,cpuacct"
    cpu.mkdir()
    (cpu / "cpu.cfs_quota_us").write_text("300000\n")
    (cpu / "cpu.cfs_period_us").write_text("100000\n")
    assert hardware.memory() == hardware.Memory(2_000_000_000, 600_000_000)
    assert hardware.physical_cores() == 3


@pytest.mark.parametrize(("quota", "threads"), [("150000 100000", 2), ("20000 100000", 1), ("max 100000", 8)])
def test_cpu_quotas(groups: Path, quota: str, threads: int) -> None:
    (groups / "app" / "inner" / "cpu.max").write_text(quota)
    assert hardware.physical_cores() == threads


def test_hardware_threads_of_one_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for cpu in range(4):
        topology = tmp_path / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "core_id").write_text(str(cpu // 2))
        (topology / "physical_package_id").write_text("0")
    monkeypatch.setattr(hardware, "_CPU_TOPOLOGY", tmp_path)
    monkeypatch.setattr(hardware, "_CGROUP_SELF", tmp_path / "none")
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert hardware.physical_cores() == 2
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    assert hardware.physical_cores() == 1


def test_one_thread_a_core_unless_the_user_says_otherwise(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert hardware.default_threads() == 8
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert hardware.default_threads() == 3


def test_this_machine() -> None:
    found = hardware.detect()
    assert 0 < found.memory_available <= found.memory
    assert found.cores >= 1
    assert found.cpu
    assert any(device.type == "cpu" for device in found.devices)
    assert found.disk_free > 0
