"""The Engine protocol: what callers know of the thing that answers, whether it lives here or in a child process.

One chat turn is ``for event in engine.generate(messages, options)``: some :class:`Progress`, many :class:`Delta`,
and one :class:`Result` at the end. All of these are plain data, so that they can cross a pipe as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]


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
    """

    context_length: int | None = None
    threads: int | None = None
    gpu_layers: int = -1


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How one answer is sampled.

    Attributes:
        temperature: 0 is greedy decoding.
        repeat_penalty: over the last 64 generated tokens; 1 is off.
        seed: None draws a fresh one.
        max_tokens: of the answer, reasoning included; None: as far as the window goes.
        stop: strings that end the answer; they are not part of it.
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


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
    ``prefill_tokens`` counts what was computed, not what the KV cache already held."""

    load_seconds: float = 0.0
    first_token_seconds: float = 0.0
    prefill_tokens: int = 0
    prefill_seconds: float = 0.0
    decode_tokens: int = 0
    decode_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far loading (in percent) or prefill (in tokens) is."""

    phase: Literal["load", "prefill"]
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


Event = Progress | Delta | Result


class Engine(Protocol):
    """One model, ready to answer. One call at a time; only :meth:`cancel` may come from another thread."""

    def load(self, on_progress: Callable[[float], None] | None = None) -> ModelInfo:
        """Load the model unless it is loaded; ``on_progress`` gets 0.0 … 1.0.

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

    def cancel(self) -> None:
        """Stop what is running, from any thread. ``generate`` then ends with a Result that keeps the text so far."""
        ...

    def close(self) -> None:
        """Free memory, end the child process. The engine can be used again: it loads again."""
        ...
