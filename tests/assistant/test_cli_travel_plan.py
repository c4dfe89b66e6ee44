"""``assistant travel plan`` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from icalendar import Calendar

from assistant.cli import main
from assistant.engine.engine import Delta, Event, GenerateOptions, Message, Result
from assistant.tasks.opening import Opened

ISSUE = "5 days in Tbilisi from Moscow in May, two adults, museums and food, slow"


class Silent:
    """An engine that marks and chooses nothing, so that only the rules read."""

    def generate(self, messages: list[Message], options: GenerateOptions) -> Iterator[Event]:
        yield Delta("{}")
        yield Result("{}", "", "stop", 1, 1)

    def cancel(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model is opened."""
    loaded = Opened("", None, Silent(), lambda sampling: GenerateOptions())  # type: ignore[arg-type]
    monkeypatch.setattr("assistant.cli.travel_plan.load", lambda *_: loaded)


def run(*args: str) -> int:
    try:
        main(["travel", "plan", *args])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.usefixtures("silent")
def test_json_has_the_fields_of_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ISSUE, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["trip", "facts", "plan", "ungrounded", "questions"]
    names = ("origin", "destination", "start", "end", "days", "travellers", "pace", "interests")
    assert [told["trip"][name] for name in names] == [
        "Moscow",
        "Tbilisi",
        None,
        None,
        5,
        2,
        "slow",
        ["museums", "food"],
    ]
    assert told["plan"].startswith("# Tbilisi: 5 days")
    assert told["ungrounded"] == []
    assert len(told["questions"]) == 1


@pytest.mark.usefixtures("silent")
def test_flags_come_before_words_and_prices_are_added(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--start", "2027-05-03", "--days", "3", "--from", "Казань", "--to", "Сочи", "--lang", "ru")
    assert run(ISSUE, *flags, "--price", "отель=80*2 EUR", "-p", "еда=0.1*3 EUR", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["trip"]["origin"], told["trip"]["destination"], told["trip"]["end"]) == (
        "Казань",
        "Сочи",
        "2027-05-05",
    )
    assert "**160.3 EUR**" in told["plan"]
    assert told["questions"] == []


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(
    "request_", ["0 days in Rome", "Georgia, 5 days", "в Париж на 31 февраля", "-3 days in Rome", "😀"]
)
def test_without_an_answer_there_is_no_plan(request_: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--no-questions", "--", request_) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.strip().endswith(("?", ".", ")"))
    assert run("--json", "--", request_) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["plan"], answer["facts"]) == ("", {})
    assert answer["questions"]


@pytest.mark.usefixtures("silent")
def test_a_calendar_file_is_written_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trip.ics"
    assert run("с 3 по 5 мая 2027 в Сочи из Казани, вдвоём", "--ics", str(file)) == 0
    events = Calendar.from_ical(file.read_bytes()).walk("VEVENT")
    assert [event.decoded("dtstart").isoformat() for event in events] == ["2027-05-03", "2027-05-04", "2027-05-05"]
    assert [path.name for path in tmp_path.glob("trip*")] == ["trip.ics"]
    assert "## По дням" in capsys.readouterr().out
    assert run("3 days in Rome", "--ics", str(tmp_path / "none.ics")) == 2
    assert not (tmp_path / "none.ics").exists()


@pytest.mark.usefixtures("silent")
def test_wrong_flags_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ISSUE, "--price", "hotel") == 2
    assert "hotel=80*5" in capsys.readouterr().err
    assert run(ISSUE, "--start", "2027-02-31") == 2
    assert run(ISSUE, "--memory", "nothing") == 2
    for flags in (("--days", "0"), ("--start", "2001-01-01"), ("--start", "2999-01-01"), ("--travellers", "-1")):
        assert run(ISSUE, *flags, "--no-questions") == 1


def test_with_a_real_model(starter: Path) -> None:
    request = "с 3 по 4 мая 2027 в Казань из Москвы, вдвоём, каллиграфия и еда"
    command = [
        sys.executable,
        "-m",
        "assistant",
        "travel",
        "plan",
        request,
        "--json",
        "-m",
        str(starter),
        "-o",
        "context_length",
        "4096",
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["trip"]["interests"] == ["каллиграфия", "еда"]
    assert told["ungrounded"] == []
    assert "каллиграфия" in told["plan"].split("## По дням")[1]
