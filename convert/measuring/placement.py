"""Where models run while they are measured: on the GPU as far as they fit."""

from __future__ import annotations

from collections.abc import Sequence

from models import fit, hardware, llama
from models.gguf_header import Header


def room() -> int:
    """Bytes of memory that can be had for models now, RAM and GPU together."""
    return sum(gpu.memory_free for gpu in _gpus()) + hardware.memory().available - fit.RESERVE


def gpu_layers(headers: Sequence[Header], window: int, outputs: int = 1) -> list[int]:
    """How many layers of each model go to the GPU if they are loaded in this order, each with a window of so many
    tokens, and logits of ``outputs`` of them; -1: all of them, which says nothing where there is no GPU."""
    if not (gpus := _gpus()):
        return [-1] * len(headers)
    free, layers = sum(gpu.memory_free for gpu in gpus), []
    for header in headers:
        free -= 2 * 4 * outputs * header.vocab_size  # as computed, and as handed out
        layers.append(fit.layers_that_fit(header, free, window))
        free = max(0, free - fit.memory_need(header, window).total)
    return layers


def _gpus() -> list[llama.Device]:
    return [device for device in llama.devices() if device.is_gpu and device.memory_total]
