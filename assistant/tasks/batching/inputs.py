"""Inputs of a batch, read record by record: JSON Lines, tables, lines, a folder, a query of a database."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import sqlite3
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, NoReturn, cast

from assistant.memory.files import open_regular
from assistant.memory.loaders.encoding import encoding_of
from assistant.memory.loaders.extracted import NoText
from assistant.memory.loaders.table import delimiter_of
from assistant.tasks.batching.records import NOT_UTF8, Broken, Fields, Record, distinct
from models.errors import Cancelled, UsageError

Format = Literal["jsonl", "csv", "tsv", "lines"]
FORMATS: tuple[Format, ...] = ("jsonl", "csv", "tsv", "lines")
_SUFFIXES: dict[str, Format] = {
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
    **{".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "lines"},
}
_SQLITE = b"SQLite format 3\0"
_LONGEST = 64 << 20  # characters of a line or a row
_MOST_LINES = 1_000  # of one row: more is a quote that was never closed
_SAMPLE = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Input:
    """Where records come from.

    Attributes:
        name: as the user gave it; ``-`` is standard input.
        read: its records, from the first; called again where ``again`` says that it can be.
        delimiter: of a table.
    """

    name: str
    read: Callable[[], Iterator[Record | Broken]]
    again: bool = True
    delimiter: str | None = None


def open_input(
    name: str,
    fields: Fields,
    *,
    format: Format | None = None,
    query: str | None = None,
    stdin: BinaryIO | None = None,
    spool: bool = False,
    skipped: Callable[[str], None] = lambda name: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Input:
    """The input of that name; nothing but its beginning is read yet (all of a table, to tell its encoding).

    Args:
        format: else told by the name; of standard input JSON Lines.
        query: of a SQLite file.
        stdin: what ``-`` is; it is streamed, and can be read once.
        spool: copy ``stdin`` to a temporary file first, so that it can be read again.
        skipped: is told of files of a folder that hold no text; each time that they are met with.
        stopped: asked now and then by a query, which may never end.

    Raises:
        UsageError: it cannot be read, or its format cannot be told.
    """
    if name == "-":
        assert stdin is not None
        if not spool and format in (None, "jsonl", "lines"):
            lines = _lines(stdin, "utf-8-sig")
            read = _texts if format == "lines" else _json_lines
            return Input(name, lambda: read(lines, fields), again=False)
        copy = cast(IO[bytes], tempfile.TemporaryFile())  # noqa: SIM115 - it lives as long as the input
        while block := stdin.read(1 << 20):
            copy.write(block)
        return _of_file(name, lambda: _rewound(copy), format or "jsonl", fields)
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            return Input(name, lambda: _folder(name, skipped))
        with open(path, "rb", opener=open_regular) as file:
            head = file.read(len(_SQLITE))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{name} cannot be read: {reason}.", "Check the path of the input.") from error
    if head == _SQLITE:
        if query is None:
            raise _without_query(path)
        return Input(name, lambda: _rows_of_query(path, query, fields, stopped))
    if query is not None:
        raise UsageError(f"{name} is no SQLite database: --query has nothing to ask.", "Leave out --query.")
    kind = format or _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise UsageError(
            f"What {name} holds cannot be told by its name.", f"Say it: --input-format {'|'.join(FORMATS)}"
        )
    return _of_file(name, lambda: open(path, "rb", opener=open_regular), kind, fields)


def _of_file(name: str, open_: Callable[[], IO[bytes]], kind: Format, fields: Fields) -> Input:
    if kind in ("csv", "tsv"):
        encoding = _encoding(name, open_)
        delimiter = "\t" if kind == "tsv" else _delimiter(open_, encoding)
        _check_header(name, open_, encoding, delimiter, fields)
        return Input(name, lambda: _table(_lines(open_(), encoding, ""), delimiter, fields), delimiter=delimiter)
    with open_() as file:
        head = file.read(_SAMPLE)
    encoding = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "utf-8")
    if b"\0" in head and not encoding.startswith(("utf-16", "utf-32")):
        raise UsageError(f"{name} is binary, not text.", "Give JSON Lines, a table, a folder or a SQLite file.")
    if kind == "jsonl":
        _refuse_array(name, head.decode(encoding, "replace"))
    read = _texts if kind == "lines" else _json_lines
    return Input(name, lambda: read(_lines(open_(), encoding), fields))


def _rewound(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return os.fdopen(os.dup(file.fileno()), "rb")


def _refuse_array(name: str, head: str) -> None:
    first = head.lstrip("\ufeff \t\r\n")[:2].rstrip()
    line = head.lstrip().split("\n", 1)[0]
    if first.startswith("[") or line.strip() == "{":
        what = "one JSON array" if first.startswith("[") else "JSON over several lines"
        command = "jq -c '.[]'" if first.startswith("[") else "jq -c ."
        raise UsageError(f"{name} is {what}, not JSON Lines: an object on each line.", f"{command} {name} > in.jsonl")


def _lines(file: IO[bytes], encoding: str, newline: str = "\n") -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1. Bytes that are not of the encoding become halves of surrogate pairs; a line
    beyond the limit comes without its rest, and is so longer than the limit."""
    with io.TextIOWrapper(file, encoding, errors="surrogateescape", newline=newline) as text:
        number = 0
        while line := text.readline(_LONGEST + 1):
            number += 1
            yield number, line
            while len(line) > _LONGEST and not line.endswith("\n"):
                line = text.readline(_LONGEST + 1)


