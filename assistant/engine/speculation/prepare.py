"""Getting a speculator ready for a loaded model: what its batches cost, and whether a draft model can pay at all."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from assistant.engine.engine import Progress
from assistant.engine.kv_cache import KVCache
from assistant.engine.speculation.costs import DRAFT_SIZES, SIZES, BatchCosts, CostsFile, measure
from assistant.engine.speculation.draft_model import ModelDrafter
from assistant.engine.speculation.speculator import Speculator
from models import fit, gguf_header, hardware, vocabulary
from models.errors import ModelError
from models.llama import Model

_DRAFT_WINDOW = 8192  # tokens of text that there has to be memory for


def costs_of(
    model: Model, cache: KVCache, *, threads: int, kv_type: str
) -> Generator[Progress, None, tuple[BatchCosts, CostsFile]]:
    """What batches of the model cost, measured unless it is known from an earlier time, and where that is kept.

    Raises:
        Aborted: ``cache.stop`` was called.
    """
    file = CostsFile(model.path, threads=threads, offloaded=model.offloaded[0], kv_type=kv_type)
    return file.read() or (yield from _measure(cache, file, SIZES)), file


def prepare(
    model: Model, cache: KVCache, *, draft_model: Path | None, threads: int, gpu_layers: int, kv_type: str
) -> Generator[Progress, None, Speculator]:
    """Measure what is not known from an earlier time. A draft model that is of no use is left out, with the reason in
    ``Speculator.without_model``.

    Raises:
        Aborted: ``cache.stop`` was called.
    """
    costs, file = yield from costs_of(model, cache, threads=threads, kv_type=kv_type)
    if draft_model is None:
        return Speculator(costs, model.piece, without_model="none is installed that belongs to it", keep=file.write)
    keep = file.write
    try:
        # The measurement lies under both files: where there is one, the pair was checked.
        file = CostsFile(draft_model, model.path, threads=threads, offloaded=gpu_layers, kv_type="f16")
        model_costs = file.read()
        if model_costs is None:
            _check(draft_model, model.path)
        drafter = ModelDrafter(
            draft_model,
            threads=threads,
            limit=cache.limit,
            vocabulary_size=model.vocabulary_size,
            gpu_layers=gpu_layers,
        )
        if model_costs is None:
            drafter.open()
            try:
                model_costs = yield from _measure(drafter.cache, file, DRAFT_SIZES)
            finally:
                drafter.close()
    except (ModelError, OSError) as error:
        return Speculator(costs, model.piece, without_model=str(error), keep=keep)
    return Speculator(costs, model.piece, drafter, model_costs, keep=keep)


def _check(draft: Path, target: Path) -> None:
    """Raises ModelError: these two are no pair, or there is no memory for the draft."""
    if reason := vocabulary.mismatch(target, draft):
        raise ModelError(f"{draft.name} cannot draft for {target.name}: {reason}.", "Choose another: --draft-model.")
    need = fit.memory_need(gguf_header.read_header(draft), _DRAFT_WINDOW).total
    if need > hardware.memory().available:
        raise ModelError(f"There is not enough memory for {draft.name} beside the model.", "Use `--draft lookup`.")


def _measure(cache: KVCache, file: CostsFile, sizes: Sequence[int]) -> Generator[Progress, None, BatchCosts]:
    costs = yield from measure(cache, sizes)
    file.write(costs)
    return costs
