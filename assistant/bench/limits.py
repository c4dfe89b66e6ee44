"""What the machine allows: its memory's bandwidth, and what batches of several tokens cost."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from assistant.engine.engine import Speculation
from assistant.engine.kv_cache import OUTPUTS
from assistant.engine.speculation.costs import BatchCosts
from models import hardware
from models.gguf_header import Header

_ARRAY = 1 << 29  # bytes: more than any cache
_PASSES = 6
_CHUNKS = 16  # for each thread: threads that were late share what is left


def read_bandwidth(threads: int) -> float:
    """Bytes a second that so many threads read from memory: the best of some passes over a large array."""
    size = min(_ARRAY, hardware.memory().available // 4)
    chunks = np.ones(size // 4, dtype=np.float32)[: size // 4 // (threads * _CHUNKS) * threads * _CHUNKS]
    best = math.inf
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_PASSES):
            started = time.perf_counter()
            list(pool.map(np.max, chunks.reshape(threads * _CHUNKS, -1)))
            best = min(best, time.perf_counter() - started)
    return chunks.nbytes / best


def bytes_per_token(header: Header) -> int:
    """Weights that a token reads: of experts those that are used, of the embedding one row."""
    used = header.number("expert_used_count", 1) / max(header.number("expert_count"), 1)
    tied = not any(tensor.name == "output.weight" for tensor in header.tensors)
    total = 0.0
    for tensor in header.tensors:
        if tensor.name == "token_embd.weight" and not tied:
            continue
        total += tensor.size * (used if "_exps." in tensor.name else 1)
    return int(total)


def best_length(costs: BatchCosts, chance: float, draft_token: float = 0.0) -> tuple[int, float]:
    """The number of drafted tokens a round that gives the most tokens per second, and how many, in units of plain
    decoding, where each drafted token is right with this chance and costs ``draft_token`` seconds."""
    best, most = 0, 1.0
    expected = 1.0
    for length in range(1, OUTPUTS):
        expected += chance**length
        gain = expected * costs(1) / (costs(1 + length) + length * draft_token)
        if gain > most:
            best, most = length, gain
    return best, most


def chance_of(speculation: Speculation) -> float:
    """The chance of each token, given those before it, that makes drafts of this mean length so often right."""
    if not speculation.accepted:
        return 0.0
    wanted, length = speculation.accepted / speculation.rounds, speculation.drafted / speculation.rounds
    low, high = 0.0, 1.0
    for _ in range(30):
        chance = (low + high) / 2
        whole = sum(chance**place for place in range(1, int(length) + 1))
        if whole + (length % 1) * chance ** (int(length) + 1) < wanted:
            low = chance
        else:
            high = chance
    return high


def bound(costs: BatchCosts, speculation: Speculation, tokens: int, draft_token: float = 0.0) -> float:
    """About so many times as fast as plain decoding, if nothing but the batches took time: either all rounds that had
    a draft, in an answer of ``tokens``, had the best length for their chance; or only what was accepted was drafted.
    ``draft_token``: seconds for each token of the draft model; it counts where nothing else drafted."""
    if not speculation.rounds:
        return 1.0
    share = min(1.0, (speculation.rounds + speculation.accepted) / max(tokens, 1))
    each = draft_token if speculation.mode == "model" else 0.0
    accepted = speculation.accepted / speculation.rounds
    low = int(accepted)
    batch = costs(1 + low) + (accepted - low) * (costs(2 + low) - costs(1 + low)) + accepted * each
    gain = max(best_length(costs, chance_of(speculation), each)[1], (1 + accepted) * costs(1) / batch)
    return 1 / (1 - share + share / gain)
