"""Texts as vectors whose dot product says how near they are in meaning, whatever their words and language.

One embedder needs no download. Others, and the rerankers, are multilingual encoders as ONNX models, pulled once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from models.errors import ModelError
from models.hardware import default_threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT = "use-multilingual"
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
    raise ModelError(f"The embedder {name} is not installed.", f"assistant memory pull {name}")


def installed() -> list[str]:
    """Names of the embedders that can be loaded, the default one first."""
    return [DEFAULT]
