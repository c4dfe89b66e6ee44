"""The way to a server that speaks OpenAI's API: its address, its key, one pool of connections, and what goes wrong."""

from __future__ import annotations

import asyncio
import email.utils
import ipaddress
import json
import os
import random
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2

from assistant.engine.background import Call, run
from models.errors import DoesNotFit, ModelError, NetworkError, UsageError, UserError

KEY = "ASSISTANT_ENDPOINT_KEY"

Json = dict[str, Any]

_TRIES = 6
_LONGEST_WAIT = 60.0  # seconds between two tries, whatever the server asks for
_MOST_BYTES = 16_000_000  # of one answer, its envelope included
_LONGEST_EVENT = 1_000_000  # bytes
_MOST_WORDS = 300  # characters of what a server says
_TOO_LONG = re.compile(
    r"context[ _](?:length|window|size)|exceed_context|maximum (?:model|prompt|input) length"
    r"|(?:prompt|input) is too long",
    re.IGNORECASE,
)
_NEVER = re.compile(r"not supported|unsupported|not implemented", re.IGNORECASE)
_HINTS = {404: "Is the address right, and the name of the model (-m)?"}


class Refused(UserError):
    """The server does not take a request as it is; ``status`` is that of HTTP, ``words`` what the server says. Another
    request may be taken."""

    exit_code = ModelError.exit_code

    def __init__(self, message: str, hint: str | None, status: int, words: str):
        super().__init__(message, hint)
        self.status = status
        self.words = words


class Silent(NetworkError):
    """A stream ended before its first event. Some servers keep what went wrong for those who do not stream."""


class _Again(Exception):
    """What may be better the next time. ``wait``: seconds that the server asks for; ``answers``: one did answer."""

    def __init__(self, error: UserError, wait: float | None = None, *, answers: bool = True):
        super().__init__(error.message)
        self.error = error
        self.wait = wait
        self.answers = answers


