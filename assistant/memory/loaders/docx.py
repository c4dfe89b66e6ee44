"""DOCX: paragraphs and tables in the order of the body, headings by their styles, footnotes at the end.

python-docx opens the package and knows the styles; the body is walked here, since its own iteration leaves out content
controls, text boxes and what was inserted with changes tracked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from assistant.memory.loaders.archive import Archive, attribute, local
from assistant.memory.loaders.extracted import Extracted, NoText
from assistant.memory.loaders.markdown import MarkdownWriter

# Properties, what was deleted with changes tracked, and the second form of what is written in two.
_DROPPED = frozenset(
    {"pPr", "rPr", "tblPr", "tblGrid", "trPr", "tcPr", "sdtPr", "sectPr", "del", "moveFrom", "Fallback", "instrText"}
)
_SIGNS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_FOOTNOTES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"


def load(path: Path, on_progress: Callable[[], None]) -> Extracted:
    """Markdown of the body."""
    from docx import Document
    from docx.oxml import parse_xml

    if "word/document.xml" not in Archive(path).names:
        raise NoText("is broken, or no Word file")
    package = Document(str(path))
    out = MarkdownWriter()
    _blocks(package.element.body, _Styles(package.styles.element), out, on_progress)
    for relation in package.part.rels.values():
        if relation.reltype == _FOOTNOTES and not relation.is_external:
            for note in parse_xml(relation.target_part.blob):
                if not attribute(note, "type"):  # the separators have one
                    out.paragraph(f"[^{attribute(note, 'id')}]: {_text(note)}")
    return Extracted(out.text(), package.core_properties.title or "")


class _Styles:
    """What paragraph styles mean: ``(level of the heading, 0 for none; whether it is an item of a list)``."""

    def __init__(self, styles: Any):
        self._styles = {attribute(style, "styleId"): style for style in styles if local(style) == "style"}
        self._known: dict[str, tuple[int, bool]] = {}

    def of(self, paragraph: Any) -> tuple[int, bool]:
        own = next((child for child in paragraph if local(child) == "pPr"), None)
        if own is None:
            return 0, False
        level, is_item = self._of_style(_value(own, "pStyle"))
        outline, number = _value(own, "outlineLvl"), _value(own, "numId")
        return _level(outline) if outline else level, number != "0" if number else is_item

    def _of_style(self, name: str, depth: int = 0) -> tuple[int, bool]:
        style = self._styles.get(name)
        if style is None or depth > 10:  # a style may be based on itself
            return 0, False
        if name not in self._known:
            level, is_item = self._of_style(_value(style, "basedOn"), depth + 1)
            called = _value(style, "name").lower()
            outline, number = _value(style, "outlineLvl"), _value(style, "numId")
            if found := re.fullmatch(r"heading (\d)|(title)", called):
                level = int(found.group(1) or 1)
            elif outline:
                level = _level(outline)
            self._known[name] = level, number != "0" if number else is_item
        return self._known[name]


def _level(outline: str) -> int:
    """Word counts from 0, and 9 is plain text."""
    return int(outline) + 1 if outline in "012345678" else 0


def _blocks(parent: Any, styles: _Styles, out: MarkdownWriter, on_progress: Callable[[], None]) -> None:
    for element in parent:
        on_progress()
        name = local(element)
        if name == "p":
            text = _text(element)
            level, is_item = styles.of(element)
            if level:
                out.heading(level, text)
            elif is_item:
                out.item(text)
            else:
                out.paragraph(text)
        elif name == "tbl":
            for row in _children(element, "tr"):
                out.row(_text(cell) for cell in _children(row, "tc"))
        elif name not in _DROPPED:  # content controls, insertions
            _blocks(element, styles, out, on_progress)


def _children(parent: Any, wanted: str) -> Iterator[Any]:
    """Rows of a table or cells of a row, those in content controls too, but not those of tables inside."""
    for element in parent:
        name = local(element)
        if name == wanted:
            yield element
        elif name in ("sdt", "sdtContent", "ins", "customXml", "moveTo"):
            yield from _children(element, wanted)


def _text(element: Any) -> str:
    """All text below an element; paragraphs inside it (of a cell, a text box, a note) on lines of their own."""
    parts: list[str] = []
    for child in element:
        name = local(child)
        if name == "t":
            parts.append(child.text or "")
        elif name in _SIGNS:
            parts.append(_SIGNS[name])
        elif name == "footnoteReference":
            parts.append(f"[^{attribute(child, 'id')}]")
        elif name and name not in _DROPPED:
            inside = _text(child)
            parts.append(f"\n{inside}\n" if name in ("p", "tbl", "tr") and inside else inside)
    return "".join(parts)


def _value(properties: Any, name: str) -> str:
    """``w:val`` of the first descendant with this name."""
    return next((attribute(element, "val") for element in properties.iter() if local(element) == name), "")
