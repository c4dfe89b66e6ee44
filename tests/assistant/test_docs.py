"""The documents say what the program does."""

from __future__ import annotations

import runpy
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]


def test_the_command_line_reference_is_what_help_says() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "write_cli.py"))["document"]()
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == written, "run `make docs`"


def test_every_command_and_option_has_a_line_of_help() -> None:
    contexts = runpy.run_path(str(ROOT / "docs" / "write_cli.py"))["_contexts"]
    from assistant.cli import cli

    for context in contexts(cli, "assistant", None):
        assert context.command.help, context.command_path
        for option in context.command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{context.command_path} {option.opts[0]}"
