"""What scoring costs: KL divergence of 20 chunks against the prefill of the two models alone.

    python benchmarks/bench_quality.py [--reference starter] [--candidate starter] [--rounds 3] [--chunks 20]

In turns, in one run: ``compare`` of convert/measuring/quality.py from its first chunk to its last, and the same decodes
of the same chunks by the same two models with the same rows of logits, which nobody looks at. The faster the models,
the more scoring counts: small types are the harder test.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from report import compare as row
from report import publish

from convert.measuring import placement
from convert.measuring.quality import CHUNK_SIZE, chunked, compare, pieces
from models import fit, hardware
from models.gguf_header import read_header
from models.llama import Context, Model
from models.store import Store

TEXT = "".join(path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parents[1] / "docs").glob("*.md")))


def scored(reference: Path, candidate: Path, chunks: int, threads: int) -> float:
    """Tokens per second and model, loading left out."""
    times = []
    found = compare(
        reference,
        [candidate],
        TEXT,
        chunks=chunks,
        threads=threads,
        on_progress=lambda done, total: times.append(time.perf_counter()),
    )
    assert found[0].chunks == chunks, "the text is too short"
    return 2 * chunks * CHUNK_SIZE / (times[-1] - times[0])


def bare(models: list[Model], chunks: int, threads: int) -> float:
    texts = chunked(models[0], TEXT, CHUNK_SIZE, chunks)
    rows = max(count for _, _, count in pieces(CHUNK_SIZE, fit.MICRO_BATCH))
    contexts = [Context(model, n_ctx=CHUNK_SIZE, threads=threads, outputs=rows) for model in models]
    started = time.perf_counter()
    for chunk in texts:
        for context in contexts:
            context.clear()
            for start, stop, count in pieces(CHUNK_SIZE, fit.MICRO_BATCH):
                context.decode(chunk[start:stop], count)
                if count:
                    context.logits()  # waits until all is computed
    seconds = time.perf_counter() - started
    for context in contexts:
        context.close()
    return 2 * chunks * CHUNK_SIZE / seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", default="starter")
    parser.add_argument("--candidate", default="starter")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=20)
    args = parser.parse_args()
    paths = [Store().resolve(name).path for name in (args.reference, args.candidate)]
    threads = hardware.default_threads()
    headers = [read_header(path) for path in paths]
    models = [
        Model(header.files[0], gpu_layers=layers)
        for header, layers in zip(headers, placement.gpu_layers(headers, CHUNK_SIZE), strict=True)
    ]
    with_scores, without = [], []
    for number in range(args.rounds):
        ways = [
            lambda: with_scores.append(scored(paths[0], paths[1], args.chunks, threads)),
            lambda: without.append(bare(models, args.chunks, threads)),
        ]
        for measure in ways[:: 1 if number % 2 == 0 else -1]:
            measure()
        print(number, f"with scores {with_scores[-1]:.1f}, without {without[-1]:.1f} tok/s")
    name = f"{paths[1].name.partition('.')[0]}: KL divergence of {args.chunks} chunks / prefill of both models alone"
    notes = f"{paths[0].name} and {paths[1].name}, {threads} threads, {args.rounds} rounds in turns"
    publish("quality", [row(name, with_scores, without, "tok/s", ">= 0.9")], notes=notes)
