"""What every family shares: names of tensors, hyperparameters, and the order in which they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import gguf

from convert.tensors import LazyTensor

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint
    from convert.vocab import Vocabulary


class Architecture:
    """A checkpoint, seen as a model of one family.

    Attributes:
        names: the values of ``architectures`` in ``config.json`` that mean this family.
        arch: the family in GGUF.
        config: ``config.json``, with ``text_config`` merged into it, and defaults that files leave out.
    """

    names: ClassVar[tuple[str, ...]]
    arch: ClassVar[gguf.MODEL_ARCH]

    def __init__(self, checkpoint: Checkpoint):
        self.checkpoint = checkpoint
        self.config: dict[str, Any] = checkpoint.config

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        """Add the hyperparameters."""
        raise NotImplementedError

    def vocabulary(self, pre: str | None = None) -> Vocabulary:
        """The tokenizer. ``pre``: the pre-tokenizer, where the caller knows better."""
        raise NotImplementedError

    def extra_tensors(self) -> Iterator[tuple[str, LazyTensor]]:
        """Tensors that no file holds: rope factors."""
        return iter(())

    def convert(self, name: str, tensor: LazyTensor) -> Iterator[tuple[str, LazyTensor]]:
        """The GGUF tensors, by name, that this tensor of the checkpoint becomes: none, one or several."""
        raise NotImplementedError

    def tensors(self) -> Iterator[tuple[str, LazyTensor]]:
        """All tensors, by their GGUF names: extras first, then the checkpoint's, in its order.

        Raises:
            ModelError: a tensor is missing, has the wrong shape, or is not known; file and tensor are named.
        """
        yield from self.extra_tensors()
        for name, tensor in self.checkpoint.tensors.items():
            yield from self.convert(name, tensor)
