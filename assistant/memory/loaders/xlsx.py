"""Excel tables (XLSX, XLSB, XLS) with calamine, of the extra ``documents``: rows as in CSV, each a paragraph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from assistant.memory.loaders.archive import Archive
from assistant.memory.loaders.extracted import Extracted, NoText
from assistant.memory.loaders.table import readable


def load(path: Path, on_progress: Callable[[], None]) -> Extracted:
    """Each sheet under its name as a heading."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    if is_zipfile(path):
        Archive(path)
    parts: list[str] = []
    try:
        with CalamineWorkbook.from_path(str(path)) as workbook:
            for name in workbook.sheet_names:
                rows = workbook.get_sheet_by_name(name).iter_rows()
                if lines := [line for line in readable(_cells(rows, on_progress)) if line]:
                    parts += [f"# {name}", *lines]
    except PasswordError as error:
        raise NoText("is encrypted: save it without a password") from error
    except CalamineError as error:
        raise NoText("is broken, or no Excel file") from error
    return Extracted("\n\n".join(parts))


def _cells(rows: Iterator[list[Any]], on_progress: Callable[[], None]) -> Iterator[list[str]]:
    for row in rows:
        on_progress()
        yield [str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell) for cell in row]
