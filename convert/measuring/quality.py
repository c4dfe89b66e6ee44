"""What a quantized model lost: perplexity, KL divergence and same-top-token rate against the model it was made from.

The figures are those of llama.cpp's tools/perplexity, so that they can be held against published ones: the text is cut
into chunks of ``chunk_size`` tokens, each computed in an empty KV cache with BOS as its first token where the model
wants one; what the model says of the second half of each chunk is scored, in natural logarithms. The models run in
lockstep, chunk by chunk, so that the logits of a few hundred tokens are all that is ever kept, and the divergence is
that of the logits themselves (upstream keeps the reference in 16 bits, in a file of many gigabytes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.measuring import placement
from convert.progress import OnProgress, silent
from models import fit, hardware, vocabulary
from models.errors import ModelError, UsageError
from models.gguf_header import Header, read_header
from models.llama import Context, Model
from models.pull import size_text

CHUNK_SIZE = 512  # tokens; published figures are of this size
CHUNKS = 20
MOST_ROWS = 256  # of logits at once: 155 MB for a vocabulary of 151,936


@dataclass(frozen=True, slots=True)
class Quality:
    """A candidate against its reference. Errors are standard errors of the mean over the tokens.

    Attributes:
        model: the candidate. size: of its files, in bytes.
        chunks, tokens: that were scored.
        perplexity, reference_perplexity: exp(mean negative log-likelihood).
        ratio: perplexity / reference_perplexity; its error knows that both are of the same tokens.
        kl_mean, kl_median, kl_99, kl_max: KL divergence of the candidate from the reference in nats: mean, median,
            99th percentile and largest of all tokens.
        same_top: share of the tokens, 0 to 1, where both find the same token the most probable.
    """

    model: Path
    size: int
    chunks: int
    tokens: int
    perplexity: float
    perplexity_error: float
    reference_perplexity: float
    reference_perplexity_error: float
    ratio: float
    ratio_error: float
    kl_mean: float
    kl_error: float
    kl_median: float
    kl_99: float
    kl_max: float
    same_top: float
    same_top_error: float


def compare(
    reference: Path,
    candidates: Sequence[Path],
    text: str,
    *,
    chunk_size: int = CHUNK_SIZE,
    chunks: int = CHUNKS,
    threads: int | None = None,
    on_progress: OnProgress = silent,
) -> list[Quality]:
    """Each candidate against the reference, which is usually the file that they were quantized from.

    All are in memory at the same time if they fit, else the reference and one candidate after the other.

    Args:
        text: what the models read; as many chunks of it are used as there are, at the most ``chunks``.
        on_progress: (done, total) in chunks, each counted once for every model that reads it.

    Raises:
        ModelError: a file cannot be used, its vocabulary is another than the reference's, or there is not enough
            memory for two models. UsageError: the text has no whole chunk, or a number makes no sense.
    """
    headers = [read_header(path) for path in (reference, *candidates)]
    for path, header in zip(candidates, headers[1:], strict=True):
        differs = vocabulary.difference(headers[0], header)
        if differs is None and header.vocab_size != headers[0].vocab_size:
            differs = f"its vocabulary has {header.vocab_size:,} tokens, not {headers[0].vocab_size:,}"
        if differs:
            raise ModelError(
                f"{path.name} cannot be compared with {reference.name}: {differs}.",
                "Compare files that were made from the same model.",
            )
    groups = _groups(headers, chunk_size)
    found = []
    for number, group in enumerate(groups):

        def report(done: int, total: int, number: int = number) -> None:
            on_progress(number * total + done, len(groups) * total)

        together = [headers[0], *(headers[1 + index] for index in group)]
        scores = _scores(together, text, chunk_size, chunks, threads, report)
        for place, index in enumerate(group, 1):
            found.append(_quality(candidates[index], headers[1 + index], scores[:, [0, place]], chunk_size))
    return found


def perplexity(
    model: Path,
    text: str,
    *,
    chunk_size: int = CHUNK_SIZE,
    chunks: int = CHUNKS,
    threads: int | None = None,
    on_progress: OnProgress = silent,
) -> tuple[float, float]:
    """Perplexity of one model and its standard error; arguments and errors as of :func:`compare`."""
    scores = _scores([read_header(model)], text, chunk_size, chunks, threads, on_progress)
    return _exponential(scores[:, 0, 0])


# What is scored of a token, by every model: the last axis of the scores.
_NLL, _KL, _SAME = range(3)
Scores = NDArray[np.float64]  # (tokens, models, 3); the first model is the reference


def _quality(path: Path, header: Header, scores: Scores, chunk_size: int) -> Quality:
    nll, kl, same = scores[:, :, _NLL], scores[:, 1, _KL], scores[:, 1, _SAME]
    value, error = _exponential(nll[:, 1])
    reference_value, reference_error = _exponential(nll[:, 0])
    ratio, ratio_error = _exponential(nll[:, 1] - nll[:, 0])
    kl_median, kl_99 = np.percentile(kl, [50, 99])
    return Quality(
        model=path,
        size=header.size,
        chunks=len(scores) // _scored(chunk_size),
        tokens=len(scores),
        perplexity=value,
        perplexity_error=error,
        reference_perplexity=reference_value,
        reference_perplexity_error=reference_error,
        ratio=ratio,
        ratio_error=ratio_error,
        kl_mean=float(kl.mean()),
        kl_error=_standard_error(kl),
        kl_median=float(kl_median),
        kl_99=float(kl_99),
        kl_max=float(kl.max()),
        same_top=float(same.mean()),
        same_top_error=_standard_error(same),
    )


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _exponential(logarithms: NDArray[np.float64]) -> tuple[float, float]:
    """exp of the mean, and the standard error of that."""
    value = float(np.exp(logarithms.mean()))
    return value, value * _standard_error(logarithms)


def _groups(headers: Sequence[Header], chunk_size: int) -> list[list[int]]:
    """Which candidates (0 is the first) are in memory together with the reference."""
    room = placement.room()
    reference, *needs = (_need(header, chunk_size) for header in headers)
    largest = max(needs, default=0)
    if reference + largest > room:
        raise ModelError(
            f"The two models take {size_text(reference + largest)} of memory together; {size_text(room)} can be had.",
            "Close other programs, or take a smaller reference: Q8_0 is next to lossless.",
        )
    if reference + sum(needs) <= room:
        return [list(range(len(needs)))]
    return [[index] for index in range(len(needs))]


def _need(header: Header, chunk_size: int) -> int:
    """Bytes of a model with its logits, which are there twice: as computed, and as handed out."""
    rows = min(MOST_ROWS, chunk_size - chunk_size // 2)
    return fit.memory_need(header, chunk_size).total + 2 * 4 * rows * header.vocab_size


def _scored(chunk_size: int) -> int:
    """How many tokens of a chunk are scored: those of its second half but the first, each from the row before it."""
    return chunk_size - chunk_size // 2 - 1


def pieces(chunk_size: int, batch: int) -> Iterator[tuple[int, int, int]]:
    """(start, stop, rows of logits) of the decodes of a chunk, ``batch`` tokens and MOST_ROWS rows at the most."""
    first, start = chunk_size // 2, 0
    while start < chunk_size:
        stop = min(start + batch, chunk_size, max(start, first) + MOST_ROWS)
        yield start, stop, max(0, stop - max(start, first))
        start = stop


def chunked(model: Model, text: str, chunk_size: int, chunks: int) -> list[list[int]]:
    """The chunks of a text as tokens, with BOS in its place.

    Raises:
        UsageError: there is not even one, or a number makes no sense.
    """
    if chunk_size < 8 or chunks < 1:
        raise UsageError(f"{chunks} chunks of {chunk_size} tokens say nothing.", "Take 20 chunks of 512 tokens.")
    bos = model.tokenize("", add_special=True, parse_special=False)[:1] == [model.bos]
    tokens = model.tokenize(text, add_special=False, parse_special=False)
    if bos:
        tokens.insert(0, model.bos)
    if len(tokens) < chunk_size:
        raise UsageError(
            f"The text has {len(tokens):,} tokens; one chunk takes {chunk_size:,}.",
            f"Give a longer text: {chunks * chunk_size:,} tokens make {chunks} chunks.",
        )
    starts = range(0, len(tokens) - chunk_size + 1, chunk_size)[:chunks]
    found = [tokens[start : start + chunk_size] for start in starts]
    for chunk in found:
        chunk[0] = model.bos if bos else chunk[0]
    return found


def _scores(
    headers: Sequence[Header], text: str, chunk_size: int, chunks: int, threads: int | None, on_progress: OnProgress
) -> Scores:
    """What every model says of every scored token. The first is the reference."""
    threads = threads or hardware.default_threads()
    rows = max(count for _, _, count in pieces(chunk_size, fit.MICRO_BATCH))
    with ExitStack() as stack:
        models = [
            stack.enter_context(Model(header.files[0], gpu_layers=layers))
            for header, layers in zip(headers, placement.gpu_layers(headers, chunk_size, rows), strict=True)
        ]
        texts = chunked(models[0], text, chunk_size, chunks)
        contexts = [
            stack.enter_context(Context(model, n_ctx=chunk_size, threads=threads, outputs=rows)) for model in models
        ]
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        scores = np.empty((len(texts), _scored(chunk_size), len(models), 3))
        for number, chunk in enumerate(texts):
            for context in contexts:
                context.clear()
            for start, stop, count in pieces(chunk_size, fit.MICRO_BATCH):
                for place, context in enumerate(contexts):
                    if start == 0:
                        on_progress(number * len(models) + place, len(texts) * len(models))
                    context.decode(chunk[start:stop], count)
                targets = chunk[stop - count + 1 : stop + 1]  # the last row of a chunk has none
                at = stop - count - chunk_size // 2
                _score_rows(pool, threads, contexts, count, targets, scores[number, at : at + len(targets)])
        on_progress(len(texts) * len(models), len(texts) * len(models))
    flat = scores.reshape(-1, len(headers), 3)
    for place, header in enumerate(headers):
        if not np.isfinite(flat[:, place]).all():
            raise ModelError(
                f"{header.files[0].name} computes numbers that are not finite.",
                "Its weights are damaged: make it again, or look at it with `assistant models verify`.",
            )
    return flat


def _score_rows(
    pool: ThreadPoolExecutor,
    threads: int,
    contexts: Sequence[Context],
    count: int,
    targets: Sequence[int],
    scores: NDArray[np.float64],
) -> None:
    """Score the ``count`` rows of logits of the last decode, as far as there are targets; the threads share them."""
    rows = [[context.logits(index - count) for context in contexts] for index in range(len(targets))]

    def work(first: int) -> None:
        score = _row_scorer(len(rows[first][0]))
        for index in range(first, len(rows), threads):
            score(rows[index], targets[index], scores[index])

    for _ in pool.map(work, range(min(threads, len(rows)))):
        pass


def _row_scorer(vocabulary_size: int) -> Callable[[Sequence[NDArray[np.float32]], int, NDArray[np.float64]], None]:
    """A function with buffers of its own: a row of logits of 600 KB stays in the processor's cache, and none is
    allocated anew. numpy lets other threads run meanwhile.

    With the logits a of the reference and b of a candidate, both less their maximum, and A, B the sums of their
    exponentials, KL = sum(exp(a) / A * (a - b)) - log A + log B: differences in float32, which are exact for near
    values, and sums in float64. The same logits give exactly 0.
    """
    reference, candidate, weights, scratch = (np.empty(vocabulary_size, np.float32) for _ in range(4))

    def normalize(logits: NDArray[np.float32], into: NDArray[np.float32], exponentials: NDArray[np.float32]) -> float:
        np.subtract(logits, logits.max(), out=into)
        return float(np.exp(into, out=exponentials).sum(dtype=np.float64))

    def score(rows: Sequence[NDArray[np.float32]], target: int, scores: NDArray[np.float64]) -> None:
        total = normalize(rows[0], reference, weights)
        top = reference.argmax()
        scores[0] = np.log(total) - reference[target], 0.0, 1.0
        for place, logits in enumerate(rows[1:], 1):
            change = np.log(normalize(logits, candidate, scratch)) - np.log(total)
            nll, same = np.log(total) + change - candidate[target], candidate.argmax() == top
            np.subtract(reference, candidate, out=candidate)
            np.multiply(weights, candidate, out=candidate)
            scores[place] = nll, candidate.sum(dtype=np.float64) / total + change, same

    return score
