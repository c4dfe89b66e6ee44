"""What the chat costs the engine while an answer streams, and how long a typed key takes to show.

    python benchmarks/chat_streaming.py [-m MODEL] [--rounds N] [--tokens N]

The same question is answered by turns without a screen (the conversation iterated in a bare loop) and in the chat, in a
pseudo-terminal of 80×24 with someone reading what it draws. Both have the engine in a child process with all cores, and
both save their timings in a history of their own; the ratio of their decode speeds is the claim. Then the same chat
once more with a key typed every quarter of a second.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from report import compare, publish

QUESTION = "Explain how a hash map works: an introduction, a list of operations, a Python example, a table of costs."
KEY = "ё"  # in no answer to this question
BARE = """
import sys
from assistant.chat.conversation import Conversation
from assistant.chat.history import History
from assistant.engine.engine import GenerateOptions
from assistant.engine.worker import WorkerEngine
from models.store import Store
model = Store().resolve(sys.argv[1])
engine = WorkerEngine(model.path)
options = GenerateOptions(temperature=0, seed=1, max_tokens=int(sys.argv[2]))
for _ in Conversation(engine, History.open(), model=model.name, options=options).send(sys.argv[3]):
    pass
engine.close()
"""


def speed(home: Path) -> float | None:
    """Decode speed of the last answer in this history, in tokens per second; None while there is none."""
    from assistant.chat.history import History

    with History.open(home / "history.db") as history:
        latest = history.latest()
        times = history.load(latest).messages[-1].timings if latest is not None else None
    return times.decode_tokens / times.decode_seconds if times and times.decode_seconds else None


def bare(model: str, tokens: int, home: Path) -> float:
    """Decode speed without a screen."""
    subprocess.run([sys.executable, "-c", BARE, model, str(tokens), QUESTION], env=_env(home), check=True)
    measured = speed(home)
    assert measured is not None
    return measured


def chat(model: str, tokens: int, home: Path, shares: list[float], latencies: list[float] | None = None) -> float:
    """Decode speed in the chat; with ``latencies`` keys are typed meanwhile, and their seconds are added there.

    What part of a core the chat's own process used is added to ``shares``: that means something on a busy machine too.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        command = [sys.executable, "-c", "from assistant.cli import main; main()", "chat", "-m", model]
        command += ["-o", "temperature", "0", "-o", "seed", "1", "-o", "max_tokens", str(tokens)]
        os.execve(sys.executable, command, _env(home))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    try:
        _read(terminal, 4.0)
        os.write(terminal, f"{QUESTION}\r".encode())
        typed = 0
        start, before = time.monotonic(), _cpu_seconds(pid)
        while True:
            # Looking into the history costs processor time too: seldom, unless keys are typed, which is not timed.
            _read(terminal, 2.0 if latencies is None else 0.25)
            if latencies is not None and typed < 60 and _answering(home):
                typed += 1
                latencies.append(_type(terminal))
            if (measured := speed(home)) is not None:
                shares.append((_cpu_seconds(pid) - before) / (time.monotonic() - start))
                return measured
    finally:
        os.write(terminal, b"\x11")
        for _ in _chunks(terminal, 5.0):
            pass
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _answering(home: Path) -> bool:
    from assistant.chat.history import History

    with History.open(home / "history.db") as history:
        latest = history.latest()
        return latest is not None and any(m.role == "assistant" and m.text for m in history.load(latest).messages)


def _type(terminal: int) -> float:
    """Type one key; seconds until it is drawn."""
    start = time.perf_counter()
    os.write(terminal, KEY.encode())
    seen = b""
    for chunk in _chunks(terminal, 2.0):
        seen += chunk
        if KEY.encode() in seen:
            break
    return time.perf_counter() - start


def _read(terminal: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            os.read(terminal, 65536)


def _chunks(terminal: int, seconds: float) -> Iterator[bytes]:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                yield os.read(terminal, 65536)
            except OSError:  # the other side is gone
                return


def _env(home: Path) -> dict[str, str]:
    from models.paths import models_dir

    return {
        **os.environ,
        "ASSISTANT_DATA_DIR": str(home),
        "ASSISTANT_MODELS": str(models_dir()),
        "TERM": "xterm-256color",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-m", "--model", default="starter")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=200)
    given = parser.parse_args()
    without, inside = [], []
    shares: list[float] = []
    latencies: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.rounds):
            without.append(bare(given.model, given.tokens, Path(folder, f"bare{number}")))
            inside.append(chat(given.model, given.tokens, Path(folder, f"chat{number}"), shares))
            print(f"bare {without[-1]:6.2f} tok/s   chat {inside[-1]:6.2f} tok/s   {inside[-1] / without[-1]:.3f}")
        chat(given.model, given.tokens, Path(folder, "typing"), [], latencies)
    latencies.sort()
    late = 1000 * latencies[max(0, round(0.95 * len(latencies)) - 1)]
    rows = [
        compare("decode in the chat / without a screen", inside, without, "tok/s", ">= 0.97"),
        compare("the chat's own processor time / one core", shares, [1.0] * len(shares), "cores", "<= 0.03"),
        compare("a key to the screen while it streams, 95 % / limit", [late], [50], "ms", "<= 1"),
    ]
    publish("chat", rows, f"{given.model}, {given.rounds} rounds in turns, {len(latencies)} keys")


if __name__ == "__main__":
    main()
