"""A server as the worker of a batch: several records are on their way to it at once.

A server takes more requests than one at a time (llama-server as many as it has slots, vLLM hundreds), and reads their
common beginning once. Each worker is a thread that waits; the connections are shared.
"""

from __future__ import annotations

from assistant.engine.remote import RemoteEngine
from assistant.tasks.batching.running import EngineWorker


def workers(engine: RemoteEngine, jobs: int) -> list[EngineWorker]:
    """``jobs`` workers that ask the server of this engine."""
    return [EngineWorker(RemoteEngine(engine.server)) for _ in range(jobs)]
