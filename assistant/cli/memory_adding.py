"""``assistant memory add``: files and folders into memory, once or as they change."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assistant import settings
from assistant.chat.history import History
from assistant.cli.writing import print_json
from assistant.memory.files import Skipped, printable
from assistant.memory.index import DEFAULT_COLLECTION
from assistant.memory.memory import Memory
from models.errors import Cancelled, UsageError
from models.pull import size_text

if TYPE_CHECKING:
    from assistant.memory.ingest import Changed, Event, Removed, Report, Unchanged
    from assistant.memory.watching import Watching


@click.command()
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--collection", default=DEFAULT_COLLECTION, show_default=True, help="A shelf of its own for them.")
@click.option("--watch", is_flag=True, help="Go on, and follow every change until Ctrl+C.")
@click.option("--dry-run", is_flag=True, help="Only say what would be read, as sizes and times tell.")
@click.option("--max-size", metavar="SIZE", help="Leave out larger files: 20MB.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line: what became of each, then a report.")
def add(
    paths: Sequence[Path], collection: str, watch: bool, dry_run: bool, max_size: str | None, as_json: bool
) -> None:
    """Read files and folders into memory, or bring it up to date with them.

    Folders are read with all that is in them; hidden files are left out unless they are named. What has not changed is
    not read again, what is gone from a folder is removed. Ctrl+C or a crash lose nothing: the same command goes on.
    """
    from assistant.cli.ingest_progress import IngestDisplay, event_json, summary
    from assistant.cli.interrupt import interruptible
    from assistant.memory import ingest, watching

    if not collection.strip():
        raise UsageError("A collection needs a name.", "Leave --collection out for the default one.")
    most = _bytes(max_size) if max_size else None
    named = {Path(os.path.abspath(os.path.expanduser(path))) for path in paths}
    stop = threading.Event()
    unread = stopped = False
    with Memory.open() as memory, History.open() as history:
        if dry_run:
            _print_plan(ingest.scan(memory.index, paths, collection=collection, max_bytes=most), as_json)
            return
        going: Iterator[Event | Watching]
        options: dict[str, Any] = {"collection": collection, "max_bytes": most, "stop": stop}
        options["forget"] = history.forget_documents
        going = (watching.watch if watch else ingest.add)(memory.index, lambda: memory.embedder, paths, **options)
        with IngestDisplay(each=watch) as display:
            for event in interruptible(going, stop.set):
                if isinstance(event, watching.Watching):
                    display.note(_watching(event))
                    continue
                if as_json and (line := event_json(event)):
                    with display.hidden():
                        print_json(line, indent=None)
                display(event)
                if isinstance(event, Skipped):
                    unread |= event.path in named
                elif isinstance(event, ingest.Report):
                    stopped = event.stopped
                    if not watch or _did_something(event):
                        display.note(summary(event))
    if stopped:
        raise Cancelled("Stopped; what was read is in memory.", "The same command goes on with the rest.")
    if unread and not watch:
        sys.exit(1)


def _bytes(size: str) -> int:
    try:
        return settings.bytes_of(size)
    except ValueError as error:
        raise UsageError(f"“{size}” is no size.", "Give one such as 500kB or 20MB.") from error


def _print_plan(plan: Iterator[Changed | Unchanged | Removed | Skipped], as_json: bool) -> None:
    """What adding would do."""
    from assistant.memory.ingest import Changed, Removed, Unchanged

    size = documents = unchanged = 0
    for each in plan:
        if isinstance(each, Unchanged):
            unchanged += 1
            continue
        what = "remove" if isinstance(each, Removed) else "skip"
        if isinstance(each, Changed):
            what = "update" if each.before else "add"
            size, documents = size + each.found.size, documents + 1
        if as_json:
            why = {"reason": each.reason} if isinstance(each, Skipped) else {}
            print_json({"event": what, "path": str(each.path), **why}, indent=None)
        else:
            click.echo(f"{what:<6}  {printable(each.path)}{f' {each.reason}' if isinstance(each, Skipped) else ''}")
    click.echo(f"{documents:,} files of {size_text(size)} would be read, {unchanged:,} are unchanged.", err=True)


def _watching(event: Watching) -> str:
    """What is watched, and what is waited for."""
    lines = [f"Watching {printable(path)}; Ctrl+C ends it." for path in event.paths]
    return "\n".join([*lines, *(f"{printable(path)} is not there; waiting for it." for path in event.missing)])


def _did_something(report: Report) -> bool:
    return bool(report.added or report.updated or report.removed)
