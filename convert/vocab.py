"""The tokenizer of a checkpoint as the arrays that llama.cpp reads.

What a token is and of which type follows llama.cpp's own converter (``conversion/base.py``, MIT), so that both write the
same arrays. Everything read here is somebody else's file: what does not fit together is refused with its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gguf
import sentencepiece
import tokenizers
from gguf import TokenType

from convert.pre_tokenizers import recognise
from convert.special_tokens import SpecialTokens
from models.errors import ModelError

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint

# Scores that llama.cpp's converter gives to tokens that have none of their own: never merged to.
ADDED_SCORE = -1000.0
PADDING_SCORE = -10000.0


@dataclass(slots=True)
class Vocabulary:
    """
    Attributes:
        model: ``gpt2`` (byte-level BPE), ``llama`` (SentencePiece) or ``gemma4``.
        pre: the pre-tokenizer, by llama.cpp's name.
        tokens: in the order of their ids, one for each row of the embedding.
        types: the :class:`gguf.TokenType` of each.
        scores: of each, for SentencePiece.
        merges: ``"left right"``, best first, for BPE.
        add_space_prefix: whether a space goes before the text; None: llama.cpp's default for the model.
    """

    model: str
    pre: str | None
    tokens: list[bytes]
    types: list[TokenType]
    special: SpecialTokens
    scores: list[float] | None = None
    merges: list[str] = field(default_factory=list)
    add_space_prefix: bool | None = None

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add all ``tokenizer.*`` keys."""
        if self.add_space_prefix is not None:
            writer.add_add_space_prefix(self.add_space_prefix)
        writer.add_tokenizer_model(self.model)
        if self.pre is not None:
            writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        if self.scores is not None:
            writer.add_token_scores(self.scores)
        writer.add_token_types(self.types)
        if self.merges:
            writer.add_token_merges(self.merges)
        self.special.write(writer)


def read(checkpoint: Checkpoint, size: int, pre: str | None = None) -> Vocabulary:
    """Whichever tokenizer the checkpoint has: ``tokenizer.model`` before ``tokenizer.json``, as llama.cpp does.

    Args:
        size: rows of the embedding; ids that no token has are padded up to it.
        pre: the name of the pre-tokenizer, where the caller knows better.

    Raises:
        ModelError: there is no tokenizer, it is malformed, of a kind that is not known, or has more tokens than rows.
    """
    raise NotImplementedError


def read_llama(checkpoint: Checkpoint, size: int, pre: str | None = None) -> Vocabulary:
    """As :func:`read`, with what holds for llama and its relatives (mistral, mistral3, granite, smollm3) alone."""
    raise NotImplementedError


def read_phi3(checkpoint: Checkpoint, size: int, pre: str | None = None) -> Vocabulary:
    """Phi-3 has SentencePiece with more added tokens in ``tokenizer.json``; Phi-4 has BPE."""
    raise NotImplementedError


def read_bpe(checkpoint: Checkpoint, size: int, pre: str | None = None) -> Vocabulary:
    """Byte-level BPE from ``tokenizer.json``."""
    raise NotImplementedError


def read_sentencepiece(checkpoint: Checkpoint, size: int) -> Vocabulary:
    """SentencePiece from ``tokenizer.model``; set ``add_space_prefix = False`` on the result for gemma."""
    raise NotImplementedError


def read_byte_fallback_bpe(checkpoint: Checkpoint, size: int) -> Vocabulary:
    """A SentencePiece vocabulary that was published as ``tokenizer.json`` only."""
    raise NotImplementedError


def read_gemma4(checkpoint: Checkpoint, size: int) -> Vocabulary:
    raise NotImplementedError
