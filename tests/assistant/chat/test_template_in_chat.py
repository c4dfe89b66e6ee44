"""A conversation with a template: what stands before the model, what is kept, what becomes of steps and checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from scripted_answers import ScriptedEngine

from assistant.chat.conversation import Conversation, Event
from assistant.chat.history import History
from assistant.engine.engine import Delta, GenerateOptions, Message, Result
from assistant.engine.engine import Event as EngineEvent
from assistant.memory.memory import Memory
from assistant.templates import running
from assistant.templates.library import Library
from assistant.templates.template import Filled, fill, parse
from models.errors import UserError

LETTER = """
title: {en: Letter, ru: Письмо}
system: {en: Rewrite it for $whom., ru: "Перепиши это. Кому: $whom."}
prompt: {en: "Text: $input", ru: "Текст: $input"}
variables: {whom: {type: text}}
examples:
  - {language: en, user: hi, assistant: Good morning.}
  - {language: ru, user: привет, assistant: Здравствуйте.}
"""


@pytest.fixture
def history() -> Iterator[History]:
    with History.open() as history:
        yield history


def template(text: str = LETTER, **values: Any) -> Filled:
    return fill(parse(text, Path("letter.yaml")), values or {"whom": "a judge"})


def answer(events: Iterator[Event]) -> Result:
    *_, result = events
    assert isinstance(result, Result)
    return result


def test_each_question_is_put_into_it_in_its_language(history: History) -> None:
    engine = ScriptedEngine(["one"], ["два"])
    chat = Conversation(engine, history, model="m", system="Be brief.", template=template())
    answer(chat.send("pay me"))
    answer(chat.send("заплати мне"))
    assert engine.prompts[0] == [
        Message("system", "Rewrite it for a judge."),
        Message("user", "Text: hi"),
        Message("assistant", "Good morning."),
        Message("user", "Text: pay me"),
    ]
    assert [message.content for message in engine.prompts[1]] == [
        "Перепиши это. Кому: a judge.", "Текст: привет", "Здравствуйте.", "Текст: заплати мне",
    ]  # fmt: skip
    # what is kept is what the user wrote
    assert [m.text for m in chat.messages] == ["pay me", "one", "заплати мне", "два"]


def test_turns_stand_in_the_prompt_of_a_template_that_holds_a_conversation(history: History) -> None:
    engine = ScriptedEngine(["one"], ["two"])
    chat = Conversation(engine, history, model="m", template=template(LETTER + "conversation: true\n"))
    answer(chat.send("pay me"))
    answer(chat.send("now"))
    assert [message.content for message in engine.prompts[1]][3:] == ["Text: pay me", "one", "Text: now"]


def test_what_is_known_about_the_user_is_for_conversations_only(history: History) -> None:
    with Memory.open() as memory:
        memory.facts.add("My name is Otto.")
        for more, known in (("", False), ("conversation: true\n", True)):
            engine = ScriptedEngine(["one"])
            filled = template(LETTER + more)
            answer(Conversation(engine, history, model="m", template=filled, memory=lambda: memory).send("pay me"))
            assert ("Otto" in engine.prompts[0][0].content) is known


def test_it_is_stored_with_the_chat_and_can_be_turned_off(history: History) -> None:
    Library().save("letter", LETTER)
    engine = ScriptedEngine(["one"])
    chat = Conversation(engine, history, model="m", template=template())
    answer(chat.send("pay me"))
    assert chat.id is not None

    again = Conversation.open(engine, history, chat.id, model="m")
    assert again.template_name == "letter"
    answer(again.send("now"))
    assert engine.prompts[-1][-1].content == "Text: now"
    again.template = None
    answer(again.send("and now"))
    assert [message.content for message in engine.prompts[-1]] == ["pay me", "one", "now", "one", "and now"]
    assert Conversation.open(engine, history, chat.id, model="m").template_name is None


def test_a_template_that_is_gone_is_told_of_when_something_is_asked(history: History) -> None:
    Library().save("letter", LETTER)
    chat = Conversation(ScriptedEngine(["one"]), history, model="m", template=template())
    answer(chat.send("pay me"))
    assert chat.id is not None
    Library().remove("letter")
    again = Conversation.open(ScriptedEngine(["two"]), history, chat.id, model="m")
    assert [m.text for m in again.messages] == ["pay me", "one"]
    assert again.template_name == "letter"
    with pytest.raises(UserError, match="no template 'letter'"):
        answer(again.send("now"))
    again.template = None
    assert answer(again.send("now")).text == "two"


def test_steps_are_hidden_and_the_answer_rests_on_them(history: History) -> None:
    engine = ScriptedEngine(["He owes", " money."], ["Please pay."])
    steps = template(LETTER + 'steps: {en: First say what it is about., ru: "Сначала скажи, о чём это."}\n')
    chat = Conversation(engine, history, model="m", template=steps)
    events = list(chat.send("pay me"))
    assert "".join(e.text for e in events if isinstance(e, Delta) and not e.reasoning) == "Please pay."
    assert "".join(e.text for e in events if isinstance(e, Delta) and e.reasoning) == "He owes money."
    kept = chat.messages[-1]
    assert (kept.text, kept.reasoning) == ("Please pay.", "He owes money.")
    assert engine.prompts[0][-1].content == "Text: pay me\n\nFirst say what it is about."
    assert engine.prompts[1][-2].content == "He owes money."
    # what the next question sees is the answer alone
    answer(chat.send("now"))
    assert all("owes" not in message.content for message in engine.prompts[2])


@pytest.mark.parametrize(
    ("form", "think", "prompts"), [("", None, 1), ("schema: paid bool\n", None, 2), ("schema: paid bool\n", "off", 1)]
)
def test_a_model_that_reasons_writes_steps_only_where_it_cannot_reason(
    form: str, think: Literal["off"] | None, prompts: int
) -> None:
    engine = ScriptedEngine(["It is about a debt."], ['{"paid":false}'])
    steps = template(LETTER + form + "steps: First say what it is about.\n")
    list(running.answer(engine, steps, "pay me", options=GenerateOptions(think=think), reasons=True))
    assert len(engine.prompts) == prompts


@pytest.mark.parametrize("wrong", [False, True])
def test_a_draft_that_the_model_finds_wrong_is_written_again(history: History, wrong: bool) -> None:
    engine = ScriptedEngine(["Pay, fool."], ["Please pay."])
    engine.finds_nothing = wrong  # the model's No
    checked = template(LETTER + "check: {en: Is it polite?, ru: Это вежливо?}\n")
    chat = Conversation(engine, history, model="m", template=checked)
    result = answer(chat.send("pay me"))
    assert engine.gates == ["Is it polite?"]
    assert result.text == ("Please pay." if wrong else "Pay, fool.")
    assert ("Pay, fool." in result.reasoning) is wrong
    assert len(engine.prompts) == 1 + wrong


def test_a_scale_gives_the_mean_of_what_the_model_would_say(history: History) -> None:
    engine = ScriptedEngine()
    chat = Conversation(engine, history, model="m", template=template(LETTER + "scale: [0, 1]\n"))
    result = answer(chat.send("pay me"))
    assert engine.prompts == []  # nothing was generated
    # the scripted model finds 0 more probable than 1 by five: 1/(1 + e^5)
    assert result.text == "0.0"
    assert getattr(result, "data")["score"] == pytest.approx(0.0067, abs=0.005)  # noqa: B009 - of a Computed


def test_examples_count_in_the_budget(history: History) -> None:
    plain = Conversation(ScriptedEngine(), history, model="m").budget("pay me").used
    assert Conversation(ScriptedEngine(), history, model="m", template=template()).budget("pay me").used > plain + 10


LONG = "\n\n".join(f"{name} " * 60 for name in ("Alpha", "Beta", "Gamma"))


def test_a_long_input_is_answered_in_parts_that_are_combined(history: History) -> None:
    engine = ScriptedEngine(["one"], ["two"], ["three"], ["all of it"])
    chunked = LETTER + 'chunking: {tokens: 100, combine: {en: "Join these: $input", ru: "Соедини: $input"}}\n'
    chat = Conversation(engine, history, model="m", template=template(chunked))
    result = answer(chat.send(LONG))
    assert result.text == "all of it"
    for prompt, name in zip(engine.prompts, ("Alpha", "Beta", "Gamma"), strict=False):
        assert name in prompt[-1].content
    assert engine.prompts[3][-1].content == "Join these: one\n\ntwo\n\nthree"
    assert (chat.messages[-1].text, chat.messages[-1].reasoning) == ("all of it", "one\n\ntwo\n\nthree")
    answer(chat.send("short"))  # needs no parts
    assert engine.prompts[4][-1].content == "Text: short"


def test_answers_to_parts_that_nothing_combines_stand_below_each_other(history: History) -> None:
    engine = ScriptedEngine(["one"], ["two"], ["three"])
    chat = Conversation(engine, history, model="m", template=template(LETTER + "chunking: {tokens: 100}\n"))
    events = list(chat.send(LONG))
    assert "".join(event.text for event in events if isinstance(event, Delta)) == "one\n\ntwo\n\nthree"
    assert chat.messages[-1].text == "one\n\ntwo\n\nthree"
    assert "Beta" in engine.prompts[1][-1].content
    assert "Alpha" not in engine.prompts[1][-1].content


def test_stopping_between_parts_keeps_what_is_there(history: History) -> None:
    engine = ScriptedEngine(["one"], ["two ", 0.01, "more"])
    chat = Conversation(engine, history, model="m", template=template(LETTER + "chunking: {tokens: 100}\n"))
    for event in chat.send(LONG):
        if isinstance(event, Delta) and event.text == "two ":
            chat.cancel()
    assert (chat.messages[-1].text, chat.messages[-1].status) == ("one\n\ntwo ", "interrupted")
    assert len(engine.prompts) == 2


def test_an_answer_in_parts_is_whole_only_if_every_part_is(history: History) -> None:
    class CutShort(ScriptedEngine):
        def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[EngineEvent]:
            first = not self.prompts
            for event in super().generate(messages, options):
                yield replace(event, finish_reason="length") if first and isinstance(event, Result) else event

    engine = CutShort(["one"], ["two"], ["three"])
    chat = Conversation(engine, history, model="m", template=template(LETTER + "chunking: {tokens: 100}\n"))
    result = answer(chat.send(LONG))
    assert (result.text, result.finish_reason) == ("one\n\ntwo\n\nthree", "length")


def test_a_tool_that_is_stopped_before_it_begins_ends_as_any_answer_does(history: History) -> None:
    chat = Conversation(ScriptedEngine(), history, model="m", template=fill(Library().get("calories"), {}))
    events = chat.send("an apple")
    chat.cancel()
    assert answer(events).finish_reason == "cancelled"


def test_what_the_question_does_not_have_is_told_of_unless_a_file_may_have_it(history: History, tmp_path: Path) -> None:
    file = tmp_path / "bill.txt"
    file.write_text("Pay 90 euros to the court.", encoding="utf-8")
    with Memory.open() as memory:
        engine = ScriptedEngine(["Please pay 90 euros."])
        filled = template(LETTER + "grounded: numbers\n")
        chat = Conversation(engine, history, model="m", template=filled, memory=lambda: memory)
        answer(chat.send("pay me 80 euros"))
        assert chat.ungrounded() == ("90",)
        answer(chat.send("ask for what the bill says", files=[file]))
        assert "90" in engine.prompts[-1][-1].content
        assert chat.ungrounded() == ()
        chat.template = None
        answer(chat.send("pay me 80 euros"))
        assert chat.ungrounded() == ()
