"""Writing a prompt in the editor of the user's choice."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

DEFAULT = "vi" if os.name == "posix" else "notepad"


def editor() -> str:
    """The command of the editor: ``VISUAL``, ``EDITOR``, or what every system has."""
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or DEFAULT


def edit(text: str) -> str:
    """Open the editor on ``text`` and give what was saved. The screen must be suspended meanwhile.

    Raises:
        OSError: the editor could not be started.
    """
    with tempfile.TemporaryDirectory(prefix="assistant-") as folder:
        path = Path(folder, "prompt.md")
        path.write_text(text, encoding="utf-8")
        ended = subprocess.run([*shlex.split(editor()), str(path)], check=False)
        return path.read_text(encoding="utf-8", errors="replace").rstrip("\n") if ended.returncode == 0 else text
