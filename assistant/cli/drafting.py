"""The flags of speculative decoding, which ``ask`` and ``chat`` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from assistant.settings import DRAFTING

_Command = TypeVar("_Command", bound=Callable[..., Any])


def draft_flags(command: _Command) -> _Command:
    """``--draft``, ``--draft-model``, ``--num-draft-tokens``: options like those of ``-o``, by names of their own."""
    for flag in (
        click.option("--num-draft-tokens", metavar="N", help="Draft N tokens a round instead of as many as pay."),
        click.option("--draft-model", metavar="MODEL", help="A model of the same vocabulary to draft with."),
        click.option(
            "--draft",
            metavar="MODE",
            help="What drafts tokens ahead: auto (whatever is fastest), lookup (the prompt), model, or off.",
        ),
    ):
        command = flag(command)
    return command


def draft_options(flags: dict[str, Any]) -> list[tuple[str, str]]:
    """Take the flags out of a command's arguments, as pairs like those of ``-o``."""
    return [(name, value) for name in DRAFTING if (value := flags.pop(name)) is not None]
