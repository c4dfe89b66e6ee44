"""extract, classify, translate, rewrite and proofread, as scripts use them, on the smallest real model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from in_process import Run, runner

MODEL = ["-m", "tiny", "-o", "draft", "off", "-o", "max_tokens", "24"]
ASSISTANT = [sys.executable, "-m", "assistant"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(MODEL, tmp_path, monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    (folder / "more").mkdir(parents=True)
    (folder / "one.txt").write_text("Otto is 42 years old and lives in Bonn.")
    (folder / "more" / "one.txt").write_text("Анне 37 лет, она живёт в Туле.")
    (folder / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00")
    return folder


def test_a_pipe_gives_text_or_json(run: Run) -> None:
    said = run("classify", "--labels", "good,bad", stdin="What a lovely day!")
    assert (said.returncode, said.stdout.strip() in ("good", "bad")) == (0, True)
    found = json.loads(run("classify", "--labels", "good,bad", "--json", stdin="What a lovely day!").stdout)
    assert found["output"] == said.stdout.strip()
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert (found["source"], found["unsupported"]) == ("-", [])
    assert found["timings"]["prompt_tokens"] > 10


def test_a_folder_gives_an_object_a_file_and_what_cannot_be_read_is_told_of(run: Run, folder: Path) -> None:
    (folder / "report.pdf").write_bytes(b"%PDF-1.4 broken")
    done = run("extract", "-o", "max_tokens", 200, "--schema", "name, age int", "--json", folder)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["source"]).relative_to(folder).as_posix() for line in lines] == [
        "more/one.txt",
        "one.txt",
        "report.pdf",
    ]
    assert {*lines[0]["output"]} == {*lines[1]["output"]} == {"name", "age"}
    assert "error" in lines[2]
    assert (done.returncode, "picture.txt" in done.stderr) == (1, True)


def test_a_picture_in_a_folder_of_texts_is_no_failure(run: Run, folder: Path) -> None:
    done = run("classify", "--labels", "good,bad", "--json", folder)
    assert (done.returncode, len(done.stdout.splitlines()), "picture.txt" in done.stderr) == (0, 2, True)
    (folder / "one.txt").unlink()
    (folder / "more" / "one.txt").unlink()
    assert run("classify", "--labels", "good,bad", folder).returncode == 1  # there was nothing to do


def test_where_nothing_can_be_stored_work_is_done_but_not_resumed(run: Run) -> None:
    Path(os.environ["ASSISTANT_DATA_DIR"], "finished.db").mkdir(parents=True)
    done = run("classify", "--labels", "good,bad", stdin="What a lovely day!")
    assert (done.returncode, done.stderr.count("warning:")) == (0, 1)
    assert run("classify", "--labels", "good,bad", "--resume", stdin="What a lovely day!").returncode == 1


def test_texts_of_one_name_have_files_of_their_own_and_no_source_is_overwritten(run: Run, folder: Path) -> None:
    (folder / "picture.txt").unlink()
    source = folder / "one.txt.txt"
    source.write_text("Short.")
    before = {path: path.read_bytes() for path in folder.rglob("*.txt")}
    done = run("rewrite", "--out", folder, folder / "one.txt", folder / "more" / "one.txt", source)
    assert done.returncode in (0, 1), done.stderr  # 24 tokens may cut one short
    written = {path.name for path in folder.iterdir() if path.is_file()} - {path.name for path in before}
    assert len(written) == 3
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not list(folder.rglob("*.partial"))


def test_several_texts_have_their_names_above_them(run: Run, folder: Path) -> None:
    done = run("proofread", folder / "one.txt", folder / "more" / "one.txt", folder / "one.txt")
    assert done.stdout.count("==> ") == 2  # each file once
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("args", "stdin", "code", "told"),
    [
        (("translate",), "", 1, "empty"),
        (("translate",), b"\x00\x01\x02\x03" * 50, 1, "not text"),
        (("translate", "no-such-file.txt"), "", 1, "does not exist"),
        (("translate", "https://example.org/a.txt"), "", 1, "nothing is fetched"),
        (("translate", "-o", "max_tokens", "many"), "Hello.", 2, "max_tokens"),
        (("classify", "--labels", "one"), "Hello.", 2, "at least 2"),
        (("classify", "--labels", "one,one"), "Hello.", 2, "twice"),
        (("extract",), "Hello.", 2, "no form"),
        (("extract", "--schema", "{broken"), "Hello.", 2, "schema"),
        (("rewrite", "-m", "no-such-model"), "Hello.", 3, "no-such-model"),
        (("rewrite", "--out", "/proc/nowhere"), "Hello.", 1, "cannot be written"),
    ],
)
def test_bad_input_has_its_exit_code(run: Run, args: tuple[str, ...], stdin: str | bytes, code: int, told: str) -> None:
    done = run(*args, stdin=stdin)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_ends_it_quietly(folder: Path) -> None:
    with subprocess.Popen(
        [*ASSISTANT, "classify", *MODEL, "--labels", "a,b", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as going:
        assert going.stdout
        assert going.stderr
        going.stdout.close()
        assert going.wait(timeout=60) == 141
        assert b"Traceback" not in going.stderr.read()


def test_what_is_finished_is_not_asked_again_after_a_kill(run: Run, tmp_path: Path) -> None:
    text = "\n\n".join(f"Paragraph {number}: " + "the sea is blue and the sky is grey. " * 30 for number in range(6))
    (tmp_path / "long.txt").write_text(text)
    command = [*ASSISTANT, "translate", *MODEL, "--json", str(tmp_path / "long.txt")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as going:
        table = Path(os.environ["ASSISTANT_DATA_DIR"]) / "finished.db"
        deadline = time.monotonic() + 60
        while rows(table) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        going.send_signal(signal.SIGKILL)
    kept = rows(table)
    assert kept >= 2
    done = run("translate", "--json", "--resume", tmp_path / "long.txt")
    assert done.returncode in (0, 1)  # 24 tokens a part cut it short
    assert json.loads(done.stdout)["output"]
    assert rows(table) == 0


def rows(table: Path) -> int:
    import sqlite3

    try:
        with sqlite3.connect(f"file:{table}?mode=ro", uri=True) as db:
            return int(db.execute("SELECT count(*) FROM calls").fetchone()[0])
    except sqlite3.Error:
        return 0


def test_two_processes_give_the_same_results_in_the_same_order(run: Run, folder: Path) -> None:
    (folder / "picture.txt").unlink()
    command = ("classify", "--labels", "good,bad", "--json", folder)
    alone, together = run(*command), run(*command, "--jobs", 2)
    assert together.returncode == 0, together.stderr
    assert [json.loads(line)["output"] for line in together.stdout.splitlines()] == [
        json.loads(line)["output"] for line in alone.stdout.splitlines()
    ]
