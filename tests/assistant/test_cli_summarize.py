"""assistant summarize, as scripts use it, on the smallest real model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from in_process import Run, runner

TEXT = """# The ferry

The ferry across the Tamar stops on 3 May for repairs. Its owner, Ann Cole, said that the hull has to dry for weeks.

Until then a bus goes round by Gunnislake every 40 minutes. It costs 2 pounds, and pupils go free.
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return partial(runner(["-m", "tiny", "-o", "draft", "off"], tmp_path, monkeypatch, capsys), "summarize")


@pytest.fixture
def ferry(tmp_path: Path) -> Path:
    path = tmp_path / "ferry.md"
    path.write_text(TEXT)
    return path


def test_json_has_what_a_script_needs(run: Run, ferry: Path) -> None:
    done = run("--json", "--style", "tldr", ferry)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["source"] == str(ferry)
    assert found["coverage"] == 1.0
    assert found["source_tokens"] > 40
    assert found["words"] > 3
    assert found["asked"] == {"style": "tldr", "words": None, "language": "auto", "focus": ""}
    assert "tiny" in found["model"].lower() or found["model"]
    assert {"seconds", "prefill_seconds", "decode_seconds", "prompt_tokens"} <= found["timings"].keys()
    for point in found["points"]:
        assert point["text"] in found["summary"]
        assert all(0 <= start < end <= len(TEXT) for start, end in point["spans"])


def test_citations_are_numbered_and_listed(run: Run, ferry: Path) -> None:
    said = run("--cite", ferry, "--style", "bullets").stdout
    summary, listed = said.rsplit("\n\n", 1)
    numbers = {int(number) for number in re.findall(r"\[(\d+)\]", summary)}
    assert numbers == set(range(1, 1 + len(listed.strip().splitlines())))
    assert re.fullmatch(rf'\[1\] {re.escape(str(ferry))}, line [135]: ".+"', listed.splitlines()[0])


def test_a_window_that_is_too_small_says_both_counts(run: Run, ferry: Path) -> None:
    done = run("-o", "context_length", 128, ferry)
    assert (done.returncode, done.stdout) == (4, "")
    assert re.search(r"request takes \d+ tokens .* window holds 128", done.stderr)


def test_a_template_has_its_own_form(run: Run, ferry: Path) -> None:
    done = run("--template", "summarize", "--words", 20, ferry)
    assert (done.returncode, "form of its own" in done.stderr) == (2, True)
    found = json.loads(run("--template", "summarize", "--json", ferry).stdout)
    assert found["coverage"] == 1.0
    assert found["points"]


def test_nothing_to_read_and_nonsense_are_usage_errors(run: Run) -> None:
    assert run("--words", "0", stdin=TEXT).returncode == 2
    assert run("--style", "poem", stdin=TEXT).returncode == 2
    done = run("-o", "max_tokens", 50, stdin=TEXT)
    assert (done.returncode, "--words" in done.stderr) == (2, True)
    done = run(stdin="")
    assert done.returncode in (1, 2)
    assert done.stdout == ""


def test_cron_has_no_terminal_no_home_and_gets_no_colours(ferry: Path, tmp_path: Path) -> None:
    kept = ("PATH", "ASSISTANT_MODELS", "ASSISTANT_DATA_DIR", "ASSISTANT_OFFLINE", "OMP_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-m", "assistant", "summarize", "-m", "tiny", "-o", "draft", "off", "--style", "headline"],
        input=ferry.read_bytes(),
        capture_output=True,
        env={name: os.environ[name] for name in kept if name in os.environ},
        start_new_session=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.decode().splitlines()) == 1
    assert b"\x1b" not in done.stdout + done.stderr
