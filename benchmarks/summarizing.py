"""A summary as the program makes it, with what the engine did for it, for the benchmarks of summaries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from assistant.engine.calls import returned
from assistant.engine.engine import Event, GenerateOptions, Message, Result
from assistant.engine.local import LocalEngine
from assistant.memory.embedding import load_embedder
from assistant.tasks.finished import Finished, Run
from assistant.tasks.sources import Source
from assistant.tasks.summarizing import Summary, SummaryOptions, summarize

OPTIONS = GenerateOptions(temperature=0, draft="off", seed=1)
T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """One call that reached the engine. ``digest``: of its messages; ``tokens``: of the whole prompt."""

    digest: str
    tokens: int
    prefill_tokens: int
    prefill_seconds: float
    decode_tokens: int
    decode_seconds: float


@dataclass
class Watched:
    """An engine that notes what it is asked."""

    engine: LocalEngine
    on_call: Callable[[Asked], None] = lambda asked: None
    calls: list[Asked] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        for event in self.engine.generate(messages, options):
            if isinstance(event, Result):
                times = event.timings
                self.calls.append(
                    Asked(
                        hashlib.sha256(json.dumps([asdict(one) for one in messages]).encode()).hexdigest(),
                        event.prompt_tokens,
                        times.prefill_tokens,
                        times.prefill_seconds,
                        times.decode_tokens,
                        times.decode_seconds,
                    )
                )
                self.on_call(self.calls[-1])
            yield event


def summary_of(
    engine: LocalEngine | Watched, source: Source, wanted: SummaryOptions, model: str, *, run: Run | None = None
) -> Summary:
    """``run``: remembers what is finished; by default nothing does."""
    with Finished.in_memory() as finished:
        remembering = run or finished.run(source.digest, model)
        asked = remembering.engine(engine)  # type: ignore[arg-type]
        return returned(summarize(asked, source, wanted, model=model, options=OPTIONS, embedder=load_embedder()))
