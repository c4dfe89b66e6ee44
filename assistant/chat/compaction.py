"""Making room in the window: the oldest turns become a note that the model writes itself and the user can read."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from assistant.chat.context import Turn
from assistant.engine.counting import TokenCounter
from assistant.engine.engine import Engine, GenerateOptions, Message, ModelInfo, Progress, Result
from assistant.engine.parts import parts_of
from models.errors import Cancelled, DoesNotFit

LONGEST_NOTE = 512  # tokens, and at most a sixth of the window
SMALLEST_NOTE = 64  # tokens for each part, however many there are
SMALLEST_PART = 64  # tokens of conversation a step must be able to read

SYSTEM = {
    "en": "You keep notes of a conversation. You write only what was said in it.",
    "ru": "Ты ведёшь заметки о разговоре. Ты пишешь только то, что в нём было сказано.",
}
TASK = {
    "en": "Here is a part of a conversation between a user and an assistant.\n\n{part}\n\n"
    "Write a note with which the assistant can go on without rereading it: a list of short lines, each beginning with "
    '"- ". Keep who the user is, what the user wants, names, numbers, dates, decisions and open questions. '
    "At most {words} words, no introduction.",
    "ru": "Вот часть разговора пользователя и ассистента.\n\n{part}\n\n"
    "Напиши по-русски заметку, с которой ассистент сможет продолжить, не перечитывая: список коротких строк, каждая "
    'начинается с "- ". Сохрани, кто пользователь, чего он хочет, имена, числа, даты, решения и открытые вопросы. '
    "Не больше {words} слов, без вступления.",
}
CONDENSE = {
    "en": "Here are notes of a conversation.\n\n{part}\n\n"
    'Write them shorter, as one list of short lines, each beginning with "- ". Keep names, numbers, dates, decisions '
    "and open questions; leave out what later lines replace. At most {words} words, no introduction.",
    "ru": "Вот заметки о разговоре.\n\n{part}\n\n"
    'Напиши их по-русски короче, одним списком коротких строк, каждая начинается с "- ". Сохрани имена, числа, даты, '
    "решения и открытые вопросы; убери то, что отменяют более поздние строки. Не больше {words} слов, без вступления.",
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
    """The language to write to the model in: ``ru`` or ``en``."""
    from assistant.memory import stemming  # its patterns take a while to compile

    return "ru" if stemming.language_of("\n".join(texts)) == "ru" else "en"


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
    engine: Engine, counter: TokenCounter, info: ModelInfo, turns: Sequence[Turn], note: str | None, language: str
) -> Iterator[Compacting | Progress | str]:
    """Write the note, in several steps when the turns are longer than the window. Its text comes last.

    Raises:
        DoesNotFit: the window is too small to summarize in, or the model wrote nothing.
        Cancelled: the user stopped it.
    """
    window = info.context_length
    length = note_length(window)
    thinking = window // 4 if info.reasoning else 0
    user, assistant = SPEAKERS[language]
    said = [line for turn in turns for line in (f"{user}: {turn.question.text}", f"{assistant}: {turn.answer.text}")]
    room = window - counter.prompt(_prompt(TASK[language], "", length, language)) - length - thinking - 16
    if room < SMALLEST_PART:
        raise DoesNotFit(
            f"The window of {window:,} tokens is too small to summarize the conversation in.",
            "Set a larger context_length, or start a new chat.",
        )
    parts = parts_of(said, counter.text, room)
    yield Compacting(2 * len(turns), sum(map(counter.text, said)), len(parts))
    # The lines of each part are put after those before. A small model that is asked to rewrite the whole note with each
    # part forgets what the first ones said.
    written = yield from _write_each(engine, TASK[language], parts, length, thinking, language)
    note = f"{note}\n{written}".strip() if note else written
    while counter.text(note) > length:
        pieces = parts_of(note.splitlines(), counter.text, room)
        shorter = yield from _write_each(engine, CONDENSE[language], pieces, length, thinking, language)
        if not shorter or len(shorter) >= len(note):
            break
        note = shorter
    if not note:
        raise DoesNotFit(
            "The conversation is longer than the window, and the model could not summarize it.",
            "Set a larger context_length, choose another model, or start a new chat.",
        )
    yield note


def _write_each(
    engine: Engine, task: str, parts: Sequence[str], length: int, thinking: int, language: str
) -> Generator[Progress, None, str]:
    """Let the model write about each part; what it wrote, a part below the other."""
    share = max(SMALLEST_NOTE, length // len(parts))
    options = GenerateOptions(temperature=0.0, repeat_penalty=1.1, max_tokens=share + thinking, keep_state=False)
    notes = []
    for part in parts:
        for event in engine.generate(_prompt(task, part, share, language), options):
            if isinstance(event, Progress):
                yield event
            elif isinstance(event, Result):
                if event.finish_reason == "cancelled":
                    raise Cancelled()
                notes.append(event.text.strip() if event.finish_reason == "stop" else _whole_lines(event.text))
    return "\n".join(filter(None, notes))


def _prompt(task: str, part: str, length: int, language: str) -> list[Message]:
    return [Message("system", SYSTEM[language]), Message("user", task.format(part=part, words=length // 2))]


def _whole_lines(text: str) -> str:
    """Without the sentence or line that the limit cut: half of a number would be read as another one."""
    ends = [found.end() for found in re.finditer(r"[.!?…](?=\s)|\n", text)]
    return text[: ends[-1]].strip() if ends else ""
