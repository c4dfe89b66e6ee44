"""YAML read strictly, with the line of everything in it.

Only what a template needs: mappings with text keys, lists, texts, numbers, true, false and null, as YAML 1.2 has them
(`no` and `on` are texts, `12:30` too). Anchors, aliases and tags are refused: nothing can grow or run.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from models.errors import UsageError

LARGEST = 256 * 1024  # bytes of a file
_DEEPEST = 40
_TOKENS = 50_000  # keys and values of a file

_INTEGER = re.compile(r"[-+]?(0|[1-9]\d{0,17})")
_FLOAT = re.compile(r"[-+]?((\d+\.\d*|\.\d+)([eE][-+]?\d{1,2})?|\d+[eE][-+]?\d{1,2})")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # those that YAML counts
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}

Location = tuple[Hashable, ...]


class Source:
    """A parsed file.

    Attributes:
        value: its mappings as dicts, its lists as lists.
        path: what errors name; it is not read.

    Raises:
        UsageError: it is no such YAML; the message begins with file and line.
    """

    def __init__(self, text: str, path: Path):
        self.path = path
        self._rows = _LINE_END.split(text)
        self._spans: dict[Location, tuple[int, int]] = {}  # first and last row of each value, its key included
        try:
            size = len(text.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise UsageError(f"{path}: the file is not text in UTF-8.", "Save it as UTF-8.") from error
        if size > LARGEST:
            raise UsageError(f"{path}: the file is larger than {LARGEST // 1024} KiB.", "A template is a short text.")
        self.value = self._read(text)

    def line(self, location: Location) -> int:
        """The line, from 1, of a value, or of the nearest one around it."""
        return self._span(location)[0] + 1

    def line_of(self, location: Location, text: str) -> int:
        """The line, from 1, on which ``text`` stands within a value."""
        first, last = self._span(location)
        rows = enumerate(self._rows[first : last + 1], first)
        return next((row for row, content in rows if text in content), first) + 1

    def _span(self, location: Location) -> tuple[int, int]:
        while location and location not in self._spans:
            location = location[:-1]
        return self._spans.get(location, (0, 0))

    def error(self, location: Location | int, message: str, hint: str | None = None) -> UsageError:
        """The error of a value, or of a line."""
        line = location if isinstance(location, int) else self.line(location)
        return UsageError(f"{self.path}:{line}: {message}", hint)

    def _read(self, text: str) -> Any:
        try:  # the Python parser stands in where libyaml is missing
            events = list(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = error.problem or error.context or "it cannot be read"
            last = len(_LINE_END.split(text.rstrip()))  # a file that ends too early is told of one line later
            raise self.error(min(mark.line + 1, last) if mark else 1, f"not valid YAML: {problem}.", _INDENT) from error
        except (yaml.YAMLError, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error).splitlines()[0]
            raise self.error(1, f"not valid YAML: {reason}.", _INDENT) from error
        except RecursionError as error:
            raise self.error(1, "nested too deeply.", _FLAT) from error
        documents = [event for event in events if isinstance(event, yaml.DocumentStartEvent)]
        if not documents:
            raise self.error(1, "the file is empty.", "`assistant templates new` writes one.")
        if len(documents) > 1:
            raise self.error(documents[1].start_mark.line + 1, "a second document begins here (---).", "Remove it.")
        if len(events) > _TOKENS:
            raise self.error(1, f"more than {_TOKENS:,} keys and values.", "A template is a short text.")
        self._events = iter(events[2:])  # after the start of the stream and of the document
        return self._value(next(self._events), (), 0)

    def _value(self, event: Any, location: Location, row: int) -> Any:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise self.error(line, "anchors (&) and aliases (*) are not allowed.", "Write it out, or put it in quotes.")
        if event.tag and not (isinstance(event, yaml.ScalarEvent) and event.tag == "!"):
            raise self.error(line, f"the tag {event.tag} is not allowed.", "Remove it, or put the text in quotes.")
        if len(location) > _DEEPEST:
            raise self.error(line, "nested too deeply.", _FLAT)
        value: Any
        end = event
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
            while not isinstance(end := next(self._events), yaml.SequenceEndEvent):
                value.append(self._value(end, (*location, len(value)), end.start_mark.line))
        else:
            value = {}
            while not isinstance(end := next(self._events), yaml.MappingEndEvent):
                key = self._key(end, value)
                item = next(self._events)
                value[key] = self._value(item, (*location, key), end.start_mark.line)
        self._spans[location] = (row, end.end_mark.line)
        return value

    def _key(self, event: Any, others: dict[str, Any]) -> str:
        line = event.start_mark.line + 1
        if not isinstance(event, yaml.ScalarEvent):
            raise self.error(line, "a key must be a text.", "Text with { or [ in it goes in quotes.")
        if event.anchor or event.tag:
            raise self.error(line, "anchors and tags are not allowed.", "Remove them.")
        if event.value in others:
            raise self.error(line, f"the key `{event.value}` comes twice.", "Keep one of them.")
        return str(event.value)

    def _scalar(self, event: Any) -> str | int | float | bool | None:
        return plain(event.value) if event.implicit[0] else str(event.value)  # in quotes, or a block


_INDENT = "Look at the indentation; text with `: ` or ` #` in it goes in quotes or after `|`."
_FLAT = "Write it flatter."


def plain(text: str) -> str | int | float | bool | None:
    """What a value without quotes is."""
    if text.lower() in _WORDS and text in (text.lower(), text.capitalize(), text.upper()):
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Writer(yaml.SafeDumper):  # type: ignore[misc]  # yaml has no types
    """Texts of several lines as blocks; in quotes what would be read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else "'" if plain(text) != text else None
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _text)


def write(value: Any) -> str:
    """YAML that :class:`Source` reads back as the same value."""
    return str(yaml.dump(value, Dumper=_Writer, allow_unicode=True, sort_keys=False, width=10_000))
