"""Asking and answering, with exact timing."""

from __future__ import annotations

import time

import pytest
from scripted_engine import ScriptedEngine

from assistant.chat.history import History
from assistant.engine.engine import Delta
from assistant.engine.worker import EngineDied
from assistant.tui.transcript import PAGE, Earlier, Question, Reasoning
from models.errors import ModelError


async def test_a_question_and_its_answer(scripted, open_chat):
    engine = ScriptedEngine(["Paris ", "is the *capital*."])
    async with open_chat(scripted(engine)) as chat:
        await chat.send("Capital of France?")
        await chat.answered()
        assert chat.questions == ["Capital of France?"]
        assert chat.answers == ["Paris is the *capital*."]
        assert "Paris is the capital." in chat.text
        assert "Capital of France?" in chat.text.splitlines()[0]
        assert "8.0 tok/s" in chat.status
        assert "/4,096" in chat.status


async def test_a_question_sent_while_loading_is_answered_when_the_model_is_ready(scripted, open_chat):
    engine = ScriptedEngine(["Here."])
    engine.may_load.clear()
    async with open_chat(scripted(engine)) as chat:
        await chat.until(lambda: "43 %" in chat.status)
        await chat.send("Are you there?")
        assert "your question is next" in chat.status
        await chat.type("next")
        assert chat.screen.prompt.text == "next"
        engine.may_load.set()
        await chat.answered()
        assert chat.answers == ["Here."]
        assert chat.screen.prompt.text == "next"


async def test_esc_while_loading_takes_the_question_back_and_goes_on_loading(scripted, open_chat):
    engine = ScriptedEngine(["Answer."])
    engine.may_load.clear()
    setup = scripted(engine)
    async with open_chat(setup) as chat:
        await chat.until(lambda: "43 %" in chat.status)
        await chat.send("A slip")
        await chat.pilot.press("escape")
        assert chat.screen.prompt.text == "A slip"
        assert chat.questions == []
        engine.may_load.set()
        await chat.until(lambda: chat.screen.session.info)
        await chat.answered()
        assert engine.asked == []
        await chat.send("Meant")
        await chat.answered()
        assert chat.answers == ["Answer."]
        assert [m.content for m in engine.asked[0]] == ["Meant"]


async def test_what_was_taken_back_can_be_asked_again_before_the_model_is_there(scripted, open_chat):
    engine = ScriptedEngine(["Answer."])
    engine.may_load.clear()
    async with open_chat(scripted(engine)) as chat:
        await chat.until(lambda: "43 %" in chat.status)
        await chat.send("A slip")
        await chat.pilot.press("escape", "escape")  # the second stops nothing, not the load either
        await chat.send("Meant")
        assert chat.questions == ["Meant"]
        assert "your question is next" in chat.status
        engine.may_load.set()
        await chat.answered()
        assert chat.answers == ["Answer."]
        assert [m.content for m in engine.asked[0]] == ["Meant"]


async def test_esc_stops_a_load_that_nobody_waits_for(scripted, open_chat):
    engine = ScriptedEngine(["Answer."])
    engine.may_load.clear()
    async with open_chat(scripted(engine)) as chat:
        await chat.until(lambda: "43 %" in chat.status)
        await chat.pilot.press("escape")
        await chat.until(lambda: "loads with the next question" in chat.status)
        engine.may_load.set()
        await chat.send("Meant")
        await chat.answered()
        assert chat.answers == ["Answer."]
        await chat.until(lambda: "ready" in chat.status)


async def test_esc_stops_keeps_and_marks_the_half_answer(scripted, open_chat):
    engine = ScriptedEngine(["Half ", "never"])
    engine.may_go_on.clear()
    setup = scripted(engine)
    async with open_chat(setup) as chat:
        await chat.send("Tell me")
        await chat.until(lambda: chat.answers == ["Half "])
        await chat.type("typed meanwhile")
        await chat.pilot.press("escape")
        await chat.answered()
        assert chat.answers == ["Half "]
        assert "Interrupted" in chat.notes
        assert "/retry" in chat.notes
        assert chat.screen.prompt.text == "typed meanwhile"
    (stored,) = setup.history.conversations()
    assert [m.status for m in setup.history.load(stored.id).messages] == ["complete", "interrupted"]


async def test_a_second_question_while_one_is_answered_stays_in_the_prompt(scripted, open_chat):
    engine = ScriptedEngine(["One ", "two"])
    engine.may_go_on.clear()
    async with open_chat(scripted(engine)) as chat:
        await chat.send("First")
        await chat.until(lambda: chat.answers)
        await chat.send("Second")
        assert chat.screen.prompt.text == "Second"
        assert "Still answering" in chat.text
        engine.may_go_on.set()
        await chat.answered()
        assert chat.questions == ["First"]


