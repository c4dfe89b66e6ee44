"""Files and folders into memory: what is read, what is left, what goes, and what a kill or a full disk leaves."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from assistant.memory import batches, ingest
from assistant.memory.embedding import Embedder, load_embedder
from assistant.memory.files import Skipped
from assistant.memory.index import Index
from assistant.memory.ingest import Added, Progress, Removed, Report, Unchanged, Updated
from models.errors import UserError

TOWNS = ("Kazan", "Tver", "Lisbon", "Oslo", "Quito", "Саратов", "Вологда", "Пермь")
OLD = 1_700_000_000  # a time of modification that is trusted


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder(threads=1)


class Counting:
    """The default embedder, and what it was asked for."""

    name, version, dims, whole_chunks = "counting", "1", 512, False

    def __init__(self, embedder: Embedder):
        self._embedder = embedder
        self.texts: list[str] = []
        self.count_tokens, self.query = embedder.count_tokens, embedder.query

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        return self._embedder.passages(texts)


@pytest.fixture
def index() -> Iterator[Index]:
    with Index.open() as index:
        yield index


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of notes, beside the memory and not around it."""
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def write(path: Path, text: str | bytes, age: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(path, (OLD - age, OLD - age))
    return path


def about(town: str, lines: int = 3) -> str:
    return "".join(f"In {town} house number {number} has a blue door and a garden.\n\n" for number in range(lines))


def add(index: Index, embedder: Embedder, *paths: Path, **options: Any) -> list[ingest.Event]:
    return list(ingest.add(index, lambda: embedder, paths, **options))


def never() -> Embedder:
    raise AssertionError("there was nothing to embed")


def happened(events: Sequence[ingest.Event], root: Path) -> dict[str, str]:
    return {
        str(event.path.relative_to(root)): type(event).__name__
        for event in events
        if isinstance(event, Added | Updated | Unchanged | Removed | Skipped)
    }


def contents(index: Index) -> dict[str, list[str]]:
    return {str(each.path): [passage.text for passage in index.texts_of(each.id)] for each in index.documents()}


def test_new_changed_unchanged_and_gone(index: Index, embedder: Embedder, root: Path) -> None:
    for town in TOWNS[:4]:
        write(root / town[0] / f"{town}.txt", about(town))
    first = add(index, embedder, root)
    assert set(happened(first, root).values()) == {"Added"}
    report = first[-1]
    assert isinstance(report, Report)
    assert (report.added, report.skipped, report.stopped) == (4, 0, False)
    assert report.chunks == 4
    assert report.sentences == index.database.rows("SELECT sum(count) FROM vectors")[0][0] > 4
    progress = [event for event in first if isinstance(event, Progress)]
    assert (progress[-1].done, progress[-1].total) == (4, 4)

    before = contents(index)
    again = list(ingest.add(index, never, [root]))
    assert set(happened(again, root).values()) == {"Unchanged"}
    assert contents(index) == before

    write(root / "K" / "Kazan.txt", about("Kaluga"), age=1)
    (root / "T" / "Tver.txt").unlink()
    os.utime(root / "L" / "Lisbon.txt", (OLD + 5, OLD + 5))
    assert happened(add(index, embedder, root), root) == {
        "K/Kazan.txt": "Updated",
        "T/Tver.txt": "Removed",
        "L/Lisbon.txt": "Unchanged",
        "O/Oslo.txt": "Unchanged",
    }
    texts = " ".join(text for each in contents(index).values() for text in each)
    assert "Kaluga" in texts
    assert "Kazan" not in texts
    assert "Tver" not in texts
    assert index.check() == []
    # The new time of the file that was only touched is known now.
    assert set(happened(list(ingest.add(index, never, [root])), root).values()) == {"Unchanged"}


def test_what_goes_is_told_before_it_goes(index: Index, embedder: Embedder, root: Path) -> None:
    file = write(root / "a.txt", about("Kazan"))
    write(root / "b.txt", about("Samara"))
    add(index, embedder, root)
    file.unlink()
    told: list[list[int]] = []

    def forget(ids: Sequence[int]) -> None:
        told.append([document.id for document in index.documents() if document.id in ids])

    add(index, embedder, root, forget=forget)
    assert told == [[1]]
    assert [document.path.name for document in index.documents()] == ["b.txt"]


def test_a_folder_without_anything_in_it_takes_nothing_from_memory(
    index: Index, embedder: Embedder, root: Path
) -> None:
    file = write(root / "a.txt", about("Kazan"))
    add(index, embedder, root)
    file.unlink()
    events = add(index, embedder, root)
    assert [event.path for event in events if isinstance(event, Skipped)] == [root]
    assert len(index.documents()) == 1


def test_a_change_that_keeps_size_and_time_is_seen_while_the_file_is_young(
    index: Index, embedder: Embedder, root: Path
) -> None:
    note = write(root / "n.txt", "The code of the gate is 1111, says the old note.")
    moment = time.time_ns()
    os.utime(note, ns=(moment, moment))
    add(index, embedder, note)
    note.write_text("The code of the gate is 2222, says the old note.")
    os.utime(note, ns=(moment, moment))
    assert happened(add(index, embedder, note), root) == {"n.txt": "Updated"}
    assert "2222" in contents(index)[str(note)][0]


def test_what_cannot_be_read_is_reported_and_the_rest_goes_on(
    index: Index, embedder: Embedder, root: Path, tmp_path: Path
) -> None:
    write(root / "a.txt", about("Kazan"))
    write(root / "binary.txt", bytes(range(256)) * 40)
    write(root / "broken.docx", b"PK\x03\x04 no archive")
    write(root / "empty.md", "")
    write(root / "picture.png", b"\x89PNG")
    write(root / "ёлка 日本.txt", about("Вологда"))
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "dangling.txt").symlink_to(root / "nowhere")
    events = add(index, embedder, root, tmp_path / "missing.txt")
    skipped = {event.path.name: event.reason for event in events if isinstance(event, Skipped)}
    assert set(skipped) == {
        *("binary.txt", "broken.docx", "empty.md", "picture.png", "loop", "dangling.txt", "missing.txt")
    }
    assert all(reason and "\n" not in reason for reason in skipped.values())
    assert {Path(name).name for name in contents(index)} == {"a.txt", "ёлка 日本.txt"}
    report = events[-1]
    assert isinstance(report, Report)
    assert (report.added, report.skipped) == (2, 7)


