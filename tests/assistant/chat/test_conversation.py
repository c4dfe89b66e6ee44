"""Conversations: what reaches the prompt, what reaches the disk, and what survives."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_answers import ScriptedEngine, words

from assistant.chat.conversation import Compacted, Conversation, Event
from assistant.chat.history import History, HistoryError
from assistant.chat.record import title_of
from assistant.engine.engine import Delta, GenerateOptions, Message, Progress, Result
from models.errors import DoesNotFit, ModelError, UsageError, UserError


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History(tmp_path / "history.db") as history:
        yield history


def ask(conversation: Conversation, text: str) -> Result:
    return finish(conversation.send(text))


def finish(events: Iterator[Event]) -> Result:
    *_, last = events
    assert isinstance(last, Result)
    return last


def roles(prompt: list[Message]) -> str:
    return "".join(message.role[0] for message in prompt)


def test_a_turn_is_stored_with_what_it_cost(history: History) -> None:
    conversation = Conversation(ScriptedEngine(["It is ", "blue."]), history, model="m", system="Be brief.")
    assert conversation.id is None
    assert history.conversations() == []
    result = ask(conversation, "Why is the sky blue?\nReally.")
    assert conversation.id is not None
    stored = history.load(conversation.id)
    assert (stored.title, stored.model, stored.system) == ("Why is the sky blue?", "m", "Be brief.")
    question, answer = stored.messages
    assert (question.role, question.text, question.status) == ("user", "Why is the sky blue?\nReally.", "complete")
    assert (answer.role, answer.text, answer.status, answer.model) == ("assistant", "It is blue.", "complete", "m")
    assert (answer.prompt_tokens, answer.completion_tokens) == (result.prompt_tokens, 3)
    assert answer.finish_reason == "stop"
    assert answer.timings == result.timings
    assert [m.text for m in conversation.messages] == [m.text for m in stored.messages]


def test_the_question_is_saved_before_the_answer_is_asked_for(history: History) -> None:
    conversation = Conversation(ScriptedEngine(), history, model="m")
    conversation.send("Saved?")
    assert conversation.id is not None
    assert [m.text for m in history.load(conversation.id).messages] == ["Saved?"]


def test_loading_is_told_and_timed(history: History) -> None:
    events = list(Conversation(ScriptedEngine(), history, model="m").send("Hello"))
    assert events[0] == Progress("load", 100, 100)
    assert isinstance(events[-1], Result)
    assert events[-1].timings.load_seconds > 0


def test_turns_build_on_each_other_and_reopen(history: History) -> None:
    engine = ScriptedEngine(["One."], ["Two."], ["Three."])
    first = Conversation(engine, history, model="m", system="S")
    ask(first, "1?")
    ask(first, "2?")
    assert first.id is not None
    again = Conversation.open(engine, history, first.id, model="other")
    assert again.system == "S"
    ask(again, "3?")
    assert [m.content for m in engine.prompts[-1]] == ["S", "1?", "One.", "2?", "Two.", "3?"]
    assert history.load(first.id).model == "other"


def test_cancel_keeps_the_half_answer_in_the_prompt(history: History) -> None:
    engine = ScriptedEngine(["half ", "of ", "it"], ["Yes."])
    conversation = Conversation(engine, history, model="m")
    for event in conversation.send("Go"):
        if isinstance(event, Delta):
            conversation.cancel()
    assert conversation.messages[-1].status == "interrupted"
    ask(conversation, "And?")
    assert [m.content for m in engine.prompts[-1]] == ["Go", "half ", "And?"]


def test_a_cancel_before_the_first_word_drops_the_turn_from_the_prompt(history: History) -> None:
    engine = ScriptedEngine(["never"], ["Yes."])
    conversation = Conversation(engine, history, model="m")
    events = conversation.send("Slip")
    conversation.cancel()
    assert finish(events).finish_reason == "cancelled"
    ask(conversation, "Meant")
    assert [m.content for m in engine.prompts[-1]] == ["Meant"]
    assert conversation.messages[0].text == "Slip"


def test_closing_the_iterator_keeps_the_half_answer(history: History) -> None:
    conversation = Conversation(ScriptedEngine(["half ", "more"]), history, model="m")
    events = conversation.send("Go")
    for event in events:
        if isinstance(event, Delta):
            break
    events.close()  # type: ignore[attr-defined]
    assert conversation.id is not None
    answer = history.load(conversation.id).messages[-1]
    assert (answer.text, answer.status) == ("half ", "interrupted")


@pytest.mark.parametrize("said", [["half "], []])
def test_an_engine_that_fails_leaves_what_it_said(history: History, said: list[str]) -> None:
    class EngineDied(UserError):
        pass

    engine = ScriptedEngine(["One."], [*said, EngineDied("The engine's process ended.")], ["Back."])
    conversation = Conversation(engine, history, model="m")
    ask(conversation, "1?")
    with pytest.raises(EngineDied):
        list(conversation.send("2?"))
    assert conversation.id is not None
    failed = history.load(conversation.id).messages[-1]
    assert (failed.text, failed.status) == ("".join(said), "failed")
    ask(conversation, "3?")
    assert roles(engine.prompts[-1]) == ("uauau" if said else "uau")


def test_a_model_that_does_not_load_loses_no_question(history: History) -> None:
    class Unusable(ScriptedEngine):
        def load(self, on_progress: object = None) -> object:  # type: ignore[override]
            raise ModelError("The file is damaged.")

    conversation = Conversation(Unusable(), history, model="m")
    with pytest.raises(ModelError, match="damaged"):
        list(conversation.send("Kept?"))
    conversation.use(ScriptedEngine(["Kept."]), "other")
    assert finish(conversation.retry()).text == "Kept."
    assert [m.text for m in conversation.messages] == ["Kept?", "Kept."]


def test_retry_answers_again_and_keeps_the_old_answer_in_the_database(history: History) -> None:
    engine = ScriptedEngine(["One."], ["Bad."], ["Good."])
    conversation = Conversation(engine, history, model="m")
    ask(conversation, "1?")
    ask(conversation, "2?")
    assert finish(conversation.retry()).text == "Good."
    assert engine.prompts[-1] == engine.prompts[-2]
    assert [m.text for m in conversation.messages] == ["1?", "One.", "2?", "Good."]
    assert conversation.id is not None
    assert [(m.text, m.active) for m in history.load(conversation.id).messages][3:] == [
        ("Bad.", False),
        ("Good.", True),
    ]


def test_edit_and_undo(history: History) -> None:
    engine = ScriptedEngine(["One."], ["Two."], ["Other."])
    conversation = Conversation(engine, history, model="m")
    ask(conversation, "1?")
    ask(conversation, "2?")
    finish(conversation.edit_last("2, please?"))
    assert [m.content for m in engine.prompts[-1]] == ["1?", "One.", "2, please?"]
    assert conversation.undo() == "2, please?"
    assert [m.text for m in conversation.messages] == ["1?", "One."]
    assert conversation.undo() == "1?"
    for again in (conversation.undo, conversation.retry, lambda: conversation.edit_last("x")):
        with pytest.raises(UsageError, match="Nothing was asked"):
            again()
    assert conversation.id is not None
    assert len(history.load(conversation.id).messages) == 6


def test_two_windows_on_one_chat(history: History) -> None:
    engine = ScriptedEngine(["One."], ["Two."], ["Three."])
    here = Conversation(engine, history, model="m")
    ask(here, "1?")
    assert here.id is not None
    assert history.path is not None
    with History(history.path) as other:
        ask(Conversation.open(engine, other, here.id, model="m"), "2?")
    ask(here, "3?")
    assert [m.content for m in engine.prompts[-1]] == ["1?", "One.", "2?", "Two.", "3?"]


def test_a_chat_removed_meanwhile(history: History) -> None:
    conversation = Conversation(ScriptedEngine(), history, model="m")
    ask(conversation, "1?")
    assert conversation.id is not None
    history.remove(conversation.id)
    with pytest.raises(HistoryError, match="no chat 1"):
        conversation.send("2?")


def test_titles() -> None:
    assert title_of("\n  Short  \nsecond") == "Short"
    long = title_of("Составь подробный план поездки в Казань на два дня с детьми и бабушкой")
    assert len(long) <= 60
    assert long.endswith("…")
    assert long[:-1].strip() in "Составь подробный план поездки в Казань на два дня с детьми и бабушкой"
    assert len(title_of("x" * 500)) <= 60


def test_title_and_system_can_be_set(history: History) -> None:
    conversation = Conversation(ScriptedEngine(), history, model="m")
    conversation.title = "Mine"
    ask(conversation, "1?")
    conversation.system = "New"
    assert conversation.id is not None
    assert (history.load(conversation.id).title, history.load(conversation.id).system) == ("Mine", "New")
    conversation.title = "Other"
    assert history.load(conversation.id).title == "Other"


def test_counting_is_rare(history: History) -> None:
    engine = ScriptedEngine(["word " * 50])
    conversation = Conversation(engine, history, model="m")
    for number in range(5):
        ask(conversation, f"question {number}")
    before = engine.counted
    ask(conversation, "another one")
    assert engine.counted - before == 1  # the question; the rest was counted by the engine itself


def test_the_budget_adds_up(history: History) -> None:
    engine = ScriptedEngine(["word " * 20], window=1000)
    conversation = Conversation(engine, history, model="m", system="You are brief.", options=GenerateOptions())
    empty = conversation.budget()
    assert (empty.window, empty.history, empty.question, empty.reply) == (1000, 0, 0, 250)
    assert empty.system > 3
    result = ask(conversation, "Why?")
    after = conversation.budget("And what about this?")
    assert after.question == 4
    assert after.used >= result.prompt_tokens + result.completion_tokens
    assert after.used + after.reply + after.free == after.window
    conversation.options = GenerateOptions(max_tokens=30)
    assert conversation.budget().reply == 30


def test_compaction_is_seen_stored_and_undone(history: History) -> None:
    answers = [[f"answer{n} " * 60] for n in range(3)]
    engine = ScriptedEngine(*answers, ["Last."], window=400, summary=["They spoke ", "of three things."])
    conversation = Conversation(engine, history, model="m", system="S", options=GenerateOptions(max_tokens=90))
    for number in range(3):
        ask(conversation, f"question{number} " * 40)
    events = list(conversation.send("What now?"))
    compacted = next(event for event in events if isinstance(event, Compacted))
    assert compacted.note == "They spoke of three things."
    assert compacted.tokens_before > compacted.tokens_after
    assert compacted.removed_messages == 4
    assert not any(isinstance(event, Delta) and "spoke" in event.text for event in events)
    read = "".join(summary[-1].content for summary in engine.summaries)
    assert (read.count("question0"), read.count("answer0"), read.count("answer1")) == (40, 60, 60)
    final = engine.prompts[-1]
    assert final[0].role == "system"
    assert final[0].content.startswith("S\n\n")
    assert compacted.note in final[0].content
    assert [m.content.split()[0] for m in final[1:]] == ["question2", "answer2", "What"]
    assert conversation.id is not None
    stored = history.load(conversation.id)
    assert [m.role[0] for m in stored.messages] == list("uauauauna")
    assert all(m.active for m in stored.messages)
    assert max(m.prompt_tokens or 0 for m in stored.messages) <= 400
    # Taking back what the note tells of takes the note back too.
    conversation.undo()
    assert any(m.role == "note" for m in conversation.messages)
    conversation.undo()
    conversation.undo()
    assert not any(m.role == "note" for m in conversation.messages)


def test_turns_longer_than_the_window_are_summarized_part_by_part(history: History) -> None:
    id = history.create("Long", "m")
    for number in range(4):
        history.add_message(id, "user", f"question{number}")
        history.add_message(id, "assistant", " ".join(f"word{number}-{place}" for place in range(500)))
    engine = ScriptedEngine(["Fine."], window=800, summary=["- a line\n"])
    events = list(Conversation.open(engine, history, id, model="m").send("And now?"))
    compacted = next(event for event in events if isinstance(event, Compacted))
    assert len(engine.summaries) > 3
    assert all(words(summary) < 800 for summary in engine.summaries)
    read = " ".join(summary[-1].content for summary in engine.summaries).split()
    left = engine.prompts[-1][1:]
    for number in range(4 - len(left) // 2):
        assert [word for word in read if word.startswith(f"word{number}-")] == [f"word{number}-{n}" for n in range(500)]
    assert compacted.note == "\n".join(["- a line"] * len(engine.summaries))


def test_a_note_that_grew_too_long_is_condensed(history: History) -> None:
    id = history.create("Long", "m")
    for number in range(3):
        history.add_message(id, "user", f"question{number}")
        history.add_message(id, "assistant", "word " * 100)
    engine = ScriptedEngine(["Fine."], window=400, summary=["- a line of the note", " and more" * 30])
    events = list(Conversation.open(engine, history, id, model="m").send("And now?"))
    compacted = next(event for event in events if isinstance(event, Compacted))
    assert "Here are notes" in engine.summaries[-1][-1].content
    assert compacted.note.count("- a line") == 1


def test_a_cancel_while_compacting_changes_nothing(history: History) -> None:
    engine = ScriptedEngine(["answer " * 200], window=400, summary=["Sum", "mary"])
    conversation = Conversation(engine, history, model="m")
    ask(conversation, "1?")
    for event in conversation.send("2? " * 100):
        if engine.summaries and isinstance(event, Progress):
            conversation.cancel()
    assert isinstance(event, Result)
    assert event.finish_reason == "cancelled"
    assert len(engine.prompts) == 1
    assert not any(m.role == "note" for m in conversation.messages)


def test_a_question_that_cannot_fit_is_kept_and_harms_nothing(history: History) -> None:
    engine = ScriptedEngine(["One."], ["Two."], window=300)
    conversation = Conversation(engine, history, model="m")
    ask(conversation, "1?")
    with pytest.raises(DoesNotFit, match=r"506 tokens.*window has 300") as caught:
        list(conversation.send("long " * 500))
    assert caught.value.exit_code == 4
    assert caught.value.hint
    assert conversation.messages[-1].text == "long " * 500
    ask(conversation, "2?")
    assert [m.content for m in engine.prompts[-1]] == ["1?", "One.", "2?"]


def test_a_full_disk_loses_no_answer(history: History) -> None:
    engine = ScriptedEngine(["word " * 40_000], ["Two."])
    conversation = Conversation(engine, history, model="m", options=GenerateOptions())
    events = conversation.send("1?")
    pages = history._db.rows("PRAGMA page_count")[0][0]
    history._db.rows(f"PRAGMA max_page_count = {pages + 2}")
    seen: list[Event] = []
    with pytest.raises(HistoryError, match="disk is full"):
        seen.extend(events)
    assert isinstance(seen[-1], Result)
    assert conversation.messages[-1].text == "word " * 40_000
    history._db.rows("PRAGMA max_page_count = 1000000")
    engine.window = 100_000
    conversation.use(engine, "m")
    ask(conversation, "2?")
    assert conversation.id is not None
    assert history.load(conversation.id).messages[1].text == "word " * 40_000


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from scripted_answers import ScriptedEngine
from assistant.chat.conversation import Conversation
from assistant.chat.history import History
steps = []
for number in range(100):
    steps += [f"w{{number}} ", 0.016]
steps += [60.0]
conversation = Conversation(ScriptedEngine(["First."], steps), History(Path({database!r})), model="m")
for question in ("1?", "2?"):
    for event in conversation.send(question):
        if getattr(event, "text", None):
            print(event.text, flush=True)
"""


@pytest.mark.parametrize("until", [80, 99])
def test_a_kill_in_the_middle_costs_a_second_at_most(tmp_path: Path, until: int) -> None:
    database = tmp_path / "history.db"
    code = KILLED.format(here=str(Path(__file__).parent), database=str(database))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said: list[tuple[float, str]] = []
    for line in child.stdout:
        said.append((time.monotonic(), line.strip()))
        if line.strip() == f"w{until}":
            break
    if until == 99:
        time.sleep(1.1)  # the engine stalls: what it said before must not wait for its next word
    killed = time.monotonic()
    with History(database) as history:  # another window looks while it is being written
        assert history.load(1).messages[-1].status == "streaming"
    child.send_signal(signal.SIGKILL)
    child.wait()
    with History(database) as history:
        stored = history.load(1).messages
    assert [m.status for m in stored] == ["complete", "complete", "complete", "interrupted"]
    kept = stored[-1].text.split()
    due = [word for when, word in said if word.startswith("w") and killed - when > 1.0]
    assert kept[: len(due)] == due
