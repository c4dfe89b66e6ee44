"""Marks on answers: what they are worth to a passage, and when they go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from assistant.memory.chunking import chunk
from assistant.memory.documents import Document
from assistant.memory.feedback import Feedback
from assistant.memory.files import Found
from assistant.memory.index import Index

MILL = "The mill on the Sura grinds rye. " * 40
SMITH = "The smith thawed the frozen wheel. " * 40


@pytest.fixture
def index() -> Iterator[Index]:
    with Index.in_memory() as index:
        index.use_embedder("test", "1", 2)
        yield index


@pytest.fixture
def feedback(index: Index) -> Feedback:
    return Feedback(index.database)


@pytest.fixture
def put(index: Index) -> Callable[..., list[int]]:
    """Writes a document; gives its chunks."""

    def put(name: str, *sections: str) -> list[int]:
        text = "\n".join(f"# Part {number}\n\n{section}\n" for number, section in enumerate(sections))
        document = Document(Path(f"/notes/{name}"), "markdown", name, text)
        chunks = chunk(document, lambda text: len(text.split()) * 2)
        vectors = [[(0, len(each.text), np.array([1, 0], np.float32))] for each in chunks]
        number = index.put("default", Found(document.path, len(text), 1), "0" * 64, document, chunks, vectors)
        return [passage.chunk_id for passage in index.texts_of(number)]

    return put


def test_marks_add_up_within_bounds(feedback, put):
    mill, smith = put("mill.md", MILL, SMITH)
    for message in range(5):
        feedback.rate(message, [mill, smith, smith], 1)
    feedback.rate(9, [smith], -1)
    assert feedback.of([mill, smith, 999]) == {mill: 3, smith: 3}
    for message in range(10, 20):
        feedback.rate(message, [mill], -1)
    assert feedback.of([mill]) == {mill: -3}
    assert feedback.of([]) == {}


def test_a_new_mark_replaces_the_last_one_of_the_answer(feedback, put):
    mill, smith = put("mill.md", MILL, SMITH)
    feedback.rate(1, [mill, smith], 1)
    feedback.rate(1, [mill], -1)
    assert feedback.of([mill, smith]) == {mill: -1}
    feedback.rate(1, [mill], 0)
    assert feedback.of([mill, smith]) == {}
    assert feedback.list() == []
    with pytest.raises(ValueError, match="5"):
        feedback.rate(1, [mill], 5)


def test_marks_are_listed_with_their_place(feedback, put):
    put("other.md", MILL)
    mill, smith = put("mill.md", MILL, SMITH)
    feedback.rate(1, [smith], -1)
    feedback.rate(2, [mill, 999], 1)
    newest, oldest = feedback.list()
    assert (newest.chunk_id, newest.message_id, newest.value, newest.path) == (mill, 2, 1, Path("/notes/other.md"))
    assert (oldest.chunk_id, oldest.path, oldest.heading) == (smith, Path("/notes/mill.md"), "Part 1")
    assert oldest.line == 5
    assert SMITH.strip() in oldest.text


def test_marks_stay_when_a_passage_is_read_again_and_go_with_it(feedback, put, index):
    mill, smith = put("mill.md", MILL, SMITH)
    feedback.rate(1, [mill, smith], 1)
    assert put("mill.md", MILL, SMITH + "Then it ran.")[0] == mill
    assert feedback.of([mill, smith]) == {mill: 1}
    index.remove_collection("default")
    assert feedback.list() == []
    assert index.counts()["feedback"] == 0


def test_reset_takes_one_passage_or_all(feedback, put):
    mill, smith = put("mill.md", MILL, SMITH)
    feedback.rate(1, [mill, smith], 1)
    feedback.rate(2, [mill], 1)
    assert feedback.reset(mill) == 2
    assert feedback.of([mill, smith]) == {smith: 1}
    assert feedback.reset() == 1
    assert feedback.list() == []
