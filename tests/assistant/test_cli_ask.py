"""`assistant ask` as a script sees it: streams, exit codes, JSON, and what bad input does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ASSISTANT = (sys.executable, "-m", "assistant")
SHORT = ("-m", "tiny", "-o", "max_tokens", "12", "-o", "temperature", "0")


def run(*args: str, given: bytes | None = None, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run to the end; ``given`` comes by a pipe."""
    source: dict[str, Any] = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
    return subprocess.run([*ASSISTANT, *args], capture_output=True, timeout=120, check=False, **source, **options)


def error(done: subprocess.CompletedProcess[bytes]) -> str:
    assert b"Traceback" not in done.stderr
    return done.stderr.decode()


def test_the_answer_and_nothing_else_is_on_stdout() -> None:
    done = run("ask", "Say hello.", *SHORT)
    assert done.returncode == 0
    assert done.stdout.strip()
    assert done.stdout.endswith(b"\n")
    assert b"\x1b" not in done.stdout + done.stderr
    assert run("Say hello.", *SHORT).stdout == done.stdout  # a question alone is asked


def test_no_stream_prints_the_same() -> None:
    assert run("ask", "Say hello.", *SHORT, "--no-stream").stdout == run("ask", "Say hello.", *SHORT).stdout


def test_json_has_what_was_promised() -> None:
    done = run("ask", "Say hello.", *SHORT, "--json")
    answer = json.loads(done.stdout)
    assert done.stdout.count(b"\n") == 1
    assert set(answer) == {
        "text", "reasoning", "model", "conversation_id", "finish_reason", "timings", "prompt_tokens",
        "completion_tokens", "speculation",
    }  # fmt: skip
    assert set(answer["timings"]) == {
        "load_seconds", "first_token_seconds", "prefill_tokens", "prefill_seconds", "decode_tokens", "decode_seconds",
        "restored_tokens",
    }  # fmt: skip
    assert answer["finish_reason"] in ("stop", "length")
    assert answer["model"] == "smollm2-135m-instruct-q4_1"
    assert answer["timings"]["load_seconds"] > 0
    assert 0 < answer["completion_tokens"] <= 12