class Endpoint:
    """A server, for any number of threads.

    Args:
        url: with or without ``/v1`` at its end.
        timeout: seconds without a byte, after which the server counts as gone. Reading a long prompt is silent.
        pause: seconds before the second try; it doubles with each.

    Raises:
        UsageError: it is no address, or the key cannot be sent.
        NetworkError: ASSISTANT_OFFLINE is set, and the address is another machine's.
    """

    def __init__(self, url: str, *, timeout: float = 600.0, pause: float = 0.5):
        self.url = _base(url)
        self.root = self.url.copy_with(path=self.url.path.removesuffix("/v1") or "/")
        self.local = is_loopback(self.url.host)
        if not self.local and os.environ.get("ASSISTANT_OFFLINE", "") not in ("", "0"):
            raise NetworkError(
                f"Not asking {self}: ASSISTANT_OFFLINE is set.", "Unset it, or name a server on this machine."
            )
        self._key = os.environ.get(KEY, "").strip()
        if not self._key.isascii() or not self._key.isprintable():
            raise UsageError(f"{KEY} has characters that no key has.", f"Set {KEY} again.")
        self._timeout = httpx2.Timeout(timeout, connect=min(timeout, 10.0), pool=None)
        self._pause = pause
        self._answered = False
        self._client: httpx2.AsyncClient | None = None

    def __str__(self) -> str:
        return str(self.url)

    @property
    def exposes_key(self) -> bool:
        """The key would cross a network that anybody on the way can read."""
        return bool(self._key) and self.url.scheme == "http" and not self.local

    def request(self, method: str, path: str, body: Json | None = None, *, of_root: bool = False) -> Call[Json]:
        """One JSON object, from a path below the address, or below the server's root.

        Raises:
            as :meth:`stream`, when the call is read.
        """
        return Call(lambda: self._attempts(method, path, body, of_root))

    def stream(self, path: str, body: Json) -> Call[Json]:
        """The server-sent events of an answer, each a JSON object; of a server that does not stream, one object.

        What fails before the first event is tried again, with pauses that double, or that the server asks for.

        Raises:
            Refused: the server does not take this request. DoesNotFit: the prompt is too long for it.
            ModelError: it wants another key.
            NetworkError: it cannot be reached, is overloaded, or its answer broke off.
        """
        return Call(lambda: self._attempts("POST", path, body))

    def close(self) -> None:
        client, self._client = self._client, None
        if client:
            run(client.aclose()).result(timeout=5)

    async def _attempts(self, method: str, path: str, body: Json | None, of_root: bool = False) -> AsyncIterator[Json]:
        for attempt in range(_TRIES):
            told = False
            try:
                async for event in self._once(method, path, body, of_root):
                    told = self._answered = True
                    yield event
                return
            except _Again as again:
                self._answered |= again.answers
                # Nobody waits half a minute to learn that an address is wrong.
                last = attempt + 1 >= (_TRIES if self._answered else 2)
                wait = self._pause * 2**attempt * random.uniform(0.75, 1.25) if again.wait is None else again.wait
                if told or last or wait > _LONGEST_WAIT:
                    raise again.error from again.__cause__
                await asyncio.sleep(wait)

    async def _once(self, method: str, path: str, body: Json | None, of_root: bool) -> AsyncIterator[Json]:
        if self._client is None:
            # The user's proxies have no business between here and here, and certificates take as long to load as a
            # short answer.
            verify = not (self.local and self.url.scheme == "http")
            self._client = httpx2.AsyncClient(timeout=self._timeout, trust_env=not self.local, verify=verify)
        base = self.root if of_root else self.url
        headers = {"Accept-Encoding": "identity", "User-Agent": "assistant"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        url = base.copy_with(path=base.path.rstrip("/") + path)
        try:
            async with self._client.stream(method, url, json=body, headers=headers) as response:
                if response.status_code != 200:
                    raise await self._failure(response)
                if response.headers.get("content-type", "").startswith("text/event-stream"):
                    async for event in self._events(response):
                        yield event
                else:
                    yield self._object(await self._whole(response, _MOST_BYTES))
        except httpx2.TimeoutException as error:
            if isinstance(error, httpx2.ConnectTimeout):
                raise _Again(self._lost("does not answer"), answers=False) from error
            raise self._lost(f"was silent for {self._timeout.read:.0f} seconds") from error
        except httpx2.ConnectError as error:
            raise _Again(self._lost(f"cannot be reached: {self._words(str(error))}"), answers=False) from error
        except httpx2.TransportError as error:
            said = self._words(str(error)) or type(error).__name__
            raise _Again(self._lost(f"broke the connection: {said}")) from error

    async def _events(self, response: httpx2.Response) -> AsyncIterator[Json]:
        """An answer that ends without ``[DONE]`` and without a reason to end was cut off."""
        rest, size, begun, ended = b"", 0, False, False
        async for piece in response.aiter_raw():
            size += len(piece)
            if size > _MOST_BYTES or len(rest) > _LONGEST_EVENT:
                raise NetworkError(f"{self} sends an answer without end.", "Set -o max_tokens.")
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                name, _, data = line.strip().partition(b":")
                if name not in (b"data", b"error") or not data.strip():
                    continue
                if data.strip() == b"[DONE]":
                    return
                event = self._object(data)
                if event.get("error") or name == b"error":
                    raise self._told_of(event, 500)
                begun = True
                ended |= any(choice.get("finish_reason") for choice in choices_of(event))
                yield event
        if not begun:
            raise Silent(f"{self} answers with nothing.", "Look at the server's log.")
        if not ended:
            raise _Again(self._lost("broke off in the middle of an answer"))

    async def _whole(self, response: httpx2.Response, most: int) -> bytes:
        whole = bytearray()
        async for piece in response.aiter_raw():
            whole += piece
            if len(whole) > most:
                raise NetworkError(f"{self} sends more than anybody asked for.", "Is this the address of a model?")
        return bytes(whole)

    def _object(self, data: bytes) -> Json:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._strange(data) from error
        if not isinstance(found, dict):
            raise self._strange(data)
        return found

    # What goes wrong

    async def _failure(self, response: httpx2.Response) -> Exception:
        try:
            data = (await self._whole(response, 1_000_000))[:100_000]
        except NetworkError:
            data = b""
        if response.is_redirect:
            to = self._words(response.headers.get("location", "elsewhere"))
            # Not followed: the texts, and perhaps the key, are for the server that was named.
            return NetworkError(f"{self} redirects to {to}.", "Name that address, if it is the one you want.")
        try:
            told = json.loads(data)
        except (ValueError, RecursionError):
            told = data.decode("utf-8", "replace")
        return self._told_of(told, response.status_code, _retry_after(response.headers.get("retry-after")))

    def _told_of(self, told: Any, status: int, wait: float | None = None) -> Exception:
        error: Any = told.get("error", told) if isinstance(told, dict) else told
        kind = ""
        if isinstance(error, dict):
            kind = f"{error.get('type')} {error.get('code')}"
            code = error.get("code")
            status = code if isinstance(code, int) and 400 <= code < 600 else status
            error = error.get("message") or error.get("detail") or told
        words = self._words(error if isinstance(error, str) else json.dumps(error, ensure_ascii=False))
        if status == 413 or (status < 501 and status not in (401, 403, 429) and _TOO_LONG.search(f"{kind} {words}")):
            return DoesNotFit(f"{self} says that it does not fit: {words}", "Shorten it, or choose a longer window.")
        if status == 429 or (status >= 500 and not _NEVER.search(words)):
            return _Again(
                NetworkError(f"{self} cannot answer now ({status}): {words}", "Try again later, or with fewer --jobs."),
                wait,
            )
        if status in (401, 403):
            about_key = "Is the key right?" if self._key else f"If the server wants a key, put it into {KEY}."
            return ModelError(f"{self} refuses ({status}): {words}", about_key)
        return Refused(f"{self} does not take the request ({status}): {words}", _HINTS.get(status), status, words)

    def _lost(self, what: str) -> NetworkError:
        return NetworkError(f"{self} {what}.", "Is the server running? Look at its log.")

    def _strange(self, data: bytes) -> NetworkError:
        said = self._words(data[:1000].decode("utf-8", "replace"))
        return NetworkError(f"{self} does not speak OpenAI's API: it says {said!r}.", "Is the address right?")

    def _words(self, text: str) -> str:
        """What a server says, fit to be shown: one short line, no escape sequences, not the key."""
        if self._key:
            text = text.replace(self._key, "…")
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return (text if len(text) <= _MOST_WORDS else text[:_MOST_WORDS] + "…").rstrip(".")


def choices_of(event: Json) -> list[Json]:
    """``choices`` of an answer, whatever the server put there."""
    found = event.get("choices")
    return [choice for choice in found if isinstance(choice, dict)] if isinstance(found, list) else []


def _base(url: str) -> httpx2.URL:
    wrong = UsageError(
        f"{url.split('@')[-1]!r} is no address of a server.", "Write it like http://localhost:8080/v1 or https://…"
    )
    try:
        parsed = httpx2.URL(url.strip())
    except (httpx2.InvalidURL, ValueError) as error:
        raise wrong from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise wrong
    if parsed.userinfo:
        raise UsageError("The address of the server has a password in it.", f"Put the key into {KEY}.")
    path = parsed.path.rstrip("/").removesuffix("/chat/completions")
    return parsed.copy_with(path=path or "/v1")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _retry_after(value: str | None) -> float | None:
    """Seconds; the header has seconds or a date."""
    if not value:
        return None
    try:
        wait = float(value)
    except ValueError:
        try:
            wait = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return max(0.0, wait) if wait == wait else None
