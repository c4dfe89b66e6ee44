"""A conversation: each question is saved before it is answered, each answer while it streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.chat.autosave import Autosave
from assistant.chat.compaction import Compacted, Compacting
from assistant.chat.context import Budget, Turn, open_turns
from assistant.chat.history import History, HistoryError, StoredMessage
from assistant.chat.recalling import Recalled, choose_passages, ground, not_in_memory, room_for_passages
from assistant.chat.record import Record
from assistant.chat.window import Window
from assistant.engine import engine as engines
from assistant.engine.calls import scoring, telling
from assistant.engine.counting import TokenCounter
from assistant.engine.engine import Delta, Engine, GenerateOptions, Message, ModelInfo, Progress, Result
from models.errors import Cancelled, DoesNotFit, UsageError, UserError

if TYPE_CHECKING:
    from assistant.memory.embedding import Embedder
    from assistant.memory.memory import Memory, Recall
    from assistant.templates.template import Filled

Event = engines.Event | Compacting | Compacted | Recalled


class Conversation(Record):
    """One chat with one engine, kept in a history. Not for several threads at once, but :meth:`cancel` is.

    Args:
        model, system, id, template: as :class:`Record` has them.
        memory: opens the user's memory, which is done with the first question that needs it; None: there is none. What
            the user told about themselves stands in every prompt; documents only when :meth:`look_up` says so.

    Raises:
        HistoryError: there is no conversation with this id.
    """

    def __init__(
        self,
        engine: Engine,
        history: History,
        *,
        model: str,
        system: str | None = None,
        options: GenerateOptions | None = None,
        id: int | None = None,
        memory: Callable[[], Memory] | None = None,
        template: Filled | None = None,
    ):
        self._open_memory = memory
        self._memory: Memory | None = None
        self.options = options or GenerateOptions()
        self._about_user = ""  # the facts that stand in the prompt
        self._cancelled = threading.Event()
        super().__init__(history, model=model, system=system, id=id, template=template)
        self.use(engine, model)

    @classmethod
    def open(
        cls,
        engine: Engine,
        history: History,
        id: int,
        *,
        model: str,
        system: str | None = None,
        options: GenerateOptions | None = None,
    ) -> Conversation:
        """Go on with a stored conversation."""
        return cls(engine, history, model=model, system=system, options=options, id=id)

    @property
    def memory(self) -> Memory | None:
        """The user's memory, opened when it is first asked for."""
        if self._memory is None and self._open_memory is not None:
            self._memory = self._open_memory()
        return self._memory

    def use(self, engine: Engine, model: str) -> None:
        """Go on with another engine."""
        self.engine = engine
        self.model = model
        self._info: ModelInfo | None = None
        self._counter = TokenCounter(engine)

    def send(self, text: str, files: Sequence[Path] = ()) -> Iterator[Event]:
        """Ask. The question is saved when this returns; the answer comes by iterating and ends with a Result.

        With ``files``, or when questions are looked up in memory, a :class:`Recalled` tells what stands before the
        model. If that is nothing, the answer says so, and the model is not asked.

        Stopping (:meth:`cancel`, or closing the iterator) keeps the words so far, marked interrupted; so does any
        error, marked failed. A cancel ends with a Result too, whatever it interrupted.

        Raises:
            DoesNotFit: the question alone is longer than the window allows.
            HistoryError: the question was not saved, or the answer, which then stays in :attr:`messages`.
            UserError: what the engine raises, EngineDied among it.
        """
        self._begin()
        return self._answer(self._ask(text, files))

    def choose(self, text: str, choices: Sequence[str]) -> Iterator[Event]:
        """Ask what has one of these answers, as :meth:`send`; the likeliest is given, with a :class:`Choice`.

        Raises:
            as :meth:`send`; UsageError: the choices are empty, or one comes twice.
        """
        self._begin()
        return self._answer(self._ask(text), choices)

    def retry(self) -> Iterator[Event]:
        """Answer the last question again. The old answer stays in the database.

        Raises:
            UsageError: there is no question yet.
        """
        self._begin()
        question = self._last_question()
        with self.history.transaction():
            self.history.set_active(self._answers_to(question), False)
            if question.status != "complete":
                question.status = "complete"
                self.history.update_message(question)
        return self._answer(question)

    def edit_last(self, text: str, files: Sequence[Path] = ()) -> Iterator[Event]:
        """Ask the last question in other words. The old question and its answer stay in the database.

        Raises:
            UsageError: there is no question yet.
        """
        self._begin()
        with self.history.transaction():
            self.undo()
            question = self._ask(text, files)
        return self._answer(question)

    def ungrounded(self) -> tuple[str, ...]:
        """Numbers and names of the last answer that its question does not have, where the template asks for that. An
        answer that rests on files or passages has them from there."""
        question = self._last_question()
        answers = self._answers_to(question)
        if not answers or question.files or self.recalling:
            return ()
        return self._template.ungrounded(question.text, answers[-1].text)

    def cancel(self) -> None:
        """Stop the answer, from any thread."""
        self._cancelled.set()
        self.engine.cancel()

    def budget(self, question: str = "") -> Budget:
        """How the window is used, with ``question`` asked next: exact, or too high by a few tokens.

        Loads the model unless it is loaded; not to be called while an answer runs.
        """
        self._info = self._info or self.engine.load()
        self._about_user = self._facts()
        template = self._template
        asked = template.question(question) if question else ""
        budget = self._window(question).budget(template.turns(open_turns(self._all)), self._note(), asked)
        passages = room_for_passages(self._info.context_length, attached=False) if self.recalling else 0
        return replace(budget, passages=passages)

    # ---- inside

    def _begin(self) -> None:
        self._cancelled.clear()
        self._refresh()

    def _answer(self, question: StoredMessage, choices: Sequence[str] | None = None) -> Iterator[Event]:
        before = open_turns([m for m in self._all if m.position < question.position or m.role == "note"])
        recalled: Recalled | None = None
        load_seconds = 0.0
        template = self._template
        if template.computes:
            yield from self._compute(question, before)
            return
        before = template.turns(before)
        try:
            if question.files:
                load_seconds = yield from self._load()  # how much of a file is read depends on the window
            recall = self._recall(question, before)
            if recall is not None and not (recall.hits or recall.told):
                yield Recalled((), in_memory=False)
                yield from self._not_in_memory(question)
                return
            load_seconds += yield from self._load()
            if recall is None and not choices and (in_parts := self._in_parts(question)):
                yield from self._stream(in_parts, [], self._begin_answer(), load_seconds, None)
                return
            self._about_user = self._facts()
            asked = template.question(question.text)
            formed = bool(choices or self.options.constraint or template.formed)
            if recall is not None:
                recalled = choose_passages(recall, self._room_for_passages(question), self._counter.text)
                asked = recalled.question(asked, cite=not formed)
                yield recalled
            turns = yield from self._make_room(before, question, asked)
            prompt = self._window(question.text).prompt(turns, asked, self._note())
            # Attached files are worked on whatever is asked; an answer of a given form cannot say that it is none.
            free = not (question.files or formed)
            if recall and recalled and recalled.sources and free and not recall.told:
                found = yield from recalled.answers(self.engine, prompt[:-1], question.text, self._check_cancelled)
                if not found:
                    yield from self._not_in_memory(question)
                    return
            self._check_cancelled()
        except Cancelled:
            yield Result("", "", "cancelled", 0, 0)
            return
        except DoesNotFit:
            # Out of the prompt, but kept: a larger window, or a retry with another model, may still answer it.
            question.status = "failed"
            self.history.update_message(question)
            raise
        answer = self._begin_answer()
        if choices:
            stream = scoring(self.engine, prompt, choices, self._check_cancelled)
        else:
            assert self._info is not None
            stream = template.answer(
                self.engine, question.text, prompt, self.options, self._info.reasoning, self._check_cancelled
            )
        yield from self._stream(stream, prompt, answer, load_seconds, recalled)

    def _compute(self, question: StoredMessage, before: Sequence[Turn]) -> Iterator[Event]:
        """An answer that the program works out by a tool of the template, which asks the model itself."""
        if question.files:
            raise UsageError("This template reads no attached files.", "Leave them out, or turn the template off.")
        if self._cancelled.is_set():
            yield Result("", "", "cancelled", 0, 0)
            return
        memory = self.memory if self.recalling else None
        stream = self._template.compute(
            self.engine,
            question.text,
            before,
            self.options,
            self._check_cancelled,
            conversation_id=self.id if self.history.path else None,
            memory=(lambda: memory) if memory else None,
            collection=self.collection,
        )
        yield from self._stream(stream, [], self._begin_answer(), 0.0, None)

    def _in_parts(self, question: StoredMessage) -> Iterator[engines.Event] | None:
        assert self._info is not None
        window, count = self._info.context_length, self._counter.text
        return self._template.answer_in_parts(
            self.engine, question.text, window, count, self.options, self._check_cancelled
        )

    def _recall(self, question: StoredMessage, turns: Sequence[Turn]) -> Recall | None:
        """What memory and the attached files have on a question; None: neither is asked."""
        if not (self.recalling or question.files):
            return None
        if self.memory is None:
            raise UsageError("This chat has no memory to look in.", "Open it with its memory.")
        return self.memory.recall(
            question.text,
            collection=self.collection,
            documents=self.recalling,
            files=[Path(file) for file in question.files],
            room=self._room_for_passages(question),
            before=turns[-1].question.text if turns else None,
            cited=[citation.chunk_id for citation in turns[-1].answer.citations] if turns else (),
        )

    def _not_in_memory(self, question: StoredMessage) -> Iterator[Event]:
        """Say that memory has nothing on it. The model would have something on everything."""
        answer = self._begin_answer()
        answer.text, answer.in_memory = not_in_memory(question.text), False
        result = Result(answer.text, "", "stop", 0, 0)
        self._keep(answer, result)
        self.history.update_message(answer)
        yield Delta(answer.text)
        yield result

    def _room_for_passages(self, question: StoredMessage) -> int:
        return room_for_passages(self._info.context_length, bool(question.files)) if self._info else 0

    def _facts(self) -> str:
        """What the user told about themselves. A memory that cannot be read is told of when documents are looked up."""
        with suppress(UserError):
            return self.memory.about_user(self._counter.text) if self.memory else ""
        return ""

    def _stream(
        self,
        stream: Iterator[engines.Event],
        prompt: list[Message],
        answer: StoredMessage,
        load_seconds: float,
        recalled: Recalled | None,
    ) -> Iterator[Event]:
        autosave = Autosave(self.history, answer)
        result: Result | None = None
        try:
            for event in stream:
                if isinstance(event, Result):
                    result = event
                    break
                if isinstance(event, Delta):
                    if event.reasoning:
                        answer.reasoning += event.text
                    else:
                        answer.text += event.text
                    autosave.changed()
                yield event
                if self._cancelled.is_set():
                    self.engine.cancel()  # again: the first may have come before there was anything to stop
            if result is None:
                raise EngineStopped("The engine ended without a result.", "Ask again; `assistant doctor` may say more.")
        except Cancelled:
            result = Result(answer.text, answer.reasoning, "cancelled", 0, 0)
        except BaseException as error:
            self._info = None  # a dead engine is loaded again, seen and cancelled like the first time
            stopped = isinstance(error, GeneratorExit | KeyboardInterrupt)
            answer.status = "interrupted" if stopped else "failed"
            with suppress(HistoryError):  # the first error is the one to tell
                autosave.finish()
            raise
        finally:
            if isinstance(stream, Generator):
                stream.close()
        if load_seconds > result.timings.load_seconds:
            result = replace(result, timings=replace(result.timings, load_seconds=load_seconds))
        self._keep(answer, result)
        if not result.reasoning and result.completion_tokens:
            known = [*prompt, Message("assistant", answer.text)]
            self._counter.learn(known, result.prompt_tokens + result.completion_tokens)
        try:
            autosave.finish()
            if recalled is not None:
                self._ground(answer, recalled)
        except HistoryError:
            # The caller gets the whole answer first, then hears that it was not saved. The next question tries again.
            self._unsaved.append(answer)
            yield result
            raise
        yield result

    def _ground(self, answer: StoredMessage, recalled: Recalled) -> None:
        """Check the answer, which is saved already, against its passages."""
        embedder: Embedder | None = None
        if answer.status == "complete":  # whoever stopped it does not want to wait
            with suppress(UserError):  # of another program that changes the embedder just now
                embedder = self.memory.embedder if self.memory else None
        ground(answer, recalled, self._last_question().text, embedder)
        self.history.update_message(answer)

    def _keep(self, answer: StoredMessage, result: Result) -> None:
        answer.text, answer.reasoning = result.text, result.reasoning
        answer.status = "interrupted" if result.finish_reason == "cancelled" else "complete"
        answer.finish_reason, answer.timings = result.finish_reason, result.timings
        answer.prompt_tokens, answer.completion_tokens = result.prompt_tokens, result.completion_tokens

    def _load(self) -> Generator[Progress, None, float]:
        """Load the model, telling how far it is; returns the seconds that it took."""
        if self._info is not None:
            return 0.0
        start = time.perf_counter()
        self._info = yield from telling(self.engine, self.engine.load, self._check_cancelled)
        return time.perf_counter() - start

    def _make_room(self, turns: list[Turn], question: StoredMessage, asked: str) -> Generator[Event, None, list[Turn]]:
        """The turns that stay in the prompt word for word; older ones are summarized when the question needs room."""
        assert self.id is not None
        window = self._window(question.text)
        for event in window.make_room(turns, self._note(), question.text, asked):
            self._check_cancelled()
            if isinstance(event, Compacted):
                covers = turns[event.removed_messages // 2 - 1].answer.position
                self._all.append(self.history.add_message(self.id, "note", event.note, model=self.model, covers=covers))
                turns = turns[event.removed_messages // 2 :]
            yield event
        return turns

    def _window(self, question: str) -> Window:
        assert self._info is not None
        system, opening = self._template.frame(question, self._system or "", self._about_user)
        return Window(self.engine, self._info, self._counter, system, self.options.max_tokens, opening)

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled()


class EngineStopped(UserError):
    """An engine broke its promise of a result."""
