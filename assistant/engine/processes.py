"""Several engines side by side, each in a process of its own: how many there is memory for, and their threads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from assistant.engine.engine import LoadOptions
from assistant.engine.worker import WorkerEngine
from models import fit, hardware
from models.errors import DoesNotFit
from models.gguf_header import read_header

_WINDOW = 4_096  # tokens that each process has room for, unless the user or the model says otherwise


def engines(path: Path, options: LoadOptions, jobs: int) -> list[WorkerEngine]:
    """As many engines as there is memory for, ``jobs`` at most; the threads are shared out among them.

    Raises:
        DoesNotFit: there is no memory for one. ModelError: the file cannot be used.
    """
    header = read_header(path)
    window = min(options.context_length or _WINDOW, header.context_length)
    available = hardware.memory().available
    while jobs > 1 and fit.largest_window(header, available // jobs, options.kv_type) < window:
        jobs -= 1
    largest = fit.largest_window(header, available // jobs, options.kv_type)
    if largest == 0:
        raise DoesNotFit(
            f"{path.name} needs more memory than the {available >> 20:,} MiB that are free.", "Choose a smaller model."
        )
    threads = max(1, (options.threads or hardware.default_threads()) // jobs)
    each = replace(
        options,
        threads=threads,
        context_length=min(options.context_length or header.context_length, header.context_length, largest),
    )
    return [WorkerEngine(path, each) for _ in range(jobs)]
