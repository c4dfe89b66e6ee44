"""What a model has said of a text stays said: the answers to one prompt, kept by text for a month.

A labelling is done again and again: with a column to compare with, with corrections, with some rows more. Only what the
model has not seen under the same guidelines is asked. The texts themselves are not kept, only their digests.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from assistant.engine.engine import GenerateOptions
from assistant.tasks.answering import Answer
from assistant.tasks.batching.job import SUFFIX, Job, Row
from assistant.tasks.batching.records import Record
from assistant.tasks.batching.running import Task, Worker, run
from assistant.templates.template import Filled
from models.paths import data_dir

_KEPT = 30 * 24 * 3600  # seconds


class Asking:
    """The answers of one model to one prompt.

    Args:
        model_key: what tells the model from others.
        folder: where answers are kept; None: nowhere.
    """

    def __init__(self, filled: Filled, options: GenerateOptions, model_key: str, folder: Path | None):
        self._filled = filled
        self._options = replace(options, keep_state=False)  # of a prompt that does not come again
        self._folder = folder
        held = [model_key, filled.template.model_dump(mode="json"), filled.values, filled.language, repr(options)]
        self._digest = hashlib.sha256(json.dumps(held, default=str).encode()).hexdigest()[:32]
        self.answers: dict[str, Answer | str] = {}

    @property
    def is_kept(self) -> bool:
        return self._folder is not None

    def ask(
        self, texts: Iterable[str], workers: Sequence[Worker], stopped: threading.Event
    ) -> Iterator[tuple[int, int]]:
        """Fill ``answers``; yields (done, total) texts. Ended early, it goes on with the next call.

        Raises:
            as :func:`assistant.tasks.batching.running.run`; JobError: another process asks the same.
        """
        # Texts of one language after another: their prompts begin alike, which is computed once.
        records = {record.number: record for record in map(_record, sorted(texts, key=self._filled.language_of))}
        job = Job(self._path(), {})
        try:
            done = self._take(job, records)
            yield done, len(records)
            for _ in run(
                job,
                records.values(),
                lambda record: Task(record, self._filled, self._options),
                workers,
                stopped=stopped,
            ):
                done += 1
                yield done, len(records)
            self._take(job, records)
        finally:
            job.close()

    def _take(self, job: Job, records: dict[int, Record]) -> int:
        """Read what is known; how many of the records are."""
        known = [row for row in job.rows() if row.number in records and row.state != "passing"]
        self.answers |= {records[row.number].text: _answer(row) for row in known}
        return len(known)

    def _path(self) -> Path | None:
        if self._folder is None:
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):  # another process was faster
                if old.stat().st_mtime < time.time() - _KEPT:
                    old.unlink()
        return self._folder / f"{self._digest}{SUFFIX}"


def kept_in() -> Path:
    """The folder for answers of this user."""
    return data_dir() / "labels"


def _record(text: str) -> Record:
    """A record whose number is its text's, so that the same text is the same record whatever stands around it."""
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    return Record(int(digest[:15], 16), digest[:12], text, {})


def _answer(row: Row) -> Answer | str:
    if row.error or row.answer is None:
        return row.error or "has no answer"
    found = row.answer
    return Answer(str(found["output"]), probability=found.get("probability"), probabilities=found.get("probabilities"))
