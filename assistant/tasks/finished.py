"""Resuming: what a model has answered in a run that was interrupted is not asked again.

A run is a program that asks the same calls in the same order for the same input. To resume is to run it again: calls
that were finished are answered from a table. Each is stored in one transaction that the disk has before the run goes
on, so that a kill loses the call that was going on and nothing else. When a run is done, its rows are removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assistant.database import Database, Schema
from assistant.engine.calls import completing
from assistant.engine.engine import (
    Delta,
    Engine,
    Event,
    GenerateOptions,
    LoadOptions,
    Message,
    OnProgress,
    Result,
)
from assistant.engine.events import event_json, event_of
from models.errors import UserError
from models.fingerprint import fingerprint
from models.paths import finished_file

KEPT_SECONDS = 30 * 24 * 3600.0  # of a run that nobody resumed
Place = tuple[str, int]  # the digest of a call, and which of those that are equal it is

_HOW = ("draft", "num_draft_tokens", "keep_state")  # options that decide how fast an answer comes, not which


class FinishedError(UserError):
    """What is finished cannot be stored or read. What was stored stays."""


SCHEMA = Schema(
    name="the table of finished work",
    application_id=0x41535252,  # "ASRR"
    migrations="assistant.tasks.finished_migrations",
    version=1,
    fts=(),
    error=FinishedError,
    elsewhere="Set ASSISTANT_DATA_DIR to another folder.",
    damaged="Move it away; a new one is begun then.",
)


class Finished:
    """The table; several processes may use one file.

    Raises:
        FinishedError: the file cannot be read or written, is not ours, or comes from a newer version. From any method,
            and from those of its runs.
    """

    def __init__(self, path: Path | None):
        self.database = Database(path, SCHEMA)

    @classmethod
    def open(cls, path: Path | None = None) -> Finished:
        """The user's table, created when it is not there. Rows that are too old to be resumed go."""
        finished = cls(path or finished_file())
        long_ago = time.time() - KEPT_SECONDS
        if finished.database.rows("SELECT 1 FROM calls WHERE finished < ? LIMIT 1", long_ago):
            finished.database.write("DELETE FROM calls WHERE finished < ?", long_ago)
            finished.database.forget_removed()
        return finished

    @classmethod
    def in_memory(cls) -> Finished:
        """A table that is forgotten at the end: nothing is written to the disk."""
        return cls(None)

    @property
    def is_kept(self) -> bool:
        """Whether what is finished outlives this process."""
        return self.database.path is not None

    def run(self, key: str, model_key: str, *, resume: bool = False) -> Run:
        """Begin a run, or go on with it.

        Args:
            key: what is done: the digest of the input, and whatever else tells one run from another.
            model_key: of the model that answers, see :func:`model_key`.
            resume: use what an earlier run of this key has finished; else all is asked anew.
        """
        return Run(self.database, _digest(key), model_key, resume)

    def done(self, runs: Iterable[Run]) -> None:
        """They have come to their end: nothing of them is kept. What cannot be removed goes with its age."""
        with suppress(FinishedError):
            self.database.write_many("DELETE FROM calls WHERE run = ?", ((run.key,) for run in runs))
            self.database.forget_removed()

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Finished:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Run:
    """One run. :attr:`key` is its digest; :attr:`reused` counts the calls that were answered from the table."""

    def __init__(self, database: Database, run: str, model_key: str, resume: bool):
        self._database = database
        self.key = run
        self._model_key = model_key
        self._resume = resume
        self._asked: Counter[str] = Counter()
        self.reused = 0

    def engine(self, engine: Engine) -> Engine:
        """The same engine, but what the run has finished before is not computed again."""
        return _Resuming(engine, self)

    def call(
        self,
        engine: Engine,
        messages: Sequence[Message],
        options: GenerateOptions,
        check: Callable[[], None],
        *,
        keep: bool = True,
    ) -> Generator[Event, None, Result]:
        """As :func:`~assistant.engine.calls.completing`, unless the run has finished this very call before.

        Args:
            keep: False: the answer is not stored.
        """
        check()
        place = self.place(messages, options)
        if result := self.find_result(place):
            return result
        result = yield from completing(engine, messages, options, check)
        if keep:
            self.keep(place, event_json(result))
        return result

    def place(self, messages: Sequence[Message], options: GenerateOptions, choices: Sequence[str] = ()) -> Place:
        """Of the next call of this kind. Equal calls of one run are told apart by their order: with chance in it, each
        has an answer of its own."""
        call = self._digest_of(messages, options, choices)
        number = self._asked[call]
        self._asked[call] += 1
        return call, number

    def find(self, place: Place) -> Any:
        """What was kept there, if it is to be used; None: nothing."""
        if not self._resume:
            return None
        rows = self._database.rows(
            "SELECT result FROM calls WHERE run = ? AND call = ? AND number = ?", self.key, *place
        )
        with contextlib.suppress(ValueError):  # of another version of this program
            return json.loads(rows[0]["result"]) if rows else None
        return None

    def find_result(self, place: Place) -> Result | None:
        """The answer that was kept there."""
        found = self.find(place)
        try:
            event = event_of(found) if isinstance(found, dict) else None
        except (KeyError, TypeError, ValueError):
            return None
        if not isinstance(event, Result):
            return None
        self.reused += 1
        return event

    def keep(self, place: Place, value: Any) -> None:
        """Keep what JSON can hold; the disk has it when this returns."""
        self._database.write(
            "INSERT OR REPLACE INTO calls (run, call, number, finished, result) VALUES (?, ?, ?, ?, ?)",
            self.key, *place, time.time(), json.dumps(value),
        )  # fmt: skip

    def _digest_of(self, messages: Sequence[Message], options: GenerateOptions, choices: Sequence[str]) -> str:
        chosen = {name: value for name, value in asdict(options).items() if name not in _HOW}
        return _digest(json.dumps([self._model_key, [asdict(message) for message in messages], chosen, *choices]))


class _Resuming:
    """An engine in front of another one, that answers what a run has finished."""

    def __init__(self, engine: Engine, run: Run):
        self._engine = engine
        self._run = run
        self.load, self.count_tokens, self.cancel, self.close = (
            engine.load, engine.count_tokens, engine.cancel, engine.close
        )  # fmt: skip

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        place = self._run.place(messages, options)
        if result := self._run.find_result(place):
            yield Delta(result.text, tokens=result.completion_tokens)
            yield result
            return
        for event in self._engine.generate(messages, options):
            if isinstance(event, Result) and event.finish_reason != "cancelled":
                self._run.keep(place, event_json(event))
            yield event

    def score(
        self, messages: Sequence[Message], choices: Sequence[str], on_progress: OnProgress | None = None
    ) -> list[float]:
        place = self._run.place(messages, GenerateOptions(), choices)
        found = self._run.find(place)
        if isinstance(found, list) and len(found) == len(choices):
            self._run.reused += 1
            return found
        scores = self._engine.score(messages, choices, on_progress)
        self._run.keep(place, scores)
        return scores


def model_key(path: Path, options: LoadOptions | None = None) -> str:
    """What tells a model from every other one: its file, and the adapter that is added to it.

    Raises:
        OSError: a file cannot be read.
    """
    options = options or LoadOptions()
    adapter = [fingerprint(Path(options.lora)), options.lora_scale] if options.lora else []
    return _digest(json.dumps([fingerprint(path), *adapter, options.kv_type]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
