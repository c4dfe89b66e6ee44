"""Fetching a checkpoint: from a hub on loopback, with the hub's own client."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from convert.fetch import fetch, repository
from models.errors import IntegrityError, ModelError, NetworkError

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


@dataclass
class Hub:
    """A repository ``org/small``: its files, and what was asked for."""

    files: dict[str, bytes]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    wrong_digests: bool = False
    status: int = 200

    def digest(self, name: str) -> str:
        return hashlib.sha256(self.files[name] + b"!" * self.wrong_digests).hexdigest()

    def describe(self) -> bytes:
        siblings = [
            {"rfilename": name, "size": len(data)}
            | (
                {"lfs": {"sha256": self.digest(name), "size": len(data), "pointerSize": 100}}
                if name.endswith(".safetensors")
                else {}
            )
            for name, data in self.files.items()
        ]
        return json.dumps({"id": "org/small", "sha": COMMIT, "siblings": siblings}).encode()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def _answer(self, body: bytes, status: int = 200, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_GET(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            if hub.status != 200:
                self._answer(b"{}", hub.status)
            elif self.path.startswith("/api/models/org/small"):
                self._answer(hub.describe(), Content_Type="application/json")
            else:
                name = self.path.split("?")[0].rsplit(f"{COMMIT}/", 1)[-1]
                if name not in hub.files:
                    self._answer(b"", 404, X_Error_Code="EntryNotFound")
                    return
                data = hub.files[name]
                first = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
                self._answer(
                    data[first:],
                    206 if "Range" in self.headers else 200,
                    ETag=f'"{hub.digest(name)}"',
                    X_Repo_Commit=COMMIT,
                    Content_Range=f"bytes {first}-{len(data) - 1}/{len(data)}",
                )

        do_HEAD = do_GET

    return Handler


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub(
        {
            "config.json": b'{"architectures": ["LlamaForCausalLM"]}',
            "README.md": b"---\nlicense: apache-2.0\n---\n",
            "tokenizer.json": b"{}",
            "model-00001-of-00002.safetensors": b"first" * 30_000,
            "model-00002-of-00002.safetensors": b"second" * 20_000,
            "consolidated.safetensors": b"everything once more" * 10_000,
            "pytorch_model.bin": b"a pickle",
            "onnx/model.onnx": b"something else",
        }
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.delenv("ASSISTANT_OFFLINE")
    yield hub
    server.shutdown()
    server.server_close()


def test_what_conversion_reads_is_fetched_and_nothing_else(hub: Hub, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    origin = fetch("org/small", tmp_path / "there", on_progress=lambda done, total: seen.append((done, total)))
    assert origin == f"org/small@{COMMIT}"
    there = {path.name: path.read_bytes() for path in (tmp_path / "there").iterdir() if path.is_file()}
    left_out = {"consolidated.safetensors", "pytorch_model.bin", "onnx/model.onnx"}
    assert there == {name: data for name, data in hub.files.items() if name not in left_out}
    total = sum(len(data) for data in there.values())
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_what_is_there_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch("org/small", tmp_path)
    hub.asked.clear()
    fetch("org/small", tmp_path)
    assert not [path for path in hub.asked if path.startswith("GET") and "safetensors" in path]


def test_a_file_that_is_not_what_the_hub_says_is_removed(hub: Hub, tmp_path: Path) -> None:
    hub.wrong_digests = True
    with pytest.raises(IntegrityError, match=r"model-00001-of-00002\.safetensors has sha256"):
        fetch("org/small", tmp_path)
    assert not (tmp_path / "model-00001-of-00002.safetensors").exists()


def test_pickles_alone_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"config.json": b"{}", "pytorch_model.bin": b"a pickle"}
    with pytest.raises(ModelError, match="no safetensors") as caught:
        fetch("org/small", tmp_path)
    assert "pickles" in (caught.value.hint or "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("status", "kind", "said"), [(401, NetworkError, "refuses"), (404, ModelError, "has no")])
def test_refusals_say_what_to_do(hub: Hub, tmp_path: Path, status: int, kind: type[Exception], said: str) -> None:
    hub.status = status
    with pytest.raises(kind, match=said):
        fetch("org/small", tmp_path)


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetworkError, match="ASSISTANT_OFFLINE"):
        fetch("org/small", tmp_path)
    monkeypatch.delenv("ASSISTANT_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NetworkError, match="cannot be reached"):
        fetch("org/small", tmp_path)


def test_stopping_leaves_what_has_arrived(hub: Hub, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("org/small", tmp_path, on_progress=stop)
    assert (tmp_path / "config.json").exists()
    fetch("org/small", tmp_path)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("org/name", ("org/name", None)),
        ("org/na.me-1@v1.0", ("org/na.me-1", "v1.0")),
        ("a/b/c", None),
        ("/org/name", None),
        ("./name", None),
    ],
)
def test_how_repositories_are_written(source: str, found: tuple[str, str | None] | None) -> None:
    assert repository(source) == found
