"""The job of a batch: what became of each record, in a SQLite file beside the output, one transaction a record."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import filelock

from assistant.database import Database, Schema
from assistant.tasks.answering import Answer
from assistant.tasks.batching.records import Broken, Record
from models.errors import Cancelled, UsageError, UserError

SUFFIX = ".job"
_SHOWN = 20  # broken records that a survey has
State = Literal["done", "failed", "passing"]


class JobError(UserError):
    """The job cannot be used."""


SCHEMA = Schema(
    name="the job",
    application_id=0x41534A42,  # "ASJB"
    migrations="assistant.tasks.batching.job_migrations",
    version=1,
    fts=(),
    error=JobError,
    elsewhere="Choose another place for the output.",
    damaged="Move it away, or begin anew: --restart",
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that makes a job what it is: ``shown`` in errors, ``key`` tells it from others that look the same."""

    shown: str
    key: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.shown}\n{self.key}".encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Survey:
    """What an input holds: ``records``, broken ones among them; the first of these."""

    records: int
    broken: int
    first: tuple[Broken, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a record. ``answer`` is that of :meth:`Answer.to_json`; ``error`` says why it failed. Of a record
    that cannot be read ``where`` is empty, and the error says it."""

    number: int
    where: str
    values: dict[str, Any]
    state: State
    answer: dict[str, Any] | None
    error: str | None

    @property
    def said(self) -> str:
        """Where it stands and why it failed."""
        return f"{self.where}: {self.error}" if self.where else f"{self.error}"


class Job:
    """An open job, locked for this process.

    Args:
        path: of its file; None: in memory, nothing to go on with.
        facts: by what they are called in errors; a job that was begun with others is refused.
        restart: forget what there is.

    Raises:
        UsageError: the job was begun with something else; the message says what.
        JobError: another process works on it; the file cannot be written, or is damaged.
    """

    def __init__(self, path: Path | None, facts: Mapping[str, Fact], *, restart: bool = False):
        self.path = path
        self._synced = 0.0
        self._lock = _locked(path) if path else None
        try:
            if restart:
                self._unlink()
            self._db = Database(path, SCHEMA)
            self._open = True
            try:
                self._compare(facts)
            except BaseException:
                self._db.close()
                raise
        except BaseException:
            self._unlock()
            raise

    def _compare(self, facts: Mapping[str, Fact]) -> None:
        with self._db.transaction():
            before = {row["name"]: row for row in self._db.rows("SELECT * FROM facts")}
            for name, fact in facts.items():
                if name not in before:
                    self._db.write("INSERT INTO facts VALUES (?, ?, ?)", name, fact.shown, fact.digest)
                elif before[name]["digest"] != fact.digest:
                    raise self._other(name, before[name]["shown"], fact.shown)

    def _other(self, name: str, then: str, now: str) -> UsageError:
        if then == now:
            said = f"The {name} {now} has changed since {self.path} was begun."
        else:
            said = f"{self.path} was begun with another {name}: {then or 'none'}, now {now or 'none'}."
        return UsageError(said, "Go on with what it was, begin anew with --restart, or write to another file.")

    def survey(self, records: Iterable[Record | Broken], stopped: Callable[[], bool], *, whole: bool = True) -> Survey:
        """Read an input before anything is asked: how much there is, and whether it is that of this job.

        Args:
            whole: these are all records that there are.

        Raises:
            UsageError: it is not. Cancelled: ``stopped`` says so.
        """
        end, number, broken = self.end, 0, 0
        first: list[Broken] = []
        for number, record in enumerate(records, 1):
            if stopped():
                raise Cancelled()
            if number <= end:
                self.check(record)
            if isinstance(record, Broken):
                broken += 1
                if len(first) < _SHOWN:
                    first.append(record)
        if whole:
            self.forget_from(number)
        return Survey(number, broken, tuple(first))

    def check(self, record: Record | Broken) -> State | None:
        """What is known of a record already; None: nothing, or its text has changed since it failed.

        Raises:
            UsageError: the record that was answered was another one.
        """
        found = self._db.rows("SELECT digest, state FROM records WHERE number = ?", record.number)
        if not found:
            return None
        state: State = found[0]["state"]
        same = isinstance(record, Record) and found[0]["digest"] == record.digest
        if state == "done" and not same:
            raise UsageError(
                f"The input has changed: {record.where} is not what was answered before ({self.path}).",
                "Give the same input, which may have grown at its end, or begin anew: --restart",
            )
        return state if same else None

    def keep(self, record: Record, answer: Answer | None, error: str | None, *, passing: bool = False) -> None:
        """Write what became of a record; with an error it has failed."""
        state: State = "done" if error is None else "passing" if passing else "failed"
        told = None if answer is None else _json(answer.to_json())
        self._write(record.number, record.where, record.digest, _json(record.values), state, told, error)

    def keep_broken(self, broken: Broken) -> None:
        """Write that a record could not be read: the next run looks at it again."""
        error = f"{broken.where} {broken.reason}"
        self._write(broken.number, "", "", _json(broken.values), "passing", None, error)

    def _write(self, *row: object) -> None:
        # A process that is killed loses nothing; a power cut the last second, which waiting for the disk would cost.
        durable = time.monotonic() - self._synced > 1
        with self._db.transaction(durable=durable):
            self._db.write("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", *row)
        if durable:
            self._synced = time.monotonic()

    def counts(self) -> dict[State, int]:
        """How many records are in each state."""
        return dict(tuple(row) for row in self._db.rows("SELECT state, count(*) FROM records GROUP BY state"))

    @property
    def end(self) -> int:
        """The number after the last one that is known."""
        return int(self._db.rows("SELECT coalesce(max(number) + 1, 0) FROM records")[0][0])

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """What became of the records from ``start`` on, in order; a thousand of them are in memory at a time."""
        while True:
            found = self._db.rows(
                "SELECT * FROM records WHERE number >= ? AND number < ? ORDER BY number LIMIT 1000",
                start,
                (1 << 62) if stop is None else stop,
            )
            yield from map(_row, found)
            if not found:
                return
            start = found[-1]["number"] + 1

    def failures(self, most: int) -> list[Row]:
        """The first records that failed."""
        return [_row(row) for row in self._db.rows(
            "SELECT * FROM records WHERE state != 'done' ORDER BY number LIMIT ?", most
        )]  # fmt: skip

    def retry(self, *, failed: bool = False) -> None:
        """Forget failures that may pass, or all failures: they are tried again, and have no result meanwhile."""
        self._db.write("DELETE FROM records WHERE state = 'passing' OR (? AND state = 'failed')", failed)

    def forget_from(self, number: int) -> None:
        """Forget records from this number on, which the input does not have any more; none of them was answered.

        Raises:
            UsageError: one was.
        """
        if self._db.rows("SELECT 1 FROM records WHERE number >= ? AND state = 'done' LIMIT 1", number):
            raise UsageError(
                f"The input has become shorter: {number:,} records, and more were answered ({self.path}).",
                "Give the same input, which may have grown at its end, or begin anew: --restart",
            )
        self._db.write("DELETE FROM records WHERE number >= ?", number)

    def close(self) -> None:
        """Leave the job for the next run; one in which nothing is known leaves no file."""
        if self._open:
            if self.end == 0:
                self.remove()
                return
            self._open = False
            self._db.close()
            self._unlock()

    def remove(self) -> None:
        """Delete the job: its output is where it belongs."""
        self._open = False
        self._db.close()
        self._unlink()
        self._unlock()

    def _unlink(self) -> None:
        if self.path:
            for end in ("-wal", "-shm", ""):  # a log without its database would be read into the next one
                self.path.with_name(self.path.name + end).unlink(missing_ok=True)

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock:
            with contextlib.suppress(OSError):  # first its name: whoever opens the file then, makes a new one
                Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()


def _locked(path: Path) -> filelock.BaseFileLock:
    lock = filelock.FileLock(path.with_name(f"{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise JobError(
            f"Another process works on {path}.", "Wait for it or stop it, or write to another file."
        ) from None
    except OSError as error:
        raise JobError(f"{path} cannot be written: {error.strerror}.", SCHEMA.elsewhere) from error
    return lock


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)  # halves of surrogate pairs stay escaped: UTF-8 cannot hold them


def _row(row: Any) -> Row:
    answer = row["answer"] and json.loads(row["answer"])
    return Row(row["number"], row["place"], json.loads(row["fields"]), row["state"], answer, row["error"])
