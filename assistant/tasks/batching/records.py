"""Records: the text that is asked about, and the fields that came with it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.database import encodable

TEXT_FIELDS = ("text", "input", "content")
NOT_UTF8 = re.compile("[\udc80-\udcff]")  # bytes that surrogateescape kept
_KINDS = {dict: "an object", list: "a list", bool: "a truth value", int: "a number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the input.

    Attributes:
        number: from 0, in the order of the input; broken records have theirs too.
        where: it stands in the input: ``line 500``, ``row 3``, the path of a file.
        text: what is asked about.
        values: the record's own fields, as JSON has them.
    """

    number: int
    where: str
    text: str
    values: dict[str, Any]

    @property
    def digest(self) -> str:
        """32 hexadecimal digits of all that it holds."""
        held = json.dumps([self.text, self.values], ensure_ascii=True)
        return hashlib.sha256(held.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that cannot be read, and why: ``reason`` goes on from "line 500". ``values``: its own fields, if any."""

    number: int
    where: str
    reason: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fields:
    """Which field of a record is its text.

    Attributes:
        field: its name; None: ``text``, ``input`` or ``content``, else the only field that holds a text.
        others: fields that are values of the template's variables, and so are not meant.
    """

    field: str | None = None
    others: tuple[str, ...] = ()

    def record(self, number: int, where: str, value: Any) -> Record | Broken:
        """The record that a text or an object makes."""
        if isinstance(value, str):
            value = {TEXT_FIELDS[0]: value}
            name: str | None = TEXT_FIELDS[0]
        elif isinstance(value, dict):
            name = self.name(value)
        else:
            return Broken(number, where, f"is {_KINDS.get(type(value), 'null')}, not a text or an object")
        if name is None:
            have = ", ".join(value) or "none"
            wanted = repr(self.field) if self.field else "with a text: name it with --field"
            return Broken(number, where, f"has no field {wanted} (its fields: {have[:200]})", value)
        text = text_of(value[name])
        if not text.strip():
            return Broken(number, where, f"has nothing in its field {name!r}", value)
        return Record(number, where, encodable(text), value)

    def name(self, values: Mapping[str, Any]) -> str | None:
        """The name of the field that holds the text; None: there is none, or it cannot be told."""
        if self.field is not None:
            return self.field if self.field in values else None
        for name in TEXT_FIELDS:
            if name in values and name not in self.others:
                return name
        texts = [name for name, value in values.items() if isinstance(value, str) and name not in self.others]
        return texts[0] if len(texts) == 1 else None


def text_of(value: Any) -> str:
    """A field's value as a text; other values than texts as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def distinct(names: Iterable[object]) -> list[str]:
    """Names of columns, each of its own: one that is empty is called by its place, one that comes twice is numbered."""
    found: dict[str, None] = {}
    for place, given in enumerate(names, 1):
        name = encodable(str(given)).strip() or f"column {place}"
        number = 1
        while (numbered := name if number == 1 else f"{name} ({number})") in found:
            number += 1
        found[numbered] = None
    return list(found)


OUTCOME = ("output", "probability", "unsupported", "error")


def beside(ours: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """A record's own fields, for an output that has these of ours: one of the same name becomes ``input.NAME``."""
    own: dict[str, Any] = {}
    for name, value in values.items():
        while name in ours or name in own:
            name = f"input.{name}"
        own[name] = value
    return own


def outcome_of(values: Mapping[str, Any], answer: Mapping[str, Any] | None, error: str | None) -> dict[str, Any]:
    """A record of the output: its own fields, then what became of it.

    Args:
        answer: as :meth:`assistant.tasks.answering.Answer.to_json` gives it.
    """
    merged = beside(OUTCOME, values)
    answer = answer or {}
    merged["output"] = answer.get("output")
    merged |= {name: answer[name] for name in OUTCOME[1:3] if answer.get(name) is not None}
    return merged if error is None else {**merged, "error": error}


def columns_of(outcome: Mapping[str, Any]) -> dict[str, str]:
    """A record of the output as cells of a table: fields of an object that was answered are columns ``output.NAME``."""
    cells: dict[str, str] = {}
    for name, value in outcome.items():
        if name == "output" and isinstance(value, dict):
            cells |= {f"output.{key}": text_of(each) for key, each in value.items()}
        elif name == "unsupported":
            cells[name] = "; ".join(value)
        else:
            cells[name] = text_of(value)
    return cells


def ordered(columns: Sequence[str]) -> list[str]:
    """Columns of a table: those of the records, then ``output…``, ``probability``, ``unsupported``, ``error``. The
    column ``output`` is left out where objects were answered."""
    fields = [name for name in columns if name.startswith("output.")]
    answered = fields or ["output"]
    own = [name for name in columns if name not in (*OUTCOME, *fields)]
    return [*own, *answered, *(name for name in OUTCOME[1:] if name in columns)]
