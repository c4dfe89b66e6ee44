"""CSV and TSV: a row becomes one line of ``column: value; column: value``, on the line where it stands in the file.

Retrieval needs it so: a row cut loose from its header (``"4;17;2,5"``) means nothing to an embedder, and cannot be
cited. A cell that goes over several lines is joined, and empty lines stand for the rest.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import _csv

_DELIMITERS = ",;\t|"
_SNIFFED = 40  # lines
_LONGEST_ROW = 200  # lines: more is a quote that was never closed


def rows_as_lines(text: str) -> str:
    """``text`` with one readable line a row; unchanged if it is no table of two columns or more."""
    lines = text.split("\n")
    delimiter = delimiter_of(lines[:_SNIFFED])
    if delimiter is None:
        return text
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, skipinitialspace=True)
    try:
        return "\n".join(_on_their_lines(reader))
    except (csv.Error, _NoTable):
        return text


class _NoTable(ValueError):
    """Quotes do not match."""


def readable(rows: Iterable[list[str]]) -> Iterator[str]:
    """One line a row: ``column: value; column: value`` if the first row with text names the columns."""
    header: list[str] | None = None
    for row in rows:
        cells = [" ".join(cell.split()) for cell in row]
        if header is None and any(cells):
            header = cells if _is_header(cells) else []
            yield "; ".join(cell for cell in cells if cell)
        else:
            yield "; ".join(_named(header or [], number, cell) for number, cell in enumerate(cells) if cell)


def _on_their_lines(reader: _csv.Reader) -> Iterator[str]:
    before = 0
    for line in readable(reader):
        taken, before = reader.line_num - before, reader.line_num
        if taken > _LONGEST_ROW:
            raise _NoTable
        yield line
        yield from [""] * (taken - 1)


def _named(header: list[str], number: int, cell: str) -> str:
    return f"{header[number]}: {cell}" if number < len(header) and header[number] else cell


def _is_header(cells: list[str]) -> bool:
    """Names of columns: words, each another, none a number or a sentence."""
    named = [cell for cell in cells if cell]
    return (
        len(named) >= max(2, len(cells) - 1)
        and len(set(named)) == len(named)
        and all(len(cell) <= 60 and any(char.isalpha() for char in cell) for cell in named)
        and not any(cell[0].isdigit() for cell in named)
    )


def delimiter_of(lines: list[str]) -> str | None:
    """The one that cuts most lines into the same number of columns, and into at least two."""
    best, most = None, 0.0
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader((f"{line}\n" for line in lines), delimiter=delimiter) if row]
        except csv.Error:
            continue
        if not widths:
            continue
        usual = max(set(widths), key=widths.count)
        agreeing = widths.count(usual) / len(widths)
        if usual > 1 and agreeing >= 0.6 and agreeing * usual**0.25 > most:
            best, most = delimiter, agreeing * usual**0.25
    return best
