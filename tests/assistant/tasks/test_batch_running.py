"""A batch: each record is answered once, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest
from answering_engine import AnsweringEngine

from assistant.engine.calls import Choice
from assistant.engine.engine import GenerateOptions, Result
from assistant.engine.many import Request
from assistant.engine.worker import EngineDied
from assistant.tasks.batching import outputs, running
from assistant.tasks.batching.job import Fact, Job, JobError
from assistant.tasks.batching.records import Broken, Record
from assistant.tasks.batching.running import Done, EngineWorker, Failed, Task, run, tasks_of
from assistant.templates.template import Template
from models.errors import Cancelled, DoesNotFit, ModelError, NetworkError, UsageError, UserError
from models.files import written_whole

ECHO = Template.model_validate({"name": "echo", "options": {"temperature": 0}})
FACTS = {"template": Fact("echo", "1"), "model": Fact("tiny", "abc")}
GREEDY = GenerateOptions(temperature=0.0)


def records(count: int, start: int = 0) -> list[Record | Broken]:
    return [Record(number, f"line {number + 1}", f"text {number}", {"id": number}) for number in range(start, count)]


def answer(
    job: Job,
    given: Sequence[Record | Broken],
    *engines: AnsweringEngine,
    options: GenerateOptions = GREEDY,
    **how: object,
) -> list[Done | Failed]:
    workers = [EngineWorker(engine) for engine in engines]
    return list(run(job, given, tasks_of(ECHO, {}, {}, options), workers, **how))  # type: ignore[arg-type]


def states(job: Job) -> str:
    return "".join(row.state[0] for row in job.rows())


def raising(error: UserError, when: Callable[[str], bool], times: int = 1_000) -> Callable[[str], str]:
    left = [times]

    def say(text: str) -> str:
        if when(text) and left[0]:
            left[0] -= 1
            raise error
        return text.upper()

    return say


# What is done is done


def test_records_are_answered_once_in_order_by_several_workers(tmp_path: Path) -> None:
    engines = [AnsweringEngine(str.upper) for _ in range(3)]
    job = Job(tmp_path / "out.job", FACTS)
    events = answer(job, records(200), *engines)
    assert sorted(event.number for event in events) == list(range(200))
    assert [row.answer and row.answer["output"] for row in job.rows()] == [f"TEXT {number}" for number in range(200)]
    assert sorted(text for engine in engines for text in engine.asked) == sorted(f"text {n}" for n in range(200))
    job.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_is_known_is_not_asked_again_and_what_grew_is(tmp_path: Path) -> None:
    job = Job(tmp_path / "out.job", FACTS)
    answer(job, records(3), AnsweringEngine())
    job.close()
    job, engine = Job(tmp_path / "out.job", FACTS), AnsweringEngine()
    assert [event.number for event in answer(job, records(5), engine)] == [3, 4]
    assert engine.asked == ["text 3", "text 4"]
    assert job.survey(records(5), lambda: False).records == 5
    job.close()


_PROGRAM = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from answering_engine import AnsweringEngine
from assistant.engine.engine import GenerateOptions
from assistant.tasks.batching import outputs
from assistant.tasks.batching.job import Job
from assistant.tasks.batching.records import Record
from assistant.tasks.batching.running import EngineWorker, run, tasks_of
from assistant.templates.template import Template
from models.files import written_whole

def say(text):
    time.sleep(0.001)
    return text.upper()

out = Path(sys.argv[1])
job = Job(Path(f"{{out}}.job"), {{}})
records = (Record(number, "", f"text {{number}}", {{"id": number}}) for number in range(1000))
task_of = tasks_of(Template(name="echo"), {{}}, {{}}, GenerateOptions())
for event in run(job, records, task_of, [EngineWorker(AnsweringEngine(say))]):
    print(event.number, flush=True)
with written_whole(out) as file:
    outputs.write(lambda: outputs.outcomes(job.rows()), file, "jsonl")
job.remove()
"""


