"""How much longer the steps of a ``tokenizer.json`` can make a text.

Each may multiply its length: a file of a few lines could ask for more memory than any machine has, and the library
ends the process over that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.errors import ModelError

MOST = 64  # times; those that are published stay under 20
_STEPS = ("normalizer", "pre_tokenizer", "decoder")
# Types that only cut, drop or compose, and sequences, whose parts count.
_KEEP = (
    "BertPreTokenizer", "ByteFallback", "CharDelimiterSplit", "Digits", "Fuse", "Lowercase", "Metaspace", "NFC",
    "Punctuation", "Sequence", "Split", "Strip", "StripAccents", "UnicodeScripts", "Whitespace", "WhitespaceSplit",
)  # fmt: skip


def check_growth(path: Path, definition: dict[str, Any]) -> None:
    """
    Raises:
        ModelError: it could become more than MOST times as long.
    """
    for step in (*_STEPS, "post_processor"):
        grow = _list_items if step == "post_processor" else _times
        if _product(definition.get(step), grow) > MOST:
            raise ModelError(
                f"{path}: its {step} could make a text more than {MOST} times as long, which no tokenizer needs.",
                "Download the tokenizer again, from the model's authors.",
            )


def _product(value: Any, grow: Callable[[dict[str, Any]], int]) -> int:
    """Of all objects in it, in each other or beside each other; it stops where it is too much already."""
    times, todo = 1, [value]
    while todo and times <= MOST:
        value = todo.pop()
        if isinstance(value, dict):
            times *= grow(value)
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return times


def _times(part: dict[str, Any]) -> int:
    """How many times as long a part of a normalizer, pre-tokenizer or decoder can make a text."""
    if part.keys() <= {"String", "Regex"}:  # what is looked for
        return 1
    for key in ("content", "prepend"):
        if isinstance(text := part.get(key), str):
            pattern = part.get("pattern")
            plain = pattern.get("String") if isinstance(pattern, dict) else None
            length = len(text.encode("utf-8", "surrogatepass"))
            if isinstance(plain, str) and plain:
                return max(1, math.ceil(length / len(plain.encode("utf-8", "surrogatepass"))))
            return 1 + length  # an expression may match between all letters
    return 1 if part.get("type") in _KEEP else 2


def _list_items(part: dict[str, Any]) -> int:
    """A template repeats the text, and a special token of it may be many."""
    return max([1, *(len(value) for value in part.values() if isinstance(value, list))])