def test_files_and_piped_text_come_before_the_prompt(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("from the file")
    done = run("ask", "the prompt", "-f", str(file), *SHORT, "--json", given="с трубы".encode())
    cid = json.loads(done.stdout)["conversation_id"]
    chat = json.loads(run("history", "show", str(cid), "--json").stdout)
    question = next(message["text"] for message in chat["messages"] if message["role"] == "user")
    assert question.index("from the file") < question.index("с трубы") < question.index("the prompt")
    assert chat["title"] == "the prompt"
    assert run("ask", *SHORT, given=b"Say hello.").returncode == 0  # a pipe alone is enough


def test_a_chat_goes_on() -> None:
    first = json.loads(run("ask", "My name is Vera.", *SHORT, "--json").stdout)
    second = json.loads(run("ask", "What is my name?", *SHORT, "-c", "--json").stdout)
    third = json.loads(run("ask", "Sure?", *SHORT, "--cid", str(first["conversation_id"]), "--json").stdout)
    assert first["conversation_id"] == second["conversation_id"] == third["conversation_id"]
    assert first["prompt_tokens"] < second["prompt_tokens"] < third["prompt_tokens"]


def test_no_history_keeps_nothing(home: Path) -> None:
    answer = json.loads(run("ask", "Say hello.", *SHORT, "--no-history", "--json").stdout)
    assert answer["conversation_id"] is None
    assert not (home / "history.db").exists()


def test_extract_prints_thefirst_block(tmp_path: Path) -> None:
    from assistant.cli.answer import first_block

    assert first_block("Here:\n```python\nprint(1)\n```\nand\n```\nno\n```\n") == "print(1)"
    assert first_block("~~~\na ``` b\n~~~") == "a ``` b"
    assert first_block("no block") == "no block"
    assert first_block("```\ncut off") == "cut off"


def test_usage_and_stats_go_to_stderr() -> None:
    done = run("ask", "Say hello.", *SHORT, "-u", "--stats")
    assert "tokens in" in error(done)
    assert "prefill" in error(done)
    assert b"prefill" not in done.stdout


@pytest.mark.parametrize(
    ("args", "given", "code", "says"),
    [
        (("ask",), None, 2, "nothing to ask"),
        (("ask", "-m", "tiny"), b"  \n", 2, "nothing to ask"),
        (("ask", "x", "-m", "tiny"), bytes(range(256)) * 20, 2, "is binary, not text"),
        (("ask", "x", "-m", "tiny"), b"\x7fELF\2\1\1\0\0\0\3\0>\0", 2, "is binary, not text"),
        (("ask", "x", "-m", "tiny"), bytes(range(128, 256)) * 4, 2, "encoding that cannot be told"),
        (("ask", "x", "-f", "/nowhere/at/all", "-m", "tiny"), None, 2, "cannot be read"),
        (("ask", "x", "-m", "tinny"), None, 3, "tiny"),
        (("ask", "x", "-m", "/nowhere/model.gguf"), None, 3, "no file"),
        (("ask", "x", "-o", "temprature", "1"), None, 2, "temperature"),
        (("ask", "x", "-o", "temperature", "hot"), None, 2, "temperature"),
        (("ask", "x", "-m", "tiny", "-o", "context_length", "256"), b"word " * 2000, 4, "256"),
        (("ask", "x", "-m", "tiny"), b"a few words " * 1_000_000, 4, "12,000,002 characters"),
        (("ask", "x", "-f", "/dev/zero", "-m", "tiny"), None, 2, "longer than 64 MiB"),
        (("ask", "x", "-m", "tiny", "--cid", "999"), None, 1, "999"),
        (("ask", "x", "-m", "tiny", "-c"), None, 2, "no chat"),
        (("ask", "x", "-m", "tiny", "-c", "--no-history"), None, 2, "no chats to go on with"),
        (("ask", "--no-such-flag"), None, 2, "No such option"),
        (("frobnicate",), None, 2, "No such command"),
    ],
)
def test_bad_input_is_one_clear_sentence_and_the_right_code(
    args: tuple[str, ...], given: bytes | None, code: int, says: str
) -> None:
    done = run(*args, given=given)
    assert (done.returncode, done.stdout) == (code, b"")
    assert says in error(done)


def test_what_is_not_a_model(tmp_path: Path, tiny: Path) -> None:
    for name, content in (
        ("noise.gguf", b"noise" * 999),
        ("empty.gguf", b""),
        ("cut.gguf", tiny.read_bytes()[:99_999]),
    ):
        (tmp_path / name).write_bytes(content)
        done = run("ask", "x", "-m", str(tmp_path / name))
        assert done.returncode == 3
        assert name in error(done)


def test_no_model_installed(tmp_path: Path) -> None:
    done = run("ask", "x", env={**os.environ, "ASSISTANT_MODELS": str(tmp_path / "none")})
    assert done.returncode == 3
    assert "models pull" in error(done)


def test_a_history_that_cannot_be_written_costs_only_a_warning(home: Path) -> None:
    home.mkdir()
    (home / "history.db").write_bytes(b"this is no database, and long enough to be looked at" * 100)
    done = run("ask", "Say hello.", *SHORT)
    assert done.returncode == 0
    assert done.stdout.strip()
    assert "not kept" in error(done)
    assert (home / "history.db").read_bytes().startswith(b"this is no database")


def test_an_answer_that_cannot_be_saved_is_printed_all_the_same(home: Path) -> None:
    assert run("history").returncode == 0
    with contextlib.closing(sqlite3.connect(home / "history.db")) as database:
        database.execute(
            "CREATE TRIGGER full_disk BEFORE UPDATE ON messages WHEN new.status = 'complete' "
            "BEGIN SELECT raise(ABORT, 'no room'); END"
        )
    done = run("ask", "Say hello.", *SHORT, "--json")
    assert json.loads(done.stdout)["text"]
    assert done.returncode == 1
    assert "no room" in error(done)


def test_streams_that_are_closed_or_know_few_letters() -> None:
    closed = f"exec {sys.executable} -m assistant ask -m tiny -o max_tokens 3 Привет <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", closed], timeout=60, check=False).returncode == 0
    done = run("history", env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"??????" in done.stdout


STORY = ("ask", "Tell me a very long story about the sea, with many chapters.", "-m", "tiny", "-o", "temperature", "1")


def begin(*args: str) -> subprocess.Popen[bytes]:
    """Start, and return when the first bytes of the answer are there."""
    pipe = subprocess.PIPE
    started = subprocess.Popen([*ASSISTANT, *args], stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL)
    assert started.stdout
    started.first = started.stdout.read(10)  # type: ignore[attr-defined]
    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_prints_what_there_is_and_keeps_it(number: signal.Signals) -> None:
    with begin(*STORY, "-o", "min_p", "0.5") as asked:
        asked.send_signal(number)
        started = time.monotonic()
        out, err = asked.communicate(timeout=20)
        assert time.monotonic() - started < 5
    assert asked.returncode == 128 + number
    assert b"Stopped" in err
    assert b"Traceback" not in err
    (chat,) = json.loads(run("history", "--json").stdout)
    messages = json.loads(run("history", "show", str(chat["id"]), "--json").stdout)["messages"]
    assert messages[-1]["status"] == "interrupted"
    assert messages[-1]["text"].strip() == (asked.first + out).decode().strip()  # type: ignore[attr-defined]


def test_a_signal_that_is_sent_twice_is_one() -> None:
    """As timeout(1) does: to the process, and to its group."""
    for pause in (0.0005, 0.002, 0.01):
        with begin(*STORY, "--no-history", "-o", "min_p", "0.5") as asked:
            asked.send_signal(signal.SIGTERM)
            time.sleep(pause)
            asked.send_signal(signal.SIGTERM)
            _, err = asked.communicate(timeout=20)
        assert asked.returncode == 143
        assert b"Stopped" in err


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    with begin(*STORY) as asked:
        assert asked.stdout
        assert asked.stderr
        asked.stdout.close()
        assert asked.wait(timeout=20) == 1
        assert asked.stderr.read() == b""


def test_version_and_help_import_next_to_nothing() -> None:
    code = (
        "import sys; from assistant.cli import main\n"
        "try: main(['{}'])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    )
    for flag in ("--version", "--help"):
        done = subprocess.run([sys.executable, "-c", code.format(flag)], capture_output=True, text=True, check=True)
        for heavy in ("textual", "llama_cpp", "pydantic", "sqlite_utils", "rich", "numpy"):
            assert f"'{heavy}'" not in done.stdout


@pytest.mark.slow
def test_the_starter_answers_from_what_it_is_given(starter: Path) -> None:
    done = run(
        *("ask", "At what temperature does water boil? Answer with a number.", "-m", "starter"),
        given="Water boils at 100 °C at sea level.".encode(),
    )
    assert done.returncode == 0
    assert b"100" in done.stdout


@pytest.mark.slow
def test_the_starter_answers_in_russian(starter: Path) -> None:
    done = run("ask", "Составь план поездки в Казань на 2 дня", "-m", "starter", "-o", "max_tokens", "80")
    letters = [letter for letter in done.stdout.decode() if letter.isalpha()]
    assert sum("а" <= letter.lower() <= "я" for letter in letters) > 0.8 * len(letters)
