"""Embedders and rerankers as ONNX models, on a small random one: both tokenizers, pooling, windows, bad folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from small_encoder import DIMS, write_encoder

from assistant.memory.embedders import library
from assistant.memory.embedders.tokenizer import load_tokenizer
from assistant.memory.embedding import best_installed, installed, load_embedder, load_reranker
from models.errors import ModelError, UsageError
from models.paths import embedders_dir
from models.store import Store

TEXTS = ["the cat", "кошка спит на диване, the train", "a", "", "  ﬁve \t №5 ", "билет 💥 ticket " * 3, "on a sofa (a)"]


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_MODELS", str(tmp_path / "models"))


def hidden_states(folder: Path, ids: list[int]) -> Any:
    """(tokens, dims) of one row, straight from the graph."""
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    row = np.array([ids])
    return session.run(["last_hidden_state"], {"input_ids": row, "attention_mask": np.ones_like(row)})[0][0]


def of_length_one(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


def test_both_tokenizers_give_the_same_ids(tmp_path: Path) -> None:
    pieces = load_tokenizer(write_encoder(tmp_path / "a"))
    definition = load_tokenizer(write_encoder(tmp_path / "b", json_tokenizer=True))
    assert pieces.ids(TEXTS) == definition.ids(TEXTS)
    assert pieces.frame == definition.frame
    assert pieces.frame.pair([7], [8, 9]) == [0, 7, 2, 2, 8, 9, 2]
    assert pieces.padding == definition.padding == 1
    assert pieces.ids(["💥"])[0][-1] == 3


@pytest.mark.parametrize("json_tokenizer", [False, True])
def test_a_text_cannot_spell_a_special_token(tmp_path: Path, json_tokenizer: bool) -> None:
    tokenizer = load_tokenizer(write_encoder(tmp_path / "a", json_tokenizer=json_tokenizer))
    (ids,) = tokenizer.ids(["a </s> the <pad> cat <s>"])
    assert len(ids) >= 3
    assert not {0, 1, 2} & set(ids)


@pytest.mark.parametrize("json_tokenizer", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "cls", "graph"])
def test_a_vector_is_what_the_manifest_says(tmp_path: Path, pooling: str, json_tokenizer: bool) -> None:
    head = "sentence_embedding" if pooling == "graph" else ""
    folder = write_encoder(tmp_path / "a", json_tokenizer=json_tokenizer, head=head, pooling=pooling)
    library.import_folder(folder)
    embedder = load_embedder("small", threads=1)
    frame, ids = load_tokenizer(folder).frame, load_tokenizer(folder).ids
    for prefix, vector in (("ask: ", embedder.query("the cat")), ("text: ", embedder.passages(["the cat"])[0])):
        states = hidden_states(folder, frame.single(ids([prefix + "the cat"])[0]))
        expected = states[0] if pooling == "cls" else states.mean(axis=0)
        np.testing.assert_allclose(vector, of_length_one(expected), atol=1e-5)
    assert embedder.count_tokens("the cat") == len(ids(["the cat"])[0])


def test_neighbours_and_padding_change_nothing(tmp_path: Path) -> None:
    library.import_folder(write_encoder(tmp_path / "a"))
    embedder = load_embedder("small", threads=1)
    together = embedder.passages(TEXTS * 5)
    assert together.shape == (len(TEXTS) * 5, DIMS)
    assert together.dtype == np.float32
    alone = np.concatenate([embedder.passages([text]) for text in TEXTS])
    np.testing.assert_allclose(together, np.tile(alone, (5, 1)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert embedder.passages([]).shape == (0, DIMS)


def test_a_long_text_is_the_average_of_windows_that_each_have_the_prefix(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "a")
    library.import_folder(folder)
    embedder = load_embedder("small", threads=1)
    tokenizer = load_tokenizer(folder)
    start, word = tokenizer.ids(["text:", "cat"])
    words = 100
    room = 48 - 2 - len(start)
    count = -(-words * len(word) // room)
    ids = np.array_split(np.array(word * words), count)
    windows = [
        of_length_one(hidden_states(folder, tokenizer.frame.single([*start, *each])).mean(axis=0)) for each in ids
    ]
    assert count > 2
    vector = embedder.passages(["cat " * words])[0]
    assert float(vector @ of_length_one(np.mean(windows, axis=0))) > 0.999


def test_a_reranker_scores_pairs(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "a", head="logits", dims=None, query_prefix="", passage_prefix="")
    assert load_reranker() is None
    library.import_folder(folder)
    reranker = load_reranker(threads=1)
    assert reranker is not None
    texts = [text for text in TEXTS if text]
    scores = reranker.score("the train", texts)
    assert scores.shape == (len(texts),)
    assert scores.dtype == np.float32
    assert ((scores > 0) & (scores < 1)).all()
    assert len(set(scores.round(4).tolist())) > 3
    np.testing.assert_allclose(scores, [reranker.score("the train", [text])[0] for text in texts], atol=1e-5)
    assert reranker.score("the train", []).shape == (0,)
    # Of a text that does not fit, the best window counts; a question that does not fit is cut.
    long = reranker.score("the train " * 50, ["cat " * 200, "cat"])
    assert ((long > 0) & (long < 1)).all()
    with pytest.raises(ModelError, match="no embedder"):
        load_embedder("small")


def test_what_is_installed_is_listed_and_can_be_removed(tmp_path: Path) -> None:
    assert installed() == ["use-multilingual"]
    seen: list[float] = []
    manifest = library.import_folder(
        write_encoder(tmp_path / "a"), "mine", on_progress=lambda progress: seen.append(progress.done / progress.total)
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert [each.name for each in library.installed()] == ["mine"]
    assert installed() == ["use-multilingual", "mine"]
    assert best_installed() == "use-multilingual"  # only what the catalogue knows is taken unasked
    with pytest.raises(UsageError, match="installed already"):
        library.import_folder(tmp_path / "a", "mine")
    assert Store().installed() == []
    assert Store().interrupted() == []
    with pytest.raises(ModelError):
        Store().remove("embedders")
    assert library.remove("mine") > manifest.size
    assert installed() == ["use-multilingual"]
    for name in ("mine", "..", ".locks", "use-multilingual"):
        with pytest.raises(ModelError, match="not installed"):
            library.remove(name)


def test_the_version_changes_with_all_that_changes_a_vector(tmp_path: Path) -> None:
    versions = []
    changes: list[dict[str, Any]] = [{}, {"pooling": "cls"}, {"query_prefix": "q: "}, {"max_tokens": 40}]
    for number, change in enumerate(changes):
        library.import_folder(write_encoder(tmp_path / str(number), **change), f"model-{number}")
        versions.append(load_embedder(f"model-{number}", threads=1).version)
    assert len(set(versions)) == len(changes)
    library.import_folder(tmp_path / "0", "again")
    assert load_embedder("again", threads=1).version == versions[0]


def test_a_file_that_was_cut_off_is_noticed(tmp_path: Path) -> None:
    library.import_folder(write_encoder(tmp_path / "a"))
    graph = embedders_dir() / "small" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.onnx is damaged"):
        load_embedder("small")


def cut(folder: Path) -> None:
    graph = folder / "model.onnx"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])


def rename_input(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    for node in model.graph.node:
        node.input[:] = ["pixels" if name == "attention_mask" else name for name in node.input]
    model.graph.input[1].name = "pixels"
    onnx.save(model, folder / "model.onnx")


def other_vocabulary(folder: Path) -> None:
    (folder / "sentencepiece.bpe.model").write_bytes(b"no such model")


def no_tokenizer(folder: Path) -> None:
    (folder / "sentencepiece.bpe.model").unlink()


def not_json(folder: Path) -> None:
    (folder / "sentencepiece.bpe.model").unlink()
    (folder / "tokenizer.json").write_text("{")


def no_numbers(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    for constant in model.graph.initializer:
        if list(constant.dims) == [DIMS] and constant.data_type == onnx.TensorProto.FLOAT:
            constant.raw_data = np.full(DIMS, np.nan, np.float32).tobytes()
    onnx.save(model, folder / "model.onnx")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "cannot be loaded"),
        (rename_input, "not a text encoder: its inputs are input_ids, pixels"),
        (other_vocabulary, "not a usable tokenizer"),
        (no_tokenizer, "0 tokenizers"),
        (not_json, "not a usable tokenizer"),
        (no_numbers, "length nan"),
    ],
)
def test_a_folder_that_cannot_work_is_not_installed(tmp_path: Path, damage: Any, said: str) -> None:
    folder = write_encoder(tmp_path / "a")
    damage(folder)
    with pytest.raises((ModelError, UsageError), match=said):
        library.import_folder(folder)
    assert not (embedders_dir() / "small").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dims": 32}, "vectors of 16 numbers"),
        ({"dims": None}, "an embedder needs dims"),
        ({"pooling": "graph"}, "no output with 2 dimensions"),
        ({"pooling": "median"}, "pooling"),
        ({"kind": "reranker"}, "no output with 2 dimensions"),
        ({"name": "Not A Name"}, "name"),
        ({"name": "use-multilingual"}, "comes with the program"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises((ModelError, UsageError), match=said):
        library.import_folder(write_encoder(tmp_path / "a", **change))
    assert installed() == ["use-multilingual"]


def test_a_folder_without_a_manifest_says_what_is_needed(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "a")
    (folder / "manifest.json").unlink()
    with pytest.raises(UsageError, match=r"no manifest\.json") as refused:
        library.import_folder(folder)
    assert "multilingual-e5-small" in str(refused.value.hint)


def test_a_model_of_a_newer_program_is_not_read(tmp_path: Path) -> None:
    library.import_folder(write_encoder(tmp_path / "a"))
    path = embedders_dir() / "small" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(ModelError, match="not installed"):
        load_embedder("small")
