"""Labels for records: what the model is shown, what is asked once, and whose label a record gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from assistant.engine.engine import GenerateOptions
from assistant.tasks.agreement import Labels
from assistant.tasks.answering import Answer
from assistant.tasks.asking import Asking
from assistant.tasks.batching.records import Record
from assistant.tasks.batching.running import Task
from assistant.tasks.labelling import (
    Given,
    choose_examples,
    compare,
    filled_of,
    given_labels,
    labelled,
    learn_from,
    least_certain,
    to_review,
    truth_of,
)
from models.errors import UsageError, UserError

LABELS = Labels(["bug", "wish"])


def records(*texts: str, truth: str = "") -> list[Record]:
    cells = truth.split() if truth else [""] * len(texts)
    return [Record(i, f"line {i + 2}", text, {"text": text, "truth": cells[i]}) for i, text in enumerate(texts)]


def answer(bug: float) -> Answer:
    shares = {"bug": bug, "wish": 1 - bug}
    best = max(shares, key=lambda label: shares[label])
    return Answer(best, probability=shares[best], probabilities=shares)


class Scripted:
    """A worker to which every text with an exclamation mark is a bug, the surer the longer it is."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answers(self, tasks: Iterator[Task]) -> Iterator[tuple[int, Answer | UserError]]:
        for task in tasks:
            text = task.record.text
            self.asked.append(text)
            surety = 0.5 + min(len(text), 40) / 100
            yield (
                task.number,
                UserError("too long") if text == "long" else answer(surety if "!" in text else 1 - surety),
            )

    def cancel(self) -> None:
        pass


class Letters:
    """Texts as how often they have each letter."""

    name, version, dims, whole_chunks = "letters", "1", 128, False

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def passages(self, texts: list[str]) -> NDArray[np.float32]:
        counts = np.array(
            [np.bincount([ord(char) % 128 for char in text], minlength=128) for text in texts], np.float32
        )
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    def query(self, text: str) -> NDArray[np.float32]:
        return self.passages([text])[0]


def test_examples_are_balanced_and_bounded() -> None:
    given = [Given(f"it broke {i}", "bug") for i in range(9)] + [
        Given("please add it", "wish"),
        Given("w " * 90, "wish"),
    ]
    count = lambda text: len(text.split())  # noqa: E731
    chosen = choose_examples(given, LABELS, [], count, 400)
    assert [each.label for each in chosen] == ["bug", "wish", "bug", "bug", "bug"]
    assert "w " * 90 not in [each.text for each in chosen]
    assert len(choose_examples(given, LABELS, [], count, 28)) == 2  # one turn, then there is no room
    assert choose_examples(given, LABELS, [], count, 8) == []
    # what is to be labelled anyway comes last: an example cannot be scored
    preferred = choose_examples(given, LABELS, [f"It  broke {i}" for i in range(5)], count, 400)
    assert [each.text[-1] for each in preferred if each.label == "bug"] == ["5", "6", "7", "8"]


def test_own_examples_stand_in_the_prompt_with_the_guidelines_once() -> None:
    filled = filled_of(
        LABELS, "bug: it is broken. wish: something new.", [Given("it hums", "bug"), Given("add", "wish")]
    )
    prompt = filled.messages("the lamp flickers")
    shown = "\n".join(message.content for message in prompt)
    assert [message.content for message in prompt if message.role == "assistant"] == ["bug", "wish"]
    assert shown.count("it is broken") == 2  # with the first example and with the item
    assert "as above" in shown
    assert "tomatoes" not in shown  # of the template's own examples
    assert "что говорит её название" in filled_of(LABELS).messages("лампа мигает")[-1].content


