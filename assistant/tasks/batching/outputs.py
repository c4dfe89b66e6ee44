"""Outputs of a batch: JSON Lines or a table, a record at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

from assistant.tasks.batching.job import Row
from assistant.tasks.batching.records import columns_of, ordered, outcome_of
from models.errors import UsageError

Format = Literal["jsonl", "csv", "tsv"]
FORMATS: tuple[Format, ...] = ("jsonl", "csv", "tsv")


def format_of(path: Path) -> Format:
    """By the end of the name; JSON Lines where it says nothing else."""
    return {".csv": "csv", ".tsv": "tsv", ".tab": "tsv"}.get(path.suffix.lower(), "jsonl")  # type: ignore[return-value]


def check_output(path: Path, input: str) -> None:
    """Refuse an output that cannot be replaced by a new file.

    Raises:
        UsageError: it is a folder, a device, or the input itself.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", "Name a file: -o out.jsonl")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a regular file.", "Leave out -o: the records go to standard output.")
    if input != "-" and path.exists() and Path(input).expanduser().exists() and path.samefile(Path(input).expanduser()):
        raise UsageError(f"{path} is the input.", "Write to another file.")


def line_of(outcome: Mapping[str, Any]) -> bytes:
    """A record as a line of JSON."""
    try:
        text = json.dumps(outcome, ensure_ascii=False, allow_nan=False)
    except ValueError:  # 1e999 of an input, of which JSON has only the digits
        text = json.dumps(json.loads(json.dumps(outcome), parse_constant=str), ensure_ascii=False)
    # Half of a surrogate pair stays escaped, so that reading it back gives it.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def write(
    outcomes: Callable[[], Iterable[Mapping[str, Any]]],
    file: BinaryIO,
    format: Format,
    delimiter: str | None = None,
    order: Callable[[Sequence[str]], Sequence[str]] = ordered,
) -> None:
    """Write all records. A table is gone through twice: its columns are those of any record.

    Args:
        delimiter: of the table that was the input, if it was one: CSV keeps it, as spreadsheets of a country do.
        order: of its columns, all that there are.
    """
    if format == "jsonl":
        for outcome in outcomes():
            file.write(line_of(outcome))
        return
    columns: dict[str, None] = {}
    for outcome in outcomes():
        columns |= dict.fromkeys(columns_of(outcome))
    text = io.TextIOWrapper(file, "utf-8", errors="replace", newline="", write_through=True)
    mark = "\t" if format == "tsv" else delimiter if delimiter not in (None, "\t") else ","
    table = csv.DictWriter(
        text, order(list(columns)), restval="", extrasaction="ignore", delimiter=mark, lineterminator="\n"
    )
    table.writeheader()
    for outcome in outcomes():
        table.writerow(columns_of(outcome))
    text.detach()


def outcomes(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """The records of a job as those of its output."""
    for row in rows:
        yield outcome_of(row.values, row.answer, row.error)
