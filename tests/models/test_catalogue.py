"""The data: every entry is complete, points at what exists, and its licence is known."""

from __future__ import annotations

import re

import pytest

from models import catalogue, licences
from models.errors import ModelError

CATALOGUE = catalogue.load()
ENTRIES = pytest.mark.parametrize("entry", CATALOGUE.entries, ids=lambda entry: entry.id)


@ENTRIES
def test_references_hold(entry: catalogue.Entry) -> None:
    if entry.draft:
        draft = CATALOGUE.get(entry.draft)
        assert draft.size < entry.size
        assert draft.architecture == entry.architecture
    if entry.kind == "draft":
        assert any(other.draft == entry.id for other in CATALOGUE)
    assert entry.file.endswith(".gguf")
    assert entry.sampling == catalogue.Sampling() or entry.sampling_source


@ENTRIES
def test_the_licence_has_a_checklist(entry: catalogue.Entry) -> None:
    found = licences.checklist(entry.licence, entry.licence_url)
    assert found.commercial_use != "unknown"
    assert found.url == entry.licence_url
    assert found.explanation
    assert re.search("[а-я]", found.explanation_ru)


def test_names_are_unique() -> None:
    names = [name for entry in CATALOGUE for name in (entry.id, *entry.aliases)]
    assert len(names) == len(set(names))
    digests = [entry.sha256 for entry in CATALOGUE]
    assert len(digests) == len(set(digests))


def test_the_starter_and_its_draft() -> None:
    starter = CATALOGUE.get("starter")
    assert starter.id == "qwen2.5-coder-1.5b-instruct-q4_k_m"
    assert starter.draft == "qwen2.5-coder-0.5b-instruct-q4_k_m"
    assert starter.packages
    assert len(starter.packages.parts) == 22
    assert CATALOGUE.get("Tiny").id == "smollm2-135m-instruct-q4_1"


def test_thinking_models_are_marked() -> None:
    assert CATALOGUE.get("qwen3-8b-q4_k_m").thinking
    assert CATALOGUE.get("deepseek-r1-distill-qwen-7b-q4_k_m").thinking
    assert not CATALOGUE.get("qwen3-4b-instruct-2507-q4_k_m").thinking
    assert not CATALOGUE.get("starter").thinking


def test_licence_traps_are_kept() -> None:
    assert licences.checklist(CATALOGUE.get("qwen2.5-3b-instruct-q4_k_m").licence).commercial_use == "no"
    assert (
        licences.checklist(CATALOGUE.get("yandexgpt-5-lite-8b-instruct-q4_k_m").licence).commercial_use == "conditions"
    )
    both = licences.checklist(CATALOGUE.get("deepseek-r1-distill-llama-8b-q4_k_m").licence)
    assert (both.commercial_use, both.user_limit, both.redistribution) == ("yes", "yes", "conditions")


def test_an_unknown_licence_is_said_to_be_unknown() -> None:
    found = licences.checklist("LicenseRef-Whatever", "https://example.org/x")
    assert {answer for _, answer in found.answers()} == {"unknown"}
    assert "read https://example.org/x" in found.explanation
    assert licences.checklist(None).commercial_use == "unknown"
    assert licences.checklist("apache-2.0").id == "Apache-2.0"


def test_a_typo_is_answered_with_what_was_meant() -> None:
    with pytest.raises(ModelError) as missing:
        CATALOGUE.get("qwen3-8b")
    assert "qwen3-8b-q4_k_m" in (missing.value.hint or "")
