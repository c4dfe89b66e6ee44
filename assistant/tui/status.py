"""The two lines around the chat: what it is called and who answers; what the engine does and how full the window is."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.widget import Widget

from assistant.tui.markdown import printable

METER_CELLS = 8


class _Line(Widget):
    """One line with a left and a right part; the left part gives way."""

    DEFAULT_CSS = """
    _Line { height: 1; padding: 0 1; color: $text-muted; }
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._left = ""
        self._right = Content("")

    def put(self, left: str, right: Content) -> None:
        """Show these, and repaint only if they differ from what is there."""
        left = printable(left).replace("\n", " ")
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render(self) -> Content:
        room = max(0, self.size.width - self._right.cell_length - 1)
        left = self._left if cell_len(self._left) <= room else set_cell_size(self._left, max(0, room - 1)) + "…"
        return Content.assemble(set_cell_size(left, room), " ", self._right)


class Header(_Line):
    """The title of the chat, and the model."""

    DEFAULT_CSS = """
    Header { background: $panel; color: $text; }
    """


class StatusLine(_Line):
    """What the engine does; tokens per second; how much of the window is used."""


def meter(used: int, window: int, words: str) -> Content:
    """How full the window is, as a bar and in words; it turns yellow, then red."""
    share = min(1.0, used / window) if window else 0.0
    filled = round(share * METER_CELLS) or (1 if used else 0)
    colour = "$text-success" if share < 0.7 else "$text-warning" if share < 0.9 else "$text-error"
    return Content.assemble(("━" * filled, colour), ("━" * (METER_CELLS - filled), "$foreground 20%"), " ", words)
