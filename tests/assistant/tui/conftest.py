"""A chat on a screen of 80×24, with the real engine or with one whose every step is decided by the test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from scripted_engine import ScriptedEngine
from textual.pilot import Pilot

from assistant.chat.history import History
from assistant.engine.engine import GenerateOptions
from assistant.engine.worker import WorkerEngine
from assistant.tui.app import ChatApp
from assistant.tui.setup import Setup
from assistant.tui.transcript import Answer, Note, Question
from models.store import Installed, Store

SIZE = (80, 24)


class Chat:
    """A running chat, as a test sees it."""

    def __init__(self, app: ChatApp, pilot: Pilot[None]):
        self.app = app
        self.pilot = pilot
        self.screen = app.chat

    async def type(self, text: str) -> None:
        await self.pilot.press(*[{" ": "space", "/": "slash", ".": "full_stop", "-": "minus"}.get(c, c) for c in text])

    async def send(self, text: str) -> None:
        """Put a text into the prompt and press Enter."""
        self.screen.prompt.write(text)
        await self.pilot.press("enter")
        await self.pilot.pause()

    async def until(self, condition: Callable[[], Any], seconds: float = 20) -> None:
        """Wait until this holds."""
        for _ in range(int(seconds / 0.02)):
            if condition():
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"waited {seconds} s in vain; on the screen:\n{self.text}")

    async def answered(self) -> None:
        await self.until(lambda: not self.screen.session.busy, 60)
        await self.pilot.pause()

    @property
    def questions(self) -> list[str]:
        return [widget.source for widget in self.screen.query(Question)]

    @property
    def answers(self) -> list[str]:
        return [widget.source for widget in self.screen.query(Answer)]

    @property
    def notes(self) -> str:
        return "\n".join(widget.source for widget in self.screen.query(Note))

    @property
    def text(self) -> str:
        """What stands on the terminal now."""
        lines = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in lines)

    @property
    def status(self) -> str:
        self.screen.show_status()
        from assistant.tui.status import StatusLine

        return str(self.screen.query_one(StatusLine).render())


MakeSetup = Callable[..., Setup]


@pytest.fixture
def model(tmp_path: Path) -> Installed:
    """A name for what the scripted engine stands for; nobody opens the file."""
    return Installed("scripted", tmp_path / "scripted.gguf")


@pytest.fixture
def scripted(model: Installed) -> Callable[..., Setup]:
    """A setup around a scripted engine."""

    def make(engine: ScriptedEngine, **changes: Any) -> Setup:
        values: dict[str, Any] = {
            "store": Store(),
            "history": History.in_memory(),
            "start_engine": lambda _: engine,
            "generate_options": lambda model, task: GenerateOptions(),
            "model": model,
        }
        return Setup(**{**values, **changes})

    return make


@pytest.fixture
def real(tiny: Path) -> Callable[..., Setup]:
    """A setup around SmolLM2-135M in a child process."""

    def make(**changes: Any) -> Setup:
        values: dict[str, Any] = {
            "store": Store(),
            "history": History.open(),
            "start_engine": lambda installed: WorkerEngine(installed.path),
            "generate_options": lambda model, task: GenerateOptions(temperature=0, max_tokens=1000),
            "model": Store().resolve("tiny"),
        }
        return Setup(**{**values, **changes})

    return make


@pytest.fixture
def open_chat() -> Callable[[Setup], AbstractAsyncContextManager[Chat]]:
    """``async with open_chat(setup) as chat``."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opened(setup: Setup, size: tuple[int, int] = SIZE) -> Any:
        app = ChatApp(setup)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield Chat(app, pilot)

    return opened
