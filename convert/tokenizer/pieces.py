"""The pieces of a SentencePiece ``tokenizer.model``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import sentencepiece
from gguf import TokenType

from convert.json_files import DAMAGED, read_limited
from convert.tokenizer.added_tokens import added_tokens_json
from models.errors import ModelError
from models.gguf_header import MAX_TOKENS

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint

# Tokens that no merge results in.
ADDED_SCORE = -1000.0
PADDING_SCORE = -10000.0


class Pieces:
    """Tokens with their scores and types, padded to ``size``; those of ``added_tokens.json`` are in already.

    Raises:
        ModelError: there is no ``tokenizer.model``, it is malformed, or has more pieces than ``size``.
    """

    def __init__(self, checkpoint: Checkpoint, size: int):
        path = checkpoint.folder / "tokenizer.model"
        if not path.exists():
            raise ModelError(f"{path} is missing.", "Download the tokenizer as well.")
        model = sentencepiece.SentencePieceProcessor()
        try:
            model.LoadFromSerializedProto(read_limited(path))
            count = model.vocab_size()
            texts = [model.IdToPiece(number) for number in range(count)]
        except (RuntimeError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: not a SentencePiece model: {error}", DAMAGED) from error
        check_size(path, size)
        if count > size:
            raise ModelError(
                f"{path}: has {count} tokens, but the embedding has {size} rows.",
                "The tokenizer belongs to another model.",
            )
        scores = [model.GetScore(number) for number in range(count)]
        if not all(map(math.isfinite, scores)):
            raise ModelError(f"{path}: a token has a score that is no number.", DAMAGED)
        padding = range(count, size)
        self.tokens = [text.encode() for text in texts] + [f"[PAD{number}]".encode() for number in padding]
        self.scores = scores + [PADDING_SCORE for _ in padding]
        self.types = [_type(model, number) for number in range(count)] + [TokenType.UNUSED for _ in padding]
        for token in added_tokens_json(checkpoint):
            self.add(token.id, token.content, TokenType.USER_DEFINED)

    def add(self, number: int, text: str, kind: TokenType) -> None:
        """Put a token in its place. One beyond the embedding is left out: Gemma's image token in a model of text."""
        if number < len(self.tokens):
            self.tokens[number], self.scores[number], self.types[number] = text.encode(), ADDED_SCORE, kind


def check_size(path: Path, size: int) -> None:
    """Padding must not fill the memory.

    Raises:
        ModelError: no embedding has so many rows.
    """
    if not 0 < size <= MAX_TOKENS:
        raise ModelError(f"{path}: the model is said to have {size} tokens; config.json is damaged.", DAMAGED)


def _type(model: sentencepiece.SentencePieceProcessor, number: int) -> TokenType:
    if model.IsUnknown(number):
        return TokenType.UNKNOWN
    if model.IsControl(number):
        return TokenType.CONTROL
    if model.IsUnused(number):
        return TokenType.UNUSED
    return TokenType.BYTE if model.IsByte(number) else TokenType.NORMAL
