"""Engines in processes of their own: as many as there is memory for, and started again when they die."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from assistant.engine.engine import GenerateOptions, LoadOptions
from assistant.engine.processes import engines
from assistant.tasks.batching.job import Job
from assistant.tasks.batching.records import Record
from assistant.tasks.batching.running import Done, EngineWorker, run, tasks_of
from assistant.templates.template import Template
from models import hardware
from models.errors import DoesNotFit
from models.hardware import Memory


def test_as_many_as_there_is_memory_for(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def free(size: int) -> None:
        monkeypatch.setattr(hardware, "memory", lambda: Memory(64 << 30, size))

    options = LoadOptions(threads=8)
    free(32 << 30)
    assert [engine.options.threads for engine in engines(tiny, options, 4)] == [2, 2, 2, 2]
    free(2 << 30)
    few = engines(tiny, options, 64)
    assert 1 <= len(few) < 10
    assert all(engine.options.threads == 8 // len(few) or engine.options.threads == 1 for engine in few)
    larger = engines(tiny, LoadOptions(context_length=512), 64)
    assert len(larger) > len(few)  # of a smaller window
    free(10 << 20)
    with pytest.raises(DoesNotFit, match="memory"):
        engines(tiny, options, 4)


def test_one_that_dies_is_started_again_and_nothing_is_lost(tiny: Path) -> None:
    options = LoadOptions(context_length=512, prompt_cache=False, drafting=False)
    (engine,) = engines(tiny, options, 1)
    template = Template.model_validate({"name": "mood", "choices": ["good", "bad"]})
    job = Job(None, {})
    records = [Record(number, f"line {number + 1}", f"text {number}", {}) for number in range(8)]
    killed = 0
    for event in run(job, records, tasks_of(template, {}, {}, GenerateOptions()), [EngineWorker(engine)]):
        assert isinstance(event, Done)
        if event.number in (1, 4) and engine.pid:
            os.kill(engine.pid, signal.SIGKILL)
            killed += 1
    engine.close()
    assert killed == 2
    assert job.counts() == {"done": 8}
