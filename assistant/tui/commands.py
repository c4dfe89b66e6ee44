"""Slash commands: one function each. The palette and /help list the same ones.

Another module adds its own with :func:`command`; the string ``command_NAME`` explains it.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen

Run = Callable[["ChatScreen", str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command.

    Attributes:
        argument: how the argument is written in help; empty: it takes none.
        key: the id of the key that does the same.
        waits: it changes the conversation or needs the engine, so not while an answer is written. One whose argument
            may be left out waits only with it; alone, it only shows.
    """

    name: str
    run: Run
    argument: str = ""
    aliases: tuple[str, ...] = ()
    key: str | None = None
    waits: bool = False

    def must_wait(self, argument: str) -> bool:
        """Whether it cannot run with this argument while an answer is written."""
        return self.waits and bool(argument or not self.argument)


COMMANDS: dict[str, Command] = {}


def command(
    name: str,
    *,
    argument: str = "",
    aliases: tuple[str, ...] = (),
    key: str | None = None,
    waits: bool = False,
) -> Callable[[Run], Run]:
    """Register the function as ``/name``. It gets the chat's screen and what stands after the name."""

    def register(run: Run) -> Run:
        COMMANDS[name] = Command(name, run, argument, aliases, key, waits)
        return run

    return register


def parse(line: str) -> tuple[str, str] | None:
    """Name and argument of a slash command; None for a text that is none, such as ``//`` or a path."""
    if not line.startswith("/") or line.startswith("//"):
        return None
    first, _, argument = line[1:].partition(" ")
    if "\n" in first or "/" in first:
        return None
    return first.lower(), argument.strip()


def find(name: str) -> Command | None:
    """The command of this name or alias."""
    return next((one for one in COMMANDS.values() if name == one.name or name in one.aliases), None)


def matching(prefix: str) -> list[Command]:
    """Commands that begin with ``prefix``, in their order."""
    return [one for one in COMMANDS.values() if any(name.startswith(prefix) for name in (one.name, *one.aliases))]


def closest(name: str) -> str | None:
    """The command that was probably meant."""
    names = [name for one in COMMANDS.values() for name in (one.name, *one.aliases)]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return close[0] if close else None


@command("help", key="help")
async def _help(chat: ChatScreen, argument: str) -> None:
    chat.action_help()


@command("new", key="new", waits=True)
async def _new(chat: ChatScreen, argument: str) -> None:
    await chat.new_chat()


@command("chats", key="chats")
async def _chats(chat: ChatScreen, argument: str) -> None:
    chat.action_chats()


@command("model", argument="[NAME]", key="model", waits=True)
async def _model(chat: ChatScreen, argument: str) -> None:
    if argument and not chat.idle():
        return
    if not argument or not await chat.use_model(argument):
        chat.action_models()  # the list, from which one can also be pulled


@command("system", argument="[TEXT]", waits=True)
async def _system(chat: ChatScreen, argument: str) -> None:
    if argument and not chat.idle():
        return
    if argument:
        await chat.set_system(None if argument == "-" else argument)
    system = chat.system
    if system:
        await chat.note(chat.say("system_set", text=system))
    else:
        await chat.note(chat.say("system_cleared" if argument else "system_none"))


@command("retry", waits=True)
async def _retry(chat: ChatScreen, argument: str) -> None:
    await chat.retry()


@command("edit", waits=True)
async def _edit(chat: ChatScreen, argument: str) -> None:
    chat.edit()


@command("undo", waits=True)
async def _undo(chat: ChatScreen, argument: str) -> None:
    await chat.undo()


@command("export", argument="[FILE]")
async def _export(chat: ChatScreen, argument: str) -> None:
    await chat.export(Path(argument).expanduser() if argument else None)


@command("context", waits=True)
async def _context(chat: ChatScreen, argument: str) -> None:
    chat.show_budget()


@command("stats")
async def _stats(chat: ChatScreen, argument: str) -> None:
    await chat.show_stats()


@command("clear", waits=True)
async def _clear(chat: ChatScreen, argument: str) -> None:
    await chat.clear()


@command("copy", key="copy")
async def _copy(chat: ChatScreen, argument: str) -> None:
    chat.action_copy_answer()


@command("exit", aliases=("bye", "quit"), key="quit")
async def _exit(chat: ChatScreen, argument: str) -> None:
    chat.action_leave()
