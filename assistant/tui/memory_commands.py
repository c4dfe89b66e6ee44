"""Slash commands of the memory: documents to answer from, facts about the user, and marks on answers."""

from __future__ import annotations

import asyncio
import os
import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content

from assistant.chat.forgetting import forget_prompts
from assistant.tui.commands import command
from assistant.tui.markdown import printable

if TYPE_CHECKING:
    from assistant.memory.facts import Fact
    from assistant.memory.feedback import Mark
    from assistant.memory.memory import Memory
    from assistant.tui.chat_screen import ChatScreen

NAMES = 12
"""Collections that /memory lists."""
SHOWN = 60
"""Characters of a passage in the list of marks."""


@command("memory", argument="[on|off|add]", waits=False)
async def _memory(chat: ChatScreen, argument: str) -> None:
    verb, _, rest = argument.partition(" ")
    rest = rest.strip()
    match verb.lower():
        case "on":
            if chat.idle():
                chat.with_memory(lambda memory: _on(chat, memory, rest))
        case "off" if not rest:
            if chat.idle():
                await chat.look_up(None)
                await chat.note(chat.say("memory_off"))
        case "add":
            await _add(chat, rest)
        case "stop" if not rest:
            if chat.adding.progress is None:
                chat.hint(chat.say("memory_nothing_to_stop"))
            chat.adding.stop()
        case "feedback" if rest in ("", "reset"):
            chat.with_memory(lambda memory: _feedback(chat, memory, reset=bool(rest)))
        case "":
            chat.with_memory(lambda memory: _state(chat, memory))
        case _:
            await chat.note(chat.say("memory_usage", argument=argument), "warning")


async def _on(chat: ChatScreen, memory: Memory, collection: str) -> None:
    collections = await asyncio.to_thread(memory.index.collections)
    if collection and collection not in collections:
        names = ", ".join(collections) or "—"
        await chat.note(chat.say("memory_no_collection", name=collection, names=names), "warning")
        return
    if not await chat.look_up(collection):
        return
    await chat.note(chat.say("memory_on_of", collection=collection) if collection else chat.say("memory_on"))
    if not collections:
        await chat.note(chat.say("memory_empty"), "warning")


async def _state(chat: ChatScreen, memory: Memory) -> None:
    say = chat.say
    counts, collections, embedder, facts = await asyncio.to_thread(
        lambda: (memory.index.counts(), memory.index.collections(), memory.index.embedder, memory.facts.list())
    )
    on = chat.looked_up_in is not None
    lines = [say("memory_state_on" if on else "memory_state_off")]
    if counts["documents"]:
        documents, chunks = (say.number(counts[table]) for table in ("documents", "chunks"))
        lines.append(say("memory_documents", documents=documents, chunks=chunks))
        names = [f"{'▸' * (name == chat.looked_up_in)}{name} ({say.number(n)})" for name, n in collections.items()]
        shown = ", ".join(names[:NAMES]) + ("…" if len(names) > NAMES else "")
        lines.append(say("memory_collections", names=shown))
    else:
        lines.append(say("memory_empty"))
    if embedder:
        lines.append(say("memory_embedder", name=embedder[0]))
    if facts:
        lines.append(say("memory_facts", count=len(facts)))
    await chat.note("\n".join(lines))


async def _add(chat: ChatScreen, argument: str) -> None:
    paths = _paths(argument)
    if not paths:
        await chat.note(chat.say("memory_add_what"), "warning")
    elif chat.adding.progress is not None:
        chat.hint(chat.say("memory_adding_already"))
    else:
        await chat.add_documents(paths)


def _paths(argument: str) -> list[Path]:
    """One path with spaces in it, or several; ``~`` is the user's folder."""
    whole = Path(os.path.expanduser(argument))
    if argument and (os.path.lexists(whole) or not any(mark in argument for mark in " '\"")):
        return [whole]
    try:
        return [Path(os.path.expanduser(word)) for word in shlex.split(argument, posix=os.name == "posix")]
    except ValueError:  # an open quotation mark: it belongs to the name
        return [whole]


