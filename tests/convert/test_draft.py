"""Draft models: who can draft, found in the store or in the catalogue, or made by quantizing."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_gguf import llama_like, write_gguf

from convert.draft import make_draft, partner
from models import catalogue
from models.errors import ModelError, UsageError
from models.gguf_header import read_header
from models.store import Installed, Store

BIG, SMALL = llama_like(4, 64, 192, 4, 2), llama_like(1, 32, 96, 2, 1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "house-big-chat.gguf", "llama", *BIG)


def install(store: Store, folder: Path, name: str, architecture: str = "llama") -> Installed:
    size = BIG if "big" in name else SMALL
    return store.import_file(write_gguf(folder / f"{name}.gguf", architecture, *size), name)


def test_the_partner_is_the_nearest_relative_of_those_that_are_small_enough(
    store: Store, target: Path, tmp_path: Path
) -> None:
    assert partner(target, store) is None
    install(store, tmp_path, "other-big")  # as large as the target
    assert partner(target, store) is None
    install(store, tmp_path, "stranger")
    install(store, tmp_path, "house-small-chat")
    install(store, tmp_path, "house-small")
    found = partner(target, store)
    assert found is not None
    assert found.installed
    assert found.name == "house-small-chat"
    assert found.size == store.resolve("house-small-chat").size


def test_a_model_of_another_vocabulary_or_a_damaged_one_is_no_partner(
    store: Store, target: Path, tmp_path: Path, tiny: Path
) -> None:
    store.import_file(tiny, "house-tiny", how="link")
    damaged = install(store, tmp_path, "house-small-chat")
    damaged.path.write_bytes(damaged.path.read_bytes()[:100])
    assert partner(target, store) is None


def test_the_catalogues_draft_is_named_where_it_is_not_installed(store: Store, starter: Path, draft: Path) -> None:
    wanted = catalogue.load().get("starter").draft
    assert wanted
    store.import_file(starter, how="link")
    renamed = Installed("qwen2.5-coder-1.5b-instruct-for-cpu", starter)  # as one that was converted here
    for model in (store.resolve("starter"), renamed, starter):
        found = partner(model, store)
        assert found is not None
        assert (found.name, found.installed) == (wanted, None)
        assert found.note == f"assistant models pull {wanted}"
    store.import_file(draft, how="link")
    found = partner(renamed, store)
    assert found is not None
    assert found.installed
    assert found.name == wanted


def test_a_draft_is_made_of_a_small_sibling(target: Path, tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "small.gguf", "llama", *SMALL, seed=1)
    seen: list[tuple[int, int]] = []
    make_draft(target, source, tmp_path / "draft.gguf", on_progress=lambda done, total: seen.append((done, total)))
    header = read_header(tmp_path / "draft.gguf")
    assert {tensor.type for tensor in header.tensors if "attn_q.weight" in tensor.name} == {"Q4_0"}
    assert header.size < source.stat().st_size
    assert seen[-1][0] == seen[-1][1]


def test_a_draft_that_cannot_serve_is_not_made(target: Path, tmp_path: Path, tiny: Path) -> None:
    out = tmp_path / "draft.gguf"
    with pytest.raises(ModelError, match="cannot draft for"):
        make_draft(target, tiny, out)
    with pytest.raises(UsageError, match="that pays has at most"):
        make_draft(target, target, out, type="Q8_0")
    assert not out.exists()
