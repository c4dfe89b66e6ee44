"""Memory in the chat: documents, sources, files in a question, facts, marks."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine

from assistant.chat.history import History
from assistant.memory import embedding
from assistant.memory.memory import Memory
from assistant.tui import viewer
from assistant.tui.prompt import Completions
from assistant.tui.sources import PassageDialog, Sources, SourcesDialog
from assistant.tui.transcript import Question
from models.errors import UserError
from models.paths import memory_file

BOILER = "The boiler was serviced on 14 March 2025 by Otto Lindqvist. He charged 180 euros and replaced the anode."
GUIDE = f"# Heating\n\nThe house has one boiler, in the cellar, behind the shelves.\n\n{BOILER}\n"
TRIP = "Бронь в гостинице Тбилиси: с 3 по 9 мая, номер 214, завтрак включён, оплачено 640 лари.\n"
ASKED = "What did the boiler service cost?"
ANSWER = ["Otto Lindqvist charged ", "180 euros [1]."]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of notes, and a memory that has read them."""
    folder = tmp_path_factory.mktemp("notes")
    (folder / "guide.md").write_text(GUIDE, encoding="utf-8")
    (folder / "поездка.txt").write_text(TRIP, encoding="utf-8")
    file = tmp_path_factory.mktemp("filled") / "memory.db"
    with Memory.open(file) as memory:
        list(memory.add([folder]))
    return folder, file


@pytest.fixture
def notes(filled: tuple[Path, Path], tmp_path: Path, home: Path) -> Path:
    """The folder; the memory of this test has read it."""
    folder, file = filled
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, memory_file())
    return folder


@pytest.fixture
def own_notes(tmp_path: Path) -> Path:
    """A folder that the test may change; memory has read it."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "guide.md").write_text(GUIDE, encoding="utf-8")
    with Memory.open() as memory:
        list(memory.add([folder]))
    return folder


@pytest.fixture
def remembering(scripted):
    """A setup with the user's memory and a history on the disk."""

    def make(engine, **changes):
        return scripted(engine, **{"memory": Memory.open, "history": History.open(), **changes})

    return make


async def asked(chat, *questions):
    for question in questions:
        await chat.send(question)
        await chat.until(lambda: chat.screen.session.busy or chat.answers, 20)
        await chat.answered()


def sources(chat):
    return "\n".join(widget.source for widget in chat.screen.query(Sources))


def cited(chat):
    """The marked part of the passage that is shown."""
    passage = chat.app.screen.query_one("#passage").content
    return "".join(str(passage[span.start : span.end]) for span in passage.spans if "$primary-muted" in str(span.style))


async def test_memory_is_switched_on_and_off_and_says_how_it_is(remembering, open_chat, notes):
    async with open_chat(remembering(ScriptedEngine())) as chat:
        await chat.send("/memory")
        await chat.until(lambda: "Memory is off" in chat.notes)
        assert "2 documents" in chat.notes
        assert "default (2)" in chat.notes
        assert "use-multilingual" in chat.notes
        await chat.send("/memory on")
        await chat.until(lambda: "memory" in chat.text.splitlines()[0])
        await chat.send("/memory on work")
        await chat.until(lambda: "no collection work" in chat.notes)
        await chat.send("/memory on default")
        await chat.until(lambda: "memory: default" in chat.text.splitlines()[0])
        await chat.pilot.press("ctrl+n")
        assert "memory: default" in chat.text.splitlines()[0]  # a new chat goes on so
        await chat.send("/memory off")
        assert "memory" not in chat.text.splitlines()[0]
        await chat.send("/memory of")
        assert "not known: of" in chat.notes


