"""Folders that are followed as they change."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.memory import watching
from assistant.memory.embedding import Embedder, load_embedder
from assistant.memory.files import Skipped
from assistant.memory.index import Index
from assistant.memory.ingest import Added, Removed, Updated
from assistant.memory.watching import Watching

WAIT = 60.0  # seconds, for a busy machine


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder(threads=1)


class Watch:
    """A watch in a thread; ``wait_for`` passes over what else happens."""

    def __init__(self, index: Index, embedder: Embedder, paths: list[Path]):
        self.events: queue.Queue[Any] = queue.Queue()
        self.stop = threading.Event()
        self._going = watching.watch(index, lambda: embedder, paths, stop=self.stop)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for event in self._going:
                self.events.put(event)
        except BaseException as error:
            self.events.put(error)

    def wait_for(self, kind: type, path: Path | None = None) -> Any:
        while True:
            event = self.events.get(timeout=WAIT)
            if isinstance(event, BaseException):
                raise event
            if isinstance(event, kind) and path in (None, getattr(event, "path", None)):
                return event

    def end(self) -> None:
        self.stop.set()
        self._thread.join(timeout=WAIT)
        assert not self._thread.is_alive()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "first.txt").write_text("The first note is about the harbour.")
    return folder


@pytest.fixture
def watch(embedder: Embedder, folder: Path) -> Iterator[Watch]:
    with Index.open() as index:
        watch = Watch(index, embedder, [folder])
        yield watch
        watch.end()


def test_new_changed_and_deleted_files_follow(watch: Watch, folder: Path) -> None:
    watch.wait_for(Added, folder / "first.txt")
    assert watch.wait_for(Watching) == Watching((folder,), ())
    new = folder / "deep" / "new.txt"
    new.parent.mkdir()
    new.write_text("A new note tells of the lighthouse.")
    watch.wait_for(Added, new)
    (folder / "broken.docx").write_bytes(b"no archive")
    watch.wait_for(Skipped, folder / "broken.docx")
    new.write_text("The note tells of the market now.")
    watch.wait_for(Updated, new)
    (folder / "first.txt").unlink()
    watch.wait_for(Removed, folder / "first.txt")
    with Index.open() as index:
        (document,) = index.documents()
        assert [passage.text for passage in index.texts_of(document.id)] == ["The note tells of the market now."]


def test_a_watched_folder_that_is_deleted_and_comes_back(watch: Watch, folder: Path) -> None:
    watch.wait_for(Watching)
    shutil.rmtree(folder)
    while watch.wait_for(Watching).missing != (folder,):
        pass
    folder.mkdir()
    (folder / "second.txt").write_text("The second note is about the bridge.")
    watch.wait_for(Added, folder / "second.txt")


def test_polling_where_nothing_is_notified(embedder: Embedder, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notified = watching.watchfiles.watch

    def watch_(*paths: Path, force_polling: bool | None, **options: Any) -> Any:
        if not force_polling:
            raise OSError(28, "inotify watch limit reached")
        return notified(*paths, force_polling=True, **options)

    monkeypatch.setattr(watching.watchfiles, "watch", watch_)
    with Index.open() as index:
        watch = Watch(index, embedder, [folder])
        watch.wait_for(Watching)
        (folder / "second.txt").write_text("The second note is about the bridge.")
        watch.wait_for(Added, folder / "second.txt")
        watch.end()
