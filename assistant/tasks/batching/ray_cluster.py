"""A Ray cluster as the workers of a batch: actors on its machines, each with an engine of its own.

The records stay here, in the job: each actor has one at a time, and gets the next with its answer. One that dies, with
its machine or by itself, is started again elsewhere, and its record is tried again. The machines need this program and,
unless the actors ask a server, the model at the same path; a key for the server stands in their own environment.

Without ``RAY_ADDRESS`` the cluster is this machine's processors, and nothing is sent anywhere.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assistant.engine.endpoint import is_loopback
from assistant.engine.engine import Engine, LoadOptions
from assistant.engine.worker import EngineDied
from assistant.tasks.answering import Answer
from assistant.tasks.batching.running import EngineWorker, Task
from models import errors
from models.errors import Cancelled, NetworkError, UsageError, UserError

_POLL = 0.2  # seconds between two looks at whether to stop
_OBJECTS = 80_000_000  # bytes of shared memory for what is on its way: Ray's least; records are small


@dataclass(frozen=True, slots=True)
class Plan:
    """The engine of an actor: a model's file, or a server."""

    path: str = ""
    options: LoadOptions | None = None
    url: str = ""
    model: str | None = None
    context_length: int | None = None

    @classmethod
    def of(cls, engine: Engine) -> Plan:
        """One like this."""
        from assistant.engine.local import LocalEngine
        from assistant.engine.remote import RemoteEngine

        if isinstance(engine, RemoteEngine):
            server = engine.server
            return cls(url=str(server.endpoint), model=server.model, context_length=server.context_length)
        assert isinstance(engine, LocalEngine)
        return cls(str(engine.path), engine.options)

    def engine(self) -> Engine:
        if self.url:
            from assistant.engine.endpoint import Endpoint
            from assistant.engine.remote import RemoteEngine
            from assistant.engine.servers import Server

            return RemoteEngine(Server(Endpoint(self.url), self.model, self.context_length))
        from assistant.engine.local import LocalEngine

        return LocalEngine(Path(self.path), self.options)


class _Actor:
    """What runs on the cluster. An error travels as its name, for some cannot be pickled."""

    def __init__(self, plan: Plan):
        self._worker = EngineWorker(plan.engine())

    def answer(self, task: Task) -> Answer | tuple[str, str, str | None]:
        try:
            outcome = self._worker.answer(task)  # alone: the engine has the beginning of the prompt from the one before
        except UserError as error:
            outcome = error
        if isinstance(outcome, Answer):
            return outcome
        kind = next(kind.__name__ for kind in type(outcome).__mro__ if hasattr(errors, kind.__name__))
        return kind, outcome.message, outcome.hint


class Cluster:
    """A connection to a cluster, and the actors on it.

    Args:
        jobs: actors.

    Raises:
        UsageError: Ray is not installed, or the cluster has no room for so many.
        NetworkError: the cluster cannot be reached, or ASSISTANT_OFFLINE is set and it is on other machines.
    """

    def __init__(self, plan: Plan, jobs: int):
        # Ray reads its environment when it is imported.
        address = os.environ.get("RAY_ADDRESS", "")
        if address in ("", "local"):  # its ports are open to the network all the same: nobody gets in without this
            os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", secrets.token_hex(32)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of every start
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of how it hides GPUs
        try:
            import ray
        except ImportError as error:
            raise UsageError("Ray is not installed.", "pip install 'assistant[ray]'") from error
        self._ray: Any = ray
        self._connect(address, jobs)
        resources = self._ray.cluster_resources()
        processors = int(resources.get("CPU", 0))
        if processors < jobs:
            self.close()
            raise UsageError(f"The cluster has {processors} processors for {jobs} actors.", f"--jobs {processors}")
        threads = 1 if plan.url else (plan.options and plan.options.threads) or processors // jobs
        if plan.options:
            plan = replace(plan, options=replace(plan.options, threads=threads))
        graphics = 0.0 if plan.url else min(1.0, resources.get("GPU", 0) / jobs)
        kind = ray.remote(
            num_cpus=min(threads, processors // jobs),
            num_gpus=graphics,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )(_Actor)
        self.workers = [RayWorker(ray, lambda: kind.remote(plan)) for _ in range(jobs)]

    def _connect(self, address: str, jobs: int) -> None:
        offline = os.environ.get("ASSISTANT_OFFLINE", "") not in ("", "0")
        host = address.rpartition("://")[2].rpartition(":")[0] or address
        if address and offline and address != "local" and not is_loopback(host):
            raise NetworkError(
                f"Not asking the cluster {address}: ASSISTANT_OFFLINE is set.", "Unset it, or unset RAY_ADDRESS."
            )
        more: dict[str, Any] = {"address": address}
        if address in ("", "local"):
            more = {
                "address": "local",
                "num_cpus": max(jobs, os.cpu_count() or 1),
                "object_store_memory": _OBJECTS,
                "include_dashboard": False,
                "_node_ip_address": "127.0.0.1",
            }
        try:
            self._ray.init(logging_level="ERROR", log_to_driver=False, **more)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            said = str(error).strip().splitlines()
            raise NetworkError(
                f"The Ray cluster {address or 'of this machine'} does not start: {said[0] if said else error!r}.",
                "Check RAY_ADDRESS, and the cluster with `ray status`.",
            ) from error

    def close(self) -> None:
        self._ray.shutdown()


class RayWorker:
    """One actor, started with its first record and again when it has died."""

    def __init__(self, ray: Any, start: Any):
        self._ray = ray
        self._start = start
        self._actor: Any = None
        self._stopped = threading.Event()

    def answers(self, tasks: Iterator[Task]) -> Iterator[tuple[int, Answer | UserError]]:
        for task in tasks:
            yield task.number, self._answer(task)

    def cancel(self) -> None:
        self._stopped.set()

    def _answer(self, task: Task) -> Answer | UserError:
        from ray.exceptions import RayError, RayTaskError

        try:
            self._actor = self._actor or self._start()
            running = self._actor.answer.remote(task)
            while not self._ray.wait([running], timeout=_POLL)[0]:
                if self._stopped.is_set():
                    self._ray.kill(self._actor)  # it is in the middle of native code, where nothing else reaches it
                    raise Cancelled()
            outcome = self._ray.get(running)
        except RayTaskError:
            raise
        except RayError as error:
            with contextlib.suppress(Exception):
                self._ray.kill(self._actor)
            self._actor = None
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise EngineDied(f"An actor of the cluster died: {said[0]}", "Look at the logs of Ray.") from error
        if isinstance(outcome, Answer):
            return outcome
        kind, message, hint = outcome
        failed: UserError = Cancelled(message) if kind == "Cancelled" else getattr(errors, kind)(message, hint)
        if isinstance(failed, Cancelled | errors.ModelError | errors.IntegrityError):
            raise failed
        return failed
