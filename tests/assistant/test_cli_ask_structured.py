"""`assistant ask --schema` and its like as a script sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

QUESTION = ("ask", "Vera is 34 years old.", "-m", "tiny", "-o", "temperature", "0", "--draft", "off", "--no-history")


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assistant", *args]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    assert "Traceback" not in done.stderr
    return done


def test_the_short_form_gives_json_and_data() -> None:
    done = run(*QUESTION, "--schema", "name, age int: in years", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert list(answer["data"]) == ["name", "age"]
    assert isinstance(answer["data"]["age"], int)
    assert json.loads(answer["text"]) == answer["data"]


def test_a_schema_in_a_file_and_a_list_of_its_objects(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text('{"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}')
    assert set(json.loads(run(*QUESTION, "--schema", str(file)).stdout)) == {"ok"}
    done = run(*QUESTION, "--schema-multi", str(file), "-o", "max_tokens", "60")
    assert all(set(item) == {"ok"} for item in json.loads(done.stdout)["items"])


def test_expressions_and_grammars(tmp_path: Path) -> None:
    assert run(*QUESTION, "--regex", "(Vera|Ivan): [0-9]{2}").stdout in [
        f"{name}: {age}\n" for name in ("Vera", "Ivan") for age in range(100)
    ]
    file = tmp_path / "answer.lark"
    file.write_text('start: "<" ("yes" | "no") ">"')
    assert run(*QUESTION, "--grammar", str(file)).stdout in ("<yes>\n", "<no>\n")


def test_an_answer_that_is_cut_short_is_printed_and_fails() -> None:
    schema = '{"type": "object", "properties": {"text": {"type": "string", "minLength": 999}}, "required": ["text"]}'
    done = run(*QUESTION, "--schema", schema, "-o", "max_tokens", "20", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert answer["finish_reason"] == "length"
    assert answer["text"].startswith('{"text":"')
    assert answer["data"] is None
    assert "not complete" in done.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--schema", "a", "--regex", "b"), "--schema and --regex exclude each other"),
        (("--schema", "a", "--choices", "x,y"), "--choices"),
        (("--regex", "a", "-o", "beams", "2"), "beams"),
        (("--schema", "nowhere.json"), "no file nowhere.json"),
        (("--schema", "{"), "not valid JSON"),
        (("--schema", ""), "empty"),
        (("--schema", "age number"), "unknown type: number"),
        (("--schema", "x" * 5000 + ".json"), "no file"),
        (("--schema", '{"type": "integer", "minimum": 5, "maximum": 3}'), "greater than maximum"),
        (("--regex", "("), "unclosed group"),
        (("--regex", ""), "expression is empty"),
        (("--grammar", "/"), "cannot be read"),
        (("--grammar", "/dev/zero"), "too large"),
    ],
    ids=range(13),
)
def test_what_cannot_be_asked_for_is_refused_before_the_model_is_loaded(flags: tuple[str, ...], said: str) -> None:
    done = run(*QUESTION[:2], "-m", "tiny", *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr) < 6000
    assert done.stdout == ""


def test_binary_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_bytes(b"\xff\xfe\x00\x80")
    done = run(*QUESTION, "--schema", str(file))
    assert done.returncode == 2
    assert "not text in UTF-8" in done.stderr
