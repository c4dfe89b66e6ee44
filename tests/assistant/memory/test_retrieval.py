"""Questions to passages, with the default embedder and a real index."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assistant.memory.embedding import Embedder, load_embedder
from assistant.memory.feedback import Feedback
from assistant.memory.index import Filter, Index
from assistant.memory.ingest import add
from assistant.memory.rerank import Features, scale_of
from assistant.memory.retrieval import Hit, Retriever
from assistant.memory.stemming import stems

DATA = json.loads((Path(__file__).parents[3] / "benchmarks" / "data" / "notes.json").read_text(encoding="utf-8"))

Make = Callable[[Mapping[str, str]], Index]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder(threads=1)


def _index(folder: Path, embedder: Embedder, texts: Mapping[str, str]) -> Index:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    index = Index.in_memory()
    list(add(index, lambda: embedder, [folder]))
    return index


@pytest.fixture(scope="module")
def notes(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    texts = {f"{note['language']}/{note['id']}.md": f"# {note['title']}\n\n{note['text']}\n" for note in DATA["notes"]}
    with _index(tmp_path_factory.mktemp("notes"), embedder, texts) as index:
        yield index


@pytest.fixture
def make(embedder: Embedder, tmp_path: Path) -> Iterator[Make]:
    made: list[Index] = []

    def build(texts: Mapping[str, str]) -> Index:
        made.append(_index(tmp_path / "documents", embedder, texts))
        return made[-1]

    yield build
    for index in made:
        index.close()


def _names(hits: tuple[Hit, ...]) -> list[str]:
    return [hit.passage.path.stem for hit in hits]


@pytest.mark.parametrize(
    ("question", "note"),
    [
        ("How early must I announce that I am moving out?", "landlord"),
        ("At what mileage is maintenance of my automobile scheduled again?", "carservice"),
        ("Какое лекарство мне прописали от гипертонии?", "davlenie"),
        ("Что дарим отцу на торжество?", "yubiley"),
    ],
)
def test_a_question_in_other_words_finds_its_note(notes: Index, embedder: Embedder, question: str, note: str) -> None:
    found = Retriever(notes, embedder).search(question, limit=5)
    assert note in _names(found.hits)
    assert found.confident
    hit = found.hits[_names(found.hits).index(note)]
    assert hit.bm25 is None
    assert hit.cosine_rank is not None


@pytest.mark.parametrize(
    ("question", "note"),
    [
        ("When is the mortgage payment taken from my account?", "ipoteka"),
        ("Какой срок уведомления, если съезжаю с квартиры?", "landlord"),
    ],
)
def test_a_question_finds_a_note_in_the_other_language(
    notes: Index, embedder: Embedder, question: str, note: str
) -> None:
    found = Retriever(notes, embedder).search(question, limit=5)
    assert note in _names(found.hits)
    assert found.confident


@pytest.mark.parametrize("language", ["en", "ru"])
def test_most_paraphrases_are_found(notes: Index, embedder: Embedder, language: str) -> None:
    retriever = Retriever(notes, embedder)
    asked = DATA["paraphrases"][language]
    found = sum(each["note"] in _names(retriever.search(each["question"], limit=5).hits) for each in asked)
    assert found >= 0.7 * len(asked)


def test_the_paraphrases_share_no_word_with_their_notes() -> None:
    notes = {note["id"]: set(stems(f"{note['title']} {note['text']}")) for note in DATA["notes"]}
    assert len(notes) == 60
    for language in ("en", "ru"):
        assert len(DATA["paraphrases"][language]) == len(DATA["unanswerable"][language]) == 40
        for each in DATA["paraphrases"][language]:
            assert not notes[each["note"]] & set(stems(each["question"])), each


@pytest.mark.parametrize("query", ["asdf qwer zxcv", "", "!!!", "the of and", "What is the boiling point of nitrogen?"])
def test_memory_has_nothing_about_nonsense(notes: Index, embedder: Embedder, query: str) -> None:
    assert not Retriever(notes, embedder).search(query).confident


def test_an_empty_memory_has_nothing(embedder: Embedder) -> None:
    with Index.in_memory() as index:
        found = Retriever(index, embedder).search("When does the lease end?")
    assert (found.hits, found.confident) == ((), False)


def test_words_of_a_note_find_it_and_its_sentence(notes: Index, embedder: Embedder) -> None:
    found = Retriever(notes, embedder).search("What does error E18 of the washing machine mean?")
    first = found.hits[0]
    assert first.passage.path.stem == "washing"
    assert found.confident
    assert first.bm25_rank == 1
    assert first.score > 0.8
    assert "E18" in first.passage.text[slice(*first.span)]
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)


def test_filters_hold(notes: Index, embedder: Embedder) -> None:
    retriever = Retriever(notes, embedder)
    found = retriever.search("How much is the rent of the flat?", filter=Filter(language="ru"))
    assert found.hits
    assert all(hit.passage.language == "ru" for hit in found.hits)
    only = notes.documents()[0].id
    found = retriever.search("How much is the rent of the flat?", filter=Filter(documents=(only,)))
    assert {hit.passage.document_id for hit in found.hits} == {only}
    assert not retriever.search("rent", filter=Filter(collection="elsewhere")).hits


def test_a_short_question_is_about_the_one_before(notes: Index, embedder: Embedder) -> None:
    retriever = Retriever(notes, embedder)
    before = "Кто даёт уроки скрипки для Даши?"
    alone = retriever.search("а по каким дням?", limit=3)
    after = retriever.search("а по каким дням?", limit=3, context=before)
    assert "skripka" not in _names(alone.hits)[:1]
    assert _names(after.hits)[0] == "skripka"
    assert after.confident
    # A whole question needs no help.
    whole = "How many grams of lentils go into the curry with coconut fat?"
    assert _names(retriever.search(whole, context=before).hits) == _names(retriever.search(whole).hits)


def test_one_document_does_not_fill_the_list(make: Make, embedder: Embedder) -> None:
    sections = [
        f"# Heat pump, part {number}\n\n"
        + f"The heat pump has a filter number {number}, of which section {number} tells. " * 40
        for number in range(1, 9)
    ]
    index = make(
        {
            "manual.md": "\n\n".join(sections),
            "note.md": "The heat pump was serviced in May, and its filter was changed.",
            "bill.md": "Bill of the heat pump: a new filter, 48 euros.",
        }
    )
    found = Retriever(index, embedder).search("filter of the heat pump", limit=4)
    names = _names(found.hits)
    assert names.count("manual") == 2
    assert {"note", "bill"} < set(names)
    alone = Retriever(index, embedder).search(
        "filter of the heat pump", limit=4, filter=Filter(under=found.hits[names.index("manual")].passage.path)
    )
    assert len(alone.hits) == 4


def test_near_duplicates_stand_once_with_all_their_places(make: Make, embedder: Embedder) -> None:
    text = (
        "The parish hall is rented out for birthdays and weddings. The key is fetched from the sexton the day before, "
        "chairs are put back in rows of ten, and the kitchen is left as clean as it was found. {} Deposit: {} euros."
    )
    index = make(
        {
            "a.txt": text.format("Music ends at midnight.", 100),
            "b.txt": text.format("Music stops at midnight.", 100),
            "c.txt": text.format("Music ends at midnight.", 150),
        }
    )
    hits = Retriever(index, embedder).search("How is the parish hall left after a wedding?").hits
    assert len(hits) == 2
    places = [{hit.passage.path.stem, *(place.path.stem for place in hit.passage.also)} for hit in hits]
    assert {"a", "b"} in places
    assert {"c"} in places


def test_feedback_moves_passages_within_bounds(make: Make, embedder: Embedder) -> None:
    index = make(
        {
            "one.txt": "The blue tent leaks at the seam by the door.",
            "two.txt": "The blue tent leaks at the seam by the gate.",
            "three.txt": "Charges for parking in the city centre are high.",
        }
    )
    feedback = Feedback(index.database)
    retriever = Retriever(index, embedder, feedback=feedback)
    query = "Where does the blue tent leak?"
    first, second, third = (hit.passage for hit in retriever.search(query).hits)
    for message in range(50):
        feedback.rate(message, [second.chunk_id, third.chunk_id], 1)
    moved = retriever.search(query).hits
    assert [hit.passage.chunk_id for hit in moved] == [second.chunk_id, first.chunk_id, third.chunk_id]
    feedback.reset()
    assert next(hit.passage.chunk_id for hit in retriever.search(query).hits) == first.chunk_id


def test_newer_ones_win_among_equals(make: Make, embedder: Embedder, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    old = (datetime.now(UTC) - timedelta(days=2000)).timestamp()
    texts = {f"{name}.txt": f"The code of the bicycle lock is {code}." for name, code in (("b", 1111), ("a", 2222))}
    for name, text in texts.items():
        (folder / name).write_text(text)
    os.utime(folder / "a.txt", (old, old))
    index = Index.in_memory()
    list(add(index, lambda: embedder, [folder]))
    with index:
        hits = Retriever(index, embedder).search("code of the bicycle lock").hits
    assert _names(hits) == ["b", "a"]


class _Reader:
    """Stands for a cross-encoder, which none of the test machines has: likes what contains a word."""

    name = "reader"

    def score(self, query: str, texts: list[str]):  # type: ignore[no-untyped-def]
        import numpy as np

        return np.array([0.99 if "molar" in text else 0.01 for text in texts], dtype=np.float32)


def test_a_cross_encoder_changes_the_order(notes: Index, embedder: Embedder) -> None:
    query = "Who looks after my health?"
    plain = _names(Retriever(notes, embedder).search(query).hits)
    read = _names(Retriever(notes, embedder, _Reader()).search(query).hits)  # type: ignore[arg-type]
    assert read[0] == "dentist" != plain[0]


def test_small_features_cannot_outweigh_words() -> None:
    scale = scale_of("use-multilingual")
    praised = Features(cosine=0.3, title=0.5, recency=1.0, feedback=3)
    worded = Features(cosine=0.3, coverage=0.8, window=0.6)
    assert worded.score(scale) > praised.score(scale)


def test_chunks_without_vectors_are_still_found_by_words(make: Make, embedder: Embedder) -> None:
    index = make({"a.txt": "The spare key hangs behind the ladder.", "b.txt": "Rehearsals are on Wednesdays."})
    chunk = Retriever(index, embedder).search("spare key").hits[0].passage.chunk_id
    index.database.write("DELETE FROM vectors WHERE chunk_id = ?", chunk)
    hit = Retriever(index, embedder).search("spare key").hits[0]
    assert (hit.passage.chunk_id, hit.cosine_rank) == (chunk, None)
    assert hit.passage.text[slice(*hit.span)] == hit.passage.text
