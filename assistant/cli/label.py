"""``assistant label``: labels by guidelines, how far they are right, and what the user's corrections teach."""

from __future__ import annotations

import csv
import heapq
import io
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assistant import settings as user_settings
from assistant.cli.interrupt import interruptible
from assistant.cli.label_report import print_report, report_json
from assistant.cli.loading import endpoint_flag, engines, load
from assistant.cli.progress import ProgressBar
from assistant.cli.writing import leave_stdout, print_json, write_out
from assistant.engine.counting import TokenCounter
from assistant.memory.files import printable
from assistant.tasks import labelling
from assistant.tasks.agreement import Labels, folded, labels_in
from assistant.tasks.asking import Asking, kept_in
from assistant.tasks.batching import inputs, outputs
from assistant.tasks.batching.inputs import open_input
from assistant.tasks.batching.records import Broken, Fields, Record, beside
from assistant.tasks.batching.running import EngineWorker
from assistant.tasks.labelling import Given, Labelled
from models.errors import Cancelled, UsageError, UserError
from models.files import written_whole

if TYPE_CHECKING:
    from assistant.engine.engine import Engine
    from assistant.memory.embedding import Embedder
    from assistant.templates.fields import Language

_REVIEWED = "correct"  # the column of a file to correct
_OURS = ("label", "confidence", "by", "probabilities", "error")  # columns of the output
_IN_REPORT, _TO_REVIEW = 10, 30
_SUFFIXES: dict[str, outputs.Format] = {
    **{".csv": "csv", ".tsv": "tsv"},
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
}


@dataclass(frozen=True)
class _Read:
    """An input: its records, those that cannot be read, and the name of the field with the text."""

    name: str
    records: list[Record]
    broken: list[Broken]
    field: str
    delimiter: str | None

    def column(self, *names: str) -> str:
        """The first of these columns that there is.

        Raises:
            UsageError: there is none; it names those that there are.
        """
        have = dict.fromkeys(name for record in self.records for name in record.values)
        for name in names:
            if name in have:
                return name
        raise UsageError(f"{self.name} has no column {names[0]!r}. It has: {', '.join(have)}.", "Name one of these.")


