"""Slash commands, keys, and the windows that they open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine
from textual import events

from assistant.chat.history import History, HistoryError
from assistant.tui import commands
from assistant.tui.dialogs import Chats, Help
from assistant.tui.prompt import Completions
from models.errors import UserError


async def asked(chat, *questions):
    for question in questions:
        await chat.send(question)
        await chat.answered()


def test_what_is_a_command():
    assert commands.parse("/model tiny ") == ("model", "tiny")
    assert commands.parse("/HELP") == ("help", "")
    for text in ("//literal", "hello /help", "/usr/bin/env", "/a\nb"):
        assert commands.parse(text) is None
    assert commands.find("bye") is commands.find("exit")
    assert commands.closest("hlep") == "help"
    assert commands.closest("zzzzzz") is None


async def test_help_lists_every_key_and_command(scripted, open_chat):
    async with open_chat(scripted(ScriptedEngine()), size=(80, 60)) as chat:
        await chat.pilot.press("f1")
        assert isinstance(chat.app.screen, Help)
        for name in commands.COMMANDS:
            assert f"/{name}" in chat.text
        for key in ("Ctrl+N", "Ctrl+S", "Ctrl+O", "F2", "Esc", "Ctrl+Q", "Ctrl+T", "Ctrl+G", "Ctrl+P", "Enter"):
            assert key in chat.text
        await chat.pilot.press("escape")
        assert chat.app.screen is chat.screen
        await chat.send("/help")
        assert isinstance(chat.app.screen, Help)


async def test_an_unknown_command_suggests_and_two_slashes_send_one(scripted, open_chat):
    engine = ScriptedEngine(["A folder."])
    async with open_chat(scripted(engine)) as chat:
        await chat.send("/hlep")
        assert "/hlep" in chat.notes
        assert "/help" in chat.notes
        await chat.send("/zzzzzz")
        assert "//" in chat.notes
        assert engine.asked == []
        await asked(chat, "//etc what is it?")
        assert chat.questions == ["/etc what is it?"]


async def test_commands_are_completed_while_one_types(scripted, open_chat):
    async with open_chat(scripted(ScriptedEngine())) as chat:
        await chat.type("/")
        shown = chat.screen.query_one(Completions)
        assert shown.display
        await chat.type("sy")
        await chat.pilot.pause()
        assert "/system" in chat.text
        assert "/help" not in chat.text
        await chat.pilot.press("tab")
        assert chat.screen.prompt.text == "/system "
        await chat.pilot.pause()
        assert not shown.display


async def test_retry_edit_and_undo(scripted, open_chat):
    engine = ScriptedEngine(["first"], ["second"], ["third"])
    async with open_chat(scripted(engine)) as chat:
        await asked(chat, "Qestion", "/retry")
        assert (chat.questions, chat.answers) == (["Qestion"], ["second"])
        await chat.send("/edit")
        assert chat.screen.prompt.text == "Qestion"
        await asked(chat, "Question")
        assert (chat.questions, chat.answers) == (["Question"], ["third"])
        await chat.send("/edit")
        await chat.pilot.press("escape")
        assert chat.screen.prompt.text == ""
        await chat.send("/undo")
        assert (chat.questions, chat.answers) == ([], [])
        for command in ("/undo", "/retry"):
            await chat.send(command)
        assert "nothing to take back" in chat.notes
        assert "no question" in chat.notes


async def test_system_prompt(scripted, open_chat):
    engine = ScriptedEngine(["Yarr."], ["Yes."])
    async with open_chat(scripted(engine)) as chat:
        await chat.send("/system")
        assert "no system prompt" in chat.notes
        await chat.send("/system You are a pirate.")
        await asked(chat, "Hi")
        assert engine.asked[0][0].role == "system"
        assert engine.asked[0][0].content == "You are a pirate."
        await chat.send("/system -")
        await asked(chat, "Hi again")
        assert engine.asked[1][0].role == "user"


async def test_stats_and_context_are_tables(scripted, open_chat):
    async with open_chat(scripted(ScriptedEngine(["one ", "two"]))) as chat:
        await chat.send("/stats")
        assert "No answer" in chat.notes
        await asked(chat, "Count")
        await chat.send("/stats")
        assert "2 tokens in 0.25 s, 8.0 tok/s" in chat.notes
        assert "the model" in chat.notes
        await chat.send("/context")
        await chat.until(lambda: "window" in chat.notes)
        assert "4,096" in chat.notes


async def test_export(scripted, open_chat, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with open_chat(scripted(ScriptedEngine(["Blue."]))) as chat:
        await chat.send("/export")
        assert "nothing to save" in chat.notes
        await asked(chat, "What colour is the sky?")
        for command in ("/export", "/export", "/export talk.json", "/export talk.json"):
            await chat.send(command)
        assert "Blue." in Path("what-colour-is-the-sky.md").read_text()
        assert Path("what-colour-is-the-sky-2.md").exists()
        assert json.loads(Path("talk.json").read_text())["messages"][1]["text"] == "Blue."
        assert "exists already" in chat.notes


async def test_chats_open_search_delete(scripted, open_chat):
    engine = ScriptedEngine(["About tea."], ["About coffee."])
    setup = scripted(engine)
    async with open_chat(setup) as chat:
        await asked(chat, "Tea")
        await chat.pilot.press("ctrl+n")
        assert chat.questions == []
        await asked(chat, "Coffee")
        await chat.pilot.press("ctrl+s")
        assert isinstance(chat.app.screen, Chats)
        await chat.pilot.pause()
        assert "Tea" in chat.text
        assert "Coffee" in chat.text
        await chat.type("tea")
        await chat.pilot.pause()
        assert "Coffee" not in "\n".join(line for line in chat.text.splitlines() if "│" in line)
        await chat.pilot.press("enter")
        await chat.pilot.pause()
        assert chat.questions == ["Tea"]
        assert chat.answers == ["About tea."]
        # delete the other one, first with a no
        await chat.pilot.press("ctrl+s")
        await chat.pilot.pause()
        await chat.type("coffee")
        await chat.pilot.press("delete", "n")
        assert len(setup.history.conversations()) == 2
        await chat.pilot.press("delete", "y")
        assert [c.title for c in setup.history.conversations()] == ["Tea"]
        assert "Deleted" in chat.text
        await chat.pilot.press("escape")
        assert chat.questions == ["Tea"]
        # delete the open one
        await chat.pilot.press("ctrl+s")
        await chat.pilot.pause()
        await chat.pilot.press("delete", "y", "escape")
        await chat.pilot.pause()
        assert chat.questions == []
        assert setup.history.conversations() == []


async def test_a_stored_chat_goes_on(scripted, open_chat):
    history = History.in_memory()
    first = scripted(ScriptedEngine(["One."]), history=history)
    async with open_chat(first) as chat:
        await asked(chat, "First")
    engine = ScriptedEngine(["Two."])
    async with open_chat(scripted(engine, history=history, conversation=history.latest())) as chat:
        assert chat.questions == ["First"]
        assert chat.answers == ["One."]
        await chat.pilot.press("up")
        assert chat.screen.prompt.text == "First"
        await asked(chat, "Second")
        assert [m.content for m in engine.asked[0]] == ["First", "One.", "Second"]


async def test_a_chat_that_is_opened_keeps_its_own_system_prompt(scripted, open_chat):
    history = History.in_memory()
    async with open_chat(scripted(ScriptedEngine(["Yarr."]), history=history, system="You are a pirate.")) as chat:
        await asked(chat, "First")
    pirate = history.latest()
    async with open_chat(scripted(ScriptedEngine(), history=history, system="You are a judge.")) as chat:
        await chat.pilot.press("ctrl+s", "enter")
        await chat.until(lambda: chat.questions == ["First"])
        await chat.send("/system")
        assert "pirate" in chat.notes
    assert history.load(pirate).system == "You are a pirate."
    async with open_chat(
        scripted(ScriptedEngine(), history=history, system="You are a judge.", conversation=pirate)
    ) as chat:
        await chat.send("/system")
        assert "judge" in chat.notes


async def test_the_note_of_a_compaction_is_there_when_the_chat_is_opened_again(scripted, open_chat):
    history = History.in_memory()
    async with open_chat(scripted(ScriptedEngine(["One."]), history=history)) as chat:
        await asked(chat, "First")
    id = history.latest()
    history.add_message(id, "note", "- They spoke of tea.", covers=1)
    async with open_chat(scripted(ScriptedEngine(), history=history, conversation=id)) as chat:
        assert "They spoke of tea." in chat.notes


async def test_a_chat_that_is_not_saved_says_so_and_why(scripted, open_chat):
    async with open_chat(
        scripted(ScriptedEngine(["A."]), unsaved="This chat is not being saved. Disk is full.")
    ) as chat:
        assert "Disk is full" in chat.notes
        assert "not saved" in chat.text.splitlines()[0]
        await asked(chat, "Still works")
        assert chat.answers == ["A."]
        await chat.send("/new")
        assert "Disk is full" in chat.notes


async def test_a_history_that_fails_in_the_middle(scripted, open_chat, monkeypatch):
    setup = scripted(ScriptedEngine(["A."]))
    async with open_chat(setup) as chat:

        def full(*args, **kwargs):
            raise HistoryError("The disk is full.", "Make room.")

        monkeypatch.setattr(setup.history, "add_message", full)
        await chat.send("Precious words")
        assert "The disk is full." in chat.notes
        assert chat.screen.prompt.text == "Precious words"
        assert not chat.screen.session.busy


async def test_keys_can_be_changed(scripted, open_chat):
    async with open_chat(scripted(ScriptedEngine(["A."]), keys={"help": "f5", "send": "ctrl+r"})) as chat:
        await chat.pilot.press("f1")
        assert chat.app.screen is chat.screen
        await chat.pilot.press("f5")
        assert isinstance(chat.app.screen, Help)
        assert "F5" in chat.text
        await chat.pilot.press("escape")
        await chat.type("hi")
        await chat.pilot.press("ctrl+r")
        await chat.answered()
        assert chat.questions == ["hi"]


async def test_the_palette_runs_our_commands(scripted, open_chat):
    async with open_chat(scripted(ScriptedEngine())) as chat:
        await chat.pilot.press("ctrl+p")
        await chat.type("stats")
        await chat.pilot.pause(0.3)
        await chat.pilot.press("down", "enter")
        await chat.until(lambda: "No answer" in chat.notes)


async def test_ctrl_c_stops_then_warns_then_leaves(scripted, open_chat):
    engine = ScriptedEngine(["Half ", "never"])
    engine.may_go_on.clear()
    async with open_chat(scripted(engine)) as chat:
        await chat.send("Go")
        await chat.until(lambda: chat.answers)
        await chat.pilot.press("ctrl+c")
        await chat.answered()
        assert "Interrupted" in chat.notes
        await chat.pilot.press("ctrl+c")
        assert "Ctrl+C again" in chat.text
        assert chat.app.is_running
        await chat.pilot.press("ctrl+c")
        await chat.pilot.pause()
        assert chat.app._exit
    assert engine.closed


async def test_ctrl_c_copies_what_is_selected_and_ctrl_y_the_answer(scripted, open_chat):
    async with open_chat(scripted(ScriptedEngine(["**The** answer."]))) as chat:
        await asked(chat, "Q")
        await chat.pilot.press("ctrl+y")
        assert chat.app.clipboard == "**The** answer."
        chat.screen.prompt.write("some words")
        chat.screen.prompt.select_all()
        await chat.pilot.press("ctrl+c")
        assert chat.app.clipboard == "some words"
        await chat.send("/copy")
        assert chat.app.clipboard == "**The** answer."


async def test_text_of_an_answer_can_be_selected_with_the_mouse(scripted, open_chat):
    async with open_chat(scripted(ScriptedEngine(["First line.\n\nSecond line."]))) as chat:
        await asked(chat, "Q")
        from assistant.tui.transcript import Answer

        answer = chat.screen.query_one(Answer)
        await chat.pilot.mouse_down(answer, offset=(2, 0))
        await chat.pilot.hover(answer, offset=(9, 2))
        await chat.pilot.mouse_up(answer, offset=(9, 2))
        await chat.pilot.press("ctrl+c")
        assert chat.app.clipboard.startswith("First line.\n\nSecond")


async def test_the_prompt_takes_several_lines_and_walks_its_history(scripted, open_chat):
    async with open_chat(scripted(ScriptedEngine(["A."], ["B."]))) as chat:
        await chat.type("one")
        await chat.pilot.press("ctrl+j")
        await chat.type("two")
        await chat.pilot.press("shift+enter")
        await chat.type("three")
        assert chat.screen.prompt.text == "one\ntwo\nthree"
        assert chat.screen.prompt.size.height == 3
        await chat.pilot.press("enter")
        await chat.answered()
        await asked(chat, "second")
        await chat.type("draft")
        await chat.pilot.press("up")
        assert chat.screen.prompt.text == "second"
        await chat.pilot.press("up")
        assert chat.screen.prompt.text == "one\ntwo\nthree"
        await chat.pilot.press("up")
        assert chat.screen.prompt.cursor_location[0] == 1
        await chat.pilot.press("down", "down", "down")
        assert chat.screen.prompt.text == "draft"


async def test_the_external_editor(scripted, open_chat, monkeypatch, tmp_path):
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\nprintf " and more" >> "$1"\n')
    script.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(script))
    from contextlib import nullcontext

    async with open_chat(scripted(ScriptedEngine())) as chat:
        # A screen under test has no terminal to hand over.
        monkeypatch.setattr(chat.app, "suspend", nullcontext)
        await chat.type("words")
        await chat.pilot.press("ctrl+g")
        assert chat.screen.prompt.text == "words and more"
        monkeypatch.setenv("VISUAL", "/no/such/editor")
        await chat.pilot.press("ctrl+g")
        assert "/no/such/editor" in chat.text
        assert chat.screen.prompt.text == "words and more"


async def test_russian(scripted, open_chat):
    engine = ScriptedEngine(["Париж."])
    async with open_chat(scripted(engine, language="ru")) as chat:
        assert "Спросите что угодно" in chat.text
        await chat.send("Столица Франции?")
        await chat.answered()
        assert "Париж." in chat.text
        assert "контекст" in chat.status
        await chat.send("/hlep")
        assert "Может быть, /help?" in chat.notes
        await chat.pilot.press("f1")
        assert "Клавиши" in chat.text


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (200, 60)])
async def test_every_window_fits_any_terminal(scripted, open_chat, size):
    async with open_chat(scripted(ScriptedEngine(["# A\n\n" + "word " * 100])), size=size) as chat:
        await asked(chat, "Long " * 20)
        for key in ("f1", "ctrl+s"):
            await chat.pilot.press(key)
            await chat.pilot.pause()
            assert chat.app.screen is not chat.screen
            await chat.pilot.press("escape")
            assert chat.app.screen is chat.screen
        assert chat.screen.prompt.region.bottom <= size[1]


async def test_an_error_of_the_engine_is_said_with_its_next_step(scripted, open_chat):
    engine = ScriptedEngine([UserError("It broke.", "Do this.")])
    async with open_chat(scripted(engine)) as chat:
        await asked(chat, "Q")
        assert "It broke.\nNext: Do this." in chat.notes


async def test_enter_right_after_fast_typing_sends_every_word(scripted, open_chat):
    engine = ScriptedEngine(["A."])
    async with open_chat(scripted(engine)) as chat:
        driver = chat.app._driver
        assert driver is not None
        # As a terminal delivers a burst: nothing is awaited in between.
        for key in "fast":
            driver.process_message(events.Key(key, key))
        driver.process_message(events.Key("enter", "\r"))
        for key in "next":
            driver.process_message(events.Key(key, key))
        await chat.until(lambda: chat.questions)
        await chat.answered()
        assert chat.questions == ["fast"]
        assert chat.screen.prompt.text == "next"
