"""``assistant completion``: the script that completes commands, options, models and templates in a shell."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from models.errors import UsageError

_SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print the script that completes commands in bash, zsh or fish.")
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print the script that completes commands, options, models and templates in a shell.

        bash:  assistant completion bash > ~/.local/share/bash-completion/completions/assistant
        zsh:   assistant completion zsh > ~/.zfunc/_assistant   (with ~/.zfunc in fpath)
        fish:  assistant completion fish > ~/.config/fish/completions/assistant.fish

    Without a name it is the script of your shell.
    """
    from assistant.cli import cli

    shell = shell or Path(os.environ.get("SHELL", "")).name
    found = get_completion_class(shell) if shell in _SHELLS else None
    if found is None:
        raise UsageError("It cannot be told which shell this is.", f"Name it: {', '.join(_SHELLS)}.")
    click.echo(found(cli, {}, "assistant", "_ASSISTANT_COMPLETE").source())


def models(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Installed models whose names begin so."""
    from models.store import Store

    return [CompletionItem(one.name) for one in Store().installed() if one.name.startswith(begun)]


def templates(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Templates whose names begin so."""
    from assistant.templates.library import Library

    return [CompletionItem(name) for name in Library().names() if name.startswith(begun)]
