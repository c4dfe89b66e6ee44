"""``assistant batch``: a template over thousands of records, each answered once, however often it is interrupted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import click

from assistant import settings as user_settings
from assistant.cli.batch_display import SHOWN, Summary, say
from assistant.cli.filling import template_flags
from assistant.cli.interrupt import interruptible
from assistant.cli.loading import endpoint_flag, engines, load
from assistant.cli.progress import ProgressBar
from assistant.cli.writing import leave_stdout
from assistant.engine.engine import GenerateOptions
from assistant.memory.files import printable
from assistant.tasks.batching import inputs, outputs
from assistant.tasks.batching.inputs import Input, open_input
from assistant.tasks.batching.job import SUFFIX, Fact, Job, Survey
from assistant.tasks.batching.records import Broken, Fields, Record
from assistant.tasks.batching.running import RETRIES, Done, EngineWorker, Failed, Worker, run, tasks_of
from assistant.tasks.opening import Opened
from assistant.templates.library import Library
from models.errors import Cancelled, UsageError, UserError
from models.files import written_whole
from models.paths import data_dir

_KEPT_DAYS = 30  # a job of records that went to standard output


@click.command(short_help="Put thousands of records through a template.")
@click.argument("input", default="-")
@click.option("-o", "--output", metavar="FILE", help="Where the records go; .csv and .tsv are tables. Default: stdout.")
@template_flags
@click.option("-m", "--model", metavar="MODEL", help="Catalogue id, store name, or path of a GGUF file.")
@endpoint_flag
@click.option(
    "--option",
    "options",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="An option of loading or sampling, as -o of `assistant ask`. Repeatable.",
)
@click.option("--field", metavar="NAME", help="The field of the text. Default: text, input, content, or the only one.")
@click.option(
    "--map",
    "mapped",
    nargs=2,
    multiple=True,
    metavar="VARIABLE FIELD",
    help="A variable of the template that each record has a field for. Repeatable.",
)
@click.option("--query", metavar="SQL", help="What to read from a SQLite file: select …")
@click.option("--input-format", type=click.Choice(inputs.FORMATS), help="Default: by the name; of stdin jsonl.")
@click.option("--format", type=click.Choice(outputs.FORMATS), help="Of the output. Default: by its name, else jsonl.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    help="Processes, each with the model in its own memory; of an endpoint: requests at once.",
)
@click.option(
    "--engine",
    type=click.Choice(["ray"]),
    help="ray: the jobs are actors of a Ray cluster, that of RAY_ADDRESS or this machine's processors.",
)
@click.option("--retries", type=click.IntRange(0, 100), default=RETRIES, show_default=True, help="Of what may pass.")
@click.option("--retry-failed", is_flag=True, help="Try again what failed before.")
@click.option("--restart", is_flag=True, help="Forget what was done of this job, begin anew.")
@click.option("--strict", is_flag=True, help="Ask nothing if any record cannot be read.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N records.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON: on stdout, or on stderr without -o.")
def batch(
    input: str,
    output: str | None,
    template: str | None,
    params: tuple[tuple[str, str], ...],
    model: str | None,
    endpoint: str | None,
    options: tuple[tuple[str, str], ...],
    field: str | None,
    mapped: tuple[tuple[str, str], ...],
    query: str | None,
    input_format: inputs.Format | None,
    format: outputs.Format | None,
    jobs: int,
    engine: str | None,
    retries: int,
    retry_failed: bool,
    restart: bool,
    strict: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Put thousands of records through a template.

    INPUT is JSON Lines (texts, or objects with a field for the text), a CSV or TSV table, a text file with a record on
    each line, a folder of documents, a SQLite file with --query, or JSON Lines from stdin.

        assistant batch -t classify -p labels "praise,complaint" reviews.jsonl -o labels.jsonl
        assistant batch -t extract -p schema "name, age int" --field bio people.csv -o found.csv
        assistant batch -t translate -p to ru --query "select id, body from posts" blog.db -o posts.jsonl

    Each record of the output has its own fields and `output`; of choices also `probability`, and where they apply
    `unsupported` (numbers and names that the text does not have) and `error`. The order stays.

    What is done is kept in OUTPUT.job until all of it is: the same command goes on where it was stopped or killed. An
    input may have grown at its end meanwhile.

    Exit codes: 0 all done, 1 some records failed (they are listed, and have an `error`), 2 usage, 3 model missing or
    unusable, 5 no network, 130 stopped by Ctrl+C, 143 by SIGTERM, 141 nobody reads stdout any more.
    """
    if template is None:
        raise UsageError("There is no template to put the records into.", "-t NAME (`assistant templates` lists them)")
    if input == "-" and sys.stdin.isatty():
        raise UsageError("There is no input.", "Name a file, or send JSON Lines by a pipe.")
    chosen = Library().get(template)
    given, mapping = dict(params), dict(mapped)
    stopped = threading.Event()
    notes: dict[str, None] = {}  # each once, though the input is read twice
    read = open_input(
        input,
        Fields(field, tuple(mapping.values())),
        format=input_format,
        query=query,
        stdin=sys.stdin.buffer,
        spool=strict,
        skipped=lambda note: notes.update({printable(note): None}),
        stopped=stopped.is_set,
    )
    out = None if output is None or output == "-" else Path(output).expanduser().resolve()
    if out:
        outputs.check_output(out, input)
    settings = user_settings.load()
    # private: the state of a prompt that does not come again is not worth the disk.
    loaded = load(model, options, settings, endpoint=endpoint, private=True)
    generation = loaded.generation_for(chosen.options)
    task_of = tasks_of(chosen, given, mapping, generation)
    facts = {
        "template": Fact(chosen.name, chosen.model_dump_json(by_alias=True)),
        "set of parameters": Fact(json.dumps(given, ensure_ascii=False) if given else ""),
        "mapping": Fact(json.dumps({"text": field, **mapping}, ensure_ascii=False)),
        "query": Fact(query or ""),
        "model": Fact(loaded.name, loaded.key),
        "set of options": Fact(_options(generation)),
    }
    where = _Where(out, format or (outputs.format_of(out) if out else "jsonl"), read)
    job, go_on = where.job(facts, restart=restart, private=not settings.history)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(job.close)
        job.retry(failed=retry_failed)
        total = _survey(job, read, limit, strict, stopped, notes) if read.again else None
        workers = _workers(loaded, jobs, engine, cleanup)
        counted = _Counted(islice(read.read(), limit))
        started, answered = time.monotonic(), 0
        with ProgressBar(unit="records") as bar:
            counts = job.counts()
            done, failed = counts.get("done", 0), counts.get("failed", 0)
            try:
                bar.update(done + failed, total)
                where.print(job, bar)
                events = run(job, counted, task_of, workers, retries=retries, stopped=stopped)
                for event in interruptible(events, stopped.set):
                    done, failed = done + isinstance(event, Done), failed + isinstance(event, Failed)
                    answered += isinstance(event, Done)
                    where.print(job, bar, event.number)
                    bar.update(done + failed, total, f"{failed:,} failed" if failed else "")
            except BrokenPipeError:
                leave_stdout()
            except Cancelled as error:
                kept = f"{go_on} keeps them, and the same command goes on." if go_on and done else None
                raise Cancelled(
                    f"Stopped: {done:,}{f' of {total:,}' if total else ''} records are answered.", kept
                ) from error
        if limit is None:
            job.forget_from(counted.number)
        _refuse_nothing(read, counted.number)
        where.write(job, limit)
        counts = job.counts()
        summary = Summary(
            done=counts.get("done", 0),
            failed=sum(counts.values()) - counts.get("done", 0),
            answered=answered,
            seconds=time.monotonic() - started,
            output=str(out) if out else None,
        )
        failures = job.failures(SHOWN)
        if not failures and job.end <= counted.number:
            job.remove()
    say(summary, failures, as_json=as_json)
    if summary.failed:
        sys.exit(1)


