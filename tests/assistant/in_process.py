"""Commands in this process: without the seconds that a new one takes to import, and with what they print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from assistant.cli import main


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def runner(
    before: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs ``assistant ARGUMENTS``, the first of them, ``before``, the others; standard input comes from a file."""

    def run(verb: str, *args: object, stdin: str | bytes = b"") -> Done:
        given = tmp_path / "stdin"
        given.write_bytes(stdin.encode() if isinstance(stdin, str) else stdin)
        capsys.readouterr()
        code = 0
        with given.open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            try:
                main([verb, *before, *map(str, args)])
            except SystemExit as end:
                code = int(end.code or 0)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run
