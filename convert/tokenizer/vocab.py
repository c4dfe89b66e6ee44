"""The tokenizer of a checkpoint as the arrays that llama.cpp reads.

Which tokens there are and of which types follows llama.cpp's own converter (``conversion/base.py``, MIT), so that both
write the same arrays. What does not fit together is refused with its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import tokenizers
from gguf import TokenType

from convert.json_files import DAMAGED, parse_object, read_limited
from convert.tokenizer import pre_tokenizers
from convert.tokenizer.added_tokens import added_tokens_decoder, listed_added_tokens, roles, type_by_look
from convert.tokenizer.growth import check_growth
from convert.tokenizer.pieces import ADDED_SCORE, Pieces, check_size
from convert.tokenizer.special_tokens import SpecialTokens, read_special_tokens
from models.errors import ModelError

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint


@dataclass(slots=True)
class Vocabulary:
    """
    Attributes:
        model: ``gpt2`` (byte-level BPE), ``llama`` (SentencePiece) or ``gemma4``.
        pre: the pre-tokenizer, by llama.cpp's name.
        tokens: in the order of their ids, one for each row of the embedding.
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
    """Whichever tokenizer there is: ``tokenizer.model`` before ``tokenizer.json``, as llama.cpp's converter chooses.

    Args:
        size: rows of the embedding; the ids that no token has are padded up to it.
        pre: the name of the pre-tokenizer, where the caller knows better.

    Raises:
        ModelError: no tokenizer, a malformed one, one of a kind that is not known, or with more tokens than rows.
        UsageError: llama.cpp knows no such ``pre``.
    """
    if (checkpoint.folder / "tokenizer.model").exists():
        return read_sentencepiece(checkpoint, size)
    with _tokenizer_json(checkpoint) as (tokenizer, definition):
        if definition["model"].get("byte_fallback") and (definition.get("decoder") or {}).get("type") == "Sequence":
            return _byte_fallback_bpe(checkpoint, size, tokenizer, definition)
        return _byte_level_bpe(checkpoint, size, pre, tokenizer, definition)


def read_llama(checkpoint: Checkpoint, size: int, pre: str | None = None) -> Vocabulary:
    """As :func:`read`, with what llama and its relatives (mistral, mistral3, granite, smollm3) have alone."""
    vocabulary = read(checkpoint, size, pre)
    add_prefix_space = (checkpoint.json("tokenizer_config.json") or {}).get("add_prefix_space")
    if isinstance(add_prefix_space, bool):
        vocabulary.add_space_prefix = add_prefix_space
    if size == 32016:  # CodeLlama
        vocabulary.special.ids.setdefault("eot", 32010)
    if size == 49152:  # StarCoder's vocabulary: Granite's code models, SmolLM
        vocabulary.special.add["bos"] = False
    return vocabulary


def read_phi3(checkpoint: Checkpoint, size: int, pre: str | None = None) -> Vocabulary:
    """SentencePiece for Phi-3, where all added tokens that are not marked as special are the user's; BPE for Phi-4."""
    if (checkpoint.json("tokenizer_config.json") or {}).get("tokenizer_class") == "GPT2Tokenizer":
        return read_bpe(checkpoint, size, pre)
    definition = checkpoint.json("tokenizer.json") or {}
    pieces = Pieces(checkpoint, size)
    for token in (*added_tokens_decoder(checkpoint), *listed_added_tokens(checkpoint, definition)):
        pieces.add(token.id, token.content, TokenType.CONTROL if token.special else TokenType.USER_DEFINED)
    return _sentencepiece(checkpoint, pieces, definition)


def read_bpe(checkpoint: Checkpoint, size: int, pre: str | None = None) -> Vocabulary:
    """Byte-level BPE from ``tokenizer.json``."""
    with _tokenizer_json(checkpoint) as (tokenizer, definition):
        return _byte_level_bpe(checkpoint, size, pre, tokenizer, definition)


