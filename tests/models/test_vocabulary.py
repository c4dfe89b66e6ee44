"""Which model may draft for which: decided on the headers alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from models.errors import ModelError
from models.vocabulary import mismatch


def write(path: Path, tokens: list[str], architecture: str = "llama", **more: Any) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(1)
    settings = {"model": "gpt2", "bos_token_id": 1, "eos_token_id": 2, "add_bos_token": False} | more
    for key, value in settings.items():
        if isinstance(value, bool):
            writer.add_bool(f"tokenizer.ggml.{key}", value)
        elif isinstance(value, int):
            writer.add_uint32(key if "." in key else f"tokenizer.ggml.{key}", value)
        elif value is not None:
            writer.add_string(f"tokenizer.ggml.{key}", value)
    if tokens:
        writer.add_token_list(tokens)
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def words(count: int) -> list[str]:
    return [f"word {number}" for number in range(count)]


@pytest.fixture(params=[600, 3000], ids=["short", "long"])
def tokens(request: pytest.FixtureRequest) -> list[str]:
    """Short lists are handed out with the header, long ones are not."""
    return words(request.param)


def test_the_same_vocabulary_matches(tmp_path: Path, tokens: list[str]) -> None:
    target = write(tmp_path / "target.gguf", tokens)
    padded = write(tmp_path / "padded.gguf", tokens + [f"pad {number}" for number in range(128)])
    others = ["<a>", "<b>", "<c>", "<d>", "<e>", *tokens[5:]]
    assert mismatch(target, target) is None
    assert mismatch(target, padded) is None
    assert mismatch(padded, target) is None
    assert mismatch(target, write(tmp_path / "special.gguf", others)) is None
    assert mismatch(target, write(tmp_path / "silent.gguf", tokens, bos_token_id=None, add_bos_token=None)) is None


def test_one_other_text_is_a_mismatch(tmp_path: Path, tokens: list[str]) -> None:
    target = write(tmp_path / "target.gguf", tokens)
    for place in (5, len(tokens) - 1):
        other = [*tokens[:place], "Äpfel", *tokens[place + 1 :]]
        reason = mismatch(target, write(tmp_path / f"{place}.gguf", other))
        assert reason == f"its vocabulary differs: token {place:,} is “Äpfel”, not “{tokens[place]}”"


def test_sizes_may_differ_by_128(tmp_path: Path, tokens: list[str]) -> None:
    target = write(tmp_path / "target.gguf", tokens)
    larger = write(tmp_path / "larger.gguf", tokens + [f"more {number}" for number in range(129)])
    assert mismatch(target, larger) == f"its vocabulary has {len(tokens) + 129:,} tokens, not {len(tokens):,}"
    assert mismatch(target, write(tmp_path / "none.gguf", [])) == "one of the two has no vocabulary in its file"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("model", "llama", "its tokenizer is llama, not gpt2"),
        ("bos_token_id", 7, "its texts begin with token 7, not 1"),
        ("eos_token_id", 7, "its texts end with token 7, not 2"),
        ("add_bos_token", True, "begins every text with a token of its own"),
    ],
)
def test_tokenizers_must_agree(tmp_path: Path, key: str, value: Any, says: str) -> None:
    target, draft = write(tmp_path / "a.gguf", words(600)), write(tmp_path / "b.gguf", words(600), **{key: value})
    assert says in (mismatch(target, draft) or "")


@pytest.mark.parametrize(
    ("architecture", "key"), [("mamba", "ssm.conv_kernel"), ("lfm2", "shortconv.l_cache"), ("rwkv7", "wkv.head_size")]
)
def test_recurrent_models_take_no_part(tmp_path: Path, architecture: str, key: str) -> None:
    plain = write(tmp_path / "a.gguf", words(600))
    recurrent = write(tmp_path / "b.gguf", words(600), architecture, **{f"{architecture}.{key}": 4})
    assert (mismatch(plain, recurrent) or "").startswith(f"it is recurrent ({architecture})")
    assert (mismatch(recurrent, plain) or "").startswith("the model it would draft for is recurrent")


def test_a_damaged_file_is_an_error(tmp_path: Path, tiny: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    with tiny.open("rb") as file:
        damaged.write_bytes(file.read(200_000))
    with pytest.raises(ModelError, match="is damaged"):
        mismatch(tiny, damaged)
    with pytest.raises(ModelError, match="does not exist"):
        mismatch(tmp_path / "missing.gguf", tiny)


def test_the_starter_and_its_draft(starter: Path, draft: Path, tiny: Path) -> None:
    assert mismatch(starter, draft) is None
    assert mismatch(starter, tiny) == "its vocabulary has 49,152 tokens, not 151,936"
