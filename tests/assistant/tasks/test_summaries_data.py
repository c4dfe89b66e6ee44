"""The documents that summaries are scored by: their facts are in them and their false items are not, as the matcher of
the benchmark reads them."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from assistant.memory.stemming import language_of


def _planted() -> ModuleType:
    """A script's module: ``benchmarks`` is no package."""
    spec = importlib.util.spec_from_file_location("planted", Path(__file__).parents[3] / "benchmarks" / "planted.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


planted = _planted()
DOCUMENTS = list(planted.documents())


def test_there_are_six_documents_of_each_language() -> None:
    assert Counter(document.language for document in DOCUMENTS) == {"en": 6, "ru": 6}
    assert len({(document.language, document.kind) for document in DOCUMENTS}) == 12
    for language in ("en", "ru"):
        lengths = [document.length for document in DOCUMENTS if document.language == language]
        assert lengths[0] < 400
        assert lengths[-1] > 3500


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_document_bears_its_facts_and_none_of_the_false_items(document) -> None:
    assert 300 <= document.length <= 6000
    assert language_of(document.text) == document.language == document.path.parent.name
    assert 8 <= len(document.facts) <= 20
    assert 3 <= sum(fact.key for fact in document.facts) <= 9
    assert len(document.false) >= 10
    assert 50 <= document.words <= document.length / 4
    assert planted.found(document.facts, document.text) == list(document.facts)
    assert planted.found(document.false, document.text) == []
    for item in (*document.facts, *document.false):
        assert item.marks
        assert all(group and all(group) for group in item.marks)
        assert not item.is_in("")
        assert not item.is_in("Hello. Привет.")


def test_few_facts_are_found_in_other_documents() -> None:
    for document in DOCUMENTS:
        for other in DOCUMENTS:
            if other is not document and other.language == document.language:
                keys = [fact for fact in document.facts if fact.key]
                assert len(planted.found(keys, other.text)) <= len(keys) / 3, (document.name, other.name)


@pytest.mark.parametrize(
    ("marks", "text", "there"),
    [
        ([["900,000"]], "It gave £900 000.", True),
        ([["900000"]], "It gave £900,000 more.", True),
        ([["2.3 million"]], "It costs 12.3 million.", False),
        ([["1,9 млн"]], "Это 1.9 млн рублей.", True),
        ([["96"]], "96% failed.", True),
        ([["96"]], "1996 failed.", False),
        ([["1 October"]], "By October 1st.", True),
        ([["1 October"]], "By the 1st of October.", True),
        ([["1 October"]], "By 21 October.", False),
        ([["дом*"], ["9"]], "Замёрзли 9 домов.", True),
        ([["пожар"]], "Было два пожара.", False),
        ([["счётчик*"]], "Новые счетчики.", True),
        ([["pool*"], ["six"]], "The pool stays. By six votes.", True),
        ([["pool*"], ["six"]], "The pool stays. It was long. By six votes.", False),
        ([["10"]], "It began at 10:47.", False),
    ],
)
def test_how_marks_are_read(marks: list[list[str]], text: str, there: bool) -> None:
    assert planted.Item("", tuple(map(tuple, marks))).is_in(text) is there