def _json_lines(lines: Iterator[tuple[int, str]], fields: Fields) -> Iterator[Record | Broken]:
    number = 0
    for line_number, line in lines:
        if not line.strip():
            continue
        where = f"line {line_number}"
        try:
            if reason := _unusable(line):
                yield Broken(number, where, reason)
            else:
                yield fields.record(number, where, json.loads(line, parse_constant=_no_constant))
        except RecursionError:
            yield Broken(number, where, "is nested too deeply")
        except json.JSONDecodeError as error:
            said = error.msg.lower().removesuffix(" at")
            yield Broken(number, where, f"is not JSON: {said} at character {error.colno}")
        except ValueError as error:
            yield Broken(number, where, f"is not JSON: {error}")
        number += 1


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it has no {name}")


def _texts(lines: Iterator[tuple[int, str]], fields: Fields) -> Iterator[Record | Broken]:
    number = 0
    for line_number, line in lines:
        if text := line.strip():
            where = f"line {line_number}"
            reason = _unusable(line)
            yield Broken(number, where, reason) if reason else fields.record(number, where, text)
            number += 1


def _unusable(line: str) -> str | None:
    if len(line) > _LONGEST:
        return f"is longer than {_LONGEST >> 20} Mi characters"
    return "is not UTF-8" if NOT_UTF8.search(line) else None


# Tables


def _encoding(name: str, open_: Callable[[], IO[bytes]]) -> str:
    """Of a whole table: by its mark; UTF-8, unless most lines with letters beyond ASCII are none."""
    right = wrong = 0
    sample = b""
    with open_() as file:
        head = file.read(_SAMPLE)
        file.seek(0)
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                return encoding
        if b"\0" in head:
            raise UsageError(f"{name} is binary, not a table.", "Give JSON Lines, CSV, a folder or a SQLite file.")
        while line := file.readline(_SAMPLE):
            if line.isascii():
                continue
            try:
                line.decode()
                right += 1
            except UnicodeDecodeError as error:
                if error.end == len(line) == _SAMPLE:
                    continue  # a letter that the reading cut
                wrong += 1
                sample += line if len(sample) < _SAMPLE else b""
    if right >= wrong:
        return "utf-8"
    try:
        return encoding_of(sample)
    except NoText as error:
        raise UsageError(f"{name} {error}.", "Save it as UTF-8.") from error


def _delimiter(open_: Callable[[], IO[bytes]], encoding: str) -> str:
    with open_() as file:
        head = file.read(_SAMPLE)
    return delimiter_of(head.decode(encoding, "replace").splitlines()[:40]) or ","