def test_a_time_that_no_calendar_has(index: Index, embedder: Embedder, root: Path) -> None:
    file = write(root / "a.txt", about("Kazan"))
    write(root / "b.txt", about("Tver"))
    try:
        os.utime(file, (10**12, 10**12))
    except OSError:
        pytest.skip("the file system has no such time")
    assert set(happened(add(index, embedder, root), root).values()) == {"Added"}
    assert set(happened(list(ingest.add(index, never, [root])), root).values()) == {"Unchanged"}
    assert {document.path.name for document in index.documents()} == {"a.txt", "b.txt"}
    assert index.passages([1])[0].place.modified.year == 2262


def test_what_became_unreadable_keeps_its_text_and_what_became_empty_does_not(
    index: Index, embedder: Embedder, root: Path
) -> None:
    write(root / "a.txt", about("Kazan"))
    write(root / "b.txt", about("Oslo"))
    add(index, embedder, root)
    write(root / "a.txt", bytes(range(256)) * 40)
    write(root / "b.txt", "")
    assert happened(add(index, embedder, root), root) == {"a.txt": "Skipped", "b.txt": "Removed"}
    assert [Path(name).name for name in contents(index)] == ["a.txt"]


def test_documents_stay_while_their_folder_cannot_be_read(
    index: Index, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "drive"
    write(root / "in" / "a.txt", about("Kazan"))
    write(root / ".hidden.txt", about("Oslo"))
    add(index, embedder, root, root / ".hidden.txt")
    assert len(contents(index)) == 2
    # Named once, passed over in its folder, still there.
    assert happened(list(ingest.add(index, never, [root])), root) == {"in/a.txt": "Unchanged"}
    away = root.rename(tmp_path / "unplugged")
    events = list(ingest.add(index, never, [root]))
    assert [type(event) for event in events] == [Skipped, Report]
    away.rename(root)
    unreadable = Skipped(root / "in", "may not be read")
    with monkeypatch.context() as patch:
        patch.setattr(ingest.documents, "walk", lambda paths: iter([unreadable]))
        (root / "in" / "a.txt").unlink()
        assert happened(list(ingest.add(index, never, [root])), root) == {"in": "Skipped"}
    assert len(contents(index)) == 2


def test_a_file_that_changes_while_it_is_read(
    index: Index, embedder: Embedder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, always, gone = (write(root / f"{name}.txt", about(name)) for name in ("once", "always", "gone"))
    load, reads = ingest.documents.load, Counter[Path]()

    def load_and_change(path: Path, **options: Any) -> Any:
        document = load(path, **options)
        reads[path] += 1
        if path == always or (path == once and reads[path] == 1):
            write(path, about(f"{path.stem} {reads[path]}", 4 + reads[path]))
        elif path == gone:
            path.unlink()
        return document

    with monkeypatch.context() as patch:
        patch.setattr(ingest.documents, "load", load_and_change)
        events = add(index, embedder, root)
    assert happened(events, root) == {"once.txt": "Added", "always.txt": "Skipped", "gone.txt": "Skipped"}
    assert "once 1" in contents(index)[str(once)][0]
    assert happened(add(index, embedder, root), root) == {"once.txt": "Unchanged", "always.txt": "Added"}


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")
def test_a_name_that_is_no_text(index: Index, embedder: Embedder, root: Path) -> None:
    note = write(root / os.fsdecode(b"caf\xe9.txt"), about("Kazan"))
    assert happened(add(index, embedder, root), root) == {note.name: "Added"}
    assert list(contents(index)) == [str(note)]
    assert happened(list(ingest.add(index, never, [root])), root) == {note.name: "Unchanged"}


def test_a_text_is_embedded_once(index: Index, embedder: Embedder, root: Path) -> None:
    counting = Counting(embedder)
    for name in ("a", "b", "c"):
        write(root / f"{name}.txt", about("Kazan"))
    add(index, counting, root)
    assert len(counting.texts) == len(set(counting.texts))
    assert index.counts()["chunks"] == 1
    assert index.counts()["occurrences"] == 3
    before = len(counting.texts)
    (root / "a.txt").rename(root / "moved.txt")
    assert happened(add(index, counting, root), root) == {
        **{"moved.txt": "Added", "a.txt": "Removed"},
        **{"b.txt": "Unchanged", "c.txt": "Unchanged"},
    }
    assert len(counting.texts) == before


def test_a_chunk_that_goes_while_another_document_with_it_waits(
    index: Index, embedder: Embedder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory knew the text when the document was read, and another process removed it before it was written."""
    write(root / "a.txt", about("Kazan"))
    add(index, embedder, root)
    write(root / "b.txt", about("Kazan"))
    transaction = index.transaction

    def remove_first() -> Any:
        monkeypatch.setattr(index, "transaction", transaction)
        with Index.open() as other:
            other.remove([document.id for document in other.documents()])
        return transaction()

    monkeypatch.setattr(index, "transaction", remove_first)
    add(index, embedder, root / "b.txt")
    assert [Path(name).name for name in contents(index)] == ["b.txt"]
    assert index.check() == []


def test_copies_of_a_large_document_do_not_all_wait(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LARGEST", 10)
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    given = []
    for ready in batches.embed_ahead(lambda: embedder, items(), lambda item: ["one"][item:], lambda item: 4):
        given += [item for item, _ in ready]
        assert len(taken) - len(given) <= 3
    assert given == list(range(20))


def test_collections_do_not_see_each_other(index: Index, embedder: Embedder, root: Path) -> None:
    note = write(root / "a.txt", about("Kazan"))
    write(root / "b.txt", about("Samara"))
    add(index, embedder, root, collection="one")
    add(index, embedder, root, collection="два")
    assert index.collections() == {"one": 2, "два": 2}
    note.unlink()
    add(index, embedder, root, collection="one")
    assert index.collections() == {"one": 1, "два": 2}


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 16)


@pytest.mark.usefixtures("small_batches")
def test_stopped_between_batches_and_continued(index: Index, embedder: Embedder, root: Path) -> None:
    for number in range(40):
        write(root / f"{number}.txt", about(f"Town {number}"))
    stop = threading.Event()
    events = []
    for event in ingest.add(index, lambda: embedder, [root], stop=stop):
        events.append(event)
        if isinstance(event, Added):
            stop.set()
    report = events[-1]
    assert isinstance(report, Report)
    assert report.stopped
    assert 0 < report.added == len(contents(index)) < 40
    rest = add(index, embedder, root)[-1]
    assert isinstance(rest, Report)
    assert (rest.unchanged, rest.added) == (report.added, 40 - report.added)


def test_a_full_disk_leaves_what_was_written_before(index: Index, embedder: Embedder, root: Path) -> None:
    write(root / "a.txt", about("Kazan"))
    add(index, embedder, root)
    write(root / "b.txt", "\n\n".join(about(f"Town {number}", 30) for number in range(8)))
    pages = index.database.rows("PRAGMA page_count")[0][0]
    index.database.rows(f"PRAGMA max_page_count = {pages + 8}")
    with pytest.raises(UserError, match="full"):
        add(index, embedder, root)
    assert [Path(name).name for name in contents(index)] == ["a.txt"]
    assert index.check() == []
    index.database.rows("PRAGMA max_page_count = 1000000")
    assert happened(add(index, embedder, root), root) == {"a.txt": "Unchanged", "b.txt": "Added"}


def test_another_embedder_is_refused_until_all_is_embedded_by_it(index: Index, embedder: Embedder, root: Path) -> None:
    for town in TOWNS:
        write(root / f"{town}.txt", about(town))
    add(index, embedder, root)
    other = Counting(embedder)
    write(root / "new.txt", about("Riga"))
    with pytest.raises(UserError, match="embedded by"):
        add(index, other, root)

    stop = threading.Event()
    stop.set()
    assert list(ingest.re_embed(index, other, stop=stop)) == []
    assert index.embedder == (embedder.name, embedder.version, embedder.dims)
    *_, last = ingest.re_embed(index, other)
    assert (last.done, last.total) == (8, 8)
    assert index.embedder == ("counting", "1", 512)
    assert len(other.texts) == index.database.rows("SELECT sum(count) FROM vectors")[0][0]
    assert index.check() == []
    assert happened(add(index, other, root), root)["new.txt"] == "Added"


@pytest.mark.usefixtures("small_batches")
def test_re_embedding_goes_on_after_an_error(index: Index, embedder: Embedder, root: Path) -> None:
    for number in range(60):
        write(root / f"{number}.txt", about(f"Town {number}"))
    add(index, embedder, root)
    whole = Counting(embedder)
    whole.whole_chunks = True
    sentences = index.database.rows("SELECT sum(count) FROM vectors")[0][0]
    for _ in ingest.re_embed(index, whole):
        break  # as a crash after the first batch
    given = len(whole.texts)
    assert 0 < given < sentences + 60
    assert index.embedder == (embedder.name, embedder.version, embedder.dims)
    for _ in ingest.re_embed(index, whole):
        pass
    # Every sentence and, as this embedder wants it, every chunk; of what was embedded before the crash little again.
    assert index.database.rows("SELECT sum(count) FROM vectors")[0][0] == sentences + 60
    assert len(whole.texts) < sentences + 60 + given
    assert index.check() == []


CHILD = """
import os, signal, sys
from pathlib import Path
from assistant.memory import batches, ingest
from assistant.memory.embedding import load_embedder
from assistant.memory.index import Index

batches.BATCH = 16
left = int(sys.argv[2])
def count(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

with Index.open() as index:
    index.database._db.set_trace_callback(count)
    for event in ingest.add(index, lambda: load_embedder(threads=1), [Path(sys.argv[1])]):
        pass
"""


def killed(root: Path, after: int) -> int:
    """Add in a child process that kills itself at a statement of SQL; its return code."""
    return subprocess.run([sys.executable, "-c", CHILD, str(root), str(after)], timeout=120, check=False).returncode


def many_notes(root: Path) -> None:
    for number in range(30):
        write(root / f"{number}.txt", about(f"Town {number}", 5) + about(f"Village {number % 7}", 5))


def state(path: Path) -> tuple[dict[str, int], dict[str, list[str]], list[str]]:
    with Index.open(path) as index:
        return index.counts(), contents(index), index.check()


def undisturbed(root: Path, embedder: Embedder, path: Path) -> tuple[dict[str, int], dict[str, list[str]], list[str]]:
    with Index.open(path) as index:
        add(index, embedder, root)
    return state(path)


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_kills_lose_and_duplicate_nothing(home: Path, embedder: Embedder, root: Path, tmp_path: Path) -> None:
    many_notes(root)
    statements = (20, 110, 190)
    assert [killed(root, after) for after in statements] == [-9] * len(statements)
    assert state(home / "memory.db")[2] == []
    with Index.open() as index:
        add(index, embedder, root)
    assert state(home / "memory.db") == undisturbed(root, embedder, tmp_path / "other.db")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_fifty_kills_lose_and_duplicate_nothing(home: Path, embedder: Embedder, root: Path, tmp_path: Path) -> None:
    many_notes(root)
    chance = random.Random(5)
    kills = 0
    while kills < 50:
        if killed(root, chance.randrange(1, 120)) == -9:
            kills += 1
        else:  # all is in memory: change some, so that there is work for the next kills
            for number in chance.sample(range(30), 10):
                write(root / f"{number}.txt", about(f"Town {number}.{kills}", 25), age=kills)
        assert state(home / "memory.db")[2] == []
    with Index.open() as index:
        add(index, embedder, root)
    assert state(home / "memory.db") == undisturbed(root, embedder, tmp_path / "other.db")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_thousand_tiny_files(index: Index, embedder: Embedder, root: Path) -> None:
    """Most of them have the same text: what is measured is everything but the embedder."""
    for folder in range(100):
        (root / f"{folder}").mkdir()
        for number in range(1000):
            (root / f"{folder}" / f"{number}.txt").write_text(f"A tiny note, number {number % 50} of a few.")
    report = add(index, embedder, root)[-1]
    assert isinstance(report, Report)
    assert (report.added, index.counts()["chunks"]) == (100_000, 50)
    again = list(ingest.add(index, never, [root]))[-1]
    assert isinstance(again, Report)
    assert again.unchanged == 100_000
