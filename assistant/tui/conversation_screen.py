"""A conversation on a screen: the model behind it, the answer as it grows, the lines that say how it goes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen

from assistant.chat.conversation import Conversation, Event
from assistant.chat.history import StoredMessage
from assistant.engine.calls import Choice
from assistant.engine.engine import Result
from assistant.tui import tables
from assistant.tui.keys import key_names
from assistant.tui.pacing import Pace
from assistant.tui.prompt import Completions, Prompt
from assistant.tui.session import Answered, Broken, Counted, Loaded, LoadFailed, RoomMade, Session
from assistant.tui.setup import Setup
from assistant.tui.status import Header, StatusLine, meter
from assistant.tui.strings import Strings
from assistant.tui.transcript import Transcript
from models.errors import UserError
from models.store import Installed

if TYPE_CHECKING:
    from assistant.language import Language
    from assistant.memory.memory import Memory
    from assistant.templates.template import Filled

STATUS_SECONDS = 0.5
HINT_SECONDS = 4.0
NARROW = 60
"""Columns; on fewer the meter gives way to what the engine does."""


class ConversationScreen(Screen[None]):
    """Shows one conversation at a time and asks the model. Memory is in ``memory_screen.py``, keys and commands are
    in ``chat_screen.py``."""

    def __init__(self, setup: Setup, say: Strings) -> None:
        super().__init__()
        self.setup = setup
        self.say = say
        self.session = Session(self.post_message)
        self.conversation: Conversation | None = None
        self.model: Installed | None = None
        self.first = setup.conversation  # what opens once there is a model
        self._system = setup.system
        self.look_up_first = setup.looked_up_in  # until there is a conversation, as :attr:`looked_up_in`
        self._memory: Memory | None = None
        self._opening = threading.Lock()
        self.result: Result | None = None
        self._used = 0  # tokens of the window, as far as they are known
        self._cold = True  # nothing of this conversation is in the KV cache: the whole prompt is read
        self._tokens = 0  # of the answer that is being written
        self.editing = False  # the prompt holds the last question
        self.stopping = False
        self._hint = ""
        self._hint_until = 0.0

    # ---- what stands on it

    def compose(self) -> ComposeResult:
        yield Header()
        yield Transcript(self.say, key_names("sources", self.setup.keys))
        yield Completions("", markup=False)
        yield Prompt(self.say("placeholder"), self.setup.keys)
        yield StatusLine()

    async def begin(self) -> None:
        """Show what the setup asks for, once."""
        self.transcript = self.query_one(Transcript)
        self.prompt = self.query_one(Prompt)
        self.transcript.code_theme = "monokai" if self.app.current_theme.dark else "default"
        self.prompt.focus()
        self.set_interval(STATUS_SECONDS, self.show_status)
        if self.setup.unsaved:
            await self.note(self.setup.unsaved, "warning")
        if self.setup.model is not None:
            await self._use(self.setup.model)
            await self.open(self.first)
        self.show_status()

    def show_status(self) -> None:
        title = (self.conversation.title if self.conversation else "") or self.say("new_chat")
        right = self.model.name if self.model else ""
        if self.setup.unsaved:
            right += f" · {self.say('unsaved')}"
        if self.looked_up_in is not None:
            mark = "memory_mark_of" if self.looked_up_in else "memory_mark"
            right += f" · {self.say(mark, collection=self.looked_up_in)}"
        if self.template_name is not None:
            right += f" · {self.say('template_mark', name=self.template_name)}"
        self.query_one(Header).put(title, Content(right))
        if time.monotonic() < self._hint_until:
            self.query_one(StatusLine).put(self._hint, Content(""))
        else:
            self.query_one(StatusLine).put(self.state_words(), self._meter())

    def hint(self, text: str) -> None:
        """Say something in passing, in the status line: a box over the prompt would hide what is being typed."""
        self._hint, self._hint_until = text, time.monotonic() + HINT_SECONDS
        self.show_status()

    def unhint(self) -> None:
        """What was said in passing is over."""
        self._hint_until = 0.0
        self.show_status()

    def state_words(self) -> str:
        state, say = self.session.state, self.say
        if self.session.busy and self.stopping:
            return say("state_stopping")
        if state.phase == "loading":
            words = say("state_loading", percent=state.done)
            return f"{words} · {say('then_question')}" if self.session.busy else words
        if state.phase in ("measure", "prefill"):
            return say(f"state_{state.phase}", done=say.number(state.done), total=say.number(state.total))
        words = say(f"state_{state.phase}")
        speed = self._speed()
        return f"{words} · {say('speed', speed=say.number(speed, 1))}" if speed else words

    def _speed(self) -> float:
        """Tokens per second of the answer that is being written, else of the last one."""
        if self.session.busy:
            first = self.session.first_token
            seconds = time.monotonic() - first
            return (self._tokens - 1) / seconds if first and self._tokens > 1 and seconds > 0.3 else 0.0
        if self.result and self.result.timings.decode_seconds:
            return self.result.timings.decode_tokens / self.result.timings.decode_seconds
        return 0.0

    def _meter(self) -> Content:
        info = self.session.info
        if info is None:
            return Content("")
        used = self._used
        if self.session.busy:  # an estimate; the result will know
            read = self.session.read
            prompt = max(used, read) if self._cold or read >= used else used + read
            used = min(prompt + self._tokens, info.context_length)
        share = 100 * used / info.context_length
        say = self.say
        if self.size.width < NARROW:
            words = say("context_short", percent=round(share))
        else:
            words = say("context", used=say.number(used), window=say.number(info.context_length), percent=round(share))
        return meter(used, info.context_length, words)

    async def note(self, text: str | Content, kind: str = "") -> None:
        """Say something in the transcript."""
        await self.transcript.note(text, kind)

    async def fail(self, error: UserError) -> None:
        """Say in the transcript what went wrong, and the next step."""
        words = self.say("error_next", message=error.message, hint=error.hint) if error.hint else error.message
        await self.note(words, "error")

    # ---- model and conversation

    async def _use(self, model: Installed) -> None:
        self.model = model
        self._cold = True
        engine = self.setup.start_engine(model)
        self.session.use(engine)
        if self.conversation is not None:
            self.conversation.use(engine, model.name)
            self._sample()

    async def use_model(self, name: str) -> bool:
        """Go on with another installed model. False, with the reason shown, if there is no such."""
        try:
            model = self.setup.store.resolve(name)
        except UserError as error:
            await self.fail(error)
            return False
        await self.switch(model)
        return True

    async def switch(self, model: Installed) -> None:
        first = self.conversation is None
        await self._use(model)
        if first:
            await self.open(self.first)
        else:
            await self.note(self.say("model_changed", model=model.name))
            if self.conversation is not None and self.conversation.messages:
                self.session.count(self.conversation)
        self.show_status()

    async def open(self, id: int | None) -> None:
        """Show this conversation, or a new one."""
        assert self.session.engine is not None
        assert self.model is not None
        # A stored chat keeps its own system prompt; `-s` is for the one that was asked for beside it.
        asked_for = self.conversation is None and id == self.setup.conversation
        looked_up_in, template = self.looked_up_in, self._template_of_new()  # a new chat goes on like the one before it
        try:
            self.conversation = Conversation(
                self.session.engine,
                self.setup.history,
                model=self.model.name,
                system=self._system if id is None or asked_for else None,
                id=id,
                memory=self.open_memory if self.setup.memory else None,
                template=self.setup.template if asked_for else template if id is None else None,
            )
            self._sample()
            if looked_up_in is not None and (id is None or asked_for):
                self.conversation.look_up(True, looked_up_in or None)
        except UserError as error:
            await self.fail(error)
            if self.conversation is None:
                await self.open(None)
            return
        self._used = 0
        self._cold = True
        self.result = None
        self.leave_editing()
        messages = self.conversation.messages
        self.prompt.remember(*(message.text for message in messages if message.role == "user"))
        await self.transcript.show(messages)
        if self.setup.unsaved:
            await self.note(self.setup.unsaved, "warning")
        if messages:
            self.session.count(self.conversation)
        self.show_status()

    @property
    def system(self) -> str | None:
        """The system prompt."""
        return self.conversation.system if self.conversation else self._system

    async def set_system(self, text: str | None) -> None:
        """Change the system prompt of this conversation; a new one has it as well."""
        self._system = text
        if self.conversation is not None:
            try:
                self.conversation.system = text
            except UserError as error:
                await self.fail(error)

    # ---- the template

    @property
    def language(self) -> Language:
        """Of the interface."""
        return self.say.language

    @property
    def template_name(self) -> str | None:
        """What each question is put into, even if that cannot be used any more."""
        return self.conversation.template_name if self.conversation else None

    async def use_template(self, template: Filled | None) -> bool:
        """Put each question into it; None: into nothing. False, with the reason shown, if there is no chat for it."""
        if self.conversation is None:
            await self.note(self.say("state_no_model"), "warning")
            return False
        try:
            self.conversation.template = template
        except UserError as error:
            await self.fail(error)
            return False
        self._cold = True
        self._sample()
        self.show_status()
        return True

    def _template_of_new(self) -> Filled | None:
        """That of the chat before it, unless it cannot be used any more."""
        with suppress(UserError):
            return self.conversation.template if self.conversation else None
        return None

    def _sample(self) -> None:
        """How answers are sampled, with this model and this template."""
        assert self.conversation is not None
        assert self.model is not None
        self.conversation.options = self.setup.generate_options(self.model, self.conversation.template_options)

    def idle(self) -> bool:
        """Whether no answer is being written; says so if one is."""
        if self.session.busy:
            self.hint(self.say("busy"))
            return False
        return True

    # ---- memory

    def open_memory(self) -> Memory:
        """The user's memory, opened once; from any thread, and not from the screen's.

        Raises:
            UserError: it cannot be used.
        """
        assert self.setup.memory is not None
        with self._opening:
            if self._memory is None:
                self._memory = self.setup.memory()
            return self._memory

    @property
    def looked_up_in(self) -> str | None:
        """The collection that questions are looked up in; empty: all of them, None: memory is off."""
        if self.conversation is None:
            return self.look_up_first
        return (self.conversation.collection or "") if self.conversation.recalling else None

    # ---- asking

    async def start(self, ask: Callable[[], Iterator[Event]], question: str | None, files: Sequence[Path] = ()) -> bool:
        """Begin an answer; ``question`` None: to the question that stands there already."""
        assert self.conversation is not None
        replaces = question is None or self.editing
        try:
            events = ask()  # saves the question
        except UserError as error:
            await self.fail(error)
            return False
        if replaces:
            await self.transcript.show(self.conversation.messages)
        await self.transcript.begin(None if replaces else question, files)
        self.stopping = False
        self._hint_until = 0.0
        self._tokens = 0
        self.result = None
        self.session.answer(self.conversation, events)
        self.show_status()
        self._follow()
        return True

    @work(group="follow", exclusive=True)
    async def _follow(self) -> None:
        """Bring what has come to the screen, at a pace that the engine does not feel."""
        pace = Pace()
        session, feed = self.session, self.session.feed
        while session.busy and session.feed is feed:
            pace.start()
            await self._flush()
            # Before the sleep: less than a whole round is measured; after it, the layout and the painting are in.
            await asyncio.sleep(pace.interval)
            pace.pause()

    async def _flush(self) -> None:
        new = self.session.feed.take()
        if new.text or new.reasoning:
            self._tokens = new.tokens
            await self.transcript.grow(new.reasoning, new.reasoning_tokens, new.text)

    @on(Answered)
    async def _answered(self, event: Answered) -> None:
        await self._flush()
        self.session.busy = False
        self.stopping = False
        self._hint_until = 0.0
        self.transcript.settle()
        answer = self.last_answer()
        if answer is not None and answer.in_memory is not None:
            await self.transcript.sources(answer)
        result, error = event.result, event.error
        if result is not None:
            self.result = result
            if result.prompt_tokens:  # else it was stopped before the model got to it
                self._used, self._cold = result.prompt_tokens + result.completion_tokens, False
            if result.finish_reason == "cancelled":
                written = result.text or result.reasoning
                await self.note(self.say("status_interrupted" if written else "status_nothing"), "warning")
            elif result.finish_reason == "length":
                await self.note(self.say("length"), "warning")
            elif result.finish_reason == "repetition":
                await self.note(self.say("repetition"), "warning")
            if self.conversation is not None and (strange := self.conversation.ungrounded()):
                await self.note(self.say("ungrounded", what=", ".join(strange)), "warning")
            if isinstance(result, Choice):
                await self.note(tables.chosen(self.say, result))
        if error is not None:
            await self._failed(error)
        self._tokens = 0
        self.show_status()

    async def _failed(self, error: UserError) -> None:
        from assistant.engine.worker import EngineDied

        if isinstance(error, EngineDied):
            self._cold = True
            await self.note(self.say("engine_died"), "error")
        else:
            await self.fail(error)

    def leave_editing(self) -> None:
        """The prompt holds a new question again."""
        self.editing = False
        self.prompt.border_title = None

    def last_question(self) -> str | None:
        messages = self.conversation.messages if self.conversation else []
        return next((message.text for message in reversed(messages) if message.role == "user"), None)

    def last_answer(self) -> StoredMessage | None:
        messages = self.conversation.messages if self.conversation else []
        return next((message for message in reversed(messages) if message.role == "assistant"), None)

    # ---- what the session tells

    @on(Loaded)
    def _loaded(self) -> None:
        self.show_status()

    @on(LoadFailed)
    async def _load_failed(self, event: LoadFailed) -> None:
        await self.fail(event.error)
        self.show_status()

    @on(RoomMade)
    async def _room_made(self, event: RoomMade) -> None:
        self._used, self._cold = event.compacted.tokens_after, True
        await self.note(self.say("compacted", note=event.compacted.note))

    @on(Counted)
    async def _counted(self, event: Counted) -> None:
        self._used = event.budget.used
        if event.asked:
            await self.note(tables.budget(self.say, event.budget))
        self.show_status()

    @on(Broken)
    def _broken(self, event: Broken) -> None:
        raise event.error
