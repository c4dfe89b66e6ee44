"""The model of a command that asks it: which one, its engine, how it is sampled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from assistant import settings as user_settings
from assistant.cli import completion
from assistant.cli.answer import Screen
from assistant.cli.interrupt import interruptible
from assistant.engine.engine import Delta, Engine, GenerateOptions, Progress
from models.errors import Cancelled
from models.store import Installed, Store

if TYPE_CHECKING:
    from assistant.engine.engine import Event

T = TypeVar("T")
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model, the engine that asks it, and the options of its answers.

    Attributes:
        name: what users know the model by.
        installed: the model; None: it is a server's.
        generation_for: the options of answers to a task that asks for some itself (those of a template): they come
            before the settings, and after the flags.
    """

    name: str
    installed: Installed | None
    engine: Engine
    generation_for: Callable[[Mapping[str, Any]], GenerateOptions]

    @property
    def generation(self) -> GenerateOptions:
        return self.generation_for({})

    @property
    def key(self) -> str:
        """What tells the model from every other: what it answered is not another's answer.

        Raises:
            OSError: its file cannot be read.
        """
        from models.fingerprint import fingerprint

        return fingerprint(self.installed.path) if self.installed else self.name


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
) -> Loaded:
    """The model that is named, or the settings' one, or the only one there is; it is read with the first question.

    Args:
        endpoint: a server to ask instead; its model is the one that is named, or its first.
        more: fields of ``LoadOptions`` that are set whatever the flags say.

    Raises:
        ModelError: there is no such model. UsageError: an option is wrong. NetworkError: the server cannot be reached.
    """
    chosen = settings or user_settings.load()
    flags = user_settings.parse_options(options)
    if endpoint is not None:
        return _on_a_server(endpoint, model, flags, chosen)
    from assistant.engine.local import LocalEngine

    store = Store()
    installed = store.choose(model or chosen.model)
    engine = LocalEngine(installed.path, replace(user_settings.load_options(flags, chosen, store, installed), **more))

    def generation_for(task: Mapping[str, Any]) -> GenerateOptions:
        return user_settings.generate_options(flags, chosen, installed.entry and installed.entry.sampling, task)

    return Loaded(installed.name, installed, engine, generation_for)


def _on_a_server(url: str, model: str | None, flags: Mapping[str, Any], settings: user_settings.Settings) -> Loaded:
    from assistant.engine.endpoint import KEY, Endpoint
    from assistant.engine.remote import RemoteEngine
    from assistant.engine.servers import Server

    endpoint = Endpoint(url)
    if endpoint.exposes_key:
        click.echo(f"warning: {KEY} and all texts go to {endpoint.url.host} unencrypted; use https.", err=True)
    engine = RemoteEngine(Server(endpoint, model, flags.get("context_length")))
    name = engine.load().description  # now: nobody waits for the first answer to learn that the address is wrong

    def generation_for(task: Mapping[str, Any]) -> GenerateOptions:
        return user_settings.generate_options(flags, settings, None, task)

    return Loaded(f"{name} at {endpoint}", None, engine, generation_for)


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
