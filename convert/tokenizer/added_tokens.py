"""Tokens that were added to a vocabulary, as the files beside it list them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tokenizers
from gguf import TokenType

from convert.json_files import DAMAGED
from models.errors import ModelError

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class AddedToken:
    """``normalized``: looked for in the text after it was normalized; None: the library's choice."""

    file: Path
    id: int
    content: str
    special: bool
    normalized: bool | None = None
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False

    def for_tokenizers(self) -> tokenizers.AddedToken:
        return tokenizers.AddedToken(
            self.content,
            single_word=self.single_word,
            lstrip=self.lstrip,
            rstrip=self.rstrip,
            normalized=not self.special if self.normalized is None else self.normalized,
            special=self.special,
        )


def added_tokens_decoder(checkpoint: Checkpoint) -> Iterator[AddedToken]:
    """Those of ``tokenizer_config.json``, in its order."""
    path = checkpoint.folder / "tokenizer_config.json"
    entries = (checkpoint.json(path.name) or {}).get("added_tokens_decoder") or {}
    if not isinstance(entries, dict):
        raise ModelError(f"{path}: added_tokens_decoder is not an object.", DAMAGED)
    for number, entry in entries.items():
        yield _parse(path, int(number) if number.isdecimal() and len(number) < 10 else number, entry)


def listed_added_tokens(checkpoint: Checkpoint, definition: dict[str, Any]) -> Iterator[AddedToken]:
    """Those of ``tokenizer.json``, whose contents ``definition`` has."""
    path = checkpoint.folder / "tokenizer.json"
    entries = definition.get("added_tokens") or []
    if not isinstance(entries, list):
        raise ModelError(f"{path}: added_tokens is not a list.", DAMAGED)
    for entry in entries:
        yield _parse(path, entry.get("id") if isinstance(entry, dict) else None, entry)


def added_tokens_json(checkpoint: Checkpoint) -> Iterator[AddedToken]:
    """Those of ``added_tokens.json``: text -> id."""
    path = checkpoint.folder / "added_tokens.json"
    for content, number in (checkpoint.json(path.name) or {}).items():
        yield _parse(path, number, {"content": content})


def _parse(path: Path, number: object, entry: object) -> AddedToken:
    if (
        not isinstance(entry, dict)
        or not isinstance(number, int)
        or isinstance(number, bool)
        or number < 0
        or not isinstance(content := entry.get("content"), str)
        or not _is_text(content)
    ):
        raise ModelError(f"{path}: malformed added token {str(number)[:40]}: {str(entry)[:200]!r}.", DAMAGED)
    flags = {key: entry[key] for key in ("normalized", "single_word", "lstrip", "rstrip") if entry.get(key) is not None}
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise ModelError(f"{path}: malformed added token {number}: {str(entry)[:200]!r}.", DAMAGED)
    return AddedToken(path, number, content, bool(entry.get("special")), **flags)


def _is_text(content: str) -> bool:
    """JSON can spell halves of characters, which no UTF-8 text has."""
    return not any("\ud800" <= character <= "\udfff" for character in content)


def roles(checkpoint: Checkpoint) -> set[str]:
    """The tokens to which ``tokenizer_config.json`` gives a role: BOS, EOS and the like."""
    settings = checkpoint.json("tokenizer_config.json") or {}
    values = [settings.get(f"{kind}_token") for kind in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")]
    for key in ("additional_special_tokens", "extra_special_tokens"):
        more = settings.get(key)
        values += more.values() if isinstance(more, dict) else more if isinstance(more, list) else []
    return {str(value.get("content") if isinstance(value, dict) else value) for value in values if value}


def type_by_look(text: str) -> TokenType:
    """Of an added token that is not marked as special: some control all the same (deepseek-coder, gemma 2)."""
    controls = (
        text in ("<pad>", "<mask>", "<2mass>", "[@BOS@]")
        or (text.startswith("<|") and text.endswith("|>"))
        or (text.startswith("<｜") and text.endswith("｜>"))
        or (text.startswith("<unused") and text.endswith(">"))
    )
    return TokenType.CONTROL if controls else TokenType.USER_DEFINED
