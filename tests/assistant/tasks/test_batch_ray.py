"""Records on a Ray cluster: two actors on this machine, that ask a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fake_server import FakeServer, Handler, chooses, listing, serving, token

pytest.importorskip("ray")
pytestmark = pytest.mark.slow  # a cluster takes 5 to 20 seconds to start

CHOICE = chooses(token("praise", -0.1, complaint=-2.4))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(listing("vllm", max_model_len=4096)) as fake:
        yield fake


def command(server: FakeServer, folder: Path, records: int) -> subprocess.Popen[str]:
    """A process of its own: Ray leaves threads and handlers behind."""
    texts = [json.dumps({"id": n, "text": f"Review {n}"}) + "\n" for n in range(records)]
    (folder / "in.jsonl").write_text("".join(texts))
    words = ["batch", "-t", "classify", "-p", "labels", "praise,complaint", "in.jsonl", "-o", "out.jsonl"]
    words += ["--engine", "ray", "--jobs", "2", "--endpoint", server.url]
    start = [sys.executable, "-m", "assistant", *words]
    return subprocess.Popen(start, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_an_actor_that_dies_is_started_again_and_no_record_is_lost(server: FakeServer, tmp_path: Path) -> None:
    connections: set[int] = set()
    killed = threading.Event()

    def step(handler: Handler) -> None:
        connections.add(handler.client_address[1])
        if len(server.asked()) > 6 and not killed.is_set():
            actors = [child for child in psutil.Process(process.pid).children(recursive=True) if is_actor(child)]
            actors[0].kill()
            actors[0].wait(10)
            killed.set()
        CHOICE(handler)

    server.chat(step)
    process = command(server, tmp_path, 24)
    _, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["id"], row["output"]) for row in rows] == [(n, "praise") for n in range(24)]
    assert killed.is_set()
    assert len(connections) >= 3  # of two actors, and of the one that took a dead one's place


def test_a_signal_ends_it_and_what_is_done_stays(server: FakeServer, tmp_path: Path) -> None:
    def step(handler: Handler) -> None:
        if len(server.asked()) > 6:
            time.sleep(0.5)
        CHOICE(handler)

    server.chat(step)
    process = command(server, tmp_path, 200)
    while len(server.asked()) < 8 and process.poll() is None:
        time.sleep(0.1)
    assert process.poll() is None, process.communicate()[1]
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl+C in a terminal: every process of the group hears it
    _, told = process.communicate(timeout=100)
    assert process.returncode == 130, told
    assert "records are answered" in told
    assert (tmp_path / "out.jsonl.job").exists()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def is_actor(process: psutil.Process) -> bool:
    return any("_Actor" in word for word in process.cmdline())
