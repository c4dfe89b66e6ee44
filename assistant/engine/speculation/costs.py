"""What a batch of N tokens costs on this machine: measured once for a model, kept, and corrected by every round.

On a CPU a batch is not free and the curve is bumpy; on a GPU it is nearly flat. Drafting by a fixed length therefore
loses on one machine what it gains on another.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Generator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from assistant.engine.engine import Progress
from assistant.engine.kv_cache import OUTPUTS, KVCache
from models import hardware, llama
from models.fingerprint import fingerprint
from models.paths import cache_dir

# Coarse to fine: where the time is over, the rest is interpolated.
SIZES = (1, 4, 16, 2, 8, 3, 6, 12, 24, 32)
_PREFILL = 128  # tokens of the batch that tells what reading a prompt costs
DRAFT_SIZES = (1, _PREFILL, 2)  # of a draft model, which reads the text and then drafts token by token
_ALWAYS = 3
_BUDGET = 2.5  # seconds of measuring, after which no further size is begun
_PASSES = 3
# How far one round moves the size that it had, and all others (the machine became slower, the text longer).
_OWN_WEIGHT, _SHARED_WEIGHT = 0.15, 0.05
_OUTLIER = 2.0  # a round that took longer than this times what was expected counts as this


class BatchCosts:
    """Seconds of a batch of N tokens, logits of each included: t(N) for N = 1 … ``OUTPUTS``.

    Args:
        seconds: what was measured, by batch size; at least for 1.
    """

    def __init__(self, seconds: Mapping[int, float]):
        self._measured = dict(sorted(seconds.items()))
        known = [(size, cost) for size, cost in self._measured.items() if size <= OUTPUTS]
        last, most = known[-1]
        known.append((OUTPUTS + 1, most * (OUTPUTS + 1) / last))  # beyond what was measured: in proportion
        self._seconds = [0.0] * (OUTPUTS + 1)
        for (low, cost), (high, dearer) in pairwise(known):
            for size in range(low, min(high, OUTPUTS + 1)):
                self._seconds[size] = cost + (dearer - cost) * (size - low) / (high - low)

    def __call__(self, size: int) -> float:
        """Seconds of a batch of this many tokens."""
        if size <= OUTPUTS:
            return self._seconds[size]
        return self._seconds[OUTPUTS] + (size - OUTPUTS) * self.prefill_token

    @property
    def prefill_token(self) -> float:
        """Seconds for each token of a long batch."""
        return self._measured.get(_PREFILL, self._seconds[OUTPUTS] * _PREFILL / OUTPUTS) / _PREFILL

    @property
    def measured(self) -> dict[int, float]:
        """Seconds by the batch sizes that were measured, as the rounds since then have corrected them."""
        return {size: self(size) if size <= OUTPUTS else cost for size, cost in self._measured.items()}

    def observe(self, size: int, seconds: float) -> None:
        """A batch of this size took so long."""
        if size > OUTPUTS:
            return
        off = max(1 / _OUTLIER, min(seconds / self._seconds[size], _OUTLIER)) - 1
        for other in range(1, OUTPUTS + 1):
            self._seconds[other] *= 1 + off * (_OWN_WEIGHT if other == size else _SHARED_WEIGHT)


def measure(cache: KVCache, sizes: Sequence[int] = SIZES) -> Generator[Progress, None, BatchCosts]:
    """Measure batches of these sizes behind what the cache holds, which stays.

    Raises:
        Aborted: ``cache.stop`` was called.
    """
    held = len(cache.tokens)
    cache.reserve(held + _PREFILL)
    best: dict[int, float] = {}
    total, done = len(sizes) * _PASSES, 0
    cache.append([0])  # the first batch allocates
    cache.truncate(held)
    started = time.perf_counter()
    for turn in range(_PASSES):
        for place, size in enumerate(sizes):
            yield Progress("measure", done, total)
            done += 1
            # The first sizes are always measured; what is left of the time is for the others, and for certainty.
            if (turn or place >= _ALWAYS) and time.perf_counter() - started > _BUDGET:
                continue
            begun = time.perf_counter()
            cache.append([0] * size, size if size <= OUTPUTS else 1)  # a long one reads a text
            took = time.perf_counter() - begun
            cache.truncate(held)
            best[size] = min(took, best.get(size, math.inf))
    yield Progress("measure", total, total)
    return BatchCosts(best)


class CostsFile:
    """Where the measurement of a model is kept: it is void as soon as one of the files, the machine, the number of
    threads, the layers on a GPU or the library change."""

    def __init__(self, *files: Path, threads: int, offloaded: int, kv_type: str):
        machine = [hardware.cpu_name(), llama.system_info(), llama.REQUIRED_VERSION]
        machine += [f"{device.description} {device.memory_total}" for device in llama.devices() if device.is_gpu]
        key = json.dumps([[fingerprint(file) for file in files], threads, offloaded, kv_type, machine])
        self._path = cache_dir() / "batch-costs" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def read(self) -> BatchCosts | None:
        """None: not measured yet, or the file is damaged."""
        try:
            seconds = {int(size): float(cost) for size, cost in json.loads(self._path.read_bytes()).items()}
            return BatchCosts(seconds) if 1 in seconds and all(0 < cost < 1e4 for cost in seconds.values()) else None
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def write(self, costs: BatchCosts) -> None:
        """Whole or not at all; a folder that cannot be written only means to measure again."""
        partial = self._path.with_suffix(f".{os.getpid()}.partial")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(costs.measured))
            partial.replace(self._path)
