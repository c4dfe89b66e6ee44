"""Who is writing an answer: a name that another process can check, so that only answers of dead writers are settled."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime, timedelta
from functools import cache

# A writer on another machine or in another container cannot be seen from here; it saves at most a second apart while it
# decodes, but a long prefill on a slow machine is silent.
FOREIGN_SILENCE = timedelta(minutes=15)


@cache
def _started(pid: int) -> float:
    import psutil  # type: ignore[import-untyped]

    return float(psutil.Process(pid).create_time())


def this_process() -> str:
    """``host:pid:start``; the start time tells a process from a later one with the same number."""
    pid = os.getpid()
    return f"{platform.node()}:{pid}:{_started(pid):.2f}"


def is_alive(owner: str | None, updated: datetime) -> bool:
    """Whether the writer may still write. One on another host is judged by how long it has been silent."""
    if owner is None:
        return False
    host, pid, start = owner.rsplit(":", 2)
    if host != platform.node():
        return datetime.now(UTC) - updated < FOREIGN_SILENCE
    import psutil

    try:
        process = psutil.Process(int(pid))
        # Killed, but not yet buried by its parent: in containers some never are.
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # Clocks round differently; no process number is reused within a second.
        return bool(abs(process.create_time() - float(start)) < 1)
    except psutil.AccessDenied:
        return True
    except (psutil.NoSuchProcess, ValueError):
        return False
