"""Small tokenizers with a family's real pre-tokenizer, the same bytes every time: nothing is trained.

Not named ``tokenizers.py``: pytest puts this folder before the library of that name.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.tokenizer.pre_tokenizers import _table

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
# What the tokens are merged from: words with their parts, so that merges of every length occur.
WORDS = """
the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one you
were her all she there would their we him been has when who will more no if out so said what up its about into than
them can only other new some could time these two may then do first any my now such like our over man me even most made
after also did many before must through back years where much your way well down should because each just those people
how too little state good very make world still own see men work long get here between both life
под при что это как для так его она они мы вы был была было были есть если или уже только когда время человек
def return import self print class while True None const let function 10 20 100 2024
""".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Definition:
    """The parts of a ``tokenizer.json`` that a family has, and the names of its special tokens."""

    pre_tokenizer: dict[str, Any]
    normalizer: dict[str, Any] | None = None
    ignore_merges: bool = False
    bos: str | None = None
    eos: str = "<|endoftext|>"
    special: tuple[str, ...] = ("<|endoftext|>",)
    begins_with_bos: bool = False
    tokenizer_class: str = "PreTrainedTokenizerFast"
    clean_up: bool = False


def _byte_level(*, use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def _split(name: str, *, behavior: str = "Isolated", invert: bool = False) -> dict[str, Any]:
    regex = next(row["steps"][0] for row in _table()["definitions"] if row["name"] == name)
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}
    return {"type": "Sequence", "pretokenizers": [split, _byte_level(use_regex=False)]}


_DIGITS = {
    "type": "Sequence",
    "pretokenizers": [{"type": "Digits", "individual_digits": True}, _byte_level(use_regex=True)],
}
_CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
DEFINITIONS = {
    "llama-bpe": Definition(
        _split("llama-bpe"), None, True, "<|begin_of_text|>", "<|eot_id|>",
        ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"), begins_with_bos=True,
    ),
    "smaug-bpe": Definition(_split("smaug-bpe"), eos="<|im_end|>", special=_CHATML),
    "qwen2": Definition(
        _split("qwen2"), {"type": "NFC"}, eos="<|im_end|>", special=_CHATML, tokenizer_class="Qwen2Tokenizer"
    ),
    "tekken": Definition(
        _split("tekken"), None, True, "<s>", "</s>", ("<unk>", "<s>", "</s>", "[INST]", "[/INST]"),
        begins_with_bos=True,
    ),
    "gpt-4o": Definition(
        _split("gpt-4o", behavior="Removed", invert=True), bos="<|endoftext|>", eos="<|endoftext|>",
        special=("<|endoftext|>", "<|end|>", "<|user|>"), tokenizer_class="GPT2Tokenizer",
    ),
    "smollm": Definition(
        _DIGITS, bos="<|im_start|>", eos="<|im_end|>", special=_CHATML, tokenizer_class="GPT2Tokenizer"
    ),
    "refact": Definition(
        _DIGITS, bos="<|end_of_text|>", eos="<|end_of_text|>",
        special=("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>"), tokenizer_class="GPT2Tokenizer",
        clean_up=True,
    ),
    "gpt-2": Definition(
        _byte_level(use_regex=True), bos="<|endoftext|>", tokenizer_class="GPT2Tokenizer", clean_up=True
    ),
}  # fmt: skip


def byte_characters() -> dict[int, str]:
    """Byte -> the character that stands for it in byte-level BPE, in GPT-2's order of ids."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + number) for number, byte in enumerate(others)}


def _encode(word: str) -> str:
    characters = byte_characters()
    return "".join(characters[byte] for byte in word.encode())


def bpe_json(
    definition: Definition,
    vocab: dict[str, int],
    merges: Sequence[Sequence[str]],
    added: Iterable[tuple[int, str, bool]],
) -> dict[str, Any]:
    """``tokenizer.json``. ``added``: (id, text, is it special)."""
    added = list(added)
    post: dict[str, Any] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    if definition.begins_with_bos:
        bos = {"SpecialToken": {"id": definition.bos, "type_id": 0}}
        first, second = ({"Sequence": {"id": name, "type_id": number}} for number, name in enumerate("AB"))
        number = {text: number for number, text, _ in added}[definition.bos or ""]
        special = {definition.bos: {"id": definition.bos, "ids": [number], "tokens": [definition.bos]}}
        template = {
            "type": "TemplateProcessing",
            "single": [bos, first],
            "pair": [bos, first, {"SpecialToken": {"id": definition.bos, "type_id": 1}}, second],
            "special_tokens": special,
        }
        post = {"type": "Sequence", "processors": [post, template]}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": special,
            }
            for number, text, special in added
        ],
        "normalizer": definition.normalizer,
        "pre_tokenizer": definition.pre_tokenizer,
        "post_processor": post,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "ignore_merges": definition.ignore_merges, "vocab": vocab, "merges": [list(pair) for pair in merges],
        },
    }  # fmt: skip