@click.command(short_help="Label the rows of a table by guidelines, and measure how far the labels are right.")
@click.argument("input", default="-")
@click.option(
    "--labels", metavar="LIST", help="By comma; one with a comma stands in quotes. Default: those of --truth."
)
@click.option("--guidelines", metavar="TEXT|@FILE", help="What each label means, and how doubtful cases are decided.")
@click.option("--examples", metavar="FILE", help="Rows labelled by hand: some of each label are shown to the model.")
@click.option(
    "--field", metavar="NAME", help="The column with the text. Default: text, input, content, or the only one."
)
@click.option("--truth", metavar="COLUMN", help="A column labelled by hand, to compare with.")
@click.option("--review", type=click.IntRange(0), metavar="N", help="List the N rows that are least certain.")
@click.option("--review-out", metavar="FILE", help="Write them to a CSV file, to be corrected in a spreadsheet.")
@click.option("--corrections", metavar="FILE", help="That file, corrected: what it teaches is used if it is better.")
@click.option("-o", "--output", metavar="FILE", help="Where the rows go: .csv, .tsv or .jsonl. Default: stdout.")
@click.option("-m", "--model", metavar="MODEL", help="Catalogue id, store name, or path of a GGUF file.")
@click.option(
    "--option",
    "options",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="An option of loading, as -o of `assistant ask`. Repeatable.",
)
@endpoint_flag
@click.option("--jobs", type=click.IntRange(1, 64), default=1, help="Processes, or requests to a server at a time.")
@click.option(
    "--language",
    type=click.Choice(["auto", "en", "ru"]),
    default="auto",
    help="In which language the model is told what to do; by default that of each text.",
)
@click.option("--input-format", type=click.Choice(inputs.FORMATS), help="Default: by the name; of stdin jsonl.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout; without -o the rows are in it.")
def label(
    input: str,
    labels: str | None,
    guidelines: str | None,
    examples: str | None,
    field: str | None,
    truth: str | None,
    review: int | None,
    review_out: str | None,
    corrections: str | None,
    output: str | None,
    model: str | None,
    options: tuple[tuple[str, str], ...],
    endpoint: str | None,
    jobs: int,
    language: str,
    input_format: inputs.Format | None,
    as_json: bool,
) -> None:
    """Label the rows of a table by guidelines, and measure how far the labels are right.

        assistant label tickets.csv --labels "bug,feature,question" --guidelines @rules.txt -o labelled.csv
        assistant label tickets.csv --truth by_hand -o labelled.csv
        assistant label tickets.csv --labels "bug,feature,question" --review-out review.csv -o labelled.csv
        assistant label tickets.csv --labels "bug,feature,question" --corrections review.csv -o labelled.csv

    Rows keep their columns and their order, and get `label`, `confidence` (the label's probability), `by` (the model,
    a probe or a combination that corrections taught, or a person), and as JSON `probabilities`. What a model has
    answered under the same guidelines is kept for a month: an interrupted run goes on, and another column or other
    corrections ask nothing again.

    Exit codes: 0 all rows are labelled, 1 some are not (they are listed, and have an `error`), 2 usage, 3 model missing
    or unusable, 5 no network, 130 stopped by Ctrl+C, 143 by SIGTERM, 141 nobody
    reads stdout any more.
    """
    format = _format_of(output, input)
    if review_out is not None and Path(review_out).suffix.lower() != ".csv":
        raise UsageError("What is to be corrected is written as a table.", "--review-out review.csv")
    for written in (output, review_out):
        _check_place(written, input, examples, corrections)
    named = None
    if labels is not None:
        named = Labels(each for row in csv.reader(labels.splitlines(), skipinitialspace=True) for each in row)
    rules = _guidelines(guidelines)
    read = _read(input, Fields(field, (truth,) if truth is not None else ()), input_format)
    by_hand = read.column(truth) if truth is not None else None
    if by_hand == read.field:
        raise UsageError(f"--truth and the text are the same column, {by_hand!r}.", "--field NAME, --truth COLUMN")
    shown = _read_labelled(examples, read.field) if examples is not None else None
    shown_in = shown.column("label", *([truth] if truth else [])) if shown else ""
    source, column = (read, by_hand) if by_hand else (shown, shown_in)
    if named is None and source and column:
        named = labels_in((labelling.cell_of(each, column) for each in source.records), labelling.MOST_LABELS)
    if named is None:
        raise UsageError("There are no labels to choose from.", '--labels "bug,feature,question"')
    said = labelling.truth_of(read.records, by_hand, named, read.name) if by_hand else None
    given = _given(shown, shown_in, named) if shown else []
    corrected: list[Given] = []
    if corrections is not None:
        reviewed = _read_labelled(corrections, read.field)
        corrected = _given(reviewed, reviewed.column(_REVIEWED, *([truth] if truth else [])), named)
        spelled = {folded(each.text): each.text for each in read.records}  # a spreadsheet may have changed spaces
        corrected = [replace(each, text=spelled.get(folded(each.text), each.text)) for each in corrected]

    settings = user_settings.load()
    # private: the state of a prompt that does not come again is not worth the disk.
    loaded = load(model, options, settings, endpoint=endpoint, private=True)
    with closing(loaded.engine):
        told: Language | None = None if language == "auto" else "ru" if language == "ru" else "en"
        if given:
            counter, window = TokenCounter(loaded.engine), loaded.engine.load().context_length
            given = labelling.choose_examples(given, named, (r.text for r in read.records), counter.text, window)
            click.echo(f"{len(given)} examples are shown to the model.", err=True)
            if jobs > 1:
                loaded.engine.close()  # it has counted: the others need its memory
        filled = labelling.filled_of(named, rules, given, told)
        asking = Asking(
            filled,
            loaded.generation_for(filled.template.options),
            loaded.key,
            kept_in() if settings.history else None,
        )
        in_prompt = {each.text for each in given}  # these have their label
        texts = [
            text for text in (*(r.text for r in read.records), *(c.text for c in corrected)) if text not in in_prompt
        ]
        _ask(asking, texts, engines(loaded, jobs))
    embedder = cache(_embedder)
    learnt = None
    if corrections is not None:
        learnt = labelling.learn_from(corrected, asking.answers, given, named, embedder)
    rows = labelling.labelled(
        read.records, asking.answers, given, corrected, learnt, embedder() if learnt and learnt.probe else None
    )
    compared = labelling.compare(rows, said, named) if said else None
    unsure = labelling.to_review(rows, _TO_REVIEW if review is None and review_out else review or _IN_REPORT)
    if output is not None or not as_json:
        try:
            _write(output, format, read, rows)
        except BrokenPipeError:
            leave_stdout()
    if review_out is not None:
        _write_review(review_out, unsure, read.field)
    failed = [outcome["error"] for outcome in _outcomes(rows, read.broken) if "error" in outcome]
    if as_json:
        report = report_json(named, rows, compared, learnt, unsure, len(failed))
        print_json(report if output is not None else {**report, "rows": list(_outcomes(rows, read.broken))})
    else:
        stream = sys.stderr if output is None else sys.stdout
        print_report(named, rows, compared, learnt, [] if review_out or review == 0 else unsure, stream)
    for why in failed[:_TO_REVIEW]:
        click.echo(f"not labelled: {printable(why)}", err=True)
    if failed:
        sys.exit(1)


