"""HTML to the text a reader sees, its structure written as Markdown: headings, lists, tables, preformatted text.

Nothing is fetched, no entity is expanded but HTML's own. What the page hides from its reader (scripts, styles, hidden
elements) is not part of the text: it is also where instructions to a model are hidden.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from assistant.memory.loaders.encoding import decode
from assistant.memory.loaders.extracted import Extracted
from assistant.memory.loaders.markdown import MarkdownWriter


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_DROPPED = _tags("script style nav template noscript svg math iframe object select button textarea canvas")
_VOID = _tags("area base br col embed hr img input link meta param source track wbr")
_OPTIONAL_END = _tags("li dt dd tr td th thead tbody tfoot option optgroup colgroup caption html body")
_BLOCKS = _tags(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form "
    "header hr html legend li main menu ol p pre section summary table tbody tfoot thead tr ul"
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_PIECE = 1 << 20  # characters that are parsed at a time
_META = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_XML = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{2,40})["']""", re.IGNORECASE)


def declared_encoding(raw: bytes) -> str | None:
    """The encoding that the first 4 KB of an HTML or XHTML file name."""
    head = raw[:4096]
    found = _XML.match(head) or _META.search(head)
    name = found.group(1).decode("ascii") if found else None
    # A browser takes Latin-1 for what it nearly always is; a mark that says UTF-16 in ASCII letters is wrong.
    return {"iso-8859-1": "cp1252", "latin-1": "cp1252", "utf-16": None}.get(name.lower(), name) if name else None


def extract(html: str, on_progress: Callable[[], None]) -> Extracted:
    """Text and title of a page; ``html`` is the decoded source."""
    page = _read(html, _DROPPED, on_progress)
    if not page.text():  # an element that was never closed: `<nav>` without an end took all
        page = _read(html, _DROPPED - {"nav", "select", "button", "noscript"}, on_progress)
    return Extracted(page.text(), page.title)


def _read(html: str, dropped: frozenset[str], on_progress: Callable[[], None]) -> _Page:
    page = _Page(dropped)
    for start in range(0, len(html), _PIECE):
        page.feed(html[start : start + _PIECE])
        on_progress()
    page.close()
    return page


class _Page(HTMLParser):
    def __init__(self, dropped: frozenset[str]):
        super().__init__(convert_charrefs=True)
        self._drop = dropped
        self.title = ""
        self._in_title = False
        self._out = MarkdownWriter()
        self._line: list[str] = []  # of the block that grows
        self._block = ""  # the tag that it belongs to, if that matters: h1 … h6, li
        self._cells: list[str] | None = None  # of the row that grows, without the last
        self._preformatted = 0
        self._hidden: list[str] = []  # names of the open elements that hide what is in them

    def text(self) -> str:
        self._end_block()
        return self._out.text()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title" and not self.title:
            self._in_title = True
        if self._hidden == ["p"] and (tag in _BLOCKS or tag in _HEADINGS):
            self._hidden.clear()  # a paragraph ends where the next block begins
        if self._hidden:
            if tag == self._hidden[-1] and tag not in _VOID:
                self._hidden.append(tag)
            return
        if tag in self._drop or (tag not in _VOID and tag not in _OPTIONAL_END and _is_hidden(attrs)):
            if tag in _BLOCKS:
                self._end_block()
            self._hidden.append(tag)
            return
        if tag == "br":
            self._line.append("\n")
        elif tag in _HEADINGS:
            self._end_block()
            self._block = tag
        elif tag in ("td", "th"):
            if self._cells is None:
                self._end_block()
                self._cells = []
            else:
                self._end_cell()
        elif self._cells is not None and tag in ("p", "div"):
            self._line.append("\n")
        elif tag in _BLOCKS:
            self._end_block()
            if tag == "li":
                self._block = tag
            elif tag == "pre":
                self._preformatted += 1
        elif tag == "img":
            alternative = next((value for name, value in attrs if name == "alt" and value), "")
            self._line.append(f" {alternative} " if alternative else "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:  # in XHTML `<div/>` and `<script src=""/>` are closed
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if self._hidden:
            if tag == self._hidden[-1]:
                self._hidden.pop()
        elif tag in _HEADINGS or (tag in _BLOCKS and not (self._cells is not None and tag in ("p", "div"))):
            self._end_block()
            self._block = ""
            if tag == "pre" and self._preformatted:
                self._preformatted -= 1

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data if len(self.title) < 1000 else ""
        elif not self._hidden:
            self._line.append(data if self._preformatted else re.sub(r"[ \t\r\n\f]+", " ", data))

    def _end_cell(self) -> None:
        assert self._cells is not None
        self._cells.append("".join(self._line))
        self._line.clear()

    def _end_block(self) -> None:
        text = "".join(self._line)
        if self._preformatted:
            self._out.code(text)
        elif self._cells is not None:
            self._end_cell()
            self._out.row(self._cells)
            self._cells = None
        elif self._block in _HEADINGS:
            self._out.heading(_HEADINGS[self._block], text)
        elif self._block == "li":
            self._out.item(text)
        else:
            self._out.paragraph(text)
        self._line.clear()
        if text.strip():  # else the block only begins: `<li><p>`
            self._block = ""


def _is_hidden(attrs: list[tuple[str, str | None]]) -> bool:
    return any(
        name == "hidden"
        or (name == "style" and _HIDDEN.search(value or ""))
        or (name, value) == ("aria-hidden", "true")
        for name, value in attrs
    )


def load(path: Path, on_progress: Callable[[], None]) -> Extracted:
    """An HTML file."""
    raw = path.read_bytes()
    return extract(decode(raw, declared_encoding(raw)), on_progress)
