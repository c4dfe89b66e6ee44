"""What is said at the end of a batch: the counts, and what failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import click

from assistant.cli.writing import shortened
from assistant.memory.files import printable
from assistant.tasks.batching.job import Row

SHOWN = 20  # failures that are listed


@dataclass(frozen=True, slots=True)
class Summary:
    """Records that are done and failed in all, those ``answered`` in this run, and its seconds; ``output`` is the file
    they went to."""

    done: int
    failed: int
    answered: int
    seconds: float
    output: str | None

    @property
    def rate(self) -> float:
        """Records answered in a second of this run."""
        return self.answered / max(self.seconds, 1e-3)


def say(summary: Summary, failures: Sequence[Row], *, as_json: bool) -> None:
    """Failures on stderr; the summary too, unless it is JSON and stdout is free for it."""
    for row in failures:
        click.echo(f"failed: {shortened(row.said, 300)}", err=True)
    if summary.failed > len(failures):
        click.echo(f"failed: {summary.failed - len(failures):,} more", err=True)
    if as_json:
        said = {
            "records": summary.done + summary.failed,
            "done": summary.done,
            "failed": summary.failed,
            "answered": summary.answered,
            "seconds": round(summary.seconds, 3),
            "records_per_second": round(summary.rate, 3),
            "output": summary.output,
        }
        click.echo(json.dumps(said, ensure_ascii=False), err=summary.output is None)
        return
    failed = f", {summary.failed:,} failed (--retry-failed tries them again)" if summary.failed else ""
    where = f" → {printable(summary.output)}" if summary.output else ""
    click.echo(
        f"{summary.done:,} records answered{failed}; {summary.answered:,} of them now, in {_time(summary.seconds)} "
        f"({summary.rate:.1f} a second){where}",
        err=True,
    )


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
