"""The other commands of ``assistant memory``: of the whole file, of facts and marks, of embedders and rerankers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click_default_group import DefaultGroup

from assistant.chat.forgetting import forget_prompts
from assistant.cli.memory_display import when
from assistant.cli.writing import print_json, print_table, shortened
from assistant.memory.files import printable
from assistant.memory.index import Index
from assistant.memory.memory import Memory
from models.errors import Cancelled, UsageError, UserError
from models.pull import size_text

if TYPE_CHECKING:
    from assistant.memory.index import StoredDocument

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> None:
    """Say what is in memory, with which embedder, how much disk it takes, and which files have changed since."""
    with Memory.open() as memory:
        index = memory.index
        counts, embedder, collections = index.counts(), index.embedder, index.collections()
        pending = index.count_not_embedded(embedder) if embedder else 0
        stale = [(each, state) for each in index.documents() if (state := _state_of(each))]
        path = index.path
    size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")) if path else 0
    if as_json:
        report = {
            "file": str(path),
            "size": size,
            "counts": counts,
            "collections": collections,
            "embedder": embedder._asdict() if embedder else None,
            "not_embedded": pending,
            "stale": [{"id": each.id, "path": str(each.path), "state": state} for each, state in stale],
        }
        print_json(report)
        return
    rows = [
        ("documents", f"{counts['documents']:,}"),
        ("passages", f"{counts['chunks']:,}"),
        ("facts", f"{counts['facts']:,}"),
        ("collections", ", ".join(f"{name} ({count:,})" for name, count in collections.items()) or "none"),
        ("embedder", f"{embedder.name}, {embedder.dims} dimensions" if embedder else "none yet"),
        ("file", f"{path} ({size_text(size)})"),
    ]
    print_table(rows)
    if pending:
        click.echo(f"{pending:,} passages have no vectors yet: assistant memory reindex", err=True)
    for each, state in stale:
        click.echo(f"{state}: {printable(each.path)}", err=True)
    if stale:
        click.echo(
            "Add them or their folder again, or remove them: assistant memory add, assistant memory rm", err=True
        )


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(repair: bool, as_json: bool) -> None:
    """Check the database: its pages, search indexes, vectors and passages. Exit code 6: something is wrong."""
    with Memory.open() as memory:
        problems = memory.index.check()
        done = memory.index.repair() if repair and problems else []
        left = memory.index.check() if done else problems
    if as_json:
        print_json({"ok": not left, "problems": problems, "repaired": done, "left": left})
    else:
        for line in [*problems, *done, *(left if done else [])]:
            click.echo(line)
        if not problems:
            click.echo("All is well.", err=True)
    if left:
        if not repair:
            click.echo("To mend it: assistant memory check --repair", err=True)
        sys.exit(6)


@click.command()
@click.option("--embedder", "name", metavar="NAME", help="See `assistant memory models`; without it the present one.")
def reindex(name: str | None) -> None:
    """Embed all passages anew, with another embedder or another version of it.

    Until it has ended, searches use the vectors that were there before. Ctrl+C or a crash lose nothing: it goes on.
    """
    from assistant.cli.ingest_progress import IngestDisplay
    from assistant.cli.interrupt import interruptible
    from assistant.memory.embedding import load_embedder
    from assistant.memory.ingest import re_embed

    stop = threading.Event()
    with Memory.open() as memory:
        embedder = load_embedder(name) if name else memory.embedder
        with IngestDisplay(unit="passages") as display:
            for progress in interruptible(re_embed(memory.index, embedder, stop=stop), stop.set):
                display(progress)
    if stop.is_set():
        raise Cancelled("Stopped; searches use the vectors that were there before.", "The same command goes on.")
    click.echo(f"All passages are embedded by {embedder.name}.", err=True)


@click.command()
@click.argument("file", type=_FILE)
def backup(file: Path) -> None:
    """Write a copy of the whole memory to FILE. It may be in use meanwhile."""
    _write_new(file, Index.backup)


@click.command()
def compact() -> None:
    """Give the disk back what removed documents have left free."""
    with Memory.open() as memory:
        path = memory.index.path
        before = path.stat().st_size if path else 0
        memory.index.compact()
        after = path.stat().st_size if path else 0
    click.echo(f"{size_text(before)} became {size_text(after)}.", err=True)


@click.command()
@click.argument("file", type=_FILE)
def export(file: Path) -> None:
    """Write all documents, facts and marks to FILE, for `assistant memory import` on another machine."""
    _write_new(file, Index.export)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(file: Path) -> None:
    """Take over what `assistant memory export` has written. What is here stays."""
    with Memory.open() as memory:
        report = memory.index.import_(file)
    click.echo(
        f"{report.added:,} documents added, {report.updated:,} updated, {report.unchanged:,} unchanged; "
        f"{report.facts:,} facts added.",
        err=True,
    )
    if report.not_embedded:
        click.echo(f"{report.not_embedded:,} passages have no vectors yet: assistant memory reindex", err=True)


@click.group(
    cls=DefaultGroup, default="list", default_if_no_args=True, short_help="List, add, edit and remove facts about you."
)
def facts() -> None:
    """List, add, edit and remove facts about you, for the chat and for `ask --memory`. Alone it lists them.

    They are used as you wrote them; no model ever changes them.
    """


@facts.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_facts(as_json: bool = False) -> None:
    """List the facts with their numbers and dates."""
    with Memory.open() as memory:
        found = memory.facts.list()
    if as_json:
        print_json(
            [
                {"id": one.id, "text": one.text, "created": one.created.isoformat(), "updated": one.updated.isoformat()}
                for one in found
            ]
        )
        return
    print_table([(str(one.id), when(one.updated), shortened(one.text, 1000)) for one in found], right=(0,))
    if not found:
        click.echo('There are no facts yet. Add one: assistant memory facts add "I live in Kazan"', err=True)


@facts.command("add")
@click.argument("text", nargs=-1, required=True)
def add_fact(text: tuple[str, ...]) -> None:
    """Remember TEXT."""
    with Memory.open() as memory:
        fact = memory.facts.add(" ".join(text))
    click.echo(f"Fact {fact.id} is remembered.", err=True)


@facts.command("edit")
@click.argument("id", type=int)
@click.argument("text", nargs=-1, required=True)
def edit_fact(id: int, text: tuple[str, ...]) -> None:
    """Replace the text of fact ID."""
    with Memory.open() as memory:
        memory.facts.edit(id, " ".join(text))
    forget_prompts()
    click.echo(f"Fact {id} is changed.", err=True)


@facts.command("rm")
@click.argument("ids", metavar="ID...", nargs=-1, type=int, required=True)
def remove_facts(ids: tuple[int, ...]) -> None:
    """Forget facts."""
    with Memory.open() as memory:
        for id in ids:
            memory.facts.remove(id)
            forget_prompts()
            click.echo(f"Fact {id} is forgotten.", err=True)


@click.group(
    cls=DefaultGroup, default="list", default_if_no_args=True, short_help="List or reset the marks on answers."
)
def feedback() -> None:
    """List or reset the marks on answers, which raise or lower their passages. Alone it lists them."""


@feedback.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_feedback(as_json: bool = False) -> None:
    """List the marks: date, up or down, the passage."""
    with Memory.open() as memory:
        marks = memory.feedback.list()
    if as_json:
        print_json(
            [
                {
                    "chunk": mark.chunk_id,
                    "message": mark.message_id,
                    "value": mark.value,
                    "created": mark.created.isoformat(),
                    "path": str(mark.path),
                    "page": mark.page,
                    "line": mark.line,
                    "text": mark.text,
                }
                for mark in marks
            ]
        )
        return
    print_table([(when(m.created), "+" if m.value > 0 else "–", m.title, shortened(m.text, 60)) for m in marks])
    if not marks:
        click.echo("There are no marks. In the chat, an answer is marked by a key or by /good and /bad.", err=True)


@feedback.command("reset")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def reset_feedback(yes: bool) -> None:
    """Drop all marks."""
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("Dropping all marks needs a yes.", "Add -y.")
        click.confirm("Drop all marks?", abort=True, err=True)
    with Memory.open() as memory:
        memory.feedback.reset()
    click.echo("All marks are dropped.", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def models(as_json: bool) -> None:
    """List embedders and rerankers: those that are installed, and those that can be pulled."""
    from assistant.memory.embedders import DEFAULT, catalogue, library

    with Memory.open() as memory:
        embedder = memory.index.embedder
    here = {manifest.name: manifest for manifest in library.installed()}
    offered = {entry.name: entry for entry in catalogue.load()}
    rows: list[dict[str, Any]] = [
        {"name": DEFAULT, "kind": "embedder", "size": None, "licence": "Apache-2.0", "installed": True}
    ]
    for model in (offered | here).values():
        known = {"name": model.name, "kind": model.kind, "size": model.size, "licence": model.licence}
        rows.append(known | {"installed": model.name in here})
    for row in rows:
        row["used"] = bool(embedder and embedder.name == row["name"])
    if as_json:
        print_json(rows)
        return
    print_table(
        [
            (
                row["name"],
                row["kind"],
                size_text(row["size"]) if row["size"] else "–",
                row["licence"] or "licence unknown",
                "used" if row["used"] else "installed" if row["installed"] else "can be pulled",
            )
            for row in rows
        ],
        right=(2,),
    )


@click.command()
@click.argument("name")
@click.option(
    "--from", "path", type=click.Path(exists=True, path_type=Path), help="A folder that has its files; no network."
)
def pull(name: str, path: Path | None) -> None:
    """Install an embedder or a reranker (see `assistant memory models`), or check and repair an installed one."""
    from assistant.cli.pull_progress import PullDisplay
    from assistant.memory.embedders import library

    with PullDisplay() as display:
        try:
            if path:
                model = library.import_folder(path, name, on_progress=display)
            else:
                model = library.pull(name, on_progress=display, on_note=display.note)
        except KeyboardInterrupt:
            hint = f"It resumes where it was: assistant memory pull {name}"
            raise Cancelled("The pull was cancelled; what has arrived is kept.", hint) from None
        display.note(f"{model.name} is installed: {size_text(model.size)}, {model.licence or 'licence unknown'}.")
        if model.kind == "embedder":
            display.note(f"To use it: assistant memory reindex --embedder {model.name}")


def _state_of(document: StoredDocument) -> str | None:
    """As far as size and time tell: "changed", "gone", or None."""
    try:
        about = document.path.stat()
    except OSError:
        return "gone"
    # A nanosecond: see assistant.memory.ingest on young files.
    same = about.st_size == document.size and 0 <= about.st_mtime_ns - document.mtime_ns <= 1
    return None if same else "changed"


def _write_new(file: Path, write: Callable[[Index, Path], None]) -> None:
    """Write the index to a file that is not there yet, and say how large it became."""
    if file.exists():
        raise UserError(f"{file} exists already.", "Choose another name, or remove it first.")
    with Memory.open() as memory:
        write(memory.index, file)
    click.echo(f"{file}: {size_text(file.stat().st_size)}.", err=True)


COMMANDS = [status, check, reindex, backup, compact, export, import_, facts, feedback, models, pull]
