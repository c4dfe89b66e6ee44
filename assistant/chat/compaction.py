"""Making room in the window: the oldest turns become a note that the model writes itself and the user can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.chat.context import TokenCounter, Turn
from assistant.engine.engine import Engine, GenerateOptions, Message, Progress, Result
from models.errors import Cancelled, DoesNotFit

LONGEST_NOTE = 512  # tokens, and at most a sixth of the window
SMALLEST_PART = 64  # tokens of conversation a step must be able to read

SYSTEM = {
    "en": "You keep notes of a conversation. You write only what was said in it.",
    "ru": "Ты ведёшь заметки о разговоре. Ты пишешь только то, что в нём было сказано.",
}
TASK = {
    "en": "{before}Here is a part of a conversation between a user and an assistant.\n\n{part}\n\n"
    "Write a note with which the assistant can go on without rereading it: a list of short lines, each beginning with "
    '"- ". Keep who the user is, what the user wants, names, numbers, dates, decisions and open questions. '
    "At most {words} words, no introduction.",
    "ru": "{before}Вот часть разговора пользователя и ассистента.\n\n{part}\n\n"
    "Напиши по-русски заметку, с которой ассистент сможет продолжить, не перечитывая: список коротких строк, каждая "
    'начинается с "- ". Сохрани, кто пользователь, чего он хочет, имена, числа, даты, решения и открытые вопросы. '
    "Не больше {words} слов, без вступления.",
}
BEFORE = {
    "en": "The note so far, to be kept and extended:\n{note}\n\n",
    "ru": "Заметка до сих пор, её надо сохранить и дополнить:\n{note}\n\n",
}
SPEAKERS = {"en": ("User", "Assistant"), "ru": ("Пользователь", "Ассистент")}


@dataclass(frozen=True, slots=True)
class Compacting:
    """Summarizing begins: ``messages`` of the oldest ones, ``tokens`` long, in ``steps`` passes of the model."""

    messages: int
    tokens: int
    steps: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """The oldest messages were replaced, in the prompt only, by ``note``. Tokens are of the whole prompt."""

    note: str
    removed_messages: int
    tokens_before: int
    tokens_after: int


def note_length(window: int) -> int:
    """The longest note in tokens."""
    return min(LONGEST_NOTE, window // 6)


def language_of(texts: Sequence[str]) -> str:
    """``ru`` when at least a third of the letters are Cyrillic (Russian talk about software is half Latin)."""
    letters = [character for text in texts for character in text if character.isalpha()]
    cyrillic = sum("а" <= character <= "я" or character == "ё" for character in map(str.lower, letters))
    return "ru" if letters and cyrillic * 3 >= len(letters) else "en"


def choose(turns: Sequence[Turn], counter: TokenCounter, room: int) -> int:
    """How many of the oldest turns to summarize, so that the others take at most half of ``room`` tokens.

    Half, so that the next question does not need it again. The newest turn stays whenever it fits at all, since the
    question is most often about it.
    """
    kept = 0
    for number, turn in enumerate(reversed(turns)):
        kept += counter.text(turn.question.text) + counter.text(turn.answer.text)
        if kept > (room if number == 0 else room // 2):
            return len(turns) - number
    return 0


def summarize(
    engine: Engine, counter: TokenCounter, window: int, turns: Sequence[Turn], note: str | None, language: str
) -> Iterator[Compacting | Progress | str]:
    """Write the note, in several steps when the turns are longer than the window. Its text comes last.

    Raises:
        DoesNotFit: the window is too small to summarize in, or the model wrote nothing.
        Cancelled: the user stopped it.
    """
    length = note_length(window)
    options = GenerateOptions(temperature=0.0, repeat_penalty=1.1, max_tokens=length)
    user, assistant = SPEAKERS[language]
    said = [line for turn in turns for line in (f"{user}: {turn.question.text}", f"{assistant}: {turn.answer.text}")]
    # A step reads a part and the note so far, and writes the next note.
    room = window - counter.prompt(_prompt("", "", length, language)) - 2 * length - 16
    if room < SMALLEST_PART:
        raise DoesNotFit(
            f"The window of {window:,} tokens is too small to summarize the conversation in.",
            "Set a larger context_length, or start a new chat.",
        )
    parts = _parts(said, counter, room)
    yield Compacting(2 * len(turns), sum(map(counter.text, said)), len(parts))
    for part in parts:
        result: Result | None = None
        for event in engine.generate(_prompt(part, note, length, language), options):
            if isinstance(event, Progress):
                yield event
            elif isinstance(event, Result):
                result = event
        if result is None or result.finish_reason == "cancelled":
            raise Cancelled()
        written = result.text.strip() if result.finish_reason == "stop" else _whole_lines(result.text)
        note = written or note
    if not note:
        raise DoesNotFit(
            "The conversation is longer than the window, and the model could not summarize it.",
            "Set a larger context_length, choose another model, or start a new chat.",
        )
    yield note


def _prompt(part: str, note: str | None, length: int, language: str) -> list[Message]:
    before = BEFORE[language].format(note=note) if note is not None else ""
    task = TASK[language].format(before=before, part=part, words=length // 2)
    return [Message("system", SYSTEM[language]), Message("user", task)]


def _whole_lines(text: str) -> str:
    """Without the sentence or line that the limit cut: half of a number would be read as another one."""
    ends = [found.end() for found in re.finditer(r"[.!?…](?=\s)|\n", text)]
    return text[: ends[-1]].strip() if ends else ""


def _parts(texts: Sequence[str], counter: TokenCounter, room: int) -> list[str]:
    """Join what fits into ``room`` tokens, halve what is longer."""
    parts: list[str] = []
    size = room  # of the last part; full, so that the first text opens one
    for text in (piece for long in texts for piece in _halves(long, counter, room)):
        tokens = counter.text(text)
        if size + tokens <= room:
            parts[-1] += f"\n\n{text}"
            size += tokens
        else:
            parts.append(text)
            size = tokens
    return parts


def _halves(text: str, counter: TokenCounter, room: int) -> list[str]:
    if counter.text(text) <= room or len(text) < 2:
        return [text]
    middle = len(text) // 2
    space = text.rfind(" ", 1, middle)
    cut = space if space > middle // 2 else middle
    return _halves(text[:cut], counter, room) + _halves(text[cut:], counter, room)
