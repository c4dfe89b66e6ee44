"""How far work is, as a terminal and a log file see it; answers on stdout stay out of it."""

from __future__ import annotations

import io
import sys

import pytest

from assistant.cli import progress
from assistant.cli.progress import BYTES, ProgressBar
from assistant.cli.pull_progress import PullDisplay
from models.pull import PullProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Stands in for the time: each update comes some seconds after the one before."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def every_20_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "time", Clock(20))


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """stderr from now on."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return terminal


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], every_20_seconds: None) -> None:
    with ProgressBar("records") as bar:
        bar.update(100, 1200)
        bar.update(150, 1200, "a.txt\n")
        bar.note("[b] failed")
        bar.update(1200, 1200)
        bar.update(1, 1200)
        bar.update(7, None)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "100 of 1,200 records",
        "a.txt\ufffd: 150 of 1,200 records, 2.5/s, 7:00 left",
        "[b] failed",
        "1,200 of 1,200 records, 52/s",
        "1 of 1,200 records",
        "7 records, 18/min",
    ]


def test_reading_the_model_does_not_slow_the_work_down(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(20)
    monkeypatch.setattr(progress, "time", clock)
    bar = ProgressBar("records")
    bar.update(0, 100)
    clock.now += 600
    for done in (1, 11, 21):
        bar.update(done, 100)
    assert "21 of 100 records, 30/min, 2:38 left" in capsys.readouterr().err


def test_what_an_earlier_run_has_done_does_not_count_as_speed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(0)
    monkeypatch.setattr(progress, "time", clock)
    bar = ProgressBar("tokens")
    bar.update(0, 1000)
    for done in (100, 200, 300):
        bar.update(done, 1000, anew=True)
    for done in (310, 320, 330):
        clock.now += 20
        bar.update(done, 1000)
    assert "330 of 1,000 tokens, 30/min, 22:20 left" in capsys.readouterr().err


def test_a_log_is_not_flooded(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "time", Clock(0.1))
    with ProgressBar("records") as bar:
        for number in range(1000):
            bar.update(number, 1000)
    assert 9 <= len(capsys.readouterr().err.splitlines()) <= 10


def test_what_takes_hours_and_what_is_counted_in_bytes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "time", Clock(3600))
    bar = ProgressBar()
    bar.update(0, 10)
    bar.update(2, 10)
    sizes = ProgressBar(BYTES)
    sizes.update(0, 72_000_000)
    sizes.update(36_000_000, 72_000_000)
    assert capsys.readouterr().err.splitlines() == [
        "0 of 10", "2 of 10, 2.0/h, 4:00:00 left", "0 B of 72 MB", "36 MB of 72 MB, 10 kB/s, 1:00:00 left",
    ]  # fmt: skip


def test_a_terminal_gets_a_bar_that_goes_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = on_terminal(monkeypatch)
    with ProgressBar("records") as bar:
        bar.update(3, 12, "[red]notes[/red].md")
        bar.note("failed: [b]")
        print("an answer")
    shown = terminal.getvalue()
    assert "[red]notes[/red].md" in shown
    assert "3 of 12 records" in shown
    assert "failed: [b]" in shown
    assert shown.endswith("\x1b[2K")
    assert "an answer" not in shown
    assert capsys.readouterr().out == "an answer\n"


def test_the_bar_makes_room_for_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdout", terminal)
    with ProgressBar("records") as bar:
        bar.update(3, 12)
        with bar.hidden():
            assert terminal.getvalue().endswith("\x1b[2K")
            print("an answer")
        assert "\nan answer\n" in terminal.getvalue().replace("\x1b[?25h", "\n").replace("\x1b[2K", "\n")
        before = len(terminal.getvalue())
        bar.update(4, 12)
    assert "4 of 12 records" in terminal.getvalue()[before:]


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    monkeypatch: pytest.MonkeyPatch, every_20_seconds: None
) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    with ProgressBar("records") as bar:
        bar.update(3, 12)
    assert terminal.getvalue() == "3 of 12 records\n"


def test_a_pull_tells_what_it_does(capsys: pytest.CaptureFixture[str], every_20_seconds: None) -> None:
    with PullDisplay() as display:
        display(PullProgress("small", "hub", "download", 0, 40_000_000))
        display(PullProgress("small", "hub", "download", 20_000_000, 40_000_000))
        display(PullProgress("small", "", "verify", 10_000_000, 40_000_000))
    assert capsys.readouterr().err.splitlines() == [
        "pulling small: 0 B of 40 MB",
        "pulling small: 20 MB of 40 MB, 1.0 MB/s, 0:20 left",
        "checking small: 10 MB of 40 MB",
    ]