def _survey(
    job: Job, read: Input, limit: int | None, strict: bool, stopped: threading.Event, notes: Mapping[str, None]
) -> int:
    """How many records there are. Ctrl+C is heard, also where a query does not end."""

    def work() -> Iterator[Survey]:
        yield job.survey(islice(read.read(), limit), stopped.is_set, whole=limit is None)

    (survey,) = interruptible(work(), stopped.set)
    for note in islice(notes, SHOWN):
        click.echo(f"skipped: {note}", err=True)
    if len(notes) > SHOWN:
        click.echo(f"skipped: {len(notes) - SHOWN:,} more", err=True)
    if strict and survey.broken:
        for broken in survey.first:
            click.echo(f"{printable(broken.where)} {broken.reason}", err=True)
        raise UsageError(
            f"{survey.broken:,} of {survey.records:,} records cannot be read; nothing was asked.",
            "Correct them, or leave out --strict.",
        )
    _refuse_nothing(read, survey.records)
    return survey.records


def _refuse_nothing(read: Input, records: int) -> None:
    if not records:
        raise UsageError(f"{'Standard input' if read.name == '-' else read.name} has no records.", "Check the input.")


class _Counted:
    """Records, counted as they are read."""

    def __init__(self, records: Iterator[Record | Broken]):
        self._records = records
        self.number = 0

    def __iter__(self) -> Iterator[Record | Broken]:
        for record in self._records:
            self.number += 1
            yield record


