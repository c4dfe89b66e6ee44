"""A model in memory, with all that answers share: KV cache, chat format, drafters, grammar vocabulary, prompt cache."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from assistant.engine.chat_format import ChatFormat
from assistant.engine.engine import Constraint, GenerateOptions, LoadOptions, Message, ModelInfo, Progress
from assistant.engine.kv_cache import KVCache
from assistant.engine.output import Output
from assistant.engine.prompt_reuse import PromptReuse, Transcript
from assistant.engine.scoring import close_reasoning
from assistant.engine.speculation.costs import BatchCosts
from assistant.engine.speculation.prepare import costs_of, prepare
from assistant.engine.speculation.speculator import Speculator
from assistant.engine.structured import Grammar, Vocabulary
from models import adapter, fit, gguf_header, hardware, llama
from models.errors import DoesNotFit, ModelError
from models.gguf_header import Header
from models.llama import Aborted, Adapter, Model

_SMALLEST_WINDOW = 512  # tried even where the estimate says that nothing fits: estimates err
_COMMON_WINDOW = 8192  # room for it is left on a GPU when layers are counted


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked, as the model reads it.

    Attributes:
        most: tokens that the answer may have.
        stop: strings that end it, those of the chat format among them.
        opens_reasoning: the answer begins inside a block of reasoning.
    """

    text: str
    tokens: list[int]
    most: int
    stop: tuple[str, ...]
    opens_reasoning: bool


