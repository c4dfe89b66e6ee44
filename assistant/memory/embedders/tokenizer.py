"""Token ids for encoder models, from either of the two files that they are published with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from assistant.database import encodable
from assistant.memory.embedders.manifest import TOKENIZERS
from models.errors import ModelError


@dataclass(frozen=True)
class Frame:
    """The ids around a text, ``begin`` text ``end``, or around two: ``begin`` one ``between`` other ``end``."""

    begin: tuple[int, ...]
    between: tuple[int, ...]
    end: tuple[int, ...]

    def single(self, ids: Sequence[int]) -> list[int]:
        return [*self.begin, *ids, *self.end]

    def pair(self, one: Sequence[int], other: Sequence[int]) -> list[int]:
        return [*self.begin, *one, *self.between, *other, *self.end]


class Tokenizer(Protocol):
    @property
    def frame(self) -> Frame: ...
    @property
    def padding(self) -> int: ...

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text alone; a text that spells a special token does not make one."""
        ...


class XlmRoberta:
    """``sentencepiece.bpe.model`` of the XLM-R family.

    Its ids come from fairseq, where four special tokens stand before the pieces: ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2,
    ``<unk>`` 3. The file has three of its own there, so that every piece moves up by one.
    """

    frame = Frame((0,), (2, 2), (2,))
    padding = 1

    def __init__(self, path: Path):
        from sentencepiece import SentencePieceProcessor

        self._pieces = SentencePieceProcessor(model_file=str(path))
        names = [self._pieces.id_to_piece(number) for number in range(min(3, self._pieces.vocab_size()))]
        if names != ["<unk>", "<s>", "</s>"]:
            raise ValueError("its first pieces are not those of XLM-R")

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        found: list[list[int]] = self._pieces.encode([encodable(text) for text in texts], num_threads=1)
        return [[piece + 1 if piece else 3 for piece in pieces] for pieces in found]


class FromJson:
    """``tokenizer.json`` of the tokenizers library: any kind of model, slower to load (17 MB for XLM-R)."""

    def __init__(self, path: Path):
        from tokenizers import Tokenizer as Loaded

        self._loaded = Loaded.from_file(str(path))
        self._loaded.no_truncation()
        self._loaded.no_padding()
        one = self._loaded.encode("a", add_special_tokens=False).ids
        pair = self._loaded.encode("a", "a").ids
        first = _find(pair, one, 0)
        second = _find(pair, one, first + len(one))
        self.frame = Frame(
            tuple(pair[:first]), tuple(pair[first + len(one) : second]), tuple(pair[second + len(one) :])
        )
        padding = (self._loaded.token_to_id(token) for token in ("<pad>", "[PAD]", "<|pad|>"))
        self.padding = next((number for number in padding if number is not None), 0)
        added = self._loaded.get_added_tokens_decoder()
        self._special = {number for number, token in added.items() if token.special and "unk" not in token.content}

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        # One at a time: a batch would take as many threads as there are cores. Stripped, as SentencePiece does itself.
        found = (self._loaded.encode(encodable(text).strip(), add_special_tokens=False).ids for text in texts)
        return [[number for number in ids if number not in self._special] for ids in found]


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model's folder: ``sentencepiece.bpe.model`` if it is there, else ``tokenizer.json``.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    kinds: tuple[Callable[[Path], Tokenizer], ...] = (XlmRoberta, FromJson)
    for name, kind in zip(TOKENIZERS, kinds, strict=True):
        path = folder / name
        if path.is_file():
            try:
                return kind(path)
            except Exception as error:  # both libraries raise what they like
                raise ModelError(f"{path} is not a usable tokenizer: {str(error).splitlines()[0]}.") from error
    raise ModelError(f"{folder} has neither {' nor '.join(TOKENIZERS)}.")


def _find(ids: list[int], part: list[int], start: int) -> int:
    for at in range(start, len(ids) - len(part) + 1):
        if ids[at : at + len(part)] == part:
            return at
    raise ValueError("it does not keep two texts as they are")
