"""A conversation with a memory: what stands before the model, what is kept of it, and what is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from scripted_answers import ScriptedEngine

from assistant.chat.conversation import Conversation, Event
from assistant.chat.forgetting import forget
from assistant.chat.history import History
from assistant.chat.recalling import Recalled
from assistant.engine.engine import Result
from assistant.memory.citations import state
from assistant.memory.memory import Memory
from models.errors import UserError

BOILER = "The boiler was serviced on 14 March 2025 by Otto Lindqvist. He charged 180 euros and replaced the anode."
TRIP = "Бронь в гостинице Тбилиси: с 3 по 9 мая, номер 214, завтрак включён, оплачено 640 лари."


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "boiler.md").write_text(f"# Heating\n\n{BOILER}\n", encoding="utf-8")
    (folder / "trip.txt").write_text(TRIP + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def memory(notes: Path) -> Iterator[Memory]:
    with Memory.open() as memory:
        for _ in memory.add([notes]):
            pass
        yield memory


@pytest.fixture
def history() -> Iterator[History]:
    with History.open() as history:
        yield history


Begin = Callable[..., tuple[Conversation, ScriptedEngine]]


@pytest.fixture
def begin(memory: Memory, history: History) -> Begin:
    def begin(*scripts: Sequence[str], id: int | None = None, on: bool = True) -> tuple[Conversation, ScriptedEngine]:
        engine = ScriptedEngine(*scripts)
        conversation = Conversation(engine, history, model="scripted", id=id, memory=lambda: memory)
        if on:
            conversation.look_up(True)
        return conversation, engine

    return begin


def asked(events: Iterator[Event]) -> tuple[Recalled | None, str]:
    seen = list(events)
    recalled = next((event for event in seen if isinstance(event, Recalled)), None)
    result = seen[-1]
    assert isinstance(result, Result)
    return recalled, result.text


def test_the_passage_stands_in_the_prompt_and_the_question_alone_in_the_history(begin: Begin, history: History) -> None:
    conversation, engine = begin(["He charged 180 euros [1]."])
    recalled, _ = asked(conversation.send("How much did the boiler service cost?"))
    assert recalled
    assert recalled.in_memory
    assert "180 euros" in recalled.sources[0].passage.text
    assert BOILER.split(".")[0] in engine.prompts[0][-1].content
    assert conversation.id is not None
    question, answer = history.load(conversation.id).messages
    assert question.text == "How much did the boiler service cost?"
    (citation,) = answer.citations
    assert (citation.id, Path(citation.path).name, citation.line) == (1, "boiler.md", 3)
    assert answer.in_memory
    assert not answer.unsupported


def test_what_no_passage_says_is_marked(begin: Begin, history: History) -> None:
    conversation, _ = begin(["He charged 950 euros [1]. It was Otto [7]."])
    asked(conversation.send("How much did the boiler service cost?"))
    assert conversation.id is not None
    answer = history.load(conversation.id).messages[-1]
    assert [one.missing for one in answer.unsupported] == [("950",)]
    assert answer.unknown == (7,)


def test_a_question_on_nothing_in_memory_is_not_given_to_the_model(begin: Begin) -> None:
    conversation, engine = begin(["The moon is made of cheese."])
    recalled, text = asked(conversation.send("What is the melting point of tungsten?"))
    assert recalled == Recalled((), in_memory=False)
    assert text == "Not in memory."
    assert not engine.prompts
    _, text = asked(conversation.send("Какова температура плавления вольфрама?"))
    assert text == "Нет в памяти."
    assert [message.in_memory for message in conversation.messages if message.role == "assistant"] == [False, False]


def test_what_the_model_does_not_find_in_the_passages_is_not_in_memory(begin: Begin) -> None:
    conversation, engine = begin(["He is forty."])
    engine.finds_nothing = True
    recalled, text = asked(conversation.send("How old is the man who serviced the boiler?"))
    assert recalled
    assert recalled.sources
    assert text == "Not in memory."
    assert not engine.prompts
    assert "Otto Lindqvist" in engine.gates[0]
    assert conversation.messages[-1].in_memory is False


def test_an_attached_file_is_worked_on_whatever_the_model_finds_in_it(begin: Begin, notes: Path) -> None:
    conversation, engine = begin(["It is about heating [1]."], on=False)
    engine.finds_nothing = True
    _, text = asked(conversation.send("Summarize it.", [notes / "boiler.md"]))
    assert text.startswith("It is about heating")


def test_across_languages(begin: Begin) -> None:
    conversation, engine = begin(["Котёл обслужили 14 марта 2025 года [1]."])
    recalled, _ = asked(conversation.send("Когда обслуживали котёл отопления?"))
    assert recalled
    assert "boiler" in engine.prompts[0][-1].content
    assert not conversation.messages[-1].unsupported


def test_a_follow_up_keeps_to_what_was_cited(begin: Begin) -> None:
    conversation, engine = begin(["Otto Lindqvist [1]."], ["Yes, him [1]."])
    asked(conversation.send("Who serviced the boiler?"))
    recalled, _ = asked(conversation.send("Really, him?"))
    assert recalled
    assert recalled.in_memory
    assert "Lindqvist" in engine.prompts[1][-1].content
    assert "passage" not in engine.prompts[1][-3].content  # the passages of the turn before are not read again


def test_memory_is_on_again_in_a_chat_that_was_left(begin: Begin, history: History) -> None:
    conversation, _ = begin(["Otto Lindqvist [1]."])
    asked(conversation.send("Who serviced the boiler?"))
    again, _ = begin(["Otto."], id=conversation.id, on=False)
    assert again.recalling
    assert again.collection is None
    assert again.messages[-1].citations == conversation.messages[-1].citations
    again.look_up(False)
    assert not begin(id=conversation.id, on=False)[0].recalling


def test_a_retry_looks_again(begin: Begin) -> None:
    conversation, engine = begin(["Nobody knows."], ["Otto Lindqvist [1]."])
    asked(conversation.send("Who serviced the boiler?"))
    recalled, _ = asked(conversation.retry())
    assert recalled
    assert "Lindqvist" in engine.prompts[1][-1].content
    assert conversation.messages[-1].citations[0].id == 1


def test_a_forgotten_document_leaves_every_later_prompt_and_the_database(
    begin: Begin, memory: Memory, history: History, home: Path
) -> None:
    conversation, engine = begin(["He charged 180 euros [1]."], ["Fine."])
    asked(conversation.send("How much did the boiler service cost?"))
    (document,) = [one for one in memory.index.documents() if one.path.name == "boiler.md"]
    assert forget(memory, history, [document.id]) == [document]
    again, engine = begin(["Fine."], id=conversation.id, on=False)
    assert again.messages[-1].forgotten == (1,)
    assert not again.messages[-1].citations
    _, text = asked(again.send("How much did the boiler service cost?"))
    assert text == "Not in memory."
    again.look_up(False)
    asked(again.send("And what else?"))
    assert not any("180" in message.content for message in engine.prompts[-1])
    for database in ("memory.db", "history.db"):
        for file in home.glob(f"{database}*"):
            assert b"anode" not in file.read_bytes()
            assert b"boiler.md" not in file.read_bytes()


def test_an_open_chat_forgets_a_document_that_another_window_removes(
    begin: Begin, memory: Memory, history: History
) -> None:
    conversation, engine = begin(["He charged 180 euros [1]."], ["Fine."])
    asked(conversation.send("How much did the boiler service cost?"))
    (document,) = [one for one in memory.index.documents() if one.path.name == "boiler.md"]
    with History.open() as other:
        forget(memory, other, [document.id])
    conversation.look_up(False)
    asked(conversation.send("And what else?"))
    assert not any("180" in message.content for message in engine.prompts[-1])


def test_an_answer_that_cites_nothing_is_forgotten_with_what_it_read(
    begin: Begin, memory: Memory, history: History
) -> None:
    conversation, _ = begin(["Yes, it was."])
    asked(conversation.send("Was the boiler serviced in March?"))
    assert not conversation.messages[-1].citations
    forget(memory, history, [document.id for document in memory.index.documents()])
    again, engine = begin(["Fine."], id=conversation.id, on=False)
    again.look_up(False)
    asked(again.send("And what else?"))
    assert not any("Yes, it was" in message.content for message in engine.prompts[0])


def test_a_source_that_changed_or_vanished_is_told(begin: Begin, memory: Memory, notes: Path) -> None:
    conversation, _ = begin(["He charged 180 euros [1]."])
    asked(conversation.send("How much did the boiler service cost?"))
    (citation,) = conversation.messages[-1].citations
    assert state(citation, memory.index) == "fresh"
    (notes / "boiler.md").write_text("Nothing of it is true.\n", encoding="utf-8")
    assert state(citation, memory.index) == "changed"
    (notes / "boiler.md").unlink()
    assert state(citation, memory.index) == "vanished"


def test_facts_about_the_user_stand_in_every_prompt(begin: Begin, memory: Memory) -> None:
    memory.facts.add("My dog is called Rex.")
    conversation, engine = begin(["Rex."], on=False)
    asked(conversation.send("Hello"))
    assert "Rex" in engine.prompts[0][0].content
    conversation.look_up(True)
    recalled, text = asked(conversation.send("What is my dog called?"))
    assert text == "Rex."
    assert recalled is None or recalled.in_memory


def test_an_attached_file_is_read_whole(begin: Begin, tmp_path: Path) -> None:
    letter = tmp_path / "письмо другу.txt"
    letter.write_text("Встретимся в субботу у фонтана.\n", encoding="utf-8")
    conversation, engine = begin(["В субботу у фонтана [1]."], on=False)
    recalled, _ = asked(conversation.send("Где и когда встреча?", [letter]))
    assert recalled
    assert len(recalled.sources) == 1
    assert "у фонтана" in engine.prompts[0][-1].content
    (citation,) = conversation.messages[-1].citations
    assert Path(citation.path) == letter
    assert conversation.messages[-2].files == (str(letter),)


def test_of_a_long_attached_file_the_nearest_passages_are_read(begin: Begin, tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    chapter = "The sea was calm and the crew mended the sails all day. " * 12
    filler = "\n\n".join(f"Chapter {number}. {chapter}" for number in range(60))
    book.write_text(f"{filler}\n\nThe captain hid the key under the compass.\n\n{filler}\n", encoding="utf-8")
    conversation, engine = begin(["Under the compass [1]."], on=False)
    recalled, _ = asked(conversation.send("Where did the captain hide the key?", [book]))
    assert recalled
    assert "under the compass" in engine.prompts[0][-1].content
    assert len(engine.prompts[0][-1].content.split()) < 4096


def test_what_cannot_be_attached_is_an_error_and_the_question_stays(begin: Begin, tmp_path: Path) -> None:
    conversation, engine = begin(on=False)
    with pytest.raises(UserError, match=r"missing\.txt"):
        asked(conversation.send("What does it say?", [tmp_path / "missing.txt"]))
    assert conversation.messages[-1].text == "What does it say?"
    assert not engine.prompts


def test_a_small_window_gets_a_part_of_the_passage_around_what_was_asked(
    memory: Memory, history: History, tmp_path: Path
) -> None:
    long = tmp_path / "long.txt"
    words = "Various other matters were discussed at some length without any result. " * 40
    long.write_text(f"{words}\nThe password of the router is hidden behind the mirror.\n{words}", encoding="utf-8")
    for _ in memory.add([long]):
        pass
    engine = ScriptedEngine(["Behind the mirror [1]."], window=600)
    conversation = Conversation(engine, history, model="scripted", memory=lambda: memory)
    conversation.look_up(True)
    recalled, _ = asked(conversation.send("Where is the password of the router hidden?"))
    assert recalled
    assert "behind the mirror" in engine.prompts[0][-1].content
    assert len(engine.prompts[0][-1].content.split()) < 450
