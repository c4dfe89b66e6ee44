"""When a KV state is worth reading from disk, and when it is worth writing.

Both are weighed in seconds: what the tokens would take to compute, as measured here, against reading or writing so many
bytes. On a machine that computes fast nothing is written.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

import numpy as np

from assistant.engine.engine import LoadOptions
from assistant.engine.kv_cache import KVCache
from assistant.engine.prompt_cache import PromptCache, common_prefix, state_key
from models import hardware
from models.errors import ModelError
from models.fingerprint import fingerprint
from models.llama import Model

Transcript = tuple[str, list[int]]  # a text and the very tokens that it became

_BYTES_PER_SECOND = 300e6  # read, checked and copied, or copied, checked and written: a slow disk, not the slowest
_WORTH_KEEPING = 0.5  # seconds of prefill below which a conversation is left to be computed again
_MEASURABLE = 32  # tokens of prefill that tell the speed


def _fits(state: int) -> bool:
    """Whether there is memory for a copy of so many bytes, and as much again."""
    return 2 * state < hardware.memory().available


class PromptReuse:
    """The prompt cache as one loaded model uses it."""

    def __init__(self, options: LoadOptions, model: Model, cache: KVCache):
        self._model = model
        self._cache = cache
        self._disk = PromptCache(limit=options.prompt_cache_limit)
        self._writes = not options.private
        self._key = ""
        self._speed = (0, 0.0)  # tokens computed at once, seconds each: of the longest prefill
        self._keep = True
        self._since = time.time()  # when the KV cache's oldest token was computed
        if options.prompt_cache and options.prompt_cache_limit > 0:
            with contextlib.suppress(OSError):  # the file was removed since it was loaded
                adapter = (fingerprint(model.adapter.path), model.adapter.scale) if model.adapter else ()
                self._key = state_key(model.path, options.kv_type, model.offloaded, *adapter)

    def transcripts(self, prompt: str) -> Iterator[Transcript]:
        """What on disk this prompt continues, the longest first."""
        if self._key:
            found = [entry for entry in self._disk.entries(self._key) if entry.text and prompt.startswith(entry.text)]
            for entry in sorted(found, key=lambda entry: len(entry.text), reverse=True):
                yield entry.text, entry.tokens[: entry.text_tokens].tolist()

    def restore(self, tokens: Sequence[int], transcript: Transcript, *, keep: bool = True) -> int:
        """Make the KV cache hold what it can of ``tokens`` without computing; returns how many came from disk.

        A conversation that has to make way for this one is stored. This one will not be, unless ``keep``.
        """
        cache = self._cache
        held = cache.shared_prefix(tokens)
        if cache.tokens and 2 * held < len(cache.tokens):
            self.store(transcript)
            self._since = time.time()
        self._keep = keep
        wanted = len(tokens) - 1  # the last is always computed
        if not self._key or wanted - held < _MEASURABLE:
            return 0
        entry = self._disk.find(self._key, tokens[:wanted], window=cache.limit, whole=not self._model.can_rewind)
        if entry is None:
            return 0
        shared = min(entry.shared(tokens), wanted)
        if (shared - held) * entry.seconds <= entry.size / _BYTES_PER_SECOND or not _fits(entry.size):
            return 0
        state = self._disk.read(entry)
        if state is None:
            return 0
        try:
            cache.restore(state, entry.tokens[: entry.length].tolist())
        except ModelError:  # not this context's layout, or not enough memory
            self._disk.remove(entry.path)
            return 0
        self._since = time.time()
        if not self._speed[0]:
            self._speed = (1, entry.seconds)
        return shared

    def measured(self, tokens: int, seconds: float) -> None:
        """Learn from a prefill."""
        if tokens >= max(_MEASURABLE, self._speed[0]):
            self._speed = (tokens, seconds / tokens)

    def store(self, transcript: Transcript) -> None:
        """Write what the KV cache holds, if it is worth that and the disk has nothing like it."""
        held, seconds = np.asarray(self._cache.tokens, dtype=np.int32), self._speed[1]
        if not (self._key and self._writes and self._keep and seconds) or len(held) * seconds < _WORTH_KEEPING:
            return
        entry = self._disk.find(self._key, held.tolist(), window=len(held) + self._cache.limit)
        state_size = self._cache.context.state_size
        shared = entry.shared(held) if entry else 0
        own = len(held) - shared
        if own * seconds <= state_size / _BYTES_PER_SECOND:
            if entry:
                self._disk.touch(entry)
            return
        replaced = None
        if entry is not None:
            lost = entry.length - shared
            # A continuation takes the place of what it continues. A branch is stored beside, if half of it is new; or
            # takes the place, if the other had far less of its own: many questions on one document leave one state.
            if lost == 0 or (2 * own < len(held) and 2 * lost <= own):
                replaced = entry
            elif 2 * own < len(held):
                self._disk.touch(entry)
                return
        if self._disk.cleared_since(self._since) or not _fits(state_size):
            return
        text, tokens = transcript
        known = np.asarray(tokens, dtype=np.int32)
        if common_prefix(known, held) < min(len(known), len(held)):
            text, known = "", held[:0]  # of another conversation
        try:
            state = self._cache.context.save_state()
        except (ModelError, MemoryError):
            return
        self._disk.write(
            self._key,
            state,
            (known if len(known) > len(held) else held).tolist(),
            len(held),
            text=text,
            text_tokens=len(known),
            seconds=seconds,
            model=self._model.path.name,
            instead_of=replaced,
        )
