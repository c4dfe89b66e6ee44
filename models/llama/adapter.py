"""A LoRA adapter in memory, beside the model that it changes."""

from __future__ import annotations

import ctypes
import math
import os
from pathlib import Path

from models.errors import ModelError, UsageError
from models.llama import library
from models.llama.library import llama_cpp
from models.llama.model import Model


class Adapter:
    """Loaded before the contexts that shall use it, each of which takes ``Model.adapter`` on when it is made: llama.cpp
    leaves room for it in their graphs. It belongs to the model, which frees it.

    Args:
        path: a GGUF file. Validate it before (``models.adapter``): one that does not fit can end the process.
        scale: how strongly it works; 1 is as it was trained, 0 not at all.

    Raises:
        ModelError: llama.cpp refuses the file; the message says why.
        UsageError: the scale is not a number.
    """

    def __init__(self, model: Model, path: Path, scale: float = 1.0):
        if not math.isfinite(scale):
            raise UsageError(f"An adapter cannot have the scale {scale}.", "1 is as it was trained, 0 is without it.")
        said = library.logged()
        self._pointer = llama_cpp.llama_adapter_lora_init(model.pointer, os.fsencode(path))
        if not self._pointer:
            raise ModelError(
                f"llama.cpp cannot load {path}: {library.errors_since(said) or 'no reason given'}.",
                "Choose the model that it was trained on.",
            )
        self.path, self.scale = path, scale

    def apply(self, context: ctypes.c_void_p) -> None:
        """Let a new context of the model use it."""
        adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self._pointer)
        llama_cpp.llama_set_adapters_lora(context, adapters, 1, (ctypes.c_float * 1)(self.scale))
