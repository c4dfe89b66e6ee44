"""Which of llama.cpp's pre-tokenizers a ``tokenizer.json`` needs: by a digest, or by what it says. Never guessed."""

from __future__ import annotations

import hashlib
import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import tokenizers

from models.errors import ModelError, UsageError


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).with_suffix(".toml")).read_text("utf-8"))


def names() -> list[str]:
    """The pre-tokenizers that llama.cpp knows."""
    return list(_table()["names"])


def check_name(name: str) -> str:
    """
    Raises:
        UsageError: llama.cpp does not know it.
    """
    if name not in _table()["names"]:
        raise UsageError(f"llama.cpp knows no pre-tokenizer {name!r}.", "It knows: " + ", ".join(names()) + ".")
    return name


def digest(tokenizer: tokenizers.Tokenizer) -> str:
    """SHA-256 of the ids of a fixed text, as llama.cpp's converter computes it."""
    return hashlib.sha256(str(tokenizer.encode(_table()["text"]).ids).encode()).hexdigest()


def by_digest(tokenizer: tokenizers.Tokenizer) -> str | None:
    """The name, if a published checkpoint has the same ids for the text."""
    name = _table()["digests"].get(digest(tokenizer))
    return str(name) if name else None


def by_definition(definition: dict[str, Any], *, clean_up: bool) -> str | None:
    """The name, if ``tokenizer.json`` splits text just as one of llama.cpp's pre-tokenizers does.

    Args:
        definition: the contents of ``tokenizer.json``.
        clean_up: ``clean_up_tokenization_spaces``.
    """
    normalizers = [part.get("type") for part in _parts(definition.get("normalizer"), "normalizers")]
    parts = _parts(definition.get("pre_tokenizer"), "pretokenizers")
    if not any(part.get("type") == "ByteLevel" for part in parts):
        return None
    steps = [step for part in parts if (step := _step(part))]
    ignore_merges = bool(definition["model"].get("ignore_merges"))
    for row in _table()["definitions"]:
        if (
            normalizers in row["normalizers"]
            and steps == row["steps"]
            and ignore_merges == row["ignore_merges"]
            and clean_up == row.get("clean_up", clean_up)
        ):
            return str(row["name"])
    return None


def unknown(path: Path, tokenizer: tokenizers.Tokenizer, definition: dict[str, Any]) -> ModelError:
    """What to say where both ways fail."""
    shown = json.dumps({part: definition.get(part) for part in ("normalizer", "pre_tokenizer")}, ensure_ascii=False)
    return ModelError(
        f"{path}: its pre-tokenizer is not known. Digest {digest(tokenizer)}; it is defined as {shown[:2000]}",
        "If you know which of llama.cpp's it equals, say so with --pre NAME: " + ", ".join(names()) + ".",
    )


def _parts(value: Any, key: str) -> list[dict[str, Any]]:
    """The library reads more spellings than are published: those are left unknown."""
    parts = value.get(key) if isinstance(value, dict) and value.get("type") == "Sequence" else [value]
    return [part if isinstance(part, dict) else {"type": str(part)} for part in parts or [] if part is not None]


def _step(part: dict[str, Any]) -> str:
    """A pre-tokenizer as the table names it; "" if it does not split."""
    match part:
        case {"type": "ByteLevel", "add_prefix_space": False}:
            return "ByteLevel" if part.get("use_regex", True) else ""
        case {"type": "Digits", "individual_digits": True}:
            return "Digits"
        # Matches kept and the rest dropped is the same as matches cut out: the expressions in the table match all.
        case {"type": "Split", "pattern": {"Regex": str(regex)}, "behavior": "Isolated", "invert": False} | {
            "type": "Split",
            "pattern": {"Regex": str(regex)},
            "behavior": "Removed",
            "invert": True,
        }:
            return regex
    return json.dumps(part, sort_keys=True)
