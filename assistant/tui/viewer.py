"""Showing a document in the program that the system has for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SHOWN = (
    *(".pdf", ".docx", ".odt", ".rtf", ".epub", ".pptx", ".xlsx", ".ods", ".csv"),
    *(".txt", ".md", ".markdown", ".rst", ".html", ".htm"),
)
"""Only what is read: to "open" a script is to run it, on some systems."""


def show(path: Path) -> bool:
    """Start the viewer and leave it running. False: there is none for it here, or no such file."""
    command = _command()
    if command is None or path.suffix.lower() not in SHOWN or not path.is_file():
        return False
    if command == "":
        os.startfile(path)  # type: ignore[attr-defined,unused-ignore]  # Windows only
        return True
    try:
        subprocess.Popen(
            [command, str(path.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # not stopped by the Ctrl+C of this terminal
        )
    except OSError:
        return False
    return True


def _command() -> str | None:
    """The opener of this system; empty: a call of Windows; None: none, as over ssh."""
    if sys.platform == "win32":
        return ""
    if sys.platform == "darwin":
        return shutil.which("open")
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if has_screen else None
