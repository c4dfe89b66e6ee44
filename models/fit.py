"""Will it fit, and what to recommend: weights, KV cache, compute buffers and the draft model, all counted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from models import catalogue, licences
from models.catalogue import Entry
from models.gguf_header import Header
from models.hardware import Hardware
from models.pull import size_text

# Tokens computed at once in prefill; models/llama uses the same.
MICRO_BATCH = 512
# The window that a recommendation leaves room for.
WINDOW = 8_192
# For everything else that runs: Python, the screen, the user's other programs.
RESERVE = 512 << 20
# Without a GPU an answer should come at reading speed, about ten tokens a second. Each token reads the whole file, and
# one core gets through 15 to 20 GB of it in a second: an estimate, from 36 tokens a second of the 1.5B on two cores.
COMFORTABLE_BYTES_PER_CORE = 1_700_000_000
# Below this a model is for tests of the machinery, not for answers.
SENSIBLE_PARAMS = 300_000_000

Device = Literal["cpu", "gpu"]
KVType = Literal["f16", "q8_0"]
# Bytes of a number of the KV cache; q8_0 has a scale of 2 bytes for each 32.
KV_BYTES: dict[KVType, float] = {"f16": 2.0, "q8_0": 34 / 32}


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes that running a model takes; ``draft`` is all of the draft model's own.

    ``weights`` is the size of the file. On a CPU llama.cpp repacks matrices for its kernels; it reads the file for that
    and does not map it, so that nothing is in memory twice.
    """

    weights: int
    kv_cache: int
    compute: int
    draft: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.kv_cache + self.compute + self.draft


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A model for this machine. ``reason`` is a sentence; ``device`` is where it would run."""

    entry: Entry
    need: MemoryNeed
    fits: bool
    reason: str
    device: Device = "cpu"


def memory_need(
    model: Header | Entry, context_length: int, draft: Header | Entry | None = None, kv_type: KVType = "f16"
) -> MemoryNeed:
    """Memory for this window in tokens; one sequence.

    For models with sliding-window attention the KV cache is an upper bound.
    """
    own = _own_need(model, context_length, kv_type)
    return (
        own
        if draft is None
        else MemoryNeed(own.weights, own.kv_cache, own.compute, _own_need(draft, context_length, kv_type).total)
    )


def _own_need(model: Header | Entry, context_length: int, kv_type: KVType) -> MemoryNeed:
    compute = _compute_base(model) + _compute_per_token(model) * context_length
    return MemoryNeed(model.size, kv_bytes_per_token(model, kv_type) * context_length, compute)


def kv_bytes_per_token(model: Header | Entry, kv_type: KVType = "f16") -> int:
    """Keys and values of every layer."""
    if isinstance(model, Entry):
        attention = model.attention
        return int(2 * attention.layers * attention.kv_heads * attention.head_dim * KV_BYTES[kv_type])
    heads = model.metadata.get(f"{model.architecture}.attention.head_count_kv")
    each = [max(0, count) for count in heads if isinstance(count, int)] if isinstance(heads, list) else None
    return int(
        (model.kv_heads * model.layers if each is None else sum(each)) * sum(model.head_dims) * KV_BYTES[kv_type]
    )


def _compute_base(model: Header | Entry) -> int:
    """Activations of one micro-batch in F32.

    Measured with llama.cpp's own log on three models (135M, 0.5B, 1.5B) at four windows, llama-cpp-python 0.3.36 on a
    CPU. Heads of 128 and flash attention: exactly 4 bytes x micro-batch x (4 embedding + 3 feed-forward lengths), and
    2 bytes x micro-batch for each token of the window (the attention mask). Shorter heads, which go without it: 5.5
    embedding lengths, and for each token of the window the scores of every head and a mask in F32. An entry of the
    catalogue has no lengths: the square root of the parameters stands for them, a little above all three.
    """
    short = _short_heads(model)
    if isinstance(model, Entry):
        return int((600 if short else 1_750) * math.sqrt(model.params))
    if short:
        return int(4 * MICRO_BATCH * 5.5 * model.embedding_length)
    return 4 * MICRO_BATCH * (4 * model.embedding_length + 3 * model.number("feed_forward_length"))


def _compute_per_token(model: Header | Entry) -> int:
    short = _short_heads(model)
    return 4 * MICRO_BATCH * (short + 1) if short else 2 * MICRO_BATCH


def _short_heads(model: Header | Entry) -> int:
    """How many heads there are, if they are too short for flash attention on a CPU (models/llama); else 0."""
    if isinstance(model, Entry):
        return model.attention.heads or 0
    return model.heads if model.head_dims[0] < 128 else 0


def largest_window(model: Header | Entry, available_bytes: int, kv_type: KVType = "f16") -> int:
    """How many tokens of window fit beside the weights, in steps of 256; 0: not even the weights fit.

    Not bounded by what the model was trained for. ``available_bytes`` is what is free before the model is loaded.
    """
    room = available_bytes - model.size - _compute_base(model) - min(RESERVE, available_bytes // 10)
    per_token = kv_bytes_per_token(model, kv_type) + _compute_per_token(model)
    return max(0, room // per_token // 256 * 256)


def layers_that_fit(model: Header, device_bytes: int, context_length: int, kv_type: KVType = "f16") -> int:
    """How many layers a device with this much free memory can take, each with its share of the KV cache.

    The layers that remain run on the CPU. All of them, the output included, are ``model.layers + 1``.
    """
    need = memory_need(model, context_length, kv_type=kv_type)
    room = device_bytes - need.compute - min(RESERVE, device_bytes // 10)
    per_layer = (need.weights + need.kv_cache) / (model.layers + 1)
    return max(0, min(int(room / per_layer), model.layers + 1))


def recommend(
    hardware: Hardware,
    *,
    language: str | None = None,
    task: str | None = None,
    window: int = WINDOW,
    any_licence: bool = False,
    entries: Iterable[Entry] | None = None,
) -> list[Recommendation]:
    """Chat models for this machine, best first; those that do not fit are at the end, smallest first.

    Args:
        language: ISO 639-1; only models whose makers list it.
        task: "code" or "reasoning"; models made for it come first.
        window: tokens to leave room for.
        any_licence: also those whose licence does not allow any commercial use, which are never recommended unasked.
        entries: to choose from; None: the whole catalogue.
    """
    found = []
    for entry in catalogue.load() if entries is None else entries:
        licence = licences.checklist(entry.licence)
        if entry.kind != "chat" or (language and language not in entry.languages):
            continue
        if licence.commercial_use == "yes" or any_licence:
            found.append((_rank(hardware, entry, licence, task), _judge(hardware, entry, window)))
    fitting = sorted((one for one in found if one[1].fits), key=lambda one: one[0])
    others = sorted((one[1] for one in found if not one[1].fits), key=lambda one: one.need.total)
    best = [
        Recommendation(
            one.entry, one.need, True, _reason(hardware, one, language, task, window, first=place == 0), one.device
        )
        for place, (_, one) in enumerate(fitting)
    ]
    return best + others


def _judge(hardware: Hardware, entry: Entry, window: int) -> Recommendation:
    window = min(window, entry.context_length)
    draft = catalogue.load().find(entry.draft) if entry.draft else None
    alone, paired = memory_need(entry, window), memory_need(entry, window, draft)
    for need in (paired, alone):
        for device, room in _rooms(hardware):
            if need.total <= room:
                return Recommendation(entry, need, True, "", device)
    room = max(room for _, room in _rooms(hardware))
    short = (
        f"Needs {size_text(alone.total)} of memory with a window of {window:,} tokens; "
        f"{size_text(max(room, 0))} can be had."
    )
    return Recommendation(entry, alone, False, short)


def _rooms(hardware: Hardware) -> list[tuple[Device, int]]:
    """Where a model could run, and the bytes it may take there; a GPU first."""
    gpus: list[tuple[Device, int]] = [("gpu", int(device.memory_free * 0.95)) for device in hardware.gpus]
    return [*gpus, ("cpu", hardware.memory_available - RESERVE)]


def _rank(hardware: Hardware, entry: Entry, licence: licences.Checklist, task: str | None) -> tuple[float, ...]:
    """Smaller is better: in this order, so that a larger model never makes up for an answer that comes too slowly."""
    on_gpu = any(entry.size < device.memory_free for device in hardware.gpus)
    return (
        entry.params < SENSIBLE_PARAMS,
        not on_gpu and entry.size > COMFORTABLE_BYTES_PER_CORE * hardware.cores,
        not licence.free_to_use,
        task is not None and task not in entry.tasks,
        -entry.params,
        # Reasoning costs hundreds of tokens before the answer begins: without a GPU that is a minute.
        entry.thinking and not on_gpu and task != "reasoning",
        entry.size,
    )


def _reason(
    hardware: Hardware, one: Recommendation, language: str | None, task: str | None, window: int, first: bool
) -> str:
    entry, on_cpu = one.entry, one.device == "cpu"
    free = max((room for device, room in _rooms(hardware) if device == one.device), default=0)
    largest = first and licences.checklist(entry.licence).free_to_use
    which = f"the largest {entry.licence} model" if largest else f"{size_text(entry.size)}, {entry.licence},"
    cores = f"{hardware.cores} core{'s' if hardware.cores > 1 else ''}"
    slow = on_cpu and entry.size > COMFORTABLE_BYTES_PER_CORE * hardware.cores
    facts = [f"speaks {_LANGUAGES.get(language, language)}"] if language else []
    if task and task in entry.tasks:
        facts.append(f"is made for {task}")
    if largest and on_cpu and not slow:
        facts.append(f"is quick enough on {cores}")
    facts.append(f"leaves room for a window of {min(window, entry.context_length):,} tokens")
    memory = f"{size_text(max(free, 0))} of memory{'' if on_cpu else ' on the GPU'} free"
    said = f"{memory}: {which} that {', '.join(facts[:-1])}{' and ' if facts[:-1] else ''}{facts[-1]}"
    if entry.params < SENSIBLE_PARAMS:
        return f"{said}; too small for answers to rely on."
    return f"{said}; it fits, but will be slow on {cores}." if slow else f"{said}."


_LANGUAGES = {"ru": "Russian", "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian"}
