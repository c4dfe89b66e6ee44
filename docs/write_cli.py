"""Writes docs/cli.md from the command line's own ``--help``. A test fails when the file is not what this writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from assistant.cli import cli

CLI_MD = Path(__file__).with_name("cli.md")


def document() -> str:
    """The help of every command, as Markdown."""
    parts = ["# Command line", "", "Written by `make docs` from `--help`; do not edit it here.", ""]
    for context in contexts(cli, "assistant", None):
        parts += [f"## {context.command_path}", "", "```", context.get_help().rstrip(), "```", ""]
    return "\n".join(parts)


def contexts(command: click.Command, name: str, parent: click.Context | None) -> Iterator[click.Context]:
    context = click.Context(
        command, parent, info_name=name, terminal_width=100, max_content_width=100, **command.context_settings
    )
    yield context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None, inner
            yield from contexts(found, inner, context)


if __name__ == "__main__":
    CLI_MD.write_text(document(), encoding="utf-8")
