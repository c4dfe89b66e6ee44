"""/template in the chat."""

from __future__ import annotations

from typing import Any

from scripted_engine import ScriptedEngine

from assistant.chat.history import History
from assistant.templates.library import Library

LETTER = "description: {en: A letter, ru: Письмо}\nsystem: Write to $whom.\nvariables: {whom: {type: text}}\n"


async def test_turning_a_template_on_and_off(open_chat: Any, scripted: Any) -> None:
    Library().save("letter", LETTER + "options: {temperature: 0.25}\n")
    engine = ScriptedEngine(["Dear judge."], ["Fine."])
    tasks: list[Any] = []

    def generate_options(model: Any, task: Any) -> Any:
        from assistant.engine.engine import GenerateOptions

        tasks.append(dict(task))
        return GenerateOptions()

    async with open_chat(scripted(engine, generate_options=generate_options)) as chat:
        await chat.send("/template letter")
        assert "needs a value for 'whom'" in chat.notes
        await chat.send('/template letter whom="a judge"')
        assert "A letter" in chat.notes
        assert "whom=a judge" in chat.notes
        assert "template: letter" in chat.text
        assert tasks[-1] == {"temperature": 0.25}
        await chat.send("pay me")
        await chat.answered()
        assert engine.asked[0][0].content == "Write to a judge."
        await chat.send("/new")
        assert "template: letter" in chat.text  # as memory, a new chat has what the one before it had
        await chat.send("/template")
        assert "▸letter" in chat.notes
        assert "summarize" in chat.notes
        await chat.send("/template off")
        assert "template: letter" not in chat.text
        assert tasks[-1] == {}
        await chat.send("hello")
        await chat.answered()
        assert [message.role for message in engine.asked[1]] == ["user"]
        await chat.send("/template off")
        assert "no template" in chat.notes


async def test_mistakes(open_chat: Any, scripted: Any) -> None:
    async with open_chat(scripted(ScriptedEngine(["Fine."]))) as chat:
        await chat.send("/template sumarize")
        assert "summarize" in chat.notes
        await chat.send("/template translate to")
        assert "NAME=VALUE" in chat.notes
        await chat.send("/template translate 'to=ru")
        assert "NAME=VALUE" in chat.notes.splitlines()[-1]
        assert chat.screen.template_name is None


async def test_a_chat_that_is_opened_again_keeps_it(open_chat: Any, scripted: Any) -> None:
    Library().save("letter", LETTER)
    history = History.open()
    async with open_chat(scripted(ScriptedEngine(["Dear judge."]), history=history)) as chat:
        await chat.send("/template letter whom=Otto")
        await chat.send("pay me")
        await chat.answered()
        id = chat.screen.conversation.id
    engine = ScriptedEngine(["Dear Otto."])
    async with open_chat(scripted(engine, history=History.open(), conversation=id)) as chat:
        assert "template: letter" in chat.text
        await chat.send("now")
        await chat.answered()
        assert engine.asked[0][0].content == "Write to Otto."


async def test_a_chat_whose_template_is_gone_can_be_read_and_goes_on_without(open_chat: Any, scripted: Any) -> None:
    Library().save("letter", LETTER)
    history = History.open()
    async with open_chat(scripted(ScriptedEngine(["Dear judge."]), history=history)) as chat:
        await chat.send("/template letter whom=Otto")
        await chat.send("pay me")
        await chat.answered()
        id = chat.screen.conversation.id
    Library().remove("letter")
    engine = ScriptedEngine(["Fine."])
    async with open_chat(scripted(engine, history=History.open(), conversation=id)) as chat:
        assert "Dear judge." in chat.text
        await chat.until(lambda: "no template 'letter'" in chat.notes)
        assert "/template off" in chat.notes
        assert "did not load" not in chat.text
        await chat.send("/template off")
        await chat.send("now")
        await chat.answered()
        assert chat.answers[-1] == "Fine."


async def test_a_template_without_a_description_has_its_title(open_chat: Any, scripted: Any) -> None:
    Library().save("brief", "title: Short and good\nsystem: Be brief.\n")
    async with open_chat(scripted(ScriptedEngine())) as chat:
        await chat.send("/template")
        assert "Short and good" in chat.notes
        await chat.send("/template brief")
        assert "Short and good\nEverything" in chat.notes


async def test_a_choice_tells_how_probable_it_is(open_chat: Any, scripted: Any) -> None:
    async with open_chat(scripted(ScriptedEngine())) as chat:
        await chat.send('/template classify labels="praise, complaint"')
        await chat.send("I love it")
        await chat.answered()
        assert chat.answers == ["praise"]
        assert "praise: 99 %. Otherwise complaint 1 %." in chat.notes


async def test_what_is_not_in_the_text_is_told_of(open_chat: Any, scripted: Any) -> None:
    async with open_chat(scripted(ScriptedEngine(["Wir treffen uns um 4 Uhr."], ["Um 15 Uhr."]))) as chat:
        await chat.send("/template translate to=de")
        await chat.send("We meet at 15:00.")
        await chat.answered()
        assert "Not in your text: 4." in chat.notes
        await chat.send("We meet at 15:00 again.")
        await chat.answered()
        assert chat.notes.count("Not in your text") == 1
