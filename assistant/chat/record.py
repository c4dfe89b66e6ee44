"""A conversation as the history keeps it: its messages, and what its questions are asked with."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.chat.context import current_note
from assistant.chat.history import History, StoredMessage
from assistant.chat.templating import Templated
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.templates.template import Filled

TITLE_LENGTH = 60


class Record:
    """The kept side of a conversation: every change is in the history when it returns.

    Args:
        model: the name that the user knows the model by; it is stored with each answer.
        system: the system text; of a stored conversation None keeps its own.
        id: of a stored conversation to go on with; None begins one, which is stored with its first question.
        template: what each question is put into; of a stored conversation None keeps its own.

    Raises:
        HistoryError: there is no conversation with this id.
    """

    def __init__(self, history: History, *, model: str, system: str | None, id: int | None, template: Filled | None):
        self.history = history
        self.model = model
        self.id = id
        self._looked_up_in: str | None = None  # as the history has it: empty is all collections, None no memory
        self._all: list[StoredMessage] = []
        self._unsaved: list[StoredMessage] = []  # answers that the history could not take
        self._title = ""
        self._system = system
        self._template = Templated(template)
        if id is not None:
            self._read(id)
            if system is not None and system != self._system:
                self.system = system
            if template is not None:
                self.template = template

    @property
    def messages(self) -> list[StoredMessage]:
        """What the screen shows: everything but what was replaced or taken back, notes included, in order."""
        return [message for message in self._all if message.active]

    @property
    def title(self) -> str:
        """The first line of the first question until it is set; empty before that."""
        return self._title

    @title.setter
    def title(self, title: str) -> None:
        if self.id is not None:
            self.history.rename(self.id, title)
        self._title = title

    @property
    def system(self) -> str | None:
        return self._system

    @system.setter
    def system(self, system: str | None) -> None:
        if self.id is not None:
            self.history.set_system(self.id, system)
        self._system = system

    @property
    def template(self) -> Filled | None:
        """What each question is put into.

        Raises:
            UserError: the template that the history names is gone, or cannot be used.
        """
        return self._template.filled

    @template.setter
    def template(self, template: Filled | None) -> None:
        templated = Templated(template)
        if self.id is not None:
            self.history.set_template(self.id, templated.to_json())
        self._template = templated

    @property
    def template_name(self) -> str | None:
        """Its name, even if it cannot be used."""
        return self._template.name

    @property
    def template_options(self) -> Mapping[str, Any]:
        """How it wants answers to be sampled; the caller has put them into :attr:`options`."""
        return self._template.options

    @property
    def recalling(self) -> bool:
        """Whether questions are answered from the documents in memory."""
        return self._looked_up_in is not None

    @property
    def collection(self) -> str | None:
        """The collection that questions are looked up in; None: all of them."""
        return self._looked_up_in or None

    def look_up(self, on: bool, collection: str | None = None) -> None:
        """Answer questions from the documents in memory, or no longer. It is stored with the chat."""
        looked_up_in = (collection or "") if on else None
        if self.id is not None:
            self.history.set_memory(self.id, looked_up_in)
        self._looked_up_in = looked_up_in

    def undo(self) -> str:
        """Take the last question and its answer back; returns the question. Both stay in the database.

        Raises:
            UsageError: there is no question yet.
        """
        question = self._last_question()
        # A note that tells of this turn goes too: the one before it, or the turns themselves, take its place.
        notes = [m for m in self.messages if m.covers is not None and m.covers >= question.position]
        self.history.set_active([question, *self._answers_to(question), *notes], False)
        return question.text

    # ---- inside

    def _read(self, id: int) -> None:
        stored = self.history.load(id)
        self._all, self._title, self._system = stored.messages, stored.title, stored.system
        self._looked_up_in = stored.memory
        self._template = Templated.stored(stored.template)

    def _refresh(self) -> None:
        """Another window may have gone on with the same conversation, or have removed a document that it cites."""
        while self._unsaved:
            self.history.update_message(self._unsaved[0])
            del self._unsaved[0]
        if self.id is None:
            return
        known = max((m.id for m in self._all), default=None), sum(len(m.forgotten) for m in self._all)
        if self.history.state(self.id) != known:
            self._read(self.id)

    def _ask(self, text: str, files: Sequence[Path] = ()) -> StoredMessage:
        with self.history.transaction():
            id = self.id
            if id is None:
                self._title = self._title or title_of(text)
                id = self.history.create(
                    self._title, self.model, self._system, self._looked_up_in, self._template.to_json()
                )
            question = self.history.add_message(id, "user", text, files=[str(file) for file in files])
        self.id = id
        self._all.append(question)
        return question

    def _last_question(self) -> StoredMessage:
        for message in reversed(self.messages):
            if message.role == "user":
                return message
        raise UsageError("Nothing was asked yet in this chat.", "Type a question first.")

    def _answers_to(self, question: StoredMessage) -> list[StoredMessage]:
        return [m for m in self.messages if m.role == "assistant" and m.position > question.position]

    def _note(self) -> str | None:
        note = current_note(self._all)
        return note.text if note else None

    def _begin_answer(self) -> StoredMessage:
        assert self.id is not None
        with self.history.transaction(durable=False):
            answer = self.history.add_message(self.id, "assistant", "", model=self.model, status="streaming")
        self._all.append(answer)
        return answer


def title_of(text: str) -> str:
    """The first line of a question, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return textwrap.shorten(line, TITLE_LENGTH, placeholder="…") if len(line) > TITLE_LENGTH else line
