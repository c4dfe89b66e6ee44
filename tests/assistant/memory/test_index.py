"""The index: what is stored once and goes for good, how it is found, and what damage, kills and full disks leave."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlite_utils
from numpy.typing import NDArray

from assistant.memory import lexical, migrations, vectors
from assistant.memory.chunking import Chunk, key_of
from assistant.memory.documents import Document
from assistant.memory.files import Found
from assistant.memory.index import SCHEMA, EmbedderId, Filter, Index, IndexUnusable, NotEmbedded
from assistant.memory.stemming import stems
from models.paths import memory_file

DIMS = 96
MADE_UP = EmbedderId("made-up", "1", DIMS)
EMPTY = dict.fromkeys(
    ("documents", "occurrences", "chunks", "chunks_fts", "vectors", "signs", "facts", "feedback"), 0
) | {"embedders": 1}


def vector(text: str) -> NDArray[np.float32]:
    """Always the same for a text; those of two texts have little to do with each other."""
    seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "little")
    found = np.random.default_rng(seed).standard_normal(DIMS, np.float32)
    normalised: NDArray[np.float32] = found / np.linalg.norm(found)
    return normalised


def spans(text: str) -> list[tuple[int, int]]:
    """Two for each text: its halves."""
    half = len(text) // 2
    return [(0, half), (half, len(text))]


def put(index: Index, path: str, *texts: str, collection: str = "default", given: bool = True, mtime: int = 0) -> int:
    text = "\n\n".join(texts)
    chunks, start = [], 0
    for each in texts:
        chunks.append(Chunk(each, start, start + len(each), len(each.split()), "Top > Here", ()))
        start += len(each) + 2
    made = [[(a, b, vector(each[a:b])) for a, b in spans(each)] if given else [] for each in texts]
    file = Path(path)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    document = Document(file, "text", file.stem, text)
    return index.put(collection, Found(file, len(text), mtime), digest, document, chunks, made)


def ask(index: Index, text: str, limit: int = 5, filter: Filter | None = None) -> list[str]:
    """The texts that both ways find, first those found by words."""
    by_words = [id for id, _ in index.lexical(stems(text), limit, filter)]
    near = [id for id, _, _ in index.nearest(vector(text[: len(text) // 2]), limit, filter)]
    return [passage.text for passage in index.passages([*by_words, *near], filter)]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(tmp_path / "memory.db") as index:
        index.use_embedder(*MADE_UP)
        yield index
        assert index.check() == []


def test_open_creates_a_private_file(home: Path) -> None:
    with Index.open() as index:
        index.use_embedder(*MADE_UP)
        assert index.path == memory_file()
        assert {stat.S_IMODE(file.stat().st_mode) for file in home.iterdir()} == {0o600}


def test_the_version_counts_the_steps() -> None:
    assert len(list(migrations.migrations.pending(sqlite_utils.Database(memory=True)))) == SCHEMA.version


# ---- documents and what they share


def test_a_passage_says_where_it_stands(index: Index) -> None:
    id = put(index, "/notes/одна.txt", "First of all.", "Ёлки стоят\nв лесу.", mtime=1_700_000_000_123_456_789)
    (chunk, score), *_ = index.lexical(stems("ёлка"), 5)
    assert score > 0
    passage = index.passages([chunk])[0]
    assert (passage.text, passage.language, passage.tokens) == ("Ёлки стоят\nв лесу.", "ru", 4)
    assert (passage.document_id, passage.path, passage.title) == (id, Path("/notes/одна.txt"), "одна")
    assert (passage.start, passage.end, passage.line, passage.place.end_line, passage.page) == (15, 33, 3, 4, None)
    assert passage.place.heading == "Top > Here"
    assert passage.place.modified == datetime(2023, 11, 14, 22, 13, 20, 123456, UTC)
    assert [p.text for p in index.texts_of(id)] == ["First of all.", "Ёлки стоят\nв лесу."]
    found, cosine, span = index.nearest(vector("в лесу."[-9:]), 1)[0]
    assert (found in (chunk, chunk - 1), cosine <= 1, span[1] > span[0]) == (True, True, True)
    assert index.nearest(vector(passage.text[9:]), 1) == [(chunk, pytest.approx(1, abs=1e-3), (9, 18))]
    assert index.known("default") == {"/notes/одна.txt": (id, 33, 1_700_000_000_123_456_789, passage.place.digest)}


def test_removed_documents_leave_no_row_and_no_byte(index: Index) -> None:
    assert index.path
    keep = put(index, "/a.txt", "keepsake of mine", "shared by both of them")
    before = index.counts(), _all_rows(index)
    for _ in range(3):
        secrets = [f"zanzibarsecret number {number} " * 20 for number in range(30)]
        gone = put(index, "/b/zanzibarname.txt", *secrets, "shared by both of them")
        chunk = index.texts_of(gone)[0].chunk_id
        index.database.write("INSERT INTO feedback VALUES (?, 1, 1, '2026')", chunk)
        assert ask(index, secrets[7])[0] == secrets[7]
        [removed] = index.remove([gone])
        assert (removed.id, removed.chunks, removed.path.name) == (gone, 31, "zanzibarname.txt")
        assert (index.counts(), _all_rows(index)) == before
        assert ask(index, secrets[7]) == [passage.text for passage in _nearest(index, secrets[7])]
        assert index.document(gone) is None
    for file in index.path.parent.iterdir():
        assert b"zanzibar" not in file.read_bytes()
    index.remove([keep])
    assert index.counts() == EMPTY
    assert put(index, "/new.txt", "new") > gone  # a number never comes to mean another document


def _nearest(index: Index, text: str) -> Sequence[object]:
    return index.passages([id for id, _, _ in index.nearest(vector(text[: len(text) // 2]), 5)])


def _all_rows(index: Index) -> dict[str, int]:
    """Of every table there is, but those of FTS5's own whose rows are parts of its tree."""
    names = [row[0] for row in index.database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    names = [name for name in names if name not in ("chunks_fts_data", "chunks_fts_idx")]
    return {name: index.database.rows(f"SELECT count(*) FROM {name}")[0][0] for name in names}


def test_a_text_is_stored_once_and_goes_with_its_last_document(index: Index) -> None:
    first = put(index, "/a.txt", "only in a", "The  shared text")
    assert index.known_chunks([key_of("the shared text"), key_of("other")]) == {key_of("the shared text")}
    second = put(index, "/b.txt", "the shared TEXT", given=False)
    third = put(index, "/c.txt", "the shared TEXT", "the shared TEXT", collection="work", given=False)
    assert {name: index.counts()[name] for name in ("chunks", "vectors", "occurrences")} == {
        "chunks": 2,
        "vectors": 2,
        "occurrences": 5,
    }
    chunk = index.texts_of(second)[0].chunk_id
    [passage] = index.passages([chunk])
    assert [place.document_id for place in (passage.place, *passage.also)] == [first, second, third, third]
    [passage] = index.passages([chunk], Filter(collection="work"))
    assert [place.document_id for place in (passage.place, *passage.also)] == [third, third]
    assert index.collections() == {"default": 2, "work": 1}
    index.remove([first])
    assert [document.id for document in index.remove_collection("work")] == [third]
    assert ask(index, "The  shared text")[0] == "The  shared text"
    index.remove_under(Path("/b.txt"))
    assert index.counts() == EMPTY


def test_a_changed_document_is_replaced(index: Index) -> None:
    id = put(index, "/a.txt", "stays as it was", "old words to forget", "old words to forget")
    stays = index.texts_of(id)[0].chunk_id
    assert put(index, "/a.txt", "new words came", "stays as it was") == id
    assert [p.text for p in index.texts_of(id)] == ["new words came", "stays as it was"]
    assert index.texts_of(id)[1].chunk_id == stays
    assert index.lexical(stems("forget"), 5) == []
    assert (index.counts()["chunks"], index.counts()["vectors"], index.counts()["documents"]) == (2, 2, 1)
    index.touch(id, 77, 99)
    assert index.known("default")["/a.txt"][1:3] == (99, 77)


def test_a_chunk_without_vectors_is_refused(index: Index) -> None:
    with pytest.raises(NotEmbedded) as caught:
        put(index, "/a.txt", "nobody knows this", given=False)
    assert caught.value.keys == (key_of("nobody knows this"),)
    assert index.counts() == EMPTY
    bad = Chunk("text", 0, 4, 1, "", ())
    document = Document(Path("/a"), "text", "a", "text")
    for wrong in (np.ones(DIMS + 1, np.float32), np.full(DIMS, np.nan, np.float32)):
        with pytest.raises(IndexUnusable, match="does not fit"):
            index.put("default", Found(Path("/a"), 4, 0), "", document, [bad], [[(0, 4, wrong)]])
    assert index.counts() == EMPTY


def test_several_documents_in_one_transaction(index: Index) -> None:
    put(index, "/a.txt", "one")
    with suppress(InterruptedError), index.transaction():
        put(index, "/b.txt", "two of them")
        assert ask(index, "two of them")[0] == "two of them"
        raise InterruptedError
    assert (index.counts()["documents"], ask(index, "two of them")) == (1, ["one"])
    put(index, "/c.txt", "three of them")
    assert ask(index, "three of them", 1) == ["three of them", "three of them"]


def test_names_of_files_need_not_be_utf8(index: Index) -> None:
    path = os.fsdecode(b"/notes/caf\xe9/\xff.txt")
    id = put(index, path, "half \ud83d of a pair, and \0 nul")
    assert put(index, path, "half \ud83d of a pair, and \0 nul") == id
    assert list(index.known("default")) == [path]
    assert index.texts_of(id)[0].text == "half ? of a pair, and \0 nul"
    assert str(index.documents(Filter(under=Path(os.fsdecode(b"/notes/caf\xe9"))))[0].path) == path
    assert index.documents(Filter(under=Path("/notes/caf"))) == []


# ---- filters


def test_filters_are_exact_in_both_ways_of_searching(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    day = 86_400 * 10**9
    ids = [
        put(index, "/n/a/one.txt", "alpha common one", mtime=1 * day),
        put(index, "/n/ab/two.txt", "alpha common two", mtime=2 * day),
        put(index, "/n/a/b/three.txt", "alpha common three", "альфа common четыре пять", mtime=3 * day),
        put(index, "/n/a/one.txt", "alpha common five", collection="work", mtime=4 * day),
    ]
    expected = {
        Filter(): [0, 1, 2, 3],
        Filter(collection="work"): [3],
        Filter(collection="none"): [],
        Filter(under=Path("/n/a")): [0, 2, 3],
        Filter(under=Path("/n/a/one.txt")): [0, 3],
        Filter(under=Path("/")): [0, 1, 2, 3],
        Filter(under=Path("/n/a"), collection="default"): [0, 2],
        Filter(language="ru"): [2],
        Filter(since=datetime(1970, 1, 3, tzinfo=UTC)): [1, 2, 3],
        Filter(until=datetime(1970, 1, 3, tzinfo=UTC)): [0, 1],
        Filter(documents=(ids[1], ids[3], 99)): [1, 3],
        Filter(documents=()): [],
    }
    for few in (lexical.FEW, 0):
        monkeypatch.setattr(lexical, "FEW", few)
        for exact in (vectors.EXACT, 0):
            monkeypatch.setattr(vectors, "EXACT", exact)
            for filter, numbers in expected.items():
                for found in (
                    [id for id, _ in index.lexical(stems("common"), 9, filter)],
                    [id for id, _, _ in index.nearest(vector("x"), 9, filter)],
                ):
                    passages = index.passages(found, filter)
                    assert sorted({p.document_id for p in passages}) == [ids[number] for number in numbers], filter
                    assert len(passages) == len(found)
    assert [d.id for d in index.documents(Filter(under=Path("/n/a/b")))] == [ids[2]]
    assert [p.language for p in index.passages([4, 3], Filter(language="ru"))] == ["ru"]
    # What a filter lets through is not remembered past a change.
    index.remove([ids[1]])
    assert index.nearest(vector("x"), 9, Filter(documents=(ids[1], ids[3]))) == index.nearest(
        vector("x"), 9, Filter(documents=(ids[3],))
    )


# ---- vectors


@pytest.mark.parametrize("exact", [True, False], ids=["matrix", "signs"])
def test_the_nearest_are_those_of_comparing_all(exact: bool, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents come and go, here and by another connection; after each change the matrix has caught up."""
    monkeypatch.setattr(vectors, "EXACT", vectors.EXACT if exact else 0)
    monkeypatch.setattr(vectors, "CANDIDATES", 40)
    monkeypatch.setattr(vectors, "_BLOCK", 16)
    monkeypatch.setattr(vectors, "_READ_AT_ONCE", 7)
    choice, texts = random.Random(0), {}
    assert index.path
    with Index(index.path) as other:
        other.use_embedder(*MADE_UP)
        for step in range(40):
            writer = choice.choice([index, other])
            if texts and choice.random() < 0.4:
                name = choice.choice(list(texts))
                writer.remove_under(Path(name))
                del texts[name]
            else:
                name = f"/{choice.randrange(30)}.txt"
                texts[name] = [f"{n:04}|{n:04}" for n in choice.choices(range(120), k=choice.randrange(12))]
                put(writer, name, *texts[name])
            # Near one that is there, as a question is.
            known = sorted({text for some in texts.values() for text in some})
            target = choice.choice(known) if known else "nothing"
            query = vector(target[len(target) // 2 :]) + 0.5 * vector(f"noise {step}")
            query /= np.linalg.norm(query)
            expected = sorted((-max(float(vector(t[a:b]) @ query) for a, b in spans(t)), t) for t in known)[:3]
            found = index.nearest(query, 3)
            assert [p.text for p in index.passages([id for id, _, _ in found])] == [text for _, text in expected]
            assert [score for _, score, _ in found] == pytest.approx([-score for score, _ in expected], abs=2e-3)
            assert index.counts()["chunks"] == len(known)


def test_signs_find_what_the_matrix_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4,000 vectors in clusters, with as many candidates as usual for each."""
    choice = np.random.default_rng(0)
    centres = choice.standard_normal((60, DIMS))
    made = centres[choice.integers(60, size=4000)] + 0.8 * choice.standard_normal((4000, DIMS))
    made = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    with Index.in_memory() as index:
        index.use_embedder(*MADE_UP)
        chunks = [Chunk(f"text {number}", number * 10, number * 10 + 9, 2, "", ()) for number in range(2000)]
        pairs = [[(0, 4, made[2 * n]), (4, 9, made[2 * n + 1])] for n in range(2000)]
        document = Document(Path("/a"), "text", "a", "x" * 20_000)
        index.put("default", Found(Path("/a"), 1, 0), "", document, chunks, pairs)
        queries = made[::100] + 0.3 * choice.standard_normal((40, DIMS)) / np.sqrt(DIMS)
        queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
        exact = [index.nearest(query, 10) for query in queries]
        monkeypatch.setattr(vectors, "EXACT", 0)
        monkeypatch.setattr(vectors, "CANDIDATES", 200)
        signs = [index.nearest(query, 10) for query in queries]
    assert [hits[0] for hits in signs] == [hits[0] for hits in exact]
    same = [len(set(one) & set(two)) / 10 for one, two in zip(exact, signs, strict=True)]
    assert np.mean(same) > 0.95


def test_a_query_of_another_length_is_told(index: Index) -> None:
    assert index.nearest(vector("x"), 5) == []
    put(index, "/a.txt", "one")
    with pytest.raises(ValueError, match="dimensions"):
        index.nearest(np.ones(DIMS + 1, np.float32), 5)


def test_changing_the_embedder_goes_on_after_a_stop_and_mixes_nothing(index: Index) -> None:
    texts = [f"{number} text {number}" for number in range(10)]
    put(index, "/a.txt", *texts)
    with pytest.raises(IndexUnusable, match="made-up"):
        index.use_embedder("better", "2", 8)
    better = EmbedderId("better", "2", 8)

    def embed(limit: int) -> int:
        waiting = index.not_embedded(better, limit)
        index.add_vectors(
            better, [(id, [(a, b, vector(text[a:b])[:8]) for a, b in spans]) for id, text, spans in waiting]
        )
        return len(waiting)

    assert embed(6) == 6
    assert not index.switch_embedder(better)
    assert index.embedder == MADE_UP
    assert index.nearest(vector(texts[3][:4]), 1)[0][2] == (0, 4)  # still found by the old ones
    assert index.count_not_embedded(better) == 4
    put(index, "/b.txt", "came meanwhile")
    while embed(2):
        pass
    assert index.switch_embedder(better)
    assert (index.embedder, index.counts()["vectors"], index.counts()["embedders"]) == (better, 11, 1)
    assert index.nearest(vector(texts[3][:4])[:8] / np.linalg.norm(vector(texts[3][:4])[:8]), 1)[0][2] == (0, 4)
    with pytest.raises(IndexUnusable, match="not embedded by"):
        put(index, "/c.txt", "of the old one")


# ---- words


def test_any_word_finds_and_rare_ones_come_first(index: Index) -> None:
    for number in range(30):
        put(index, f"/{number}.txt", f"common words number {number}" + (" and a walrus" if number == 7 else ""))
    hits = index.lexical(stems("walrus with common words"), 40)
    assert len(hits) == 30
    assert "walrus" in index.passages([hits[0][0]])[0].text
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)
    for query in (['"', "*", ""], ["NEAR(", "a AND b", "-x", "stems:y", "^z"], [], ["нет"]):
        assert index.lexical(query, 5) == []
    assert index.lexical(["common"], 0) == []


def test_of_a_pasted_text_the_rarest_words_are_searched_for() -> None:
    with Index.in_memory() as index:
        index.database.write_many(
            "INSERT INTO chunks (key, language, tokens, stems, text) VALUES (?, 'en', 9, ?, '')",
            [(str(number), "common " * 5 + "rare" * (number == 7)) for number in range(20)],
        )
        words = [*(f"absent{number}" for number in range(40_000)), "common", "rare"]
        assert index.lexical(words, 5)[0][0] == 8
        assert index.lexical(words[:-2], 5) == []


def test_frequent_words_are_left_to_rank_when_they_are_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is nearly the one that scores every chunk with any word, and so are the scores."""
    choice = random.Random(1)
    shares = [1 / (rank + 5) for rank in range(400)]
    texts = [" ".join(f"w{n}x" for n in choice.choices(range(400), shares, k=25)) for _ in range(1500)]
    with Index.in_memory() as index:
        index.use_embedder(*MADE_UP)
        put(index, "/a.txt", *texts)
        queries = [[f"w{n}x" for n in choice.choices(range(400), shares, k=6)] for _ in range(30)]
        full = [dict(index.lexical(query, 1500)) for query in queries]
        monkeypatch.setattr(lexical, "MATCHES", 150)
        monkeypatch.setattr(lexical, "CANDIDATES", 100)
        same = []
        for query, every in zip(queries, full, strict=True):
            found = index.lexical(query, 10)
            assert [score for _, score in found] == pytest.approx([every[id] for id, _ in found], rel=1e-6)
            best = sorted(every, key=lambda id: (-every[id], id))[:10]
            same.append(len({id for id, _ in found} & set(best)) / 10)
        assert np.mean(same) > 0.9


# ---- the file


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_index import MADE_UP, put
from assistant.memory.index import Index
with Index(Path(sys.argv[1])) as index:
    index.use_embedder(*MADE_UP)
    for number in range(int(sys.argv[4])):
        put(index, f"/{sys.argv[3]}/{number}.txt", f"{sys.argv[3]} {number}", f"shared {number}")
        print(number, flush=True)
        if number % 3 == 2:
            index.remove_under(Path(f"/{sys.argv[3]}/{number - 1}.txt"))
"""


def _writer(path: Path, name: str, documents: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(Path(__file__).parent), name, str(documents)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_several_processes_write_while_one_searches(tmp_path: Path) -> None:
    path = tmp_path / "new" / "memory.db"
    writers = [_writer(path, name, 12) for name in ("ann", "bob")]
    with Index(path) as index:
        while any(writer.poll() is None for writer in writers):
            for id, _, _ in index.nearest(vector("x"), 50):
                index.passages([id])
            time.sleep(0.02)
        assert [writer.communicate()[1] for writer in writers] == ["", ""]
        names = sorted(str(document.path) for document in index.documents())
        assert names == sorted(f"/{name}/{n}.txt" for name in ("ann", "bob") for n in range(12) if n % 3 != 1)
        assert len(index.nearest(vector("x"), 99)) == index.counts()["chunks"] == 24
        assert index.check() == []


def test_a_kill_leaves_whole_documents(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    last = -1
    for attempt in range(3):
        writer = _writer(path, f"run{attempt}", 100_000)
        assert writer.stdout
        for _ in range(4 + attempt):
            last = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        with Index(path) as index:
            assert index.check() == []
            mine = index.documents(Filter(under=Path(f"/run{attempt}")))
            assert {d.chunks for d in mine} == {2}
            last -= last % 3 == 1  # those are removed again
            assert f"/run{attempt}/{last}.txt" in {str(d.path) for d in mine}  # what was said to be written is there
    index.close()


def test_threads_share_an_index(index: Index) -> None:
    errors: list[Exception] = []

    def work(name: int) -> None:
        try:
            for number in range(10):
                put(index, f"/{name}/{number}.txt", f"thread {name} text {number}")
                assert ask(index, f"thread {name} text {number}", 3)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(index.nearest(vector("x"), 99)) == 40


def test_a_full_disk_undoes_the_document(index: Index) -> None:
    put(index, "/a.txt", "was there before")
    pages = index.database.rows("PRAGMA page_count")[0][0]
    index.database.rows(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(IndexUnusable, match="disk is full") as caught:
        put(index, "/b.txt", *(f"much text {number} " * 50 for number in range(200)))
    assert caught.value.hint
    index.database.rows("PRAGMA max_page_count = 1000000")
    assert (index.counts()["documents"], ask(index, "was there before")[0]) == (1, "was there before")
    put(index, "/b.txt", "goes on")
    assert ask(index, "goes on")[0] == "goes on"


DAMAGE = {
    "words": "INSERT INTO chunks_fts (chunks_fts, rowid, stems) SELECT 'delete', id, stems FROM chunks WHERE id = 1",
    "chunk": "INSERT INTO chunks (key, language, tokens, stems, text) VALUES ('k', 'en', 1, 'left', 'left')",
    "place": "INSERT INTO occurrences VALUES (99, 77, 1, 0, 0, 1, NULL, 1, 1, '')",
    "orphan": "UPDATE vectors SET chunk_id = 99 WHERE id = 2",
    "length": "UPDATE vectors SET vectors = substr(vectors, 3) WHERE id = 2",
    "numbers": "UPDATE vectors SET vectors = zeroblob(0) || substr(vectors, 1, 10) || x'007e' || substr(vectors, 13)",
    "signs": "UPDATE signs SET signs = zeroblob(length(signs)) WHERE id = 2",
    "no signs": "DELETE FROM signs WHERE id = 1",
    "no vectors": "DELETE FROM vectors WHERE id = 3",
    "count": "UPDATE embedders SET vectors = 1",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_check_sees_what_repair_mends(damage: str, tmp_path: Path) -> None:
    with Index(tmp_path / "memory.db") as index:
        index.use_embedder(*MADE_UP)
        put(index, "/a.txt", "one walrus", "two bears", "three owls")
        assert index.check() == []
        index.database.rows("PRAGMA foreign_keys = OFF")
        index.database.write(DAMAGE[damage])
        assert index.check()
        assert index.repair()
        for id, _, spans in index.not_embedded(MADE_UP):
            text = index.passages([id])[0].text
            index.add_vectors(MADE_UP, [(id, [(0, len(text), vector(text))])])
            assert spans == []
        assert index.check() == []
        assert index.repair() == []
        index.database.rows("PRAGMA foreign_keys = ON")
        assert ask(index, "one walrus")[0] == "one walrus"
        index.remove_under(Path("/"))
        assert index.counts() == EMPTY


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Index(path) as index:
        index.use_embedder(*MADE_UP)
        put(index, "/a.txt", *(f"text number {number} " * 30 for number in range(300)))
        index.compact()
    content = bytearray(path.read_bytes())
    for page in range(len(content) // 4096 // 2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = os.urandom(200)
    path.write_bytes(content)
    with Index(path) as index:
        assert index.check()
        with pytest.raises(IndexUnusable, match="damaged") as caught:
            index.texts_of(1)
        assert "assistant memory import" in (caught.value.hint or "")
        with pytest.raises(IndexUnusable, match="damaged"):
            index.repair()
    path.write_bytes(b"no database at all, but long enough")
    with pytest.raises(IndexUnusable, match="not a database"):
        Index(path)


def test_compacting_gives_space_back(index: Index) -> None:
    assert index.path
    put(index, "/a.txt", *(f"text number {number} " * 30 for number in range(300)))
    put(index, "/b.txt", "stays")
    index.remove_under(Path("/a.txt"))
    before = index.path.stat().st_size
    index.compact()
    assert index.path.stat().st_size < before / 2
    assert ask(index, "stays") == ["stays", "stays"]


# ---- to another machine


def test_export_and_import(index: Index, tmp_path: Path) -> None:
    put(index, "/a.txt", "only in a", "in both of them")
    put(index, os.fsdecode(b"/b\xff.txt"), "in both of them", "only in b", collection="work")
    index.database.write("INSERT INTO facts (text, created, updated) VALUES ('I like tea', '2026', '2026')")
    index.database.write("INSERT INTO feedback VALUES (1, 5, -1, '2026')")
    file = tmp_path / "out" / "mine.memory"
    index.export(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    with Index(tmp_path / "other.db") as other:
        assert other.import_(file).added == 2
        again = other.import_(file)
        assert (again.added, again.updated, again.unchanged, again.facts, again.not_embedded) == (0, 0, 2, 0, 0)
        assert (other.counts(), other.embedder) == (index.counts(), MADE_UP)
        assert ask(other, "only in b") == ask(index, "only in b")
        assert [d.path for d in other.documents()] == [d.path for d in index.documents()]
        # A later version replaces an earlier one, and not the other way round.
        put(other, "/a.txt", "rewritten there")
        other.export(tmp_path / "theirs.memory")
        assert (result := index.import_(tmp_path / "theirs.memory")).updated == 1, result
        assert index.import_(file).unchanged == 2
        assert [p.text for p in index.texts_of(1)] == ["rewritten there"]
        assert other.check() == []
    assert file.read_bytes() == content
    assert not [left for left in tmp_path.iterdir() if left.name.startswith(".import")]


def test_import_of_another_embedder_leaves_chunks_to_embed(index: Index, tmp_path: Path) -> None:
    with Index(tmp_path / "other.db") as other:
        other.use_embedder("better", "2", DIMS)
        put(other, "/b.txt", "known here", "new text")
        other.export(tmp_path / "file")
    put(index, "/a.txt", "known here")
    assert index.import_(tmp_path / "file").not_embedded == 1
    [(id, text, _)] = index.not_embedded(MADE_UP)
    assert (text, index.check()) == ("new text", ["1 chunks are not embedded."])
    index.add_vectors(MADE_UP, [(id, [(0, 8, vector("new text"))])])


def test_what_is_no_exported_memory_is_refused(index: Index, tmp_path: Path) -> None:
    put(index, "/a.txt", "mine")
    before = index.counts()
    index.export(tmp_path / "good")
    for name, sql in {
        "trigger": "CREATE TRIGGER t AFTER INSERT ON facts BEGIN DELETE FROM documents; END",
        "rows": "DELETE FROM signs",
        "future": "PRAGMA user_version = 99",
    }.items():
        file = tmp_path / name
        file.write_bytes((tmp_path / "good").read_bytes())
        with sqlite3.connect(file) as bad:
            bad.execute(sql)
        bad.close()
        with pytest.raises(IndexUnusable, match=str(file)):
            index.import_(file)
    (tmp_path / "text").write_text("no database")
    for file in (tmp_path / "text", tmp_path / "missing", tmp_path):
        with pytest.raises(IndexUnusable, match=str(file)):
            index.import_(file)
    assert index.path
    with pytest.raises(IndexUnusable, match="itself"):
        index.export(index.path)
    assert index.counts() == before
