"""Embedders and rerankers beside the models: which there are, which are installed, pulled and removed.

One folder each, with the files and a manifest. Like the models' store, and by the same code: files appear whole or not
at all, an interrupted pull goes on where it was, and a folder without a manifest is one that was not finished.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.memory.embedders import DEFAULT, catalogue
from assistant.memory.embedders.manifest import TOKENIZERS, Description, Manifest
from models.catalogue import Download
from models.errors import Cancelled, ModelError, UsageError
from models.importing import bring
from models.manifest import MANIFEST, File, write_manifest
from models.paths import embedders_dir
from models.pull import (
    MARGIN,
    OnNote,
    OnProgress,
    PullProgress,
    check_space,
    complete,
    locked_folder,
    refuse_offline,
)
from models.sources import Source, choose

if TYPE_CHECKING:
    from assistant.memory.embedders.onnx_embedder import OnnxEmbedder
    from assistant.memory.embedders.onnx_reranker import OnnxReranker


class _Pulled(Download):
    @property
    def pull_command(self) -> str:
        return f"assistant memory pull {self.id}"


def installed() -> list[Manifest]:
    """What is installed beside the default embedder, the best first within each kind, those of the catalogue before
    others."""
    root = embedders_dir()
    found = [manifest for folder in (root.iterdir() if root.is_dir() else ()) if (manifest := _read(folder))]
    order = [entry.name for entry in catalogue.load()]
    return sorted(
        found,
        key=lambda manifest: (order.index(manifest.name) if manifest.name in order else len(order), manifest.name),
    )


def find(name: str) -> tuple[Path, Manifest]:
    """The folder of an installed model.

    Raises:
        ModelError: it is not installed; or a file has lost its size.
    """
    folder = embedders_dir() / name
    manifest = _read(folder) if Path(name).name == name else None
    if manifest is None:
        known = any(entry.name == name for entry in catalogue.load())
        names = ", ".join([DEFAULT, *(entry.name for entry in catalogue.load())])
        raise ModelError(
            f"{name} is not installed.", f"assistant memory pull {name}" if known else f"There are: {names}."
        )
    for file in manifest.files:
        path = folder / file.name
        size = path.stat().st_size if path.is_file() else 0
        if size != file.size:
            raise ModelError(
                f"{path} is damaged: it has {size:,} of {file.size:,} bytes.", f"assistant memory pull {name}"
            )
    return folder, manifest


def pull(
    name: str,
    *,
    sources: Sequence[Source] | None = None,
    on_progress: OnProgress | None = None,
    on_note: OnNote | None = None,
    cancelled: threading.Event | None = None,
) -> Manifest:
    """Install a model of the catalogue; or check it, and repair it, if it is installed.

    Args:
        sources: None: the hub.
        on_progress: at most ten calls a second; bytes count over all files.
        on_note: one line for the user.
        cancelled: set it to stop.

    Raises:
        UsageError: the catalogue has no such model.
        NetworkError: it cannot be had, or ASSISTANT_OFFLINE is set.
        IntegrityError, Cancelled, UserError (no space, read-only store).
    """
    entry = catalogue.get(name)
    note, cancelled = on_note or (lambda line: None), cancelled or threading.Event()
    sources = choose("hub") if sources is None else sources
    downloads = [_Pulled(id=name, **file.model_dump()) for file in entry.files]
    refuse_offline(downloads[0], sources)
    with locked_folder(embedders_dir(), name, note, cancelled) as folder:
        before = _read(folder)
        had = {file.name: file.sha256 for file in before.files} if before else {}
        origins, done = [], 0
        for download in downloads:
            report = _shifted(on_progress, done, entry.size)
            origin = complete(folder, download, sources, report, note, cancelled, had.get(download.file))
            origins += [origin] if origin else []
            done += download.size
        files = [File(name=file.file, size=file.size, sha256=file.sha256) for file in entry.files]
        manifest = _manifest(entry, files, ", ".join(origins) or "found in its folder")
        if before and before.version == manifest.version and not origins:
            return before
        write_manifest(folder, manifest)
        for file in before.files if before else ():
            if file.name not in {now.name for now in files}:
                (folder / file.name).unlink(missing_ok=True)
        return manifest


def import_folder(
    path: Path,
    name: str | None = None,
    *,
    on_progress: OnProgress | None = None,
    cancelled: threading.Event | None = None,
) -> Manifest:
    """Install a model from a folder of this machine: the files of a catalogue's model, which are checked as in a pull;
    or any other encoder as an ONNX graph, with a tokenizer and a ``manifest.json`` that has the fields of
    :class:`Description`.

    Args:
        name: None: that of the manifest.

    Raises:
        UsageError: the folder holds nothing that can be imported, or the name is taken.
        ModelError: the graph, the tokenizer and the manifest do not fit each other.
        IntegrityError, Cancelled, UserError.
    """
    said = _said(path)
    name = name or str(said.get("name", ""))
    if any(entry.name == name for entry in catalogue.load()):
        return pull(name, sources=choose(path=path), on_progress=on_progress, cancelled=cancelled)
    if not said:
        names = ", ".join(entry.name for entry in catalogue.load())
        raise UsageError(f"{path} has no {MANIFEST} that says how its model is used.", f"Or name one of: {names}.")
    try:
        description = Description.model_validate(
            {**{key: said[key] for key in said if key in Description.model_fields}, "name": name}
        )
    except ValueError as error:
        raise UsageError(f"{path / MANIFEST} does not describe a model: {_reason(error)}.") from error
    if name == DEFAULT:
        raise UsageError(f"“{name}” comes with the program.", "Choose another name.")
    originals = _files_of(path)
    total = sum(file.stat().st_size for file in originals)
    with locked_folder(embedders_dir(), name, lambda line: None, cancelled or threading.Event()) as folder:
        if _read(folder):
            raise UsageError(f"“{name}” is installed already.", "Choose another name, or remove it first.")
        check_space(folder, total + MARGIN, f"{name} needs")
        files: list[File] = []
        try:
            for original in originals:

                def arrived(done: int, before: int = sum(file.size for file in files)) -> None:
                    if cancelled and cancelled.is_set():
                        raise Cancelled()
                    if on_progress:
                        on_progress(PullProgress(description.name, "local", "download", before + done, total))

                files.append(bring(original.resolve(), folder, "copy", arrived, original.name))
            manifest = _manifest(description, files, str(path.resolve()))
            load(folder, manifest, threads=1)  # it must give what the manifest says before anyone relies on it
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        write_manifest(folder, manifest)
        return manifest


def remove(name: str) -> int:
    """Remove an installed model, or what an interrupted pull has left; returns the bytes that became free.

    Raises:
        ModelError: there is nothing of that name.
        UserError: it is being pulled right now.
    """
    folder = embedders_dir() / name
    if Path(name).name != name or name.startswith(".") or not folder.is_dir():
        hint = "It comes with the program." if name == DEFAULT else None
        raise ModelError(f"{name} is not installed.", hint)
    with locked_folder(embedders_dir(), name, None, threading.Event()):
        freed = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
        (folder / MANIFEST).unlink(missing_ok=True)  # first: a kill half-way leaves a folder without one
        shutil.rmtree(folder)
    return freed


def load(folder: Path, manifest: Manifest, *, threads: int) -> OnnxEmbedder | OnnxReranker:
    """What the manifest describes, tried with one text.

    Raises:
        ModelError: the files cannot be used, or not as the manifest says.
    """
    if manifest.kind == "embedder":
        from assistant.memory.embedders.onnx_embedder import OnnxEmbedder

        return OnnxEmbedder(folder, manifest, threads)
    from assistant.memory.embedders.onnx_reranker import OnnxReranker

    return OnnxReranker(folder, manifest, threads)


def _read(folder: Path) -> Manifest | None:
    try:
        manifest = Manifest.read(folder)
    except (OSError, ValueError):
        return None
    return manifest if manifest.name == folder.name else None


def _manifest(description: Description, files: Sequence[File], origin: str) -> Manifest:
    known = description.model_dump(include=set(Description.model_fields))
    return Manifest(**known, files=tuple(files), origin=origin, installed_at=datetime.now(UTC))


def _said(path: Path) -> dict[str, Any]:
    """The manifest of a folder, if it has a readable one."""
    try:
        said = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _reason(error: ValueError) -> str:
    """Of pydantic's report, the first field and what is wrong with it."""
    return " ".join(line.split(" [type=")[0].strip() for line in str(error).splitlines()[1:3]) or str(error)


def _files_of(path: Path) -> list[Path]:
    """The graph, the weights that it keeps beside itself, the tokenizer."""
    graphs = sorted(path.glob("*.onnx"))
    tokenizers = [path / name for name in TOKENIZERS if (path / name).is_file()]
    if len(graphs) != 1 or not tokenizers:
        raise UsageError(
            f"{path} holds {len(graphs)} ONNX graphs and {len(tokenizers)} tokenizers.",
            f"One graph is needed, and {' or '.join(TOKENIZERS)}.",
        )
    return [*graphs, *sorted(path.glob("*.onnx_data")), *sorted(path.glob("*.onnx.data")), tokenizers[0]]


def _shifted(on_progress: OnProgress | None, before: int, total: int) -> OnProgress | None:
    """Reports of one file as those of all: ``before`` bytes of ``total`` are in files that are done."""
    if on_progress is None:
        return None
    return lambda progress: on_progress(replace(progress, done=before + progress.done, total=total))
