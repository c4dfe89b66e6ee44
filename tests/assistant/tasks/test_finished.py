"""A run that was interrupted goes on where it was: finished calls are answered from the table."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from answering_engine import AnsweringEngine

from assistant.engine.engine import Constraint, GenerateOptions, LoadOptions, Message, Result, Speculation, Timings
from assistant.tasks.finished import KEPT_SECONDS, Finished, FinishedError, Run, model_key
from models.errors import Cancelled
from models.paths import finished_file

HERE = Path(__file__).parent
OPTIONS = GenerateOptions(temperature=0)


class Numbered(AnsweringEngine):
    """Each answer says the how manieth it is."""

    def __init__(self) -> None:
        super().__init__(lambda text: f"{text} {len(self.asked)}")


@pytest.fixture
def finished() -> Iterator[Finished]:
    with Finished.open() as finished:
        yield finished


def ask(
    run: Run, engine: AnsweringEngine, *texts: str, options: GenerateOptions = OPTIONS, keep: bool = True
) -> list[str]:
    """The answers to these, one after the other."""
    answers = []
    for text in texts:
        call = run.call(engine, [Message("system", "Sum up."), Message("user", text)], options, lambda: None, keep=keep)
        while True:
            try:
                next(call)
            except StopIteration as end:
                answers.append(end.value.text)
                break
    return answers


def rows(finished: Finished) -> int:
    return int(finished.database.rows("SELECT count(*) FROM calls")[0][0])


def test_a_resumed_run_asks_only_what_was_not_finished(finished: Finished) -> None:
    engine = Numbered()
    assert ask(finished.run("book", "model"), engine, "a", "b") == ["a 1", "b 2"]
    run = finished.run("book", "model", resume=True)
    assert ask(run, engine, "a", "b", "c") == ["a 1", "b 2", "c 3"]
    assert run.reused == 2
    finished.done([run])
    assert rows(finished) == 0
    assert ask(finished.run("book", "model", resume=True), engine, "a") == ["a 4"]


def test_without_resume_all_is_asked_anew_and_what_was_there_can_still_be_resumed(finished: Finished) -> None:
    engine = Numbered()
    ask(finished.run("book", "model"), engine, "a", "b", "c")
    assert ask(finished.run("book", "model"), engine, "a") == ["a 4"]
    assert ask(finished.run("book", "model", resume=True), engine, "a", "b", "c") == ["a 4", "b 2", "c 3"]


def test_another_model_prompt_or_option_is_another_call(finished: Finished) -> None:
    engine = Numbered()
    ask(finished.run("book", "model"), engine, "a")
    others = [
        replace(OPTIONS, temperature=0.5),
        replace(OPTIONS, seed=1),
        replace(OPTIONS, max_tokens=9),
        replace(OPTIONS, stop=("x",)),
        replace(OPTIONS, constraint=Constraint("regex", "a+")),
    ]
    for number, options in enumerate(others, 2):
        assert ask(finished.run("book", "model", resume=True), engine, "a", options=options) == [f"a {number}"]
    assert ask(finished.run("book", "other", resume=True), engine, "a") == ["a 7"]
    assert ask(finished.run("else", "model", resume=True), engine, "a") == ["a 8"]
    assert ask(finished.run("book", "model", resume=True), engine, "A") == ["A 9"]
    faster = replace(OPTIONS, draft="off", num_draft_tokens=3, keep_state=False)
    assert ask(finished.run("book", "model", resume=True), engine, "a", options=faster) == ["a 1"]


def test_equal_calls_of_a_run_have_answers_of_their_own(finished: Finished) -> None:
    engine = Numbered()
    assert ask(finished.run("book", "model"), engine, "a", "a") == ["a 1", "a 2"]
    assert ask(finished.run("book", "model", resume=True), engine, "a", "a", "a") == ["a 1", "a 2", "a 3"]


def test_all_of_a_result_comes_back(finished: Finished) -> None:
    whole = Result(
        "Привет \ud83d",
        "thought",
        "length",
        12,
        3,
        Timings(0.5, 0.25, 7, 1.5, 3, 2.5, 1),
        Speculation("lookup", 2, 6, 3, 1.5, ((3, 2),), 1.2),
    )

    class Whole(AnsweringEngine):
        def generate(self, messages: object, options: object) -> Iterator[Result]:
            yield whole

    for _ in range(2):
        call = finished.run("a", "b", resume=True).call(Whole(), [Message("user", "?\ud83d")], OPTIONS, lambda: None)
        with pytest.raises(StopIteration) as end:
            next(call)
        assert end.value.value == whole
    assert rows(finished) == 1


def test_what_is_private_is_not_stored(finished: Finished) -> None:
    ask(finished.run("book", "model"), Numbered(), "a", keep=False)
    assert rows(finished) == 0
    assert stat.S_IMODE(finished_file().stat().st_mode) == 0o600
    with Finished.in_memory() as memory:
        assert ask(memory.run("book", "model"), Numbered(), "the secret word") == ["the secret word 1"]
    ask(finished.run("book", "model"), Numbered(), "the secret word")
    finished.done([finished.run("book", "model")])
    assert not any(b"the secret word" in file.read_bytes() for file in finished_file().parent.iterdir())


def test_what_was_cancelled_is_not_finished(finished: Finished) -> None:
    class Stopped(AnsweringEngine):
        def generate(self, *call: object) -> Iterator[Result]:
            yield Result("Hal", "", "cancelled", 1, 1)

    with pytest.raises(Cancelled):
        ask(finished.run("book", "model"), Stopped(), "a")
    assert rows(finished) == 0

    def stop() -> None:
        raise Cancelled()

    ask(finished.run("book", "model"), Numbered(), "a")
    with pytest.raises(Cancelled):  # also in a row of calls that are all finished
        next(finished.run("book", "model", resume=True).call(Numbered(), [Message("user", "a")], OPTIONS, stop))


def test_what_nobody_resumed_goes_after_a_month(finished: Finished) -> None:
    ask(finished.run("old", "model"), Numbered(), "a")
    finished.database.write("UPDATE calls SET finished = finished - ?", KEPT_SECONDS + 1)
    ask(finished.run("new", "model"), Numbered(), "a")
    with Finished.open() as again:
        assert rows(again) == 1


def test_rows_that_are_none_of_ours_are_asked_again(finished: Finished) -> None:
    ask(finished.run("book", "model"), Numbered(), "a")
    for result in ("", "[]", "{}", '{"type": "Result"}', '{"type": "Delta", "text": "a"}'):
        finished.database.write("UPDATE calls SET result = ?", result)
        run = finished.run("book", "model", resume=True)
        assert ask(run, Numbered(), "a") == ["a 1"]
        assert run.reused == 0


KILLED = """
import os, signal
from test_finished import Numbered, ask
from assistant.tasks.finished import Finished

