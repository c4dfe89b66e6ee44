"""The engine in this process: chat format, KV cache, sampler and decode loop put together."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from assistant.engine.beam_search import BeamSearch
from assistant.engine.chat_format import ChatFormat
from assistant.engine.engine import (
    Delta,
    Event,
    GenerateOptions,
    LoadOptions,
    Message,
    ModelInfo,
    Progress,
    Result,
    Speculation,
    Timings,
)
from assistant.engine.generation import Generation
from assistant.engine.kv_cache import KVCache
from assistant.engine.output import Output
from assistant.engine.prompt_reuse import PromptReuse, Transcript
from assistant.engine.scoring import Scoring, check_choices, close_reasoning
from assistant.engine.speculation.prepare import prepare
from assistant.engine.speculation.speculator import Speculator
from assistant.engine.structured import Grammar, Vocabulary
from models import fit, gguf_header, hardware, llama
from models.errors import Cancelled, DoesNotFit, ModelError
from models.gguf_header import Header
from models.llama import Aborted, Model

_SMALLEST_WINDOW = 512  # tried even where the estimate says that nothing fits: estimates err
_COMMON_WINDOW = 8192  # room for it is left on a GPU when layers are counted
_FIRST_ANSWER = 256  # tokens of room behind the prompt before the KV cache has to grow


@dataclass
class _Loaded:
    """All that exists only while a model is in memory."""

    model: Model
    cache: KVCache
    format: ChatFormat
    info: ModelInfo
    reuse: PromptReuse
    # The last prompt and answer, as text and as the very tokens that were generated. The same text cut anew could give
    # other tokens, and the KV cache of the whole answer would be lost.
    transcript: Transcript = ("", [])
    shown: frozenset[int] = frozenset()  # control tokens whose text is part of the output
    speculator: Speculator | None = None  # once something may draft
    vocabulary: Vocabulary | None = None  # once an answer is constrained

    def stop(self) -> None:
        self.cache.stop()
        if self.speculator:
            self.speculator.stop()

    def rearm(self) -> None:
        self.cache.rearm()
        if self.speculator:
            self.speculator.rearm()

    def close(self) -> None:
        if self.speculator:
            self.speculator.close()
        self.reuse.store(self.transcript)
        self.cache.close()
        self.model.close()


def _control_tokens(model: Model, text: str) -> frozenset[int]:
    tokens = set(model.tokenize(text, add_special=False, parse_special=True))
    return frozenset(token for token in tokens if model.is_control(token))


class LocalEngine:
    """An :class:`~assistant.engine.engine.Engine` that runs where it is called."""

    def __init__(self, path: Path, options: LoadOptions | None = None):
        self.path = path
        self.options = options or LoadOptions()
        self._loaded: _Loaded | None = None
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

    def load(self, on_progress: Callable[[float], None] | None = None) -> ModelInfo:
        self._cancelled = False
        loaded = self._load(on_progress)
        try:
            for _ in self._prepare(loaded):
                pass
        except Aborted as aborted:
            raise Cancelled("Loading was stopped.") from aborted
        return loaded.info

    def _load(self, on_progress: Callable[[float], None] | None = None) -> _Loaded:
        if self._loaded:
            return self._loaded
        started = time.perf_counter()
        header = gguf_header.read_header(self.path)  # a damaged file must not reach llama.cpp
        gpu_layers, most = self._placement(header)

        def progress(done: float) -> bool:
            if on_progress:
                on_progress(done)
            return not self._cancelled

        model = Model(self.path, gpu_layers=gpu_layers, on_progress=progress)
        try:
            if not model.can_generate:
                raise ModelError(
                    f"{self.path.name} is an encoder and cannot write answers.",
                    "Choose a chat model (`assistant models`).",
                )
            threads = self.options.threads or hardware.default_threads()
            window = min(self.options.context_length or model.trained_context_length, model.trained_context_length)
            if self.options.context_length is None:
                window = min(window, max(most, _SMALLEST_WINDOW))
            chat_format = self._chat_format(model)
            info = ModelInfo(
                path=str(self.path),
                description=model.description,
                architecture=model.metadata("general.architecture") or "",
                parameters=model.parameters,
                size=model.size,
                context_length=window,
                trained_context_length=model.trained_context_length,
                reasoning=chat_format.reasoning_markers is not None,
                offloaded=model.offloaded,
                threads=threads,
            )
        except BaseException:
            model.close()
            raise
        cache = KVCache(model, limit=window, threads=threads, kv_type=self.options.kv_type)
        self._loaded = _Loaded(
            model,
            cache,
            chat_format,
            info,
            PromptReuse(self.options, model, cache),
            shown=_control_tokens(model, "".join(chat_format.reasoning_markers or ())),
        )
        self._load_seconds = time.perf_counter() - started
        return self._loaded

    def _placement(self, header: Header) -> tuple[int, int]:
        """How many layers to offload, and how many tokens of window there is memory for, before anything is loaded."""
        available = hardware.memory().available
        gpus = [device for device in llama.devices() if device.is_gpu and device.memory_total]
        layers, kv_type = self.options.gpu_layers, self.options.kv_type
        if not gpus or layers == 0:
            return layers, fit.largest_window(header, available, kv_type)
        free = sum(gpu.memory_free for gpu in gpus)
        if layers < 0:
            context_length = self.options.context_length or _COMMON_WINDOW
            layers = fit.layers_that_fit(header, free, min(context_length, header.context_length), kv_type)
        share = min(1.0, layers / (header.layers + 1))
        room = int(free + available * (1 - share)) if share < 1 else free
        return layers, fit.largest_window(header, room, kv_type)

    @staticmethod
    def _chat_format(model: Model) -> ChatFormat:
        def text(token: int) -> str:
            return model.piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

        def control_texts(content: str) -> set[str]:
            return {text(token) for token in _control_tokens(model, content)}

        return ChatFormat(model.chat_template, control_texts=control_texts, bos=text(model.bos), eos=text(model.eos))

    # Prompts

    def count_tokens(self, messages: Sequence[Message]) -> int:
        loaded = self._load()
        return len(self._tokenize(loaded, loaded.format.render(messages)))

    def _tokenize(self, loaded: _Loaded, prompt: str) -> list[int]:
        model = loaded.model
        for text, tokens in chain([loaded.transcript], loaded.reuse.transcripts(prompt)):
            if not text or not prompt.startswith(text):
                continue
            rest = model.tokenize(prompt[len(text) :], add_special=False, parse_special=True)
            if not rest or model.is_control(rest[0]):  # a clean cut: nothing merges across a control token
                return tokens + rest
        # Whoever wrote the BOS into the template does not want a second one.
        has_bos = bool(loaded.format.bos) and prompt.startswith(loaded.format.bos)
        tokens = model.tokenize(prompt, add_special=not has_bos, parse_special=True)
        if not has_bos and len(tokens) > 1 and tokens[-1] == model.eos and not prompt.endswith(loaded.format.eos):
            tokens.pop()  # some vocabularies close every text: an open prompt must stay open
        return tokens

    # Answering

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        self._cancelled = False  # here, not at the first event: a cancel in between counts
        if self._loaded:
            self._loaded.rearm()
        return self._generate(messages, options)

    def _prepare(self, loaded: _Loaded) -> Generator[Progress, None, Speculator | None]:
        """What drafts for the model, measured the first time.

        Raises:
            Aborted: :meth:`cancel` was called.
        """
        if not loaded.model.can_rewind or loaded.speculator:
            return loaded.speculator
        preparing = prepare(
            loaded.model,
            loaded.cache,
            draft_model=Path(self.options.draft_model) if self.options.draft_model else None,
            threads=loaded.info.threads,
            gpu_layers=self.options.gpu_layers,
            kv_type=self.options.kv_type,
        )
        with contextlib.closing(preparing):
            while True:
                try:
                    progress = next(preparing)
                except StopIteration as end:
                    loaded.speculator = end.value
                    return loaded.speculator
                if self._cancelled:
                    raise Aborted
                yield progress

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
        prompt = loaded.format.render(messages)
        if options.constraint:  # it is for the answer, and reasoning would come before it
            prompt = close_reasoning(prompt, loaded.format)
        tokens = self._tokenize(loaded, prompt)
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
                speculator = yield from self._prepare(loaded)
        restored = loaded.reuse.restore(tokens, loaded.transcript, keep=options.keep_state)
        grammar = None
        if options.constraint:
            loaded.vocabulary = loaded.vocabulary or Vocabulary(loaded.model)
            grammar = Grammar(loaded.vocabulary, options.constraint)
        common = (loaded.model, loaded.cache, tokens, options)
        run: BeamSearch | Generation
        if options.beams > 1:
            run = BeamSearch(*common, most=most, shown=loaded.shown, stop=stop)
        else:
            run = Generation(*common, most=most, shown=loaded.shown, speculator=speculator, grammar=grammar)
        with contextlib.closing(run):
            prefill_started = time.perf_counter()
            for done, total in run.prefill():
                yield Progress("prefill", done, total)
            loaded.reuse.measured(run.prefilled, time.perf_counter() - prefill_started)
            decode_started = time.perf_counter()
            first_token_seconds = 0.0
            for raw in run.decode():
                first_token_seconds = first_token_seconds or time.perf_counter() - started
                for piece in output.feed(raw):
                    yield Delta(piece.text, piece.reasoning, len(run.generated))
                if output.stopped:
                    break
            ended = time.perf_counter()
        for piece in output.finish():
            yield Delta(piece.text, piece.reasoning, len(run.generated))
        if not output.stopped and not output.reasoning:  # a stop string and reasoning are not in the next prompt
            loaded.transcript = (prompt + output.text, tokens + run.generated)
        yield Result(
            text=output.text,
            reasoning=output.reasoning,
            finish_reason="stop" if output.stopped else run.finish_reason,
            prompt_tokens=len(tokens),
            completion_tokens=len(run.generated),
            timings=Timings(
                load_seconds=0.0 if was_loaded else self._load_seconds,
                first_token_seconds=first_token_seconds,
                prefill_tokens=run.prefilled,
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
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[float]:
        check_choices(choices)
        report = on_progress or (lambda done, total: None)
        self._cancelled = False
        if self._loaded:
            self._loaded.rearm()
        report(0, 0)
        loaded = self._load()
        if self._cancelled:
            loaded.stop()
        tokens = self._tokenize(loaded, close_reasoning(loaded.format.render(messages), loaded.format))
        scoring = Scoring(loaded.model, loaded.cache, tokens, choices)
        loaded.reuse.restore(tokens, loaded.transcript)
        started, done = time.perf_counter(), 0
        try:
            for done, total in scoring.run():
                report(done, total)
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
