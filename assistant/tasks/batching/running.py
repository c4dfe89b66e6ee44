"""Workers over a job: each takes records as it needs them, and what comes of them is kept at once."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from assistant.engine.calls import returned
from assistant.engine.engine import Engine
from assistant.engine.worker import EngineDied
from assistant.tasks.answering import Answer, answering
from assistant.tasks.batching.job import Job
from assistant.tasks.batching.records import Broken, Record
from assistant.tasks.batching.task import Task, tasks_of
from models.errors import Cancelled, IntegrityError, ModelError, NetworkError, UserError

__all__ = ["RETRIES", "Done", "EngineWorker", "Failed", "Task", "Worker", "run", "tasks_of"]

RETRIES = 2
PASSING = (EngineDied, NetworkError)  # what may go well on another try
_AHEAD = 64  # records that are read before a worker asks for them
_IN_A_ROW = 5  # records given up for what may pass, with nothing answered between: it does not pass
_LONGEST_PAUSE = 10.0  # seconds before the next try over a network
_LAST_SECONDS = 10.0  # that a worker has to end


@dataclass(frozen=True, slots=True)
class Done:
    """A record was answered."""

    number: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """A record was given up, or cannot be read."""

    number: int
    where: str
    reason: str


class Worker(Protocol):
    """Something that answers, in a thread of its own."""

    def answers(self, tasks: Iterator[Task]) -> Iterator[tuple[int, Answer | UserError]]:
        """Take tasks, as many at a time as pay, and yield what became of each by its number, in any order. The tasks
        end where there is none just now; then this is called again.

        Raises:
            EngineDied: what was taken and not yielded is tried again.
            UserError: nothing can be answered any more; the batch ends.
        """
        ...

    def cancel(self) -> None:
        """Stop what is running, from any thread."""
        ...


class EngineWorker:
    """One engine: records in its batches where it has such, else one after the other."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self._stopped = threading.Event()

    def answers(self, tasks: Iterator[Task]) -> Iterator[tuple[int, Answer | UserError]]:
        if hasattr(self.engine, "answer_many"):
            from assistant.tasks.batching.together import ManyEngine, answer_together

            yield from answer_together(cast(ManyEngine, self.engine), tasks, self.answer, self._check)
            return
        for task in tasks:
            yield task.number, self.answer(task)

    def cancel(self) -> None:
        self._stopped.set()
        self.engine.cancel()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Cancelled()

    def answer(self, task: Task) -> Answer | UserError:
        """One task by itself."""
        self._check()
        work = answering(self.engine, task.filled, task.record.text, task.options, self._check)
        try:
            return returned(work)
        except (Cancelled, ModelError, IntegrityError):
            raise
        except UserError as error:
            return error


def run(
    job: Job,
    records: Iterable[Record | Broken],
    task_of: Callable[[Record], Task],
    workers: Sequence[Worker],
    *,
    retries: int = RETRIES,
    stopped: threading.Event | None = None,
) -> Iterator[Done | Failed]:
    """Answer what the job does not have yet. A result is in the job before it is yielded; the order is any.

    Args:
        task_of: raises UserError for a record that cannot be asked about: it has failed.
        retries: of what may go well on another try: a process that died, a network, an answer that was drawn by lot.
        stopped: set from any thread, it ends the run; what is finished is kept.

    Raises:
        Cancelled: ``stopped`` was set.
        UserError: a worker cannot go on (no model, no network), or the job cannot be written.
        UsageError: the input is not the one that the job was begun with.
    """
    stopped = stopped or threading.Event()
    feed = _Feed()
    told: queue.SimpleQueue[_Told] = queue.SimpleQueue()

    def read() -> None:
        try:
            for record in records:
                if not _put(record):
                    return
            feed.end()
            told.put(None)
        except BaseException as error:
            told.put(error)

    def _put(record: Record | Broken) -> bool:
        if job.check(record) in ("done", "failed"):
            return not feed.over
        if isinstance(record, Record):
            try:
                return feed.put(task_of(record))
            except UserError as error:
                feed.begin()
                told.put((record, error))
        else:
            feed.begin()
            told.put(record)
        return not feed.over

    threads = [threading.Thread(target=read, name="records", daemon=True)]
    for worker in workers:
        work = threading.Thread(target=_work, args=(worker, feed, told, stopped), name="worker", daemon=True)
        threads.append(work)
    for thread in threads:
        thread.start()
    keeping = _Keeping(job, feed, retries)
    try:
        while not feed.over:
            if stopped.is_set():
                raise Cancelled()
            try:
                item = told.get(timeout=0.2)
            except queue.Empty:
                continue
            if isinstance(item, BaseException):
                raise item
            if item is not None and (event := keeping.take(item)):
                yield event
    finally:
        finished = feed.over
        feed.stop()
        if not finished:
            for worker in workers:
                worker.cancel()
        for thread in threads[1:]:
            thread.join(_LAST_SECONDS)
        with contextlib.suppress(queue.Empty):  # what was finished meanwhile
            while not finished:
                item = told.get_nowait()
                if isinstance(item, tuple) and isinstance(item[1], Answer):
                    keeping.take(item)


