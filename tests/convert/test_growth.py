"""A tokenizer that makes texts longer and longer is refused before the library runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from random_checkpoints import random_checkpoint

from convert.checkpoint import Checkpoint
from convert.tokenizer import vocab
from convert.tokenizer.growth import check_growth
from models.errors import ModelError


def replacing(content: str, times: int) -> dict[str, Any]:
    step = {"type": "Replace", "pattern": {"Regex": "."}, "content": content}
    return {"type": "Sequence", "normalizers": [step] * times}


@pytest.mark.parametrize(
    ("step", "definition"),
    [
        ("normalizer", replacing("aaaa", 30)),
        ("normalizer", replacing("a" * 10_000, 1)),
        ("normalizer", {"type": "Sequence", "normalizers": [{"type": "ByteLevel"}] * 40}),
        ("normalizer", {"type": "Prepend", "prepend": "a" * 10_000}),
        ("pre_tokenizer", {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}] * 40}),
        ("decoder", {"type": "Sequence", "decoders": [*replacing("aaaa", 30)["normalizers"]]}),
        (
            "post_processor",
            {
                "type": "TemplateProcessing",
                "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 100_000,
                "pair": [],
                "special_tokens": {},
            },
        ),
    ],
)
def test_a_step_that_would_fill_the_memory_is_refused(step: str, definition: dict[str, Any], tmp_path: Path) -> None:
    path = random_checkpoint(tmp_path / "small", "llama") / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {step: definition}))
    with pytest.raises(ModelError, match=rf"tokenizer\.json: its {step} could make a text more than"):
        vocab.read(Checkpoint.open(path.parent), 384)


def test_what_published_tokenizers_do_to_a_text_is_little() -> None:
    check_growth(
        Path("tokenizer.json"),
        {
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    {"type": "Prepend", "prepend": "▁"},
                    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
                    {"type": "NFKC"},
                ],
            },
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    *[{"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated", "invert": False}] * 20,
                    {"type": "ByteLevel"},
                ],
            },
            "decoder": {
                "type": "Sequence",
                "decoders": [
                    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                    {"type": "ByteFallback"},
                    {"type": "Fuse"},
                    {"type": "Strip", "content": " ", "start": 1, "stop": 0},
                ],
            },
            "post_processor": {
                "type": "Sequence",
                "processors": [
                    {"type": "ByteLevel"},
                    {
                        "type": "TemplateProcessing",
                        "single": [
                            {"SpecialToken": {"id": "<s>", "type_id": 0}},
                            {"Sequence": {"id": "A", "type_id": 0}},
                        ],
                        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
                    },
                ],
            },
        },
    )
