"""The prompt: several lines, a history, and the names of commands as one types a slash, of files after an @."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.message import Message
from textual.widgets import Static, TextArea

from assistant.memory import attachments
from assistant.tui.keys import keys_of

MAX_LINES = 8


class Prompt(TextArea):
    """Where the user writes. Enter sends; ↑ and ↓ walk through what was sent before, at the first and last line."""

    DEFAULT_CSS = """
    Prompt { height: 3; border: round $border-blurred; padding: 0 1; background: transparent; }
    Prompt:focus { border: round $border; }
    """

    class Sent(Message):
        """Enter was pressed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Complete(Message):
        """Tab was pressed after a slash, or in the name of a file."""

    def __init__(self, placeholder: str, keymap: dict[str, str], **kwargs: Any) -> None:
        super().__init__(
            placeholder=placeholder, soft_wrap=True, show_line_numbers=False, highlight_cursor_line=False, **kwargs
        )
        # A blinking cursor is a repaint twice a second that shows nothing new, and one that ssh has to carry.
        self.cursor_blink = False
        self._keys = {key: action for action in ("send", "newline") for key in keys_of(action, keymap)}
        self._sent: list[str] = []
        self._place = 0  # in _sent; its length: the draft
        self._draft = ""

    def remember(self, *texts: str) -> None:
        """Put texts into the history, the newest last."""
        for text in texts:
            if text.strip() and (not self._sent or self._sent[-1] != text):
                self._sent.append(text)
        self._place = len(self._sent)

    def write(self, text: str) -> None:
        """Replace what is there, the cursor at the end."""
        self.text = text
        self.move_cursor(self.document.end)

    @property
    def before_cursor(self) -> str:
        """What stands on the cursor's line in front of it."""
        row, column = self.cursor_location
        return self.document.get_line(row)[:column]

    def put(self, text: str, column: int) -> None:
        """Replace what stands between this column and the cursor."""
        row, _ = self.cursor_location
        self.replace(text, (row, column), self.cursor_location, maintain_selection_offset=False)
        self.move_cursor((row, column + len(text)))

    def sent(self, text: str) -> None:
        """What was sent leaves the prompt; what was typed since then stays."""
        self.remember(text.strip())
        self.write(self.text.removeprefix(text))

    def action_cursor_up(self, select: bool = False) -> None:
        if not select and self.navigator.is_first_wrapped_line(self.cursor_location) and self._place > 0:
            self._walk(-1)
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        at_end = self.navigator.is_last_wrapped_line(self.cursor_location)
        if not select and at_end and self._place < len(self._sent):
            self._walk(1)
        else:
            super().action_cursor_down(select)

    def _walk(self, step: int) -> None:
        if self._place == len(self._sent):
            self._draft = self.text
        self._place += step
        self.write(self._draft if self._place == len(self._sent) else self._sent[self._place])

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "tab" and (self.text.startswith("/") or attachments.unfinished(self.before_cursor)):
            event.stop()
            event.prevent_default()
            self.post_message(self.Complete())
            return
        # Not a binding: those are looked up before the keys typed just ahead of them have arrived here. After fast
        # typing, or over a slow line, all but the last words would be sent.
        action = self._keys.get(event.key)
        if action is None:
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()
        if action == "send":
            self.post_message(self.Sent(self.text))
        else:
            self.insert("\n")

    def on_text_area_changed(self) -> None:
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        """As high as its text, up to a third of a small screen."""
        limit = min(MAX_LINES, max(1, self.screen.size.height // 3))
        lines = max(1, min(limit, self.wrapped_document.height))
        if self.styles.height is None or self.styles.height.value != lines + 2:
            self.styles.height = lines + 2


class Completions(Static):
    """The commands, or the files, that begin with what stands in the prompt. Tab takes the first."""

    DEFAULT_CSS = """
    Completions { display: none; padding: 0 2; color: $text-muted; max-height: 8; }
    """
