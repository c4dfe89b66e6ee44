"""``assistant cache`` as a user types it, and which questions leave something in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from assistant.chat.history import History
from assistant.cli import main
from assistant.engine.prompt_cache import PromptCache


def run(*args: str) -> int:
    try:
        main(args)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def stored() -> PromptCache:
    """Two states of 3 and 5 thousand bytes, the larger one used last."""
    import ctypes

    disk = PromptCache()
    for number, size in ((1, 3000), (2, 5000)):
        state = (ctypes.c_uint8 * size).from_buffer_copy(np.full(size, number, dtype=np.uint8))
        tokens = [number, *range(9)]
        assert disk.write("k", state, tokens, 10, text="", text_tokens=0, seconds=0.5, model=f"{number}.gguf")
    return disk


def test_list(stored: PromptCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cache") == 0
    shown = capsys.readouterr()
    assert [line.split()[-1] for line in shown.out.splitlines()] == ["2.gguf", "1.gguf"]
    assert "10 tokens" in shown.out
    assert f"of 2.0 GB, in {stored.folder}" in shown.err
    assert run("cache", "list", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [entry["model"] for entry in report["entries"]] == ["2.gguf", "1.gguf"]
    assert report["size"] == sum(entry["size"] for entry in report["entries"]) > 8000
    assert (report["limit"], report["entries"][0]["prefill_seconds"]) == (2_000_000_000, 5.0)


def test_an_empty_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cache") == run("cache", "clear") == 0
    assert capsys.readouterr().out == ""
    assert run("cache", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["entries"] == []


def test_clear(stored: PromptCache, capsys: pytest.CaptureFixture[str]) -> None:
    (stored.folder / "k-1.kv.77.partial").write_bytes(b"half")
    assert run("cache", "clear") == 0
    assert "Removed 2 states, 8.4 kB" in capsys.readouterr().err
    assert [file.name for file in stored.folder.iterdir()] == ["cleared"]


def test_limit(stored: PromptCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cache", "limit") == 0
    assert capsys.readouterr().out == "2 GB\n"
    assert run("cache", "limit", "6 kB") == 0
    assert [entry.model for entry in stored.entries()] == ["2.gguf"]  # the last used stays
    assert run("cache", "limit", "much") == 2
    assert "should be a size such as 500MB" in capsys.readouterr().err
    assert run("cache", "limit") == 0
    assert capsys.readouterr().out == "6 kB\n"


def test_removing_a_chat_removes_what_was_read_of_it(stored: PromptCache) -> None:
    with History.open() as history:
        id = history.create("title", "tiny")
    assert run("history", "rm", str(id), "-y") == 0
    assert stored.entries() == []


def test_a_question_with_a_file_is_read_once(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.engine.prompt_reuse._WORTH_KEEPING", 0.0)
    monkeypatch.setattr("assistant.engine.prompt_reuse._BYTES_PER_SECOND", 1e15)
    notes = tmp_path / "notes.txt"
    notes.write_text("".join(f"{number}. The ferry leaves at {number}:30.\n" for number in range(20)))

    def restored(question: str, *options: str) -> int:
        common = ("-m", str(tiny), "-f", str(notes), "-o", "max_tokens", "4", "-o", "threads", "1", "--json")
        assert run("ask", question, *common, *options) == 0
        return int(json.loads(capsys.readouterr().out)["timings"]["restored_tokens"])

    assert restored("How many?", "--no-history") == 0
    assert not PromptCache().folder.exists()
    assert restored("How many ferries are there?") == 0
    assert restored("When does the last one leave?") > 200
    assert restored("And the first?", "--no-history") > 200
    assert restored("And the first?", "-o", "prompt_cache", "false") == 0
    assert len(PromptCache().entries()) == 1
