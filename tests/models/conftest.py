"""Fixtures of the store's tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from edges import LoopbackHub, write_gguf

from models.store import Store


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulls are allowed, and no source of the real world is known."""
    monkeypatch.delenv("ASSISTANT_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")


@pytest.fixture
def store(tmp_path: Path, online: None) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def small_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid GGUF of about 3 MB, written by the reference implementation; no model, but every check passes."""
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    write_gguf(path)
    return path


@pytest.fixture
def hub(small_gguf: Path, monkeypatch: pytest.MonkeyPatch, online: None) -> Iterator[LoopbackHub]:
    """Two servers, as in the real world: the hub, and the file server that it redirects to."""
    hub = LoopbackHub(small_gguf.read_bytes())
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), hub.handler()) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    hub.url, hub.files_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    yield hub
    for server in servers:
        server.shutdown()
        server.server_close()