def write_bpe_tokenizer(
    folder: Path,
    *,
    pre: str,
    size: int = 512,
    added: Sequence[tuple[str, bool]] = (),
    settings: dict[str, Any] | None = None,
) -> None:
    """``tokenizer.json`` and ``tokenizer_config.json`` of ``size`` tokens.

    Args:
        pre: one of :data:`DEFINITIONS`.
        added: (text, is it special), after the family's own special tokens, which come last.
        settings: more for ``tokenizer_config.json``; None takes a key out.
    """
    definition = DEFINITIONS[pre]
    more = [*((text, True) for text in definition.special), *added]
    tokens, merges = _merged(size - len(more))
    listed = [(len(tokens) + number, text, special) for number, (text, special) in enumerate(more)]
    folder.mkdir(parents=True, exist_ok=True)
    content = bpe_json(definition, {token: number for number, token in enumerate(tokens)}, merges, listed)
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False))
    config: dict[str, Any] = {
        "bos_token": definition.bos,
        "eos_token": definition.eos,
        "pad_token": definition.special[0],
        "unk_token": definition.special[0],
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": definition.clean_up,
        "tokenizer_class": definition.tokenizer_class,
    }
    _write_settings(folder, config, settings)


def _merged(size: int) -> tuple[list[str], list[tuple[str, str]]]:
    """The bytes, and tokens that grow a character at a time, until there are ``size``."""
    tokens = list(byte_characters().values())
    merges: list[tuple[str, str]] = []
    known = set(tokens)
    for text in [_encode(form) for word in WORDS for form in (word, " " + word)]:
        for end in range(2, len(text) + 1):
            if len(tokens) < size and text[:end] not in known:
                known.add(text[:end])
                tokens.append(text[:end])
                merges.append((text[: end - 1], text[end - 1]))
    if len(tokens) != size:
        raise ValueError(f"a small tokenizer has 256 to {len(tokens)} tokens, not {size}")
    return tokens, merges


def write_byte_fallback_tokenizer(folder: Path, size: int = 512, *, settings: dict[str, Any] | None = None) -> None:
    """A SentencePiece vocabulary as ``tokenizer.json`` alone, as Llama 2's fine-tunes and Gemma 4 have it."""
    specials = ("<unk>", "<s>", "</s>")
    vocab = {text: number for number, (text, _, _) in enumerate(pieces(size))}
    merges = [(text[:-1], text[-1]) for text in vocab if len(text) > 1 and text[:-1] in vocab and text[-1] in vocab]
    content = bpe_json(Definition({}), vocab, merges, [(vocab[text], text, True) for text in specials])
    content |= {
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
    }
    content["model"] |= {"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False))
    config = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "chat_template": CHAT_TEMPLATE,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    _write_settings(folder, config, settings)


def _write_settings(folder: Path, config: dict[str, Any], more: dict[str, Any] | None) -> None:
    config = {key: value for key, value in (config | (more or {})).items() if value is not None}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))


# Types of pieces in sentencepiece_model.proto.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def write_sentencepiece_tokenizer(
    folder: Path,
    size: int = 512,
    *,
    tokenizer_class: str = "LlamaTokenizer",
    added: dict[int, tuple[str, bool]] | None = None,
    settings: dict[str, Any] | None = None,
) -> None:
    """``tokenizer.model`` of ``size`` pieces and ``tokenizer_config.json``.

    Args:
        added: id -> (text, is it special): goes into ``added_tokens_decoder``.
        settings: more for ``tokenizer_config.json``; None takes a key out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(sentencepiece_model(pieces(size)))
    tokens = {0: ("<unk>", True), 1: ("<s>", True), 2: ("</s>", True)} | (added or {})
    config: dict[str, Any] = {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": {
            str(number): {
                "content": text, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                "special": special,
            }
            for number, (text, special) in tokens.items()
        },
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "chat_template": CHAT_TEMPLATE,
        "tokenizer_class": tokenizer_class,
    }  # fmt: skip
    _write_settings(folder, config, settings)


def pieces(size: int) -> list[tuple[str, float, int]]:
    """(text, score, type): the three control pieces, the bytes, and parts of the words."""
    found = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    found += [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
    texts = dict.fromkeys(
        form[:end] for word in WORDS for form in ("▁" + word, word) for end in range(1, len(form) + 1)
    )
    found += [(text, -float(number), NORMAL) for number, text in enumerate(texts)]
    if not 259 <= size <= len(found):
        raise ValueError(f"a small tokenizer has 259 to {len(found)} pieces, not {size}")
    return found[:size]


def sentencepiece_model(pieces: Iterable[tuple[str, float, int]]) -> bytes:
    """The protobuf message ModelProto: pieces (1), trainer_spec (2) and normalizer_spec (3)."""

    def field(number: int, content: bytes) -> bytes:
        return _varint(number << 3 | 2) + _varint(len(content)) + content

    model = b""
    for text, score, kind in pieces:
        model += field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + _varint(kind))
    trainer = b"\x18\x02" + b"\x98\x02\x01"  # model_type (3) = BPE, byte_fallback (35) = true
    normalizer = field(1, b"identity") + b"\x18\x01" + b"\x20\x00" + b"\x28\x01"
    return model + field(2, trainer) + field(3, normalizer)


def _varint(number: int) -> bytes:
    encoded = b""
    while number >= 0x80:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])
