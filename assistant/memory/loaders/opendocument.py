"""OpenDocument texts, tables and presentations (ODT, ODS, ODP): one XML file with the same elements in all three."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from assistant.memory.loaders.archive import Archive, attribute, local
from assistant.memory.loaders.extracted import Extracted, NoText
from assistant.memory.loaders.markdown import MarkdownWriter

_DROPPED = frozenset({"annotation", "tracked-changes", "forms", "sequence-decls", "note-citation", "notes"})


def load(path: Path, on_progress: Callable[[], None]) -> Extracted:
    """Markdown of the body."""
    archive = Archive(path)
    manifest = "META-INF/manifest.xml"
    if manifest in archive.names and any(local(e) == "encryption-data" for e in archive.xml(manifest).iter()):
        raise NoText("is encrypted: save it without a password")
    out = MarkdownWriter()
    _blocks(archive.xml("content.xml"), out, "", on_progress)
    return Extracted(out.text(), _title(archive))


def _title(archive: Archive) -> str:
    if "meta.xml" not in archive.names:
        return ""
    return next((element.text or "" for element in archive.xml("meta.xml").iter() if local(element) == "title"), "")


def _blocks(parent: Any, out: MarkdownWriter, inside: str, on_progress: Callable[[], None]) -> None:
    for element in parent:
        on_progress()
        name = local(element)
        if name == "h":
            level = attribute(element, "outline-level", "1")
            out.heading(int(level) if level.isdigit() else 1, _text(element))
        elif name == "p":
            (out.item if inside == "list-item" else out.paragraph)(_text(element))
        elif name == "table-row":
            out.row(_text(cell) for cell in element if local(cell) == "table-cell")
        elif name == "table" and attribute(element, "name") and inside == "spreadsheet":
            out.heading(1, attribute(element, "name"))
            _blocks(element, out, name, on_progress)
        elif name and name not in _DROPPED:
            _blocks(element, out, name, on_progress)


def _text(element: Any) -> str:
    parts = [element.text or ""]
    for child in element:
        name = local(child)
        if name == "s":
            count = attribute(child, "c", "1")
            parts.append(" " * min(int(count) if count.isdigit() else 1, 100))
        elif name in ("tab", "line-break"):
            parts.append("\t" if name == "tab" else "\n")
        elif name == "note":
            parts.append(f" ({' '.join(_text(child).split())})")
        elif name and name not in _DROPPED:
            inside = _text(child)
            parts.append(f"{inside}\n" if name in ("p", "h") else inside)
        parts.append(child.tail or "")
    return "".join(parts)
