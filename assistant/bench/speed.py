"""The speed of every workload, plain and with drafting: in turns, on one loaded model, within a given time."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from assistant.bench import limits
from assistant.bench.workloads import WORKLOADS, Workload
from assistant.engine.engine import DraftMode, GenerateOptions, LoadOptions, ModelInfo, Result, Speculation
from assistant.engine.local import LocalEngine
from assistant.engine.speculation.costs import BatchCosts
from models.errors import Cancelled, ModelError
from models.gguf_header import read_header

_WARM_UP = 16  # tokens, which also tell how much there is time for
_FEWEST, _MOST = 16, 256  # tokens of an answer
_READING = 0.3  # share of the time that prompts may take in the first round; longer documents are shortened
_SHORTEST = 0.1  # share of a document that is always read
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # batches that are reported
_GRACE = 1.1  # times the time, after which the answer that runs is given up


@dataclass(frozen=True, slots=True)
class Row:
    """One workload.

    Attributes:
        tokens: of its longest answer. plain, drafting: tokens per second of decode, medians of the rounds.
        ratio: drafting / plain, the median of the pairs.
        allowed: the ratio that the costs of batches allow where so many drafted tokens are right (``limits.bound``).
        speculation: of all rounds together.
    """

    workload: str
    tokens: int
    plain: float
    drafting: float | None = None
    ratio: float | None = None
    allowed: float | None = None
    speculation: Speculation | None = None


@dataclass(frozen=True, slots=True)
class Best:
    """The tokens per second that batches allow if every drafted token is right, and the drafted tokens of a round."""

    tokens_per_second: float
    drafted: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found.

    Attributes:
        without_model: why there is no draft model. share: of the documents that there was time to read.
        rounds: complete ones. complete: it was neither stopped nor out of time.
        bandwidth: of the memory, bytes per second read by as many threads as the model uses; None: layers are on a GPU.
        bytes_per_token: of weights. batch_seconds: t(N), by N.
        draft_token_seconds: of a token of the draft model.
        best_lookup, best_model: for a drafter that costs nothing, and for the draft model.
    """

    model: ModelInfo
    draft_model: str | None
    without_model: str
    rows: list[Row]
    rounds: int
    share: float
    seconds: float
    complete: bool
    bandwidth: float | None
    bytes_per_token: int
    batch_seconds: dict[int, float] = field(default_factory=dict)
    draft_token_seconds: float | None = None
    best_lookup: Best | None = None
    best_model: Best | None = None

    @property
    def bandwidth_share(self) -> float | None:
        """How much of the bandwidth plain decoding of the first workload uses; where a form forces tokens, batches are
        larger."""
        if not self.rows or not self.bandwidth:
            return None
        return self.rows[0].plain * self.bytes_per_token / self.bandwidth


_Mode = Literal["plain", "drafting"]
_DRAFT: dict[_Mode, DraftMode] = {"plain": "off", "drafting": "auto"}