class Loaded:
    """Loads the model.

    Args:
        on_progress: called with 0.0 … 1.0; returning False cancels.

    Attributes:
        shown: control tokens whose text is part of the output.
        transcript: the last prompt and answer, as text and as the very tokens that were generated. The same text cut
            anew could give other tokens, and the KV cache of the whole answer would be lost.
        speculator: what drafts; None: nothing has yet, or the model cannot take back single tokens.

    Raises:
        ModelError: the file cannot be used.
        Cancelled: ``on_progress`` returned False.
    """

    def __init__(self, path: Path, options: LoadOptions, on_progress: Callable[[float], bool]):
        header = gguf_header.read_header(path)  # a damaged file must not reach llama.cpp
        if options.lora:
            adapter.check(Path(options.lora), header)
        gpu_layers, most = _placement(header, options)
        self.model = model = Model(path, gpu_layers=gpu_layers, on_progress=on_progress)
        try:
            if not model.can_generate:
                raise ModelError(
                    f"{path.name} is an encoder and cannot write answers.", "Choose a chat model (`assistant models`)."
                )
            if options.lora:
                model.adapter = Adapter(model, Path(options.lora), options.lora_scale)
            window = min(options.context_length or model.trained_context_length, model.trained_context_length)
            if options.context_length is None:
                window = min(window, max(most, _SMALLEST_WINDOW))
            self.format = self._chat_format()
            self.info = ModelInfo(
                path=str(path),
                description=model.description,
                architecture=model.metadata("general.architecture") or "",
                parameters=model.parameters,
                size=model.size,
                context_length=window,
                trained_context_length=model.trained_context_length,
                reasoning=self.format.reasoning_markers is not None,
                offloaded=model.offloaded,
                threads=options.threads or hardware.default_threads(),
            )
        except BaseException:
            model.close()
            raise
        self._options = options
        self.cache = KVCache(model, limit=window, threads=self.info.threads, kv_type=options.kv_type)
        self.reuse = PromptReuse(options, model, self.cache)
        self.shown = self._control_tokens("".join(self.format.reasoning_markers or ()))
        self.transcript: Transcript = ("", [])
        self.speculator: Speculator | None = None

    @cached_property
    def end_of_reasoning(self) -> list[int]:
        """Tokens that close a block of reasoning."""
        closing = self.format.reasoning_markers[1] if self.format.reasoning_markers else ""
        return self.model.tokenize(f"\n{closing}\n\n", add_special=False, parse_special=True)

    def _chat_format(self) -> ChatFormat:
        model = self.model

        def text(token: int) -> str:
            return model.piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

        def control_texts(content: str) -> set[str]:
            return {text(token) for token in self._control_tokens(content)}

        return ChatFormat(model.chat_template, control_texts=control_texts, bos=text(model.bos), eos=text(model.eos))

    def _control_tokens(self, text: str) -> frozenset[int]:
        tokens = set(self.model.tokenize(text, add_special=False, parse_special=True))
        return frozenset(token for token in tokens if self.model.is_control(token))

    def tokenize(self, prompt: str) -> list[int]:
        """The tokens of a rendered prompt, those that are in the KV cache or on disk already as they are there."""
        model = self.model
        for text, tokens in chain([self.transcript], self.reuse.transcripts(prompt)):
            if not text or not prompt.startswith(text):
                continue
            rest = model.tokenize(prompt[len(text) :], add_special=False, parse_special=True)
            if not rest or model.is_control(rest[0]):  # a clean cut: nothing merges across a control token
                return tokens + rest
        # Whoever wrote the BOS into the template does not want a second one.
        has_bos = bool(self.format.bos) and prompt.startswith(self.format.bos)
        tokens = model.tokenize(prompt, add_special=not has_bos, parse_special=True)
        if not has_bos and len(tokens) > 1 and tokens[-1] == model.eos and not prompt.endswith(self.format.eos):
            tokens.pop()  # some vocabularies close every text: an open prompt must stay open
        return tokens

    def prompt(self, messages: Sequence[Message], options: GenerateOptions) -> Prompt:
        """Raises DoesNotFit: the prompt leaves no room in the window."""
        # A constraint is for the answer, and reasoning would come before it.
        silent = options.think == "off" or options.constraint is not None
        text = self.format.render(messages, None if options.think is None else not silent)
        if silent:
            text = close_reasoning(text, self.format)
        tokens, limit = self.tokenize(text), self.cache.limit
        if len(tokens) >= limit:
            raise DoesNotFit(
                f"The prompt has {len(tokens):,} tokens, but the window holds {limit:,}, the answer included.",
                "Shorten it, or choose a model with a longer window.",
            )
        room = limit - len(tokens)
        most = min(options.max_tokens, room) if options.max_tokens is not None else room
        stop = (*options.stop, *self.format.stop)
        return Prompt(text, tokens, most, stop, self.format.opens_reasoning(text))

    def output(self, prompt: Prompt) -> Output:
        """For an answer to this prompt."""
        return Output(prompt.stop, self.format.reasoning_markers, reasoning=prompt.opens_reasoning)

    def batch_costs(self) -> BatchCosts:
        """What batches cost on this machine; measured now if that was never done.

        Raises:
            Aborted: it was stopped meanwhile.
        """
        if self.speculator:
            return self.speculator.costs
        measuring = costs_of(self.model, self.cache, threads=self.info.threads, kv_type=self._options.kv_type)
        while True:
            try:
                next(measuring)
            except StopIteration as end:
                costs: BatchCosts = end.value[0]
                return costs

    def room_aside(self) -> int:
        """Tokens of another context that there is memory for now."""
        header = gguf_header.read_header(self.model.path)
        if self.model.offloaded[0]:
            free = sum(device.memory_free for device in llama.devices() if device.is_gpu)
        else:
            free = hardware.memory().available
        # The weights are in memory already.
        return fit.largest_window(header, free + header.size, self._options.kv_type)

    def prepare_drafting(self, is_cancelled: Callable[[], bool]) -> Generator[Progress, None, Speculator | None]:
        """What drafts for the model; the machine is measured the first time.

        Raises:
            Aborted: it was cancelled.
        """
        if self.speculator or not self.model.can_rewind:
            return self.speculator
        preparing = prepare(
            self.model,
            self.cache,
            draft_model=Path(self._options.draft_model) if self._options.draft_model else None,
            threads=self.info.threads,
            gpu_layers=self._options.gpu_layers,
            kv_type=self._options.kv_type,
        )
        with contextlib.closing(preparing):
            while True:
                try:
                    progress = next(preparing)
                except StopIteration as end:
                    self.speculator = end.value
                    return self.speculator
                if is_cancelled():
                    raise Aborted
                yield progress

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.model)

    def grammar(self, constraint: Constraint) -> Grammar:
        """Raises UsageError: the constraint cannot be used."""
        return Grammar(self._vocabulary, constraint)

    def stop(self) -> None:
        """End what is being computed, from any thread, and refuse more until :meth:`rearm`."""
        self.cache.stop()
        if self.speculator:
            self.speculator.stop()

    def rearm(self) -> None:
        self.cache.rearm()
        if self.speculator:
            self.speculator.rearm()

    def close(self) -> None:
        """Keep on disk what is worth it, and free all memory."""
        if self.speculator:
            self.speculator.close()
        self.reuse.store(self.transcript)
        self.cache.close()
        self.model.close()


def _placement(header: Header, options: LoadOptions) -> tuple[int, int]:
    """How many layers to offload, and how many tokens of window there is memory for, before anything is loaded."""
    available = hardware.memory().available
    gpus = [device for device in llama.devices() if device.is_gpu and device.memory_total]
    layers, kv_type = options.gpu_layers, options.kv_type
    if not gpus or layers == 0:
        return layers, fit.largest_window(header, available, kv_type)
    free = sum(gpu.memory_free for gpu in gpus)
    if layers < 0:
        context_length = options.context_length or _COMMON_WINDOW
        layers = fit.layers_that_fit(header, free, min(context_length, header.context_length), kv_type)
    share = min(1.0, layers / (header.layers + 1))
    room = int(free + available * (1 - share)) if share < 1 else free
    return layers, fit.largest_window(header, room, kv_type)
