"""The engine of a chat and the one thread that talks to it. The screen reads :attr:`Session.state` when it has time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from textual.message import Message as UIMessage

from assistant.chat.compaction import Compacted, Compacting
from assistant.chat.context import Budget
from assistant.chat.conversation import Conversation, Event
from assistant.chat.recalling import Recalled
from assistant.engine.engine import Delta, Engine, ModelInfo, Progress, Result
from assistant.tui.pacing import Feed
from models.errors import Cancelled, UserError

Phase = Literal[
    "no_model",
    "unloaded",
    "loading",
    "measure",
    "failed",
    "ready",
    "waiting",
    "recalling",
    "prefill",
    "compacting",
    "thinking",
    "answering",
]

GOODBYE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class State:
    """What the engine does. ``done`` of ``total``: percent while loading, batches while it measures, tokens while it
    reads the prompt."""

    phase: Phase
    done: int = 0
    total: int = 0


class Loaded(UIMessage):
    """The model is in memory."""

    def __init__(self, info: ModelInfo) -> None:
        super().__init__()
        self.info = info


class LoadFailed(UIMessage):
    """The model is not in memory, and this is why."""

    def __init__(self, error: UserError) -> None:
        super().__init__()
        self.error = error


class Answered(UIMessage):
    """An answer ended: with a result, or with an error; with both when it was not saved."""

    def __init__(self, result: Result | None, error: UserError | None = None) -> None:
        super().__init__()
        self.result = result
        self.error = error


class RoomMade(UIMessage):
    """The oldest messages were compacted."""

    def __init__(self, compacted: Compacted) -> None:
        super().__init__()
        self.compacted = compacted


class Counted(UIMessage):
    """How the window is used; ``asked``: the user wants to see it as a table."""

    def __init__(self, budget: Budget, asked: bool) -> None:
        super().__init__()
        self.budget = budget
        self.asked = asked


class Broken(UIMessage):
    """A bug: the screen raises it again, where Textual restores the terminal and shows it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Session:
    """One engine at a time, driven by a thread of its own.

    Args:
        tell: takes what happened, from any thread.
    """

    def __init__(self, tell: Callable[[UIMessage], object]):
        self._tell = tell
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # A daemon: when the screen is gone, nobody waits for an engine that hangs; its process ends with ours.
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()
        self._turn = threading.Lock()  # a question is either taken back or begun
        self._begun = False
        self.engine: Engine | None = None
        self.state = State("no_model")
        self.info: ModelInfo | None = None
        self.busy = False  # from a question until its Answered was told
        self.feed = Feed()
        self.read = 0  # tokens of the prompt that are computed for this answer, those in the KV cache not among them
        self.first_token = 0.0  # time.monotonic of the answer that is being written

    # ---- called by the screen

    def use(self, engine: Engine) -> None:
        """Replace the engine. The old one stops what it does and is closed; the new one loads."""
        old, self.engine = self.engine, engine
        self.info = None
        if old is not None:
            old.cancel()
            self._jobs.put(old.close)
        self.state = State("loading")
        self._jobs.put(lambda: self._load(engine))

    def answer(self, conversation: Conversation, events: Iterator[Event]) -> None:
        """Iterate over what ``send``, ``retry`` or ``edit_last`` gave."""
        self.busy = True
        self.feed = Feed()
        self.read = 0
        self.first_token = 0.0
        self._begun = False
        loading = self.state.phase in ("loading", "measure")
        if not loading:
            self.state = State("recalling" if conversation.recalling else "waiting")
        feed = self.feed
        self._jobs.put(lambda: self._answer(events, feed))

    def take_back(self) -> bool:
        """Drop a question whose turn has not come because the model is still loading. The load goes on.

        Then there is nothing to wait for: another may be asked at once, and no Answered comes for this one.
        """
        with self._turn:
            if not self.busy or self._begun:
                return False
            self.feed = Feed()
            self.busy = False
            if self.state.phase == "waiting":
                self.state = State("ready" if self.info else "unloaded")
            return True

    def stop_loading(self) -> bool:
        """Stop a load that no question waits for; the next question loads again. False: there is none."""
        engine = self.engine
        if engine is None or self.busy or self.state.phase not in ("loading", "measure"):
            return False
        engine.cancel()
        return True

    def count(self, conversation: Conversation, asked: bool = False) -> None:
        """Ask how the window is used; the model is loaded for it."""
        self._jobs.put(lambda: self._count(conversation, asked))

    def close(self) -> None:
        """Stop everything and end the engine's process."""
        engine = self.engine
        if engine is not None:
            engine.cancel()
            self._jobs.put(engine.close)
        self._jobs.put(None)
        self._thread.join(GOODBYE_SECONDS)

    # ---- in the engine's thread

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:
                self._tell(Broken(error))

    def _load(self, engine: Engine) -> None:
        if engine is not self.engine:
            return

        def progress(event: Progress) -> None:
            if engine is self.engine:
                self.state = State("loading" if event.phase == "load" else event.phase, event.done, event.total)

        try:
            info = engine.load(progress)
        except Cancelled:
            if engine is self.engine:
                self.state = State("unloaded")
        except UserError as error:
            if engine is self.engine:
                self.state = State("failed")
                self._tell(LoadFailed(error))
        else:
            if engine is self.engine:
                self.info = info
                self.state = State("ready")
                self._tell(Loaded(info))

    def _answer(self, events: Iterator[Event], feed: Feed) -> None:
        with self._turn:
            if feed is not self.feed:
                return
            self._begun = True
        result: Result | None = None
        error: UserError | None = None
        try:
            for event in events:
                result = self._take(event, feed) or result
        except UserError as failed:
            error = failed
        if self.state.phase != "failed" or result is not None:
            self.state = State("ready" if error is None and self.info else "unloaded")
        self._tell(Answered(result, error))
        if self.info is None and self.engine is not None and result is not None and result.completion_tokens:
            self._load(self.engine)  # the conversation has loaded it: this only asks what it is

    def _take(self, event: Event, feed: Feed) -> Result | None:
        match event:
            case Delta():
                if not self.first_token:
                    self.first_token = time.monotonic()
                feed.put(event.text, event.reasoning, event.tokens)
                phase: Phase = "thinking" if event.reasoning else "answering"
                if self.state.phase != phase:
                    self.state = State(phase)
            case Progress() if self.state.phase == "compacting":
                pass  # what it reads to summarize is not the prompt
            case Progress():
                self.state = State("loading" if event.phase == "load" else event.phase, event.done, event.total)
                if event.phase == "prefill":
                    self.read = event.total
            case Recalled():
                self.state = State("waiting")
            case Compacting():
                self.state = State("compacting")
            case Compacted():
                self.state = State("waiting")
                self._tell(RoomMade(event))
            case Result():
                return event
        return None

    def _count(self, conversation: Conversation, asked: bool) -> None:
        if self.state.phase == "failed" and not asked:
            return  # the load before it has told why
        try:
            self._tell(Counted(conversation.budget(), asked))
        except Cancelled:
            pass
        except UserError as error:
            self.state = State("ready" if self.info else "failed")  # what is wrong may be the chat's template
            self._tell(LoadFailed(error))
