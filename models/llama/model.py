"""Weights and vocabulary."""

from __future__ import annotations

import ctypes
import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import Cancelled, ModelError
from models.llama import library
from models.llama.handle import Handle
from models.llama.interrupts import heard_afterwards
from models.llama.library import llama_cpp

if TYPE_CHECKING:
    from models.llama.adapter import Adapter


class Model(Handle):
    """Weights and vocabulary.

    Args:
        path: a GGUF file, or the first of a split one. Validate the header before (``models.gguf_header``):
            a damaged file can end the process.
        gpu_layers: to offload; -1 is all.
        on_progress: called with 0.0 … 1.0 while loading; returning False cancels.
        amx: allow the kernels that need AMX, if the build has them; None: when they were found sound (models/amx.py).

    Attributes:
        adapter: what every context of this model adds to the weights; to be set before the first is made.

    Raises:
        ModelError: llama.cpp refuses the file; the message says why.
        Cancelled: ``on_progress`` returned False.
    """

    outlives = True
    adapter: Adapter | None = None

    def __init__(
        self,
        path: Path,
        *,
        gpu_layers: int = -1,
        on_progress: Callable[[float], bool] | None = None,
        amx: bool | None = None,
    ):
        super().__init__()
        library.start()
        self.path = path
        cancelled = False
        failure: BaseException | None = None

        @llama_cpp.llama_progress_callback  # type: ignore[untyped-decorator]
        def progress(done: float, _user_data: object) -> bool:
            nonlocal cancelled, failure
            if on_progress is None:
                return not cancelled
            try:  # an exception inside a ctypes callback would vanish
                cancelled = not on_progress(done) or cancelled
            except BaseException as error:
                failure = error
            return not cancelled and failure is None

        def stop() -> None:
            nonlocal cancelled
            cancelled = True

        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.use_extra_bufts = self._may_repack(path) if amx is None else amx
        if not library.sees_gpu():
            # Weights are repacked for the CPU's kernels: a mapped file would stay in memory beside the copy.
            params.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
        params.progress_callback = progress
        said = library.logged()
        with heard_afterwards(stop):
            pointer = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
        if failure is not None:
            raise failure
        if not pointer:
            if cancelled:
                raise Cancelled("Loading was stopped.")
            raise self._refused(path, library.errors_since(said))
        self._own(pointer)
        self.offloaded = self._offloaded(library.lines_since(said))
        self._vocab: ctypes.c_void_p = llama_cpp.llama_model_get_vocab(pointer)
        self._piece = ctypes.create_string_buffer(256)

    @staticmethod
    def _may_repack(path: Path) -> bool:
        if "AMX_INT8 = 1" not in library.system_info():
            return True
        from models.llama import amx

        return amx.is_sound(library.path(), path)

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
    def head_dim(self) -> int:
        """Length of the key of one attention head."""
        architecture = self.metadata("general.architecture")
        stated = self.metadata(f"{architecture}.attention.key_length")
        heads = llama_cpp.llama_model_n_head(self.pointer) or 1
        return int(stated) if stated else int(llama_cpp.llama_model_n_embd(self.pointer)) // heads

    @property
    def can_generate(self) -> bool:
        """False for encoders and embedding models, which have no decoder to write with."""
        return bool(llama_cpp.llama_model_has_decoder(self.pointer)) and not llama_cpp.llama_model_has_encoder(
            self.pointer
        )

    @property
    def can_rewind(self) -> bool:
        """False for recurrent and hybrid models, whose memory cannot forget the last few tokens."""
        return not (llama_cpp.llama_model_is_recurrent(self.pointer) or llama_cpp.llama_model_is_hybrid(self.pointer))

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
    def vocab(self) -> ctypes.c_void_p:
        """For libraries that read the vocabulary by llama.cpp's C API; not to be used after the model is closed."""
        _ = self.pointer
        return self._vocab

    @property
    def vocabulary_size(self) -> int:
        return int(llama_cpp.llama_vocab_n_tokens(self.vocab))

    @property
    def bos(self) -> int:
        """The token that begins a text; -1 if there is none."""
        return int(llama_cpp.llama_vocab_bos(self.vocab))

    @property
    def eos(self) -> int:
        """The token that ends a text; -1 if there is none."""
        return int(llama_cpp.llama_vocab_eos(self.vocab))

    def is_end(self, token: int) -> bool:
        """True for every token that ends a generation (end of turn, of text, …)."""
        return bool(llama_cpp.llama_vocab_is_eog(self.vocab, token))

    @functools.cached_property
    def ends(self) -> tuple[int, ...]:
        """All tokens that end a generation."""
        return tuple(token for token in range(self.vocabulary_size) if self.is_end(token))

    def is_control(self, token: int) -> bool:
        return bool(llama_cpp.llama_vocab_is_control(self.vocab, token))

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Token ids of a text. ``add_special``: BOS and EOS where the model wants them; ``parse_special``: texts of
        control tokens become these tokens."""
        raw = text.encode("utf-8", "surrogatepass")
        room = len(raw) + 16
        for _ in range(2):
            tokens = (ctypes.c_int32 * room)()
            count = llama_cpp.llama_tokenize(self.vocab, raw, len(raw), tokens, room, add_special, parse_special)
            if count >= 0:
                return tokens[:count]
            room = -count
        raise ModelError(f"llama.cpp cannot tokenize a text of {len(raw)} bytes.")

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of a token; empty for a control token unless ``special``. A character may span several."""
        size = llama_cpp.llama_token_to_piece(self.vocab, token, self._piece, len(self._piece), 0, special)
        if size < 0:
            self._piece = ctypes.create_string_buffer(-size)
            size = llama_cpp.llama_token_to_piece(self.vocab, token, self._piece, len(self._piece), 0, special)
        return self._piece.raw[:size]
