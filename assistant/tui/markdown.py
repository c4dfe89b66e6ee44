"""Markdown to lines of cells, made for text that grows: only the last block is parsed again when some is added.

Textual's own Markdown makes a widget of every paragraph and list item and lays all of them out at each addition: with
thirty answers on the screen that costs 50 ms a time, which the engine pays for. One widget a message (see
``transcript.py``) that draws these lines costs 6 ms.
"""

from __future__ import annotations

import re
from io import StringIO
from itertools import pairwise
from typing import ClassVar

from markdown_it import MarkdownIt
from rich.console import Console
from rich.markdown import Heading, Markdown, MarkdownElement
from rich.theme import Theme
from textual.strip import Strip

# Tags that a model writes are text like any other; nothing here draws HTML.
_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])

_STYLES = Theme(
    {
        "markdown.h1": "bold underline",
        "markdown.h2": "bold underline",
        "markdown.h3": "bold",
        "markdown.h4": "bold italic",
        "markdown.code": "bold cyan",
        "markdown.item.bullet": "bold cyan",
        "markdown.item.number": "bold cyan",
        "markdown.block_quote": "italic",
        "markdown.hr": "dim",
        "markdown.link_url": "underline blue",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)
_CONSOLE = Console(
    file=StringIO(), force_terminal=True, color_system="truecolor", legacy_windows=False, theme=_STYLES, width=80
)

# What would steer the terminal instead of showing: a model may be asked to say anything.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """The text without control characters; newline and tab stay."""
    return _CONTROL.sub("", text)


class _LeftHeading(Heading):
    LEVEL_ALIGN = dict.fromkeys(Heading.LEVEL_ALIGN, "left")


class _Block(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "heading_open": _LeftHeading}

    def __init__(self, source: str, code_theme: str) -> None:
        super().__init__("", code_theme=code_theme)
        self.parsed = _PARSER.parse(source)


class MarkdownLines:
    """A Markdown text at one width, in cells, as a growing list of lines.

    Args:
        code_theme: a Pygments style for fenced blocks.
    """

    def __init__(self, source: str = "", code_theme: str = "monokai") -> None:
        self.code_theme = code_theme
        self.width = 0
        self.lines: list[Strip] = []
        self._source = [printable(source)]
        self._settled = 0  # lines that no later text can change
        self._open = self._source[0]  # the source of the other lines

    @property
    def source(self) -> str:
        """The text as it was written."""
        if len(self._source) > 1:
            self._source = ["".join(self._source)]
        return self._source[0]

    def append(self, text: str) -> int:
        """Add text at the end; give the number of the first line that may have changed."""
        text = printable(text)
        self._source.append(text)
        self._open += text
        return self._draw_open() if self.width else 0

    def finish(self) -> None:
        """Draw it all once more: half of a token may have looked like the start of another block (``2`` for ``2.``)."""
        self.resize(self.width)

    def resize(self, width: int) -> None:
        """Draw everything at this width."""
        self.width = width
        self.lines = []
        self._settled = 0
        self._open = self.source
        if width:
            self._draw_open()

    def _draw_open(self) -> int:
        first = self._settled
        del self.lines[first:]
        source = self._open.split("\n")
        starts = sorted({token.map[0] for token in _PARSER.parse(self._open) if token.level == 0 and token.map})
        # Block by block, so that what is drawn while it grows is what is drawn in the end.
        for start, end in pairwise(starts):
            self._add("\n".join(source[start:end]))
        if len(starts) > 1:
            self._settled = len(self.lines)
            self._open = "\n".join(source[starts[-1] :])
        self._add(self._open)
        return first

    def _add(self, source: str) -> None:
        options = _CONSOLE.options.update(width=self.width, height=None)
        strips = [Strip(line) for line in _CONSOLE.render_lines(_Block(source, self.code_theme), options, pad=False)]
        while strips and not strips[-1].text.strip():
            strips.pop()
        while strips and not strips[0].text.strip() and not _coloured(strips[0]):
            strips.pop(0)
        if not strips:
            return
        if self.lines:
            self.lines.append(Strip([]))
        self.lines.extend(strips)


def _coloured(strip: Strip) -> bool:
    return any(segment.style is not None and segment.style.bgcolor is not None for segment in strip)


def plain(lines: list[Strip]) -> str:
    """The lines as text, for the clipboard."""
    return "\n".join(strip.text.rstrip() for strip in lines)