async def test_documents_are_added_while_the_chat_goes_on(remembering, open_chat, tmp_path, monkeypatch):
    seen, load = threading.Event(), embedding.load_embedder

    def wait(name: str | None = None) -> embedding.Embedder:
        assert seen.wait(60)
        return load(name)

    monkeypatch.setattr(embedding, "load_embedder", wait)
    folder = tmp_path / "two words"
    folder.mkdir()
    (folder / "guide.md").write_text(GUIDE, encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    engine = ScriptedEngine(["Yes."])
    async with open_chat(remembering(engine)) as chat:
        await chat.send("/memory on")
        await chat.until(lambda: "no documents yet" in chat.notes)
        await chat.send("/memory off")
        await chat.send(f"/memory add {folder}")
        assert "adding to memory" in chat.status
        await chat.send("/memory add x")
        assert "already" in chat.text
        await asked(chat, "Are you there?")
        assert chat.answers == ["Yes."]
        seen.set()
        await chat.until(lambda: "Added to memory" in chat.notes, 60)
        assert "1 new" in chat.notes
        assert "1 skipped" in chat.notes
        assert "broken.pdf" in chat.notes
        assert "adding" not in chat.status
        await chat.send("/memory add")
        assert "Name a file" in chat.notes


async def test_sources_stand_under_an_answer_and_open(remembering, open_chat, notes):
    engine = ScriptedEngine(ANSWER)
    async with open_chat(remembering(engine, looked_up_in="")) as chat:
        await chat.pilot.press("f3")
        assert "no sources" in chat.text
        await asked(chat, ASKED)
        assert BOILER in engine.asked[0][-1].content
        assert "[1] guide.md, line 5" in sources(chat)
        assert "F3" in sources(chat)
        assert "guide.md" in chat.text
        await chat.pilot.press("f3")
        await chat.until(lambda: isinstance(chat.app.screen, SourcesDialog))
        await chat.until(lambda: str(notes / "guide.md")[-12:] in chat.text)
        await chat.pilot.press("1")
        await chat.until(lambda: isinstance(chat.app.screen, PassageDialog))
        assert cited(chat) == "He charged 180 euros and replaced the anode."
        assert "behind the shelves" in str(chat.app.screen.query_one("#passage").content)
        await chat.pilot.press("escape", "escape")
        assert chat.app.screen is chat.screen
        await chat.pilot.press("f3")
        await chat.until(lambda: isinstance(chat.app.screen, SourcesDialog))
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, PassageDialog))


async def test_the_file_of_a_source_opens_in_the_viewer_of_the_system(remembering, open_chat, notes, monkeypatch):
    shown: list[Path] = []
    monkeypatch.setattr(viewer, "show", lambda path: not shown.append(path))
    async with open_chat(remembering(ScriptedEngine(ANSWER), looked_up_in="")) as chat:
        await asked(chat, ASKED)
        await chat.pilot.press("f3")
        await chat.until(lambda: isinstance(chat.app.screen, SourcesDialog))
        await chat.pilot.press("o")
        assert shown == [notes / "guide.md"]
        assert "Opened" in chat.text
        monkeypatch.setattr(viewer, "show", lambda path: False)
        await chat.pilot.press("1")
        await chat.until(lambda: isinstance(chat.app.screen, PassageDialog))
        await chat.pilot.press("o")
        await chat.pilot.pause()
        assert "No viewer" in chat.text


def test_only_documents_are_given_to_the_viewer(tmp_path, monkeypatch):
    if viewer._command() == "":
        pytest.skip("this system opens files without a command")
    opener = tmp_path / "opener"
    opener.write_text('#!/bin/sh\necho "$1" >> "$0.log"\n')
    opener.chmod(0o755)
    monkeypatch.setattr(viewer, "_command", lambda: str(opener))
    for name in ("письмо.md", "run.sh"):
        (tmp_path / name).touch()
    assert viewer.show(tmp_path / "письмо.md")
    assert not viewer.show(tmp_path / "run.sh")
    assert not viewer.show(tmp_path / "missing.md")
    monkeypatch.setattr(viewer, "_command", lambda: None)
    assert not viewer.show(tmp_path / "письмо.md")


async def test_sources_that_changed_or_are_gone_are_flagged(remembering, open_chat, own_notes):
    setup = remembering(ScriptedEngine(ANSWER), looked_up_in="")
    guide = own_notes / "guide.md"
    async with open_chat(setup) as chat:
        await asked(chat, ASKED)
        guide.write_text("# Heating\n\nSold.\n", encoding="utf-8")
        chat.screen.look_at_sources()
        await chat.until(lambda: "changed since" in sources(chat))
        await chat.pilot.press("f3")
        await chat.until(lambda: isinstance(chat.app.screen, SourcesDialog))
        await chat.pilot.press("1")
        await chat.until(lambda: isinstance(chat.app.screen, PassageDialog))
        assert "180 euros" in cited(chat)
        assert "what it said" in chat.text
        await chat.pilot.press("escape", "escape")
        guide.unlink()
        chat.screen.look_at_sources()
        await chat.until(lambda: "file is gone" in sources(chat))
        with Memory.open() as memory:
            memory.index.remove_collection("default")
        chat.screen.look_at_sources()
        await chat.until(lambda: "removed from memory" in sources(chat))
        await chat.pilot.press("f3")
        await chat.until(lambda: isinstance(chat.app.screen, SourcesDialog))
        await chat.pilot.press("1")
        await chat.until(lambda: isinstance(chat.app.screen, PassageDialog))
        assert "its text with it" in chat.text


