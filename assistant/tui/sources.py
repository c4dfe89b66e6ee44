"""What an answer stands on: the lines under it, and the windows that show its passages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message as UIMessage
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from assistant.chat.history import StoredMessage
from assistant.tui import viewer
from assistant.tui.dialogs import Dialog
from assistant.tui.markdown import printable
from assistant.tui.strings import Strings

if TYPE_CHECKING:
    from assistant.memory.citations import Citation, State
    from assistant.memory.memory import Memory
    from assistant.memory.quoting import Quote

LONGEST_SENTENCE = 100
"""Characters of a sentence that no source supports, in the line about it."""


class Sources(Static):
    """The lines under an answer: its sources, and what in it none of them says."""

    DEFAULT_CSS = """
    Sources { padding: 0 2; color: $text-muted; }
    """

    class Shown(UIMessage):
        """It stands on the screen: somebody should look how its sources are now."""

    def __init__(self, message: StoredMessage, strings: Strings, key: str) -> None:
        self.message = message
        self._strings = strings
        self._key = key
        self.states: Mapping[int, State] = {}
        self.mark = 0
        super().__init__(self._content())

    def on_mount(self) -> None:
        self.post_message(self.Shown())

    @property
    def source(self) -> str:
        """The lines as plain text."""
        return str(self._content())

    def tell(self, states: Mapping[int, State], mark: int) -> None:
        """Show how each source is now (by its number), and whether the answer was marked: 1, -1, or 0."""
        if (states, mark) != (self.states, self.mark):
            self.states, self.mark = states, mark
            self.update(self._content())

    def _content(self) -> Content:
        say, message = self._strings, self.message
        lines: list[Content] = []
        if message.citations or message.forgotten:
            head = [(say("sources"), "bold")]
            if message.citations:
                head.append((f" · {say('sources_key', keys=self._key)}", ""))
            if self.mark:
                good = self.mark > 0
                colour = "$text-success" if good else "$text-warning"
                head.append((f" · {say('marked_good' if good else 'marked_bad')}", colour))
            lines.append(Content.assemble(*head))
        lines += [source_row(citation, say, self.states.get(citation.id, "fresh")) for citation in message.citations]
        for number in message.forgotten:
            lines.append(Content.styled(say("source_removed", number=number), "$text-warning"))
        for number in message.unknown:
            lines.append(Content.styled(say("source_unknown", number=number), "$text-warning"))
        for one in message.unsupported:
            sentence = " ".join(printable(message.text[one.start : one.end]).split())
            if len(sentence) > LONGEST_SENTENCE:
                sentence = sentence[:LONGEST_SENTENCE].rstrip() + "…"
            missing = ", ".join(one.missing)
            words = say("unsupported_of", missing=missing, sentence=sentence) if missing else ""
            lines.append(Content.styled(words or say("unsupported", sentence=sentence), "$text-warning"))
        return Content("\n").join(lines)


def source_row(citation: Citation, say: Strings, state: State) -> Content:
    """``[1] guide.md, line 12–18``, yellow when the source is no longer what it was."""
    from assistant.memory.citations import source_line

    line = printable(source_line(citation, say.language, state)).replace("\n", " ")
    return Content.styled(line, "" if state == "fresh" else "$text-warning")


class SourcesDialog(Dialog[None]):
    """The sources of an answer; each opens in its context.

    Args:
        quote: gives the passage of a citation in its context; called in a thread.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("o", "open_file", show=False)]

    def __init__(
        self,
        strings: Strings,
        citations: Sequence[Citation],
        states: Mapping[int, State],
        quote: Callable[[Citation], Quote],
    ) -> None:
        super().__init__(strings)
        self._citations = citations
        self._states = states
        self._quote = quote

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = self.strings("sources")
            window.border_subtitle = self.strings("sources_hint")
            yield OptionList(markup=False, compact=True)
            yield Static("", classes="line", markup=False)

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.add_options([Option(self._row(citation)) for citation in self._citations])
        options.highlighted = 0
        options.focus()

    def _row(self, citation: Citation) -> Content:
        row = source_row(citation, self.strings, self._states.get(citation.id, "fresh"))
        details = [printable(citation.path)]
        if citation.attributed:
            details.insert(0, self.strings("source_uncited"))
        return Content.assemble(row, ("\n    " + " · ".join(details), "$text-muted"))

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character.isdecimal():
            event.stop()
            found = [place for place, one in enumerate(self._citations) if one.id == int(event.character)]
            if found:
                self.query_one(OptionList).highlighted = found[0]
                self._show(self._citations[found[0]])

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self._show(self._citations[event.option_index])

    @work(exclusive=True)
    async def _show(self, citation: Citation) -> None:
        quote = await asyncio.to_thread(self._quote, citation)
        if self.is_current:
            self.app.push_screen(PassageDialog(self.strings, citation, quote))

    def action_open_file(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None:
            self.query_one(".line", Static).update(open_file(self.strings, self._citations[place]))


class PassageDialog(Dialog[None]):
    """A passage in its context, the cited sentence marked."""

    DEFAULT_CSS = """
    PassageDialog VerticalScroll { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("o", "open_file", show=False)]

    def __init__(self, strings: Strings, citation: Citation, quote: Quote) -> None:
        super().__init__(strings)
        self._citation = citation
        self._quote = quote

    def compose(self) -> ComposeResult:
        say, citation, quote = self.strings, self._citation, self._quote
        with Vertical(classes="window") as window:
            window.border_title = str(source_row(citation, say, "fresh"))
            window.border_subtitle = say("passage_hint")
            where = [printable(citation.path)]
            if quote.heading:
                where.append(printable(quote.heading))
            yield Static("\n".join(where), classes="line", markup=False)
            if quote.state != "fresh":
                yield Static(Content.styled(say(f"passage_{quote.state}"), "$text-warning"))
            with VerticalScroll():
                yield Static(self._text(), id="passage")
            yield Static("", classes="line", id="said", markup=False)

    def _text(self) -> Content:
        before, cited, after = (printable(part) for part in (self._quote.before, self._quote.text, self._quote.after))
        return Content.assemble(
            (before, "$text-muted"), (cited, "bold $text on $primary-muted"), (after, "$text-muted")
        )

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.call_after_refresh(self._show_cited)

    def _show_cited(self) -> None:
        """Scroll until the cited sentence stands in the middle."""
        scroll = self.query_one(VerticalScroll)
        width = self.query_one("#passage").size.width
        above = Content(printable(self._quote.before)).get_height({}, width) if width else 0
        scroll.scroll_to(y=max(0, above - scroll.size.height // 2), animate=False)

    def action_open_file(self) -> None:
        self.query_one("#said", Static).update(open_file(self.strings, self._citation))


def open_file(say: Strings, citation: Citation) -> str:
    """Open it in the system's viewer; what to say about it."""
    path = Path(citation.path)
    return say("opened" if viewer.show(path) else "no_viewer", path=printable(str(path)))


def states_of(citations: Sequence[Citation], memory: Memory) -> dict[int, State]:
    """How each source is now, by its number. Looks at files: not for the screen's thread."""
    from assistant.memory.citations import state

    return {citation.id: state(citation, memory.index) for citation in citations}
