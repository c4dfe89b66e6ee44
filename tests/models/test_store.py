"""What is installed, under which name, and what happens to it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from edges import LoopbackHub, entry_for

from models import catalogue
from models.errors import ModelError, UsageError
from models.store import Installed, Store


@pytest.fixture
def linked(store: Store, tiny: Path) -> Store:
    """A store with the tiny model, linked to its real file."""
    store.import_file(tiny, how="link")
    return store


def test_an_import_that_the_catalogue_knows_gets_its_id(linked: Store, tiny: Path) -> None:
    model = linked.resolve("tiny")
    assert model.name == "smollm2-135m-instruct-q4_1"
    assert model.entry == catalogue.load().get("tiny")
    assert model.path.resolve() == tiny.resolve()
    assert linked.verify("tiny") == []


@pytest.mark.parametrize("how", ["copy", "link", "move"])
def test_an_imported_file_is_installed(store: Store, small_gguf: Path, tmp_path: Path, how: str) -> None:
    original = tmp_path / "My Model (v2).gguf"
    original.write_bytes(small_gguf.read_bytes())
    model = store.import_file(original, how=how)  # type: ignore[arg-type]
    assert model.name == "my-model-v2"
    assert model.path.read_bytes() == small_gguf.read_bytes()
    assert original.exists() == (how != "move")
    assert model.path.is_symlink() == (how == "link")
    assert [one.name for one in store.installed()] == ["my-model-v2"]
    assert store.verify("my-model-v2") == []
    assert model.header().architecture == "llama"
    manifest = (model.path.parent / "manifest.json").stat().st_size
    assert store.remove("my-model-v2") == manifest + (0 if how == "link" else small_gguf.stat().st_size)
    assert store.installed() == []
    assert original.exists() == (how != "move")


def test_an_import_refuses_what_is_no_model_and_names_that_are_taken(
    store: Store, small_gguf: Path, tmp_path: Path
) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(os.urandom(1000))
    with pytest.raises(ModelError, match="not a GGUF file"):
        store.import_file(junk)
    with pytest.raises(UsageError, match="cannot be a name"):
        store.import_file(small_gguf, "../evil")
    with pytest.raises(UsageError, match="catalogue's name of another file"):
        store.import_file(small_gguf, "starter")
    store.import_file(small_gguf, "mine")
    with pytest.raises(UsageError, match="installed already"):
        store.import_file(small_gguf, "mine")


def test_resolve_takes_ids_aliases_names_and_paths(linked: Store, small_gguf: Path, tiny: Path) -> None:
    linked.import_file(small_gguf, "mine")
    assert linked.resolve("TINY").name == linked.resolve("smollm2-135m-instruct-q4_1").name
    assert linked.resolve("mine").entry is None
    outside = linked.resolve(str(small_gguf))
    assert (outside.name, outside.path, outside.manifest) == ("small", small_gguf, None)
    assert linked.resolve(str(small_gguf.parent)).path == small_gguf


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("starter", "qwen2.5-coder-1.5b-instruct-q4_k_m is not installed", "assistant models pull starter"),
        ("startr", "no model named “startr”", "Did you mean starter?"),
        ("./absent.gguf", "no file", "assistant models"),
        ("../../absent", "no file", "assistant models"),
        ("something quite different", "no model named", "assistant models --all"),
    ],
)
def test_a_missing_model_is_an_error_with_the_next_step(store: Store, name: str, says: str, hint: str) -> None:
    with pytest.raises(ModelError, match=says) as missing:
        store.resolve(name)
    assert missing.value.exit_code == 3
    assert hint in (missing.value.hint or "")


def test_a_model_that_lost_bytes_is_not_loaded(store: Store, small_gguf: Path) -> None:
    path = store.import_file(small_gguf, "mine").path
    os.truncate(path, 1000)
    with pytest.raises(ModelError, match="1,000 of"):
        store.resolve("mine")
    assert store.verify("mine")[0].file == "small.gguf"


def test_a_manifest_that_cannot_be_read_is_told(store: Store, small_gguf: Path) -> None:
    store.import_file(small_gguf, "mine")
    (store.root / "mine" / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match="manifest of “mine” cannot be read"):
        store.resolve("mine")
    assert store.installed() == []
    store.remove("mine")


def test_a_folder_without_one_model_is_told(store: Store, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match="holds no models"):
        store.resolve(str(empty))


def test_the_default_is_chosen(linked: Store, small_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Store(linked.root / "none").default() is None
    linked.import_file(small_gguf, "mine")
    default = linked.default()
    assert default is not None
    assert default.name == "smollm2-135m-instruct-q4_1"
    monkeypatch.setenv("ASSISTANT_MODEL", "mine")
    default = linked.default()
    assert default is not None
    assert default.name == "mine"


def test_a_draft_is_the_last_default(store: Store, hub: LoopbackHub, small_gguf: Path, draft: Path) -> None:
    store.import_file(draft, how="link")
    assert (chosen := store.default()) is not None
    assert chosen.name == "qwen2.5-coder-0.5b-instruct-q4_k_m"
    store.pull(entry_for(small_gguf))
    assert (chosen := store.default()) is not None
    assert chosen.name == "small"


def test_remove_says_what_is_not_there(linked: Store) -> None:
    with pytest.raises(ModelError, match="not in the store"):
        linked.remove("starter")
    with pytest.raises(ModelError, match="not in the store"):
        linked.remove("..")
    with pytest.raises(ModelError) as missing:
        linked.remove("smollm2-135m-instruct-q4_k")
    assert missing.value.hint == "Did you mean smollm2-135m-instruct-q4_1?"


def test_an_interrupted_pull_is_listed_and_removed(store: Store) -> None:
    folder = store.root / "qwen3-0.6b-q8_0"
    folder.mkdir(parents=True)
    (folder / "Qwen3-0.6B-Q8_0.gguf.9465e63a.partial").write_bytes(bytes(1000))
    assert [(one.name, one.done, one.total) for one in store.interrupted()] == [("qwen3-0.6b-q8_0", 1000, 639446688)]
    assert store.installed() == []
    assert store.remove("qwen3-0.6b-q8_0") == 1000
    assert store.interrupted() == []


def _converted(store: Store, file: Path, content: bytes, **known: Any) -> Installed:
    file.write_bytes(content)
    return store.import_file(file, "mine", how="move", source="convert", replace=True, **known)


def test_what_is_known_of_a_conversion_is_kept(store: Store, small_gguf: Path, tmp_path: Path) -> None:
    model = _converted(
        store,
        tmp_path / "new.gguf",
        small_gguf.read_bytes(),
        origin="org/name@abc",
        licence="apache-2.0",
        recipe={"output.weight": "Q6_K"},
        quality={"kl_mean": 0.25},
    )
    manifest = store.resolve("mine").manifest
    assert manifest == model.manifest
    assert manifest is not None
    assert (manifest.source, manifest.origin, manifest.licence) == ("convert", "org/name@abc", "apache-2.0")
    assert (manifest.recipe, manifest.quality) == ({"output.weight": "Q6_K"}, {"kl_mean": 0.25})


def test_a_manifest_without_the_newer_fields_is_still_read(store: Store, small_gguf: Path) -> None:
    model = store.import_file(small_gguf, "mine")
    file = model.path.parent / "manifest.json"
    known = json.loads(file.read_text())
    file.write_text(json.dumps({key: known[key] for key in known if key not in ("draft", "recipe", "quality")}))
    assert store.resolve("mine").manifest == model.manifest


def test_a_conversion_takes_the_place_of_an_earlier_one_whole_or_not_at_all(
    store: Store, small_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = small_gguf.read_bytes(), small_gguf.read_bytes() + b"\0" * 32
    _converted(store, tmp_path / "model.gguf", first)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("models.store.Manifest.write", killed)
        with pytest.raises(KeyboardInterrupt):
            _converted(store, tmp_path / "model.gguf", second)
    assert store.resolve("mine").path.read_bytes() == first
    assert store.verify("mine") == []
    for content in (second, first, second):
        model = _converted(store, tmp_path / "model.gguf", content)
        assert store.resolve("mine").path.read_bytes() == content
        assert [file.name for file in model.path.parent.glob("*.gguf")] == [model.path.name]
    with pytest.raises(UsageError, match="installed already"):
        store.import_file(small_gguf, "mine")
    store.import_file(small_gguf, "other")
    with pytest.raises(UsageError, match="installed already"):
        store.check_free("other", source="convert")


def test_a_draft_of_ones_own_counts_before_the_catalogues(linked: Store, tiny: Path, small_gguf: Path) -> None:
    linked.import_file(tiny, "one", how="link")
    linked.import_file(tiny, "two", how="link")
    linked.import_file(small_gguf, "small")
    assert linked.draft_for(linked.resolve("one")) is None
    linked.set_draft("one", "two")
    draft = linked.draft_for(linked.resolve("one"))
    assert draft is not None
    assert draft.name == "two"
    with pytest.raises(ModelError, match="small cannot draft for one"):
        linked.set_draft("one", "small")
    with pytest.raises(ModelError, match="cannot draft for itself"):
        linked.set_draft("one", "one")
    with pytest.raises(ModelError, match="not in the store"):
        linked.set_draft("one", str(tiny))
    linked.remove("two")
    assert linked.draft_for(linked.resolve("one")) is None
    linked.set_draft("one", None)
    assert linked.resolve("one").manifest.draft is None  # type: ignore[union-attr]
