"""What every benchmark says about itself: ratios of one run, with the machine and the versions, kept as JSON."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

from models import hardware, llama

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One claim: ours against a peer or a limit, measured in turns; ``ratio`` is the median of the pairs' ratios."""

    name: str
    ours: float
    other: float
    unit: str
    ratio: float
    wanted: str
    holds: bool


def compare(name: str, ours: Sequence[float], other: Sequence[float], unit: str, wanted: str) -> Row:
    """A row from paired measurements. ``wanted`` is like ``>= 0.97``: of the ratio ours / other."""
    ratio = statistics.median(a / b for a, b in zip(ours, other, strict=True))
    sign, bound = wanted.split()
    holds = ratio >= float(bound) if sign == ">=" else ratio <= float(bound)
    return Row(name, statistics.median(ours), statistics.median(other), unit, ratio, wanted, holds)


def publish(name: str, rows: Sequence[Row], notes: str = "") -> None:
    """Print a table and write ``results/<name>.json``."""
    machine = hardware.detect()
    about = {
        "date": date.today().isoformat(),
        "cpu": machine.cpu,
        "cores": machine.cores,
        "memory_gib": round(machine.memory / 2**30),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "llama_cpp_python": version("llama-cpp-python"),
        "textual": version("textual"),
        "llama_cpp_built_with": llama.system_info(),
    }
    RESULTS.mkdir(exist_ok=True)
    content = {"machine": about, "notes": notes, "rows": [asdict(row) for row in rows]}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    width = max(len(row.name) for row in rows)
    for row in rows:
        print(
            f"{row.name:<{width}}  {row.ours:9.2f}  {row.other:9.2f} {row.unit:<6}  ratio {row.ratio:6.3f}  "
            f"{row.wanted:>8}  {'holds' if row.holds else 'DOES NOT HOLD'}"
        )
