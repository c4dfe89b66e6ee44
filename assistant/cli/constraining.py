"""The flags of structured output: what an answer must look like."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from assistant.engine import schema as schemas
from assistant.engine import structured
from assistant.engine.engine import Constraint
from models.errors import UsageError

_Command = TypeVar("_Command", bound=Callable[..., Any])
_LARGEST_FILE = 16 * structured.LONGEST_CONSTRAINT  # most of an indented schema is spaces


def constraint_flags(command: _Command) -> _Command:
    """``--schema``, ``--schema-multi``, ``--regex``, ``--grammar``."""
    for flag in (
        click.option("--grammar", metavar="FILE", help="Answer with a text of this Lark grammar."),
        click.option("--regex", metavar="REGEX", help="Answer with a text that matches, as a whole."),
        click.option(
            "--schema-multi", metavar="SCHEMA", help='Like --schema, for a list of such objects: {"items": [...]}.'
        ),
        click.option(
            "--schema",
            metavar="SCHEMA",
            help="Answer with JSON of this schema: a file, JSON Schema itself, or the short form 'name, age int'.",
        ),
    ):
        command = flag(command)
    return command


def constraint_of(flags: dict[str, Any]) -> Constraint | None:
    """Take the flags out of a command's arguments.

    Raises:
        UsageError: several are given, a file cannot be read, or the constraint cannot be used.
    """
    given = {
        name: value for name in ("schema", "schema_multi", "regex", "grammar") if (value := flags.pop(name)) is not None
    }
    if not given:
        return None
    if len(given) > 1:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{names} exclude each other.", "Give one of them.")
    [(name, value)] = given.items()
    if name == "regex":
        if not value:
            raise UsageError("The regular expression is empty: only an empty answer matches it.", "Write one.")
        constraint = Constraint("regex", value)
    elif name == "grammar":
        constraint = Constraint("lark", _read(Path(value)))
    else:
        schema = _schema(value)
        schema = schemas.list_of(schema) if name == "schema_multi" else schema
        constraint = Constraint("json_schema", json.dumps(schema, ensure_ascii=False))
    structured.check(constraint)
    return constraint


def _schema(value: str) -> schemas.Schema:
    text = value.strip()
    if not text.startswith("{"):
        path = Path(value).expanduser()
        if _is_file(path):
            text = _read(path).strip()
        elif path.suffix == ".json" or text.startswith(("/", "./", "../", "~")):
            raise UsageError(f"There is no file {value}.", "Check the path after --schema.")
    if text.startswith(("{", "[", '"')) or text in ("true", "false", "null"):
        return schemas.parse(text)
    return schemas.from_short_form(text)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long for a path
        return False


def _read(path: Path) -> str:
    try:
        with path.expanduser().open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
        if len(raw) > _LARGEST_FILE:
            raise UsageError(f"{path} is too large: more than {_LARGEST_FILE:,} bytes.", "Give a shorter one.")
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8 (byte {error.start:,}).", "Give it text.") from error
