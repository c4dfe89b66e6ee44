"""Which tokens begin, end and pad a text, and the chat template.

The rules are those of ``SpecialVocab`` in llama.cpp's own gguf (MIT); that of the released package is older and finds
other answers: it lets ``add_bos_token`` in ``tokenizer_config.json`` win over the post-processor, which is what runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf

from convert.json_files import DAMAGED, read_limited
from models.errors import ModelError

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint

KINDS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")

MAX_TEMPLATE = 4 << 20  # bytes

# A template, or several by name: {"name": …, "template": …}.
ChatTemplate = str | list[dict[str, str]]


@dataclass(slots=True)
class SpecialTokens:
    """
    Attributes:
        ids: by kind: those above, ``eot``, ``eom``.
        add: whether a text gets this kind of token by itself.
    """

    ids: dict[str, int] = field(default_factory=dict)
    add: dict[str, bool] = field(default_factory=dict)
    chat_template: ChatTemplate | None = None

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add the keys; kinds that GGUF has no key for are left out."""
        for kind, token in self.ids.items():
            if add := getattr(writer, f"add_{kind}_token_id", None):
                add(token)
        for kind, value in self.add.items():
            if add := getattr(writer, f"add_add_{kind}_token", None):
                add(value)
        if self.chat_template is not None:
            writer.add_chat_template(self.chat_template)


def read_special_tokens(checkpoint: Checkpoint, tokenizer: dict[str, Any] | None, size: int) -> SpecialTokens:
    """
    Args:
        tokenizer: ``tokenizer.json``, where there is one.
        size: of the vocabulary: ids beyond it are left out.

    Raises:
        ModelError: a file is malformed.
    """
    settings = checkpoint.json("tokenizer_config.json") or {}
    special = SpecialTokens()
    kinds = list(KINDS)
    try:
        if settings:
            special.chat_template = _chat_template(checkpoint, settings)
        if tokenizer:
            _follow_post_processor(special, tokenizer, settings, kinds)
        _follow_settings(special, settings, (tokenizer or {}).get("added_tokens") or [], kinds, size)
        text_config = checkpoint.config.get("text_config") or {}
        for kind in kinds:
            token = checkpoint.config.get(f"{kind}_token_id")
            _set_id(special, kind, text_config.get(f"{kind}_token_id") if token is None else token, size)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{checkpoint.folder}: the special tokens in config.json, tokenizer_config.json or tokenizer.json are"
            f" malformed: {error}.",
            DAMAGED,
        ) from error
    return special


def _set_id(special: SpecialTokens, kind: str, token: object, size: int) -> None:
    """The first answer counts."""
    if isinstance(token, int) and token < size:
        if token < 0:
            raise ValueError(f"{kind} has the id {token}")
        special.ids.setdefault(kind, token)


def _follow_settings(
    special: SpecialTokens, settings: dict[str, Any], added: list[dict[str, Any]], kinds: list[str], size: int
) -> None:
    ids = {token["content"]: token["id"] for token in reversed(added)}
    for kind in kinds:
        if isinstance(value := settings.get(f"add_{kind}_token"), bool):
            special.add.setdefault(kind, value)
        text = settings.get(f"{kind}_token")
        if isinstance(text, dict):
            text = text.get("content")
        if isinstance(text, str):
            _set_id(special, kind, ids.get(text), size)


def _follow_post_processor(
    special: SpecialTokens, tokenizer: dict[str, Any], settings: dict[str, Any], kinds: list[str]
) -> None:
    """What the post-processor puts around a text; ``settings`` and ``kinds`` are completed from it."""
    bos, cls, eos, sep = (settings.get(f"{kind}_token") for kind in ("bos", "cls", "eos", "sep"))
    if not bos and cls:
        settings["bos_token"] = bos = cls
    if not eos and sep:
        settings["eos_token"] = eos = sep
    processor = tokenizer.get("post_processor") or {}
    for part in processor.get("processors", [processor]):
        if part.get("type") == "ByteLevel":
            special.add.setdefault("bos", False)
            special.add.setdefault("eos", False)
        if part.get("type") != "TemplateProcessing":
            continue
        first = last = None
        single = part.get("single", [])
        if len(single) > 1 and (first := _token(single[0])):
            if not settings:
                bos = first
            elif first not in (bos, cls):
                if not bos:
                    settings["bos_token"] = bos = first
                if not cls:
                    settings["cls_token"] = cls = first
            special.add["bos"] = first in (bos, cls)
        if len(single) > 1 and (last := _token(single[-1])):
            if settings and last != eos:
                # What tokenizer_config.json calls the end ends a turn, not the text.
                if kind := next((kind for kind in ("eot", "eom") if kind not in kinds), None):
                    kinds.append(kind)
                    settings[f"{kind}_token"] = eos
                settings["eos_token"] = last
            eos = last
            special.add["eos"] = True
        pair = part.get("pair") or [{}]
        pair = pair[int(bool(first) and _token(pair[0]) == first) : -1 if last and _token(pair[-1]) == last else None]
        if len(pair) > 2 and [part.get("Sequence", {}).get("id") for part in (pair[0], pair[-1])] == ["A", "B"]:
            between = [_token(part) for part in pair[1:-1]]
            separates = [token is not None and token in (sep, eos) for token in between]
            special.add["sep"] = (separates[0] and not last) or (len(between) == 2 and separates[1])
            if special.add["sep"] and not sep and settings:
                settings["sep_token"] = eos


def _token(part: dict[str, Any]) -> str | None:
    token = part.get("SpecialToken", {}).get("id")
    return token if isinstance(token, str) else None


def _chat_template(checkpoint: Checkpoint, settings: dict[str, Any]) -> ChatTemplate | None:
    """That of tokenizer_config.json, or else of chat_template.jinja, or else of chat_template.json."""
    folder = checkpoint.folder
    if "chat_template" in settings:
        template = settings["chat_template"]
    elif (folder / "chat_template.jinja").exists():
        template = _read_text(folder / "chat_template.jinja")
        if others := sorted((folder / "additional_chat_templates").glob("*.jinja")):
            template = [{"name": "default", "template": template}]
            template += [{"name": path.stem, "template": _read_text(path)} for path in others]
    else:
        template = (checkpoint.json("chat_template.json") or {}).get("chat_template")
    if isinstance(template, str):
        template.encode()  # JSON can spell halves of characters: a ValueError
        return template
    if not isinstance(template, list):
        return None
    for one in template:
        if not isinstance(one["name"], str) or not isinstance(one["template"], str):
            raise TypeError("a chat template is not text")
        (one["name"] + one["template"]).encode()
    return template


def _read_text(path: Path) -> str:
    try:
        # With the line ends of Unix, as text files are read everywhere.
        return read_limited(path, MAX_TEMPLATE).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not UTF-8 text: {error}.", DAMAGED) from error
