"""A server with OpenAI's API on this machine, whose answers and failures are written down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
Step = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeServer

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _serve(self, body: Json) -> None:
        with self.server.lock:
            self.server.requests.append((self.command, self.path, dict(self.headers), body))
            script = self.server.scripts.get(self.path)
            step = (script.pop(0) if len(script) > 1 else script[0]) if script else refuse(404, "no such path")
        self.body = body
        try:
            step(self)
        except (BrokenPipeError, ConnectionResetError):
            self.server.hung_up.set()
            self.close_connection = True

    def send(self, status: int, data: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def begin_stream(self) -> None:
        """An answer that ends when the connection does."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()

    def write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class FakeServer(ThreadingHTTPServer):
    """Answers the n-th request for a path with the n-th of its steps, and the last one from then on.

    Attributes:
        requests: (method, path, headers, body) of each. hung_up: a client closed its connection in an answer.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, models: Json | None = None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.requests: list[tuple[str, str, Json, Json]] = []
        self.hung_up = threading.Event()
        self.scripts: dict[str, list[Step]] = {"/v1/models": [reply(models or listing())]}

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def chat(self, *steps: Step) -> None:
        self.scripts["/v1/chat/completions"] = list(steps)

    def asked(self) -> list[Json]:
        """The bodies of what the chat was asked."""
        return [body for _, path, _, body in self.requests if path == "/v1/chat/completions"]


@contextmanager
def serving(models: Json | None = None) -> Iterator[FakeServer]:
    server = FakeServer(models)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def listing(owner: str = "somebody", **more: Any) -> Json:
    return {"object": "list", "data": [{"id": "model-a", "owned_by": owner, **more}, {"id": "model-b"}]}


# Steps


def reply(data: Any, status: int = 200, **headers: str) -> Step:
    return lambda handler: handler.send(status, json.dumps(data).encode(), **headers)


def refuse(status: int, words: str, **headers: str) -> Step:
    return reply({"error": {"message": words, "type": "invalid_request_error"}}, status, **headers)


def raw(data: bytes, status: int = 200, kind: str = "text/event-stream") -> Step:
    return lambda handler: handler.send(status, data, kind)


def event(delta: Json, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice], **more}, ensure_ascii=False).encode() + b"\n\n"


def says(*pieces: str, finish: str = "stop", usage: Json | None = None, reasoning: Iterable[str] = ()) -> Step:
    """A stream of these pieces."""

    def step(handler: Handler) -> None:
        handler.begin_stream()
        handler.write(b": a comment\n\n" + event({"role": "assistant", "content": None}))
        for thought in reasoning:
            handler.write(event({"reasoning_content": thought}))
        for piece in pieces:
            handler.write(event({"content": piece}))
        handler.write(event({}, finish))
        if usage:
            handler.write(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n")
        handler.write(b"data: [DONE]\n\n")

    return step


def breaks_off(*pieces: str) -> Step:
    """A stream that ends in the middle."""

    def step(handler: Handler) -> None:
        handler.begin_stream()
        for piece in pieces:
            handler.write(event({"content": piece}))

    return step


def goes_on(piece: str = "word ", seconds: float = 0.02) -> Step:
    """A stream without end."""

    def step(handler: Handler) -> None:
        handler.begin_stream()
        number = 0
        while True:
            number += 1
            handler.write(event({"content": f"{number} {piece}"}))
            time.sleep(seconds)

    return step


def waits(seconds: float) -> Step:
    """Nothing comes, as while a long prompt is read; until the client hangs up."""

    def step(handler: Handler) -> None:
        handler.connection.settimeout(seconds)
        try:
            if handler.connection.recv(1) == b"":
                handler.server.hung_up.set()
        except TimeoutError:
            pass
        handler.close_connection = True

    return step


def hangs_up() -> Step:
    """The connection is closed without an answer."""

    def step(handler: Handler) -> None:
        handler.close_connection = True
        handler.connection.close()

    return step


def token(text: str, score: float, **others: float) -> Json:
    """One place of ``logprobs``: what was taken, and what could have been."""
    tops = [{"token": text, "logprob": score}, *({"token": name, "logprob": s} for name, s in others.items())]
    return {"token": text, "logprob": score, "bytes": list(text.encode()), "top_logprobs": tops}


def chooses(*places: Json, text: str | None = None) -> Step:
    """A whole answer with log-probabilities."""
    content = "".join(place["token"] for place in places) if text is None else text
    choice: Json = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    if places:
        choice["logprobs"] = {"content": list(places)}
    return reply({"choices": [choice], "usage": {"prompt_tokens": 11, "completion_tokens": 1}})
