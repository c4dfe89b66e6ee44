"""What the chat's screen does with the memory: documents are added, sources shown and marked, files attached."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work

from assistant.chat.history import StoredMessage
from assistant.tui.adding import Adding, AddingFailed, DocumentsAdded
from assistant.tui.conversation_screen import ConversationScreen
from assistant.tui.setup import Setup
from assistant.tui.sources import Sources, SourcesDialog, states_of
from assistant.tui.strings import Strings
from models.errors import UserError

if TYPE_CHECKING:
    from assistant.memory.citations import State
    from assistant.memory.memory import Memory

SKIPPED_SHOWN = 8
"""Lines about files that could not be added."""


class MemoryScreen(ConversationScreen):
    """A conversation whose answers can stand on documents."""

    def __init__(self, setup: Setup, say: Strings) -> None:
        super().__init__(setup, say)
        self.adding = Adding(self.post_message)

    @work(group="memory")
    async def with_memory(self, use: Callable[[Memory], Awaitable[None]]) -> None:
        """Do this with the memory, which is opened in a thread; errors stand in the transcript."""
        if self.setup.memory is None:
            await self.note(self.say("memory_missing"), "warning")
            return
        try:
            await use(await asyncio.to_thread(self.open_memory))
        except UserError as error:
            await self.fail(error)

    async def look_up(self, collection: str | None) -> bool:
        """Look questions up in this collection from here on (empty: in all), or not (None). New conversations, too."""
        if self.conversation is None:
            self.look_up_first = collection
        else:
            try:
                self.conversation.look_up(collection is not None, collection or None)
            except UserError as error:
                await self.fail(error)
                return False
        self.show_status()
        return True

    # ---- adding documents

    def state_words(self) -> str:
        added, say, words = self.adding.progress, self.say, super().state_words()
        if added is None:
            return words
        if not added.total:
            return f"{words} · {say('adding_starts')}"
        return f"{words} · {say('adding', done=say.number(added.done), total=say.number(added.total))}"

    async def add_documents(self, paths: Sequence[Path]) -> None:
        """Add files and folders to memory while the chat goes on: to the collection in use, else to the default one."""
        if self.setup.memory is None:
            await self.note(self.say("memory_missing"), "warning")
            return
        self.adding.start(self.setup.memory, self.setup.history, paths, self.looked_up_in or None)
        self.show_status()

    @on(DocumentsAdded)
    async def _documents_added(self, event: DocumentsAdded) -> None:
        report, say = event.report, self.say
        names = ("added", "updated", "unchanged", "removed", "skipped")
        lines = [say("memory_added", **{name: say.number(getattr(report, name)) for name in names})]
        for one in event.skipped[:SKIPPED_SHOWN]:
            lines.append("  " + say("memory_skipped", path=one.path, reason=one.reason))
        if len(event.skipped) > SKIPPED_SHOWN:
            lines.append("  " + say("memory_skipped_more", count=say.number(len(event.skipped) - SKIPPED_SHOWN)))
        if report.stopped:
            lines.append(say("memory_stopped"))
        if self.looked_up_in is None and (report.added or report.updated or report.unchanged):
            lines.append(say("memory_now_on"))
        await self.note("\n".join(lines), "warning" if event.skipped else "")
        self.look_at_sources()
        self.show_status()

    @on(AddingFailed)
    async def _adding_failed(self, event: AddingFailed) -> None:
        await self.fail(event.error)
        self.show_status()

    # ---- sources

    @on(Sources.Shown)
    def _sources_shown(self) -> None:
        self.look_at_sources()

    @work(group="sources", exclusive=True)
    async def look_at_sources(self) -> None:
        """Flag the sources on the screen that have changed or are gone, and the answers that the user marked."""
        shown = list(self.query(Sources))
        if not shown or self.setup.memory is None:
            return

        def look() -> list[tuple[dict[int, State], int]]:
            memory = self.open_memory()
            return [(states_of(one.message.citations, memory), _mark(memory, one.message)) for one in shown]

        with suppress(UserError):  # whoever asks memory for something is told
            for one, (states, mark) in zip(shown, await asyncio.to_thread(look), strict=True):
                one.tell(states, mark)

    def action_sources(self) -> None:
        """Open the sources of the last answer that has some."""
        messages = self.conversation.messages if self.conversation else []
        answer = next((one for one in reversed(messages) if one.citations), None)
        if answer is None:
            self.hint(self.say("sources_none"))
            return

        async def show(memory: Memory) -> None:
            from assistant.memory.quoting import quote

            states = await asyncio.to_thread(states_of, answer.citations, memory)
            quoted = lambda citation: quote(citation, memory.index)  # noqa: E731
            self.app.push_screen(SourcesDialog(self.say, answer.citations, states, quoted))

        self.with_memory(show)

    def action_mark(self, value: int) -> None:
        """Mark the last answer as good (1) or bad (-1); the same again takes it back."""
        answer = self.last_answer()
        if answer is None or not _chunks(answer):
            self.hint(self.say("feedback_no_sources"))
            return
        if self.setup.history.path is None:  # its numbers are those of other answers in the history
            self.hint(self.say("feedback_unsaved"))
            return

        async def mark(memory: Memory) -> None:
            def rate() -> tuple[int, int]:
                before = _mark(memory, answer)
                memory.feedback.rate(answer.id, _chunks(answer), 0 if before == value else value)
                return before, _mark(memory, answer)

            before, now = await asyncio.to_thread(rate)
            if not (before or now):  # its documents were removed from memory
                self.hint(self.say("feedback_no_sources"))
            else:
                self.hint(self.say("feedback_good" if now > 0 else "feedback_bad" if now else "feedback_back"))
            self.look_at_sources()

        self.with_memory(mark)


def _chunks(answer: StoredMessage) -> list[int]:
    """The passages of memory that an answer stands on."""
    from assistant.memory.citations import ATTACHED

    return [citation.chunk_id for citation in answer.citations if citation.chunk_id != ATTACHED]


def _mark(memory: Memory, answer: StoredMessage) -> int:
    """What the user said of an answer: 1, -1, or 0."""
    return next((one.value for one in memory.feedback.list() if one.message_id == answer.id), 0)
