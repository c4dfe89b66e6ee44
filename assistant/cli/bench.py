"""``assistant bench``: how fast a model is on this machine, with and without drafting, and what limits it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assistant.cli.interrupt import interruptible
from models.store import Store

if TYPE_CHECKING:
    from assistant.bench.speed import Report, Row

_SECONDS, _QUICK_SECONDS = 150.0, 45.0


@click.command()
@click.option("-m", "--model", metavar="MODEL", help="The model to measure; without it, the one that chats use.")
@click.option("--draft-model", metavar="MODEL", help="A model of the same vocabulary to draft with.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quick", is_flag=True, help="Be done in less than a minute, and be less exact.")
def bench(model: str | None, draft_model: str | None, as_json: bool, quick: bool) -> None:
    """Measure how fast a model is on this machine.

    Six kinds of answers are written plainly and with drafting, in turns, in less than three minutes. Then it says what
    limits them: the bandwidth of the memory, and what a batch of several tokens costs. docs/speculation.md explains the
    numbers. Let nothing else run meanwhile.

    Exit codes: 0 measured, 3 model missing or unusable, 130 stopped by Ctrl+C (what was measured is printed).
    """
    from assistant import settings as user_settings
    from assistant.bench.speed import Bench

    settings, store = user_settings.load(), Store()
    installed = store.choose(model or settings.model)
    options = user_settings.load_options({"draft_model": draft_model}, settings, store, installed)
    measuring = Bench(installed.path, options, seconds=_QUICK_SECONDS if quick else _SECONDS)
    try:
        for doing in interruptible(measuring.run(), measuring.cancel):
            _say(doing)
        report = measuring.report()
    finally:
        _say("")
        measuring.close()
    if as_json:
        click.echo(json.dumps({**asdict(report), "bandwidth_share": report.bandwidth_share}, ensure_ascii=False))
    else:
        _print(report)
    if options.draft_model and report.without_model:
        click.echo(f"The draft model was of no use: {report.without_model}", err=True)
    if measuring.stopped:
        click.echo("Stopped. What was measured is above.", err=True)
        sys.exit(130)


def _say(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()
    elif line:
        click.echo(line, err=True)


def _print(report: Report) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    draft = f", draft model {Path(report.draft_model).name}" if report.draft_model else ""
    console.print(f"{Path(report.model.path).name}, {report.model.threads} threads{draft}")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("")
    for heading in ("plain", "drafting", "ratio", "possible"):
        table.add_column(heading, justify="right")
    table.add_column("drafted by")
    for heading in ("accepted", "length"):
        table.add_column(heading, justify="right")
    for row in report.rows:
        table.add_row(*_cells(row))
    if report.rows:
        console.print("Tokens per second", table)
    for line in _remarks(report):
        console.print(line)


def _cells(row: Row) -> list[str]:
    cells = [row.workload, f"{row.plain:.1f}"]
    if row.speculation is None:
        return cells
    cells += [f"{row.drafting:.1f}", f"{row.ratio:.2f}", f"{row.allowed:.2f}"]
    if not row.speculation.rounds:
        return [*cells, "nobody", "", ""]
    share = row.speculation.accepted / row.speculation.drafted
    return [*cells, row.speculation.mode, f"{share:.0%}", f"{row.speculation.mean_length:.1f}"]


def _remarks(report: Report) -> list[str]:
    rounds = f"{report.rounds} round{'' if report.rounds == 1 else 's'} in {report.seconds:.0f} s"
    lines = []
    if report.rows:
        lines.append(f"{rounds}. Possible: what the batches below allow where so many drafted tokens are right.")
    if report.share < 1:
        lines.append(f"The documents were shortened to {report.share:.0%}: this machine takes long to read them.")
    if not report.complete:
        lines.append("Not all was measured.")
    lines += ["", "Limits"]
    if report.bandwidth:
        lines.append(f"  memory     {report.bandwidth / 1e9:.1f} GB/s, read by {report.model.threads} threads")
    gigabytes = f"  weights    {report.bytes_per_token / 1e9:.2f} GB are read for each batch"
    if report.bandwidth_share:
        gigabytes += f"; plain decoding uses {report.bandwidth_share:.0%} of that bandwidth"
    lines.append(gigabytes)
    one = report.batch_seconds.get(1)
    if one is None:
        return [*lines, f"  Nothing can be drafted for this model: {report.without_model}."]
    sizes = report.batch_seconds.items()
    lines += [
        "  a batch of" + "".join(f"{size:>6}" for size in report.batch_seconds) + " tokens",
        "  takes     " + "".join(f"{seconds * 1000:>6.0f}" for _, seconds in sizes) + " ms",
        "  or        " + "".join(f"{seconds / one:>6.1f}" for _, seconds in sizes) + " single tokens",
    ]
    if report.draft_token_seconds is not None:
        lines.append(f"  draft      {report.draft_token_seconds * 1000:.1f} ms a token of the draft model")
    for name, best in (("lookup", report.best_lookup), ("the draft model", report.best_model)):
        if best and best.drafted:
            said = f"{best.tokens_per_second:.0f} tokens per second ({best.drafted} drafted in each batch)"
            lines.append(f"  If all that {name} drafts were right: {said}.")
        elif best:
            lines.append(f"  Even if all that {name} drafts were right, it would not pay.")
    return lines
