"""What a folder with a pulled embedder or reranker holds, and how its output becomes a vector."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.catalogue import Name
from models.manifest import MANIFEST, File

# A folder has one of these; the first is smaller and faster.
TOKENIZERS = ("sentencepiece.bpe.model", "tokenizer.json")
# Of how vectors are made here: to be raised when other vectors come out of the same files.
RECIPE = 1


class Description(BaseModel):
    """How a model is used.

    Attributes:
        kind: an embedder gives vectors, a reranker scores pairs of question and passage.
        dims: length of an embedder's vectors.
        pooling: mean over the tokens, the first token ("cls"), or done in the graph.
        query_prefix, passage_prefix: stand before what is embedded, with the space that ends them.
        max_tokens: of one run, special tokens included.
        licence: an SPDX expression; LicenseRef-… where SPDX has no name.
        languages: ISO 639-1 codes, or "multilingual".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    kind: Literal["embedder", "reranker"]
    title: str = ""
    dims: int | None = Field(None, gt=0)
    pooling: Literal["mean", "cls", "graph"] = "mean"
    query_prefix: str = ""
    passage_prefix: str = ""
    max_tokens: int = Field(512, ge=32)
    licence: str | None = None
    licence_url: str | None = None
    languages: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_dims(self) -> Self:
        if self.kind == "embedder" and not self.dims:
            raise ValueError("an embedder needs dims")
        return self


class Manifest(Description):
    """Beside the files of an installed model. ``files`` are a graph (``.onnx``), what it keeps outside itself, and a
    tokenizer; ``origin`` is where they came from."""

    format: Literal[1] = 1
    files: tuple[File, ...]
    origin: str
    installed_at: datetime

    @property
    def graph(self) -> str:
        """Name of the file to load."""
        return next(file.name for file in self.files if file.name.endswith(".onnx"))

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files)

    @property
    def version(self) -> str:
        """Changes with everything that changes a vector."""
        use = [RECIPE, self.dims, self.pooling, self.query_prefix, self.passage_prefix, self.max_tokens]
        text = json.dumps([use, sorted(file.sha256 for file in self.files)])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises OSError: there is none; ValueError: it is damaged, or from a newer version of the program."""
        return cls.model_validate_json((folder / MANIFEST).read_bytes())
