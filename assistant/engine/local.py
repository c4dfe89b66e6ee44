"""The engine in this process: a question in, events out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from assistant.engine.beam_search import BeamSearch
from assistant.engine.engine import (
    Delta,
    Event,
    GenerateOptions,
    LoadOptions,
    Message,
    ModelInfo,
    OnProgress,
    Progress,
    Result,
    Speculation,
    Timings,
)
from assistant.engine.generation import Generation
from assistant.engine.kv_cache import KVCache
from assistant.engine.loaded import Loaded
from assistant.engine.output import Output
from assistant.engine.scoring import Scoring, check_choices, close_reasoning
from assistant.engine.speculation.speculator import Speculator
from models.errors import Cancelled, DoesNotFit
from models.llama import Aborted

_FIRST_ANSWER = 256  # tokens of room behind the prompt before the KV cache has to grow


class LocalEngine:
    """An :class:`~assistant.engine.engine.Engine` that runs where it is called."""

    def __init__(self, path: Path, options: LoadOptions | None = None):
        self.path = path
        self.options = options or LoadOptions()
        self._loaded: Loaded | None = None
        self._cancelled = False
        self._load_seconds = 0.0

    @property
    def kv_cache(self) -> KVCache:
        """What is computed already; the model is loaded for it."""
        return self._load().cache

    @property
    def speculator(self) -> Speculator | None:
        """What drafts; None: nothing has yet, or the model cannot take back single tokens."""
        return self._loaded.speculator if self._loaded else None

    # Loading

    def load(self, on_progress: OnProgress | None = None) -> ModelInfo:
        report = on_progress or (lambda progress: None)
        self._cancelled = False
        if self._loaded:
            self._loaded.rearm()  # an earlier load may have been stopped while the machine was measured
            report(Progress("load", 100, 100))
        loaded = self._load(report)
        try:
            if self.options.drafting:
                for progress in loaded.prepare_drafting(self._is_cancelled):
                    report(progress)
        except Aborted as aborted:
            raise Cancelled("Loading was stopped.") from aborted
        return loaded.info

    def _load(self, report: OnProgress = lambda progress: None) -> Loaded:
        if self._loaded:
            return self._loaded
        started = time.perf_counter()

        def progress(done: float) -> bool:
            report(Progress("load", round(done * 100), 100))
            return not self._cancelled

        self._loaded = Loaded(self.path, self.options, progress)
        self._load_seconds = time.perf_counter() - started
        return self._loaded

    def _is_cancelled(self) -> bool:
        return self._cancelled

    # Answering

    def count_tokens(self, messages: Sequence[Message]) -> int:
        self._cancelled = False
        loaded = self._load()
        return len(loaded.tokenize(loaded.format.render(messages)))

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        self._cancelled = False  # here, not at the first event: a cancel in between counts
        if self._loaded:
            self._loaded.rearm()
        return self._generate(messages, options)

    def _generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        started = time.perf_counter()
        was_loaded = self._loaded is not None
        try:
            if not was_loaded:
                yield Progress("load", 0, 100)
            loaded = self._load()
        except Cancelled:
            yield Result("", "", "cancelled", 0, 0)
            return
        if self._cancelled:
            loaded.stop()
        # A constraint is for the answer, and reasoning would come before it.
        silent = options.think == "off" or options.constraint is not None
        prompt = loaded.format.render(messages, None if options.think is None else not silent)
        if silent:
            prompt = close_reasoning(prompt, loaded.format)
        tokens = loaded.tokenize(prompt)
        limit = loaded.cache.limit
        if len(tokens) >= limit:
            raise DoesNotFit(
                f"The prompt has {len(tokens):,} tokens, but the window holds {limit:,}, the answer included.",
                "Shorten it, or choose a model with a longer window.",
            )
        room = limit - len(tokens)
        most = min(options.max_tokens, room) if options.max_tokens is not None else room
        loaded.cache.reserve(min(len(tokens) + min(most, _FIRST_ANSWER), limit))

        stop = (*options.stop, *loaded.format.stop)
        output = Output(
            stop,
            loaded.format.reasoning_markers,
            reasoning=loaded.format.opens_reasoning(prompt),
        )
        speculator = None
        if options.draft != "off" and options.beams == 1:
            with contextlib.suppress(Aborted):  # prefill will say so
                speculator = yield from loaded.prepare_drafting(self._is_cancelled)
        restored = loaded.reuse.restore(tokens, loaded.transcript, keep=options.keep_state)
        grammar = loaded.grammar(options.constraint) if options.constraint else None
        common = (loaded.model, loaded.cache, tokens, options)
        run: BeamSearch | Generation
        if options.beams > 1:
            run = BeamSearch(*common, most=most, shown=loaded.shown, stop=stop)
        else:
            run = Generation(*common, most=most, shown=loaded.shown, speculator=speculator, grammar=grammar)
        with contextlib.closing(run):
            prefill_started = time.perf_counter()
            prefilled, stopped = 0, False
            try:
                for prefilled, total in loaded.cache.prefill(tokens):
                    yield Progress("prefill", prefilled, total)
            except Aborted:
                stopped = True
            loaded.reuse.measured(prefilled, time.perf_counter() - prefill_started)
            decode_started = time.perf_counter()
            first_token_seconds = 0.0
            budget = options.think if isinstance(options.think, int) else None
            for raw in () if stopped else run.decode():
                first_token_seconds = first_token_seconds or time.perf_counter() - started
                for piece in output.feed(raw):
                    yield Delta(piece.text, piece.reasoning, len(run.generated))
                if output.stopped:
                    break
                if budget is not None and len(run.generated) >= budget and isinstance(run, Generation):
                    # At each token: others that were drafted with it may close the block before the forced ones come.
                    run.force(loaded.end_of_reasoning if output.inside else ())
            ended = time.perf_counter()
        for piece in output.finish():
            yield Delta(piece.text, piece.reasoning, len(run.generated))
        if not output.stopped and not output.reasoning:  # a stop string and reasoning are not in the next prompt
            loaded.transcript = (prompt + output.text, tokens + run.generated)
        yield Result(
            text=output.text,
            reasoning=output.reasoning,
            finish_reason="cancelled" if stopped else "stop" if output.stopped else run.finish_reason,
            prompt_tokens=len(tokens),
            completion_tokens=len(run.generated),
            timings=Timings(
                load_seconds=0.0 if was_loaded else self._load_seconds,
                first_token_seconds=first_token_seconds,
                prefill_tokens=prefilled,
                prefill_seconds=decode_started - prefill_started,
                decode_tokens=run.decoded,
                decode_seconds=ended - decode_started,
                restored_tokens=restored,
            ),
            speculation=speculator.summary() if speculator else Speculation(),
        )

    def score(
        self,
        messages: Sequence[Message],
        choices: Sequence[str],
        on_progress: OnProgress | None = None,
    ) -> list[float]:
        check_choices(choices)
        report = on_progress or (lambda progress: None)
        self._cancelled = False
        if self._loaded:
            self._loaded.rearm()
        report(Progress("prefill", 0, 0))
        loaded = self._load()
        if self._cancelled:
            loaded.stop()
        tokens = loaded.tokenize(close_reasoning(loaded.format.render(messages), loaded.format))
        scoring = Scoring(loaded.model, loaded.cache, tokens, choices)
        loaded.reuse.restore(tokens, loaded.transcript)
        started, done = time.perf_counter(), 0
        try:
            for done, total in scoring.run():
                report(Progress("prefill", done, total))
            loaded.reuse.measured(done, time.perf_counter() - started)
        except Aborted as aborted:
            raise Cancelled() from aborted
        return scoring.scores

    def cancel(self) -> None:
        self._cancelled = True
        loaded = self._loaded  # once: another thread may close it
        if loaded:
            loaded.stop()

    def close(self) -> None:
        if self._loaded:
            self._loaded.close()
        self._loaded = None
