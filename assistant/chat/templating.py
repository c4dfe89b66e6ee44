"""What a template does to a conversation: the frame of its prompts, and how an answer comes about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assistant.chat.context import Turn
from assistant.engine.engine import Engine, Event, GenerateOptions, Message
from models.errors import UsageError, UserError

if TYPE_CHECKING:
    from assistant.memory.memory import Memory
    from assistant.templates.template import Filled


@dataclass(frozen=True)
class Templated:
    """A template of a conversation, or none: then everything passes through as it is.

    Attributes:
        wrong: why the template that the history names cannot be used. It is raised when something is asked: the chat
            itself can be read without it.
    """

    _filled: Filled | None = None
    kept: dict[str, Any] | None = None
    wrong: UserError | None = None

    @classmethod
    def stored(cls, kept: dict[str, Any] | None) -> Templated:
        """As :meth:`to_json` has it."""
        if kept is None:
            return cls()
        from assistant.templates.library import Library
        from assistant.templates.template import fill

        try:
            return cls(fill(Library().get(kept["name"]), kept["values"], kept["language"]), kept)
        except UserError as error:
            hint = "/template off goes on without it; -t, or /template NAME, with another."
            return cls(None, kept, UsageError(f"The template of this chat cannot be used: {error.message}", hint))

    def to_json(self) -> dict[str, Any] | None:
        if self._filled is None:
            return self.kept
        from assistant.templates.fields import Localized

        one = self._filled  # what is in two languages is a default, and comes from the template again
        values = {name: value for name, value in one.values.items() if not isinstance(value, Localized)}
        return {"name": one.template.name, "values": values, "language": one.language}

    @property
    def filled(self) -> Filled | None:
        if self.wrong:
            raise self.wrong
        return self._filled

    @property
    def name(self) -> str | None:
        """Of the template, even if it cannot be used."""
        kept = self.to_json()
        return kept["name"] if kept else None

    @property
    def options(self) -> Mapping[str, Any]:
        """How it wants answers to be sampled."""
        return self._filled.template.options if self._filled else {}

    @property
    def computes(self) -> bool:
        """The program works out the answers, by a tool."""
        return bool(self.filled and self.filled.template.tools)

    @property
    def formed(self) -> bool:
        """Answers have a form that leaves no room for another word."""
        one = self.filled
        return bool(one and one.constraint())

    def frame(self, question: str, system: str, about_user: str) -> tuple[str, tuple[Message, ...]]:
        """The system text and the messages before the first turn. A template brings its own system text; what is known
        about the user is for those that hold a conversation."""
        one = self.filled
        if one is None:
            return _joined(system, about_user), ()
        language = one.language_of(question)
        about_user = about_user if one.template.conversation else ""
        return _joined(one.system(language), about_user), tuple(one.opening(language))

    def turns(self, turns: list[Turn]) -> list[Turn]:
        """Those that stand in the prompt, with their questions as they were put."""
        one = self.filled
        if one is None:
            return turns
        if not one.template.conversation:
            return []
        return [
            replace(turn, question=replace(turn.question, text=self.question(turn.question.text))) for turn in turns
        ]

    def question(self, text: str) -> str:
        """As the model reads it."""
        one = self.filled
        return one.question(text, one.language_of(text)) if one else text

    def ungrounded(self, question: str, answer: str) -> tuple[str, ...]:
        """Numbers and names of an answer that the question does not have, where the template asks for that."""
        if self._filled is None or self._filled.template.grounded is None:
            return ()
        from assistant.templates.grounded import ungrounded

        return ungrounded(self._filled, question, answer)

    def answer(
        self,
        engine: Engine,
        text: str,
        prompt: list[Message],
        options: GenerateOptions,
        reasons: bool,
        check: Callable[[], None],
    ) -> Iterator[Event]:
        """The answer to this prompt; ``reasons``: the model does so by itself."""
        if self.filled is None:
            return engine.generate(prompt, options)
        from assistant.templates.running import answer

        return answer(engine, self.filled, text, options=options, prompt=prompt, reasons=reasons, check=check)

    def answer_in_parts(
        self,
        engine: Engine,
        text: str,
        window: int,
        count_tokens: Callable[[str], int],
        options: GenerateOptions,
        check: Callable[[], None],
    ) -> Iterator[Event] | None:
        """The answer to a text that is longer than the template takes at once; None: it is not, or it takes any."""
        one = self.filled
        if one is None or one.template.chunking is None:
            return None
        from assistant.templates.chunked import answer_in_parts, room_for_part

        room = room_for_part(one, window)
        if room is None or count_tokens(text) <= room:
            return None
        return answer_in_parts(engine, one, text, room, count_tokens, options, check)

    def compute(
        self,
        engine: Engine,
        text: str,
        before: Sequence[Turn],
        options: GenerateOptions,
        check: Callable[[], None],
        *,
        conversation_id: int | None,
        memory: Callable[[], Memory] | None,
        collection: str | None,
    ) -> Iterator[Event]:
        """The answer of the template's tool."""
        from assistant.templates.running import answer
        from assistant.templates.tools import ToolCall

        one = self.filled
        assert one is not None
        messages = [
            message
            for turn in before
            for message in (Message("user", turn.question.text), Message("assistant", turn.answer.text))
        ]
        call = ToolCall(
            engine=engine,
            text=text,
            language=one.language_of(text),
            values=dict(one.values),
            options=options,
            check=check,
            before=tuple(messages),
            conversation_id=conversation_id,
            memory=memory,
            collection=collection,
        )
        return answer(engine, one, text, call=call)


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