engine = Numbered()
engine.say = lambda text: os.kill(os.getpid(), signal.SIGKILL) if text == "d" else f"{text} by the first"
ask(Finished.open().run("book", "model"), engine, *"abcde")
"""


def test_a_kill_loses_nothing_that_was_finished(finished: Finished) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], env=os.environ | {"PYTHONPATH": f"{HERE}:{HERE.parents[2]}"}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    engine = Numbered()
    assert ask(finished.run("book", "model", resume=True), engine, *"abcde") == [
        "a by the first", "b by the first", "c by the first", "d 1", "e 2",
    ]  # fmt: skip
    assert engine.asked == ["d", "e"]


def test_on_a_full_disk_what_is_finished_stays(finished: Finished) -> None:
    engine = AnsweringEngine(lambda text: text * 3000)
    pages = finished.database.rows("PRAGMA page_count")[0][0]
    finished.database.rows(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(FinishedError, match="disk is full") as full:
        ask(finished.run("book", "model"), engine, *(f"word{number}" for number in range(20)))
    assert full.value.hint
    stored = rows(finished)
    assert 0 < stored == len(engine.asked) - 1
    finished.database.rows("PRAGMA max_page_count = 100000")
    run = finished.run("book", "model", resume=True)
    ask(run, engine, *(f"word{number}" for number in range(20)))
    assert run.reused == stored


def test_two_runs_at_once_do_not_disturb_each_other() -> None:
    answers: dict[str, list[str]] = {}

    def work(name: str) -> None:
        with Finished.open() as mine:
            run = mine.run("book", "model")
            answers[name] = ask(run, AnsweringEngine(lambda text: f"{text} {name}"), *map(str, range(30)))
            mine.done([run])

    threads = [threading.Thread(target=work, args=(name,)) for name in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {name: [f"{number} {name}" for number in range(30)] for name in "xy"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FinishedError, match="cannot be opened") as error:
        Finished.open(tmp_path / "file" / "finished.db")
    assert error.value.hint
    (tmp_path / "other.db").write_text("no database, but a text of more than sixteen bytes")
    with pytest.raises(FinishedError, match="is not a database"):
        Finished.open(tmp_path / "other.db")
    sqlite3.connect(tmp_path / "theirs.db").execute("CREATE TABLE mine (a)").connection.close()
    with pytest.raises(FinishedError, match="another program"):
        Finished.open(tmp_path / "theirs.db")


def test_a_model_is_its_file_and_its_adapter(tmp_path: Path) -> None:
    model, adapter = tmp_path / "a.gguf", tmp_path / "b.gguf"
    model.write_bytes(b"a" * 100)
    adapter.write_bytes(b"b" * 100)
    keys = [
        model_key(model),
        model_key(model, LoadOptions(lora=str(adapter))),
        model_key(model, LoadOptions(lora=str(adapter), lora_scale=0.5)),
        model_key(model, LoadOptions(kv_type="q8_0")),
    ]
    model.write_bytes(b"c" * 100)
    os.utime(model, (1, 1))
    assert len({*keys, model_key(model)}) == 5
    assert model_key(model) == model_key(model, LoadOptions(threads=3))


def test_an_engine_that_resumes_asks_only_what_is_not_finished(finished: Finished) -> None:
    from answering_engine import AnsweringEngine

    def go(resume: bool, stop_at: int = 99) -> tuple[list[str], list[list[float]], int]:
        inner = AnsweringEngine(str.upper, weigh=lambda text: {"yes": 0.75, "no": 0.25})
        run = finished.run("files", "model", resume=resume)
        engine = run.engine(inner)
        answers, scores = [], []
        for number in range(stop_at):
            if number == 3:
                break
            *_, last = engine.generate([Message("user", f"text {number}")], OPTIONS)
            assert isinstance(last, Result)
            answers.append(last.text)
            scores.append(engine.score([Message("user", f"text {number}")], ["yes", "no"]))
        return answers, scores, len(inner.asked)

    go(resume=False, stop_at=2)
    whole = go(resume=False)
    assert whole[2] == 6
    assert go(resume=True) == (whole[0], whole[1], 0)
