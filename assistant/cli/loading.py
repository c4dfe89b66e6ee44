"""The model of a command that asks it: which one, its engine, how it is sampled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from assistant import settings as user_settings
from assistant.cli import completion
from assistant.cli.answer import Screen
from assistant.cli.interrupt import interruptible
from assistant.engine.engine import Delta, Engine, Progress
from assistant.tasks.opening import Opened, open_model
from models.errors import Cancelled

if TYPE_CHECKING:
    from assistant.engine.engine import Event

T = TypeVar("T")
_Command = TypeVar("_Command", bound=Callable[..., Any])


def endpoint_flag(command: _Command) -> _Command:
    """``--endpoint``, for commands that may send what they read to a server."""
    return click.option(
        "--endpoint",
        metavar="URL",
        help="Ask a server with OpenAI's API (llama-server, vLLM, Ollama) instead; -m is the model's name there, and "
        "ASSISTANT_ENDPOINT_KEY holds the key.",
    )(command)


def model_flags(command: _Command) -> _Command:
    """``-m/--model`` and ``-o/--option``."""
    for flag in (
        click.option(
            "-o",
            "--option",
            "options",
            nargs=2,
            multiple=True,
            metavar="NAME VALUE",
            help=f"One of {', '.join(user_settings.OPTIONS)}. Repeatable.",
        ),
        click.option(
            "-m",
            "--model",
            metavar="MODEL",
            shell_complete=completion.models,
            help="Catalogue id, store name, or path of a GGUF file.",
        ),
    ):
        command = flag(command)
    return command


def load(
    model: str | None,
    options: Sequence[tuple[str, str]] = (),
    settings: user_settings.Settings | None = None,
    *,
    endpoint: str | None = None,
    **more: Any,
) -> Opened:
    """As :func:`~assistant.tasks.opening.open_model`; what the user should know is said on stderr."""
    opened = open_model(model, options, settings, endpoint=endpoint, **more)
    if opened.warning:
        click.echo(f"warning: {opened.warning}", err=True)
    return opened


def engines(opened: Opened, jobs: int) -> list[Engine]:
    """As :meth:`Opened.engines`; on stderr it is said where fewer fit."""
    found = opened.engines(jobs)
    if len(found) < jobs:
        click.echo(f"note: there is memory for {len(found)} of {jobs} processes", err=True)
    return found


def finish(work: Generator[Event, None, T], engine: Engine) -> T:
    """Run work that asks the engine, with its progress on stderr where a person watches; returns what it returns.

    Raises:
        what the work raises; Cancelled: Ctrl+C.
    """
    returned: list[T] = []
    stopped = threading.Event()

    def stop() -> None:
        stopped.set()
        engine.cancel()

    def events() -> Iterator[Event]:
        # An engine forgets a cancel with its next call, and work may make many: it ends here, whatever it makes of one.
        with closing(work):
            while True:
                try:
                    event = next(work)
                except StopIteration as end:
                    returned.append(end.value)
                    event = None
                if stopped.is_set():
                    raise Cancelled()
                if event is None:
                    return
                yield event

    with watching() as screen:
        for event in interruptible(events(), stop):
            if isinstance(event, Progress):
                screen.progress(event)
            elif isinstance(event, Delta):
                screen.delta(event)
    return returned[0]


@contextmanager
def watching() -> Iterator[Screen]:
    """A screen on which no answer streams."""
    screen = Screen(streams=False)
    try:
        yield screen
    finally:
        screen.end()
