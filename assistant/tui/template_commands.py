"""/template: what each question of the chat is put into."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from textual.content import Content

from assistant.tui.commands import command
from assistant.tui.markdown import printable
from models.errors import UsageError, UserError

if TYPE_CHECKING:
    from assistant.templates.template import Filled
    from assistant.tui.chat_screen import ChatScreen


@command("template", argument="[NAME]", waits=True)
async def _template(chat: ChatScreen, argument: str) -> None:
    name, _, rest = argument.partition(" ")
    if not name:
        await chat.note(_list(chat))
    elif chat.idle():
        if name.lower() in ("off", "-"):
            await _turn_off(chat)
        else:
            await _turn_on(chat, name, rest)


async def _turn_off(chat: ChatScreen) -> None:
    if chat.template_name is None:
        await chat.note(chat.say("template_none"))
    elif await chat.use_template(None):
        await chat.note(chat.say("template_off"))


async def _turn_on(chat: ChatScreen, name: str, rest: str) -> None:
    from assistant.templates.library import Library
    from assistant.templates.template import fill

    try:
        filled = fill(Library().get(name), _values(chat, rest))
    except UserError as error:
        await chat.fail(error)
        return
    if await chat.use_template(filled):
        await chat.note(_told(chat, filled))


def _values(chat: ChatScreen, text: str) -> dict[str, str]:
    """``to=ru tone="very polite"``."""
    values: dict[str, str] = {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(chat.say("template_unclear", word=text)) from error
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(chat.say("template_unclear", word=word))
        values[name] = value
    return values


def _told(chat: ChatScreen, filled: Filled) -> str:
    language, template = chat.language, filled.template
    title = template.heading(language)
    about = f"{title}: {template.description.of(language)}" if template.description else title
    lines = [about, chat.say("template_on")]
    if template.variables:
        values = ", ".join(
            f"{name}={variable.text(filled.values[name], language, False)}"
            for name, variable in template.variables.items()
        )
        lines.append(chat.say("template_values", values=values))
    if template.disclaimer:
        lines.append(template.disclaimer.of(language))
    return printable("\n".join(lines))


def _list(chat: ChatScreen) -> Content:
    from assistant.templates.library import Library

    entries = list(Library().entries())
    width = max((len(entry.name) for entry in entries), default=0)
    parts: list[tuple[str, str]] = [(chat.say("template_list"), "bold")]
    for entry in entries:
        mark = "▸" if entry.name == chat.template_name else " "
        parts += [(f"\n {mark}{entry.name:<{width}}  ", "$text")]
        if entry.problem:
            parts += [(printable(entry.problem.message), "$text-warning")]
        elif entry.template and (about := entry.template.description or entry.template.title):
            parts += [(printable(about.of(chat.language)), "$text-muted")]
    return Content.assemble(*parts, "\n", (chat.say("template_how"), "$text-muted"))
