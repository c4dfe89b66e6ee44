"""The Engine protocol: what callers know of the thing that answers, whether it lives here or in a child process.

One chat turn is ``for event in engine.generate(messages, options)``: some :class:`Progress`, many :class:`Delta`,
and one :class:`Result` at the end. All of these are plain data, so that they can cross a pipe as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from models.errors import UserError

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled", "repetition"]
DraftMode = Literal["auto", "off", "lookup", "model"]
ConstraintKind = Literal["json_schema", "regex", "choices", "lark"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as the chat template of the model sees it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a model is put into memory.

    Attributes:
        context_length: the largest window in tokens; None: as much as the model knows and memory allows. It is a limit:
            the KV cache starts small and grows with need.
        threads: of the CPU; None: one per physical core that this process may use.
        gpu_layers: layers to offload; -1: all, 0: none. Ignored by a build without a GPU.
        kv_type: of the KV cache; ``q8_0`` takes half the memory, at a small cost in quality.
        draft_model: path of a model of the same vocabulary that may draft; it is loaded when it pays.
        drafting: :meth:`Engine.load` prepares for it already.
        prompt_cache: keep KV states on disk and find them again; ``prompt_cache_limit``: bytes of them all.
        private: nothing of what is asked reaches the disk; states that are there are used.
        lora: path of a LoRA adapter in GGUF that is added to the model; ``lora_scale``: how strongly, 1 as trained.
    """

    context_length: int | None = None
    threads: int | None = None
    gpu_layers: int = -1
    kv_type: Literal["f16", "q8_0"] = "f16"
    draft_model: str | None = None
    drafting: bool = True
    prompt_cache: bool = True
    prompt_cache_limit: int = 2_000_000_000
    private: bool = False
    lora: str | None = None
    lora_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an answer must look like; the engine lets no other token through.

    Attributes:
        text: a JSON Schema, a regular expression, a JSON list of strings to choose from, or a Lark grammar.
    """

    kind: ConstraintKind
    text: str


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How one answer is sampled.

    Attributes:
        temperature: 0 is greedy decoding.
        repeat_penalty: over the last 64 generated tokens; 1 is off.
        seed: None draws a fresh one.
        max_tokens: of the answer, reasoning included; None: as far as the window goes.
        stop: strings that end the answer; they are not part of it.
        constraint: what the answer must look like.
        beams: more than 1: beam search of that width instead of sampling.
        draft: what drafts tokens for the model to check in one batch; ``auto`` is whatever is fastest, perhaps nothing.
        num_draft_tokens: in each round, instead of as many as pay.
        think: of a model that reasons before it answers: ``off`` lets it answer at once, a number closes the reasoning
            after so many tokens, ``on`` asks for it; None: as the model's template has it. A constraint, which is for
            the answer, turns it off.
        keep_state: False for a prompt that does not come again, like one for a summary: it is not worth the disk.
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    constraint: Constraint | None = None
    beams: int = 1
    draft: DraftMode = "auto"
    num_draft_tokens: int | None = None
    think: Literal["on", "off"] | int | None = None
    keep_state: bool = True


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a loaded model.

    Attributes:
        context_length: the window in tokens that a conversation may fill here (limit, not what is allocated).
        trained_context_length: what the file says the model was trained for.
        reasoning: it thinks in a block of its own before it answers.
        offloaded: layers on a GPU and layers in all, as llama.cpp reported after loading.
    """

    path: str
    description: str
    architecture: str
    parameters: int
    size: int
    context_length: int
    trained_context_length: int
    reasoning: bool
    offloaded: tuple[int, int]
    threads: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds and tokens of each phase. ``load_seconds`` is 0 when the model was in memory already;
    ``prefill_tokens`` counts what was computed, not what the KV cache already held; ``restored_tokens`` what came from
    the prompt cache on disk."""

    load_seconds: float = 0.0
    first_token_seconds: float = 0.0
    prefill_tokens: int = 0
    prefill_seconds: float = 0.0
    decode_tokens: int = 0
    decode_seconds: float = 0.0
    restored_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Speculation:
    """What drafting did in one answer.

    Attributes:
        mode: who drafted: ``lookup``, ``model``, ``lookup+model``; ``none``: nothing was worth it; ``off``: nobody may.
        rounds: batches that had drafted tokens in them.
        drafted, accepted: tokens in all.
        mean_length: drafted tokens in a round.
        lengths: (drafted tokens, rounds that drafted so many), the most frequent first.
        gain: tokens per second, in units of what plain decoding was measured to give here; 1 without drafting.
    """

    mode: str = "off"
    rounds: int = 0
    drafted: int = 0
    accepted: int = 0
    mean_length: float = 0.0
    lengths: tuple[tuple[int, int], ...] = ()
    gain: float = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far loading (in percent), prefill (in tokens), or measuring the machine (in batches) is."""

    phase: Literal["load", "prefill", "measure"]
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of the answer, or of the reasoning before it. ``tokens`` counts the tokens decoded so far."""

    text: str
    reasoning: bool = False
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """The end of an answer. ``prompt_tokens`` is the whole prompt, cached or not."""

    text: str
    reasoning: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    timings: Timings = field(default_factory=Timings)
    speculation: Speculation = field(default_factory=Speculation)


Event = Progress | Delta | Result
OnProgress = Callable[[Progress], None]


class NoProbabilities(UserError):
    """The model chose, but nobody can say how probable its choices are: it is on a server that does not tell.

    Attributes:
        likeliest: what it chose.
    """

    def __init__(self, message: str, hint: str | None = None, likeliest: str = ""):
        super().__init__(message, hint)
        self.likeliest = likeliest


class Engine(Protocol):
    """One model, ready to answer. One call at a time; only :meth:`cancel` may come from another thread."""

    def load(self, on_progress: OnProgress | None = None) -> ModelInfo:
        """Load the model unless it is loaded, and measure the machine if that was never done.

        Raises:
            ModelError: the file cannot be used.
            Cancelled: :meth:`cancel` was called meanwhile.
        """
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt that these messages render to, the opening of the answer included."""
        ...

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        """Answer the last message. Closing the iterator early stops the work.

        Raises:
            DoesNotFit: the prompt leaves no room in the window; the message has both token counts.
            ModelError: loading failed, or the chat template is broken.
            EngineDied: the child process ended; the next call starts a new one.
        """
        ...

    def score(
        self,
        messages: Sequence[Message],
        choices: Sequence[str],
        on_progress: OnProgress | None = None,
    ) -> list[float]:
        """The natural logarithm of the probability of each choice as the whole answer, end included; ``on_progress``
        hears of the tokens that are computed, prompt and choices, first of 0 out of 0.

        Raises:
            UsageError: there are no choices, one is empty, or one comes twice.
            NoProbabilities: a server chose, and does not say how probable the choices are.
            as :meth:`generate`; Cancelled: :meth:`cancel` was called meanwhile.
        """
        ...

    def cancel(self) -> None:
        """Stop what is running, from any thread. ``generate`` then ends with a Result that keeps the text so far."""
        ...

    def close(self) -> None:
        """Free memory, end the child process. The engine can be used again: it loads again."""
        ...
