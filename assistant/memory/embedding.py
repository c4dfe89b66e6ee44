"""Texts as vectors whose dot product says how near they are in meaning, whatever their words and language.

One embedder needs no download. Others, and the rerankers, are multilingual encoders as ONNX models, pulled once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from assistant.memory.embedders import DEFAULT, catalogue, library
from models.errors import ModelError
from models.hardware import default_threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# More threads than these gain little, and the language model wants the others.
MAX_THREADS = 4


class Embedder(Protocol):
    """
    Attributes:
        name, version: of the weights and of how they are used; vectors of different versions cannot be compared.
        dims: length of a vector.
        whole_chunks: a chunk is better found if it has a vector as a whole too, beside those of its sentences.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def dims(self) -> int: ...
    @property
    def whole_chunks(self) -> bool: ...

    def count_tokens(self, text: str) -> int:
        """Tokens of the text alone."""
        ...

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dims), each row of length 1; what is longer than the model takes is averaged over windows."""
        ...

    def query(self, text: str) -> NDArray[np.float32]:
        """(dims,), of length 1."""
        ...


class CrossEncoder(Protocol):
    @property
    def name(self) -> str: ...

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n,), from 0 to 1: how well each text answers the query."""
        ...


def load_embedder(name: str | None = None, *, threads: int | None = None) -> Embedder:
    """The embedder of this name; None: the one that needs no download.

    Args:
        threads: None: the physical cores this process may use, at most 4.

    Raises:
        ModelError: it is not installed, or its files cannot be used.
    """
    threads = threads or min(default_threads(), MAX_THREADS)
    if name in (None, DEFAULT):
        from assistant.memory.embedders.use_multilingual import UseMultilingual

        return UseMultilingual(threads)
    from assistant.memory.embedders.onnx_embedder import OnnxEmbedder

    folder, manifest = library.find(name)
    if manifest.kind != "embedder":
        raise ModelError(f"{name} is a reranker, no embedder.", f"Choose from: {', '.join(installed())}.")
    return OnnxEmbedder(folder, manifest, threads)


def load_reranker(name: str | None = None, *, threads: int | None = None) -> CrossEncoder | None:
    """The reranker of this name; None: the best that is installed, if any.

    Raises:
        ModelError: it is not installed, or its files cannot be used.
    """
    if name is None:
        name = next((manifest.name for manifest in library.installed() if manifest.kind == "reranker"), None)
        if name is None:
            return None
    from assistant.memory.embedders.onnx_reranker import OnnxReranker

    folder, manifest = library.find(name)
    if manifest.kind != "reranker":
        raise ModelError(f"{name} is an embedder, no reranker.")
    return OnnxReranker(folder, manifest, threads or min(default_threads(), MAX_THREADS))


def installed() -> list[str]:
    """Names of the embedders that can be loaded, the one that comes with the program first."""
    return [DEFAULT, *(manifest.name for manifest in library.installed() if manifest.kind == "embedder")]


def best_installed() -> str:
    """The embedder for a new memory: the best one of the catalogue that was pulled, or else the default."""
    here = installed()
    return next((entry.name for entry in catalogue.load() if entry.name in here), DEFAULT)
