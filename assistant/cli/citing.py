"""A summary with the numbers of what its sentences rest on, and the list of it below."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from assistant.cli.writing import shortened
from assistant.memory.files import printable
from assistant.memory.grounding import LINED_KINDS

if TYPE_CHECKING:
    from assistant.memory.sentences import Span
    from assistant.tasks.sources import Source
    from assistant.tasks.summarizing import Summary

_QUOTE = 110  # cells


def cited(summary: Summary, source: Source) -> str:
    """Each sentence followed by ``[1]``; below, where each of these stands in the source, and its words."""
    numbers: dict[Span, int] = {}
    for point in summary.points:
        for span in point.spans:
            numbers.setdefault(span, len(numbers) + 1)
    marks = ["".join(f"[{numbers[span]}]" for span in point.spans) for point in summary.points]
    places = _Places(source)
    name = printable(source.name) if source.name != "-" else "stdin"
    lines = [
        f'[{number}] {name}{places.of(start)}: "{shortened(source.text[start:end], _QUOTE)}"'
        for (start, end), number in numbers.items()
    ]
    return "\n\n".join(filter(None, [summary.with_marks(marks), "\n".join(lines)]))


class _Places:
    """Where in a source something stands: on a page, under a heading, on a line."""

    def __init__(self, source: Source):
        from assistant.tasks.sections import sections_of

        self._source = source
        self._sections = [] if source.pages or source.kind in LINED_KINDS else sections_of(source)

    def of(self, offset: int) -> str:
        if self._source.pages:
            return f", page {max(bisect_right(self._source.pages, offset), 1)}"
        if self._source.kind in LINED_KINDS:
            return f", line {self._source.text.count(chr(10), 0, offset) + 1}"
        headings = [section.heading for section in self._sections if section.start <= offset < section.end]
        return f", {printable(headings[0])}" if headings and headings[0] else ""