def test_a_label_with_a_comma_stands_in_quotes() -> None:
    prompt = filled_of(Labels(["yes, gladly", "yes"])).messages("Coming?")[-1].content
    assert 'Labels: "yes, gladly", yes\n' in prompt


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    def ask(texts: list[str], guidelines: str = "") -> tuple[Asking, list[str]]:
        asking, worker = Asking(filled_of(LABELS, guidelines), GenerateOptions(), "model", tmp_path), Scripted()
        told = list(asking.ask(texts, [worker], threading.Event()))
        assert told[-1][0] == told[-1][1] == len(set(texts))
        return asking, worker.asked

    asking, asked = ask(["broken!", "add it", "broken!", "long"])
    assert sorted(asked) == ["add it", "broken!", "long"]
    assert asking.answers["long"] == "too long"
    found = asking.answers["broken!"]
    assert isinstance(found, Answer)
    assert (found.text, found.probabilities) == ("bug", pytest.approx({"bug": 0.57, "wish": 0.43}))
    again, asked = ask(["new!", "add it", "broken!"])
    assert asked == ["new!"]
    assert again.answers["broken!"] == found
    _, asked = ask(["broken!"], "other guidelines")
    assert asked == ["broken!"]
    assert all(b"broken!" not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_person_comes_before_the_model() -> None:
    rows = labelled(
        records("shown", "corrected ", "asked", "failed"),
        {"corrected ": answer(0.9), "asked": answer(0.3), "failed": "does not fit"},
        [Given("shown", "bug")],
        [Given("CORRECTED", "wish")],
    )
    assert [(row.label, row.by) for row in rows] == [
        ("bug", "example"), ("wish", "correction"), ("wish", "model"), (None, "model"),
    ]  # fmt: skip
    assert rows[1].model == "bug"
    assert rows[3].problem == "does not fit"
    assert least_certain(rows) == [rows[2]]


def test_a_text_is_to_be_looked_at_once() -> None:
    given = records("sure", "unsure", "Unsure ", "so so", "unsure")
    answers = {"sure": answer(0.99), "unsure": answer(0.6), "Unsure ": answer(0.55), "so so": answer(0.7)}
    assert [row.record.text for row in to_review(labelled(given, answers), 2)] == ["Unsure ", "so so"]


def test_compared_with_people_only_where_the_program_labelled() -> None:
    given = records("a", "b", "c", "d", "e", truth="bug BUG wish wish bug")
    given[4].values["truth"] = " "
    truth = truth_of(given, "truth", LABELS, "in.csv")
    assert truth == ["bug", "bug", "wish", "wish", None]
    answers = {"a": answer(0.9), "b": answer(0.4), "c": answer(0.8), "d": "too long", "e": answer(0.9)}
    compared = compare(labelled(given, answers, [], [Given("a", "bug")]), truth, LABELS)
    assert compared.agreement.matrix == ((0, 1), (1, 0))
    assert [(row.record.text, said) for row, said in compared.disagree] == [("b", "bug"), ("c", "wish")]
    assert (compared.without_truth, compared.by_person, compared.failed) == (1, 1, 1)


def test_labels_that_there_are_not_are_named() -> None:
    with pytest.raises(UsageError, match=r"in\.csv has labels that are not among bug, wish: 'bugg' \(2\)"):
        truth_of(records("a", "b", "c", truth="bugg bugg wish"), "truth", LABELS, "in.csv")
    given, contradicted = given_labels(
        records("a", "A", "b", "c", truth="bug wish Wish bug"), "truth", LABELS, "in.csv"
    )
    assert (given, contradicted) == ([Given("b", "wish"), Given("c", "bug")], 1)


def test_what_was_learnt_labels_what_the_model_is_no_surer_of() -> None:
    """The probe was measured where the model is unsure; a row of which it is surer keeps its label."""
    broken, wished = ([f"{word * 4} {i}" for i in range(10)] for word in ("zzz", "qqq"))
    corrections = [*(Given(text, "bug") for text in broken), *(Given(text, "wish") for text in wished)]
    answers = {each.text: answer(0.4) for each in corrections}  # always a wish
    learnt = learn_from(corrections, answers, [], LABELS, Letters)
    assert (learnt.used, learnt.n) == ("probe", 20)
    answers |= {"zzz": answer(0.41), "zz": answer(0.02)}
    rows = labelled(records("zzz", "zz", "zzzzzzzzzzzz 3"), answers, [], corrections, learnt, Letters())
    assert [(row.label, row.by) for row in rows] == [("bug", "probe"), ("wish", "model"), ("bug", "correction")]
    assert rows[0].model == "wish"
    # examples that the model saw are no test of it
    assert learn_from(corrections, answers, corrections[:15], LABELS, Letters).n == 5
