"""Counting tokens of prompts and texts through an engine, each once."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.engine.engine import Engine, Message

TURN_MARKUP = 16  # tokens that a chat template puts around a question and its answer, at most


class TokenCounter:
    """``engine.count_tokens`` with a memory: counting is a rendering and a tokenization each time."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._known: dict[tuple[Message, ...], int] = {}

    def prompt(self, messages: Sequence[Message]) -> int:
        """Tokens of a whole prompt."""
        key = tuple(messages)
        if key not in self._known:
            if len(self._known) >= 1024:
                del self._known[next(iter(self._known))]
            self._known[key] = self._engine.count_tokens(messages)
        return self._known[key]

    def learn(self, messages: Sequence[Message], tokens: int) -> None:
        """Keep a count that the engine told with a result."""
        self._known[tuple(messages)] = tokens

    def knows(self, messages: Sequence[Message]) -> int | None:
        return self._known.get(tuple(messages))

    def text(self, text: str) -> int:
        """Tokens that a message with this text takes in a conversation, rounded up by a few."""
        return self.prompt([Message("user", text)]) - self.prompt([Message("user", ".")]) + TURN_MARKUP // 2
