"""The application: theme, keys, palette, signals. What one sees is on ``chat_screen.py``."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterable
from contextlib import suppress

from textual.app import App, SystemCommand
from textual.screen import Screen

from assistant.tui.chat_screen import ChatScreen
from assistant.tui.commands import COMMANDS
from assistant.tui.keys import key_names
from assistant.tui.session import GOODBYE_SECONDS, Broken
from assistant.tui.setup import Setup
from assistant.tui.strings import Strings

DEFAULT_THEME = "textual-dark"


class ChatApp(App[None]):
    """A chat in the terminal.

    Args:
        setup: the store, the history, the engine, and what the user asked for.
    """

    TITLE = "assistant"
    ENABLE_COMMAND_PALETTE = True
    # Ours, with an id, is on the chat's screen.
    COMMAND_PALETTE_BINDING = "f24"

    def __init__(self, setup: Setup):
        super().__init__()
        self.setup = setup
        self.say = Strings(setup.language)
        self.animation_level = "none"
        self.set_keymap(setup.keys)
        self.chat = ChatScreen(setup, self.say)

    def on_mount(self) -> None:
        self.theme = self.setup.theme if self.setup.theme in self.available_themes else DEFAULT_THEME
        self._leave_on_signals()
        self.push_screen(self.chat)

    def on_unmount(self) -> None:
        self.chat.session.close()

    def _leave_on_signals(self) -> None:
        """A polite kill leaves like Ctrl+Q: the terminal is restored, the engine's process ends."""
        loop = asyncio.get_running_loop()
        # Not in a thread other than the main one (tests), and not on Windows.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signal.SIGTERM, self.exit)
            # Not through the loop, which may hang: Textual's writer dies at its first write to a terminal that is gone,
            # and then all who draw wait for room in its queue for ever.
            signal.signal(signal.SIGHUP, lambda *_: self._hang_up(loop))

    def _hang_up(self, loop: asyncio.AbstractEventLoop) -> None:
        if not os.isatty(2):  # it is gone, and not only the signal of it came
            nowhere = os.open(os.devnull, os.O_RDWR)
            for file in (0, 1, 2):
                os.dup2(nowhere, file)
        loop.call_soon_threadsafe(self.exit)
        last_resort = threading.Timer(GOODBYE_SECONDS + 1, os._exit, (128 + signal.SIGHUP,))
        last_resort.daemon = True
        last_resort.start()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: our commands, and Textual's choice of a theme."""
        for one in COMMANDS.values():

            async def run(name: str = one.name) -> None:
                await COMMANDS[name].run(self.chat, "")

            title = f"/{one.name}" + (f"  ({key_names(one.key, self.setup.keys)})" if one.key else "")
            yield SystemCommand(title, self.say(f"command_{one.name}"), run)
        yield SystemCommand(self.say("theme"), self.say("theme_help"), self.action_change_theme)

    def on_broken(self, event: Broken) -> None:
        raise event.error
