"""``assistant chat`` in a real (pseudo-)terminal: how it comes, and how it leaves."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import psutil
import pytest

COMMAND = [sys.executable, "-c", "from assistant.cli import main; main()", "chat", "-m", "tiny"]
LEFT_ALTERNATE_SCREEN = b"\x1b[?1049l"


class Terminal:
    """A chat on a terminal of 80×24 of its own."""

    def __init__(self, *arguments: str):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [*COMMAND, *arguments], {**os.environ, "TERM": "xterm-256color", "LANG": "C"})
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.drawn = b""

    def until(self, text: str, seconds: float = 40) -> None:
        end = time.monotonic() + seconds
        while text.encode() not in self.drawn:
            assert time.monotonic() < end, self.drawn[-2000:].decode(errors="replace")
            self.read(0.1)

    def read(self, seconds: float) -> bool:
        if select.select([self.file], [], [], seconds)[0]:
            try:
                self.drawn += os.read(self.file, 65536)
            except OSError:
                return False
        return True

    def child(self) -> psutil.Process:
        """The engine's process."""
        for _ in range(400):
            found = psutil.Process(self.pid).children()
            if found:
                return found[0]
            self.read(0.05)
        raise AssertionError("no engine was started")

    def ended(self, seconds: float = 20) -> int:
        """The exit status, once it left."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.file >= 0:
                self.read(0.05)
            else:
                time.sleep(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return status
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("the chat did not leave")


def gone(process: psutil.Process, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", ["ctrl+q", "SIGTERM", "SIGHUP"])
def test_the_terminal_is_restored_and_the_engine_ends(tiny, how):
    terminal = Terminal()
    terminal.until("Ask anything")
    child = terminal.child()
    if how == "ctrl+q":
        os.write(terminal.file, b"\x11")
    else:
        os.kill(terminal.pid, getattr(signal, how))
    status = terminal.ended()
    while terminal.read(0.2) and len(select.select([terminal.file], [], [], 0)[0]):
        pass
    assert os.WIFEXITED(status)
    assert LEFT_ALTERNATE_SCREEN in terminal.drawn
    assert gone(child)


def test_closing_the_window_ends_chat_and_engine(tiny):
    terminal = Terminal()
    terminal.until("Ask anything")
    child = terminal.child()
    os.close(terminal.file)
    terminal.file = -1
    terminal.ended()
    assert gone(child)


def test_without_a_terminal_it_says_how_to_go_on():
    done = subprocess.run(COMMAND, input="", capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "needs a terminal" in done.stderr
    assert "assistant ask" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["--cid", "99"], "99", 1),
        (["-c"], "no chat to go on with", 1),
        (["-o", "temprature", "1"], "temprature", 2),
        (["-m", "no-such-model"], "no-such-model", 3),
        (["--no-history", "-c"], "--no-history", 2),
    ],
)
def test_mistakes_are_told_before_the_screen_opens(tiny, arguments, said, code):
    terminal = Terminal(*arguments)
    status = terminal.ended()
    terminal.read(0.2)
    assert os.WEXITSTATUS(status) == code
    assert said in terminal.drawn.decode()
    assert b"\x1b[?1049h" not in terminal.drawn


def test_a_history_that_cannot_be_opened_does_not_keep_one_from_chatting(tiny, home):
    home.mkdir()
    (home / "history.db").write_bytes(b"this is no database, it is a text " * 100)
    terminal = Terminal()
    terminal.until("not being saved")
    os.write(terminal.file, b"\x11")
    assert os.WIFEXITED(terminal.ended())
    assert (home / "history.db").read_bytes().startswith(b"this is no database")


def test_an_editor_that_does_not_start_gives_the_terminal_back(tiny, monkeypatch):
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    terminal = Terminal()
    terminal.until("Ask anything")
    os.write(terminal.file, b"\x07")  # Ctrl+G
    terminal.until("could not be started")
    os.write(terminal.file, b"\x11")  # Ctrl+Q
    assert os.waitstatus_to_exitcode(terminal.ended()) == 0
