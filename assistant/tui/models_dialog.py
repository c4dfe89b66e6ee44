"""Choosing a model: what is installed, what fits this machine, and bringing it here."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, ProgressBar, Static
from textual.widgets.option_list import Option

from assistant.tui.dialogs import Dialog
from assistant.tui.strings import Strings
from models.catalogue import Entry
from models.errors import Cancelled, UserError
from models.pull import PullProgress
from models.store import Installed, Store

if TYPE_CHECKING:
    from models import hardware
    from models.fit import Recommendation

OFFERED = 3
"""Recommendations on the first screen; the picker shows the whole catalogue."""
PROGRESS_SECONDS = 0.25


class Models(Dialog[Installed | None]):
    """Installed models first, then those that can be pulled, with size, licence, and whether they fit.

    Args:
        current: name of the model in use.
        welcome: nothing is installed: greet, and offer the few that fit best.
    """

    def __init__(self, strings: Strings, store: Store, current: str | None, *, welcome: bool = False) -> None:
        super().__init__(strings)
        self._store = store
        self._current = current
        self._welcome = welcome
        self._installed: dict[str, Installed] = {}
        self._entries: dict[str, Entry] = {}

    def compose(self) -> ComposeResult:
        say = self.strings
        with Vertical(classes="window") as window:
            window.border_title = say("welcome_title" if self._welcome else "models_title")
            window.border_subtitle = say("models_hint")
            yield Static("", classes="intro", markup=False)
            yield OptionList(markup=False, compact=True)
            yield Static("", classes="line", markup=False)

    def on_mount(self) -> None:
        from models import fit, hardware

        say = self.strings
        options = self.query_one(OptionList)
        self._installed = {model.name: model for model in self._store.installed()}
        if self._installed:
            options.add_option(Option(Content.styled(say("models_installed"), "bold $text-accent"), disabled=True))
            options.add_options([Option(self._installed_row(m), id=m.name) for m in self._installed.values()])
        machine = hardware.detect()
        found = fit.recommend(machine, language=say.language if self._welcome else None)
        offered = [one for one in found if one.entry.id not in self._installed]
        if self._welcome:
            offered = [] if offline() else _few(offered)
        self._entries = {one.entry.id: one.entry for one in offered}
        if offered and not self._welcome:
            options.add_option(Option(Content.styled(say("models_available"), "bold $text-accent"), disabled=True))
        options.add_options(
            [Option(self._offered_row(one, first=not i), id=one.entry.id) for i, one in enumerate(offered)]
        )
        options.highlighted = (
            0 if self._welcome else next((i for i, name in enumerate(self._installed, 1) if name == self._current), 1)
        )
        self._introduce(machine, bool(offered))

    def _introduce(self, machine: hardware.Hardware, offered: bool) -> None:
        say = self.strings
        intro, line = self.query_one(".intro", Static), self.query_one(".line", Static)
        intro.display = self._welcome
        if self._welcome:
            words = say("machine", memory=say.size(machine.memory), cores=machine.cores)
            if offline():
                intro.update(say("welcome_offline"))
            else:
                intro.update(say("welcome" if offered else "welcome_none", machine=words))
                line.update(say("welcome_import"))
        elif offline():
            line.update(say("models_offline"))

    def _installed_row(self, model: Installed) -> Content:
        title = model.entry.title if model.entry else model.name
        mark = "● " if model.name == self._current else "  "
        details = f"  {model.name} · {self.strings.size(model.size)}"
        return Content.assemble(mark, (title, "bold"), (details, "$text-muted"))

    def _offered_row(self, one: Recommendation, *, first: bool) -> Content:
        say, entry = self.strings, one.entry
        facts = [say.size(entry.size), entry.licence, say("models_need", memory=say.size(one.need.total))]
        if entry.thinking:
            facts.append(say("models_thinking"))
        row = Content.assemble("  ", (entry.title, "bold"), "\n    ", (" · ".join(facts), "$text-muted"))
        if not one.fits:
            return Content.assemble(row, "\n    ", (say("models_tight"), "$text-error"))
        # The reason is an English sentence; the facts above are in the user's language.
        why = self._welcome and first and say.language == "en"
        return Content.assemble(row, "\n    ", one.reason) if why else row

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        name = event.option.id or ""
        if name in self._installed:
            self.dismiss(self._installed[name])
        elif name in self._entries:
            self.app.push_screen(Pull(self.strings, self._store, self._entries[name]), self._pulled)

    def _pulled(self, model: Installed | UserError | None) -> None:
        if isinstance(model, Installed):
            self.dismiss(model)
        elif isinstance(model, UserError):
            self.query_one(".line", Static).update(f"{model.message}\n{model.hint or ''}".strip())


class Pull(Dialog[Installed | UserError | None]):
    """Brings one model, with a progress bar. Esc stops; what has arrived is kept."""

    DEFAULT_CSS = """
    Pull ProgressBar { width: 1fr; }
    Pull Bar { width: 1fr; }
    """

    def __init__(self, strings: Strings, store: Store, entry: Entry) -> None:
        super().__init__(strings)
        self._store = store
        self._entry = entry
        self._cancelled = threading.Event()
        self._progress: PullProgress | None = None
        self._line = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = self.strings("pulling", title=self._entry.title)
            window.border_subtitle = self.strings("models_pull_hint")
            yield ProgressBar(total=self._entry.size, show_eta=True)
            yield Static(self.strings("phase_connect"), classes="line", markup=False)

    def on_mount(self) -> None:
        threading.Thread(target=self._pull, name="pull", daemon=True).start()
        self.set_interval(PROGRESS_SECONDS, self._show)

    def on_unmount(self) -> None:
        self._cancelled.set()

    def action_close(self) -> None:
        self._cancelled.set()

    def _pull(self) -> None:
        def progress(report: PullProgress) -> None:
            self._progress = report

        def note(line: str) -> None:
            self._line = line

        end: Installed | UserError | None
        try:
            end = self._store.pull(self._entry, on_progress=progress, on_note=note, cancelled=self._cancelled)
        except Cancelled:
            end = Cancelled(self.strings("pull_stopped"))
        except UserError as error:
            end = error
        except OSError as error:
            end = UserError(f"{error.strerror or error}: {error.filename or self._store.root}")
        except Exception as error:
            from assistant.tui.session import Broken

            self.app.post_message(Broken(error))
            return
        self._from_thread(lambda: self.dismiss(end))

    def _from_thread(self, call: Callable[[], object]) -> None:
        if self.is_attached:
            self.app.call_from_thread(call)

    def _show(self) -> None:
        report = self._progress
        if report is None:
            return
        say = self.strings
        self.query_one(ProgressBar).update(total=report.total, progress=report.done)
        words = [say(f"phase_{report.phase}"), f"{say.size(report.done)} / {say.size(report.total)}"]
        if report.source:
            words.append(say("pull_from", source=report.source))
        self.query_one(".line", Static).update("\n".join([" · ".join(words), self._line]).strip())


def _few(found: list[Recommendation]) -> list[Recommendation]:
    """The best that fit, and the starter among them: small, so that the first answer is minutes away, not an hour."""
    fitting = [one for one in found if one.fits]
    starter = [one for one in fitting[OFFERED:] if "starter" in one.entry.aliases]
    return [*fitting[: OFFERED - len(starter)], *starter]


def offline() -> bool:
    """The user forbade the network."""
    return os.environ.get("ASSISTANT_OFFLINE", "") not in ("", "0")
