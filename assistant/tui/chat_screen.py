"""The one main screen: what its keys and commands do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import SuspendNotSupported
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import TextArea

import assistant.tui.memory_commands
import assistant.tui.template_commands  # noqa: F401 - their commands are there once they are imported
from assistant.memory import attachments
from assistant.tui import commands, completing, editor, exporting, tables
from assistant.tui.dialogs import Chats, Help
from assistant.tui.keys import CHAT_KEYS, bindings
from assistant.tui.markdown import printable
from assistant.tui.memory_screen import MemoryScreen
from assistant.tui.models_dialog import Models
from assistant.tui.prompt import Completions, Prompt
from assistant.tui.setup import Setup
from assistant.tui.strings import Strings
from models.errors import UserError
from models.store import Installed

LEAVE_SECONDS = 2.0
"""Between the first Ctrl+C and the one that leaves."""


class ChatScreen(MemoryScreen):
    """A conversation, and the keys and commands that work on it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(CHAT_KEYS)

    def __init__(self, setup: Setup, say: Strings) -> None:
        super().__init__(setup, say)
        self._warned = 0.0  # time.monotonic of the last Ctrl+C that only warned

    async def on_mount(self) -> None:
        await self.begin()
        if self.setup.model is None:
            self._choose_model(welcome=not self.setup.store.installed())

    # ---- what the user sends

    @on(Prompt.Sent)
    async def _sent(self, event: Prompt.Sent) -> None:
        text = event.text.strip()
        if not text:
            return
        parsed = commands.parse(text)
        found = commands.find(parsed[0]) if parsed else None
        if self.session.busy and (parsed is None or (found and found.must_wait(parsed[1]))):
            self.hint(self.say("busy_kept"))
            return
        if parsed is not None:
            self.prompt.sent(event.text)
            await self._command(*parsed)
            return
        if self.conversation is None:
            self._choose_model(welcome=not self.setup.store.installed())
            return
        question, files = attachments.parse(text[1:] if text.startswith("//") else text)
        if files:
            self._ask_with(event.text, question, files)
        else:
            await self._ask(event.text, question)

    async def _ask(self, typed: str, question: str, files: Sequence[Path] = ()) -> None:
        conversation, editing = self.conversation, self.editing
        assert conversation is not None
        ask = conversation.edit_last if editing else conversation.send
        if await self.start(lambda: ask(question, files), question, files):
            self.prompt.sent(typed)
            self.leave_editing()

    @work(group="attaching", exclusive=True)
    async def _ask_with(self, typed: str, question: str, files: Sequence[Path]) -> None:
        """Ask, once it is known that the files can be read; else the question stays in the prompt."""
        from assistant.memory import documents

        conversation = self.conversation
        self.hint(self.say("reading_files", names=", ".join(path.name for path in files)))
        try:
            for path in files:
                await asyncio.to_thread(documents.load, path)
        except UserError as error:
            self.unhint()
            await self.note(self.say("file_failed", reason=error.message), "error")
            return
        if conversation is self.conversation and self.idle():
            await self._ask(typed, question, files)

    async def _command(self, name: str, argument: str) -> None:
        found = commands.find(name)
        if found is not None:
            await found.run(self, argument)
            return
        close = commands.closest(name)
        suggestion = self.say("did_you_mean", name=f"/{close}") if close else self.say("see_help")
        await self.note(self.say("no_such_command", name=f"/{name}", suggestion=suggestion), "warning")

    async def retry(self) -> None:
        """Answer the last question again."""
        if not self.idle():
            return
        if self.last_question() is None:
            await self.note(self.say("nothing_to_retry"), "warning")
        elif self.conversation is not None:
            await self.start(self.conversation.retry, None)

    def edit(self) -> None:
        """Put the last question into the prompt; sending it replaces the question and its answer."""
        question = self.last_question()
        if not self.idle():
            return
        if question is None:
            self.hint(self.say("nothing_to_retry"))
            return
        self.editing = True
        self.prompt.write(question)
        self.prompt.border_title = self.say("placeholder_edit")
        self.prompt.focus()

    async def undo(self) -> None:
        """Take the last question and its answer back."""
        if not self.idle():
            return
        if self.conversation is None or self.last_question() is None:
            await self.note(self.say("nothing_to_undo"), "warning")
            return
        try:
            self.conversation.undo()
        except UserError as error:
            await self.fail(error)
            return
        await self.transcript.show(self.conversation.messages)
        await self.note(self.say("undone"))
        self.session.count(self.conversation)

    # ---- what keys and commands do

    async def action_stop(self) -> None:
        """Esc: stop the answer, leave the editing of a question, or stop a load that nobody waits for."""
        session = self.session
        if session.busy and self.conversation is not None:
            if session.take_back():
                try:
                    question = self.conversation.undo()
                except UserError as error:
                    await self.fail(error)
                    return
                if not self.prompt.text.strip():
                    self.prompt.write(question)
                await self.transcript.show(self.conversation.messages)
                self.hint(self.say("taken_back"))
            else:
                self.conversation.cancel()
                self.stopping = True
            self.show_status()
        elif self.editing:
            self.leave_editing()
            self.prompt.write("")
        elif self.prompt.text or not session.stop_loading():
            self.prompt.focus()

    async def action_interrupt(self) -> None:
        """Ctrl+C: copy what is selected; else stop the answer; else leave, on the second time."""
        focused = self.focused
        selected = focused.selected_text if isinstance(focused, TextArea) else ""
        if selected := selected or self.get_selected_text() or "":
            self.app.copy_to_clipboard(selected)
            self.hint(self.say("copied"))
        elif self.session.busy and not self.stopping:
            await self.action_stop()
        elif time.monotonic() - self._warned < LEAVE_SECONDS:
            self.action_leave()
        else:
            self._warned = time.monotonic()
            self.hint(self.say("ctrl_c_again"))

    def action_leave(self) -> None:
        self.app.exit()

    async def action_new_chat(self) -> None:
        await self.new_chat()

    async def new_chat(self) -> None:
        """Start another conversation; this one is in the list."""
        if self.conversation is not None and self.idle():
            await self.open(None)

    def action_chats(self) -> None:
        current = self.conversation.id if self.conversation else None
        gone: list[int] = []

        async def chosen(id: int | None) -> None:
            if self.conversation is None:
                self.first = id if id is not None else self.first  # opens with the first model
            elif current in gone or (id is not None and id != current and self.idle()):
                await self.open(id)

        locked = current if self.session.busy else None
        self.app.push_screen(Chats(self.say, self.setup.history, current, gone.append, locked), chosen)

    def action_models(self) -> None:
        self._choose_model(welcome=False)

    def _choose_model(self, *, welcome: bool) -> None:
        async def chosen(model: Installed | None) -> None:
            same = model is not None and self.model is not None and model.path == self.model.path
            if model is not None and not (same and self.session.info) and self.idle():
                await self.switch(model)

        current = self.model.name if self.model else None
        self.app.push_screen(Models(self.say, self.setup.store, current, welcome=welcome), chosen)

    def action_help(self) -> None:
        self.app.push_screen(Help(self.say, self.setup.keys))

    def action_toggle_thinking(self) -> None:
        shown = self.transcript.toggle_reasoning()
        self.hint(self.say("thinking_shown" if shown else "thinking_hidden"))

    def action_copy_answer(self) -> None:
        if answer := self.last_answer():
            self.app.copy_to_clipboard(answer.text)
            self.hint(self.say("copied_answer"))
        else:
            self.hint(self.say("nothing_to_copy"))

    def action_editor(self) -> None:
        text: str | None = None
        # Inside: an error that leaves suspend() leaves the terminal suspended. ValueError: EDITOR has an open quote.
        with suppress(SuspendNotSupported), self.app.suspend(), suppress(OSError, ValueError):
            text = editor.edit(self.prompt.text)
        if text is None:
            self.hint(self.say("no_editor", editor=editor.editor()))
        else:
            self.prompt.write(text)

    def action_scroll_page(self, direction: int) -> None:
        if direction < 0:
            self.transcript.scroll_page_up(animate=False)
        else:
            self.transcript.scroll_page_down(animate=False)

    def show_budget(self) -> None:
        """Put the budget of the window into the transcript, as a table."""
        if self.conversation is not None and self.idle():
            self.session.count(self.conversation, asked=True)

    async def show_stats(self) -> None:
        """Put the timings of the last answer into the transcript."""
        if self.result is None or self.model is None:
            await self.note(self.say("no_stats"))
        else:
            await self.note(tables.stats(self.say, self.model.name, self.result))

    async def clear(self) -> None:
        """Empty the screen; the conversation goes on."""
        if self.idle():
            await self.transcript.show([])
            await self.note(self.say("cleared"))

    async def export(self, path: Path | None) -> None:
        """Save this conversation as Markdown, or as JSON when the name ends so; never over another file."""
        if self.conversation is None or self.conversation.id is None:
            await self.note(self.say("nothing_to_export"), "warning")
            return
        try:
            stored = self.setup.history.load(self.conversation.id)
            saved = exporting.save(stored, path)
        except UserError as error:
            await self.fail(error)
        except OSError as error:
            reason = f"{error.strerror or error}: {error.filename or path}"
            await self.note(self.say("export_failed", reason=reason), "error")
        else:
            await self.note(self.say("exported", path=saved))

    # ---- completion of commands, and of the names of files

    @on(TextArea.Changed)
    def _complete(self) -> None:
        text = self.prompt.text
        found = commands.matching(text[1:]) if text.startswith("/") and " " not in text and "\n" not in text else []
        self._offer(
            Content.assemble((f"/{one.name} {one.argument}".ljust(18), "bold"), self.say(f"command_{one.name}"))
            for one in found
        )
        if not found and completing.path_at(self.prompt.before_cursor):
            self._offer_paths()

    def _offer(self, rows: Iterable[Content]) -> None:
        shown, lines = self.query_one(Completions), list(rows)
        shown.display = bool(lines)
        if lines:
            shown.update(Content("\n").join(lines))

    @work(group="completing", exclusive=True)
    async def _offer_paths(self) -> None:
        before = self.prompt.before_cursor
        if (typed := completing.path_at(before)) is not None:
            found = await asyncio.to_thread(attachments.matching, typed.path)
            if before == self.prompt.before_cursor:
                self._offer(Content(printable(path)) for path in found)

    @on(Prompt.Complete)
    def _take_completion(self) -> None:
        found = commands.matching(self.prompt.text[1:]) if self.prompt.text.startswith("/") else []
        if found and " " not in self.prompt.text:
            self.prompt.write(f"/{found[0].name}" + (" " if found[0].argument else ""))
        else:
            self._take_path()

    @work(group="completing", exclusive=True)
    async def _take_path(self) -> None:
        before = self.prompt.before_cursor
        if (typed := completing.path_at(before)) is not None:
            text = await asyncio.to_thread(completing.completed, typed)
            if text is not None and before == self.prompt.before_cursor:
                self.prompt.put(text, typed.start)
