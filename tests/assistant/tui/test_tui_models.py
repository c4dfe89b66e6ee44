"""Choosing a model: the first start without any, the picker, and pulling from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine
from textual.widgets import OptionList

from assistant.tui.models_dialog import Models, Pull
from models.sources.local import LocalSource
from models.store import Store

TINY = "smollm2-135m-instruct-q4_1"


class ShelfStore(Store):
    """A store whose pulls come from files on this machine, as with ``assistant models pull --from``."""

    def __init__(self, root: Path, shelf: Path):
        super().__init__(root)
        self.shelf = shelf

    def pull(self, entry, **how):
        return super().pull(entry, **{**how, "sources": [LocalSource(self.shelf)]})


async def choose(chat, name):
    options = chat.app.screen.query_one(OptionList)
    options.highlighted = options.get_option_index(name)
    await chat.pilot.press("enter")
    await chat.pilot.pause()


def words(chat):
    """What stands in the window, as if it were not wrapped."""
    return " ".join(line.strip(" │╭╮╰╯─") for line in chat.text.splitlines() if "│" in line)


@pytest.fixture
def online(monkeypatch):
    monkeypatch.delenv("ASSISTANT_OFFLINE")


async def test_the_first_start_offers_what_fits(scripted, open_chat, tmp_path, online):
    async with open_chat(scripted(ScriptedEngine(), model=None, store=Store(tmp_path / "none"))) as chat:
        await chat.until(lambda: isinstance(chat.app.screen, Models))
        await chat.pilot.pause()
        assert "Welcome" in chat.text
        assert " GB" in chat.text
        assert "Apache-2.0" in chat.text
        assert "assistant models import" in chat.text
        assert 1 <= chat.app.screen.query_one(OptionList).option_count <= 3
        await chat.pilot.press("escape")
        await chat.send("Hello?")  # without a model the same window comes again, and the words stay
        assert isinstance(chat.app.screen, Models)
        assert chat.screen.prompt.text == "Hello?"


async def test_the_first_start_offline_says_how_to_bring_a_model(scripted, open_chat, tmp_path):
    async with open_chat(scripted(ScriptedEngine(), model=None, store=Store(tmp_path / "none"))) as chat:
        await chat.until(lambda: isinstance(chat.app.screen, Models))
        await chat.pilot.pause()
        assert "assistant models import FILE" in words(chat)
        assert chat.app.screen.query_one(OptionList).option_count == 0


async def test_a_pull_goes_straight_to_the_chat(scripted, open_chat, tmp_path, tiny, online):
    store = ShelfStore(tmp_path / "store", tiny.parent)
    engine = ScriptedEngine(["Hello."])
    async with open_chat(scripted(engine, model=None, store=store)) as chat:
        await chat.until(lambda: isinstance(chat.app.screen, Models))
        await chat.pilot.press("escape", "f2")
        await chat.pilot.pause()
        await choose(chat, TINY)
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert [model.name for model in store.installed()] == [TINY]
        await chat.send("Hi")
        await chat.answered()
        assert chat.answers == ["Hello."]
        assert TINY in chat.text.splitlines()[0]


async def test_a_pull_that_fails_is_told_and_another_can_be_picked(scripted, open_chat, tmp_path, online):
    store = ShelfStore(tmp_path / "store", tmp_path)
    async with open_chat(scripted(ScriptedEngine(), model=None, store=store)) as chat:
        await chat.until(lambda: isinstance(chat.app.screen, Models))
        await chat.pilot.press("escape", "f2")
        await chat.pilot.pause()
        await choose(chat, TINY)
        await chat.until(lambda: isinstance(chat.app.screen, Models))
        await chat.until(lambda: f"No source has {TINY}" in words(chat))
        assert store.installed() == []


async def test_esc_stops_a_pull_and_keeps_what_came(scripted, open_chat, tmp_path, online):
    class SlowStore(Store):
        def pull(self, entry, *, cancelled, **how):
            cancelled.wait()
            from models.errors import Cancelled

            raise Cancelled()

    store = SlowStore(tmp_path / "store")
    async with open_chat(scripted(ScriptedEngine(), model=None, store=store)) as chat:
        await chat.until(lambda: isinstance(chat.app.screen, Models))
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, Pull))
        await chat.pilot.press("escape")
        await chat.until(lambda: isinstance(chat.app.screen, Models))
        assert "goes on from there" in chat.text


async def test_the_picker_lists_installed_ones_first_and_switches(scripted, open_chat, tiny):
    first, second = ScriptedEngine(["One."]), ScriptedEngine(["Two."])
    engines = iter([first, second])
    setup = scripted(first, start_engine=lambda _: next(engines))
    async with open_chat(setup) as chat:
        await chat.send("A")
        await chat.answered()
        await chat.pilot.press("ctrl+o")
        await chat.pilot.pause()
        options = chat.app.screen.query_one(OptionList)
        ids = [options.get_option_at_index(i).id for i in range(options.option_count)]
        assert ids.index(None) == 0
        assert ids.index(TINY) < ids.index(None, 1)
        await choose(chat, TINY)
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert f"{TINY} answers from here on" in chat.notes
        await chat.send("B")
        await chat.answered()
        assert chat.answers == ["One.", "Two."]
        assert [m.content for m in second.asked[0]] == ["A", "One.", "B"]
        assert first.closed
        await chat.send("/model no-such-model")
        assert "no-such-model" in chat.notes
        assert "no model" in chat.notes.splitlines()[-2]
        assert isinstance(chat.app.screen, Models)  # to choose another, or to pull it
