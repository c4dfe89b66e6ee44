"""Ctrl+C reaches work whose native code calls back into Python, where exceptions vanish."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from convert import imatrix
from convert.calibration import calibration_text
from models import llama


@pytest.fixture
def ctrl_c() -> Iterator[threading.Event]:
    """Presses Ctrl+C when the event is set."""
    begun, over = threading.Event(), threading.Event()

    def press() -> None:
        begun.wait()
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=press)
    thread.start()
    yield begun
    over.set()
    begun.set()
    thread.join()
    signal.signal(signal.SIGINT, before)


def test_an_importance_matrix_is_given_up_at_once(tiny: Path, ctrl_c: threading.Event) -> None:
    seen: list[int] = []

    def on_progress(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == 3:
            ctrl_c.set()

    with pytest.raises(KeyboardInterrupt):
        imatrix.collect(tiny, calibration_text(), chunk_size=64, chunks=40, threads=1, on_progress=on_progress)
    assert max(seen) < 20 * 30  # of 40 chunks in 30 layers


def test_loading_is_given_up(tiny: Path, ctrl_c: threading.Event) -> None:
    def load_often() -> None:
        for _ in range(20):
            llama.Model(tiny).close()

    ctrl_c.set()
    with pytest.raises(KeyboardInterrupt):
        load_often()


def test_a_batch_is_given_up_in_the_middle(tiny: Path, ctrl_c: threading.Event) -> None:
    with llama.Model(tiny) as model, llama.Context(model, n_ctx=512, threads=1) as context:

        def decode() -> None:
            threading.Timer(0.02, ctrl_c.set).start()
            context.decode(list(range(100, 612)))

        with pytest.raises(KeyboardInterrupt):
            decode()
        assert context.length < 512