def _workers(loaded: Opened, jobs: int, engine: str | None, cleanup: contextlib.ExitStack) -> list[Worker]:
    if engine == "ray":
        from assistant.tasks.batching.ray_cluster import Cluster, Plan

        cluster = Cluster(Plan.of(loaded.engine), jobs)
        cleanup.callback(cluster.close)
        return [*cluster.workers]
    found = engines(loaded, jobs)
    for each in found:
        cleanup.callback(each.close)
    return [EngineWorker(each) for each in found]


def _options(generation: GenerateOptions) -> str:
    """What differs from the defaults, for errors and for telling jobs apart; how tokens are drafted changes nothing."""
    plain = asdict(GenerateOptions())
    chosen = {name: value for name, value in asdict(generation).items() if value != plain[name]}
    for name in ("draft", "num_draft_tokens", "keep_state"):
        chosen.pop(name, None)
    return json.dumps(chosen, ensure_ascii=False) if chosen else ""


class _Where:
    """Where the records of the output go, and where the job is kept meanwhile."""

    def __init__(self, out: Path | None, format: outputs.Format, read: Input):
        self._out = out
        self._format = format
        self._read = read
        self._printed = 0  # records that went to standard output

    def job(self, facts: Mapping[str, Fact], *, restart: bool, private: bool) -> tuple[Job, Path | None]:
        """The job, and the file that keeps it; None: there is nothing to go on with."""
        if self._out:
            path = self._out.with_name(self._out.name + SUFFIX)
            return Job(path, facts, restart=restart), path
        if private or self._read.name == "-":  # whether a pipe is the same one could be told only when it has been read
            return Job(None, facts), None
        folder = data_dir() / "batches"
        for old in folder.glob(f"*{SUFFIX}*"):
            with contextlib.suppress(OSError):
                if time.time() - old.stat().st_mtime > _KEPT_DAYS * 86_400:
                    old.unlink()
        source = str(Path(self._read.name).expanduser().resolve())
        key = json.dumps([source, *((name, fact.digest) for name, fact in sorted(facts.items()))])
        path = folder / f"{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:32]}{SUFFIX}"
        return Job(path, facts, restart=restart), path

    def print(self, job: Job, bar: ProgressBar, finished: int | None = None) -> None:
        """The records that are next in order, to standard output; a table comes at the end, with all its columns.

        Args:
            finished: the number of the record that has just been, else any may have.

        Raises:
            BrokenPipeError: nobody reads it any more.
        """
        if self._out or self._format != "jsonl" or finished not in (None, self._printed):
            return
        for row in job.rows(self._printed):
            if row.number > self._printed:
                return
            with bar.hidden():
                sys.stdout.buffer.writelines(map(outputs.line_of, outputs.outcomes([row])))
                sys.stdout.buffer.flush()
            self._printed += 1

    def write(self, job: Job, limit: int | None) -> None:
        """The whole output, once there is nothing left to ask.

        Raises:
            UserError: it cannot be written; the job stays.
        """

        def outcomes() -> Iterator[dict[str, Any]]:
            return outputs.outcomes(job.rows(stop=limit))

        if self._out is None:
            if self._format != "jsonl":
                outputs.write(outcomes, sys.stdout.buffer, self._format, self._read.delimiter)
                sys.stdout.buffer.flush()
            return
        try:
            with written_whole(self._out) as file:
                outputs.write(outcomes, file, self._format, self._read.delimiter)
        except OSError as error:
            raise UserError(
                f"{self._out} cannot be written: {error.strerror}. The records are answered, and kept in its job.",
                "Make room for it; then the same command writes it.",
            ) from error
