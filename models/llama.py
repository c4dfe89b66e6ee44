"""The only place that touches llama.cpp: small typed handles over its C API, through llama-cpp-python.

A handle owns its pointer, raises Python errors, and keeps every ctypes callback alive as long as native code may call
it. What llama.cpp logs is kept here (:func:`log_lines`) and never reaches the user's screen by itself.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import re
import sys
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from models.errors import Cancelled, ModelError

REQUIRED_VERSION = "0.3.36"  # of llama-cpp-python: its structures mirror one build of llama.cpp and have no stable ABI

# Threads that wait at a barrier sleep instead of spinning (OpenMP reads this when it is loaded). Spinning gains nothing
# on a quiet machine, and on one with other work it burns the time that the late thread needs: benchmarks/README.md.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

try:
    import llama_cpp
    from llama_cpp._ggml import libggml
except (ImportError, OSError) as error:
    raise ModelError(f"llama-cpp-python cannot be loaded: {error}", "Run `make setup`, or reinstall.") from error
if llama_cpp.__version__ != REQUIRED_VERSION:
    raise ModelError(
        f"llama-cpp-python is {llama_cpp.__version__}, but this program is written for {REQUIRED_VERSION}.",
        f"Run `pip install llama-cpp-python=={REQUIRED_VERSION}`.",
    )

DEFAULT_SEED = 0xFFFFFFFF  # LLAMA_DEFAULT_SEED: llama.cpp draws a fresh one
UBATCH = 512  # tokens computed at once in prefill


class DecodeError(ModelError):
    """``llama_decode`` failed for a reason other than being aborted."""


# ── logs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

_log: deque[tuple[int, str]] = deque(maxlen=4000)
_logged = 0  # lines so far, those that fell out of the deque included
_LOG_ERROR, _LOG_CONT = 4, 5


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _on_log(level: int, text: bytes, _user_data: object) -> None:
    global _logged
    line = text.decode("utf-8", "replace")
    if level == _LOG_CONT and _log:
        _log[-1] = (_log[-1][0], _log[-1][1] + line)
    else:
        _log.append((level, line))
        _logged += 1
    if os.environ.get("ASSISTANT_DEBUG"):
        sys.stderr.write(line)


# `_on_log` must outlive every native object: a collected callback is a segfault at the next log line.
llama_cpp.llama_log_set(_on_log, ctypes.c_void_p(0))


def log_lines() -> list[str]:
    """What llama.cpp said so far (the last 4,000 lines)."""
    return [text.rstrip("\n") for _, text in _log]


def _lines_since(count: int) -> list[tuple[int, str]]:
    """(level, text) of what was logged after the first ``count`` lines."""
    return list(_log)[max(0, len(_log) - (_logged - count)) :]


def _errors_since(count: int) -> str:
    """The distinct errors logged after the first ``count`` lines, as one string."""
    lines = [text.strip() for level, text in _lines_since(count) if level == _LOG_ERROR]
    return "; ".join(dict.fromkeys(line.split(": ", 1)[-1] for line in lines if line))


# ── devices ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Device:
    """A device that this build of llama.cpp sees; memory in bytes, 0 where it does not say."""

    name: str
    description: str
    type: Literal["cpu", "gpu", "igpu", "accel"]
    memory_free: int
    memory_total: int


_DEVICE_TYPES: tuple[Literal["cpu", "gpu", "igpu", "accel"], ...] = ("cpu", "gpu", "igpu", "accel")
_started = False


def _start_backend() -> ctypes.CDLL:
    """Start llama.cpp once; a build with loadable backends (GGML_BACKEND_DL) finds them beside the library."""
    global _started
    ggml: ctypes.CDLL = libggml
    if not _started:
        ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
        if ggml.ggml_backend_dev_count() == 0:
            ggml.ggml_backend_load_all_from_path(os.fsencode(Path(llama_cpp.__file__).parent / "lib"))
        llama_cpp.llama_backend_init()
        _started = True
    return ggml


def devices() -> list[Device]:
    """CPU and accelerators, as they really are: ``llama_supports_gpu_offload`` is true for builds with RPC alone."""
    ggml = _start_backend()
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    for function in (ggml.ggml_backend_dev_name, ggml.ggml_backend_dev_description):
        function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    ggml.ggml_backend_dev_type.restype, ggml.ggml_backend_dev_type.argtypes = ctypes.c_int, [ctypes.c_void_p]
    size_p = ctypes.POINTER(ctypes.c_size_t)
    ggml.ggml_backend_dev_memory.restype = None
    ggml.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, size_p, size_p]
    found = []
    for index in range(ggml.ggml_backend_dev_count()):
        device = ggml.ggml_backend_dev_get(index)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        ggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        kind = ggml.ggml_backend_dev_type(device)
        found.append(
            Device(
                name=ggml.ggml_backend_dev_name(device).decode(),
                description=ggml.ggml_backend_dev_description(device).decode().strip(),
                type=_DEVICE_TYPES[kind] if 0 <= kind < len(_DEVICE_TYPES) else "accel",
                memory_free=free.value,
                memory_total=total.value,
            )
        )
    return found


def system_info() -> str:
    """What the build uses of the processor, as llama.cpp prints it: ``CPU : AVX2 = 1 | AVX512 = 1 | …``."""
    _start_backend()
    return str(llama_cpp.llama_print_system_info().decode()).strip()


# ── handles ───────────────────────────────────────────────────────────────────────────────────────────────────────────

# Native objects still alive at exit are freed before the interpreter goes: they log while they are freed.
_open: weakref.WeakSet[_Handle] = weakref.WeakSet()


class _Handle:
    """Owns one native pointer; ``close`` frees it once, a closed handle refuses to be used."""

    def __init__(self) -> None:
        self._pointer: ctypes.c_void_p | None = None

    def _own(self, pointer: ctypes.c_void_p) -> None:
        self._pointer = pointer
        _open.add(self)

    @property
    def pointer(self) -> ctypes.c_void_p:
        if self._pointer is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._pointer

    def _free(self, pointer: ctypes.c_void_p) -> None:
        raise NotImplementedError(type(self))

    def close(self) -> None:
        if self._pointer is not None:
            pointer, self._pointer = self._pointer, None
            self._free(pointer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


@atexit.register
def _close_all() -> None:
    # Contexts and samplers before the models that they point into.
    for handle in sorted(_open, key=lambda handle: isinstance(handle, Model)):
        handle.close()


class Model(_Handle):
    """Weights and vocabulary.

    Args:
        path: a GGUF file, or the first of a split one. Validate the header before (``models.gguf_header``):
            a damaged file can end the process.
        gpu_layers: to offload; -1 is all.
        on_progress: called with 0.0 … 1.0 while loading; returning False cancels.
        amx: allow the kernels that need AMX, if the build has them; None: when they were found sound (models/amx.py).

    Raises:
        ModelError: llama.cpp refuses the file; the message says why.
        Cancelled: ``on_progress`` returned False.
    """

    def __init__(
        self,
        path: Path,
        *,
        gpu_layers: int = -1,
        on_progress: Callable[[float], bool] | None = None,
        amx: bool | None = None,
    ):
        super().__init__()
        _start_backend()
        self.path = path
        cancelled = False
        failure: BaseException | None = None

        @llama_cpp.llama_progress_callback  # type: ignore[untyped-decorator]
        def progress(done: float, _user_data: object) -> bool:
            nonlocal cancelled, failure
            if on_progress is None:
                return True
            try:  # an exception inside a ctypes callback would vanish
                cancelled = not on_progress(done)
            except BaseException as error:
                failure = error
            return not cancelled and failure is None

        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.use_extra_bufts = self._may_repack(path) if amx is None else amx
        if all(device.type == "cpu" for device in devices()):
            # Weights are repacked for the CPU's kernels: a mapped file would stay in memory beside the copy.
            params.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
        params.progress_callback = progress
        said = _logged
        pointer = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
        if failure is not None:
            raise failure
        if not pointer:
            if cancelled:
                raise Cancelled("Loading was stopped.")
            raise self._refused(path, _errors_since(said))
        self._own(pointer)
        self.offloaded = self._offloaded(_lines_since(said))
        self._vocab = llama_cpp.llama_model_get_vocab(pointer)
        self._piece = ctypes.create_string_buffer(256)

    @staticmethod
    def _may_repack(path: Path) -> bool:
        if "AMX_INT8 = 1" not in system_info():
            return True
        from models import amx

        return amx.is_sound(Path(libggml._name), path)

    @staticmethod
    def _refused(path: Path, reason: str) -> ModelError:
        unknown = re.search(r"unknown (?:model architecture|pre-tokenizer type): '([^']*)'", reason)
        if unknown:
            return ModelError(
                f"{path.name} is a model of the architecture '{unknown[1]}', which this llama.cpp does not know.",
                "Choose another model (`assistant models`), or upgrade the program.",
            )
        return ModelError(
            f"llama.cpp cannot load {path}: {reason or 'no reason given'}.",
            "Check the file with `assistant models verify`, or pull it again.",
        )

    @staticmethod
    def _offloaded(lines: list[tuple[int, str]]) -> tuple[int, int]:
        for _, line in lines:
            if match := re.search(r"offloaded (\d+)/(\d+) layers", line):
                return int(match[1]), int(match[2])
        return 0, 0

    def _free(self, pointer: ctypes.c_void_p) -> None:
        llama_cpp.llama_model_free(pointer)

    # What the file says

    @property
    def description(self) -> str:
        """Architecture, size and type, as llama.cpp names them: ``qwen2 1.5B Q4_K - Medium``."""
        buffer = ctypes.create_string_buffer(128)
        llama_cpp.llama_model_desc(self.pointer, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def parameters(self) -> int:
        return int(llama_cpp.llama_model_n_params(self.pointer))

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return int(llama_cpp.llama_model_size(self.pointer))

    @property
    def trained_context_length(self) -> int:
        return int(llama_cpp.llama_model_n_ctx_train(self.pointer))

    @property
    def layers(self) -> int:
        return int(llama_cpp.llama_model_n_layer(self.pointer))

    @property
    def can_generate(self) -> bool:
        """False for encoders and embedding models, which have no decoder to write with."""
        return bool(llama_cpp.llama_model_has_decoder(self.pointer)) and not llama_cpp.llama_model_has_encoder(
            self.pointer
        )

    def metadata(self, key: str) -> str | None:
        """A metadata value as text, or None; arrays come as llama.cpp prints them."""
        size = llama_cpp.llama_model_meta_val_str(self.pointer, key.encode(), ctypes.create_string_buffer(1), 1)
        if size < 0:
            return None
        buffer = ctypes.create_string_buffer(size + 1)
        llama_cpp.llama_model_meta_val_str(self.pointer, key.encode(), buffer, size + 1)
        return buffer.value.decode("utf-8", "replace")

    @property
    def chat_template(self) -> str | None:
        template = llama_cpp.llama_model_chat_template(self.pointer, None)
        return template.decode("utf-8", "replace") if template else None

    # Vocabulary

    @property
    def vocabulary_size(self) -> int:
        return int(llama_cpp.llama_vocab_n_tokens(self._vocab))

    @property
    def bos(self) -> int:
        """The token that begins a text; -1 if there is none."""
        return int(llama_cpp.llama_vocab_bos(self._vocab))

    @property
    def eos(self) -> int:
        """The token that ends a text; -1 if there is none."""
        return int(llama_cpp.llama_vocab_eos(self._vocab))

    @property
    def adds_bos(self) -> bool:
        return bool(llama_cpp.llama_vocab_get_add_bos(self._vocab))

    def is_end(self, token: int) -> bool:
        """True for every token that ends a generation (end of turn, of text, …)."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    def is_control(self, token: int) -> bool:
        return bool(llama_cpp.llama_vocab_is_control(self._vocab, token))

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Token ids of a text. ``add_special``: BOS and EOS where the model wants them; ``parse_special``: texts of
        control tokens become these tokens."""
        raw = text.encode("utf-8", "surrogatepass")
        room = len(raw) + 16
        for _ in range(2):
            tokens = (ctypes.c_int32 * room)()
            count = llama_cpp.llama_tokenize(self._vocab, raw, len(raw), tokens, room, add_special, parse_special)
            if count >= 0:
                return tokens[:count]
            room = -count
        raise ModelError(f"llama.cpp cannot tokenize a text of {len(raw)} bytes.")

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of a token; empty for a control token unless ``special``. A character may span several."""
        size = llama_cpp.llama_token_to_piece(self._vocab, token, self._piece, len(self._piece), 0, special)
        if size < 0:
            self._piece = ctypes.create_string_buffer(-size)
            size = llama_cpp.llama_token_to_piece(self._vocab, token, self._piece, len(self._piece), 0, special)
        return self._piece.raw[:size]


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


