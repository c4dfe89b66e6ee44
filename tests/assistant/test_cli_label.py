"""`assistant label`: from a table to labels, their agreement, a file to correct, and what that teaches."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_server import reply, serving

from assistant.cli import cli
from models.errors import UsageError

LABELS = "bug, wish"
TEXTS = ["Опять не работает!", "Добавьте часы.", "Всё зависло."]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, *rows: list[str]) -> str:
    with open(name, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return name


def table(name: str) -> list[dict[str, str]]:
    with open(name, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def label(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assistant", "label", "-m", "tiny", "--language", "en", *args]
    return subprocess.run(command, input=stdin, capture_output=True, encoding="utf-8", timeout=120, check=False)


def test_from_a_table_to_corrections() -> None:
    cells = [["7", TEXTS[0], "BUG"], ["8", "", "wish"], ["9", TEXTS[1], " wish "], ["10", TEXTS[2], ""]]
    source = write("in.csv", ["id", "message", "by hand"], *cells)
    done = label(
        source,
        "--field",
        "message",
        "--truth",
        "by hand",
        "-o",
        "out.csv",
        "--review-out",
        "review.csv",
        "--review",
        "2",
    )
    assert done.returncode == 1  # one row has no text
    assert "line 3 has nothing in its field 'message'" in done.stderr
    assert "1 without a label of people" in done.stdout
    assert "95 % interval" in done.stdout
    rows = table("out.csv")
    assert [row["id"] for row in rows] == ["7", "8", "9", "10"]
    assert [row["label"] in ("BUG", "wish") for row in rows] == [True, False, True, True]
    assert all(0.5 <= float(row["confidence"]) <= 1 for row in rows if row["label"])
    review = table("review.csv")
    assert list(review[0]) == ["message", "label", "confidence", "correct"]
    assert [row["correct"] for row in review] == ["", ""]
    assert float(review[0]["confidence"]) <= float(review[1]["confidence"])

    # a spreadsheet of Windows gives it back with semicolons, other line ends and in its own encoding
    lines = [f"{review[0]['message'].upper()};;;Wish", f"{review[1]['message']};x;;"]
    Path("review.csv").write_bytes("\r\n".join(["message;label;confidence;correct", *lines]).encode("cp1251"))
    done = label(
        source, "--field", "message", "--labels", "BUG,wish", "--corrections", "review.csv", "-o", "2.csv", "--json"
    )
    report = json.loads(done.stdout)
    assert report["corrections"]["used"] == "model"
    assert "there are 1 corrections" in report["corrections"]["reason"]
    corrected = {row["message"]: row for row in table("2.csv")}[review[0]["message"]]
    assert (corrected["label"], corrected["confidence"], corrected["by"]) == ("wish", "1.0", "correction")


def test_rows_that_cannot_be_read_stay_in_their_place() -> None:
    Path("in.csv").write_text("id;text\n1;Опять не работает!\n2;a;b\n3;Добавьте часы.\n", encoding="utf-8")
    done = label("in.csv", "--labels", LABELS, "--review", "0")
    assert done.returncode == 1
    rows = list(csv.DictReader(done.stdout.splitlines(), delimiter=";"))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert [row["label"] in ("bug", "wish") for row in rows] == [True, False, True]
    assert rows[1]["error"] == "line 3 has 3 cells, and the table 2 columns"


def test_json_lines_from_a_pipe_with_examples_and_guidelines() -> None:
    write("labelled.csv", ["text", "label"], ["Громко гудит.", "bug"], ["Хочу карту.", "wish"], [TEXTS[0], "bug"])
    Path("rules.txt").write_text("bug: broken. wish: something new.", encoding="utf-8")
    lines = "".join(json.dumps({"text": text, "label": 1}, ensure_ascii=False) + "\n" for text in TEXTS[:2])
    args = ["--labels", LABELS, "--examples", "labelled.csv", "--guidelines", "@rules.txt"]
    done = label(*args, "--json", stdin=lines)
    assert done.returncode == 0
    assert "3 examples are shown" in done.stderr
    report = json.loads(done.stdout)
    assert [row["by"] for row in report["rows"]] == ["example", "model"]
    assert report["rows"][1]["input.label"] == 1
    assert sum(report["rows"][1]["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    # what was answered is not asked again: no model is needed
    again = label(*args, stdin=lines)
    assert [json.loads(line)["label"] for line in again.stdout.splitlines()] == [r["label"] for r in report["rows"]]


def test_a_server_that_does_not_say_how_sure_it_is() -> None:
    source = write("in.csv", ["text", "truth"], [TEXTS[0], "bug"], [TEXTS[1], "wish"])
    with serving() as server:
        server.chat(reply({"choices": [{"message": {"content": "bug"}, "finish_reason": "stop"}]}))
        args = ["--endpoint", f"{server.url}/v1", "--truth", "truth", "-o", "out.csv", "--jobs", "2"]
        command = [sys.executable, "-m", "assistant", "label", source, *args]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert [(row["label"], row["confidence"]) for row in table("out.csv")] == [("bug", ""), ("bug", "")]
    assert "0.00  bug" not in done.stdout
    assert "50.0% (1 of 2" in done.stdout


def test_nobody_reads_the_rows() -> None:
    source = write("in.csv", ["text"], ["hello"])
    command = (
        f"{sys.executable} -m assistant label -m tiny {source} --labels a,b 2>err.txt | true; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, encoding="utf-8", timeout=120, check=False)
    assert done.stdout == "141\n"
    assert "Traceback" not in Path("err.txt").read_text()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("in.csv", "--labels", "one"), "at least two labels"),
        (("in.csv", "--labels", "bug,Bug"), "comes twice"),
        (("in.csv", "--labels", "bug,,wish"), "is empty"),
        (("in.csv",), "no labels"),
        (("in.csv", "--labels", LABELS, "--truth", "hand"), "no column 'hand'. It has: text, truth"),
        (("in.csv", "--labels", LABELS, "--field", "body"), "no column 'body'. It has: text, truth"),
        (("in.csv", "--labels", "bug,idea", "--truth", "truth"), "'wish' (1)"),
        (("in.csv", "--truth", "text", "--field", "text"), "same column"),
        (("in.csv", "--labels", LABELS, "-o", "in.csv"), "is the input"),
        (("in.csv", "--labels", LABELS, "--corrections", "in.csv"), "no column 'correct'"),
        (("in.csv", "--labels", LABELS, "--corrections", "r.csv", "--review-out", "r.csv"), "is the input"),
        (("in.csv", "--labels", LABELS, "--examples", "in.csv"), "no column 'label'"),
        (("in.csv", "--labels", LABELS, "-o", "out.doc"), "out.doc"),
        (("in.csv", "--labels", LABELS, "-o", "nowhere/out.csv"), "does not exist"),
        (("in.csv", "--labels", LABELS, "--guidelines", "@nowhere.txt"), "nowhere.txt"),
        (("header.csv", "--labels", LABELS), "no rows"),
        (("many.csv", "--truth", "text", "--field", "n"), "more than 100 different labels"),
    ],
)
def test_what_cannot_be_done_is_told_before_a_model_is_read(args: tuple[str, ...], words: str) -> None:
    write("in.csv", ["text", "truth"], [TEXTS[0], "bug"], [TEXTS[1], "wish"])
    write("r.csv", ["text", "correct"], [TEXTS[0], "bug"])
    write("header.csv", ["text"])
    write("many.csv", ["n", "text"], *([str(i), f"text {i}"] for i in range(200)))
    with pytest.raises(UsageError) as wrong:
        cli.main(["label", *args], standalone_mode=False)
    assert words in wrong.value.message
    assert sorted(path.name for path in Path().glob("*.csv")) == ["header.csv", "in.csv", "many.csv", "r.csv"]
