"""The context window of a loaded model as one question fills it: the prompt, its budget, and room made for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.chat.compaction import Compacted, Compacting, choose, language_of, note_length, summarize
from assistant.chat.context import SMALLEST_REPLY, Budget, Turn, render, reply_reserve
from assistant.engine.counting import TURN_MARKUP, TokenCounter
from assistant.engine.engine import Engine, Message, ModelInfo, Progress
from models.errors import DoesNotFit

LONGEST_TOKEN = 256  # characters; vocabularies have runs of 128 spaces, and nothing longer


@dataclass(frozen=True, slots=True)
class Window:
    """
    Attributes:
        system: the system text, with what is known about the user.
        opening: messages that stand before the first turn: the examples of a template.
        max_tokens: of the answer; None: no limit was asked for.
    """

    engine: Engine
    info: ModelInfo
    counter: TokenCounter
    system: str
    max_tokens: int | None
    opening: tuple[Message, ...] = ()

    def prompt(self, turns: Sequence[Turn], question: str, note: str | None) -> list[Message]:
        return render(self.system, note, self.opening, turns, question, language_of([note or ""]))

    def budget(self, turns: Sequence[Turn], note: str | None, question: str) -> Budget:
        """How it is divided with ``question`` asked next: exact, or too high by a few tokens."""
        window, counter = self.info.context_length, self.counter
        fixed = counter.prompt(self.prompt([], ".", note)) - 1
        alone = counter.prompt(self.prompt([], question, note)) if question else fixed
        reply = reply_reserve(window, self.max_tokens)
        total = alone
        if turns:
            prompt = self.prompt(turns, question or ".", note)
            known = counter.knows(prompt[:-1])
            # The engine counted all but the question; the rest is the question and what the template puts around it.
            total = window if known is None else known + alone - fixed + TURN_MARKUP
            if total + reply > window:
                total = counter.prompt(prompt)
        return Budget(window, system=fixed, history=max(0, total - alone), question=alone - fixed, reply=reply)

    def make_room(
        self, turns: Sequence[Turn], note: str | None, question: str, asked: str
    ) -> Iterator[Compacting | Progress | Compacted]:
        """Summarize the oldest turns if the question needs their room. Without a :class:`Compacted` all of them stay.

        Args:
            question: as the user wrote it; ``asked``: with all that the model reads beside it.

        Raises:
            DoesNotFit: the question alone is longer than the window allows.
        """
        window = self.info.context_length
        if len(question) > window * LONGEST_TOKEN:  # seen at a glance: to count 60 MB takes a minute
            raise DoesNotFit(
                f"The question has {len(question):,} characters, far too many for a window of {window:,} tokens.",
                "Give it less text at a time. Your text is kept in the history.",
            )
        budget = self.budget(turns, note, asked)
        if budget.fits:
            return
        alone = self.budget([], None, asked)
        if not alone.answerable:
            raise _does_not_fit(alone)
        if not turns:
            if not budget.answerable:
                raise _does_not_fit(budget)
            return
        oldest = max(1, choose(turns, self.counter, alone.free - note_length(window)))
        language = language_of([*(turn.question.text for turn in turns), question])
        text = ""
        for event in summarize(self.engine, self.counter, self.info, turns[:oldest], note, language):
            if isinstance(event, str):
                text = event
            else:
                yield event
        after = self.budget(turns[oldest:], text, asked)
        if not after.answerable:
            raise _does_not_fit(after)
        yield Compacted(text, 2 * oldest, budget.used, after.used)


def _does_not_fit(budget: Budget) -> DoesNotFit:
    least = min(budget.reply, SMALLEST_REPLY)
    return DoesNotFit(
        f"The question needs {budget.used:,} tokens of the prompt and {least:,} for an answer; "
        f"the window has {budget.window:,}.",
        "Shorten it, or set a larger window with `-o context_length`. Your text is kept in the history.",
    )
