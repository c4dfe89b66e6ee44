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


def load(path: Path, on_page: Callable[[], None]) -> Extracted:
    """Markdown of the body; ``on_page`` is never called."""
    from docx import Document
    from docx.oxml import parse_xml

    if "word/document.xml" not in Archive(path).names:
        raise NoText("is broken, or no Word file")
    package = Document(str(path))
    out = MarkdownWriter()
    _blocks(package.element.body, _Styles(package.styles.element), out)
    for relation in package.part.rels.values():
        if relation.reltype == _FOOTNOTES and not relation.is_external:
            for note in parse_xml(relation.target_part.blob):
                if not attribute(note, "type"):  # the separators have one
                    out.paragraph(f"[^{attribute(note, 'id')}]: {_text(note)}")
    return Extracted(out.text(), package.core_properties.title or "")


class _Styles:
    """What paragraph styles mean: the level of a heading, whether it is a list."""

    def __init__(self, styles: Any):
        self._styles = {attribute(style, "styleId"): style for style in styles if local(style) == "style"}

    def level(self, paragraph: Any) -> int:
        """1 for a title or a first heading, 0 for what is none."""
        for properties in self._properties(paragraph):
            if local(properties) == "style":
                name = _value(properties, "name").lower()
                if found := re.fullmatch(r"heading (\d)", name):
                    return int(found.group(1))
                if name == "title":
                    return 1
            if outline := _value(properties, "outlineLvl"):
                return int(outline) + 1 if outline.isdigit() and int(outline) < 9 else 0
        return 0

    def is_list(self, paragraph: Any) -> bool:
        numbers = [_value(properties, "numId") for properties in self._properties(paragraph)]
        return next((number for number in numbers if number), "0") != "0"

    def _properties(self, paragraph: Any) -> Iterator[Any]:
        """The paragraph's own, those of its style, and of the styles that it is based on."""
        own = next((child for child in paragraph if local(child) == "pPr"), None)
        if own is None:
            return
        yield own
        name = _value(own, "pStyle")
        for _ in range(10):  # a style may be based on itself
            style = self._styles.get(name)
            if style is None:
                return
            yield style
            name = _value(style, "basedOn")


def _blocks(parent: Any, styles: _Styles, out: MarkdownWriter) -> None:
    for element in parent:
        name = local(element)
        if name == "p":
            text = _text(element)
            if level := styles.level(element):
                out.heading(level, text)
            elif styles.is_list(element):
                out.item(text)
            else:
                out.paragraph(text)
        elif name == "tbl":
            for row in _children(element, "tr"):
                out.row(_text(cell) for cell in _children(row, "tc"))
        elif name not in _DROPPED:  # content controls, insertions
            _blocks(element, styles, out)


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
