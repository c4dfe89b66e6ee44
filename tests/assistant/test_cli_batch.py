"""`assistant batch`: records in, records out, whatever happens to the process between."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_server import FakeServer, Handler, event, refuse, serving

from assistant.cli import cli
from assistant.templates.library import Library
from models.errors import UserError

Records = list[dict[str, Any]]


def shouts(pause: float = 0.0, otherwise: Callable[[str], Callable[[Handler], None] | None] = lambda text: None) -> Any:
    """A server that answers with the question in capitals."""

    def step(handler: Handler) -> None:
        text: str = handler.body["messages"][-1]["content"]
        time.sleep(pause)
        if other := otherwise(text):
            other(handler)
            return
        handler.begin_stream()
        handler.write(event({"content": text.upper()}) + event({}, "stop") + b"data: [DONE]\n\n")

    return step


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving() as fake:
        fake.chat(shouts())
        yield fake


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Library().save("echo", "options: {temperature: 0}\n")
    return folder


def command(server: FakeServer, *args: str) -> list[str]:
    return [sys.executable, "-m", "assistant", "batch", "--endpoint", f"{server.url}/v1", "-t", "echo", *args]


def batch(server: FakeServer, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """In this process: where no signal is sent to it, it need not be another one."""
    arguments = command(server, *args)[4:]
    run = CliRunner().invoke(cli, ["batch", *arguments], input=stdin)
    code, said = run.exit_code, run.stderr
    if isinstance(run.exception, UserError):
        code, said = run.exception.exit_code, f"{said}{run.exception.message} {run.exception.hint}"
    elif not isinstance(run.exception, SystemExit | None):
        raise run.exception
    return subprocess.CompletedProcess(arguments, code, run.stdout, said)


def write(name: str, count: int) -> Records:
    given = [{"id": number, "text": f"text {number}"} for number in range(count)]
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in given))
    return given


def shouted(given: Sequence[dict[str, Any]]) -> Records:
    return [{**record, "output": record["text"].upper()} for record in given]


def read(text: str) -> Records:
    return [json.loads(line) for line in text.splitlines()]


def asked(server: FakeServer) -> list[str]:
    return [body["messages"][-1]["content"] for body in server.asked()]


def files() -> list[str]:
    return sorted(os.listdir())


def test_records_keep_their_fields_and_their_order(server: FakeServer) -> None:
    given = write("in.jsonl", 20)
    done = batch(server, "in.jsonl", "-o", "out.jsonl", "--jobs", "4", "--json")
    assert done.returncode == 0
    assert read(Path("out.jsonl").read_text()) == shouted(given)
    assert files() == ["in.jsonl", "out.jsonl"]
    summary = json.loads(done.stdout)
    assert (summary["done"], summary["failed"], summary["answered"]) == (20, 0, 20)
    assert summary["records_per_second"] > 0


def test_a_pipe_between_pipes(server: FakeServer) -> None:
    done = batch(server, stdin='"one"\n{"input": "два", "n": 2}\n')
    assert done.returncode == 0
    assert read(done.stdout) == [{"text": "one", "output": "ONE"}, {"input": "два", "n": 2, "output": "ДВА"}]
    empty = batch(server, stdin="\n\n")
    assert (empty.returncode, empty.stdout) == (2, "")
    assert "Standard input has no records" in empty.stderr


def test_a_table_becomes_a_table_of_its_dialect(server: FakeServer) -> None:
    Path("in.csv").write_bytes('id;отзыв\r\n1;"a;b\nc"\r\n2;ё\r\n'.encode("cp1251"))
    done = batch(server, "in.csv", "--field", "отзыв", "-o", "out.csv")
    assert done.returncode == 0
    with open("out.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, delimiter=";")) == [
            ["id", "отзыв", "output"],
            ["1", "a;b\nc", "A;B\nC"],
            ["2", "ё", "Ё"],
        ]


def test_a_broken_line_is_named_and_the_rest_is_done(server: FakeServer) -> None:
    given = write("in.jsonl", 8)
    lines = Path("in.jsonl").read_text().splitlines()
    lines[4] = '{"id": 4, "text": "te'
    Path("in.jsonl").write_text("\n".join(lines))
    strict = batch(server, "in.jsonl", "-o", "out.jsonl", "--strict")
    assert strict.returncode == 2
    assert "line 5 is not JSON" in strict.stderr
    assert "nothing was asked" in strict.stderr
    assert asked(server) == []
    done = batch(server, "in.jsonl", "-o", "out.jsonl")
    assert done.returncode == 1
    assert "failed: line 5 is not JSON" in done.stderr
    found = read(Path("out.jsonl").read_text())
    assert found[:4] + found[5:] == shouted(given[:4] + given[5:])
    assert found[4]["output"] is None
    assert found[4]["error"].startswith("line 5 is not JSON")
    write("in.jsonl", 8)  # corrected
    done = batch(server, "in.jsonl", "-o", "out.jsonl")
    assert done.returncode == 0
    assert read(Path("out.jsonl").read_text()) == shouted(given)
    assert sorted(asked(server)) == sorted(record["text"] for record in given)
    assert files() == ["in.jsonl", "out.jsonl"]


def test_killed_again_and_again_it_asks_each_record_once(server: FakeServer) -> None:
    given = write("in.jsonl", 120)
    server.chat(shouts(0.005))
    for kill in range(1, 4):
        with subprocess.Popen(command(server, "in.jsonl", "-o", "out.jsonl"), stderr=subprocess.DEVNULL) as process:
            while len(server.asked()) < 30 * kill:
                time.sleep(0.005)
            process.kill()
        assert not Path("out.jsonl").exists()
    done = batch(server, "in.jsonl", "-o", "out.jsonl")
    assert done.returncode == 0
    assert read(Path("out.jsonl").read_text()) == shouted(given)
    assert len(asked(server)) - len(given) <= 3  # those that were on their way when the process was killed
    assert files() == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_it_says_how_to_go_on(server: FakeServer, number: signal.Signals, code: int) -> None:
    given = write("in.jsonl", 50)
    server.chat(shouts(0.01))
    arguments = command(server, "in.jsonl", "-o", "out.jsonl")
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        while len(server.asked()) < 10:
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert "of 50 records are answered" in said
    assert "the same command goes on" in said
    assert files() == ["in.jsonl", "out.jsonl.job"]
    assert batch(server, "in.jsonl", "-o", "out.jsonl").returncode == 0
    assert read(Path("out.jsonl").read_text()) == shouted(given)
    assert len(asked(server)) <= 51


def test_behind_head_it_ends_quietly_and_keeps_what_is_done(server: FakeServer) -> None:
    given = write("in.jsonl", 60)
    server.chat(shouts(0.01))
    with subprocess.Popen(command(server, "in.jsonl"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        first = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.stdout.close()
        assert process.stderr
        said = process.stderr.read()
        process.wait(timeout=20)
    assert (process.returncode, said) == (141, b"")
    assert first == shouted(given[:3])
    done = batch(server, "in.jsonl")
    assert read(done.stdout) == shouted(given)
    assert 60 <= len(asked(server)) <= 61
    assert os.listdir(Path(os.environ["ASSISTANT_DATA_DIR"]) / "batches") == []


def test_without_a_history_and_from_a_pipe_nothing_is_kept(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    write("in.jsonl", 2)
    server.chat(shouts(0.0, lambda text: refuse(400, "no") if text == "text 1" else None))
    monkeypatch.setenv("ASSISTANT_NO_HISTORY", "1")
    assert batch(server, "in.jsonl").returncode == 1
    monkeypatch.delenv("ASSISTANT_NO_HISTORY")
    assert batch(server, "--strict", stdin=Path("in.jsonl").read_text()).returncode == 1
    assert batch(server, stdin=Path("in.jsonl").read_text()).returncode == 1
    assert files() == ["in.jsonl"]
    data = Path(os.environ["ASSISTANT_DATA_DIR"])
    assert [path for folder in (data, tmp_path / "temporary") for path in folder.rglob("*.job*")] == []
    assert batch(server, "in.jsonl").returncode == 1
    assert len(list(data.rglob("*.job"))) == 1  # that of a file goes on


def test_what_the_server_refuses_fails_alone(server: FakeServer) -> None:
    given = write("in.jsonl", 6)
    server.chat(shouts(0.0, lambda text: refuse(400, "no poems") if text == "text 2" else None))
    done = batch(server, "in.jsonl", "-o", "out.jsonl")
    assert done.returncode == 1
    assert "failed: line 3: " in done.stderr
    assert "no poems" in done.stderr
    found = read(Path("out.jsonl").read_text())
    assert [record["output"] for record in found].count(None) == 1
    assert "no poems" in found[2]["error"]
    server.chat(shouts())
    asked_before = len(server.asked())
    again = batch(server, "in.jsonl", "-o", "out.jsonl")
    assert again.returncode == 1
    assert len(server.asked()) == asked_before
    done = batch(server, "in.jsonl", "-o", "out.jsonl", "--retry-failed")
    assert done.returncode == 0
    assert asked(server)[asked_before:] == ["text 2"]
    assert read(Path("out.jsonl").read_text()) == shouted(given)


def test_what_failed_for_a_while_is_printed_once_it_is_answered(server: FakeServer) -> None:
    given = write("in.jsonl", 3)
    server.chat(shouts(0.0, lambda text: refuse(503, "busy", retry_after="99") if text == "text 0" else None))
    done = batch(server, "in.jsonl", "--retries", "0")
    assert done.returncode == 1
    assert "busy" in read(done.stdout)[0]["error"]
    server.chat(shouts())
    done = batch(server, "in.jsonl")
    assert done.returncode == 0
    assert read(done.stdout) == shouted(given)
    assert asked(server).count("text 0") == 2


def test_a_part_first_and_what_grew_later(server: FakeServer) -> None:
    write("in.jsonl", 10)
    done = batch(server, "in.jsonl", "--limit", "3")
    assert [record["id"] for record in read(done.stdout)] == [0, 1, 2]
    server.chat(shouts(0.0, lambda text: refuse(400, "no") if text == "text 1" else None))
    assert batch(server, "in.jsonl", "-o", "out.jsonl").returncode == 1
    write("in.jsonl", 12)
    server.chat(shouts())
    asked_before = len(server.asked())
    assert batch(server, "in.jsonl", "-o", "out.jsonl", "--retry-failed").returncode == 0
    assert sorted(asked(server)[asked_before:]) == ["text 1", "text 10", "text 11"]
    assert len(read(Path("out.jsonl").read_text())) == 12


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("in.jsonl", "-o", "in.jsonl"), "is the input"),
        (("in.jsonl", "-o", "."), "is a folder"),
        (("in.jsonl", "-o", "/dev/null"), "not a regular file"),
        (("nothing.jsonl",), "cannot be read"),
        (("https://example.org/in.jsonl",), "cannot be read"),
        (("in.jsonl", "-t", "sumarize"), "summarize"),
        (("in.jsonl", "-p", "to", "ru"), "no variable 'to'"),
        (("in.jsonl", "--map", "to", "lang"), "no variable 'to'"),
        (("in.jsonl", "--query", "select 1"), "no SQLite database"),
        (("empty.jsonl", "-o", "out.jsonl"), "has no records"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(server: FakeServer, args: tuple[str, ...], words: str) -> None:
    write("in.jsonl", 2)
    Path("empty.jsonl").touch()
    before = files()
    done = batch(server, *args)
    assert done.returncode == 2
    assert words in done.stderr
    assert server.asked() == []
    assert files() == before


def test_another_command_is_refused_with_what_differs(server: FakeServer) -> None:
    write("in.jsonl", 4)
    server.chat(shouts(0.0, lambda text: refuse(400, "no") if text == "text 1" else None))
    assert batch(server, "in.jsonl", "-o", "out.jsonl").returncode == 1
    other = batch(server, "in.jsonl", "-o", "out.jsonl", "-m", "model-b")
    assert other.returncode == 2
    assert "another model" in other.stderr
    server.chat(shouts())
    assert batch(server, "in.jsonl", "-o", "out.jsonl", "-m", "model-b", "--restart").returncode == 0
    assert files() == ["in.jsonl", "out.jsonl"]


# The model of this machine

TINY = ["-m", "tiny", "--option", "draft", "off"]


def tiny_command(*args: str) -> list[str]:
    return [sys.executable, "-m", "assistant", "batch", *TINY, *args]


def test_labels_of_a_model_come_with_their_probability() -> None:
    write("in.jsonl", 6)
    arguments = ["-t", "classify", "-p", "labels", "praise,complaint", "--limit", "2", "in.jsonl"]
    done = subprocess.run(tiny_command(*arguments), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = read(done.stdout)
    assert [record["id"] for record in found] == [0, 1]
    assert all(record["output"] in ("praise", "complaint") and 0.5 <= record["probability"] <= 1 for record in found)


def test_nothing_of_the_texts_stays_on_the_disk() -> None:
    text = " ".join(f"Parcel {number} came late." for number in range(200))
    Path("in.jsonl").write_text("".join(json.dumps(f"{n}. {text}") + "\n" for n in range(2)))
    arguments = ["-t", "classify", "-p", "labels", "praise,complaint", "--jobs", "2", "in.jsonl", "-o", "out.jsonl"]
    done = subprocess.run(tiny_command(*arguments), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert files() == ["in.jsonl", "out.jsonl"]
    kept = [path for path in Path(os.environ["ASSISTANT_DATA_DIR"]).rglob("*") if path.is_file()]
    assert [path for path in kept if path.suffix in (".kv", ".job") or b"Parcel" in path.read_bytes()] == []


@pytest.mark.slow
def test_a_thousand_records_killed_five_times() -> None:
    Library().save("mood", "prompt: {en: 'Good or bad? $input', ru: '$input'}\nchoices: [good, bad]\n")
    given = write("in.jsonl", 1000)
    arguments = tiny_command("-t", "mood", "in.jsonl", "-o", "out.jsonl", "--jobs", "2")
    for _ in range(5):
        with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
            time.sleep(8)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    found = read(Path("out.jsonl").read_text())
    assert [record["id"] for record in found] == [record["id"] for record in given]
    assert {record["output"] for record in found} <= {"good", "bad"}
    assert files() == ["in.jsonl", "out.jsonl"]
