"""``assistant memory``: documents and facts that answers rest on."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click_default_group import DefaultGroup

from assistant.chat.forgetting import forget
from assistant.chat.history import History
from assistant.cli import memory_tools
from assistant.cli.memory_adding import add
from assistant.cli.memory_display import (
    document_json,
    modified,
    passage_json,
    place_in_document,
    place_json,
    place_text,
    when,
)
from assistant.cli.writing import print_json, print_table, shortened
from assistant.memory.files import printable
from assistant.memory.index import Filter
from assistant.memory.memory import Memory
from models.catalogue import close_matches
from models.errors import UsageError, UserError

if TYPE_CHECKING:
    from assistant.memory.index import StoredDocument
    from assistant.memory.retrieval import Hit

_DATE = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"])
_DOCUMENT = "DOCUMENT is a number (see `assistant memory list`) or the path of a file."


@click.group(
    cls=DefaultGroup,
    default="list",
    default_if_no_args=True,
    short_help="Add, search and remove documents and facts that answers rest on.",
)
def memory() -> None:
    """Add, search and remove documents and facts that answers rest on. Alone it lists the documents.

    What is in it is used by `assistant ask --memory "…"` and, in the chat, after /memory on. docs/memory.md tells more.
    """


@memory.command("list")
@click.option("--collection", help="Only this one.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(collection: str | None = None, as_json: bool = False) -> None:
    """List the documents: number, date of the file, format, passages, title and path."""
    with Memory.open() as memory:
        found = memory.index.documents(Filter(collection=known_collection(memory, collection)))
    if as_json:
        print_json([document_json(document) for document in found])
        return
    several = len({document.collection for document in found}) > 1
    print_table(
        [
            (
                str(document.id),
                when(modified(document)),
                document.kind,
                f"{document.chunks:,}",
                *((document.collection,) if several else ()),
                shortened(document.title, 40),
                printable(document.path),
            )
            for document in found
        ],
        right=(0, 3),
    )
    if not found:
        click.echo("There are no documents in memory. Add some: assistant memory add FOLDER", err=True)


@memory.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=8, show_default=True, help="How many passages.")
@click.option("--collection", help="Only in this collection.")
@click.option("--under", type=click.Path(path_type=Path), help="Only in this file or folder.")
@click.option("--language", metavar="CODE", help="Only passages in this language: en, ru, …")
@click.option("--since", type=_DATE, help="Only files modified since then: 2026-01-31.")
@click.option("--until", type=_DATE, help="Only files modified until then.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def search(
    query: Sequence[str],
    limit: int,
    collection: str | None,
    under: Path | None,
    language: str | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Find passages on QUERY, best first, with the scores of each leg.

    `words` is BM25 over stems, `meaning` the cosine of vectors; the rank in each stands behind it.
    """
    with Memory.open() as memory:
        wanted = Filter(
            collection=known_collection(memory, collection),
            under=_absolute(under) if under else None,
            language=language,
            since=since.astimezone() if since else None,
            until=until.astimezone() if until else None,
        )
        found = memory.search(" ".join(query), limit=limit, filter=wanted)
    if as_json:
        print_json({"query": found.query, "found": found.confident, "hits": [_hit_json(hit) for hit in found.hits]})
        return
    for number, hit in enumerate(found.hits, 1):
        passage = hit.passage
        start, end = hit.span
        click.echo(f"{number:>2}  {hit.score:.2f}  {click.style(place_text(passage.place), bold=True)}")
        legs = [
            f"words {hit.bm25:.2f} (rank {hit.bm25_rank})" if hit.bm25 is not None else "words –",
            f"meaning {hit.cosine:.3f} (rank {hit.cosine_rank})" if hit.cosine is not None else "meaning –",
            f"fused {hit.fused:.4f}",
        ]
        click.echo(f"          {', '.join(legs)}")
        click.echo(f"          {shortened(passage.text[start:end], 300)}")
        for other in passage.also:
            click.echo(f"          also in {place_text(other)}")
    if not found.confident:
        nearest = "; these are only the nearest passages." if found.hits else "."
        click.echo(f"Memory has nothing about this{nearest}", err=True)


