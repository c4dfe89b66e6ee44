"""Where models can run: what this build of llama.cpp has, what it sees, and what the machine has beyond that."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from models import llama

_NVIDIA = Path("/proc/driver/nvidia/gpus")  # what the driver of the kernel lists
INSTALL = {  # flags for building llama.cpp
    "CUDA": "CMAKE_ARGS=-DGGML_CUDA=on",
    "Metal": "CMAKE_ARGS=-DGGML_METAL=on",
}


@dataclass(frozen=True, slots=True)
class Backend:
    """
    Attributes:
        built: this build of llama.cpp has it.
        devices: that it sees.
        hardware: the machine has such a device, as far as can be told without the backend.
    """

    name: str
    built: bool
    devices: tuple[str, ...]
    hardware: bool

    @property
    def is_fine(self) -> bool:
        """Nothing of the machine lies idle."""
        return bool(self.devices) or not self.hardware

    @property
    def says(self) -> str:
        """One sentence."""
        if self.devices:
            return "used: " + ", ".join(self.devices)
        if self.built and self.hardware:
            return "built in, but it sees no device: look at the driver"
        if self.hardware:
            flags = INSTALL[self.name]
            return f"the machine has it, this build does not: `make clean`, then `{flags} make chat` (docs/backends.md)"
        return "built in, no device here" if self.built else "not in this build, no device here"


def backends() -> list[Backend]:
    """CPU, CUDA and Metal, and whatever else is built in and sees a device."""
    built = llama.registered()
    devices: dict[str, list[str]] = {}
    for device in llama.devices():
        devices.setdefault(device.backend, []).append(device.description or device.name)
    found = []
    for name, hardware in (("CPU", True), ("CUDA", _has_nvidia()), ("Metal", _has_metal())):
        # Metal calls itself MTL in newer builds.
        names = [one for one in built if one == name or (name == "Metal" and one == "MTL")]
        seen = tuple(device for one in names for device in devices.pop(one, ()))
        found.append(Backend(name, bool(names), seen, hardware))
    return found + [Backend(name, True, tuple(seen), True) for name, seen in devices.items()]


def _has_nvidia() -> bool:
    if _NVIDIA.is_dir() and any(_NVIDIA.iterdir()):
        return True
    return sys.platform == "win32" and shutil.which("nvidia-smi") is not None


def _has_metal() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"
