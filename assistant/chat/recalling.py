"""What the model reads with a question: the passages that memory found on it, as many as fit, and what came of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assistant.chat.compaction import language_of
from assistant.engine.calls import telling
from assistant.engine.engine import Engine, Message, OnProgress, Progress

if TYPE_CHECKING:
    from assistant.chat.messages import StoredMessage
    from assistant.memory.embedding import Embedder
    from assistant.memory.grounding import Source
    from assistant.memory.index import Passage
    from assistant.memory.memory import Recall

MOST_TOKENS = 1536  # of what memory found, and at most a third of the window: reading it is what one waits for
LARGEST_SHARE = 0.4  # of the room that is left: the answer may be in the third passage, and not at the end of the first
SMALLEST_PART = 96  # tokens; less of a passage than this is not worth its place


@dataclass(frozen=True, slots=True)
class Recalled:
    """An event: what stands before the model, told before the answer comes.

    Attributes:
        sources: the passages, numbered as the answer may cite them.
        in_memory: False: nothing was found, and the model is not asked. True without sources: a fact about the user.
        left_out: passages that were found, but for which there was no room.
    """

    sources: tuple[Source, ...]
    in_memory: bool = True
    left_out: int = 0
    nonce: str = field(default_factory=lambda: secrets.token_hex(4), compare=False, repr=False)

    def question(self, question: str, *, cite: bool = True) -> str:
        """What the model reads: the passages, what to do with them, the question."""
        from assistant.memory.grounding import question_with

        if not self.sources:
            return question
        return question_with(self.sources, question, language_of([question]), self.nonce, cite=cite)

    def answers(
        self, engine: Engine, before: Sequence[Message], question: str, check: Callable[[], None]
    ) -> Generator[Progress, None, bool]:
        """Whether the model finds the answer in the passages; ``before`` stands before them in the prompt."""
        from assistant.memory.grounding import answerable

        def ask(tell: OnProgress) -> bool:
            return answerable(engine, before, self.sources, question, language_of([question]), self.nonce, tell)

        return (yield from telling(engine, ask, check))


def not_in_memory(question: str) -> str:
    """What is answered when memory has nothing, in the language of the question."""
    from assistant.memory.grounding import NOT_IN_MEMORY

    return NOT_IN_MEMORY[language_of([question])]


def room_for_passages(window: int, attached: bool) -> int:
    """Tokens that passages may take in a window of this many. A file that the user attached may take half of it."""
    return window // 2 if attached else min(MOST_TOKENS, window // 3)


def choose_passages(recall: Recall, room: int, count: Callable[[str], int]) -> Recalled:
    """The best passages in ``room`` tokens, told by ``count``. One that would leave too little for the others is cut
    around its best sentence. Those of an attached file are read in its order."""
    from assistant.memory.citations import ATTACHED
    from assistant.memory.grounding import Source

    chosen: list[tuple[Passage, float]] = []
    for number, hit in enumerate(recall.hits):
        passage = hit.passage
        share = 1.0 if passage.document_id == ATTACHED else max(LARGEST_SHARE, 1 / (len(recall.hits) - number))
        most = int(room * share)
        tokens = count(passage.text)
        part = most / tokens
        while tokens > most and part > 1 / 64:
            passage = around(hit.passage, hit.span, part)
            tokens, part = count(passage.text), part * 0.8
        if tokens > most:
            continue
        chosen.append((passage, hit.score))
        room -= tokens
        if room < SMALLEST_PART:
            break
    attached = [pair for pair in chosen if pair[0].document_id == ATTACHED]
    attached.sort(key=lambda pair: (str(pair[0].path), pair[0].start))
    found = [pair for pair in chosen if pair[0].document_id != ATTACHED]
    sources = tuple(Source(n, passage, score) for n, (passage, score) in enumerate([*attached, *found], 1))
    return Recalled(sources, left_out=len(recall.hits) - len(sources))


def ground(answer: StoredMessage, recalled: Recalled, question: str, embedder: Embedder | None) -> None:
    """Note in the answer what it cites of the passages, and what it says that none of them does.

    Args:
        embedder: tells what a sentence in another language than the passages stands on; None: nobody does.
    """
    from assistant.memory.citations import check
    from assistant.memory.grounding import is_refusal

    answer.in_memory = not is_refusal(answer.text)
    answer.read = {source.id: source.passage.document_id for source in recalled.sources}
    if not recalled.sources:
        return
    checked = check(answer.text, recalled.sources, question=question, embedder=embedder)
    answer.citations, answer.unsupported = list(checked.citations), list(checked.unsupported)
    answer.unknown = checked.unknown


def around(passage: Passage, span: tuple[int, int], share: float) -> Passage:
    """The part of a passage around the characters of ``span``, of about this share of its length, cut between words."""
    text = passage.text
    length = int(len(text) * share * 0.9)  # tokens are not spread evenly
    start = max(0, min(span[0] - (length - (span[1] - span[0])) // 2, len(text) - length))
    end = min(len(text), start + length)
    if start > 0:
        start = _after_space(text, start)
    if end < len(text):
        end = max(start + 1, text.rfind(" ", start, end))
    part = text[start:end].rstrip()
    place = passage.place
    if len(text) != place.end - place.start:  # it stands there with other white space: cited as a whole
        return replace(passage, text=part)
    moved = replace(
        place,
        start=place.start + start,
        end=place.start + start + len(part),
        line=place.line + text.count("\n", 0, start),
        end_line=place.line + text.count("\n", 0, start + len(part)),
    )
    return replace(passage, text=part, place=moved)


def _after_space(text: str, start: int) -> int:
    """The first beginning of a line, else of a word, at or soon after ``start``."""
    for mark in ("\n", ". ", " "):
        found = text.find(mark, start, start + 80)
        if found >= 0:
            return found + len(mark)
    return start
