"""What is remembered of the AMX kernels: their own verdict, and nothing that befell the probe from outside."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from models.llama import amx


@pytest.mark.parametrize(
    ("code", "sound", "remembered"),
    [(0, True, True), (-signal.SIGILL, False, True), (-signal.SIGINT, False, False), (-signal.SIGKILL, False, False)],
)
def test_only_a_verdict_is_remembered(
    code: int, sound: bool, remembered: bool, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libllama.so"
    library.touch()
    ended = subprocess.CompletedProcess([], code, b"", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)  # the edge of the machine: a processor with AMX
    assert amx.is_sound(library, tmp_path / "model.gguf") is sound
    assert (home / "cache" / "amx.json").exists() is remembered
