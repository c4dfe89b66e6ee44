"""What fits the window: an honest count in tokens, and the prompt that a conversation becomes.

A turn is a question with its answer. In the prompt stand the system text, the note of what was compacted, the turns
since then, and the question; nothing is ever cut out of these silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.chat.history import StoredMessage
from assistant.engine.engine import Message

DEFAULT_REPLY = 1024  # tokens kept free for an answer when max_tokens does not say how long it may be
SMALLEST_REPLY = 128  # a long question is still answered when at least this much is free

NOTE_HEADER = {
    "en": "Note of the earlier part of this conversation:",
    "ru": "Заметка о предыдущей части этого разговора:",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """How the window is divided, in tokens.

    Attributes:
        window: all there is.
        system: the system text, the note, and what the chat template itself adds.
        history: the turns that are in the prompt.
        question: the one to be answered.
        reply: kept free for the answer: ``max_tokens`` or 1024, at most a quarter of the window.
        passages: kept free for what memory will find on the question.
    """

    window: int
    system: int
    history: int
    question: int
    reply: int
    passages: int = 0

    @property
    def used(self) -> int:
        """Tokens of the prompt."""
        return self.system + self.history + self.question

    @property
    def free(self) -> int:
        """What is left beside prompt, reply and passages; negative when it does not fit."""
        return self.window - self.used - self.reply - self.passages

    @property
    def fits(self) -> bool:
        return self.free >= 0

    @property
    def answerable(self) -> bool:
        """Whether there is room for an answer at all, be it shorter than hoped."""
        return self.window - self.used >= min(self.reply, SMALLEST_REPLY)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question that was answered, if only in part."""

    question: StoredMessage
    answer: StoredMessage


def reply_reserve(window: int, max_tokens: int | None) -> int:
    """Tokens kept free for the answer."""
    return min(max_tokens or DEFAULT_REPLY, window // 4)


def open_turns(messages: Sequence[StoredMessage]) -> list[Turn]:
    """The turns that stand in the prompt word for word: after the note, and with an answer that has text.

    A question whose answer failed or was stopped before its first word is left out with it: roles must alternate, and
    what was stopped at once was mostly a slip. So is one whose answer came from a document that was forgotten since,
    and one that memory had nothing on: a model that sees itself refuse does it again.
    """
    covered = max((m.covers for m in messages if m.active and m.covers is not None), default=-1)
    turns: list[Turn] = []
    question: StoredMessage | None = None
    for message in messages:
        if not message.active or message.position <= covered:
            continue
        if message.role == "user":
            question = message
        elif message.role == "assistant" and question is not None and message.text.strip():
            if not message.forgotten and message.in_memory is not False:
                turns.append(Turn(question, message))
            question = None
    return turns


def current_note(messages: Sequence[StoredMessage]) -> StoredMessage | None:
    """The newest note; each contains the one before it."""
    return next((m for m in reversed(messages) if m.active and m.role == "note"), None)


def render(
    system: str | None,
    note: str | None,
    opening: Sequence[Message],
    turns: Sequence[Turn],
    question: str,
    language: str,
) -> list[Message]:
    """The prompt. The note goes with the system text: not every template allows a second system message."""
    parts = [part for part in (system, note and f"{NOTE_HEADER[language]}\n{note}") if part]
    messages = [Message("system", "\n\n".join(parts))] if parts else []
    messages += opening
    for turn in turns:
        messages += [Message("user", turn.question.text), Message("assistant", turn.answer.text)]
    return [*messages, Message("user", question)]
