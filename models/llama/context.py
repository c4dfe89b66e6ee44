"""The KV cache with its compute buffers, and the samplers that choose from its logits."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.llama import library
from models.llama.handle import Handle
from models.llama.interrupts import heard_afterwards
from models.llama.library import llama_cpp
from models.llama.model import Model
from models.llama.observer import Observer

DEFAULT_SEED = 0xFFFFFFFF  # LLAMA_DEFAULT_SEED: llama.cpp draws a fresh one
UBATCH = 512  # tokens computed at once in prefill
# On a CPU flash attention over shorter heads than this decodes at 0.4 of the speed without it (0.5B, 3,500 tokens,
# heads of 64: 9.5 and 25 tokens a second). With heads of 128 there is no difference, and it takes less memory.
SLOW_FLASH_ATTENTION = 128


class DecodeError(ModelError):
    """``llama_decode`` failed for a reason other than being aborted."""


def _stop_flag_reader() -> object:
    """A native function that reads the stop flag, for ``abort_callback(void * data) -> bool``.

    llama.cpp asks between any two nodes of the graph, some thousand times a token: Python code there would cost
    several percent and need the interpreter's lock. ``strlen`` does: the flag is a C string, empty for "go on" and of
    length one for "stop", and a bool is read from the same register as a size.
    """
    libc = ctypes.CDLL("msvcrt" if os.name == "nt" else None)
    return ctypes.cast(libc.strlen, llama_cpp.ggml_abort_callback)


_STRLEN = _stop_flag_reader()


class Aborted(Exception):
    """``decode`` was stopped by :meth:`Context.abort`; tokens of earlier micro-batches stay in the KV cache."""


KVType = Literal["f16", "q8_0"]
_KV_TYPES = {"f16": llama_cpp.GGML_TYPE_F16, "q8_0": llama_cpp.GGML_TYPE_Q8_0}
_Q8_BLOCK = 32  # numbers that share a scale


class Row(NamedTuple):
    """A token of a batch of several sequences. It may belong to many, as long as all that comes before it does too.
    ``output``: it has logits."""

    token: int
    position: int
    sequences: tuple[int, ...]
    output: bool = True


class Context(Handle):
    """The KV cache and the compute buffers.

    Args:
        n_ctx: tokens that fit, of all sequences together; memory is taken at once, so ask for what is needed.
        threads: of the CPU.
        outputs: rows of logits that one decode may ask for, at least one of each sequence.
        sequences: how many texts the KV cache tells apart; all but the first are for :meth:`decode_rows`.
        kv_type: of the KV cache; q8_0 takes half the memory, and needs heads of a multiple of 32.
        observer: sees matrix products; what it raises ends the decode, which raises it.
    """

    def __init__(
        self,
        model: Model,
        *,
        n_ctx: int,
        threads: int,
        outputs: int = 1,
        sequences: int = 1,
        kv_type: KVType = "f16",
        observer: Observer | None = None,
    ):
        super().__init__()
        if outputs < sequences:
            raise ValueError(f"{outputs} outputs for {sequences} sequences: llama.cpp ends the process over fewer")
        self._model = model  # llama.cpp does not count references
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = min(UBATCH, n_ctx)
        params.n_seq_max = sequences
        params.kv_unified = True  # sequences share n_ctx and their common beginning
        params.n_outputs_max = outputs  # logits of one row instead of 512: 300 MB less for a vocabulary of 151,936
        if kv_type == "q8_0" and model.head_dim % _Q8_BLOCK:
            raise ModelError(
                f"The attention heads of this model have {model.head_dim} numbers, which q8_0 cannot divide.",
                "Leave kv_type at f16.",
            )
        params.type_k = params.type_v = _KV_TYPES[kv_type]
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        self._observer = observer  # llama.cpp calls it as long as the context lives
        if observer:
            params.cb_eval = observer.callback
        if kv_type == "q8_0":  # llama.cpp has quantized values only with it
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        elif not library.sees_gpu() and model.head_dim < SLOW_FLASH_ATTENTION:
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._stop = ctypes.create_string_buffer(2)
        params.abort_callback = _STRLEN
        params.abort_callback_data = ctypes.cast(self._stop, ctypes.c_void_p)
        said = library.logged()
        with heard_afterwards():
            pointer = llama_cpp.llama_init_from_model(model.pointer, params)
        if not pointer:
            raise ModelError(
                f"There is not enough memory for a context of {n_ctx:,} tokens: {library.errors_since(said)}.",
                "Ask for less with `-o context_length N`, or choose a smaller model.",
            )
        self._own(pointer)
        if model.adapter:
            model.adapter.apply(pointer)
        self.outputs = outputs
        self.sequences = sequences
        self.n_ctx = int(llama_cpp.llama_n_ctx(pointer))
        self.n_batch = int(llama_cpp.llama_n_batch(pointer))
        self._memory = llama_cpp.llama_get_memory(pointer)
        self._tokens = (ctypes.c_int32 * self.n_batch)()
        self._outputs = (ctypes.c_int8 * self.n_batch)()
        self._rows = llama_cpp.llama_batch_init(self.n_batch, 0, sequences) if sequences > 1 else None

    def _free(self, pointer: ctypes.c_void_p) -> None:
        if self._rows is not None:
            llama_cpp.llama_batch_free(self._rows)
        llama_cpp.llama_free(pointer)

    def decode(self, tokens: Sequence[int], outputs: int = 1) -> None:
        """Compute up to ``n_batch`` tokens after those in the KV cache; the logits of the last ``outputs`` of them can
        then be sampled and read.

        Raises:
            Aborted: :meth:`abort` was called before or meanwhile.
            DecodeError: anything else.
        """
        count = len(tokens)
        self._check_outputs(outputs)
        self._tokens[:count] = list(tokens)
        flags: list[int | ctypes.c_int8] = [int(index >= count - outputs) for index in range(count)]
        self._outputs[:count] = flags
        batch = llama_cpp.llama_batch_get_one(self._tokens, count)
        batch.logits = self._outputs
        self._decode(batch)

    def decode_rows(self, rows: Sequence[Row]) -> None:
        """Compute up to ``n_batch`` tokens of several sequences, each after those of its sequences.

        Raises:
            Aborted, DecodeError: as :meth:`decode`.
        """
        batch = self._rows
        assert batch is not None, "a context of one sequence has decode()"
        if len(rows) > self.n_batch:
            raise ValueError(f"{len(rows)} rows for a batch of {self.n_batch}")
        self._check_outputs(sum(row.output for row in rows))
        batch.n_tokens = len(rows)
        tokens, positions, outputs = batch.token, batch.pos, batch.logits
        counts, sequences = batch.n_seq_id, batch.seq_id
        for index, row in enumerate(rows):
            tokens[index], positions[index], outputs[index] = row.token, row.position, row.output
            counts[index], own = len(row.sequences), sequences[index]
            for place, sequence in enumerate(row.sequences):
                own[place] = sequence
        self._decode(batch)

    def _check_outputs(self, count: int) -> None:
        if count > self.outputs:
            raise ValueError(f"{count} rows of logits from a context of {self.outputs}: llama.cpp ends the process")

    def _decode(self, batch: llama_cpp.llama_batch) -> None:
        with heard_afterwards(self.abort):
            status = llama_cpp.llama_decode(self.pointer, batch)
        if self._observer:
            self._observer.raise_failure()
        if status == 2:
            raise Aborted
        if status != 0:
            raise DecodeError(f"llama_decode failed with status {status} at {self.length} of {self.n_ctx} tokens.")

    def logits(self, output: int = -1) -> NDArray[np.float32]:
        """Logits of an output of the last decode, counted from the last (-1) backwards: a view of shape
        (vocabulary_size,), valid until the next decode. What is written into it is what samplers see."""
        row = llama_cpp.llama_get_logits_ith(self.pointer, output)
        return np.ctypeslib.as_array(row, shape=(self._model.vocabulary_size,))

    def abort(self) -> None:
        """Stop the running :meth:`decode` within one graph node (CPU), and every later one until :meth:`rearm`.
        From any thread."""
        self._stop[0] = b"\x01"

    def rearm(self) -> None:
        """Allow :meth:`decode` again."""
        self._stop[0] = b"\x00"

    @property
    def length(self) -> int:
        """Tokens in the KV cache."""
        return int(llama_cpp.llama_memory_seq_pos_max(self._memory, 0)) + 1

    def truncate(self, length: int) -> bool:
        """Forget all tokens from ``length`` on. False, with nothing changed, where the memory is recurrent."""
        return bool(llama_cpp.llama_memory_seq_rm(self._memory, 0, length, -1))

    def copy_sequence(self, source: int, target: int, length: int = -1) -> None:
        """Make ``target`` the same text as ``source``, or its first ``length`` tokens: they share what is computed."""
        llama_cpp.llama_memory_seq_rm(self._memory, target, -1, -1)
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, length)

    def remove_sequence(self, sequence: int) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def clear(self) -> None:
        """Forget all tokens."""
        llama_cpp.llama_memory_clear(self._memory, True)

    @property
    def state_size(self) -> int:
        """Bytes of :meth:`save_state`."""
        return int(llama_cpp.llama_state_seq_get_size(self.pointer, 0))

    def save_state(self) -> ctypes.Array[ctypes.c_uint8]:
        """The KV cache's content, to be given to :meth:`restore_state` of another context of the same model."""
        size = self.state_size
        state: ctypes.Array[ctypes.c_uint8] = (ctypes.c_uint8 * size)()
        if llama_cpp.llama_state_seq_get_data(self.pointer, state, size, 0) != size:
            raise DecodeError("llama.cpp could not copy the KV cache.")
        return state

    def restore_state(self, state: ctypes.Array[ctypes.c_uint8]) -> None:
        if llama_cpp.llama_state_seq_set_data(self.pointer, state, len(state), 0) == 0:
            raise DecodeError("llama.cpp could not restore the KV cache.")


