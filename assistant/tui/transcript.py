"""The transcript: one widget a message, so that a long chat costs little to lay out while an answer grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.style import Style as RichStyle
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message as UIMessage
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Collapsible, Static

from assistant.chat.history import StoredMessage
from assistant.tui.markdown import MarkdownLines, plain, printable
from assistant.tui.sources import Sources
from assistant.tui.strings import Strings

PAGE = 40
"""Messages shown at first, and added by "load earlier"."""


class Question(Static):
    """What the user wrote, as it was written."""

    DEFAULT_CSS = """
    Question { padding: 0 1; margin: 1 1 0 1; border-left: thick $primary; background: $boost; }
    """

    def __init__(self, text: str, attached: str = "") -> None:
        self.source = text
        self.attached = attached
        shown = Content(printable(text))
        super().__init__(Content.assemble(shown, "\n", (printable(attached), "$text-muted")) if attached else shown)


class Note(Static):
    """A line of the program itself: compaction, errors, what a command said. Not part of the conversation."""

    DEFAULT_CSS = """
    Note { padding: 0 1; margin: 1 1 0 1; color: $text-muted; }
    Note.error { color: $text-error; border-left: thick $error; }
    Note.warning { color: $text-warning; }
    """

    def __init__(self, text: str | Content, kind: str = "") -> None:
        self.source = str(text)
        super().__init__(Content(printable(text)) if isinstance(text, str) else text, classes=kind)


class Answer(Widget):
    """Markdown that may still grow. Draws lines, not widgets: see ``markdown.py`` for why."""

    DEFAULT_CSS = """
    Answer { height: auto; width: 1fr; padding: 0 2; margin: 1 0 0 0; }
    """

    def __init__(self, text: str = "", *, code_theme: str = "monokai") -> None:
        super().__init__()
        self._markdown = MarkdownLines(text, code_theme)
        # Lines as they go to the screen. The view moves with each new line, and Textual then asks for all of them anew.
        self._drawn: dict[int, Strip] = {}
        self._drawn_for: tuple[int, RichStyle] | None = None

    @property
    def source(self) -> str:
        """The Markdown itself."""
        return self._markdown.source

    def append(self, text: str) -> None:
        """Add text at the end."""
        before = len(self._markdown.lines)
        first = self._markdown.append(text)
        after = len(self._markdown.lines)
        self._drawn = {y: strip for y, strip in self._drawn.items() if y < first}
        if after != before:
            self.refresh(layout=True)
        else:
            self.refresh(Region(0, first, self.size.width, after - first))

    def finish(self) -> None:
        """No more text will come."""
        self._markdown.finish()
        self._drawn.clear()
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        if width != self._markdown.width:
            self._markdown.resize(width)
            self._drawn.clear()
        return max(1, len(self._markdown.lines))

    def render_line(self, y: int) -> Strip:
        look = (self.size.width, self.rich_style)
        if look != self._drawn_for:
            self._drawn, self._drawn_for = {}, look
        if (drawn := self._drawn.get(y)) is None:
            lines = self._markdown.lines
            strip = lines[y] if y < len(lines) else Strip([])
            drawn = strip.adjust_cell_length(look[0]).apply_style(look[1]).apply_offsets(0, y)
            self._drawn[y] = drawn
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(y)) is not None:
            return _selected(drawn, span, self.screen.get_component_rich_style("screen--selection"))
        return drawn

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract(plain(self._markdown.lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()


def _selected(strip: Strip, span: tuple[int, int], style: RichStyle) -> Strip:
    start, end = span
    end = strip.cell_length if end == -1 else min(end, strip.cell_length)
    if start >= end:
        return strip
    parts = [strip.crop(0, start), strip.crop(start, end).apply_style(style), strip.crop(end)]
    return Strip.join(parts)


class Reasoning(Collapsible):
    """What a reasoning model thought before it answered: folded, with its number of tokens."""

    DEFAULT_CSS = """
    Reasoning { margin: 1 1 0 1; padding: 0; border: none; background: transparent; }
    Reasoning CollapsibleTitle { width: 1fr; }
    Reasoning Static { color: $text-muted; }
    """

    def __init__(self, text: str, strings: Strings, tokens: int = 0, *, collapsed: bool = True) -> None:
        self._strings = strings
        self._text = printable(text)
        self._shown = Static(Content(self._text))
        super().__init__(self._shown, title=self._words(tokens), collapsed=collapsed)

    def _words(self, tokens: int) -> str:
        return self._strings("thinking_tokens", count=tokens) if tokens else self._strings("thinking")

    def append(self, text: str, tokens: int) -> None:
        """Add text; ``tokens`` are those of the reasoning so far."""
        self._text += printable(text)
        self.title = self._words(tokens)
        if not self.collapsed:
            self._shown.update(Content(self._text))

    def on_collapsible_expanded(self) -> None:
        self._shown.update(Content(self._text))


class Earlier(Static, can_focus=True):
    """The row above the first message shown, when there are more."""

    DEFAULT_CSS = """
    Earlier { text-align: center; color: $text-accent; }
    Earlier:focus { text-style: reverse; }
    """

    class Pressed(UIMessage):
        """The user wants to see more."""

    def on_click(self) -> None:
        self.post_message(self.Pressed())

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            self.post_message(self.Pressed())


class Transcript(VerticalScroll, can_focus=True):
    """The messages of a conversation. It follows the end only while the user is there."""

    DEFAULT_CSS = """
    Transcript { height: 1fr; scrollbar-size-vertical: 1; }
    Transcript > #empty { color: $text-muted; padding: 1 2; }
    """

    def __init__(self, strings: Strings, sources_key: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._strings = strings
        self._sources_key = sources_key
        self._earlier: list[StoredMessage] = []
        self._open: list[Widget] = []  # the widgets of the exchange that is going on
        self.show_reasoning = False
        self.code_theme = "monokai"

    def compose(self) -> ComposeResult:
        yield Static(self._strings("empty_chat"), id="empty", markup=False)

    def on_mount(self) -> None:
        self.anchor()

    async def show(self, messages: Sequence[StoredMessage]) -> None:
        """Show these instead of what is there: the last page, and a row that loads the ones before."""
        self._open = []
        self._earlier = list(messages[:-PAGE])
        with self.app.batch_update():
            await self.remove_children()
            await self.mount_all([*self._earlier_row(), *self._widgets(messages[-PAGE:])])
            if not messages:
                await self.mount(*self.compose())
        self.anchor()

    async def load_earlier(self) -> None:
        """Mount one more page above; what the user looks at stays where it is."""
        page, self._earlier = self._earlier[-PAGE:], self._earlier[:-PAGE]
        self.release_anchor()
        below = self.virtual_size.height - self.scroll_y
        with self.app.batch_update():
            await self.query(Earlier).remove()
            await self.mount_all([*self._earlier_row(), *self._widgets(page)], before=0 if self.children else None)
        self.call_after_refresh(lambda: self.scroll_to(y=self.virtual_size.height - below, animate=False, force=True))

    async def on_earlier_pressed(self) -> None:
        await self.load_earlier()

    async def begin(self, question: str | None, files: Sequence[str | Path] = ()) -> None:
        """A new exchange; ``question`` None: the last question is answered again."""
        await self.query("#empty").remove()
        self._open = []
        if question is not None:
            await self.mount(Question(question, self._attached(files)))
        self.anchor()

    async def grow(self, reasoning: str, reasoning_tokens: int, text: str) -> None:
        """Add new text to the answer that is being written."""
        if reasoning:
            shown = next((widget for widget in self._open if isinstance(widget, Reasoning)), None)
            if shown is None:
                shown = Reasoning("", self._strings, collapsed=not self.show_reasoning)
                self._open.append(shown)
                await self.mount(shown)
            shown.append(reasoning, reasoning_tokens)
        if text:
            answer = next((widget for widget in self._open if isinstance(widget, Answer)), None)
            if answer is None:
                answer = Answer(text.lstrip("\n"), code_theme=self.code_theme)
                self._open.append(answer)
                await self.mount(answer)
            else:
                answer.append(text)

    def settle(self) -> None:
        """The answer is complete, or will never be."""
        for widget in self._open:
            if isinstance(widget, Answer):
                widget.finish()
        self._open = []

    async def sources(self, answer: StoredMessage) -> None:
        """Show what the answer that was just settled stands on."""
        await self.mount_all(self._sources(answer))

    async def note(self, text: str | Content, kind: str = "") -> None:
        """Say something that is not part of the conversation."""
        await self.query("#empty").remove()
        await self.mount(Note(text, kind))

    def toggle_reasoning(self) -> bool:
        """Fold or unfold all reasoning, also what comes later; give the new state."""
        self.show_reasoning = not self.show_reasoning
        for shown in self.query(Reasoning):
            shown.collapsed = not self.show_reasoning
        return self.show_reasoning

    def _earlier_row(self) -> list[Widget]:
        return [Earlier(self._strings("load_earlier", count=len(self._earlier)))] if self._earlier else []

    def _widgets(self, messages: Sequence[StoredMessage]) -> list[Widget]:
        """The widgets of saved messages, in order."""
        widgets: list[Widget] = []
        for message in messages:
            if message.role == "user":
                widgets.append(Question(message.text, self._attached(message.files)))
            elif message.role == "note":
                widgets.append(Note(self._strings("compacted", note=message.text)))
            elif message.role == "assistant":
                if message.reasoning:
                    widgets.append(Reasoning(message.reasoning, self._strings, collapsed=not self.show_reasoning))
                if message.text:
                    widgets.append(Answer(message.text, code_theme=self.code_theme))
                widgets += self._sources(message)
                if message.status != "complete":
                    empty = message.status == "interrupted" and not (message.text or message.reasoning)
                    widgets.append(Note(self._strings(f"status_{'nothing' if empty else message.status}"), "warning"))
        return widgets

    def _sources(self, message: StoredMessage) -> list[Widget]:
        if message.in_memory is False:
            return [Note(self._strings("not_in_memory"))]
        if message.citations or message.unsupported or message.unknown or message.forgotten:
            return [Sources(message, self._strings, self._sources_key)]
        return []

    def _attached(self, files: Sequence[str | Path]) -> str:
        return self._strings("attached", names=", ".join(Path(file).name for file in files)) if files else ""
