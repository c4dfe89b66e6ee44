"""Conversations with a real model: its template, its token counts, its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.chat.conversation import Compacted, Conversation
from assistant.chat.history import History
from assistant.engine.engine import Delta, GenerateOptions, LoadOptions, Result
from assistant.engine.local import LocalEngine
from assistant.engine.worker import EngineDied, WorkerEngine
from models.errors import DoesNotFit

GREEDY = GenerateOptions(temperature=0, max_tokens=40)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History(tmp_path / "history.db") as history:
        yield history


@pytest.fixture
def engine(tiny: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(tiny, LoadOptions(context_length=512, threads=1))
    yield engine
    engine.close()


def test_the_budget_is_what_the_engine_counts(engine: LocalEngine, history: History) -> None:
    conversation = Conversation(engine, history, model="tiny", system="You are brief.", options=GREEDY)
    for question in ("What is the capital of France?", "Где находится Казань?"):
        expected = conversation.budget(question)
        *_, result = conversation.send(question)
        assert isinstance(result, Result)
        # The end of the last answer is retokenized with what follows: a few tokens either way, and never too low.
        assert 0 <= expected.used - result.prompt_tokens <= 16
    assert conversation.budget().window == 512


def test_a_long_chat_is_compacted_and_goes_on(engine: LocalEngine, history: History) -> None:
    id = history.create("Rivers", "tiny")
    for number in range(6):
        history.add_message(id, "user", f"Tell me about river number {number}.")
        history.add_message(id, "assistant", f"River {number} is {number}00 km long and flows into the sea. " * 4)
    conversation = Conversation.open(engine, history, id, model="tiny", options=GREEDY)
    *events, result = conversation.send("Which river is the longest?")
    compacted = next(event for event in events if isinstance(event, Compacted))
    assert isinstance(result, Result)
    assert result.text
    assert compacted.tokens_after < compacted.tokens_before
    assert result.prompt_tokens == compacted.tokens_after
    stored = history.load(id).messages
    assert len(stored) == 15
    assert all(message.active for message in stored)
    (note,) = (message for message in stored if message.role == "note")
    assert note.text == compacted.note


def test_a_question_longer_than_the_window(engine: LocalEngine, history: History) -> None:
    conversation = Conversation(engine, history, model="tiny", options=GREEDY)
    with pytest.raises(DoesNotFit, match="the window has 512"):
        list(conversation.send("word " * 1000))
    *_, result = conversation.send("Hello")
    assert isinstance(result, Result)
    assert result.text


def test_the_engine_dies_in_the_middle_and_the_chat_goes_on(tiny: Path, history: History) -> None:
    engine = WorkerEngine(tiny, LoadOptions(context_length=512, threads=1))
    try:
        conversation = Conversation(engine, history, model="tiny", options=GenerateOptions(temperature=0))
        said = ""

        def until_killed() -> None:
            nonlocal said
            for event in conversation.send("Count from one to a hundred in words."):
                if isinstance(event, Delta):
                    said += event.text
                    if len(said) > 20 and engine.pid:
                        os.kill(engine.pid, signal.SIGKILL)

        with pytest.raises(EngineDied):
            until_killed()
        assert conversation.id is not None
        failed = history.load(conversation.id).messages[-1]
        assert (failed.text, failed.status) == (said, "failed")
        conversation.options = GREEDY
        *_, result = conversation.send("Say hello.")
        assert isinstance(result, Result)
        assert result.text
    finally:
        engine.close()


CHAT = """
import sys
from pathlib import Path
from assistant.chat.conversation import Conversation
from assistant.chat.history import History
from assistant.engine.engine import Delta, GenerateOptions, LoadOptions
from assistant.engine.local import LocalEngine
engine = LocalEngine(Path(sys.argv[1]), LoadOptions(context_length=4096, threads=1))
conversation = Conversation(engine, History(Path(sys.argv[2])), model="tiny", options=GenerateOptions(temperature=1.5))
while True:
    for event in conversation.send("Tell me a very long story about a river, a boat and a storm."):
        if isinstance(event, Delta):
            sys.stdout.write(event.text)
            sys.stdout.flush()
"""


def test_a_killed_chat_keeps_all_but_the_last_second(tiny: Path, tmp_path: Path) -> None:
    database = tmp_path / "history.db"
    child = subprocess.Popen([sys.executable, "-c", CHAT, str(tiny), str(database)], stdout=subprocess.PIPE)
    assert child.stdout
    said: list[tuple[float, int]] = []  # when, and bytes seen by then
    seen = b""
    started = 0.0
    while not started or time.monotonic() - started < 2.0:
        part = child.stdout.read1(4096)
        assert part
        started = started or time.monotonic()
        seen += part
        said.append((time.monotonic(), len(seen)))
    child.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    child.communicate()
    due = max(bytes_ for when, bytes_ in said if killed - when > 1.0)
    with History(database) as history:
        stored = history.load(1).messages
    assert stored[-1].status == "interrupted"
    kept = "".join(message.text for message in stored if message.role == "assistant")
    assert kept.encode().startswith(seen[:due])