class Context(_Handle):
    """The KV cache and the compute buffers of one sequence.

    Args:
        n_ctx: tokens that fit; memory is taken at once, so ask for what is needed.
        threads: of the CPU.
        outputs: rows of logits that one :meth:`decode` may ask for.
    """

    def __init__(self, model: Model, *, n_ctx: int, threads: int, outputs: int = 1):
        super().__init__()
        self._model = model  # llama.cpp does not count references
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = min(UBATCH, n_ctx)
        params.n_seq_max = 1
        params.n_outputs_max = outputs  # logits of one row instead of 512: 300 MB less for a vocabulary of 151,936
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        self._stop = ctypes.create_string_buffer(2)
        params.abort_callback = _STRLEN
        params.abort_callback_data = ctypes.cast(self._stop, ctypes.c_void_p)
        said = _logged
        pointer = llama_cpp.llama_init_from_model(model.pointer, params)
        if not pointer:
            raise ModelError(
                f"There is not enough memory for a context of {n_ctx:,} tokens ({_errors_since(said) or 'no reason'}).",
                "Ask for less with `-o context_length N`, or choose a smaller model.",
            )
        self._own(pointer)
        self.n_ctx = int(llama_cpp.llama_n_ctx(pointer))
        self.n_batch = int(llama_cpp.llama_n_batch(pointer))
        self._memory = llama_cpp.llama_get_memory(pointer)
        self._tokens = (ctypes.c_int32 * self.n_batch)()

    def _free(self, pointer: ctypes.c_void_p) -> None:
        llama_cpp.llama_free(pointer)

    def decode(self, tokens: Sequence[int]) -> None:
        """Compute up to ``n_batch`` tokens after those in the KV cache; the logits of the last one can then be sampled.

        Raises:
            Aborted: :meth:`abort` was called before or meanwhile.
            DecodeError: anything else.
        """
        count = len(tokens)
        self._tokens[:count] = list(tokens)
        status = llama_cpp.llama_decode(self.pointer, llama_cpp.llama_batch_get_one(self._tokens, count))
        if status == 2:
            raise Aborted
        if status != 0:
            raise DecodeError(f"llama_decode failed with status {status} at {self.length} of {self.n_ctx} tokens.")

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

    def clear(self) -> None:
        """Forget all tokens."""
        llama_cpp.llama_memory_clear(self._memory, True)

    def save_state(self) -> ctypes.Array[ctypes.c_uint8]:
        """The KV cache's content, to be given to :meth:`restore_state` of another context of the same model."""
        size = llama_cpp.llama_state_seq_get_size(self.pointer, 0)
        state: ctypes.Array[ctypes.c_uint8] = (ctypes.c_uint8 * size)()
        if llama_cpp.llama_state_seq_get_data(self.pointer, state, size, 0) != size:
            raise DecodeError("llama.cpp could not copy the KV cache.")
        return state

    def restore_state(self, state: ctypes.Array[ctypes.c_uint8]) -> None:
        if llama_cpp.llama_state_seq_set_data(self.pointer, state, len(state), 0) == 0:
            raise DecodeError("llama.cpp could not restore the KV cache.")


class Sampler(_Handle):
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

    def sample(self, context: Context) -> int:
        """Choose a token from the logits of the last one decoded, and accept it (penalties count it)."""
        return int(llama_cpp.llama_sampler_sample(self.pointer, context.pointer, -1))
