"""FictionBook (FB2): one XML file; sections within sections give the levels of the headings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from assistant.memory.loaders.archive import local, parse_xml
from assistant.memory.loaders.extracted import Extracted, NoText
from assistant.memory.loaders.markdown import MarkdownWriter


def load(path: Path, on_progress: Callable[[], None]) -> Extracted:
    """Markdown of the bodies: the book, then its notes."""
    root = parse_xml(path.read_bytes(), huge=True)  # pictures stand in it as text
    if local(root) != "FictionBook":
        raise NoText("is broken, or no book")
    out = MarkdownWriter()
    for body in root:
        if local(body) == "body":  # others are the description and pictures
            _blocks(body, out, 1, on_progress)
    title = next((_text(element) for element in root.iter() if local(element) == "book-title"), "")
    return Extracted(out.text(), title)


def _blocks(parent: Any, out: MarkdownWriter, level: int, on_progress: Callable[[], None]) -> None:
    for element in parent:
        on_progress()
        name = local(element)
        if name in ("title", "subtitle"):
            out.heading(level + (name == "subtitle"), " ".join(map(_text, element)) or _text(element))
        elif name in ("p", "text-author", "date"):
            out.paragraph(_text(element))
        elif name == "stanza":
            out.paragraph("\n".join(_text(line) for line in element))
        elif name == "tr":
            out.row(_text(cell) for cell in element)
        elif name:
            _blocks(element, out, level + (name == "section"), on_progress)


def _text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())
