"""The frame of commands that do one thing with each of many texts: what they read, where results go, how they end."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from assistant import settings as user_settings
from assistant.cli.answer import Screen
from assistant.cli.interrupt import interruptible
from assistant.cli.loading import endpoint_flag, engines, load, model_flags
from assistant.cli.progress import ProgressBar
from assistant.cli.question import is_piped
from assistant.cli.writing import leave_stdout, print_json
from assistant.engine.calls import returned
from assistant.engine.engine import Delta, Engine, Event, Progress, Result
from assistant.memory.files import printable
from assistant.tasks.finished import Finished, FinishedError, Run
from assistant.tasks.sources import STDIN, Source, Unread, read_sources
from models.errors import Cancelled, DoesNotFit, Unanswered, UsageError, UserError
from models.files import write_whole

if TYPE_CHECKING:
    from assistant.settings import Settings
    from assistant.tasks.opening import Opened
    from assistant.tasks.summarizing import Reading

_Command = TypeVar("_Command", bound=Callable[..., Any])
Check = Callable[[], None]  # raises Cancelled when the work is to be stopped
Work = Callable[[Engine, Source, Check], Generator["Event | Reading", None, "Outcome"]]
Parts = Callable[[Iterator[Source | Unread]], Iterator[Source | Unread]]
_Became = tuple[Source | Unread, "Outcome | UserError"]  # of one source


@dataclass(frozen=True)
class Outcome:
    """What became of one source.

    Attributes:
        text: for people; ``data``: the same and more, for programs.
        told: lines for stderr.
        good: it is what was asked for; ``supported``: nothing in it that the source does not bear.
    """

    text: str
    data: dict[str, Any]
    told: tuple[str, ...] = ()
    good: bool = True
    supported: bool = True


@dataclass(frozen=True)
class Frame:
    """The flags that such commands share (:func:`frame_flags`)."""

    names: tuple[str, ...]
    out: Path | None
    as_json: bool
    jobs: int
    resume: bool
    strict: bool
    model: str | None
    options: tuple[tuple[str, str], ...]
    endpoint: str | None

    @classmethod
    def of(cls, flags: dict[str, Any]) -> Frame:
        """Take the flags out of a command's arguments."""
        return cls(**{name: flags.pop(name) for name in cls.__dataclass_fields__})


