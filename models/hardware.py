"""This machine as it really is for this process: memory and cores within the limits of its container, devices, disk."""

from __future__ import annotations

import math
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]

from models.paths import models_dir

if TYPE_CHECKING:
    from models.llama import Device

# The edge of the machine, named so that a test can put another one there.
_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CGROUP_SELF = Path("/proc/self/cgroup")
_CPU_TOPOLOGY = Path("/sys/devices/system/cpu")
_CPU_INFO = Path("/proc/cpuinfo")

# What decides the speed of llama.cpp's CPU kernels.
_FEATURES = (
    *("avx", "avx2", "f16c", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"),
    *("asimd", "asimddp", "i8mm", "sve", "sme"),
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of RAM: ``available`` is what can be had without swapping."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """What counts for running a model.

    Attributes:
        memory, memory_available: bytes of RAM in all, and free for us.
        cores: physical cores that this process may use.
        cpu: its name; ``features``: its instruction sets that the kernels use.
        devices: as llama.cpp sees them, the CPU among them.
        disk_free: bytes, where the model store is.
    """

    memory: int
    memory_available: int
    cores: int
    cpu: str = ""
    features: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    disk_free: int = 0

    @property
    def gpus(self) -> tuple[Device, ...]:
        """The devices that layers can be offloaded to and that say how much memory they have."""
        return tuple(device for device in self.devices if device.is_gpu and device.memory_total)


def detect() -> Hardware:
    """Look at everything; loads llama.cpp to see the devices (0.2 s the first time)."""
    from models.llama import devices

    ram = memory()
    return Hardware(
        memory=ram.total,
        memory_available=ram.available,
        cores=physical_cores(),
        cpu=cpu_name(),
        features=cpu_features(),
        devices=tuple(devices()),
        disk_free=disk_free(models_dir()),
    )


def memory() -> Memory:
    """RAM, within the limits of the control groups (v1 and v2) that this process is in."""
    machine = psutil.virtual_memory()
    total, available = int(machine.total), int(machine.available)
    for limit, used in _memory_limits():
        total = min(total, limit)
        available = min(available, max(limit - used, 0))
    return Memory(total, available)


def default_threads() -> int:
    """One thread for each physical core: decode is bound by memory, more threads only wait for each other.
    ``OMP_NUM_THREADS``, where it is set, has the last word, as in other numeric programs."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) > 0 else physical_cores()


def physical_cores() -> int:
    """Physical cores that this process may use: affinity and the CPU quota of its control groups are respected."""
    cores = _cores_of_affinity() or psutil.cpu_count(logical=False) or os.cpu_count() or 1
    for quota in _cpu_quotas():
        cores = min(cores, max(1, math.floor(quota + 0.5)))
    return cores


def disk_free(path: Path) -> int:
    """Bytes free where this path is, or will be."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def cpu_name() -> str:
    """As its maker calls it; the architecture where that is not told."""
    for name, value in _cpu_info():
        if name == "model name":
            return value
    if sys.platform == "darwin":
        said = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
        if said.stdout.strip():
            return said.stdout.strip()
    return platform.processor() or platform.machine()


def cpu_features() -> tuple[str, ...]:
    """Instruction sets that matter to the kernels; empty where the system does not list them."""
    for name, value in _cpu_info():
        if name in ("flags", "Features"):
            flags = set(value.split())
            return tuple(feature for feature in _FEATURES if feature in flags)
    return ()


def _cpu_info() -> Iterator[tuple[str, str]]:
    for line in (_text(_CPU_INFO) or "").splitlines():
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()


def _cores_of_affinity() -> int | None:
    """Two hardware threads of one core count once."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    found = set()
    cpus = os.sched_getaffinity(0)
    for cpu in cpus:
        topology = _CPU_TOPOLOGY / f"cpu{cpu}" / "topology"
        core, package = _text(topology / "core_id"), _text(topology / "physical_package_id")
        if core is None:
            return min(len(cpus), psutil.cpu_count(logical=False) or len(cpus))
        found.add((package, core))
    return len(found) or None


def _memory_limits() -> Iterator[tuple[int, int]]:
    """Limit and what is really used (page cache can be given back) of every control group above us, in bytes."""
    for folder in _groups("memory"):
        for limit_file, used_file, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, used = _number(folder / limit_file), _number(folder / used_file)
            if limit is None or used is None or limit >= 1 << 60:  # v1 writes a huge number for “none”
                continue
            lines = (line.split() for line in (_text(folder / "memory.stat") or "").splitlines())
            reclaimable = next((int(line[1]) for line in lines if len(line) == 2 and line[0] == cache), 0)
            yield limit, max(used - reclaimable, 0)


def _cpu_quotas() -> Iterator[float]:
    """Cores' worth of time, of every control group above us that limits it."""
    for folder in _groups("cpu"):
        words = (_text(folder / "cpu.max") or "").split()
        if len(words) == 2 and words[0].isdigit() and int(words[1]):
            yield int(words[0]) / int(words[1])
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota and period and quota > 0:
            yield quota / period


def _groups(controller: str) -> Iterator[Path]:
    """Folders of our control group and all above it. In a container the path may lead nowhere: then only the root."""
    for line in (_text(_CGROUP_SELF) or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        root = _CGROUP_ROOT / controllers if controllers else _CGROUP_ROOT
        if controllers and not root.is_dir():
            root = _CGROUP_ROOT / controller
        folder = root / path.strip("/")
        while True:
            if folder.is_dir():
                yield folder
            if folder == root or root not in folder.parents:
                break
            folder = folder.parent


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text and text.lstrip("-").isdigit() else None
