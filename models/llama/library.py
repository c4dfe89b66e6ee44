"""The library itself: its version, how it is started, what it logs, and the devices that it sees."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.errors import ModelError

REQUIRED_VERSION = "0.3.36"  # of llama-cpp-python: its structures mirror one build of llama.cpp and have no stable ABI

# Threads that wait at a barrier soon sleep instead of spinning (libgomp reads this when it is loaded). Spinning gains a
# few percent on a quiet machine; beside other work it burns the time that the late thread needs: on two cores and one
# busy process, decode is 1.5 to 3 times as fast without (benchmarks/bench_waiting.py).
WAITING = {"GOMP_SPINCOUNT": "1000"}
if "OMP_WAIT_POLICY" not in os.environ:
    for _name, _value in WAITING.items():
        os.environ.setdefault(_name, _value)

try:
    import llama_cpp as llama_cpp  # for the other files of this folder, which get it only checked
    from llama_cpp._ggml import libggml
except (ImportError, OSError) as error:
    raise ModelError(f"llama-cpp-python cannot be loaded: {error}", "Run `make setup`, or reinstall.") from error
if llama_cpp.__version__ != REQUIRED_VERSION:
    raise ModelError(
        f"llama-cpp-python is {llama_cpp.__version__}, but this program is written for {REQUIRED_VERSION}.",
        f"Run `pip install llama-cpp-python=={REQUIRED_VERSION}`.",
    )

_log: deque[tuple[int, str]] = deque(maxlen=4000)
_logged = 0  # lines so far, those that fell out of the deque included
_LOG_ERROR, _LOG_CONT = 4, 5


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _on_log(level: int, text: bytes, _user_data: object) -> None:
    global _logged
    line = text.decode("utf-8", "replace")
    if level == _LOG_CONT and _log:
        _log[-1] = (_log[-1][0], _log[-1][1] + line)
    else:
        _log.append((level, line))
        _logged += 1
    if os.environ.get("ASSISTANT_DEBUG"):
        sys.stderr.write(line)


# `_on_log` must outlive every native object: a collected callback is a segfault at the next log line.
llama_cpp.llama_log_set(_on_log, ctypes.c_void_p(0))


def log_lines() -> list[str]:
    """What llama.cpp said so far (the last 4,000 lines)."""
    return [text.rstrip("\n") for _, text in _log]


def logged() -> int:
    """How many lines were logged so far; for :func:`lines_since`."""
    return _logged


def lines_since(count: int) -> list[tuple[int, str]]:
    """(level, text) of what was logged after the first ``count`` lines."""
    return list(_log)[max(0, len(_log) - (_logged - count)) :]


def errors_since(count: int) -> str:
    """The distinct errors logged after the first ``count`` lines, as one string."""
    lines = [text.strip() for level, text in lines_since(count) if level == _LOG_ERROR]
    return "; ".join(dict.fromkeys(line.split(": ", 1)[-1] for line in lines if line))


@dataclass(frozen=True, slots=True)
class Device:
    """A device that this build of llama.cpp sees; memory in bytes, 0 where it does not say. ``backend``: that it
    belongs to, as :func:`registered` names it."""

    name: str
    description: str
    type: Literal["cpu", "gpu", "igpu", "accel"]
    memory_free: int
    memory_total: int
    backend: str = "CPU"

    @property
    def is_gpu(self) -> bool:
        """Layers can be offloaded to it; an "accel" (BLAS) only helps the CPU."""
        return self.type in ("gpu", "igpu")


_DEVICE_TYPES: tuple[Literal["cpu", "gpu", "igpu", "accel"], ...] = ("cpu", "gpu", "igpu", "accel")
_started = False


def start() -> ctypes.CDLL:
    """Start llama.cpp once; a build with loadable backends (GGML_BACKEND_DL) finds them beside the library."""
    global _started
    ggml: ctypes.CDLL = libggml
    if not _started:
        ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
        if ggml.ggml_backend_dev_count() == 0:
            ggml.ggml_backend_load_all_from_path(os.fsencode(Path(llama_cpp.__file__).parent / "lib"))
        llama_cpp.llama_backend_init()
        _started = True
    return ggml


def devices() -> list[Device]:
    """CPU and accelerators, as they really are: ``llama_supports_gpu_offload`` is true for builds with RPC alone."""
    ggml = start()
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    for function in (ggml.ggml_backend_dev_name, ggml.ggml_backend_dev_description):
        function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    ggml.ggml_backend_dev_type.restype, ggml.ggml_backend_dev_type.argtypes = ctypes.c_int, [ctypes.c_void_p]
    ggml.ggml_backend_dev_backend_reg.restype = ctypes.c_void_p
    ggml.ggml_backend_dev_backend_reg.argtypes = [ctypes.c_void_p]
    size_p = ctypes.POINTER(ctypes.c_size_t)
    ggml.ggml_backend_dev_memory.restype = None
    ggml.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, size_p, size_p]
    found = []
    for index in range(ggml.ggml_backend_dev_count()):
        device = ggml.ggml_backend_dev_get(index)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        ggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        kind = ggml.ggml_backend_dev_type(device)
        found.append(
            Device(
                name=ggml.ggml_backend_dev_name(device).decode(),
                description=ggml.ggml_backend_dev_description(device).decode().strip(),
                type=_DEVICE_TYPES[kind] if 0 <= kind < len(_DEVICE_TYPES) else "accel",
                memory_free=free.value,
                memory_total=total.value,
                backend=_registry_name(ggml, ggml.ggml_backend_dev_backend_reg(device)),
            )
        )
    return found


def registered() -> list[str]:
    """The backends that this build has, as they call themselves: ``CPU``, ``CUDA``, ``Metal``, …"""
    ggml = start()
    ggml.ggml_backend_reg_count.restype = ctypes.c_size_t
    ggml.ggml_backend_reg_get.restype = ctypes.c_void_p
    ggml.ggml_backend_reg_get.argtypes = [ctypes.c_size_t]
    return [_registry_name(ggml, ggml.ggml_backend_reg_get(index)) for index in range(ggml.ggml_backend_reg_count())]


def _registry_name(ggml: ctypes.CDLL, registry: int) -> str:
    ggml.ggml_backend_reg_name.restype, ggml.ggml_backend_reg_name.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    return str(ggml.ggml_backend_reg_name(registry).decode())


def sees_gpu() -> bool:
    return any(device.is_gpu for device in devices())


def path() -> Path:
    """The file of the library, which a new build replaces."""
    return Path(libggml._name)


def system_info() -> str:
    """What the build uses of the processor, as llama.cpp prints it: ``CPU : AVX2 = 1 | AVX512 = 1 | …``."""
    start()
    return str(llama_cpp.llama_print_system_info().decode()).strip()
