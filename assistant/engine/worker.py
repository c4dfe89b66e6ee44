"""The engine in a child process, so that a crash of native code never takes the chat with it.

Parent and child speak JSON lines over the child's standard input and output::

    → {"id": 1, "call": "load"}                 ← {"id": 1, "progress": {…Progress}} …  {"id": 1, "done": {…ModelInfo}}
    → {"id": 2, "call": "generate", "messages": […], "options": {…}}
                                                ← {"id": 2, "event": {"type": "Delta", …}} …  {"id": 2, "done": null}
    → {"cancel": 2}                             ← {"id": 3, "error": {"type": "ModelError", "message": …, "hint": …}}

The child ends when its standard input does: a parent that was killed leaves no process behind. It stops what it does
and stores the KV state first (``prompt_cache``), for which it gets :data:`_LAST_SECONDS`.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from assistant.engine.engine import (
    Constraint,
    Event,
    GenerateOptions,
    LoadOptions,
    Message,
    ModelInfo,
    OnProgress,
    Progress,
)
from assistant.engine.events import event_json, event_of
from models import errors
from models.paths import log_dir

_LOG_BYTES = 1_000_000  # of engine.log, before it is begun anew
_LAST_SECONDS = 10  # to store a KV state of some 100 MB on a slow disk


class EngineDied(errors.UserError):
    """The child process ended in the middle of a call. The engine can be used again: it starts a new one."""


# ── the parent's side ─────────────────────────────────────────────────────────────────────────────────────────────────


class WorkerEngine:
    """An :class:`~assistant.engine.engine.Engine` that lives in a child process."""

    def __init__(self, path: Path, options: LoadOptions | None = None):
        self.path = path
        self.options = options or LoadOptions()
        self._child: subprocess.Popen[str] | None = None
        self._info: ModelInfo | None = None
        self._calls = 0
        self._running: int | None = None
        self._one_call = threading.Lock()
        self._writing = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Process id of the child, or None while there is none."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def load(self, on_progress: OnProgress | None = None) -> ModelInfo:
        if self._info and self.pid:
            return self._info
        for answer in self._call({"call": "load"}):
            if "progress" in answer:
                if on_progress:
                    on_progress(Progress(**answer["progress"]))
            else:
                info = answer["done"]
                self._info = ModelInfo(**{**info, "offloaded": tuple(info["offloaded"])})
        assert self._info is not None
        return self._info

    def count_tokens(self, messages: Sequence[Message]) -> int:
        *_, answer = self._call({"call": "count_tokens", "messages": [asdict(message) for message in messages]})
        return int(answer["done"])

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        request = {
            "call": "generate",
            "messages": [asdict(message) for message in messages],
            "options": asdict(options),
        }
        answers = self._call(request)
        with contextlib.closing(answers):
            for answer in answers:
                if "event" in answer:
                    yield event_of(answer["event"])

    def score(
        self,
        messages: Sequence[Message],
        choices: Sequence[str],
        on_progress: OnProgress | None = None,
    ) -> list[float]:
        request = {
            "call": "score",
            "messages": [asdict(message) for message in messages],
            "choices": list(choices),
        }
        for answer in self._call(request):
            if "progress" in answer and on_progress:
                on_progress(Progress(**answer["progress"]))
        return [float(score) for score in answer["done"]]

    def cancel(self) -> None:
        running = self._running
        if running is not None and self._child is not None:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                self._send({"cancel": running})

    def close(self) -> None:
        child, self._child, self._info = self._child, None, None
        if child is None:
            return
        with contextlib.suppress(OSError):
            child.stdin.close()  # type: ignore[union-attr]
        try:
            child.wait(timeout=_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()  # type: ignore[union-attr]

    def _call(self, request: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
        """Send a request, yield its answers up to the one with the key ``done``. Closed early, the child stops."""
        with self._one_call:
            if self.pid is None:
                self._start()
            child = self._child
            assert child is not None
            assert child.stdout is not None
            self._calls += 1
            call = self._calls
            finished = False
            try:
                # `_running` before the request is sent: a cancel that comes in between reaches the child after it.
                with self._writing:
                    self._running = call
                    self._write({"id": call, **request})
                for line in child.stdout:
                    answer = json.loads(line)
                    if answer["id"] != call:
                        continue  # the rest of a call that was closed early
                    finished = "done" in answer or "error" in answer
                    if "error" in answer:
                        raise _error(answer["error"])
                    yield answer
                    if finished:
                        return
                finished = True
                raise self._died()
            except (OSError, ValueError) as error:  # a broken pipe; a line that a kill cut short, or a closed file
                finished = True
                raise self._died() from error
            finally:
                if not finished:
                    self.cancel()
                self._running = None

    def _start(self) -> None:
        self.close()
        # -P: else Python takes modules of the folder it is started in for ours, and many projects have a `models`.
        module = [sys.executable, "-P", "-m", "assistant.engine.worker"]
        self._log = log_dir() / "engine.log"
        with _open_log(self._log) as errors_to:
            self._log_start = errors_to.tell()
            self._child = subprocess.Popen(
                [*module, str(self.path), json.dumps(asdict(self.options))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors_to,
                encoding="utf-8",
                start_new_session=True,  # Ctrl+C in the terminal is for the chat, not for the child
            )

    def _send(self, request: dict[str, Any]) -> None:
        with self._writing:
            self._write(request)

    def _write(self, request: dict[str, Any]) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(request, ensure_ascii=True) + "\n")
        self._child.stdin.flush()

    def _died(self) -> EngineDied:
        child = self._child
        code = child.wait() if child else 0
        self.close()
        reason = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        with contextlib.suppress(OSError), self._log.open(errors="replace") as log:
            log.seek(self._log_start)
            said = [line.strip() for line in log if line.strip()]
            reason += f": {said[-1][:200]}" if said else ""
        return EngineDied(
            f"The engine's process ended unexpectedly ({reason}).",
            f"Ask again: the model is loaded anew. If it happens again, see {self._log}.",
        )


def _open_log(log: Path) -> IO[str]:
    """The log to append to; nowhere, if its folder cannot be written: answers do not depend on it."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.unlink()
        return log.open("a")
    except OSError:
        return open(os.devnull, "a")


