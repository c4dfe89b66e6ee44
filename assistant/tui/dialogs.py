"""Windows over the chat: help, and the list of chats."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from assistant.chat.history import ConversationSummary, History
from assistant.tui.commands import COMMANDS
from assistant.tui.keys import CHAT_KEYS, PROMPT_KEYS, key_names
from assistant.tui.markdown import printable
from assistant.tui.strings import Strings
from models.errors import UserError

LISTED = 200
"""Chats in the list; a search looks at all of them."""

YES = "yнд"  # y, the same key on a Russian keyboard, and the first letter of да

DIALOG_CSS = """
Dialog { align: center middle; background: $background 60%; }
Dialog > .window { width: 76; max-width: 100%; height: auto; max-height: 90%; border: round $border;
    background: $surface; padding: 0 1; border-title-color: $text; border-subtitle-color: $text-muted; }
Dialog OptionList { height: auto; max-height: 16; padding: 0; background: transparent; }
Dialog Input { margin-bottom: 1; }
Dialog .line { color: $text-muted; }
"""


Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """A window that Esc closes."""

    DEFAULT_CSS = DIALOG_CSS
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", show=False)]

    def __init__(self, strings: Strings) -> None:
        super().__init__()
        self.strings = strings

    def action_close(self) -> None:
        self.dismiss(None)


class Help(Dialog[None]):
    """Keys and commands."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f1", "close", show=False)]

    def __init__(self, strings: Strings, keymap: dict[str, str]) -> None:
        super().__init__(strings)
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        say = self.strings
        keys = {**PROMPT_KEYS, **CHAT_KEYS}
        rows = [(key_names(id, self._keymap), say(explained)) for id, (_, _, explained) in keys.items()]
        rows.append(("↑ ↓", say("key_history")))
        commands = [(f"/{one.name} {one.argument}".strip(), say(f"command_{one.name}")) for one in COMMANDS.values()]
        parts: list[tuple[str, str]] = []
        for title, lines in (("help_keys", rows), ("help_commands", commands)):
            parts.append((say(title) + "\n", "bold $text-accent"))
            for name, explained in lines:
                parts.append((f"  {name:<22}", "bold"))
                parts.append((explained + "\n", ""))
            parts.append(("\n", ""))
        parts.append((say("help_note"), "$text-muted"))
        with VerticalScroll(classes="window") as window:
            window.border_title = say("help_title")
            window.border_subtitle = say("close")
            yield Static(Content.assemble(*parts))


class Chats(Dialog[int | None]):
    """The list of chats with search as one types. Gives the id of the chat to open.

    Args:
        current: the open chat.
        on_removed: is told the id of each chat that was deleted.
        locked: the chat that is being written and cannot be deleted now.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
        Binding("delete", "ask", show=False, priority=True),
    ]

    def __init__(
        self,
        strings: Strings,
        history: History,
        current: int | None,
        on_removed: Callable[[int], None],
        locked: int | None = None,
    ) -> None:
        super().__init__(strings)
        self._history = history
        self._current = current
        self._on_removed = on_removed
        self._locked = locked
        self._asked: int | None = None  # the chat whose deletion the next key confirms
        self._titles: dict[int, str] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = self.strings("chats_title")
            window.border_subtitle = self.strings("chats_hint")
            yield Input(placeholder=self.strings("chats_search"), compact=True)
            yield OptionList(markup=False, compact=True)
            yield Static("", classes="line", markup=False)

    def on_mount(self) -> None:
        self._list("")

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        self._list(event.value)

    def _list(self, query: str) -> None:
        options = self.query_one(OptionList)
        kept = options.highlighted or 0
        options.clear_options()
        try:
            found = self._history.conversations(LISTED, query.strip() or None)
        except UserError as error:
            self._say(f"{error.message} {error.hint or ''}")
            return
        self._titles = {chat.id: printable(chat.title) for chat in found}
        options.add_options([Option(self._row(chat), id=str(chat.id)) for chat in found])
        if found:
            options.highlighted = min(kept, len(found) - 1)
        self._say("" if found else self.strings("chats_not_found" if query.strip() else "chats_none"))

    def _row(self, chat: ConversationSummary) -> Content:
        title = printable(chat.title).replace("\n", " ")
        details = f"\n  {_day(chat.updated)} · {chat.model} · {self.strings('messages_count', count=chat.messages)}"
        row = Content.assemble((title, "bold" if chat.id == self._current else ""), (details, "$text-muted"))
        if chat.snippet:
            row = Content.assemble(row, "\n  ", (printable(chat.snippet).replace("\n", " "), "italic"))
        return row

    def _say(self, text: str) -> None:
        self.query_one(".line", Static).update(text)

    def _highlighted(self) -> Option | None:
        options = self.query_one(OptionList)
        return None if options.highlighted is None else options.get_option_at_index(options.highlighted)

    def action_move(self, rows: int) -> None:
        options = self.query_one(OptionList)
        if options.option_count:
            options.highlighted = max(0, min(options.option_count - 1, (options.highlighted or 0) + rows))

    @on(Input.Submitted)
    def _open(self) -> None:
        if (option := self._highlighted()) and option.id:
            self.dismiss(int(option.id))

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        if event.option.id:
            self.dismiss(int(event.option.id))

    def action_ask(self) -> None:
        if (option := self._highlighted()) and option.id:
            if int(option.id) == self._locked:
                self._say(self.strings("chats_locked"))
                return
            self._asked = int(option.id)
            self.set_focus(None)  # so that the answer is no longer typed into the search
            self._say(self.strings("chats_confirm", title=self._titles[self._asked]))

    def on_key(self, event: events.Key) -> None:
        if self._asked is None:
            return
        event.stop()
        asked, self._asked = self._asked, None
        self.query_one(Input).focus()
        if event.character and event.character.lower() in YES:
            self._delete(asked)
        else:
            self._say("")

    def _delete(self, id: int) -> None:
        try:
            self._history.remove(id)
        except UserError as error:
            self._say(f"{error.message} {error.hint or ''}")
            return
        self._on_removed(id)
        self._list(self.query_one(Input).value)
        self._say(self.strings("chats_deleted"))


def _day(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
