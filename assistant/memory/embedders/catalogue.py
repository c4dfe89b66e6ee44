"""The embedders and rerankers that can be pulled: data, reviewed like code."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

from assistant.memory.embedders.manifest import Description
from models.catalogue import Digest, Hub, close_matches
from models.errors import UsageError


class CatalogueFile(BaseModel):
    """One file of a model, at a pinned commit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    size: int = Field(gt=0)
    sha256: Digest
    hub: Hub


class CatalogueEntry(Description):
    """A model that can be pulled."""

    files: tuple[CatalogueFile, ...]

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(file.size for file in self.files)


@functools.cache
def load() -> tuple[CatalogueEntry, ...]:
    """All that can be pulled, the best first within each kind."""
    text = resources.files("assistant.memory.embedders").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return tuple(CatalogueEntry.model_validate(model) for model in tomllib.loads(text)["model"])


def get(name: str) -> CatalogueEntry:
    """The catalogue's entry of this name.

    Raises:
        UsageError: there is none; the hint names what there is.
    """
    for entry in load():
        if entry.name == name:
            return entry
    names = [entry.name for entry in load()]
    raise UsageError(
        f"There is no embedder or reranker named “{name}”.",
        f"Choose from: {', '.join(close_matches(name, names) or names)}.",
    )
