"""One template, one text, one answer: what batches, verbs and :mod:`assistant.tasks` all do."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

from assistant.engine.calls import Choice, Computed, telling
from assistant.engine.counting import TokenCounter
from assistant.engine.engine import Engine, Event, GenerateOptions, Result
from assistant.engine.scoring import probabilities
from assistant.templates.chunked import answer_in_parts, room_for_part
from assistant.templates.grounded import ungrounded
from assistant.templates.running import answer
from assistant.templates.template import Filled
from models.errors import Cancelled

_CUT_SHORT = {
    "length": "it was cut short: there was no room for more",
    "repetition": "it was cut short: it went round in circles",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one text.

    Attributes:
        data: of JSON, what it holds; of a scale or a tool, what the program worked out; else None.
        probability: of the choice, among the choices; ``probabilities`` of all of them.
        unsupported: numbers and names that the text does not have, where the template asks for that.
        problem: why this is not what was asked for: not valid, or cut short; None: it is.
    """

    text: str
    data: Any = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    unsupported: tuple[str, ...] = ()
    problem: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def output(self) -> Any:
        """What a program wants of it: the object of a schema or a tool, the number of a scale, else the text."""
        if isinstance(self.data, dict) and "score" in self.data:
            return self.data["score"]
        return self.text if self.data is None else self.data

    def to_json(self) -> dict[str, Any]:
        """``output`` and what is known of it; what does not apply is left out."""
        found = {
            "output": self.output,
            "probability": self.probability,
            "probabilities": self.probabilities,
            "unsupported": list(self.unsupported) or None,
            "problem": self.problem,
        }
        return {name: value for name, value in found.items() if value is not None or name == "output"}


def answering(
    engine: Engine, filled: Filled, text: str, options: GenerateOptions, check: Callable[[], None]
) -> Generator[Event, None, Answer]:
    """Answer one text, a long one in parts where the template says how; yields what the engine tells.

    Args:
        options: how answers are sampled, the template's own options in them.
        check: raises Cancelled when it is to be stopped.

    Raises:
        DoesNotFit: the text is longer than the window, and the template does not work in parts.
        as :meth:`Engine.generate`; Cancelled.
    """
    for event in _events(engine, filled, text, options, check):
        check()
        if isinstance(event, Result):
            if event.finish_reason == "cancelled":
                raise Cancelled()
            return read(filled, text, event)
        yield event
    raise Cancelled()  # an engine ends with a result unless it was closed meanwhile


def _events(
    engine: Engine, filled: Filled, text: str, options: GenerateOptions, check: Callable[[], None]
) -> Generator[Event, None, None]:
    template, reasons = filled.template, False
    if (template.chunking or template.steps or template.check) and not template.tools:
        info = yield from telling(engine, engine.load, check)
        count, room = TokenCounter(engine).text, room_for_part(filled, info.context_length)
        if room is not None and count(text) > room:
            yield from answer_in_parts(engine, filled, text, room, count, options, check)
            return
        reasons = info.reasoning
    yield from answer(engine, filled, text, options=options, reasons=reasons, check=check)


def read(filled: Filled, text: str, result: Result) -> Answer:
    """What the result of a template's answer says."""
    found = Answer(
        result.text,
        problem=_CUT_SHORT.get(result.finish_reason),
        prompt_tokens=result.prompt_tokens,
        completion_tokens=result.completion_tokens,
    )
    if isinstance(result, Choice):
        shares = probabilities(result.scores)
        return replace(found, probability=shares[result.text], probabilities=shares)
    if isinstance(result, Computed):
        return replace(found, data=result.data)
    if constraint := filled.constraint():
        from assistant.engine import structured  # loads llama.cpp's library

        wrong = structured.validate(result.text, constraint)
        data = None if wrong or constraint.kind != "json_schema" else json.loads(result.text)
        return replace(found, data=data, problem=wrong or found.problem)
    return replace(
        found,
        unsupported=ungrounded(filled, text, result.text),
        problem=found.problem or (None if result.text.strip() else "the model wrote nothing"),
    )
