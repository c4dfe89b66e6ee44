"""Writes the structure that a format has as Markdown: what the chunker cuts along."""

from __future__ import annotations

import re
from collections.abc import Iterable


class MarkdownWriter:
    """Collects blocks. Items of a list, and rows of a table, follow one another without an empty line."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._last = ""  # what the last block was: "-", "|" or ""

    def heading(self, level: int, text: str) -> None:
        if words := " ".join(text.split()):
            self._add(f"{'#' * min(max(level, 1), 6)} {words}")

    def paragraph(self, text: str) -> None:
        """Spaces are squeezed, line breaks are kept."""
        self._add(_squeezed(text))

    def item(self, text: str) -> None:
        """Of a list, numbered or not."""
        if words := _squeezed(text):
            self._add(f"- {words}", "-")

    def row(self, cells: Iterable[str]) -> None:
        """Of a table."""
        words = " | ".join(" ".join(cell.split()) for cell in cells)
        if words.strip(" |"):
            self._add(words, "|")

    def code(self, text: str) -> None:
        """As it is, fenced."""
        if text.strip():
            fence = "`" * (max((len(run) for run in re.findall("`{3,}", text)), default=2) + 1)
            self._add(f"{fence}\n{text.strip(chr(10)).rstrip()}\n{fence}")

    def text(self) -> str:
        return "".join(self._parts)

    def _add(self, block: str, sort: str = "") -> None:
        if block:
            if self._parts:
                self._parts.append("\n" if sort and sort == self._last else "\n\n")
            self._parts.append(block)
            self._last = sort


def _squeezed(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
