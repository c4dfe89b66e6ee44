"""A text chapter by chapter, each as a source of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from assistant.tasks.faithfulness import Point
from assistant.tasks.sections import sections_of
from assistant.tasks.sources import Source, Unread


@dataclass(frozen=True, kw_only=True)
class Chapter(Source):
    """A part of a source. ``whole.text[start:][: len(text)]`` is its text; ``heading`` may be empty of what stands
    before the first."""

    whole: Source
    start: int
    heading: str

    def in_whole(self, points: Iterable[Point]) -> tuple[Point, ...]:
        """The same with places in the whole source."""
        return tuple(
            replace(point, spans=tuple((self.start + begin, self.start + end) for begin, end in point.spans))
            for point in points
        )


def chapters_of(source: Source) -> list[Chapter]:
    """Its chapters or sections, in order, with all that it says; one of a text without headings."""
    return [
        Chapter(
            name=f"{source.name}: {section.heading}" if section.heading else source.name,
            text=text,
            title=section.heading or source.title,
            is_markdown=source.is_markdown,
            digest=hashlib.sha256(text.encode()).hexdigest(),
            path=source.path,
            pages=(),
            kind=source.kind,
            whole=source,
            start=section.start,
            heading=section.heading,
        )
        for section in sections_of(source)
        if (text := source.text[section.start : section.end]).strip()
    ]


def by_chapter(sources: Iterable[Source | Unread]) -> Iterator[Chapter | Unread]:
    """The chapters of each source."""
    for source in sources:
        if isinstance(source, Unread):
            yield source
        else:
            yield from chapters_of(source)
