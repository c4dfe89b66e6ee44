"""One request of many in the engine's batches: what it still has to compute, and what it reads from the logits."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from assistant.engine.calls import chosen
from assistant.engine.engine import GenerateOptions, Result, Timings
from assistant.engine.loaded import Loaded, Prompt
from assistant.engine.sampling import Sampling
from assistant.engine.scoring import end_log_prob, log_softmax
from models.llama import Context, Model, Row

_AHEAD = 128  # tokens of an answer that there is to be room for when it begins


class Slot(Protocol):
    """
    Attributes:
        number: of the request.
        tokens: the prompt, and what was generated after it.
        sequences_needed: of the KV cache; ``cells_needed``: places in it, if nothing is shared.
        rows: what it has to compute next, in this order.
        result: once it has ended.
    """

    number: int
    tokens: list[int]
    sequences_needed: int
    rows: deque[Row]
    result: Result | None

    @property
    def cells_needed(self) -> int: ...

    def begin(self, sequences: Sequence[int], computed: int) -> None:
        """These sequences, which hold ``computed`` of the tokens, are its own from now on."""

    def read(self, context: Context, output: int) -> None:
        """One of its rows has logits: the output counted from the last (-1) backwards."""

    def spent(self, rows: int, seconds: float) -> None:
        """So many of its rows were computed, which took this share of the time of a batch."""

    def close(self) -> None: ...


class ScoringSlot:
    """Scores choices: all of them in the batches of their prompt, what they begin with in common only once.

    The tokens of the choices are a tree. A row of it belongs to the sequences of all leaves behind it, so each choice
    sees its own text alone; its logits give the probabilities of the rows that follow.
    """

    def __init__(self, number: int, model: Model, prompt: list[int], choices: dict[str, tuple[int, ...]]):
        self.number, self.tokens = number, prompt
        self._model = model
        self._choices = choices
        paths = sorted(set(choices.values()))
        # A choice that another goes on from needs no sequence of its own.
        leaves = [a for a, b in zip(paths, [*paths[1:], ()], strict=True) if b[: len(a)] != a]
        self._tree: dict[tuple[int, ...], list[int]] = {}  # the path to each token, with the leaves behind it
        self._after: dict[tuple[int, ...], list[int]] = {}  # the tokens that follow a path
        for leaf, path in enumerate(leaves):
            for end in range(1, len(path) + 1):
                if path[:end] not in self._tree:
                    self._after.setdefault(path[: end - 1], []).append(path[end - 1])
                self._tree.setdefault(path[:end], []).append(leaf)
        self._ends = set(paths)
        self._log_probs: dict[tuple[int, ...], float] = {}  # of the last token of a path, after those before it
        self._end_log_probs: dict[tuple[int, ...], float] = {}
        self.sequences_needed = len(leaves)
        self.rows: deque[Row] = deque()
        self.result: Result | None = None
        self._computed = 0
        self._seconds = 0.0

    @property
    def cells_needed(self) -> int:
        return len(self.tokens) + len(self._tree)

    def begin(self, sequences: Sequence[int], computed: int) -> None:
        length, own = len(self.tokens), tuple(sequences)
        self.rows = deque(Row(self.tokens[place], place, own, place == length - 1) for place in range(computed, length))
        for path, leaves in self._tree.items():
            self.rows.append(Row(path[-1], length + len(path) - 1, tuple(own[leaf] for leaf in leaves)))
        self._unread = iter([(), *self._tree])

    def read(self, context: Context, output: int) -> None:
        path = next(self._unread)
        log_probs = log_softmax(context.logits(output))
        for token in self._after.get(path, ()):
            self._log_probs[*path, token] = float(log_probs[token])
        if path in self._ends:
            self._end_log_probs[path] = end_log_prob(self._model, log_probs)
        if not self.rows and len(self._end_log_probs) == len(self._ends):
            self._finish()

    def _finish(self) -> None:
        scores = {
            choice: math.fsum(self._log_probs[path[:end]] for end in range(1, len(path) + 1))
            + self._end_log_probs[path]
            for choice, path in self._choices.items()
        }
        timings = Timings(
            first_token_seconds=self._seconds, prefill_tokens=self._computed, prefill_seconds=self._seconds
        )
        self.result = chosen(scores, len(self.tokens), timings)

    def spent(self, rows: int, seconds: float) -> None:
        self._computed += rows
        self._seconds += seconds

    def close(self) -> None:
        """Nothing of it is native."""


class WritingSlot:
    """Generates an answer, as ``LocalEngine.generate`` does, without drafting.

    Raises:
        UsageError: the constraint cannot be used.
    """

    sequences_needed = 1

    def __init__(self, number: int, loaded: Loaded, prompt: Prompt, options: GenerateOptions):
        self.number, self.tokens = number, list(prompt.tokens)
        self._prompt = prompt
        self._loaded = loaded
        self._output = loaded.output(prompt)
        self._budget = options.think if isinstance(options.think, int) else None
        grammar = loaded.grammar(options.constraint) if options.constraint else None
        self._sampling = Sampling(loaded.model, options, most=prompt.most, shown=loaded.shown, grammar=grammar)
        self._own: tuple[int, ...] = ()
        self.rows: deque[Row] = deque()
        self.result: Result | None = None
        self._prefilled = self._decoded = 0
        self._prefill_seconds = self._decode_seconds = 0.0

    @property
    def cells_needed(self) -> int:
        return min(len(self.tokens) + _AHEAD, len(self._prompt.tokens) + self._prompt.most)

    def begin(self, sequences: Sequence[int], computed: int) -> None:
        self._own = tuple(sequences)
        self.rows.clear()
        self._compute(computed)

    def _compute(self, start: int) -> None:
        last = len(self.tokens) - 1
        self.rows.extend(Row(self.tokens[place], place, self._own, place == last) for place in range(start, last + 1))

    def read(self, context: Context, output: int) -> None:
        started = time.perf_counter()
        sampling, seen = self._sampling, self._output
        new, _, ended = sampling.sample(context, last=output)
        for raw in sampling.write(new, ended=ended):
            for _ in seen.feed(raw):
                pass
            if seen.stopped:
                break
            if self._budget is not None and len(sampling.generated) >= self._budget:
                sampling.force(self._loaded.end_of_reasoning if seen.inside else ())
        if ended or seen.stopped:
            self._finish()
        else:
            start = len(self.tokens)
            self.tokens += new
            self._compute(start)
        self._decode_seconds += time.perf_counter() - started

    def _finish(self) -> None:
        sampling, seen = self._sampling, self._output
        for _ in seen.finish():
            pass
        self.result = Result(
            text=seen.text,
            reasoning=seen.reasoning,
            finish_reason="stop" if seen.stopped else sampling.finish_reason,
            prompt_tokens=len(self._prompt.tokens),
            completion_tokens=len(sampling.generated),
            timings=Timings(
                first_token_seconds=self._prefill_seconds,
                prefill_tokens=self._prefilled,
                prefill_seconds=self._prefill_seconds,
                decode_tokens=self._decoded,
                decode_seconds=self._decode_seconds,
            ),
        )

    def spent(self, rows: int, seconds: float) -> None:
        if self._sampling.generated:
            self._decoded += rows
            self._decode_seconds += seconds
        else:
            self._prefilled += rows
            self._prefill_seconds += seconds

    def close(self) -> None:
        self._sampling.close()