def frame_flags(command: _Command) -> _Command:
    """``[FILES]...``, ``--out``, ``--json``, ``--jobs``, ``--resume``, ``--strict``, and those of the model."""
    for flag in (
        endpoint_flag,
        model_flags,
        click.option("--strict", is_flag=True, help="Exit with 1 when something in a result is not in its text."),
        click.option("--resume", is_flag=True, help="Go on from what an interrupted run of this command has finished."),
        click.option(
            "--jobs", type=click.IntRange(1), default=1, metavar="N", help="Processes, each with a model of its own."
        ),
        click.option(
            "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write a file for each text."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each text, one a line."),
        click.argument("names", nargs=-1, metavar="[FILES]..."),
    ):
        command = flag(command)
    return command


def language_flag(command: _Command) -> _Command:
    """``--language``, for commands that a template does."""

    def chosen(_context: click.Context, _option: click.Parameter, value: str) -> str | None:
        return None if value == "auto" else value

    return click.option(
        "--language",
        type=click.Choice(["auto", "en", "ru"]),
        default="auto",
        callback=chosen,
        help="In which language the model is told what to do; by default that of the text.",
    )(command)


def over_sources(
    frame: Frame, work_for: Callable[[Opened], Work], about: dict[str, Any], parts: Parts | None = None
) -> None:
    """Do the work with every source, one after another or with ``--jobs`` side by side; results keep their order.

    A source that cannot be read or does not fit is told of, and the others go on.

    Args:
        about: what tells this command from others, for ``--resume``; it stands in the JSON of each result.
        parts: makes several sources of one.

    Raises:
        UserError: there is only one source, and it failed; or the model cannot be used.
        Cancelled: Ctrl+C, SIGTERM; what is finished stays finished for ``--resume``.
        SystemExit: 1: something failed, or there was no text at all.
    """
    names = frame.names or _piped()
    sources = read_sources(names, stdin=sys.stdin.buffer)
    results = _Results(frame, several=len(names) > 1 or _is_many(names[0]) or parts is not None)
    settings = user_settings.load()
    opened = load(frame.model, frame.options, settings, endpoint=frame.endpoint)
    about |= {"model": opened.name}
    with (
        _finished(frame, settings) as finished,
        contextlib.closing(_Over(opened, frame, work_for(opened), finished, repr(about))) as over,
    ):
        try:
            with contextlib.closing(_Progress()) as shown:
                for event in interruptible(over.run(parts(sources) if parts else sources), over.cancel):
                    if isinstance(event, tuple):
                        shown.close()
                        results.put(*event, about)
                    else:
                        shown.show(event, over.reused)
        except Cancelled as stopped:
            kept = "What is finished is kept: the same command with --resume goes on." if finished.is_kept else None
            raise Cancelled("Stopped.", kept) from stopped
        except BrokenPipeError:
            leave_stdout()
        over.done()
    if results.failed or not results.any:
        sys.exit(1)


def _finished(frame: Frame, settings: Settings) -> Finished:
    """The table of finished work; in memory where nothing is to be stored, or, unless it is to be resumed, can be."""
    if not settings.history:
        return Finished.in_memory()
    try:
        return Finished.open()
    except FinishedError as error:
        if frame.resume:
            raise
        click.echo(f"warning: an interrupted run cannot be resumed: {error.message}", err=True)
        return Finished.in_memory()


class _Over:
    """Sources on their way through one engine or several. What the model has answered is kept until all are done."""

    def __init__(self, opened: Opened, frame: Frame, work: Work, finished: Finished, key: str):
        self._engines = engines(opened, frame.jobs)
        self._work = work
        self._key = key
        self._model_key = opened.key
        self._resume = frame.resume
        self._finished = finished
        self._runs: list[Run] = []
        self._stopped = threading.Event()

    def run(self, sources: Iterator[Source | Unread]) -> Generator[Event | Reading | _Became, None, None]:
        """What happens on the way, and of each source, in order, what became of it."""
        if len(self._engines) > 1:
            yield from self._side_by_side(sources)
            return
        for source in sources:
            try:
                yield source, (yield from self._one(source, self._engines[0]))
            except (_NotRead, DoesNotFit, Unanswered, UsageError) as error:
                yield source, error

    def _one(self, source: Source | Unread, engine: Engine) -> Generator[Event | Reading, None, Outcome]:
        if isinstance(source, Unread):
            raise _NotRead(f"{'Standard input' if source.name == STDIN else printable(source.name)} {source.reason}.")
        self._check()
        run = self._finished.run(f"{self._key} {source.digest}", self._model_key, resume=self._resume)
        self._runs.append(run)
        outcome = yield from self._work(run.engine(engine), source, self._check)
        self._check()
        return outcome

    def _side_by_side(self, sources: Iterator[Source | Unread]) -> Generator[_Became, None, None]:
        idle: queue.SimpleQueue[Engine] = queue.SimpleQueue()
        for engine in self._engines:
            idle.put(engine)

        def do(source: Source | Unread) -> Outcome | UserError:
            engine = idle.get()
            try:
                return returned(self._one(source, engine))
            except (_NotRead, DoesNotFit, Unanswered, UsageError) as error:
                return error
            finally:
                idle.put(engine)

        waiting: deque[tuple[Source | Unread, Future[Outcome | UserError]]] = deque()
        with ThreadPoolExecutor(len(self._engines)) as pool:
            try:
                for source in sources:
                    waiting.append((source, pool.submit(do, source)))
                    while waiting and (waiting[0][1].done() or len(waiting) > 2 * len(self._engines)):
                        yield waiting[0][0], waiting.popleft()[1].result()
                while waiting:
                    yield waiting[0][0], waiting.popleft()[1].result()
            except BaseException:
                self.cancel()
                pool.shutdown(cancel_futures=True)
                raise

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Cancelled()

    def cancel(self) -> None:
        """From any thread."""
        self._stopped.set()
        for engine in self._engines:
            engine.cancel()

    @property
    def reused(self) -> int:
        """Answers to the source at hand that an earlier run has finished."""
        return self._runs[-1].reused if self._runs else 0

    def done(self) -> None:
        """All results are out: nothing has to be resumed."""
        self._finished.done(self._runs)

    def close(self) -> None:
        for engine in self._engines:
            engine.close()


class _NotRead(UserError):
    """A source that cannot be read."""


class _Progress:
    """What a person sees meanwhile: a bar with the time left where the work says how far it is, else what the engine
    is at. It can be used again after it was closed."""

    def __init__(self) -> None:
        self._screen = Screen(streams=False)
        self._bar: ProgressBar | None = None
        self._reused = 0

    def show(self, event: Event | Reading, reused: int) -> None:
        """``reused``: how many answers came from an earlier run, and took no time."""
        if isinstance(event, Progress):
            if self._bar is None:
                self._screen.progress(event)
        elif isinstance(event, Delta):
            if self._bar is None:
                self._screen.delta(event)
        elif not isinstance(event, Result):
            if self._bar is None:
                self._screen.end()
                self._bar = ProgressBar("tokens").__enter__()
            self._bar.update(event.done, event.total, event.then, anew=reused != self._reused)
            self._reused = reused

    def close(self) -> None:
        if self._bar:
            self._bar.__exit__(None, None, None)
            self._bar = None
        self._screen.end()


class _Results:
    """Prints results, or writes them into a folder.

    Raises:
        UserError: the folder cannot be made or written to.
    """

    def __init__(self, frame: Frame, *, several: bool):
        self._frame = frame
        self._several = several
        self._taken: set[Path] = set()
        self._first = True
        self.failed = self.any = False
        if frame.out:
            try:
                frame.out.mkdir(parents=True, exist_ok=True)
                if not os.access(frame.out, os.W_OK | os.X_OK):
                    raise PermissionError(None, "Permission denied")
            except OSError as error:
                raise _not_written(frame.out, error) from error

    def put(self, source: Source | Unread, outcome: Outcome | UserError, about: dict[str, Any]) -> None:
        """Print or write what became of a source.

        Raises:
            UserError: it is the only one, and failed; or its file cannot be written. OSError: standard output is gone.
        """
        if isinstance(source, Unread) and not source.missed:
            click.echo(f"{printable(source.name)} {source.reason}.", err=True)
            return
        self.any = True
        if isinstance(outcome, UserError):
            self._put_error(source.name, outcome, about)
            return
        assert isinstance(source, Source)
        if not outcome.good or (self._frame.strict and not outcome.supported):
            self.failed = True
        for line in outcome.told:
            click.echo(f"{printable(source.name)}: {line}" if self._several else line, err=True)
        data = {"source": source.name} | outcome.data | about
        if self._frame.out:
            self._write(source, json.dumps(data, ensure_ascii=False, indent=2) if self._frame.as_json else outcome.text)
        elif self._frame.as_json:
            print_json(data, indent=None)
        else:
            if self._several:
                click.echo(f"{'' if self._first else chr(10)}==> {printable(source.name)} <==")
            click.echo(outcome.text)
        self._first = False
        sys.stdout.flush()

    def _put_error(self, name: str, error: UserError, about: dict[str, Any]) -> None:
        if not self._several:
            raise error
        self.failed = True
        click.echo(error.message if isinstance(error, _NotRead) else f"{printable(name)}: {error.message}", err=True)
        if self._frame.as_json and not self._frame.out:
            print_json({"source": name, "error": error.message} | about, indent=None)

    def _write(self, source: Source, text: str) -> None:
        path = self._place(source)
        try:
            write_whole(path, f"{text}\n".encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise _not_written(path, error) from error
        click.echo(f"{printable(source.name)} → {printable(path)}", err=True)

    def _place(self, source: Source) -> Path:
        """The file of a result: the name of its source, with a number where it is taken, never the source itself."""
        assert self._frame.out
        stem = source.path.name if source.path else "stdin"
        suffix = ".json" if self._frame.as_json else ".txt"
        number, path = 1, self._frame.out / f"{stem}{suffix}"
        while path in self._taken or self._is_source(path):
            number += 1
            path = self._frame.out / f"{stem}-{number}{suffix}"
        self._taken.add(path)
        return path

    def _is_source(self, path: Path) -> bool:
        """Whether a file is among the sources, read already or not."""
        if not path.exists():
            return False
        place = path.resolve()
        return any(
            place == Path(name).resolve() or Path(name).resolve() in place.parents or _matches(place, name)
            for name in self._frame.names
        )


def _matches(path: Path, pattern: str) -> bool:
    return glob.has_magic(pattern) and fnmatch(str(path), os.path.abspath(pattern))


def _piped() -> tuple[str, ...]:
    if is_piped():
        return ("-",)
    raise UsageError("There is nothing to read.", "Name files or folders, or give a text by a pipe.")


def _is_many(name: str) -> bool:
    """Whether one name may stand for several texts: a folder, a pattern."""
    return (
        name != "-"
        and "://" not in name
        and (os.path.isdir(name) or (glob.has_magic(name) and not os.path.lexists(name)))
    )


def _not_written(path: Path, error: OSError) -> UserError:
    return UserError(f"{printable(path)} cannot be written: {error.strerror}.", "Choose another folder with --out.")
