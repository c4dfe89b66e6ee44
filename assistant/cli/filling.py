"""The flags of templates, which ``ask`` and ``chat`` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from assistant.cli import completion
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.templates.template import Filled

_Command = TypeVar("_Command", bound=Callable[..., Any])


def template_flags(command: _Command) -> _Command:
    """``-t/--template``, ``-p/--param``."""
    for flag in (
        click.option(
            "-p",
            "--param",
            "params",
            nargs=2,
            multiple=True,
            metavar="NAME VALUE",
            help="Set a variable of the template. Repeatable.",
        ),
        click.option(
            "-t",
            "--template",
            metavar="NAME",
            shell_complete=completion.templates,
            help="Put the question into a template (see `assistant templates`).",
        ),
    ):
        command = flag(command)
    return command


def filled_of(flags: dict[str, Any]) -> Filled | None:
    """Take the flags out of a command's arguments. The parameter ``language`` (en or ru) is one of every template: what
    it speaks; by default the language of the input.

    Raises:
        UsageError: there is no such template, or a variable is wrong or missing.
    """
    name, params = flags.pop("template"), dict(flags.pop("params"))
    if name is None:
        if params:
            raise UsageError("-p sets a variable of a template.", "Name the template: -t NAME")
        return None
    from assistant.templates.library import Library
    from assistant.templates.template import fill

    return fill(Library().get(name), params)