async def test_sources_survive_a_retry_and_a_restart(remembering, open_chat, notes):
    setup = remembering(ScriptedEngine(ANSWER, ["It was 180 euros [1]."]), looked_up_in="")
    async with open_chat(setup) as chat:
        await asked(chat, ASKED, "/retry")
        await chat.until(lambda: chat.answers == ["It was 180 euros [1]."])
        assert sources(chat).count("[1] guide.md") == 1
    async with open_chat(remembering(ScriptedEngine(), conversation=setup.history.latest())) as chat:
        assert "memory" in chat.text.splitlines()[0]
        assert "[1] guide.md" in sources(chat)
        await chat.pilot.press("f3")
        await chat.until(lambda: isinstance(chat.app.screen, SourcesDialog))
        await chat.pilot.press("escape", "ctrl+n")
        await chat.until(lambda: chat.questions == [])
        assert "memory" in chat.text.splitlines()[0]  # a new chat goes on like the one before it


async def test_what_no_source_says_is_named(remembering, open_chat, notes):
    engine = ScriptedEngine(["Otto Lindqvist charged 990 euros [1]. See also [7]."])
    async with open_chat(remembering(engine, looked_up_in="")) as chat:
        await asked(chat, ASKED)
        assert "has no 990" in sources(chat)
        assert "charged 990 euros" in sources(chat)
        assert "[7] names no source" in sources(chat)


async def test_what_is_not_in_memory_is_told_with_the_way_to_the_model(remembering, open_chat, notes):
    engine = ScriptedEngine(["Paris."])
    async with open_chat(remembering(engine, looked_up_in="")) as chat:
        await asked(chat, "Who painted the ceiling of the Sistine Chapel?")
        assert chat.answers == ["Not in memory."]
        assert engine.asked == []
        assert "/memory off" in chat.notes
        assert sources(chat) == ""
        await chat.send("/memory off")
        await asked(chat, "/retry")
        await chat.until(lambda: chat.answers == ["Paris."])


async def test_a_file_in_a_question(remembering, open_chat, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "My letter.txt").write_text("The rent will be 742 euros from May on.\n", encoding="utf-8")
    (tmp_path / "my other.md").touch()
    engine = ScriptedEngine(["It will be 742 euros [1]."])
    async with open_chat(remembering(engine)) as chat:
        await chat.type("What is in @my")
        shown = chat.screen.query_one(Completions)
        await chat.until(lambda: shown.display)
        assert "My letter.txt" in chat.text
        assert "my other.md" in chat.text
        chat.screen.prompt.write('How high is the rent in @"my l')
        await chat.pilot.press("tab")
        await chat.until(lambda: chat.screen.prompt.text == 'How high is the rent in @"My letter.txt" ')
        await chat.pilot.press("enter")
        await chat.until(lambda: chat.answers, 60)
        await chat.answered()
        assert "742 euros" in engine.asked[0][-1].content
        assert [widget.attached for widget in chat.screen.query(Question)] == ["with My letter.txt"]
        assert "with My letter.txt" in chat.text
        assert "[1] My letter.txt, line 1" in sources(chat)
        await chat.pilot.press("f3")
        await chat.until(lambda: isinstance(chat.app.screen, SourcesDialog))
        await chat.pilot.press("1")
        await chat.until(lambda: isinstance(chat.app.screen, PassageDialog))
        assert "742 euros" in cited(chat)


@pytest.mark.parametrize("name", ["missing.txt", "empty.md", "bytes.txt"])
async def test_a_question_whose_file_cannot_be_read_stays_in_the_prompt(remembering, open_chat, tmp_path, name):
    (tmp_path / "empty.md").touch()
    (tmp_path / "bytes.txt").write_bytes(bytes(range(256)) * 40)
    engine = ScriptedEngine()
    question = f"What is in @{tmp_path / name} then?"
    async with open_chat(remembering(engine)) as chat:
        await chat.send(question)
        await chat.until(lambda: name in chat.notes)
        assert "still in the prompt" in chat.notes
        assert chat.screen.prompt.text == question
        assert chat.questions == []
        assert not chat.screen.session.busy


async def test_paths_of_memory_add_are_completed(remembering, open_chat, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "мои записи").mkdir()
    (tmp_path / "мои записи" / "one.md").write_text("One.")
    async with open_chat(remembering(ScriptedEngine())) as chat:
        chat.screen.prompt.write("/memory add мо")
        await chat.pilot.press("tab")
        await chat.until(lambda: chat.screen.prompt.text == "/memory add мои записи/")
        await chat.pilot.press("tab")
        await chat.until(lambda: chat.screen.prompt.text == "/memory add мои записи/one.md")
        await chat.pilot.press("enter")
        await chat.until(lambda: "1 new" in chat.notes, 60)


