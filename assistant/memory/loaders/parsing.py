"""Formats that have to be parsed, in a child process: a file may be broken or hostile, and parsers are not prepared.

One child serves all files, one after the other, so that its start is paid once. It is killed when it neither answers
nor reports progress for :data:`SILENCE_SECONDS`, and its memory is limited where the system can. It ends with
its parent, or when it had nothing to do for a minute. Parent and child speak JSON lines::

    → {"path": "/a/b.pdf", "kind": "pdf", "limit": 200000000}
    ← {} now and then …  {"text": …, "title": …, "pages": […]}  or  {"reason": "is encrypted"}
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assistant.memory.loaders.extracted import Extracted, NoText

SILENCE_SECONDS = 30.0  # one page of a map drawn in text may take ten
TOTAL_SECONDS = 900.0  # for one file
MEMORY = 2 << 30  # bytes of address space
_IDLE_SECONDS = 60.0
_LOADERS = {
    "html": "html",
    "pdf": "pdf",
    "docx": "docx",
    "epub": "epub",
    "fb2": "fictionbook",
    "odt": "opendocument",
    "pptx": "pptx",
    "xlsx": "xlsx",
    "rtf": "rtf",
    "eml": "mail",
}

OnProgress = Callable[[], None]  # called as often as a loader gets further: a page, a chapter, some paragraphs


def parse(path: Path, kind: str, limit: int) -> Extracted:
    """The text of a file of ``kind``, at most ``limit`` characters.

    Raises:
        NoText: why there is none.
    """
    answer = _child.ask({"path": os.fspath(path), "kind": kind, "limit": limit})
    if "reason" in answer:
        raise NoText(answer["reason"])
    return Extracted(answer["text"], answer["title"], tuple(answer["pages"]))


def close() -> None:
    """End the child process, if there is one, once it has read what it reads. The next file starts another."""
    _child.end()


# ── the parent's side ─────────────────────────────────────────────────────────────────────────────────────────────────


class _Child:
    """The process, started when it is needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._one_call = threading.Lock()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._one_call:
            answer = self._ask(request)
            if answer is None:  # it ended for want of work at the very moment
                answer = self._ask(request)
            return answer or {"reason": "crashed its parser: it is broken"}

    def end(self) -> None:
        with self._one_call:
            self.close()

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The last answer, or None if the child ended in peace."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        total = _alarm(TOTAL_SECONDS, kill)
        silence = _alarm(SILENCE_SECONDS, kill)
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
            for line in process.stdout:
                silence.cancel()
                if line.endswith("\n") and (answer := json.loads(line)):
                    if answer.get("last"):
                        self.close()
                    return dict(answer)
                silence = _alarm(SILENCE_SECONDS, kill)
        except BaseException:  # Ctrl+C: what it still answers must not be taken for the next file's text
            self.close()
            raise
        finally:
            total.cancel()
            silence.cancel()
        code = process.wait()
        self.close()
        if late.is_set():
            return {"reason": "takes too long to read: it is broken, or made to"}
        return None if code == 0 else {"reason": "crashed its parser: it is broken"}

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            # -P: else Python takes modules of the folder it is started in for ours.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "assistant.memory.loaders.parsing"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                errors="surrogatepass",
                start_new_session=True,  # Ctrl+C in the terminal is for the parent
            )
        return self._process


def _alarm(seconds: float, ring: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    return timer


_child = _Child()
atexit.register(close)


# ── the child's side ──────────────────────────────────────────────────────────────────────────────────────────────────


def _main() -> None:
    _limit_memory()
    # The pipe is ours alone: whatever a library prints goes nowhere.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogatepass", newline="\n")
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), encoding="utf-8")

    told = 0.0

    def send(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer, ensure_ascii=False) + "\n")
        answers.flush()

    def progress() -> None:
        nonlocal told
        if time.monotonic() > told + 0.5:
            told = time.monotonic()
            send({})

    while True:
        idle = _alarm(_IDLE_SECONDS, lambda: os._exit(0))
        line = requests.readline()
        idle.cancel()
        if not line:
            return
        try:
            send(_answer(json.loads(line), progress))
        except MemoryError:
            # What is left of the memory is in pieces: another child serves the next file.
            send({"reason": f"needs more than {MEMORY >> 30} GB of memory to read", "last": True})


def _answer(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    kind = request["kind"]
    try:
        loader = importlib.import_module(f"assistant.memory.loaders.{_LOADERS[kind]}")
        found: Extracted = loader.load(Path(request["path"]), on_progress)
    except NoText as error:
        return {"reason": str(error)}
    except ImportError as error:
        return {"reason": f"needs a library to be read: pip install 'assistant[documents]' ({error.name})"}
    except OSError as error:
        return {"reason": f"cannot be read ({(error.strerror or str(error)).lower()})"}
    except MemoryError:
        raise
    except Exception as error:  # parsers raise whatever they stumble over
        return {"reason": f"is broken, or no {kind.upper()} file ({type(error).__name__})"}
    if len(found.text) + sum(map(len, found.pages)) > request["limit"]:
        return {"reason": "has too much text"}
    return {"text": found.text, "title": found.title, "pages": found.pages}


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):  # not on Windows; macOS refuses
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    _main()
