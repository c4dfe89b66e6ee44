"""Which type is the best for this machine: measured, not looked up.

Every candidate is measured as a stand-in of full size (stand_in.py): prefill and decode with its real shapes and types,
and the error that it makes in a sample of these very weights.

The error ranks types as KL divergence does. A 1.5B (Qwen2.5-Coder, dequantized, with 7 % of noise so that no type is
at home in it), no imatrix; error, and KL divergence of the whole file (4 chunks of 512 tokens, ± 0.002 or less):

    Q4_0   0.69 %  0.0435    Q4_K_M  0.33 %  0.0173    Q6_K  0.033 %   0.0039
    IQ4_NL 0.51 %  0.0283    Q5_K_M  0.11 %  0.0072    Q8_0  0.0031 %  0.0006

The rule: of the types that fit into memory and lose no more than MOST_ERROR times what Q4_K_M loses, the fastest is the
one that reads and answers a typical turn in the least time; of those that take up to SLOWER times as long, which is not
noticed, the one that loses least is chosen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from convert.imatrix import Imatrix
from convert.measuring import placement, speed
from convert.measuring.stand_in import Importance, Sample
from convert.progress import OnProgress, silent
from convert.quantization.recipe import for_backend, mixture
from models import fit, hardware, llama
from models.errors import ModelError
from models.gguf_header import Header, read_header
from models.paths import cache_dir
from models.pull import check_space, size_text

MEASURE = "Q4_K_M"  # what it loses is what people are used to
MOST_ERROR = 1.3
SLOWER = 1.1
PROMPT, ANSWER = 500, 250  # tokens of a typical turn
_PREFILL, _DECODE = 128, 16  # tokens that are measured: seconds for an 8B on two cores


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    Attributes:
        size: of the file, in bytes.
        error: lost of the weights: squared error by squared weights, weighted by importance where it is known.
        prefill, decode: tokens per second; None: it does not fit into memory.
        seconds: of a typical turn.
    """

    type: str
    size: int
    error: float
    prefill: float | None = None
    decode: float | None = None
    chosen: bool = False

    @property
    def seconds(self) -> float | None:
        return PROMPT / self.prefill + ANSWER / self.decode if self.prefill and self.decode else None


@dataclass(frozen=True, slots=True)
class Choice:
    """``reason`` is a sentence with the numbers."""

    candidates: list[Candidate]
    chosen: str
    reason: str


def choose(
    source: Path,
    *,
    candidates: Sequence[str] | None = None,
    imatrix: Path | None = None,
    threads: int | None = None,
    folder: Path | None = None,
    on_progress: OnProgress = silent,
) -> Choice:
    """Measure the candidates and choose one.

    Args:
        source: the GGUF that will be quantized.
        candidates: names of mixtures; None: those worth trying on a backend of this machine's kind.
        folder: for one stand-in at a time, of the size of the quantized file; None: the cache.
        on_progress: (done, total) in thousandths of a candidate.

    Raises:
        ModelError: the source cannot be used, or no candidate fits into memory.
        UserError: there is no room on the disk.
    """
    header = read_header(source)
    candidates = candidates or for_backend(_backend())
    threads = threads or hardware.default_threads()
    folder = folder or cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    found, whole = [], 1000 * len(candidates)
    on_progress(0, whole)
    sample = Sample(header, _importance(imatrix))
    room = placement.room()
    beside = beside_the_weights(header)
    recipes = {name: mixture(header, name, has_imatrix=imatrix is not None) for name in (*candidates, MEASURE)}
    check_space(folder, max(recipe.size for recipe in recipes.values()), "Measuring needs")
    limit = MOST_ERROR * sample.quantize(recipes[MEASURE].types, threads).error
    for number, name in enumerate(candidates):

        def part(begin: int, end: int, first: int = 1000 * number) -> OnProgress:
            return lambda done, total: on_progress(first + begin + (end - begin) * done // total, whole)

        quantized = sample.quantize(recipes[name].types, threads, part(0, 250))
        candidate = Candidate(name, recipes[name].size, quantized.error)
        if candidate.size + beside <= room:
            with tempfile.TemporaryDirectory(prefix="measure-", dir=folder) as place:
                path = Path(place) / f"{name}.gguf"
                quantized.write(path, part(250, 400))
                measured = speed.measure(
                    path, threads=threads, prompt=_PREFILL, decode=_DECODE, on_progress=part(400, 1000)
                )
            candidate = replace(candidate, prefill=measured.prefill, decode=measured.decode)
        found.append(candidate)
    on_progress(whole, whole)
    return _choice(found, limit, room - beside)


def beside_the_weights(header: Header) -> int:
    """Bytes of memory that a model takes with the window of a recommendation, but for its weights."""
    window = min(fit.WINDOW, header.context_length or fit.WINDOW)
    return replace(fit.memory_need(header, window), weights=0).total


def _importance(imatrix: Path | None) -> Importance:
    if imatrix is None:
        return {}
    entries = Imatrix.read(imatrix).entries
    return {name: entry.sums.sum(axis=0) / max(1, entry.counts.sum()) for name, entry in entries.items()}


def _backend() -> Literal["cpu", "cuda", "metal"]:
    gpus = [device.name.lower() for device in llama.devices() if device.is_gpu]
    if not gpus:
        return "cpu"
    return "metal" if any("metal" in name or "mtl" in name for name in gpus) else "cuda"


def _choice(candidates: Sequence[Candidate], limit: float, room: int) -> Choice:
    fitting = [one for one in candidates if one.seconds is not None]
    if not fitting:
        smallest = min(candidates, key=lambda one: one.size)
        raise ModelError(
            f"Not even {smallest.type} fits: it takes {size_text(smallest.size)}, and {size_text(max(room, 0))} of "
            "memory can be had for weights.",
            "Close other programs, give a --target-size, or choose a smaller model.",
        )
    good = [one for one in fitting if one.error <= limit] or [min(fitting, key=lambda one: one.error)]
    fastest = min(good, key=_seconds)
    best = min((one for one in good if _seconds(one) <= SLOWER * _seconds(fastest)), key=lambda one: one.error)
    return Choice(
        [replace(one, chosen=one is best) for one in candidates], best.type, _reason(best, fastest, candidates)
    )


def _seconds(candidate: Candidate) -> float:
    assert candidate.seconds is not None
    return candidate.seconds


def _reason(best: Candidate, fastest: Candidate, candidates: Sequence[Candidate]) -> str:
    turn = f"{PROMPT} tokens read and {ANSWER} written"
    said = f"{best.type}: {turn} in {_seconds(best):.1f} s, with an error of {best.error:.2%}"
    if best is not fastest:
        return f"{said}; {fastest.type} takes {_seconds(fastest):.1f} s, with {fastest.error:.2%}."
    quicker = [one for one in candidates if one.seconds is not None and one.seconds < _seconds(best)]
    if quicker:
        return f"{said}; {quicker[0].type} takes {_seconds(quicker[0]):.1f} s, but with {quicker[0].error:.2%}."
    return f"{said}; no other type is faster."