def read_sentencepiece(checkpoint: Checkpoint, size: int) -> Vocabulary:
    """SentencePiece from ``tokenizer.model``. Gemma sets ``add_space_prefix = False`` on the result."""
    pieces = Pieces(checkpoint, size)
    for token in added_tokens_decoder(checkpoint):
        kind = TokenType.CONTROL if token.special else type_by_look(token.content)
        pieces.add(token.id, token.content.replace("▁", " ") if kind == TokenType.USER_DEFINED else token.content, kind)
    return _sentencepiece(checkpoint, pieces, checkpoint.json("tokenizer.json"))


def read_gemma4(checkpoint: Checkpoint, size: int) -> Vocabulary:
    """BPE on text, not on bytes, from ``tokenizer.json``. Tokens that an answer's parser has to see stay visible."""
    with _tokenizer_json(checkpoint) as (tokenizer, definition):
        vocabulary = _byte_fallback_bpe(checkpoint, size, tokenizer, definition)
    visible = {b"<|channel>", b"<channel|>", b"<|tool_call>", b"<tool_call|>", b"<|tool_response>", b"<tool_response|>"}
    for number, token in enumerate(vocabulary.tokens):
        if token in visible or token == b'<|"|>':
            vocabulary.types[number] = TokenType.USER_DEFINED
    vocabulary.model, vocabulary.pre = "gemma4", None
    vocabulary.merges = _merges(checkpoint, definition)
    vocabulary.special.add["bos"] = True
    vocabulary.add_space_prefix = False
    return vocabulary


def _sentencepiece(checkpoint: Checkpoint, pieces: Pieces, definition: dict[str, Any] | None) -> Vocabulary:
    special = read_special_tokens(checkpoint, definition, len(pieces.tokens))
    return Vocabulary("llama", "default", pieces.tokens, pieces.types, special, scores=pieces.scores)


@contextmanager
def _tokenizer_json(checkpoint: Checkpoint) -> Iterator[tuple[tokenizers.Tokenizer, dict[str, Any]]]:
    """The tokenizer and what ``tokenizer.json`` says; within, what the library dies of becomes an error."""
    path = checkpoint.folder / "tokenizer.json"
    if not path.exists():
        if (checkpoint.folder / "tekken.json").exists():
            raise ModelError(
                f"{path} is missing: tekken.json alone is not enough.",
                "Download tokenizer.json and tokenizer_config.json as well.",
            )
        raise ModelError(
            f"{checkpoint.folder}: has neither tokenizer.json nor tokenizer.model.", "Download the tokenizer as well."
        )
    text = read_limited(path)
    definition = parse_object(path, text, unique=True)
    check_growth(path, definition)
    try:
        tokenizer = tokenizers.Tokenizer.from_buffer(text)
    except Exception as error:  # the library raises no other class
        raise ModelError(f"{path}: not a tokenizer: {error}", DAMAGED) from error
    if not isinstance(tokenizer.model, tokenizers.models.BPE):
        kind = type(tokenizer.model).__name__
        raise ModelError(f"{path}: the tokenizer is of the kind {kind}; known are BPE and SentencePiece.")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        yield tokenizer, definition
    except BaseException as error:
        # Rust's panics are no exceptions to Python, and their class has no name that could be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise ModelError(f"{path}: the tokenizer cannot be used: {error}", DAMAGED) from error


def _byte_level_bpe(
    checkpoint: Checkpoint, size: int, pre: str | None, tokenizer: tokenizers.Tokenizer, definition: dict[str, Any]
) -> Vocabulary:
    path = checkpoint.folder / "tokenizer.json"
    settings = checkpoint.json("tokenizer_config.json") or {}
    _complete(checkpoint, tokenizer, definition)
    special = read_special_tokens(checkpoint, definition, size)
    name = pre_tokenizers.check_name(pre) if pre else pre_tokenizers.by_digest(tokenizer)
    if name is None:
        clean_up = bool(settings.get("clean_up_tokenization_spaces", True))
        name = pre_tokenizers.by_definition(definition, clean_up=clean_up)
        if name is None:
            raise pre_tokenizers.unknown(path, tokenizer, definition)
        # Its own default for "begins with BOS" comes with the name in llama.cpp: say what this tokenizer does.
        special.add.setdefault("bos", tokenizer.encode("a").ids[:1] == [special.ids.get("bos")])

    texts = _texts(path, tokenizer, size)
    added = tokenizer.get_added_tokens_decoder()
    tokens = [f"[PAD{number}]" for number in range(size)]
    types = [TokenType.UNUSED] * size
    for number, text in texts.items():
        if number not in added:
            types[number] = TokenType.NORMAL
        else:
            # llama.cpp looks for these in the text before it is normalized.
            if not added[number].normalized:
                text = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)
            types[number] = TokenType.CONTROL if added[number].special else type_by_look(text)
            if types[number] == TokenType.USER_DEFINED:
                text = text.replace("▁", " ")
        tokens[number] = text
    encoded = [text.encode() for text in tokens]
    return Vocabulary("gpt2", name, encoded, types, special, merges=_merges(checkpoint, definition))


