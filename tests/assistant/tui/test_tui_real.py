"""The chat on a real model in a real child process."""

from __future__ import annotations

import asyncio
import os
import signal

import psutil

from assistant.engine.engine import GenerateOptions

LONG = "Write a very long story about a lighthouse keeper and the sea."


async def test_a_real_answer_is_streamed_and_saved(real, open_chat):
    setup = real(generate_options=lambda model, task: GenerateOptions(temperature=0, max_tokens=24))
    async with open_chat(setup) as chat:
        await chat.send("What is the capital of France?")
        await chat.answered()
        assert len(chat.answers[0].split()) > 3
        assert chat.answers[0].split()[0] in chat.text
        assert "tok/s" in chat.status
        await chat.send("/context")
        await chat.until(lambda: "8,192" in chat.notes)
        answer = chat.answers[0]
    stored = setup.history.load(setup.history.conversations()[0].id)
    assert [m.status for m in stored.messages] == ["complete", "complete"]
    assert stored.messages[1].text == answer


async def test_esc_stops_a_real_answer_quickly_and_keeps_it(real, open_chat):
    setup = real()
    async with open_chat(setup) as chat:
        await chat.send(LONG)
        await chat.until(lambda: chat.answers and len(chat.answers[0]) > 40, 60)
        await chat.pilot.press("escape")
        await chat.until(lambda: not chat.screen.session.busy, 5)
        kept = chat.answers[0]
        assert "Interrupted" in chat.notes
    stored = setup.history.load(setup.history.conversations()[0].id)
    assert stored.messages[1].status == "interrupted"
    assert stored.messages[1].text == kept


async def test_the_engine_is_killed_while_it_answers(real, open_chat):
    setup = real()
    async with open_chat(setup) as chat:
        await chat.send(LONG)
        await chat.until(lambda: chat.answers and len(chat.answers[0]) > 40, 60)
        os.kill(chat.screen.session.engine.pid, signal.SIGKILL)
        await chat.answered()
        assert "stopped unexpectedly" in chat.notes
        half = chat.answers[0]
        assert len(half) > 40
        await chat.send("What is the capital of France?")
        await chat.until(lambda: len(chat.answers) > 1 and len(chat.answers[-1]) > 10, 60)
        assert chat.answers[0] == half


async def test_leaving_ends_the_child(real, open_chat):
    async with open_chat(real()) as chat:
        await chat.send(LONG)
        await chat.until(lambda: chat.answers, 60)
        child = psutil.Process(chat.screen.session.engine.pid)
        await chat.pilot.press("ctrl+q")
    for _ in range(100):
        if not child.is_running() or child.status() == psutil.STATUS_ZOMBIE:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the engine's process outlived the chat")
