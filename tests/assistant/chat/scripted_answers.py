"""An engine whose answers and their timing are written down, for what a real model cannot do on command."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from assistant.chat import compaction
from assistant.engine.engine import (
    Delta,
    Event,
    GenerateOptions,
    Message,
    ModelInfo,
    OnProgress,
    Progress,
    Result,
    Timings,
)

Step = str | float | BaseException  # words to say, seconds to wait, an error to raise


def words(messages: Sequence[Message]) -> int:
    return 3 + sum(3 + len(message.content.split()) for message in messages)


class ScriptedEngine:
    """Answers the n-th question with the n-th script, and the last one from then on. A token is a word.

    Prompts of compaction, told by their system text, are answered with ``summary``.
    """

    def __init__(self, *scripts: Sequence[Step], window: int = 4096, summary: Sequence[Step] = ("In short.",)):
        self.scripts = [list(script) for script in scripts] or [["Fine."]]
        self.summary = list(summary)
        self.summaries: list[list[Message]] = []
        self.window = window
        self.prompts: list[list[Message]] = []
        self.counted = 0
        self.gates: list[str] = []
        self.finds_nothing = False
        self.cancelled = threading.Event()

    def load(self, on_progress: OnProgress | None = None) -> ModelInfo:
        if on_progress:
            on_progress(Progress("load", 100, 100))
        return ModelInfo("scripted", "scripted", "scripted", 0, 0, self.window, self.window, False, (0, 0), 1)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        self.counted += 1
        return words(messages)

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        self.cancelled.clear()
        if messages[0].content in compaction.SYSTEM.values():
            self.summaries.append(list(messages))
            script = self.summary
        else:
            self.prompts.append(list(messages))
            script = self.scripts[min(len(self.prompts), len(self.scripts)) - 1]
        tokens = words(messages)
        yield Progress("prefill", tokens, tokens)
        text, said = "", 0
        for step in script:
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, str):
                text += step
                said += len(step.split())
                yield Delta(step, tokens=said)
            else:
                time.sleep(step)
            if self.cancelled.is_set():
                yield Result(text, "", "cancelled", tokens, said)
                return
        yield Result(text, "", "stop", tokens, said, Timings(decode_tokens=said))

    def score(
        self, messages: Sequence[Message], choices: Sequence[str], on_progress: OnProgress | None = None
    ) -> list[float]:
        """The gate of answers from memory: yes, or no if ``finds_nothing``."""
        self.gates.append(messages[-1].content)
        return [-5.0, 0.0] if self.finds_nothing else [0.0, -5.0]

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        pass
