"""The model that answers: one of this machine or of a server, its engine, and how its answers are sampled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assistant import settings as user_settings
from assistant.engine.engine import Engine, GenerateOptions
from models.store import Installed, Store

if TYPE_CHECKING:
    from assistant.settings import Settings


@dataclass(frozen=True, slots=True)
class Opened:
    """A model, the engine that asks it, and the options of its answers.

    Attributes:
        name: what users know the model by.
        installed: the model; None: it is a server's.
        generation_for: the options of answers to a task that asks for some itself (those of a template): they come
            before the settings, and after what was asked for by name.
        warning: what the user should know before anything is sent.
    """

    name: str
    installed: Installed | None
    engine: Engine
    generation_for: Callable[[Mapping[str, Any]], GenerateOptions]
    warning: str | None = None

    @property
    def generation(self) -> GenerateOptions:
        return self.generation_for({})

    @property
    def key(self) -> str:
        """What tells the model from every other: what it answered is not another's answer.

        Raises:
            OSError: its file cannot be read.
        """
        from assistant.engine.local import LocalEngine
        from assistant.tasks.finished import model_key

        if isinstance(self.engine, LocalEngine):
            return model_key(self.engine.path, self.engine.options)
        return self.name

    def engines(self, jobs: int) -> list[Engine]:
        """So many engines of this model to work side by side: of a server, or each in a process of its own with its
        share of the threads, as far as there is memory for them. One is this one.

        Raises:
            DoesNotFit: there is no memory for one of them.
        """
        from assistant.engine.local import LocalEngine
        from assistant.engine.remote import RemoteEngine

        if isinstance(self.engine, RemoteEngine):
            return [self.engine, *(RemoteEngine(self.engine.server) for _ in range(jobs - 1))]
        if jobs > 1 and isinstance(self.engine, LocalEngine):
            from assistant.engine.processes import engines

            return list(engines(self.engine.path, self.engine.options, jobs))
        return [self.engine]


def open_model(
    model: str | None = None,
    options: Sequence[tuple[str, str]] | Mapping[str, Any] = (),
    settings: Settings | None = None,
    *,
    endpoint: str | None = None,
    **more: Any,
) -> Opened:
    """The model that is named, or the settings' one, or the only one there is; it is read with the first question.

    Args:
        options: by the names of :data:`assistant.settings.OPTIONS`.
        endpoint: a server to ask instead; its model is the one that is named, or its first.
        more: fields of ``LoadOptions`` that are set whatever the options say.

    Raises:
        ModelError: there is no such model. UsageError: an option is wrong. NetworkError: the server cannot be reached.
    """
    chosen = settings or user_settings.load()
    given = [(name, str(value)) for name, value in options.items()] if isinstance(options, Mapping) else options
    asked = user_settings.parse_options(given)
    if endpoint is not None:
        return _on_a_server(endpoint, model, asked, chosen)
    from assistant.engine.local import LocalEngine

    store = Store()
    installed = store.choose(model or chosen.model)
    engine = LocalEngine(installed.path, replace(user_settings.load_options(asked, chosen, store, installed), **more))

    def generation_for(task: Mapping[str, Any]) -> GenerateOptions:
        return user_settings.generate_options(asked, chosen, installed.entry and installed.entry.sampling, task)

    return Opened(installed.name, installed, engine, generation_for)


def _on_a_server(url: str, model: str | None, asked: Mapping[str, Any], settings: Settings) -> Opened:
    from assistant.engine.endpoint import KEY, Endpoint
    from assistant.engine.remote import RemoteEngine
    from assistant.engine.servers import Server

    endpoint = Endpoint(url)
    warning = None
    if endpoint.exposes_key:
        warning = f"{KEY} and all texts go to {endpoint.url.host} unencrypted; use https."
    engine = RemoteEngine(Server(endpoint, model, asked.get("context_length")))
    name = engine.load().description  # now: nobody waits for the first answer to learn that the address is wrong

    def generation_for(task: Mapping[str, Any]) -> GenerateOptions:
        return user_settings.generate_options(asked, settings, None, task)

    return Opened(f"{name} at {endpoint}", None, engine, generation_for, warning)