_Outcome = tuple[Task | Record, Answer | UserError]
_Told = _Outcome | Broken | BaseException | None


class _Keeping:
    """Writes what workers tell into the job, or gives it back to them for another try."""

    def __init__(self, job: Job, feed: _Feed, retries: int):
        self._job = job
        self._feed = feed
        self._retries = retries
        self._given_up = 0  # in a row, for what may pass

    def take(self, item: _Outcome | Broken) -> Done | Failed | None:
        """None: it is tried again."""
        event = self._take(item)
        if event:
            self._feed.finish()
        if self._given_up >= _IN_A_ROW and isinstance(item, tuple) and isinstance(item[1], UserError):
            raise item[1]
        return event

    def _take(self, item: _Outcome | Broken) -> Done | Failed | None:
        if isinstance(item, Broken):
            self._job.keep_broken(item)
            return Failed(item.number, item.where, item.reason)
        task, outcome = item
        if isinstance(task, Record):  # there was no way to ask about it
            return self._failed(task, None, cast(UserError, outcome).message)
        passing = isinstance(outcome, PASSING)
        if task.tries < self._retries and (passing or _by_lot(task, outcome)):
            self._feed.again(replace(task, tries=task.tries + 1))
            return None
        self._given_up = self._given_up + 1 if passing else 0
        if isinstance(outcome, UserError):
            return self._failed(task.record, None, outcome.message, passing=passing)
        if outcome.problem:
            return self._failed(task.record, outcome, outcome.problem)
        self._job.keep(task.record, outcome, None)
        return Done(task.number, outcome)

    def _failed(self, record: Record, answer: Answer | None, reason: str, *, passing: bool = False) -> Failed:
        self._job.keep(record, answer, reason, passing=passing)
        return Failed(record.number, record.where, reason)


def _by_lot(task: Task, outcome: Answer | UserError) -> bool:
    """Whether this came of sampling, and may come otherwise."""
    drawn = task.options.temperature > 0 and task.options.seed is None
    return drawn and isinstance(outcome, Answer) and outcome.problem is not None


class _Feed:
    """Tasks between the one who reads them and those who work on them."""

    def __init__(self) -> None:
        self._ready: deque[Task] = deque()
        self._changed = threading.Condition()  # of a lock that its holder may take again
        self._open = 0  # records that are not finished
        self._ended = False
        self._stopped = False

    def put(self, task: Task) -> bool:
        """Waits for room; False: nobody wants more."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < _AHEAD or self._stopped)
            self._ready.append(task)
            self.begin()
            return not self._stopped

    def begin(self) -> None:
        """One more is not finished."""
        with self._changed:
            self._open += 1
            self._changed.notify_all()

    def again(self, task: Task) -> None:
        with self._changed:
            self._ready.append(task)
            self._changed.notify_all()

    def finish(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def end(self) -> None:
        """No more come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def take(self, seconds: float) -> Task | None:
        """The next task, waited for so long; None: there is none just now."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self.over, seconds)
            return self._ready.popleft() if self._ready and not self._stopped else None

    def wait(self) -> bool:
        """Until there is something to take; False: that will not be."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self.over)
            return not self.over

    @property
    def over(self) -> bool:
        return self._stopped or (self._ended and not self._open)


def _work(worker: Worker, feed: _Feed, told: queue.SimpleQueue[_Told], stopped: threading.Event) -> None:
    """A worker's thread."""
    while feed.wait():
        taken: dict[int, Task] = {}

        def tasks(taken: dict[int, Task] = taken) -> Iterator[Task]:
            while task := feed.take(0.05):
                taken[task.number] = task
                yield task

        try:
            for number, outcome in worker.answers(tasks()):
                task = taken.pop(number)
                told.put((task, outcome))
                if isinstance(outcome, NetworkError):
                    stopped.wait(min(2.0**task.tries, _LONGEST_PAUSE))
            died = EngineDied("The engine gave no answer.")
        except EngineDied as error:
            died = error
        except BaseException as error:
            told.put(error)
            return
        for task in taken.values():
            told.put((task, died))
