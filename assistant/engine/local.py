"""The engine in this process: a question in, events out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from assistant.engine.beam_search import BeamSearch
from assistant.engine.calls import chosen
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
from assistant.engine.many import Many, Request, sequences_that_pay
from assistant.engine.scoring import Scoring, check_choices, close_reasoning
from assistant.engine.speculation.speculator import Speculator
from models.errors import Cancelled, UserError
from models.llama import Aborted

_FIRST_ANSWER = 256  # tokens of room behind the prompt before the KV cache has to grow


class LocalEngine:
    """An :class:`~assistant.engine.engine.Engine` that runs where it is called."""

    def __init__(self, path: Path, options: LoadOptions | None = None):
        self.path = path
        self.options = options or LoadOptions()
        self._loaded: Loaded | None = None
        self._many: Many | None = None
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
        prompt = loaded.prompt(messages, options)
        tokens, most, output = prompt.tokens, prompt.most, loaded.output(prompt)
        loaded.cache.reserve(len(tokens) + min(most, _FIRST_ANSWER))
        speculator = None
        if options.draft != "off" and options.beams == 1:
            with contextlib.suppress(Aborted):  # prefill will say so
                speculator = yield from loaded.prepare_drafting(self._is_cancelled)
        restored = loaded.reuse.restore(tokens, loaded.transcript, keep=options.keep_state)
        grammar = loaded.grammar(options.constraint) if options.constraint else None
        common = (loaded.model, loaded.cache, tokens, options)
        run: BeamSearch | Generation
        if options.beams > 1:
            run = BeamSearch(*common, most=most, shown=loaded.shown, stop=prompt.stop)
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
            loaded.transcript = (prompt.text + output.text, tokens + run.generated)
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
        self._cancelled = False
        if self._loaded:
            self._loaded.rearm()
        return self._score(messages, choices, on_progress or (lambda progress: None))

    def _score(self, messages: Sequence[Message], choices: Sequence[str], report: OnProgress) -> list[float]:
        check_choices(choices)
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

    def answer_many(
        self, requests: Iterable[Request], *, sequences: int | None = None
    ) -> Iterator[tuple[int, Result | UserError]]:
        """Answer many requests, several in each batch. What :meth:`generate` and :meth:`score` know of earlier
        prompts stays as it is, and both may be called between two answers.

        Args:
            requests: taken a few at a time, as answers are finished.
            sequences: answers that are written side by side; 1: one request after another; None: as few as give a
                token in about the least time by what batches of N tokens were measured to cost on this machine,
                t(N) / N. Choices have no number: as many requests are scored at once as fill a batch. Fewer where
                there is not enough memory for their KV cache, which is beside the engine's own. Models whose memory
                cannot be forked (recurrent ones) always answer one after another.

        Yields:
            (number of the request from 0, its answer), in the order in which they are finished. An answer is a
            :class:`~assistant.engine.calls.Choice` where there are choices, else a Result as of :meth:`generate`, but
            without drafting; its seconds are its share of the batches that it was in. An error is that of one request.

        Raises:
            ModelError: loading failed.
            Cancelled: :meth:`cancel` was called; what is unfinished is lost.
        """
        self._cancelled = False  # here, as in generate
        if self._loaded:
            self._loaded.rearm()
        return self._answer_many(requests, sequences)

    def _answer_many(
        self, requests: Iterable[Request], sequences: int | None
    ) -> Iterator[tuple[int, Result | UserError]]:
        loaded = self._load()
        if self._cancelled:
            loaded.stop()
        width = sequences or 1
        if sequences is None and loaded.model.can_rewind:
            try:
                width = sequences_that_pay(loaded.batch_costs())
            except Aborted as aborted:
                raise Cancelled() from aborted
        if width > 1 and loaded.model.can_rewind:
            self._many = Many(loaded, requests, width, self._answer, self._is_cancelled)
            yield from self._many.run()
            return
        for number, request in enumerate(requests):
            try:
                answer: Result | UserError = self._answer(request)
            except Cancelled:
                raise
            except UserError as error:
                answer = error
            yield number, answer

    def _answer(self, request: Request) -> Result:
        """Raises Cancelled: it was stopped; UserError: it cannot be answered."""
        if self._cancelled:
            raise Cancelled()
        if request.choices:
            started = time.perf_counter()
            scores = self._score(request.messages, request.choices, lambda progress: None)
            seconds = time.perf_counter() - started
            timings = Timings(first_token_seconds=seconds, prefill_seconds=seconds)
            prompt_tokens = len(self._load().cache.tokens)  # scoring leaves the prompt there
            return chosen(dict(zip(request.choices, scores, strict=True)), prompt_tokens, timings)
        *_, result = self._generate(request.messages, request.options)
        assert isinstance(result, Result)
        if result.finish_reason == "cancelled":
            raise Cancelled()
        return result

    def cancel(self) -> None:
        self._cancelled = True
        loaded = self._loaded  # once: another thread may close it
        if loaded:
            loaded.stop()

    def close(self) -> None:
        if self._many:
            self._many.close()
        self._many = None
        if self._loaded:
            self._loaded.close()
        self._loaded = None