@pytest.mark.parametrize("command", ["/context", "/undo", "/system Be brief.", "/model tiny", "/new"])
async def test_a_command_that_has_to_wait_stays_in_the_prompt(scripted, open_chat, command):
    engine = ScriptedEngine(["One ", "two"])
    engine.may_go_on.clear()
    async with open_chat(scripted(engine)) as chat:
        await chat.send("First")
        await chat.until(lambda: chat.answers)
        await chat.send(command)
        assert chat.screen.prompt.text == command
        assert "Still answering" in chat.text
        await chat.send("/system")  # only shows
        assert chat.screen.prompt.text == ""
        assert "no system prompt" in chat.notes
        engine.may_go_on.set()
        await chat.answered()


async def test_reasoning_is_folded_and_counted(scripted, open_chat):
    pieces = [Delta("Let me ", True, 1), Delta("see.", True, 2), Delta("Four.", tokens=3)]
    async with open_chat(scripted(ScriptedEngine(pieces))) as chat:
        await chat.send("2 + 2?")
        await chat.answered()
        shown = chat.screen.query_one(Reasoning)
        assert shown.collapsed
        await chat.until(lambda: "2 tokens" in chat.text)
        assert "Let me see." not in chat.text
        await chat.pilot.press("ctrl+t")
        await chat.pilot.pause()
        assert "Let me see." in chat.text


async def test_a_dead_engine_is_told_and_the_next_question_is_answered(scripted, open_chat):
    engine = ScriptedEngine(["Half ", EngineDied("It died.", "Ask again.")], ["Back."])
    async with open_chat(scripted(engine)) as chat:
        await chat.send("One")
        await chat.answered()
        assert chat.answers == ["Half "]
        assert "stopped unexpectedly" in chat.notes
        await chat.send("Two")
        await chat.answered()
        assert chat.answers == ["Half ", "Back."]


async def test_a_model_that_does_not_load(scripted, open_chat):
    engine = ScriptedEngine()
    engine.load_error = ModelError("The file m.gguf is truncated.", "Pull it again.")
    async with open_chat(scripted(engine)) as chat:
        await chat.until(lambda: "truncated" in chat.notes)
        assert "Next: Pull it again." in chat.notes
        assert "F2" in chat.status


async def test_what_a_model_says_cannot_steer_the_terminal(scripted, open_chat):
    engine = ScriptedEngine(["a\x1b[2J\x07<b>c</b>"])
    async with open_chat(scripted(engine)) as chat:
        await chat.send("\x1b]52;c;x\x07 hello [bold]x[/bold]")
        await chat.answered()
        assert "a[2J<b>c</b>" in chat.text
        assert "[bold]x[/bold]" in chat.text
        assert "\x1b" not in chat.text


async def test_the_view_follows_the_end_only_while_the_user_is_there(scripted, open_chat):
    engine = ScriptedEngine(["line\n\n" * 60, "line\n\n" * 60])
    engine.may_go_on.clear()
    async with open_chat(scripted(engine)) as chat:
        await chat.send("Many lines")
        await chat.until(lambda: chat.screen.transcript.max_scroll_y > 50)
        transcript = chat.screen.transcript
        await chat.until(lambda: transcript.scroll_y == transcript.max_scroll_y)
        await chat.pilot.press("pageup", "pageup")
        await chat.pilot.pause()
        place = transcript.scroll_y
        assert place < transcript.max_scroll_y
        before = transcript.max_scroll_y
        engine.may_go_on.set()
        await chat.answered()
        await chat.until(lambda: transcript.max_scroll_y > before)
        assert transcript.scroll_y == place


async def test_a_chat_of_401_messages_opens_quickly_and_loads_earlier_ones(scripted, open_chat):
    history = History.in_memory()
    id = history.create("Long", "m")
    for number in range(401):
        role = "assistant" if number % 2 else "user"
        history.add_message(id, role, f"message {number}\n\n- with **Markdown**\n- of two lines")
    start = time.process_time()
    async with open_chat(scripted(ScriptedEngine(), history=history, conversation=id)) as chat:
        await chat.until(lambda: "message 400" in chat.text)
        assert time.process_time() - start < 3
        transcript = chat.screen.transcript
        assert len(transcript.children) == PAGE + 1
        assert "earlier messages" in str(chat.screen.query_one(Earlier).render())
        assert chat.questions[0] == f"message {401 - PAGE + 1}\n\n- with **Markdown**\n- of two lines"
        transcript.scroll_home(animate=False)
        await chat.pilot.pause()
        first = chat.screen.query(Question).first()
        await chat.pilot.click(Earlier)
        await chat.until(lambda: len(transcript.children) == 2 * PAGE + 1)
        await chat.pilot.pause()
        assert first.region.y < 20  # what was looked at has not jumped away
        while chat.screen.query(Earlier):
            await transcript.load_earlier()
        assert len(transcript.children) == 401
        assert chat.questions[0].startswith("message 0\n")
