"""``assistant doctor``: what was built, what is seen, what is really used."""

from __future__ import annotations

import json
import platform
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any

import click

from assistant import __version__
from models.errors import UserError


@click.command()
@click.option(
    "-m",
    "--model",
    metavar="MODEL",
    help="The model to load; without it, the one that chats use.",
)
@click.option("--no-load", is_flag=True, help="Do not load a model.")
@click.option("--verify", is_flag=True, help="Also read every installed model and compare its digest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(model: str | None, no_load: bool, verify: bool, as_json: bool) -> None:
    """Say what works on this machine and what does not.

    Three things are told apart: what llama.cpp was built with, which devices it sees, and how many layers of a model
    really went there. Exit code 1 if anything is wrong.
    """
    findings = list(_examine(model, load=not no_load, verify=verify))
    if as_json:
        report: dict[str, Any] = {}
        for area, name, value, _ in findings:
            report.setdefault(area, {})[name] = value
        report["ok"] = all(ok for *_, ok in findings)
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        previous = ""
        for area, name, value, ok in findings:
            if area != previous:
                click.secho(("\n" if previous else "") + area, bold=True)
            previous = area
            mark = click.style("✓", fg="green") if ok else click.style("✗", fg="red", bold=True)
            click.echo(f"  {mark} {name}: {value}")
    if not all(ok for *_, ok in findings):
        sys.exit(1)


Finding = tuple[str, str, Any, bool]  # area, name, value, whether it is fine


def _examine(name: str | None, *, load: bool, verify: bool) -> Iterator[Finding]:
    yield "versions", "assistant", __version__, True
    yield "versions", "python", f"{platform.python_version()} on {platform.platform()}", True
    yield "versions", "sqlite", sqlite3.sqlite_version, sqlite3.sqlite_version_info >= (3, 35)
    try:
        from models import backends, hardware, llama
    except UserError as error:
        yield "versions", "llama.cpp", f"{error.message} {error.hint}", False
        return
    yield "versions", "llama-cpp-python", llama.REQUIRED_VERSION, True
    yield "versions", "llama.cpp was built with", llama.system_info(), True

    memory = hardware.memory()
    yield "machine", "memory", f"{_gib(memory.available)} free of {_gib(memory.total)}", memory.available > 1 << 30
    yield "machine", "threads for the model", hardware.default_threads(), True
    for device in llama.devices():
        yield (
            "machine",
            f"device {device.name}",
            f"{device.description} ({device.type}"
            + (f", {_gib(device.memory_free)} free of {_gib(device.memory_total)})" if device.memory_total else ")"),
            True,
        )

    for backend in backends.backends():
        yield "backends", backend.name, backend.says, backend.is_fine
    yield from _files()
    yield from _store(verify=verify)
    if load:
        yield from _load(name)


def _files() -> Iterator[Finding]:
    from assistant import settings
    from assistant.chat.history import History
    from models import paths

    try:
        settings.load()
        yield "files", "settings", str(paths.config_file()), True
    except UserError as error:
        yield "files", "settings", f"{error.message} {error.hint or ''}".strip(), False
    try:
        with History.open() as history:
            yield "files", "history", f"{paths.history_file()}, {len(history.conversations())} chats", True
    except UserError as error:
        yield "files", "history", f"{error.message} {error.hint or ''}".strip(), False


def _store(*, verify: bool) -> Iterator[Finding]:
    from models import hardware
    from models.store import Store

    store = Store()
    free = hardware.disk_free(store.root)
    yield "models", "store", f"{store.root}, {_gib(free)} free on its disk", free > 1 << 30
    for model in store.installed():
        try:
            if verify:
                wrong = store.verify(model.name)
                said = "; ".join(f"{bad.file}: sha256 {bad.actual} instead of {bad.expected}" for bad in wrong)
                yield "models", model.name, said or "digest is right", not wrong
            else:
                model = store.resolve(model.name)
                header = model.header()
                yield "models", model.name, f"{_gib(model.size)}, {header.architecture}", True
        except UserError as error:
            yield "models", model.name, f"{error.message} {error.hint or ''}".strip(), False
    for pull in store.interrupted():
        go_on = f"go on with `assistant models pull {pull.name}`"
        drop = f"import the file again, or `assistant models rm {pull.name}`"
        hint = f"not finished ({_gib(pull.done)}); {go_on if pull.total else drop}"
        yield "models", pull.name, hint, True


def _load(name: str | None) -> Iterator[Finding]:
    from assistant import settings
    from assistant.engine.worker import WorkerEngine
    from models.store import Store

    try:
        chosen = settings.load()
        installed = Store().choose(name or chosen.model)
        # In a child process: what is broken enough to crash it is what one wants to be told.
        engine = WorkerEngine(installed.path, settings.load_options({"context_length": 512}, chosen))
        try:
            info = engine.load()
        finally:
            engine.close()
    except UserError as error:
        yield "loading", name or "the model", f"{error.message} {error.hint or ''}".strip(), False
        return
    on_gpu, layers = info.offloaded
    where = f"{on_gpu} of {layers} layers on the GPU" if on_gpu else "all on the CPU"
    yield "loading", installed.name, f"{info.description}, {where}", True


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