def _options(data: dict[str, Any]) -> GenerateOptions:
    constraint = data["constraint"] and Constraint(**data["constraint"])
    return GenerateOptions(**{**data, "stop": tuple(data["stop"]), "constraint": constraint})


def _error(data: dict[str, Any]) -> errors.UserError:
    kind = getattr(errors, data["type"], errors.UserError)
    error: errors.UserError = kind(data["message"], data["hint"])
    return error


# ── the child's side ──────────────────────────────────────────────────────────────────────────────────────────────────


class _Child:
    """Carries out one call after the other; a thread reads the pipe, so that a cancel is heard at once."""

    def __init__(self, path: Path, options: LoadOptions, requests: IO[str], answers: IO[str]):
        from assistant.engine.local import LocalEngine

        self._engine = LocalEngine(path, options)
        self._requests = requests
        self._answers = answers
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._current: int | None = None
        self._cancelled: set[int] = set()
        self._lock = threading.Lock()
        self._ending = False

    def run(self) -> None:
        """Until the parent closes the pipe, or dies."""
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self._work()
        finally:
            self._engine.close()

    def _work(self) -> None:
        while (request := self._queue.get()) is not None and not self._ending:
            call = request["id"]
            try:
                self._answer(call, done=self._carry_out(call, request))
            except errors.UserError as error:
                # Subclasses that only the engine knows travel as the nearest one that everybody knows.
                kind = next(kind.__name__ for kind in type(error).__mro__ if hasattr(errors, kind.__name__))
                self._answer(call, error={"type": kind, "message": error.message, "hint": error.hint})
            finally:
                with self._lock:
                    self._current = None

    def _read(self) -> None:
        for line in self._requests:
            request = json.loads(line)
            if "cancel" not in request:
                self._queue.put(request)
                continue
            with self._lock:
                self._cancelled.add(request["cancel"])
                if self._current == request["cancel"]:
                    self._engine.cancel()
        with self._lock:
            self._ending = True
            self._engine.cancel()
        self._queue.put(None)
        time.sleep(_LAST_SECONDS)
        os._exit(0)

    def _carry_out(self, call: int, request: dict[str, Any]) -> Any:
        kind = request["call"]
        if kind == "load":
            return asdict(self._engine.load(self._reporting(call)))
        messages = [Message(**message) for message in request["messages"]]
        if kind == "count_tokens":
            return self._engine.count_tokens(messages)
        if kind == "score":
            return self._engine.score(messages, request["choices"], self._reporting(call))
        options = _options(request["options"])
        events = self._engine.generate(messages, options)
        assert isinstance(events, Generator)
        with contextlib.closing(events):
            self._begin(call)
            for event in events:
                self._answer(call, event=event_json(event))
        return None

    def _begin(self, call: int) -> None:
        """From now on a cancel goes to the engine; one that came earlier is given to it now."""
        with self._lock:
            self._current = call
            if self._ending or call in self._cancelled:
                self._engine.cancel()

    def _reporting(self, call: int) -> OnProgress:
        """For calls that clear an earlier cancel: they are begun when they first report."""
        told: Progress | None = None

        def progress(event: Progress) -> None:
            nonlocal told
            if told is None:
                self._begin(call)
            if event != told:  # llama.cpp reports each tensor, a percent has many
                self._answer(call, progress=asdict(event))
            told = event

        return progress

    def _answer(self, call: int, **answer: Any) -> None:
        self._answers.write(json.dumps({"id": call, **answer}, ensure_ascii=True) + "\n")
        self._answers.flush()


def _main() -> None:
    path, options = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The pipe is ours alone: whatever a library prints goes to the log with the rest of stderr.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        _Child(Path(path), LoadOptions(**json.loads(options)), sys.stdin, answers).run()


if __name__ == "__main__":
    _main()
