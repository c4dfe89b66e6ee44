"""The flags of LoRA adapters, which ``ask`` and ``chat`` share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from models.errors import UsageError

_Command = TypeVar("_Command", bound=Callable[..., Any])


def lora_flags(command: _Command) -> _Command:
    """``--lora``, ``--lora-scale``."""
    for flag in (
        click.option(
            "--lora-scale", type=float, metavar="X", help="How strongly the adapter works: 1 is as it was trained."
        ),
        click.option("--lora", metavar="FILE", help="Add this LoRA adapter (GGUF) to the model."),
    ):
        command = flag(command)
    return command


def lora_options(flags: dict[str, Any]) -> dict[str, Any]:
    """Take the flags out of a command's arguments: fields of ``LoadOptions``.

    Raises:
        UsageError: there is a scale without an adapter, or it is not a number.
    """
    file, scale = flags.pop("lora"), flags.pop("lora_scale")
    if file is None:
        if scale is not None:
            raise UsageError("--lora-scale needs an adapter.", "Name it: --lora FILE")
        return {}
    if scale is not None and not math.isfinite(scale):
        raise UsageError(f"--lora-scale cannot be {scale}.", "1 is as it was trained, 0 is without it.")
    return {"lora": str(Path(file).expanduser().absolute()), "lora_scale": 1.0 if scale is None else scale}
