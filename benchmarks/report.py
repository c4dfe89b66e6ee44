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
README = Path(__file__).parent / "README.md"


@dataclass(frozen=True)
class Row:
    """One claim: ours against a peer or a limit, measured in turns; ``ratio`` is the median of the pairs' ratios.
    Without ``wanted`` it is only told."""

    name: str
    ours: float
    other: float
    unit: str
    ratio: float
    wanted: str
    holds: bool
    note: str = ""


def compare(name: str, ours: Sequence[float], other: Sequence[float], unit: str, wanted: str, note: str = "") -> Row:
    """A row from paired measurements. ``wanted`` is like ``>= 0.97``: of the ratio ours / other."""
    ratio = statistics.median(a / b for a, b in zip(ours, other, strict=True))
    sign, bound = wanted.split() if wanted else (">=", "0")
    holds = ratio >= float(bound) if sign == ">=" else ratio <= float(bound)
    return Row(name, statistics.median(ours), statistics.median(other), unit, ratio, wanted, holds, note)


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
            f"{row.wanted:>8}  {('holds' if row.holds else 'DOES NOT HOLD') if row.wanted else ''} {row.note}".rstrip()
        )


def write_readme(name: str, lines: Sequence[str]) -> None:
    """Put these lines between the marks of this name in README.md."""
    text = README.read_text(encoding="utf-8")
    before, begin, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->\n")
    assert begin, f"README.md has no place for {name}"
    assert end, f"README.md has no place for {name}"
    README.write_text(before + begin + "\n".join([*lines, ""]) + end + after, encoding="utf-8")


def markdown(rows: Sequence[Row]) -> list[str]:
    """The rows as a table for README.md."""
    table = ["| claim | ratio | wanted | |", "|---|---|---|---|"]
    for row in rows:
        held = "; ".join(filter(None, (("holds" if row.holds else "does not hold") if row.wanted else "", row.note)))
        wanted = row.wanted.replace(">=", "≥").replace("<=", "≤")
        table.append(f"| {row.name} | {row.ratio:.2f} | {wanted} | {held} |")
    return table
