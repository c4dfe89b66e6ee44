"""How fast a model computes on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convert.measuring import placement
from convert.progress import OnProgress, silent
from models import hardware
from models.gguf_header import read_header
from models.llama import Context, Model

PROMPT, DECODE, ROUNDS = 256, 32, 3  # tokens that are read and written, so many times
_WARM_UP = 32  # tokens


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second: ``prefill`` of a prompt in one go, ``decode`` one by one behind it."""

    prefill: float
    decode: float


def measure(
    model: Path,
    *,
    threads: int | None = None,
    prompt: int = PROMPT,
    decode: int = DECODE,
    rounds: int = ROUNDS,
    on_progress: OnProgress = silent,
) -> Speed:
    """Medians of the rounds, after a short one that does not count; on the GPU as far as the model fits.

    Args:
        on_progress: (done, total) in rounds.

    Raises:
        ModelError: the file cannot be used.
    """
    header = read_header(model)
    (layers,) = placement.gpu_layers([header], prompt + decode)
    with (
        Model(model, gpu_layers=layers) as weights,
        Context(weights, n_ctx=prompt + decode, threads=threads or hardware.default_threads()) as context,
    ):
        # Spread over the vocabulary; which tokens they are makes no difference.
        tokens = [index * 7919 % weights.vocabulary_size for index in range(prompt + decode)]
        _round(context, tokens[: min(prompt, _WARM_UP)], tokens[-2:])
        speeds = []
        for number in range(rounds):
            on_progress(number, rounds)
            speeds.append(_round(context, tokens[:prompt], tokens[prompt:]))
        on_progress(rounds, rounds)
    return Speed(*(statistics.median(each) for each in zip(*speeds, strict=True)))


def _round(context: Context, prompt: Sequence[int], answer: Sequence[int]) -> tuple[float, float]:
    context.clear()
    started = time.perf_counter()
    for start in range(0, len(prompt), context.n_batch):
        context.decode(prompt[start : start + context.n_batch])
    context.logits()  # waits until a GPU has computed them
    read = time.perf_counter()
    for token in answer:
        context.decode([token])
        context.logits()
    written = time.perf_counter()
    return len(prompt) / (read - started), len(answer) / (written - read)
