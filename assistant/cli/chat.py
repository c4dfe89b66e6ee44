"""``assistant chat``: open the chat."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assistant.cli.adapting import lora_flags, lora_options
from assistant.cli.drafting import draft_flags, draft_options
from assistant.cli.filling import filled_of, template_flags
from models.errors import UsageError, UserError

if TYPE_CHECKING:
    from assistant.memory.memory import Memory
    from assistant.tui.setup import Setup


@click.command()
@click.option("-m", "--model", metavar="MODEL", help="A catalogue id, a name in the store, or a path to a GGUF file.")
@click.option("-s", "--system", metavar="TEXT", help="System prompt of the chat.")
@click.option(
    "-o", "--option", "options", nargs=2, multiple=True, metavar="NAME VALUE",
    help="Set an option, such as: -o temperature 0.2. `assistant ask --help` lists them.",
)  # fmt: skip
@click.option(
    "--memory", "looked_up_in", is_flag=False, flag_value="", metavar="[COLLECTION]",
    help="Answer from the documents in memory, of all collections or of one, as `/memory on` in the chat.",
)  # fmt: skip
@click.option("-c", "--continue", "go_on", is_flag=True, help="Go on with the last chat.")
@click.option("--cid", type=int, metavar="ID", help="Go on with this chat; `assistant history` lists them.")
@click.option("--no-history", is_flag=True, help="Do not save this chat.")
@template_flags
@draft_flags
@lora_flags
def chat(
    model: str | None,
    system: str | None,
    options: tuple[tuple[str, str], ...],
    looked_up_in: str | None,
    go_on: bool,
    cid: int | None,
    no_history: bool,
    **shared: Any,
) -> None:
    """Open the chat in this terminal. F1 there lists keys and commands."""
    # Textual reads from stdin and draws on stderr.
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "The chat needs a terminal, and here the input or the output is not one.",
            'Ask without one: assistant ask "…"',
        )
    if no_history and (go_on or cid is not None):
        raise UsageError("--no-history has no chats to go on with.", "Leave out --no-history, or -c and --cid.")
    template = filled_of(shared)
    options = (*options, *draft_options(shared))
    setup = _setup(model, system, options, lora_options(shared), go_on, cid, no_history)
    setup = replace(setup, template=template)
    if looked_up_in is not None:
        setup = replace(setup, looked_up_in=_checked(looked_up_in, setup))
    # Textual takes longer to import than everything above; whoever made a mistake need not wait for it.
    from assistant.tui.app import ChatApp

    app = ChatApp(setup)
    app.run()
    if app.return_code:
        raise SystemExit(app.return_code)


def _checked(collection: str, setup: Setup) -> str:
    """The collection, if there is one of this name; empty is all of them."""
    if collection and setup.memory:
        with setup.memory() as memory:
            collections = memory.index.collections()
        if collection not in collections:
            raise UsageError(
                f"Memory has no collection {collection}.", f"There is: {', '.join(collections) or 'none yet'}."
            )
    return collection


def _open_memory() -> Memory:
    from assistant.memory.memory import Memory

    return Memory.open()


def _setup(
    model: str | None,
    system: str | None,
    options: tuple[tuple[str, str], ...],
    adapter: dict[str, Any],
    go_on: bool,
    cid: int | None,
    no_history: bool,
) -> Setup:
    from assistant import settings as all_settings
    from assistant.chat.history import History, HistoryError
    from assistant.engine.engine import Engine, GenerateOptions
    from assistant.engine.worker import WorkerEngine
    from assistant.language import interface_language
    from assistant.tui.keys import ids, unknown_ids
    from assistant.tui.setup import Setup
    from assistant.tui.strings import Strings
    from models.adapter import check
    from models.store import Installed, Store

    settings = all_settings.load()
    settings.history = settings.history and not no_history
    flags = all_settings.parse_options(options)
    say = Strings(interface_language(settings.language))
    if unknown := unknown_ids(settings.keys):
        raise UsageError(
            f"The settings give a key to {', '.join(unknown)}, which the chat does not have.",
            f"These can have one: {', '.join(ids())}. Correct it with `assistant config edit`.",
        )
    store = Store()
    name = model or settings.model
    chosen = store.resolve(name) if name else store.default()
    if chosen:
        all_settings.load_options(flags, settings, store, chosen)  # a wrong draft model is told now
        if adapter:
            check(Path(adapter["lora"]), chosen.header())

    unsaved: str | None = None
    if not settings.history:
        history, unsaved = History.in_memory(), say("history_off")
    else:
        try:
            history = History.open()
        except HistoryError as error:
            if go_on or cid is not None:
                raise
            history, unsaved = History.in_memory(), say("history_failed", message=error.message, hint=error.hint or "")
    conversation = cid
    if cid is not None:
        history.load(cid)
    elif go_on:
        conversation = history.latest()
        if conversation is None:
            raise UserError("There is no chat to go on with yet.", "Start one: assistant chat")

    def start_engine(installed: Installed) -> Engine:
        try:
            load = all_settings.load_options(flags, settings, store, installed)
        except UserError:  # the draft model that is named is for another model, which was checked at the start
            load = all_settings.load_options(flags, settings)
        return WorkerEngine(installed.path, replace(load, **adapter))

    def generate_options(installed: Installed, task: Mapping[str, Any]) -> GenerateOptions:
        sampling = installed.entry.sampling if installed.entry else None
        return all_settings.generate_options(flags, settings, sampling, task)

    return Setup(
        store=store,
        history=history,
        start_engine=start_engine,
        generate_options=generate_options,
        unsaved=unsaved,
        model=chosen,
        system=system if system is not None else (None if conversation else settings.system),
        conversation=conversation,
        memory=_open_memory,
        keys=settings.keys,
        theme=settings.theme,
        language=say.language,
    )