class Bench:
    """
    Args:
        path: of the model. options: how it is loaded, a draft model with it; prompts are not kept on disk.
        seconds: that all of it may take.
        tokens: of an answer at the most; of one that has to be long, so many times more.

    Attributes:
        stopped: :meth:`cancel` was called.
    """

    def __init__(
        self,
        path: Path,
        options: LoadOptions | None = None,
        *,
        seconds: float,
        rounds: int = 5,
        tokens: int = _MOST,
        workloads: Sequence[Workload] = WORKLOADS,
    ):
        self._path, self._options = path, options or LoadOptions()
        self._seconds, self._rounds, self._tokens, self._workloads = seconds, rounds, tokens, workloads
        # What is found on disk would not be read by the model.
        self._engine = LocalEngine(path, replace(self._options, prompt_cache=False))
        self._info: ModelInfo | None = None
        self._results: dict[str, dict[_Mode, list[Result]]] = {}
        self._bandwidth: float | None = None
        self._share, self._done = 1.0, 0
        self.stopped = self._out_of_time = False
        self._started = self._ended = time.perf_counter()

    def run(self) -> Iterator[str]:
        """Measure; yields what is being done. :meth:`report` can be called afterwards, stopped or not.

        Raises:
            ModelError: the model cannot be loaded. Cancelled: it was stopped before there was anything to report.
        """
        self._started = self._ended = time.perf_counter()
        try:
            yield "loading the model, measuring its batches"
            self._info = self._engine.load()
            if not self._info.offloaded[0]:
                yield "measuring the memory"
                self._bandwidth = limits.read_bandwidth(self._info.threads)
            yield from self._measure()
        finally:
            self._ended = time.perf_counter()

    def _measure(self) -> Iterator[str]:
        yield "warming up"
        modes: tuple[_Mode, ...] = ("plain",)
        first = self._answer(self._workloads[0], "off", _WARM_UP)
        if first is None:
            return
        speculator = self._engine.speculator
        if speculator:
            modes = ("plain", "drafting")
        if speculator and not speculator.without_model:
            with contextlib.suppress(ModelError):  # not enough memory: drafting goes on without it
                self._answer(self._workloads[0], "model", _WARM_UP)  # loading it is no part of an answer
        tokens = self._plan(first, len(modes))
        round_seconds = 0.0
        for number in range(self._rounds):
            if number and self._elapsed + round_seconds > self._seconds:
                return
            began = time.perf_counter()
            for index, workload in enumerate(self._workloads):
                for mode in modes[:: 1 if (number + index) % 2 == 0 else -1]:
                    yield f"round {number + 1}: {workload.name}, {mode}"
                    result = self._answer(workload, _DRAFT[mode], tokens)
                    if result is None:
                        return
                    self._results.setdefault(workload.name, {"plain": [], "drafting": []})[mode].append(result)
            self._done += 1
            round_seconds = time.perf_counter() - began

    @property
    def _elapsed(self) -> float:
        return time.perf_counter() - self._started

    def _plan(self, first: Result, modes: int) -> int:
        """Shorten the documents and the answers so that two rounds fit into the time; returns tokens of an answer."""
        left = self._seconds - self._elapsed
        reads = first.timings.prefill_tokens / first.timings.prefill_seconds
        questions, documents = 0, 0
        for workload in self._workloads:
            alone = self._engine.count_tokens(workload.messages(0))
            questions += alone
            documents += self._engine.count_tokens(workload.messages()) - alone
        room = left * _READING * reads - questions
        self._share = min(1.0, max(_SHORTEST, room / documents)) if documents else 1.0
        decoding = left / 2 - (questions + self._share * documents) / reads
        each = decoding * rate(first) / (modes * sum(workload.length for workload in self._workloads))
        return min(self._tokens, max(_FEWEST, int(each)))

    def _answer(self, workload: Workload, draft: DraftMode, tokens: int) -> Result | None:
        """None: it was stopped, or the time is over."""
        options = GenerateOptions(
            temperature=0, max_tokens=tokens * workload.length, draft=draft, constraint=workload.constraint
        )
        result: Result | None = None
        for event in self._engine.generate(workload.messages(self._share), options):
            self._out_of_time = self._out_of_time or self._elapsed > self._seconds * _GRACE
            if isinstance(event, Result):
                result = event
            elif self.stopped or self._out_of_time:
                self._engine.cancel()
        return None if self.stopped or self._out_of_time else result

    def cancel(self) -> None:
        """Stop soon, from any thread; what is measured stays."""
        self.stopped = True
        self._engine.cancel()

    def close(self) -> None:
        self._engine.close()

    def report(self) -> Report:
        """What is measured so far; before :meth:`close`.

        Raises:
            Cancelled: nothing is.
        """
        if self._info is None:
            raise Cancelled("The measurement was stopped before it began.")
        speculator = self._engine.speculator
        costs = speculator.costs if speculator else None
        draft_token = speculator.draft_token_seconds if speculator else None
        return Report(
            model=self._info,
            draft_model=self._options.draft_model if draft_token is not None else None,
            without_model=speculator.without_model if speculator else "it cannot take back single tokens",
            rows=[row for workload in self._workloads if (row := self._row(workload.name))],
            rounds=self._done,
            share=self._share,
            seconds=self._ended - self._started,
            complete=self._done > 0 and not (self.stopped or self._out_of_time),
            bandwidth=self._bandwidth,
            bytes_per_token=limits.bytes_per_token(read_header(self._path)),
            batch_seconds={size: costs(size) for size in _SIZES} if costs else {},
            draft_token_seconds=draft_token,
            best_lookup=_best(costs, 0.0) if costs else None,
            best_model=_best(costs, draft_token) if costs and draft_token is not None else None,
        )

    def _row(self, name: str) -> Row | None:
        results = self._results.get(name, {})
        plain, drafting = (results.get(mode, []) for mode in ("plain", "drafting"))
        if not plain:
            return None
        row = Row(name, max(one.completion_tokens for one in plain), statistics.median(map(rate, plain)))
        speculator = self._engine.speculator
        if not drafting or not speculator:
            return row
        speculation = together([one.speculation for one in drafting])
        generated = sum(one.timings.decode_tokens for one in drafting)
        return replace(
            row,
            drafting=statistics.median(map(rate, drafting)),
            ratio=statistics.median(rate(b) / rate(a) for a, b in zip(plain, drafting, strict=False)),
            allowed=limits.bound(speculator.costs, speculation, generated, speculator.draft_token_seconds or 0.0),
            speculation=speculation,
        )


def rate(result: Result) -> float:
    """Tokens per second of decode; what was computed of the answer, which its last token is not."""
    return max(result.timings.decode_tokens, 1) / result.timings.decode_seconds


def together(parts: Sequence[Speculation]) -> Speculation:
    """What drafting did in several answers."""
    modes = dict.fromkeys(mode for part in parts for mode in part.mode.split("+") if part.rounds)
    lengths: Counter[int] = Counter()
    for part in parts:
        lengths.update(dict(part.lengths))
    rounds, drafted = sum(part.rounds for part in parts), sum(part.drafted for part in parts)
    return Speculation(
        mode="+".join(modes) or "none",
        rounds=rounds,
        drafted=drafted,
        accepted=sum(part.accepted for part in parts),
        mean_length=round(drafted / rounds, 2) if rounds else 0.0,
        lengths=tuple(lengths.most_common()),
        gain=statistics.median(part.gain for part in parts),
    )


def _best(costs: BatchCosts, draft_token: float) -> Best:
    drafted, gain = limits.best_length(costs, 1.0, draft_token)
    return Best(gain / costs(1), drafted)
