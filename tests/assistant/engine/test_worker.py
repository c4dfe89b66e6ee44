"""The engine in a child process: the same answers, and no crash that reaches the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from assistant.engine.engine import Delta, GenerateOptions, LoadOptions, Message, Progress, Result
from assistant.engine.local import LocalEngine
from assistant.engine.worker import EngineDied, WorkerEngine
from models.errors import Cancelled, DoesNotFit, ModelError

GREEDY = GenerateOptions(temperature=0, max_tokens=16)
ENDLESS = GenerateOptions(temperature=1, max_tokens=2000)
QUESTION = [Message("user", "Tell me a very long story about the sea, with many chapters. Привет!")]


@pytest.fixture
def engine(tiny: Path) -> Iterator[WorkerEngine]:
    engine = WorkerEngine(tiny, LoadOptions(threads=1, context_length=2048))
    yield engine
    engine.close()


def test_it_answers_like_the_engine_in_this_process(engine: WorkerEngine, tiny: Path) -> None:
    progress: list[Progress] = []
    info = engine.load(progress.append)
    assert Progress("load", 100, 100) in progress
    assert progress[-1].phase == "measure"
    local = LocalEngine(tiny, LoadOptions(threads=1, context_length=2048))
    try:
        assert info == local.load()
        assert engine.count_tokens(QUESTION) == local.count_tokens(QUESTION)
        *deltas, result = engine.generate(QUESTION, GREEDY)
        *_, expected = local.generate(QUESTION, GREEDY)
        assert isinstance(result, Result)
        assert isinstance(expected, Result)
        assert (result.text, result.finish_reason) == (expected.text, expected.finish_reason)
        assert "".join(delta.text for delta in deltas if isinstance(delta, Delta)) == result.text
    finally:
        local.close()


def test_cancel_from_another_thread(engine: WorkerEngine) -> None:
    engine.load()
    threading.Timer(0.5, engine.cancel).start()
    started = time.monotonic()
    *_, result = engine.generate(QUESTION, ENDLESS)
    assert isinstance(result, Result)
    assert result.finish_reason == "cancelled"
    assert result.text
    assert time.monotonic() - started < 5
    *_, result = engine.generate(QUESTION, GREEDY)
    assert isinstance(result, Result)
    assert result.finish_reason != "cancelled"


def test_a_cancelled_load(engine: WorkerEngine) -> None:
    with pytest.raises(Cancelled):
        engine.load(lambda done: engine.cancel())
    assert engine.load().parameters > 0


def test_leaving_early_stops_the_child(engine: WorkerEngine) -> None:
    events = engine.generate(QUESTION, ENDLESS)
    for event in events:
        if isinstance(event, Delta):
            break
    events.close()  # type: ignore[attr-defined]
    started = time.monotonic()
    *_, result = engine.generate(QUESTION, GREEDY)
    assert isinstance(result, Result)
    assert time.monotonic() - started < 10


def test_a_killed_child_is_told_and_replaced(engine: WorkerEngine) -> None:
    engine.load()
    pid = engine.pid
    assert pid
    events = engine.generate(QUESTION, ENDLESS)
    assert any(isinstance(event, Delta) for event in events)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EngineDied, match="SIGKILL") as died:
        list(events)
    assert died.value.hint
    *_, result = engine.generate(QUESTION, GREEDY)
    assert isinstance(result, Result)
    assert result.text


def test_modules_of_the_folder_it_is_started_in_are_not_ours(
    engine: WorkerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("models.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    assert engine.load().parameters > 0


def test_a_log_that_cannot_be_written_is_done_without(
    engine: WorkerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("ASSISTANT_DATA_DIR", str(tmp_path / "a file"))
    assert engine.load().parameters > 0


def test_errors_of_the_child_keep_their_kind(engine: WorkerEngine, tmp_path: Path) -> None:
    with pytest.raises(DoesNotFit, match="2,048"):
        list(engine.generate([Message("user", "word " * 5000)], GREEDY))
    noise = tmp_path / "noise.gguf"
    noise.write_bytes(b"noise" * 1000)
    with pytest.raises(ModelError, match="not a GGUF"):
        WorkerEngine(noise).load()


def test_a_killed_parent_leaves_no_child(tiny: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from assistant.engine.worker import WorkerEngine\n"
        "engine = WorkerEngine(Path(sys.argv[1])); engine.load(); print(engine.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tiny)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
        child.wait(timeout=10)