def _read(name: str, fields: Fields, format: inputs.Format | None = None) -> _Read:
    """All records of an input.

    Raises:
        UsageError: it cannot be read, has no rows, or which field is the text cannot be told.
    """
    records: list[Record] = []
    broken: list[Broken] = []
    found = open_input(name, fields, format=format, stdin=sys.stdin.buffer, spool=True)
    for each in found.read():
        if isinstance(each, Record):
            records.append(each)
        else:
            broken.append(each)
    if not records:
        reason = f"none of its rows can be read: {broken[0].where} {broken[0].reason}" if broken else "it has no rows"
        raise UsageError(f"{printable(name)}: {reason}.", "Give a table with a header, or JSON Lines.")
    return _Read(name, records, broken, fields.name(records[0].values) or "text", found.delimiter)


def _read_labelled(name: str, field: str) -> _Read:
    """A file that a person labelled: its text is in the column of that name, or in ``text``."""
    if name == "-":
        raise UsageError("Only what is to be labelled can come from stdin.", "Name a file.")
    try:
        read = _read(name, Fields(field))
    except UsageError:
        try:
            read = _read(name, Fields("text"))
        except UsageError:
            read = _read(name, Fields(field))  # what it says of this one
    for each in read.broken:
        click.echo(f"{printable(name)}: {each.where} {each.reason}", err=True)
    return read


def _check_place(written: str | None, *taken: str | None) -> None:
    """Refuse what cannot be written, before a model works for an hour, and what would replace an input."""
    if written is None:
        return
    path = Path(written).expanduser()
    for each in taken:
        if each is not None:
            outputs.check_output(path, each)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        why = "cannot be written to" if path.parent.is_dir() else "does not exist"
        raise UsageError(f"{printable(path)}: its folder {why}.", "Choose another place with -o.")


def _given(read: _Read, column: str, labels: Labels) -> list[Given]:
    found, contradicted = labelling.given_labels(read.records, column, labels, read.name)
    if contradicted:
        click.echo(f"{read.name}: {contradicted} texts have two different labels and are left out.", err=True)
    return found


