"""Quantizing by a recipe, in a child process and with verification, against ``llama_model_quantize`` called bare.

    python benchmarks/bench_quantize.py [--model starter] [--type Q4_K_M] [--rounds 3] [--threads N] [--folder DIR]
        [--layers 32]

Two models in F16: a real one, and one of the shape of Llama-3-8B with random weights (``--layers 0`` leaves it out; it
needs 22 GB in DIR, and is removed). Both ways get the same types, and every run is a process of its own, whose time
counts from its start to its end; ours also verifies and has the file safely on disk. Memory is the largest resident
set, with the mapped pages of the source: of our child process, and of the process that calls bare.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from bench_speculation import in_f16
from report import Row, compare, publish

from models.gguf_header import read_header
from models.pull import check_space, size_text
from models.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "convert"))

OURS = """
import resource, sys
from pathlib import Path
from convert.quantization.quantize import quantize
from convert.quantization.recipe import mixture
from models.gguf_header import read_header
source, target, name, threads = sys.argv[1:]
quantize(Path(source), Path(target), mixture(read_header(Path(source)), name), threads=int(threads))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
BARE = """
import resource, sys
from pathlib import Path
from convert.quantization.mixture import FILE_TYPE_IDS
from models.llama import quantization
source, target, name, threads = sys.argv[1:]
quantization.quantize(Path(source), Path(target), FILE_TYPE_IDS[name], threads=int(threads))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
MEMORY = 4000  # MB, for a model of 8B


def run(code: str, source: Path, folder: Path, name: str, threads: int) -> tuple[float, float]:
    """Seconds, and MB of memory (ru_maxrss is in KiB on Linux)."""
    target = folder / "quantized.gguf"
    started = time.perf_counter()
    command = [sys.executable, "-c", code, str(source), str(target), name, str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - started
    target.unlink()
    return seconds, int(done.stdout) * 1024 / 1e6


@contextmanager
def eight_billion(folder: Path, layers: int) -> Iterator[Path]:
    """A model of the shape of Llama-3-8B, with so many layers."""
    from small_gguf import llama_like, write_gguf

    path = folder / "8b-f16.gguf"
    try:
        write_gguf(path, "llama", *llama_like(layers, 4096, 14336, 32, 8, vocabulary=128256))  # with holes
        header = read_header(path)
        check_space(folder, header.size * 4 // 3, "The model of 8B and what is made of it need")
        random = np.random.default_rng(0).normal(0, 0.02, 1 << 24).astype(np.float16).data.cast("B")
        with path.open("r+b") as file:
            for tensor in header.tensors:
                file.seek(tensor.offset)
                if tensor.type == "F16":  # norms stay 0
                    for left in range(tensor.size, 0, -len(random)):
                        file.write(random[:left])
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)


def measure(title: str, source: Path, folder: Path, args: argparse.Namespace, rounds: int) -> list[Row]:
    ours, bare = [], []
    for number in range(rounds):
        for code, results in ((OURS, ours), (BARE, bare)) if number % 2 else ((BARE, bare), (OURS, ours)):
            results.append(run(code, source, folder, args.type, args.threads))
    size = read_header(source).size / 1e6
    about = f"{size_text(int(size * 1e6))} of F16 to {args.type}"
    speeds = [[size / seconds for seconds, _ in results] for results in (ours, bare)]
    memory = [[peak for _, peak in results] for results in (ours, bare)]
    return [
        compare(f"quantizing {title} / bare", *speeds, "MB/s", ">= 0.95", about),
        compare(f"memory of quantizing {title} / bare", *memory, "MB", "<= 1.0", about),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--type", default="Q4_K_M")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--layers", type=int, default=32)
    args = parser.parse_args()
    path = in_f16(Store().resolve(args.model).path)
    rows = []
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        rows += measure(path.stem.removesuffix("-f16"), path, folder, args, args.rounds)
        if args.layers:
            with eight_billion(folder, args.layers) as large:
                rows += measure("8B", large, folder, args, 1)
            peak = rows[-1].ours
            note = "a model of the shape of Llama-3-8B"
            rows.append(compare("memory for 8B / 4 GB", [peak], [MEMORY], "MB", "<= 1.0", note))
    publish("quantize", rows, notes=f"{args.rounds} rounds in turns, {args.threads or os.cpu_count()} threads")
