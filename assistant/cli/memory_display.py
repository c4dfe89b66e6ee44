"""What the commands of memory print: tables, JSON, places and moments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assistant.cli.writing import shortened
from assistant.memory.files import printable
from assistant.memory.grounding import LINED_KINDS

if TYPE_CHECKING:
    from assistant.memory.index import Passage, Place, StoredDocument


def when(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def modified(document: StoredDocument) -> datetime:
    """When the file was changed last before it was read."""
    return datetime.fromtimestamp(document.mtime_ns / 1e9, UTC)


def place_in_document(place: Place) -> str:
    """The page, or the lines where they are those of the file, and the headings above: `page 3, Guide > Install`."""
    where = []
    if place.page is not None:
        where.append(f"page {place.page}")
    elif place.kind in LINED_KINDS:
        same = place.line == place.end_line
        where.append(f"line {place.line}" if same else f"lines {place.line}–{place.end_line}")
    if place.heading:
        where.append(shortened(place.heading, 60))
    return ", ".join(where) or f"from character {place.start:,}"


def place_text(place: Place) -> str:
    return f"{printable(place.path)}, {place_in_document(place)}"


def document_json(document: StoredDocument) -> dict[str, Any]:
    return {
        "id": document.id,
        "collection": document.collection,
        "path": str(document.path),
        "kind": document.kind,
        "title": document.title,
        "language": document.language,
        "size": document.size,
        "chunks": document.chunks,
        "modified": modified(document).isoformat(),
        "added": document.added.isoformat(),
        "updated": document.updated.isoformat(),
        "digest": document.digest,
    }


def place_json(place: Place) -> dict[str, Any]:
    return {
        "document": place.document_id,
        "collection": place.collection,
        "path": str(place.path),
        "title": place.title,
        "page": place.page,
        "line": place.line,
        "end_line": place.end_line,
        "start": place.start,
        "end": place.end,
        "heading": place.heading,
        "modified": place.modified.isoformat(),
    }


def passage_json(passage: Passage) -> dict[str, Any]:
    return {
        "chunk": passage.chunk_id,
        **place_json(passage.place),
        "language": passage.language,
        "tokens": passage.tokens,
        "text": passage.text,
    }