@memory.command(epilog=_DOCUMENT)
@click.argument("document")
@click.option("--from", "start", type=click.IntRange(0), help="First character of a passage, as a citation has it.")
@click.option("--to", "end", type=click.IntRange(0), help="Where the passage ends.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(document: str, start: int | None, end: int | None, as_json: bool) -> None:
    """Print what memory has of a document, passage by passage; with --from and --to one passage in its context."""
    if (start is None) != (end is None) or (start is not None and end is not None and end <= start):
        raise UsageError("A passage has a beginning and an end behind it.", "Give both --from and --to.")
    with Memory.open() as memory:
        stored = _one_document(memory, document)
        passages = memory.index.texts_of(stored.id)
    if start is not None and end is not None:
        passages = [each for each in passages if each.start < end and each.end > start]
        if not passages:
            hint = f"See all of it: assistant memory show {stored.id}"
            raise UserError(f"Memory has no text of {printable(stored.path)} there.", hint)
    if as_json:
        print_json(document_json(stored) | {"passages": [passage_json(each) for each in passages]})
        return
    click.echo(click.style(f"{printable(stored.title)} ({printable(stored.path)})", bold=True))
    for each in passages:
        click.echo(click.style(f"\n— {place_in_document(each.place)}", dim=True))
        if start is None or end is None:
            click.echo(each.text)
            continue
        first, last = max(0, start - each.start), min(len(each.text), end - each.start)
        click.echo(each.text[:first] + click.style(each.text[first:last], bold=True) + each.text[last:])


@memory.command(epilog=_DOCUMENT)
@click.argument("targets", metavar="[DOCUMENT|FOLDER|GLOB]...", nargs=-1)
@click.option("--collection", help="Only in this collection; alone: all of it.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def rm(targets: Sequence[str], collection: str | None, yes: bool) -> None:
    """Remove documents from memory for good; the files stay.

    Nothing of them stays in any table, search index, backup of a migration, state of the prompt cache or citation.
    """
    if not targets and collection is None:
        raise UsageError("Say what to remove.", "Give numbers, files, folders, patterns like '*.log', or --collection.")
    with Memory.open() as memory:
        documents = memory.index.documents(Filter(collection=known_collection(memory, collection)))
        chosen = {document.id: document for target in targets for document in _matching(documents, target)}
        if not targets:
            chosen = {document.id: document for document in documents}
        if not chosen:
            click.echo("There is nothing to remove.", err=True)
            return
        first = next(iter(chosen.values()))
        what = f"{len(chosen):,} documents" if len(chosen) > 1 else f"{first.title} ({printable(first.path)})"
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError(f"Removing {what} needs a yes.", "Add -y.")
            click.confirm(f"Remove {what} from memory? The files stay.", abort=True, err=True)
        before = memory.index.counts()
        with History.open() as history:
            forget(memory, history, list(chosen))
        after = memory.index.counts()
    passages = before["chunks"] - after["chunks"]
    click.echo(f"Removed {what}, and {passages:,} passages that no other document has.", err=True)


for _command in (add, *memory_tools.COMMANDS):
    memory.add_command(_command)


def known_collection(memory: Memory, name: str | None) -> str | None:
    """The name as it was given, if there is such a collection, or if there is none at all.

    Raises:
        UsageError: there are others.
    """
    names = list(memory.index.collections())
    if name is None or name in names or not names:
        return name
    close = close_matches(name, names)
    raise UsageError(f"Memory has no collection {name}.", f"Did you mean {' or '.join(close or names[:3])}?")


def _matching(documents: Sequence[StoredDocument], target: str) -> list[StoredDocument]:
    """The documents that a number, a file, a folder or a pattern names.

    Raises:
        UserError: there are none.
    """
    if not target:  # as a variable of a script may be; it would name the folder where one stands
        raise UsageError("A document needs a name.", _DOCUMENT)
    path = _absolute(target)
    found = [each for each in documents if target == str(each.id)]
    found = found or [each for each in documents if path == each.path or path in each.path.parents]
    found = found or [each for each in documents if fnmatchcase(str(each.path), str(path)) or each.path.match(target)]
    if not found:
        names = {each.path.name: each for each in documents}
        close = [str(names[name].path) for name in close_matches(path.name, list(names))]
        hint = f"Did you mean {printable(' or '.join(close))}?" if close else "See what there is: assistant memory list"
        raise UserError(f"Memory has no document {printable(target)}.", hint)
    return found


def _absolute(path: Path | str) -> Path:
    # Not Path.expanduser: it raises for a name such as ~$draft.docx.
    return Path(os.path.abspath(os.path.expanduser(path)))


def _one_document(memory: Memory, target: str) -> StoredDocument:
    found = _matching(memory.index.documents(), target)
    if len(found) > 1:
        names = "\n".join(f"{each.id:>6}  {printable(each.path)} ({each.collection})" for each in found[:10])
        raise UsageError(f"{printable(target)} names {len(found):,} documents.", f"Give the number of one:\n{names}")
    return found[0]


def _hit_json(hit: Hit) -> dict[str, Any]:
    start, end = hit.span
    return {
        "score": hit.score,
        "bm25": hit.bm25,
        "bm25_rank": hit.bm25_rank,
        "cosine": hit.cosine,
        "cosine_rank": hit.cosine_rank,
        "fused": hit.fused,
        **passage_json(hit.passage),
        "sentence": hit.passage.text[start:end],
        "also": [place_json(place) for place in hit.passage.also],
    }
