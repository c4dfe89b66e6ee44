"""The manifest beside a model's file: what it is, where it came from, and what it must hash to."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from models.pull import sync_folder

MANIFEST = "manifest.json"


class File(BaseModel):
    """One file of a model; a split model has several."""

    model_config = ConfigDict(frozen=True)

    name: str
    size: int
    sha256: str


class Manifest(BaseModel):
    """What is known of an installed model. ``files[0]`` is the one to load.

    Attributes:
        id: the catalogue's.
        source: "catalogue", "import", or "convert": made on this machine.
        origin: where the bytes came from: repository@commit, packages, or a path; of a converted model the checkpoint.
        draft: name in the store of the model that drafts for this one; it counts before the catalogue's.
        recipe: of a converted model the type of every tensor. quality: what was measured of it, by name.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    id: str | None
    files: tuple[File, ...]
    source: str
    origin: str
    licence: str | None
    licence_url: str | None
    installed_at: datetime
    catalogue_version: str
    draft: str | None = None
    recipe: dict[str, str] | None = None
    quality: dict[str, float] | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises OSError: there is none; ValueError: it is damaged, or from a newer version of the program."""
        return cls.model_validate_json((folder / MANIFEST).read_bytes())

    def write(self, folder: Path) -> None:
        """Whole or not at all, and on disk when this returns."""
        write_manifest(folder, self)


def write_manifest(folder: Path, manifest: BaseModel) -> None:
    """Whole or not at all, and on disk when this returns."""
    new = folder / f"{MANIFEST}.new"
    with new.open("w", encoding="utf-8") as file:
        file.write(manifest.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / MANIFEST)
    sync_folder(folder)
