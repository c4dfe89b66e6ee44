"""The KV cache between turns: what it holds, what of it a new prompt can use, and how it grows with need."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence

from models.errors import ModelError
from models.llama import Aborted, Context, KVType, Model

_BLOCK = 256  # llama.cpp rounds a context up to this many tokens
_GROWTH = 1.5
OUTPUTS = 33  # rows of logits in one batch: a certain token and as many drafted ones as can pay


class KVCache:
    """A llama.cpp context that knows its tokens and grows.

    Args:
        limit: tokens that it may grow to.
        threads: of the CPU.
        kv_type: what keys and values are stored as.

    Attributes:
        tokens: what the cache holds, in order.
    """

    def __init__(self, model: Model, *, limit: int, threads: int, kv_type: KVType = "f16"):
        self._model = model
        self._kv_type = kv_type
        self._threads = threads
        self._context: Context | None = None
        self._stopped = False
        self._aside: Context | None = None
        self.limit = limit
        self.tokens: list[int] = []

    @property
    def context(self) -> Context:
        assert self._context is not None, "reserve() comes first"
        return self._context

    @property
    def capacity(self) -> int:
        """Tokens that fit without growing."""
        return self._context.n_ctx if self._context else 0

    def reserve(self, tokens: int) -> None:
        """Make room for this many tokens in all; what the cache holds is kept.

        Raises:
            ModelError: not enough memory; the cache is empty then, and can be used again.
        """
        if tokens <= self.capacity:
            return
        wanted = min(max(tokens, int(self.capacity * _GROWTH)), max(self.limit, tokens))
        n_ctx = -(-wanted // _BLOCK) * _BLOCK
        state = self._context.save_state() if self._context and self.tokens else None
        held = self.tokens
        self.close()  # before the new one: never both in memory
        self._context = Context(self._model, n_ctx=n_ctx, threads=self._threads, outputs=OUTPUTS, kv_type=self._kv_type)
        if self._stopped:
            self._context.abort()
        if state is not None:
            self._context.restore_state(state)
            self.tokens = held

    def shared_prefix(self, tokens: Sequence[int]) -> int:
        """How many tokens from the beginning are the same in the cache."""
        for index, (held, wanted) in enumerate(zip(self.tokens, tokens, strict=False)):
            if held != wanted:
                return index
        return min(len(self.tokens), len(tokens))

    def prefill(self, tokens: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Make the cache hold exactly ``tokens``, computing only what it does not hold yet.

        The last token is always computed: its logits choose the first token of the answer. Yields (done, total)
        computed tokens, first (0, total), then after each micro-batch.

        Raises:
            Aborted: :meth:`stop` was called; what was computed stays.
        """
        self.reserve(len(tokens))
        keep = min(self.shared_prefix(tokens), len(tokens) - 1)
        if keep < len(self.tokens):
            if not self.context.truncate(keep):  # recurrent and hybrid models: only the whole can be forgotten
                self.context.clear()
                keep = 0
            del self.tokens[keep:]
        total = len(tokens) - keep
        yield 0, total
        for start in range(keep, len(tokens), self.context.n_batch):
            self.append(tokens[start : start + self.context.n_batch])
            yield len(self.tokens) - keep, total

    def append(self, tokens: Sequence[int], outputs: int = 1) -> None:
        """Compute these tokens, at most a micro-batch, after those in the cache, with logits of the last ``outputs``
        (at most :data:`OUTPUTS`). There must be room (:meth:`reserve`).

        Raises:
            Aborted: :meth:`stop` was called; the cache is as before.
        """
        try:
            self.context.decode(tokens, outputs)
        except (Aborted, ModelError):
            held = len(self.tokens)
            if self.context.length != held and not self.context.truncate(held):
                self.context.clear()
                self.tokens.clear()
            raise
        self.tokens.extend(tokens)

    def truncate(self, length: int) -> None:
        """Forget all tokens from ``length`` on; for models that can (``Model.can_rewind``)."""
        if length < len(self.tokens):
            if not self.context.truncate(length):
                raise ModelError("This model cannot forget single tokens.", "Turn drafting off: `--draft off`.")
            del self.tokens[length:]

    def restore(self, state: ctypes.Array[ctypes.c_uint8], tokens: list[int]) -> None:
        """Hold what ``Context.save_state`` gave for these tokens, and nothing else.

        Raises:
            ModelError: the state is of another layout, or there is not enough memory; the cache is empty then.
        """
        if len(tokens) > self.capacity:
            self.close()  # nothing of it is needed
        self.reserve(len(tokens))
        self.context.clear()
        self.tokens = []
        try:
            self.context.restore_state(state)
        except ModelError:
            self.context.clear()
            raise
        self.tokens = tokens

    def aside(self, n_ctx: int, *, sequences: int, outputs: int) -> Context:
        """An empty context beside this one, to be closed by the caller; :meth:`stop` ends what the last one computes.

        Raises:
            ModelError: not enough memory.
        """
        context = self._aside = Context(
            self._model,
            n_ctx=-(-n_ctx // _BLOCK) * _BLOCK,
            threads=self._threads,
            outputs=outputs,
            sequences=sequences,
            kv_type=self._kv_type,
        )
        if self._stopped:
            context.abort()
        return context

    def fork(self, n_ctx: int, *, sequences: int) -> Context:
        """As :meth:`aside`, and its first sequence is what this one holds."""
        context = self.aside(n_ctx, sequences=sequences, outputs=sequences)
        try:
            context.restore_state(self.context.save_state())
        except BaseException:
            context.close()
            raise
        return context

    @property
    def stopped(self) -> bool:
        return self._stopped

    def stop(self) -> None:
        """End the running computation, from any thread, and refuse more until :meth:`rearm`."""
        self._stopped = True
        for context in (self._context, self._aside):  # each once: the other thread may be replacing it by a larger one
            if context:
                context.abort()

    def rearm(self) -> None:
        self._stopped = False
        for context in (self._context, self._aside):
            if context:
                context.rearm()

    def close(self) -> None:
        """Free the context. The cache can be used again, empty."""
        if self._context:
            self._context.close()
        self._context = None
        self.tokens = []
