"""`assistant completion`: what a shell completes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASSISTANT = [sys.executable, "-m", "assistant"]


def completed(line: str) -> list[str]:
    """What bash would offer for the last word of this line."""
    words = line.split(" ")
    asked = os.environ | {
        "_ASSISTANT_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    found = subprocess.run(ASSISTANT, capture_output=True, text=True, env=asked, check=False)
    return [item.partition(",")[2] for item in found.stdout.splitlines()]


def test_commands_options_and_templates_are_completed() -> None:
    assert "travel" in completed("assistant tra")
    assert "--no-history" in completed("assistant ask --no-")
    assert completed("assistant ask -t proof") == ["proofread"]


def test_installed_models_are_completed(tiny: Path) -> None:
    name = tiny.parent.name
    assert name in completed(f"assistant ask -m {name[:5]}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell: str) -> None:
    found = subprocess.run([*ASSISTANT, "completion", shell], capture_output=True, text=True, check=True)
    assert "_ASSISTANT_COMPLETE" in found.stdout


def test_an_unknown_shell_is_told_of() -> None:
    asked = os.environ | {"SHELL": "/bin/elvish"}
    found = subprocess.run([*ASSISTANT, "completion"], capture_output=True, text=True, env=asked, check=False)
    assert found.returncode == 2
    assert "bash, zsh, fish" in found.stderr
