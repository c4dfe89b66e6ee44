"""Several records in the batches of one engine, where each takes one call of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from assistant.engine.calls import Choice
from assistant.engine.counting import TokenCounter
from assistant.engine.engine import Engine, Result
from assistant.tasks.answering import Answer, read
from assistant.tasks.batching.task import Task
from assistant.templates.chunked import room_for_part
from assistant.templates.running import rating, steps_of
from models.errors import UserError

if TYPE_CHECKING:
    from assistant.engine.many import Request


class ManyEngine(Engine, Protocol):
    """An engine that answers several requests at once."""

    def answer_many(self, requests: Iterable[Request]) -> Iterator[tuple[int, Result | UserError]]: ...


def answer_together(
    engine: ManyEngine,
    tasks: Iterator[Task],
    alone: Callable[[Task], Answer | UserError],
    check: Callable[[], None],
) -> Iterator[tuple[int, Answer | UserError]]:
    """Answer tasks, in any order.

    Args:
        alone: answers a task that takes several calls, once nothing else is running.
        check: raises Cancelled.
    """
    by_itself: Task | None = None

    def requests(asked: list[Task]) -> Iterator[Request]:
        nonlocal by_itself
        for task in tasks:
            check()
            request = _request_of(engine, task)
            if request is None:
                by_itself = task
                return
            asked.append(task)
            yield request

    while True:
        asked: list[Task] = []
        by_itself = None
        for number, outcome in engine.answer_many(requests(asked)):
            task = asked[number]
            yield task.number, outcome if isinstance(outcome, UserError) else _read(task, outcome)
        if by_itself is None:
            return
        yield by_itself.number, alone(by_itself)


def _request_of(engine: Engine, task: Task) -> Request | None:
    """The one call that a task takes; None: it takes several."""
    from assistant.engine.many import Request  # loads llama.cpp's library

    filled, text, options = task.filled, task.record.text, task.options
    template = filled.template
    if template.tools or task.tries:  # what failed may do so because of what it was with
        return None
    messages = filled.messages(text)
    constraint = filled.constraint()
    if choices := filled.choices():
        if _too_long(engine, task):
            return None
        return Request(messages, options, choices)
    if scale := filled.scale():
        return Request(messages, options, steps_of(scale))
    if template.steps or template.check or _too_long(engine, task):
        return None
    if constraint:
        options = replace(options, constraint=constraint, beams=1)
    return Request(messages, options)


def _too_long(engine: Engine, task: Task) -> bool:
    """Whether the text is to be answered in parts. No token has less than a byte, so that most need not be counted."""
    text = task.record.text
    room = room_for_part(task.filled, engine.load().context_length)
    return room is not None and len(text.encode()) > room and TokenCounter(engine).text(text) > room


def _read(task: Task, result: Result) -> Answer:
    scale = task.filled.scale()
    if scale and isinstance(result, Choice):
        result = rating(result, scale)
    return read(task.filled, task.record.text, result)
