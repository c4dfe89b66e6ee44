"""The documents say what the program does."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[2]
MAN = ROOT / "docs" / "assistant.1"


def test_the_command_line_reference_is_what_help_says() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "write_cli.py"))["document"]()
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == written, "run `make docs`"


def test_every_command_and_option_has_a_line_of_help() -> None:
    contexts = runpy.run_path(str(ROOT / "docs" / "write_cli.py"))["contexts"]
    from assistant.cli import cli

    for context in contexts(cli, "assistant", None):
        assert context.command.help, context.command_path
        for option in context.command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{context.command_path} {option.opts[0]}"


def test_the_man_page_is_what_help_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    written = runpy.run_path(str(ROOT / "docs" / "write_man.py"))["page"]()
    assert MAN.read_text(encoding="ascii") == written, "run `make docs`"


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff")
def test_the_man_page_has_no_mistakes_of_roff() -> None:
    command = ["groff", "-man", "-Tutf8", "-ww", "-P-cbou", str(MAN)]
    shown = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert shown.stderr == ""
    assert "assistant summarize book.epub --words 300 --cite\n" in shown.stdout
    assert "завтрак" in shown.stdout
