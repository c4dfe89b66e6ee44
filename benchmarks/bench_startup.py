"""How soon the program is there: ``assistant --version`` against importing click, whole processes in turns.

python benchmarks/bench_startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from report import compare, publish


def seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    assistant = str(Path(sys.executable).with_name("assistant"))
    seconds(assistant, "--version")
    pairs = [
        (seconds(assistant, "--version") * 1000, seconds(sys.executable, "-c", "import click") * 1000)
        for _ in range(rounds)
    ]
    ours, click = zip(*pairs, strict=True)
    publish("startup", [compare("assistant --version / import click", ours, click, "ms", "<= 4")], f"{rounds} rounds")
