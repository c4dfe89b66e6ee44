"""What doctor says of CPU, CUDA and Metal, on machines that are made up at their edge."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import backends, llama
from models.llama import Device


def gpu(name: str, backend: str) -> Device:
    return Device(name, f"A {backend} card", "gpu", 8 << 30, 16 << 30, backend)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A build for the CPU on a machine without a GPU."""
    monkeypatch.setattr(backends, "_NVIDIA", tmp_path / "gpus")
    monkeypatch.setattr(backends.sys, "platform", "linux")
    monkeypatch.setattr(llama, "registered", lambda: ["CPU"])
    monkeypatch.setattr(llama, "devices", lambda: [Device("CPU", "A processor", "cpu", 0, 0)])
    return monkeypatch


def said() -> dict[str, tuple[str, bool]]:
    return {one.name: (one.says, one.is_fine) for one in backends.backends()}


def test_this_very_machine_has_a_cpu() -> None:
    cpu = next(one for one in backends.backends() if one.name == "CPU")
    assert cpu.built
    assert cpu.devices
    assert cpu.is_fine


def test_without_a_gpu_all_is_fine(machine: pytest.MonkeyPatch) -> None:
    assert said() == {
        "CPU": ("used: A processor", True),
        "CUDA": ("not in this build, no device here", True),
        "Metal": ("not in this build, no device here", True),
    }


def test_a_gpu_that_the_build_cannot_use_is_told_with_the_way_to_use_it(
    machine: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    says, fine = said()["CUDA"]
    assert not fine
    assert "GGML_CUDA=on" in says


def test_a_build_that_sees_no_device_of_the_machine(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    machine.setattr(llama, "registered", lambda: ["CUDA", "CPU"])
    assert said()["CUDA"] == ("built in, but it sees no device: look at the driver", False)


def test_devices_of_each_backend(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    machine.setattr(llama, "registered", lambda: ["CUDA", "MTL", "Vulkan", "CPU"])
    devices = [gpu("CUDA0", "CUDA"), gpu("CUDA1", "CUDA"), gpu("MTL0", "MTL"), gpu("Vulkan0", "Vulkan")]
    machine.setattr(llama, "devices", lambda: devices)
    found = said()
    assert found["CUDA"] == ("used: A CUDA card, A CUDA card", True)
    assert found["Metal"] == ("used: A MTL card", True)
    assert found["Vulkan"] == ("used: A Vulkan card", True)
