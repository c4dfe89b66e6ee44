"""An engine whose answers are a function of what it is asked, for what a real model cannot do on command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from assistant.engine.engine import Delta, Event, GenerateOptions, Message, ModelInfo, OnProgress, Progress, Result

Say = Callable[[str], str]  # the last message -> the answer


class AnsweringEngine:
    """A token is a word.

    Args:
        say: what is answered to the last message.
        weigh: of choices: how likely each is, before they are made to sum to 1.

    Attributes:
        asked: the last message of every call.
    """

    def __init__(
        self,
        say: Say = lambda text: text,
        *,
        weigh: Callable[[str], Mapping[str, float]] | None = None,
        window: int = 4096,
    ):
        self.say = say
        self.weigh = weigh
        self.window = window
        self.asked: list[str] = []
        self.cancelled = False

    def load(self, on_progress: OnProgress | None = None) -> ModelInfo:
        if on_progress:
            on_progress(Progress("load", 100, 100))
        return ModelInfo("answering", "answering", "answering", 0, 0, self.window, self.window, False, (0, 0), 1)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        self.cancelled = False
        self.asked.append(messages[-1].content)
        text = self.say(messages[-1].content)
        yield Delta(text)
        end = "cancelled" if self.cancelled else "stop"
        yield Result(text, "", end, self.count_tokens(messages), len(text.split()))

    def score(
        self, messages: Sequence[Message], choices: Sequence[str], on_progress: OnProgress | None = None
    ) -> list[float]:
        from math import log

        assert self.weigh
        self.asked.append(messages[-1].content)
        weights = self.weigh(messages[-1].content)
        return [log(weights[choice]) for choice in choices]

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        pass