class Sampler(Handle):
    """A chain of llama.cpp samplers that ends by choosing a token.

    The order is llama.cpp's own: penalties, top-k, top-p, min-p, temperature, then a draw. ``temperature`` 0 is greedy.

    Args:
        penalty_window: how many of the last accepted tokens ``repeat_penalty`` looks at.
    """

    def __init__(
        self,
        model: Model,
        *,
        temperature: float,
        top_k: int,
        top_p: float,
        min_p: float,
        repeat_penalty: float,
        seed: int | None,
        penalty_window: int = 64,
    ):
        super().__init__()
        self._own(llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params()))
        if repeat_penalty != 1.0:
            vocabulary = model.vocabulary_size
            self._add(llama_cpp.llama_sampler_init_penalties(vocabulary, penalty_window, repeat_penalty, 0.0, 0.0))
        if temperature <= 0:
            self._add(llama_cpp.llama_sampler_init_greedy())
            return
        self._add(llama_cpp.llama_sampler_init_top_k(top_k))
        self._add(llama_cpp.llama_sampler_init_top_p(top_p, 1))
        self._add(llama_cpp.llama_sampler_init_min_p(min_p, 1))
        self._add(llama_cpp.llama_sampler_init_temp(temperature))
        self._add(llama_cpp.llama_sampler_init_dist(DEFAULT_SEED if seed is None else seed))

    def _add(self, sampler: ctypes.c_void_p) -> None:
        llama_cpp.llama_sampler_chain_add(self.pointer, sampler)  # the chain owns it from now on

    def _free(self, pointer: ctypes.c_void_p) -> None:
        llama_cpp.llama_sampler_free(pointer)

    def sample(self, context: Context, output: int = -1) -> int:
        """Choose a token from the logits of an output, counted from the last (-1) backwards, and accept it."""
        return int(llama_cpp.llama_sampler_sample(self.pointer, context.pointer, output))

    def accept(self, token: int) -> None:
        """Let the penalties count a token that was not sampled here."""
        llama_cpp.llama_sampler_accept(self.pointer, token)