# Facts


@command("remember", argument="TEXT")
async def _remember(chat: ChatScreen, argument: str) -> None:
    if not argument:
        await chat.note(chat.say("remember_what"), "warning")
        return

    async def keep(memory: Memory) -> None:
        fact = await asyncio.to_thread(memory.facts.add, argument)
        await chat.note(chat.say("remembered", number=fact.id, text=fact.text))

    chat.with_memory(keep)


@command("forget", argument="TEXT|NUMBER")
async def _forget(chat: ChatScreen, argument: str) -> None:
    if not argument:
        await chat.note(chat.say("forget_what"), "warning")
        return

    async def forget(memory: Memory) -> None:
        gone = await asyncio.to_thread(memory.facts.forget, argument)
        await asyncio.to_thread(forget_prompts)
        for fact in gone:
            await chat.note(chat.say("forgotten", text=fact.text))
        if not gone:
            await chat.note(chat.say("forget_nothing", what=argument), "warning")

    chat.with_memory(forget)


@command("facts", argument="[edit N TEXT]")
async def _facts(chat: ChatScreen, argument: str) -> None:
    words = argument.split(None, 2)
    if argument and not (len(words) == 3 and words[0] == "edit" and words[1].isdecimal()):
        await chat.note(chat.say("facts_edit_how"), "warning")
        return

    async def show(memory: Memory) -> None:
        if words:
            await asyncio.to_thread(memory.facts.edit, int(words[1]), words[2])
            await asyncio.to_thread(forget_prompts)
        facts = await asyncio.to_thread(memory.facts.list)
        await chat.note(_facts_table(chat, facts) if facts else chat.say("facts_none"))

    chat.with_memory(show)


def _facts_table(chat: ChatScreen, facts: list[Fact]) -> Content:
    parts: list[tuple[str, str]] = [(chat.say("facts_title"), "bold")]
    for fact in facts:
        day = fact.updated.astimezone().strftime("%Y-%m-%d")
        parts += [(f"\n  {fact.id:>3}  {day}  ", "$text-muted"), (printable(fact.text).replace("\n", " "), "$text")]
    return Content.assemble(*parts, "\n", (chat.say("facts_how"), "$text-muted"))


# Marks on answers


@command("sources", key="sources")
async def _sources(chat: ChatScreen, argument: str) -> None:
    chat.action_sources()


@command("good", key="good")
async def _good(chat: ChatScreen, argument: str) -> None:
    chat.action_mark(1)


@command("bad", key="bad")
async def _bad(chat: ChatScreen, argument: str) -> None:
    chat.action_mark(-1)


async def _feedback(chat: ChatScreen, memory: Memory, *, reset: bool) -> None:
    if reset:
        await asyncio.to_thread(memory.feedback.reset)
        await chat.note(chat.say("feedback_reset"))
        chat.look_at_sources()
        return

    marks: dict[int, list[Mark]] = {}
    for mark in await asyncio.to_thread(memory.feedback.list):
        marks.setdefault(mark.chunk_id, []).append(mark)
    if not marks:
        await chat.note(chat.say("feedback_none"))
        return
    parts: list[tuple[str, str]] = [(chat.say("feedback_title"), "bold")]
    for same in sorted(marks.values(), key=lambda same: -sum(mark.value for mark in same)):
        value, words = sum(mark.value for mark in same), " ".join(printable(same[0].text).split())
        sign, colour = ("▲", "$text-success") if value > 0 else ("▼", "$text-warning") if value else (" ", "")
        parts += [(f"\n  {sign} {value:+} ", colour), (printable(same[0].path.name), "$text")]
        parts.append((f"  {textwrap.shorten(words, SHOWN, placeholder='…')}", "$text-muted"))
    await chat.note(Content.assemble(*parts, "\n", (chat.say("feedback_how"), "$text-muted")))
