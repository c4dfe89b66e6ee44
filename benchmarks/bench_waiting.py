"""How threads wait for each other: llama.cpp's default (OpenMP spins) against ours, alone and beside other work.

    python benchmarks/bench_waiting.py [--model starter] [--rounds 5]

Each measurement is a process of its own that decodes with all cores; the two ways take turns. Beside other work: one
busy process, like a compiler or a browser.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from report import compare, publish

from models.llama import library
from models.store import Store

DECODE = """
import sys, time
from pathlib import Path
from models import hardware, llama
model = llama.Model(Path(sys.argv[1]))
context = llama.Context(model, n_ctx=512, threads=hardware.default_threads())
context.decode(list(range(100, 116)))
times = []
while len(times) < 40 and sum(times) < 8:
    started = time.perf_counter()
    context.decode([100 + len(times)])
    times.append(time.perf_counter() - started)
print(len(times) / sum(times))
"""
BUSY = "while True: sum(range(100_000))"
SPINNING = {"OMP_WAIT_POLICY": "", "GOMP_SPINCOUNT": ""}


def decode(path: str, waiting: dict[str, str]) -> float:
    """Tokens per second, with these variables of OpenMP; empty ones are unset, and ours are then not set either."""
    env = {name: value for name, value in os.environ.items() if name not in SPINNING}
    env |= {name: value for name, value in waiting.items() if value}
    if not any(waiting.values()):
        env["GOMP_SPINCOUNT"] = "300000"  # what libgomp takes when nothing is set
    done = subprocess.run([sys.executable, "-c", DECODE, path], env=env, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    path = str(Store().resolve(args.model).path)
    rows = []
    for name, wanted, busy in (("alone", ">= 0.97", False), ("beside a busy process", ">= 1.5", True)):
        other_work = subprocess.Popen([sys.executable, "-c", BUSY]) if busy else None
        try:
            pairs = [(decode(path, library.WAITING), decode(path, SPINNING)) for _ in range(args.rounds)]
        finally:
            if other_work:
                other_work.kill()
        ours, spinning = zip(*pairs, strict=True)
        rows.append(compare(f"decode {name} / spinning", ours, spinning, "tok/s", wanted))
    publish("waiting", rows, notes=f"{path.rsplit('/', 1)[-1]}, {library.WAITING}, {args.rounds} rounds in turns")
