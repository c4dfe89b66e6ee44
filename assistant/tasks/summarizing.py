"""A summary of a text of any length, with what each of its sentences rests on.

What fits the model's window is summarized in one pass. A longer text is cut at its structural borders into passages:
the model says one sentence on each, then one on each few of these sentences until they are few enough, and writes the
summary from these. Every sentence of it is held against the part of the text that it was made from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assistant.engine.calls import completing, telling
from assistant.engine.engine import Engine, Event, GenerateOptions, Message, Result
from assistant.tasks.faithfulness import EngineCall, Point
from assistant.tasks.length import words_of
from assistant.tasks.prompting import Asking, laid_out
from assistant.tasks.styles import STYLES, Style
from assistant.tasks.summary_work import Reading, SummaryOptions, Work
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.memory.embedding import Embedder
    from assistant.tasks.sources import Source

__all__ = ["Reading", "Summary", "SummaryOptions", "summarize"]

WINDOW = 8192  # tokens: beyond it, reading gets slower by the token, and small models miss what stands in the middle


@dataclass(frozen=True)
class Summary:
    """A summary, and what is known of it.

    Attributes:
        summary: the text; ``[?]`` stands after what the source does not bear.
        source: the name of the source.
        coverage: share of the source's characters, white space aside, that the model has read: 1.0.
        points: its sentences or lines, in order; ``parts``: of each the place of its paragraph or heading.
        unsupported: what of them the source does not bear, as it is written there.
        timings: ``seconds`` of this run; the others are sums of all calls, those that an earlier run made among them.
        passages: in how many the source was read.
        language: of the summary: a code, a name, or empty where only known to be that of the source.
        words: of the summary.
        notes: what its reader should know: a length that could not be had.
    """

    summary: str
    source: str
    source_tokens: int
    coverage: float
    points: tuple[Point, ...]
    parts: tuple[int, ...]
    unsupported: tuple[str, ...]
    model: str
    timings: dict[str, float]
    passages: int
    language: str
    words: int
    style: Style
    notes: tuple[str, ...] = ()

    def with_marks(self, marks: Sequence[str]) -> str:
        """The text with something behind each of its points, as ``[1]``."""
        if not self.parts:
            return self.summary
        return laid_out(self.points, self.parts, Asking(self.style, self.language), marks)

    def to_json(self) -> dict[str, Any]:
        return {
            "summary": self.summary,
            "source": self.source,
            "source_tokens": self.source_tokens,
            "coverage": self.coverage,
            "points": [point.to_json() for point in self.points],
            "unsupported": list(self.unsupported),
            "model": self.model,
            "timings": self.timings,
            "passages": self.passages,
            "language": self.language,
            "words": self.words,
            "style": self.style,
            "notes": list(self.notes),
        }


def summarize(
    engine: Engine,
    source: Source,
    wanted: SummaryOptions,
    *,
    model: str,
    options: GenerateOptions | None = None,
    window: int | None = None,
    check: Callable[[], None] = lambda: None,
    embedder: Embedder | None = None,
) -> Generator[Event | Reading, None, Summary]:
    """Summarize a source. Yields how far it is beside the engine's events, and returns the summary.

    Args:
        model: its name, for the result.
        options: how answers are sampled; by default greedily.
        window: tokens to use of the model's; by default 8,192 if it has as many.
        check: raises Cancelled when it is to be stopped.
        embedder: compares sentences in two languages.

    Raises:
        DoesNotFit: the window has no room for the request, an answer and a piece of the text.
        UsageError: there is no text, no such style, no word in the focus, or no words are asked for.
        Unanswered: the model wrote nothing, and the text has no sentences that could stand for it.
        as :meth:`Engine.generate`; Cancelled.
    """
    if wanted.words is not None and wanted.words < 1:
        raise UsageError("A summary has at least one word.", "--words 100")
    if wanted.style not in STYLES:
        raise UsageError(f"There is no style {wanted.style!r}.", f"One of: {', '.join(STYLES)}.")
    if wanted.focus.strip() and not words_of(wanted.focus):
        raise UsageError(f"The focus {wanted.focus!r} has no words.", '--focus "what it costs"')
    if not source.text.strip():
        raise UsageError("There is no text to summarize.", "Give it some.")
    clock = _Clock(lambda messages, asked: completing(engine, messages, asked, check))
    info = yield from telling(engine, engine.load, check)
    work = Work(
        engine,
        source,
        wanted,
        min(window or WINDOW, info.context_length),
        options or GenerateOptions(temperature=0, seed=0),
        clock.call,
        embedder,
    )
    lines = yield from work.run()
    points, parts = tuple(one.point for one in lines), tuple(one.said.part for one in lines)
    text = laid_out(points, parts, work.asking)
    return Summary(
        summary=text,
        source=source.name,
        source_tokens=work.tokens,
        coverage=work.coverage,
        points=points,
        parts=parts,
        unsupported=tuple(dict.fromkeys(said for one in lines for said in one.point.unsupported)),
        model=model,
        timings=clock.timings(),
        passages=len(work.passages),
        language=work.asking.language,
        words=words_of(text),
        style=wanted.style,
        notes=tuple(work.remarks),
    )


class _Clock:
    """Asks, and adds up what it took."""

    def __init__(self, call: EngineCall):
        self._call = call
        self._started = time.perf_counter()
        self._sums = {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0}
        self._times = {"load_seconds": 0.0, "prefill_seconds": 0.0, "decode_seconds": 0.0}

    def call(self, messages: Sequence[Message], options: GenerateOptions) -> Generator[Event, None, Result]:
        result = yield from self._call(messages, options)
        self._sums["calls"] += 1
        self._sums["prompt_tokens"] += result.prompt_tokens
        self._sums["completion_tokens"] += result.completion_tokens
        for name in self._times:
            self._times[name] += getattr(result.timings, name)
        return result

    def timings(self) -> dict[str, float]:
        return {"seconds": time.perf_counter() - self._started, **self._times, **self._sums}