async def test_facts_about_the_user(remembering, open_chat):
    engine = ScriptedEngine(["Hello."])
    async with open_chat(remembering(engine)) as chat:
        await chat.send("/facts")
        await chat.until(lambda: "/remember TEXT" in chat.notes)
        await chat.send("/remember I am allergic to walnuts")
        await chat.until(lambda: "Remembered as 1" in chat.notes)
        await chat.send("/remember My cat is called Bublik")
        await chat.until(lambda: "Remembered as 2" in chat.notes)
        await chat.send("/facts edit 2 My dog is called Bublik")
        await chat.until(lambda: "My dog is called Bublik" in chat.notes)
        await asked(chat, "Hi")
        assert "allergic to walnuts" in engine.asked[0][0].content
        assert "dog" in engine.asked[0][0].content
        await chat.send("/forget walnuts")
        await chat.until(lambda: "Forgotten: I am allergic" in chat.notes)
        await chat.send("/forget 2")
        await chat.until(lambda: "Forgotten: My dog" in chat.notes)
        await chat.send("/forget 2")
        await chat.until(lambda: "no such fact: 2" in chat.notes)
        for command, said in (("/forget", "Say what to forget"), ("/remember", "Say what to remember")):
            await chat.send(command)
            assert said in chat.notes
        await chat.send("/facts edit two x")
        assert "To change one" in chat.notes


async def test_marks_on_an_answer(remembering, open_chat, notes):
    async with open_chat(remembering(ScriptedEngine(ANSWER), looked_up_in="")) as chat:
        await chat.send("/good")
        await chat.pilot.pause()
        assert "no sources to mark" in chat.text
        await asked(chat, ASKED)
        await chat.pilot.press("f7")
        await chat.until(lambda: "▲" in sources(chat))
        await chat.pilot.press("f8")
        await chat.until(lambda: "▼" in sources(chat))
        await chat.send("/memory feedback")
        await chat.until(lambda: "▼ -1 guide.md" in chat.notes)
        await chat.send("/bad")
        await chat.until(lambda: "▼" not in sources(chat))
        await chat.send("/good")
        await chat.until(lambda: "▲" in sources(chat))
        await chat.send("/memory feedback reset")
        await chat.until(lambda: "▲" not in sources(chat))
        await chat.send("/memory feedback")
        await chat.until(lambda: "No answer was marked" in chat.notes)


async def test_a_chat_that_is_not_saved_keeps_no_marks(remembering, open_chat, notes):
    setup = remembering(ScriptedEngine(ANSWER), looked_up_in="", history=History.in_memory())
    async with open_chat(setup) as chat:
        await asked(chat, ASKED)
        await chat.pilot.press("f7")
        await chat.until(lambda: "not saved" in chat.text)
        assert "▲" not in sources(chat)


async def test_a_memory_that_cannot_be_opened_does_not_stop_the_chat(remembering, open_chat):
    def broken() -> Memory:
        raise UserError("The memory is damaged.", "Run a check.")

    async with open_chat(remembering(ScriptedEngine(["Yes."]), memory=broken)) as chat:
        await asked(chat, "Are you there?")
        assert chat.answers == ["Yes."]
        for command in ("/memory", "/facts", "/memory add ."):
            before = chat.notes.count("The memory is damaged.")
            await chat.send(command)
            await chat.until(lambda before=before: chat.notes.count("The memory is damaged.") == before + 1)
    async with open_chat(remembering(ScriptedEngine(), memory=None)) as chat:
        await chat.send("/memory on")
        await chat.until(lambda: "no memory" in chat.notes)


async def test_russian(remembering, open_chat, notes):
    engine = ScriptedEngine(["Номер 214 [1]. Завтрак стоит 99 лари [1]."])
    async with open_chat(remembering(engine, language="ru", looked_up_in="")) as chat:
        await asked(chat, "Какой номер в гостинице в Тбилиси?")
        assert "память" in chat.text.splitlines()[0]
        assert "[1] поездка.txt, строка 1" in sources(chat)
        assert "нет 99" in sources(chat)
        await chat.send("/remember Меня зовут Алла")
        await chat.until(lambda: "Запомнено под номером 1" in chat.notes)
        await chat.pilot.press("f3")
        await chat.until(lambda: "Источники" in chat.text and "Enter или 1–9" in chat.text)