def _rows(lines: Iterator[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Rows with the line where each begins; of one that cannot be read the reason, and reading goes on with the next
    line."""
    csv.field_size_limit(_LONGEST)
    waiting: deque[tuple[int, str]] = deque()
    while True:
        taken: list[tuple[int, str]] = []

        def feed(taken: list[tuple[int, str]] = taken) -> Iterator[str]:
            size = 0
            while numbered := waiting.popleft() if waiting else next(lines, None):
                taken.append(numbered)
                size += len(numbered[1])
                if len(taken) > _MOST_LINES or size > _LONGEST:
                    raise csv.Error("a quote is never closed" if len(taken) > 1 else "it is too long")
                yield numbered[1]

        try:
            row = next(csv.reader(feed(), delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            reason = "a quote is never closed" if "end of data" in str(error) else str(error)
            yield taken[0][0], f"is no row of a table: {reason}"
            waiting.extendleft(reversed(taken[1:]))
        else:
            yield taken[0][0], row


def _header(lines: Iterator[tuple[int, str]], delimiter: str) -> list[str]:
    """Names of the columns: the first row that is not empty."""
    for _, row in _rows(lines, delimiter):
        if isinstance(row, list) and any(cell.strip() for cell in row):
            return distinct(row)
    return []


def _check_header(name: str, open_: Callable[[], IO[bytes]], encoding: str, delimiter: str, fields: Fields) -> None:
    columns = _header(_lines(open_(), encoding, ""), delimiter)
    missing = [other for other in fields.others if other not in columns]
    if not columns:
        return
    if fields.name(dict.fromkeys(columns, "")) is None or missing:
        wanted = missing[0] if missing else fields.field
        said = f"{name} has no column {wanted!r}" if wanted else f"Which column of {name} is the text cannot be told"
        raise UsageError(f"{said}. It has: {', '.join(columns)}.", "--field NAME")


def _table(lines: Iterator[tuple[int, str]], delimiter: str, fields: Fields) -> Iterator[Record | Broken]:
    columns: list[str] | None = None
    number = 0
    for line_number, row in _rows(lines, delimiter):
        if isinstance(row, list) and not any(cell.strip() for cell in row):
            continue
        if columns is None and isinstance(row, list):
            columns = distinct(row)
            continue
        where = f"line {line_number}"
        if isinstance(row, str):
            yield Broken(number, where, row)
        elif columns and len(row) > len(columns):
            reason = f"has {len(row)} cells, and the table {len(columns)} columns"
            yield Broken(number, where, reason, dict(zip(columns, row, strict=False)))
        elif NOT_UTF8.search(delimiter.join(row)):
            yield Broken(number, where, "is not UTF-8")
        else:
            cells = row + [""] * (len(columns or []) - len(row))
            yield fields.record(number, where, dict(zip(columns or [], cells, strict=True)))
        number += 1


# Folders and databases


def _folder(name: str, skipped: Callable[[str], None]) -> Iterator[Record | Broken]:
    from assistant.tasks.sources import Unread, read_sources

    number = 0
    for source in read_sources([name]):
        if isinstance(source, Unread):
            if not source.missed:
                skipped(f"{source.name} {source.reason}")
                continue
            yield Broken(number, source.name, source.reason)
        elif not source.text.strip():
            yield Broken(number, source.name, "is empty")
        else:
            yield Record(number, source.name, source.text, {"source": source.name})
        number += 1


def _without_query(path: Path) -> UsageError:
    with _reading(path) as db:
        tables = [str(row[0]) for row in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    db.close()
    have = f"It has: {', '.join(tables)[:300]}." if tables else "It has no tables."
    return UsageError(f"{path} is a database: say what to read from it. {have}", '--query "select …"')


def _reading(path: Path) -> sqlite3.Connection:
    """A connection that reads and does nothing else: no other file, no settings, no extensions."""
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}

    def authorize(action: int, first: str | None, second: str | None, *_: Any) -> int:
        calls = action == sqlite3.SQLITE_FUNCTION and second != "load_extension"
        return sqlite3.SQLITE_OK if action in allowed or calls else sqlite3.SQLITE_DENY

    # The connection is read in the thread that reads records, opened in another.
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, isolation_level=None)
    db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    db.set_authorizer(authorize)
    return db


def _rows_of_query(path: Path, query: str, fields: Fields, stopped: Callable[[], bool]) -> Iterator[Record | Broken]:
    try:
        db = _reading(path)
        db.set_progress_handler(stopped, 100_000)
        try:
            cursor = db.execute(query)
            if cursor.description is None:
                raise UsageError("--query asks for no rows.", '--query "select …"')
            columns = distinct(column[0] for column in cursor.description)
            for number, row in enumerate(cursor):
                where = f"row {number + 1}"
                values = {
                    name: f"x'{value.hex()}'" if isinstance(value, bytes) else value
                    for name, value in zip(columns, row, strict=True)
                }
                if NOT_UTF8.search("".join(value for value in row if isinstance(value, str))):
                    yield Broken(number, where, "is not UTF-8")
                else:
                    yield fields.record(number, where, values)
        finally:
            db.close()
    except sqlite3.Error as error:
        if stopped():
            raise Cancelled() from error
        raise UsageError(f"--query cannot be carried out: {error}.", f"Try it: sqlite3 {path}") from error