def test_killed_five_times_it_has_a_thousand_results(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-c", _PROGRAM.format(tests=str(Path(__file__).parent)), str(out)]
    told: list[int] = []
    for _ in range(5):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                told.append(int(line))
                if len(told) % 150 == 0:
                    process.kill()
        assert process.returncode == -signal.SIGKILL
        assert not out.exists()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told += map(int, done.stdout.split())
    assert sorted(set(told)) == sorted(told)  # nothing that was told of as done was done again
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [record["id"] for record in found] == list(range(1000))
    assert [record["output"] for record in found] == [f"TEXT {number}" for number in range(1000)]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["out.jsonl"]


def test_a_full_disk_keeps_what_is_done(tmp_path: Path) -> None:
    job = Job(tmp_path / "out.job", FACTS)
    (pages,) = job._db.rows("PRAGMA page_count")[0]
    job._db.rows(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(JobError, match="disk is full"):
        answer(job, records(2000), AnsweringEngine())
    kept = job.counts()["done"]
    assert 0 < kept < 2000
    job.close()
    job, engine = Job(tmp_path / "out.job", FACTS), AnsweringEngine()
    answer(job, records(2000), engine)
    assert job.counts() == {"done": 2000}
    assert len(engine.asked) == 2000 - kept


def test_stopped_it_keeps_what_is_finished_and_goes_on(tmp_path: Path) -> None:
    stopped, job = threading.Event(), Job(tmp_path / "out.job", FACTS)
    events = run(job, records(1000), tasks_of(ECHO, {}, {}, GREEDY), [EngineWorker(AnsweringEngine())], stopped=stopped)
    numbers = [next(events).number for _ in range(5)]
    stopped.set()
    with pytest.raises(Cancelled):
        numbers += [event.number for event in events]
    assert set(numbers) <= {row.number for row in job.rows()}
    kept = job.counts()["done"]
    assert kept < 1000
    assert len(answer(job, records(1000), AnsweringEngine())) == 1000 - kept
    assert job.counts() == {"done": 1000}


# Whose job it is


def test_another_job_is_refused_with_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "out.job"
    job = Job(path, FACTS)
    answer(job, records(2), AnsweringEngine())
    job.close()
    for facts, words in (
        ({"template": Fact("label", "1")}, "another template: echo, now label"),
        ({"template": Fact("echo", "2")}, "The template echo has changed"),
        ({"model": Fact("starter", "abc")}, "another model"),
    ):
        with pytest.raises(UsageError, match=words) as refused:
            Job(path, {**FACTS, **facts})
        assert "--restart" in (refused.value.hint or "")
    job = Job(path, {**FACTS, "model": Fact("starter")}, restart=True)
    assert job.counts() == {}


def test_another_input_is_refused_with_where_it_differs(tmp_path: Path) -> None:
    job = Job(tmp_path / "out.job", FACTS)
    answer(job, records(3), AnsweringEngine())
    changed = [*records(1), Record(1, "line 2", "else", {}), *records(3, 2)]
    for check in (lambda: answer(job, changed, AnsweringEngine()), lambda: job.survey(changed, lambda: False)):
        with pytest.raises(UsageError, match="line 2 is not what was answered"):
            check()
    with pytest.raises(UsageError, match="shorter"):
        job.survey(records(2), lambda: False)
    assert states(job) == "ddd"


def test_two_processes_do_not_work_on_one_job(tmp_path: Path) -> None:
    path = tmp_path / "out.job"
    job = Job(path, FACTS)
    script = "import sys, pathlib; from assistant.tasks.batching.job import *; Job(pathlib.Path(sys.argv[1]), {})"
    second = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert "Another process works on" in second.stderr
    job.close()
    Job(path, FACTS).close()


def test_a_file_of_another_kind_is_not_taken_for_a_job(tmp_path: Path) -> None:
    (tmp_path / "out.job").write_text("my notes, for ever and ever")
    with pytest.raises(JobError, match="not a database"):
        Job(tmp_path / "out.job", FACTS)
    assert (tmp_path / "out.job").read_text().startswith("my notes")


# What fails


def test_broken_records_are_failures_that_are_looked_at_again(tmp_path: Path) -> None:
    job = Job(tmp_path / "out.job", FACTS)
    given = [*records(1), Broken(1, "line 2", "is not JSON"), *records(3, 2)]
    events = answer(job, given, AnsweringEngine())
    assert Failed(1, "line 2", "is not JSON") in events
    assert states(job) == "dpd"
    assert [row.said for row in job.failures(20)] == ["line 2 is not JSON"]
    assert job.survey(given, lambda: False).broken == 1
    engine = AnsweringEngine()
    answer(job, records(3), engine)  # the line was corrected
    assert engine.asked == ["text 1"]
    assert states(job) == "ddd"


def test_what_may_pass_is_tried_again_within_bounds(tmp_path: Path) -> None:
    job = Job(None, FACTS)
    engine = AnsweringEngine(raising(EngineDied("gone"), lambda text: text == "text 1", times=2))
    answer(job, records(3), engine)
    assert states(job) == "ddd"
    assert engine.asked.count("text 1") == 3

    job = Job(None, FACTS)
    engine = AnsweringEngine(raising(EngineDied("gone"), lambda text: text == "text 1"))
    assert Failed(1, "line 2", "gone") in answer(job, records(3), engine, retries=1)
    assert states(job) == "dpd"
    assert engine.asked.count("text 1") == 2
    answer(job, records(3), AnsweringEngine())  # another run tries it unasked
    assert states(job) == "ddd"


def test_what_cannot_pass_is_not_tried_again_unless_told_to() -> None:
    job = Job(None, FACTS)
    engine = AnsweringEngine(raising(DoesNotFit("too long"), lambda text: text == "text 1"))
    answer(job, records(3), engine)
    assert engine.asked.count("text 1") == 1
    assert states(job) == "dfd"
    engine = AnsweringEngine()
    answer(job, records(3), engine)
    assert engine.asked == []
    job.retry()
    assert job.counts()["failed"]
    job.retry(failed=True)
    answer(job, records(3), engine)
    assert engine.asked == ["text 1"]
    assert states(job) == "ddd"


def test_an_answer_that_was_drawn_by_lot_is_drawn_again() -> None:
    for options, tries in ((GREEDY, 1), (GenerateOptions(seed=1), 1), (GenerateOptions(), 3)):
        job, engine = Job(None, FACTS), AnsweringEngine(lambda text: "")
        answer(job, records(1), engine, options=options)
        assert len(engine.asked) == tries
        (failed,) = job.failures(20)
        assert failed.error == "the model wrote nothing"


def test_a_network_that_is_down_ends_the_run_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_LONGEST_PAUSE", 0.01)
    job = Job(None, FACTS)
    engine = AnsweringEngine(raising(NetworkError("no route"), lambda text: int(text.split()[1]) >= 3))
    with pytest.raises(NetworkError):
        answer(job, records(100), engine, retries=0)
    assert job.counts()["done"] == 3
    assert len(engine.asked) < 20
    answer(job, records(100), AnsweringEngine())
    assert job.counts() == {"done": 100}


def test_a_model_that_cannot_be_used_ends_the_run() -> None:
    job = Job(None, FACTS)
    with pytest.raises(ModelError):
        answer(job, records(100), AnsweringEngine(raising(ModelError("broken"), lambda text: True)))
    assert job.counts() == {}


def test_variables_of_each_record() -> None:
    template = Template.model_validate(
        {"name": "to", "prompt": "Into $lang, $n: $input", "variables": {"lang": {}, "n": {"type": "int"}}}
    )
    with pytest.raises(UsageError, match="needs a value for 'n'"):
        tasks_of(template, {}, {"lang": "to"}, GREEDY)
    with pytest.raises(UsageError, match="no variable 'long'"):
        tasks_of(template, {"n": "1"}, {"long": "to"}, GREEDY)
    given: list[Record | Broken] = [
        Record(0, "line 1", "Hi", {"to": "ru", "n": 3}),
        Record(1, "line 2", "Ho", {"n": 3}),
        Record(2, "line 3", "Hu", {"to": "de", "n": "many"}),
    ]
    job, engine = Job(None, FACTS), AnsweringEngine()
    workers = [EngineWorker(engine)]
    events = list(run(job, given, tasks_of(template, {}, {"lang": "to", "n": "n"}, GREEDY), workers))
    assert engine.asked == ["Into ru, 3: Hi"]
    reasons = [event.reason for event in events if isinstance(event, Failed)]
    assert "no field 'to'" in reasons[0]
    assert "whole number" in reasons[1]


# Batches of the engine


class ManyEngine(AnsweringEngine):
    """Answers up to four at a time, the last first."""

    def __init__(self) -> None:
        super().__init__(str.upper, weigh=lambda text: {"good": 0.8, "bad": 0.2, "1": 0.5, "2": 0.5})
        self.batches: list[int] = []

    def answer_many(self, requests: Iterator[Request]) -> Iterator[tuple[int, Result | UserError]]:
        numbered = enumerate(requests)
        while batch := list(islice(numbered, 4)):
            self.batches.append(len(batch))
            for number, request in reversed(batch):
                if "bad luck" in request.messages[-1].content:
                    yield number, DoesNotFit("too long")
                elif request.choices:
                    scores = dict(zip(request.choices, self.score(request.messages, request.choices), strict=True))
                    yield number, Choice(max(scores, key=scores.__getitem__), "", "stop", 1, 0, scores=scores)
                else:
                    *_, result = self.generate(request.messages, request.options)
                    assert isinstance(result, Result)
                    yield number, result


def many(template: dict[str, object], given: Sequence[Record | Broken]) -> tuple[Job, ManyEngine]:
    job, engine = Job(None, FACTS), ManyEngine()
    task_of = tasks_of(Template.model_validate({"name": "many", **template}), {}, {}, GREEDY)
    list(run(job, given, task_of, [EngineWorker(engine)]))
    return job, engine


def test_records_share_the_batches_of_the_engine() -> None:
    given = records(50)
    given[7] = Record(7, "line 8", "bad luck", {})
    job, engine = many({}, given)
    assert max(engine.batches) == 4
    assert states(job) == "d" * 7 + "f" + "d" * 42
    assert [row.answer["output"] for row in job.rows() if row.answer] == [
        f"TEXT {number}" for number in range(50) if number != 7
    ]


def test_choices_and_scales_share_batches_too() -> None:
    job, engine = many({"choices": ["good", "bad"]}, records(9))
    assert {row.answer["output"] for row in job.rows() if row.answer} == {"good"}
    assert all(row.answer and row.answer["probability"] == pytest.approx(0.8) for row in job.rows())
    assert len(engine.batches) < 9
    job, engine = many({"scale": [1, 2]}, records(9))
    assert {row.answer["output"] for row in job.rows() if row.answer} == {1.5}
    assert len(engine.batches) < 9


def test_what_takes_several_calls_is_answered_alone_between_the_others() -> None:
    given = records(12)
    given[5] = Record(5, "line 6", "long " * 3000, {})
    job, engine = many({"chunking": {"tokens": 1000}}, given)
    assert states(job) == "d" * 12
    assert max(engine.batches) > 1
    (long,) = [row for row in job.rows() if row.number == 5]
    assert long.answer
    assert long.answer["output"].count("LONG") == 3000
    job, engine = many({"steps": "Think."}, records(3))
    assert states(job) == "ddd"
    assert engine.batches == []


# What comes out


def rows_of(given: Sequence[Record], say: Callable[[str], str] = str.upper, template: Template = ECHO) -> Job:
    job = Job(None, FACTS)
    list(run(job, given, tasks_of(template, {}, {}, GREEDY), [EngineWorker(AnsweringEngine(say))]))
    return job


def written(job: Job, path: Path, format: outputs.Format, delimiter: str | None = None) -> str:
    with written_whole(path) as file:
        outputs.write(lambda: outputs.outcomes(job.rows()), file, format, delimiter)
    return path.read_text()


def test_own_fields_come_first_and_keep_their_values(tmp_path: Path) -> None:
    values = {"id": 1, "output": "before", "error": None, "input.output": 2, "deep": {"a": [1, "ё"]}, "half": "\ud800"}
    job = rows_of([Record(0, "line 1", "Hi", values)])
    found = json.loads(written(job, tmp_path / "out.jsonl", "jsonl"))
    assert found == {
        "id": 1,
        "input.output": "before",
        "input.error": None,
        "input.input.output": 2,
        "deep": {"a": [1, "ё"]},
        "half": "\ud800",
        "output": "HI",
    }


def test_numbers_that_json_does_not_have_are_texts(tmp_path: Path) -> None:
    job = rows_of([Record(0, "line 1", "Hi", {"far": float("inf"), "deep": [-float("inf"), 1.5]})])
    found = json.loads(written(job, tmp_path / "out.jsonl", "jsonl"), parse_constant=pytest.fail)
    assert found == {"far": "Infinity", "deep": ["-Infinity", 1.5], "output": "HI"}


def test_objects_are_columns_of_a_table(tmp_path: Path) -> None:
    form = Template.model_validate({"name": "form", "schema": {"type": "object", "properties": {"a": {}, "b": {}}}})
    given = [
        Record(0, "line 1", '{"a":"x;y","b":[1]}', {"id": "1"}),
        Record(1, "line 2", "{}", {"id": "2", "n": "é"}),
    ]
    job = rows_of(given, lambda text: text, form)
    broken = Broken(2, "line 3", "has 4 cells", {"id": "3", "n": "nine"})
    list(run(job, [*given, broken], tasks_of(form, {}, {}, GREEDY), []))
    text = written(job, tmp_path / "out.csv", "csv", ";")
    assert text.splitlines() == [
        "id;n;output.a;output.b;error",
        '1;;"x;y";[1];',
        "2;é;;;",
        "3;nine;;;line 3 has 4 cells",
    ]


def test_an_output_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("before")

    def broken() -> Iterator[dict[str, object]]:
        yield {"output": "done"}
        raise OSError(28, os.strerror(28))

    with pytest.raises(OSError, match="space"), written_whole(path) as file:
        outputs.write(broken, file, "jsonl")
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["out.jsonl"]


def test_a_task_travels(tmp_path: Path) -> None:
    """To other processes and machines."""
    import pickle

    (record,) = records(1)
    assert isinstance(record, Record)
    task = tasks_of(ECHO, {}, {}, GREEDY)(record)
    assert isinstance(task, Task)
    assert pickle.loads(pickle.dumps(task)) == task


def test_a_slow_input_does_not_hold_back_what_came() -> None:
    told: list[float] = []

    def slow() -> Iterator[Record | Broken]:
        for record in records(3):
            yield record
            time.sleep(0.5)

    job, engine = Job(None, FACTS), ManyEngine()
    start = time.monotonic()
    for _ in run(job, slow(), tasks_of(ECHO, {}, {}, GREEDY), [EngineWorker(engine)]):
        told.append(time.monotonic() - start)
    assert len(told) == 3
    assert engine.batches == [1, 1, 1]  # each was answered before the next one came
