"""A summary as a template asks for it: the template's parts and how it combines them, checked like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from assistant.engine.counting import TokenCounter
from assistant.engine.engine import Engine, Event, GenerateOptions
from assistant.memory.sentences import sentences
from assistant.tasks.answering import answering
from assistant.tasks.faithfulness import Indexed
from assistant.tasks.faithfulness import check as checked
from assistant.tasks.languages import known_language
from assistant.tasks.length import words_of
from assistant.tasks.summarizing import Summary
from models.errors import Unanswered

if TYPE_CHECKING:
    from assistant.tasks.sources import Source
    from assistant.templates.template import Filled


def summarize_by(
    engine: Engine,
    filled: Filled,
    source: Source,
    *,
    model: str,
    options: GenerateOptions,
    check: Callable[[], None] = lambda: None,
) -> Generator[Event, None, Summary]:
    """Summarize a source by a template; what it does not bear is told of, and stays.

    Raises:
        Unanswered: the model wrote nothing.
        DoesNotFit: the source is longer than the window, and the template does not work in parts.
        as :func:`~assistant.tasks.answering.answering`.
    """
    began = time.perf_counter()
    answer = yield from answering(engine, filled, source.text, options, check)
    text = answer.text.strip()
    if not text:
        raise Unanswered("The model wrote nothing.", "Try another model (-m) or another template.")
    spans = list(sentences(text, 0, len(text)))
    points = tuple(checked([text[start:end] for start, end in spans], Indexed(source.text)))
    return Summary(
        summary=text,
        source=source.name,
        source_tokens=TokenCounter(engine).text(source.text),
        coverage=1.0,
        points=points,
        parts=tuple(text.count("\n", 0, start) for start, _ in spans),
        unsupported=tuple(dict.fromkeys(said for point in points for said in point.unsupported)),
        model=model,
        timings={
            "seconds": time.perf_counter() - began,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
        },
        passages=1,
        language=known_language(text),
        words=words_of(text),
        style="paragraph",
        notes=(f"not what was asked for: {answer.problem}",) if answer.problem else (),
    )