def _guidelines(given: str | None) -> str:
    if given is None or not given.startswith("@"):
        return given or ""
    from assistant.memory.documents import Unreadable
    from assistant.memory.documents import load as load_document

    try:
        text = load_document(Path(given[1:]).expanduser()).text
    except Unreadable as error:
        raise UsageError(error.message, "--guidelines @FILE") from error
    if not text.strip():
        raise UsageError(f"{given[1:]} is empty.", "Say what each label means.")
    return text


def _ask(asking: Asking, texts: Sequence[str], engines: Sequence[Engine]) -> None:
    stopped, workers = threading.Event(), [EngineWorker(engine) for engine in engines]
    with ProgressBar(unit="rows") as bar:
        try:
            for done, total in interruptible(asking.ask(texts, workers, stopped), stopped.set):
                bar.update(done, total)
        except Cancelled as error:
            kept = "What the model has answered is kept: the same command goes on." if asking.is_kept else None
            raise Cancelled("Stopped.", kept) from error
        finally:
            for engine in engines:
                engine.close()


def _embedder() -> Embedder:
    from assistant.memory.embedding import load_embedder

    return load_embedder()


def _format_of(output: str | None, input: str) -> outputs.Format:
    found = _SUFFIXES.get(Path(input if output is None else output).suffix.lower())
    if found or output is None:
        return found or "jsonl"
    raise UsageError(f"The name of {output} does not say how rows are written.", "-o FILE.csv, FILE.tsv or FILE.jsonl")


def _outcomes(rows: Sequence[Labelled], broken: Sequence[Broken]) -> Iterator[dict[str, Any]]:
    """The rows of the output, in the order of the input."""

    def number(each: Labelled | Broken) -> int:
        return each.number if isinstance(each, Broken) else each.record.number

    ordered: Iterable[Labelled | Broken] = heapq.merge(rows, broken, key=number)
    for each in ordered:
        if isinstance(each, Broken):
            yield {**beside(_OURS, each.values), "label": None, "error": f"{each.where} {each.reason}"}
            continue
        confidence = None if each.confidence is None else round(each.confidence, 4)
        outcome = {**beside(_OURS, each.record.values), "label": each.label, "confidence": confidence}
        if each.label is None:
            yield {**outcome, "error": f"{each.record.where}: {each.problem}"}
        else:
            shares = {name: round(share, 6) for name, share in each.probabilities.items()}
            yield {**outcome, "by": each.by, "probabilities": shares}


def _write(output: str | None, format: outputs.Format, read: _Read, rows: Sequence[Labelled]) -> None:
    """The rows, to a file or to standard output.

    Raises:
        UserError: the file cannot be written; what was there stays. BrokenPipeError: nobody reads it any more.
    """

    def outcomes() -> Iterator[dict[str, Any]]:
        for outcome in _outcomes(rows, read.broken):
            if format != "jsonl":
                outcome.pop("probabilities", None)
            yield outcome

    def order(columns: Sequence[str]) -> Sequence[str]:
        return [*(name for name in columns if name not in _OURS), *(name for name in _OURS if name in columns)]

    if output is None:
        outputs.write(outcomes, sys.stdout.buffer, format, read.delimiter, order)
        sys.stdout.buffer.flush()
        return
    try:
        with written_whole(Path(output).expanduser()) as file:
            outputs.write(outcomes, file, format, read.delimiter, order)
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}.", "Choose another place with -o.") from error


def _write_review(path: str, rows: Sequence[Labelled], field: str) -> None:
    """With a mark of UTF-8, without which spreadsheets take Cyrillic for something else."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["\ufeff" + field, "label", "confidence", _REVIEWED])
    writer.writerows(
        [row.record.text, row.label, "" if row.confidence is None else f"{row.confidence:.2f}", ""] for row in rows
    )
    write_out(text.getvalue(), path)
    click.echo(
        f"{len(rows)} rows to look over are in {path}: write the right label into the column {_REVIEWED!r}, also where "
        "the label is right already, and give the file to --corrections.",
        err=True,
    )
