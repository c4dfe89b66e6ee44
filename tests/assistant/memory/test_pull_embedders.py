"""Pulling embedders from a hub on loopback, and from a folder."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from small_encoder import DIMS, write_encoder

from assistant.memory.embedders import catalogue, library
from assistant.memory.embedders.catalogue import CatalogueEntry
from assistant.memory.embedding import best_installed, load_embedder
from models.errors import Cancelled, IntegrityError, ModelError, NetworkError, UsageError
from models.licences import checklist
from models.paths import embedders_dir
from models.pull import PullProgress
from models.sources import choose

sys.path.append(str(Path(__file__).parents[2] / "models"))  # the hub
from edges import REVISION, LoopbackHub

FILES = ("model.onnx", "sentencepiece.bpe.model")


def entry_for(folder: Path, **changes: Any) -> CatalogueEntry:
    files = [
        {
            "file": name,
            "size": (folder / name).stat().st_size,
            "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            "hub": {"repo": "org/small", "revision": REVISION, "file": f"onnx/{name}"},
        }
        for name in FILES
    ]
    fields = {"name": "small-e5", "kind": "embedder", "dims": DIMS, "max_tokens": 48, "licence": "MIT", "files": files}
    return CatalogueEntry.model_validate({**fields, **changes})


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = write_encoder(tmp_path / "published")
    (folder / "manifest.json").unlink()
    return folder


@pytest.fixture
def hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A hub with the one model that the catalogue has."""
    hub = LoopbackHub(b"", files={name: (published / name).read_bytes() for name in FILES})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), hub.handler()) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    hub.url, hub.files_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("ASSISTANT_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("ASSISTANT_OFFLINE")
    entry = entry_for(published)
    monkeypatch.setattr(catalogue, "load", lambda: (entry,))
    yield hub
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_pull_installs_what_can_be_loaded(hub: LoopbackHub, published: Path) -> None:
    with pytest.raises(ModelError, match="not installed") as missing:
        load_embedder("small-e5")
    assert missing.value.hint == "assistant memory pull small-e5"
    seen: list[PullProgress] = []
    manifest = library.pull("small-e5", on_progress=seen.append)
    assert f"org/small@{REVISION}" in manifest.origin
    assert load_embedder("small-e5").dims == DIMS
    assert best_installed() == "small-e5"
    folder = embedders_dir() / "small-e5"
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", *FILES]
    assert all((folder / name).read_bytes() == (published / name).read_bytes() for name in FILES)
    done = [progress.done for progress in seen if progress.phase == "download"]
    assert done == sorted(done)
    assert seen[-1].done == seen[-1].total == sum(len(content) for content in hub.files.values())


def test_what_is_installed_is_not_fetched_again_but_repaired(hub: LoopbackHub) -> None:
    manifest = library.pull("small-e5")
    before = len(hub.requests)
    assert library.pull("small-e5") == manifest
    assert len(hub.requests) == before
    graph = embedders_dir() / "small-e5" / "model.onnx"
    good = graph.read_bytes()
    graph.write_bytes(good[:1000])
    with pytest.raises(ModelError, match="damaged") as damaged:
        load_embedder("small-e5")
    assert damaged.value.hint == "assistant memory pull small-e5"
    library.pull("small-e5")
    assert graph.read_bytes() == good
    assert load_embedder("small-e5").version == manifest.version


def test_a_cancelled_pull_goes_on_where_it_was(hub: LoopbackHub) -> None:
    cancelled = threading.Event()

    def stop(progress: PullProgress) -> None:
        if progress.done > len(hub.files["model.onnx"]):
            cancelled.set()  # in the second file

    hub.delay = 0.01
    with pytest.raises(Cancelled) as stopped:
        library.pull("small-e5", on_progress=stop, cancelled=cancelled)
    assert stopped.value.hint == "It resumes where it was: assistant memory pull small-e5"
    assert library.installed() == []
    (partial,) = (embedders_dir() / "small-e5").glob("*.partial")
    kept, before, hub.delay = partial.stat().st_size, len(hub.requests), 0
    assert kept > 0
    library.pull("small-e5")
    asked = [(what.rsplit("/", 1)[1], span) for what, span, _ in hub.requests[before:] if what.startswith("GET")]
    assert asked == [("sentencepiece.bpe.model", f"bytes={kept}-")]


def test_a_wrong_digest_installs_nothing(hub: LoopbackHub, published: Path) -> None:
    name = "sentencepiece.bpe.model"
    good = hub.files[name]
    hub.files[name] = good[:-1] + b"x"
    with pytest.raises(NetworkError, match="another file there"):
        library.pull("small-e5")
    hub.etag = hashlib.sha256(good).hexdigest()
    only = entry_for(published)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "load", lambda: (only.model_copy(update={"files": only.files[1:]}),))
        with pytest.raises(IntegrityError) as wrong:
            library.pull("small-e5")
    assert "assistant memory pull small-e5" in str(wrong.value.hint)
    assert library.installed() == []


def test_a_newer_model_in_the_catalogue_replaces_the_older(
    hub: LoopbackHub, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = library.pull("small-e5").version
    other = (published / "model.onnx").rename(published / "model_int8.onnx")
    hub.files = {"model_int8.onnx": other.read_bytes()}
    monkeypatch.setitem(globals(), "FILES", ("model_int8.onnx", "sentencepiece.bpe.model"))
    newer = entry_for(published, passage_prefix="text: ")
    monkeypatch.setattr(catalogue, "load", lambda: (newer,))
    assert library.pull("small-e5").version != older
    names = {path.name for path in (embedders_dir() / "small-e5").iterdir()}
    assert names == {"manifest.json", "model_int8.onnx", "sentencepiece.bpe.model"}


def test_offline_nothing_is_asked_and_a_folder_will_do(
    hub: LoopbackHub, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_OFFLINE", "1")
    with pytest.raises(NetworkError, match="ASSISTANT_OFFLINE") as refused:
        library.pull("small-e5")
    assert "assistant memory pull small-e5 --from PATH" in str(refused.value.hint)
    manifest = library.import_folder(published, "small-e5")
    assert hub.requests == []
    assert str(published) in manifest.origin
    assert load_embedder("small-e5").dims == DIMS


def test_a_folder_with_other_files_is_not_taken_for_the_catalogues(hub: LoopbackHub, published: Path) -> None:
    graph = published / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError):
        library.pull("small-e5", sources=choose(path=published))
    assert library.installed() == []


def test_a_copy_of_the_folder_installs_it_elsewhere(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = library.pull("small-e5").version
    here = embedders_dir() / "small-e5"
    monkeypatch.setenv("ASSISTANT_MODELS", str(tmp_path / "elsewhere"))
    assert library.import_folder(here).version == version
    assert (embedders_dir() / "small-e5" / "model.onnx").is_file()


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(UsageError, match="no embedder or reranker named") as unknown:
        library.pull("multilingual-e5-smal")
    assert unknown.value.hint == "Choose from: multilingual-e5-small."


def test_the_catalogue_says_what_is_needed_to_choose() -> None:
    entries = {entry.name: entry for entry in catalogue.load()}
    assert [name for name, entry in entries.items() if entry.kind == "embedder"] == ["bge-m3", "multilingual-e5-small"]
    assert entries["multilingual-e5-small"].query_prefix == "query: "
    for entry in entries.values():
        assert entry.languages
        assert entry.licence
        assert checklist(entry.licence).commercial_use == "yes"
        assert entry.size > 100_000_000
