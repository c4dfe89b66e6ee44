"""``assistant history``: list, show, search, export and remove chats."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime

import click
from click_default_group import DefaultGroup

from assistant.chat import export as exports
from assistant.chat.history import ConversationSummary, History, HistoryError, StoredConversation
from assistant.cli.writing import print_json, write_out
from models.errors import UsageError


@click.group(
    cls=DefaultGroup,
    default="list",
    default_if_no_args=True,
    short_help="List, show, search, export and remove chats.",
)
def history() -> None:
    """List, show, search, export and remove chats. Alone it lists them.

    A chat is named by its number, which stays the same for ever: `assistant ask --cid 12` goes on with chat 12.
    """


@history.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(limit: int = 20, as_json: bool = False) -> None:
    """List the chats, newest first."""
    with History.open() as store:
        found = store.conversations(limit=limit)
    if as_json:
        print_json([_summary(conversation) for conversation in found])
        return
    for conversation in found:
        questions = f"{conversation.messages} messages" if conversation.messages != 1 else "1 message"
        click.echo(f"{conversation.id:>5}  {_when(conversation.updated)}  {questions:>12}  {conversation.title}")
    if not found:
        click.echo("There are no chats yet.", err=True)


@history.command()
@click.argument("id", type=int, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print everything that is stored, as one JSON object.")
def show(id: int | None, as_json: bool) -> None:
    """Print a chat as Markdown; without ID the latest."""
    with History.open() as store:
        id = store.latest() if id is None else id
        if id is None:
            raise HistoryError("There are no chats yet.", 'Begin one: assistant "Why is the sky blue?"')
        conversation = store.load(id)
    if as_json:
        print_json(exports.to_json(conversation))
    else:
        click.echo(exports.to_markdown(conversation), nl=False)


@history.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many messages.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def search(query: Sequence[str], limit: int, as_json: bool) -> None:
    """Find messages that contain all the words of QUERY, best first.

    A word finds longer ones that begin with it; words in double quotes are found as a phrase: history search '"a b"'.
    """
    with History.open() as store:
        found = store.search(" ".join(query), limit=limit)
    if as_json:
        print_json(
            [
                {
                    "conversation_id": hit.conversation_id,
                    "title": hit.title,
                    "message_id": hit.message_id,
                    "role": hit.role,
                    "created": hit.created.isoformat(),
                    "snippet": hit.snippet,
                }
                for hit in found
            ]
        )
        return
    for hit in found:
        click.echo(f"{hit.conversation_id:>5}  {_when(hit.created)}  {hit.title}")
        click.echo(f"       {exports.SPEAKERS[hit.role]}: {' '.join(hit.snippet.split())}")
    if not found:
        click.echo("Nothing found.", err=True)


@history.command()
@click.argument("id", type=int, required=False)
@click.option("--all", "everything", is_flag=True, help="All chats, oldest first; JSON is then an array.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["markdown", "json"]),
    default="markdown",
    show_default=True,
    help="Of the file.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="The file to write, instead of stdout.")
def export(id: int | None, everything: bool, kind: str, output: str | None) -> None:
    """Write a chat as Markdown or JSON."""
    if (id is None) != everything:
        raise UsageError("Say which chat to export.", "Give its number (see `assistant history`), or --all.")
    with History.open() as store:
        ids = [id] if id is not None else [conversation.id for conversation in reversed(store.conversations())]
        conversations = [store.load(each) for each in ids]
    text = _document(conversations, kind, single=not everything)
    write_out(text, output)


@history.command()
@click.argument("ids", metavar="ID...", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="Remove all chats.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def rm(ids: Sequence[int], everything: bool, yes: bool) -> None:
    """Remove chats for good. Nothing of them stays in the file, its search index or its backups."""
    if bool(ids) == everything:
        raise UsageError("Say which chats to remove.", "Give their numbers (see `assistant history`), or --all.")
    with History.open() as store:
        chosen = list(dict.fromkeys(ids)) or [conversation.id for conversation in store.conversations()]
        what = f"{len(chosen)} chats" if len(chosen) != 1 else f"chat {chosen[0]} ({store.load(chosen[0]).title})"
        if not chosen:
            click.echo("There are no chats.", err=True)
            return
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError(f"Removing {what} needs a yes.", "Add -y.")
            click.confirm(f"Remove {what}? This cannot be undone.", abort=True, err=True)
        store.remove(*chosen)
    click.echo(f"Removed {what}.", err=True)


def _document(conversations: Sequence[StoredConversation], kind: str, *, single: bool) -> str:
    if kind == "json":
        records = [exports.to_json(conversation) for conversation in conversations]
        return json.dumps(records[0] if single else records, ensure_ascii=False, indent=2) + "\n"
    return "\n---\n\n".join(exports.to_markdown(conversation) for conversation in conversations)


def _summary(conversation: ConversationSummary) -> dict[str, object]:
    return {
        "id": conversation.id,
        "title": conversation.title,
        "model": conversation.model,
        "created": conversation.created.isoformat(),
        "updated": conversation.updated.isoformat(),
        "messages": conversation.messages,
    }


def _when(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}"