def _byte_fallback_bpe(
    checkpoint: Checkpoint, size: int, tokenizer: tokenizers.Tokenizer, definition: dict[str, Any]
) -> Vocabulary:
    """A SentencePiece vocabulary that is published as ``tokenizer.json`` alone: its scores are lost."""
    _complete(checkpoint, tokenizer, definition)
    texts = _texts(checkpoint.folder / "tokenizer.json", tokenizer, size)
    control = roles(checkpoint)
    base = tokenizer.get_vocab_size(with_added_tokens=False)
    tokens = [f"[PAD{number}]".encode() for number in range(size)]
    types = [TokenType.UNUSED] * size
    for number, text in texts.items():
        tokens[number] = text.encode()
        if number < base and re.fullmatch("<0x[0-9A-Fa-f]{2}>", text):
            types[number] = TokenType.BYTE
        elif text in control:
            types[number] = TokenType.CONTROL
        else:
            types[number] = TokenType.NORMAL if number < base else TokenType.USER_DEFINED
    special = read_special_tokens(checkpoint, definition, size)
    return Vocabulary("llama", "default", tokens, types, special, scores=[ADDED_SCORE] * size)


def _texts(path: Path, tokenizer: tokenizers.Tokenizer, size: int) -> dict[int, str]:
    """id -> text, in order."""
    check_size(path, size)
    vocabulary = tokenizer.get_vocab()
    texts = {number: text for text, number in vocabulary.items()}
    if len(texts) < len(vocabulary):
        twice = next(text for text, number in vocabulary.items() if texts[number] != text)
        raise ModelError(f"{path}: {twice!r} and {texts[vocabulary[twice]]!r} have the same id.", DAMAGED)
    if texts and max(texts) >= size:
        raise ModelError(
            f"{path}: has tokens up to the id {max(texts)} ({texts[max(texts)]!r}), but the embedding has {size} rows.",
            "The tokenizer belongs to another model, or the embedding was not resized when tokens were added.",
        )
    return dict(sorted(texts.items()))


def _complete(checkpoint: Checkpoint, tokenizer: tokenizers.Tokenizer, definition: dict[str, Any]) -> None:
    """Add the tokens that only ``tokenizer_config.json`` knows, and check that all have the ids that the files say:
    the library counts on from the last id, whatever ``tokenizer.json`` says."""
    for token in (*listed_added_tokens(checkpoint, definition), *added_tokens_decoder(checkpoint)):
        if tokenizer.token_to_id(token.content) is None:
            tokenizer.add_tokens([token.for_tokenizers()])
        if (found := tokenizer.token_to_id(token.content)) != token.id:
            raise ModelError(
                f"{token.file}: the added token {token.content!r} has the id {token.id}, but {found} in the tokenizer.",
                "Two tokens share an id, or there is a gap before it. " + DAMAGED,
            )


def _merges(checkpoint: Checkpoint, definition: dict[str, Any]) -> list[str]:
    """Pairs, or strings as they were written before spaces could stand in tokens; ``tokenizers`` has checked them."""
    merges = definition["model"].get("merges") or []
    if not merges:
        raise ModelError(f"{checkpoint.folder / 'tokenizer.json'}: has no merges.", DAMAGED)
    if isinstance(merges[0], str):
        return list(merges)
    return [" ".join(part.replace(" ", "Ġ") for part in pair) for pair in merges]
