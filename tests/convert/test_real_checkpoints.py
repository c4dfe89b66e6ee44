"""Real checkpoints through the whole pipeline: what comes out still is the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.engine.engine import GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from convert.options import Options
from convert.pipeline import Pipeline
from convert.report import Report
from models.store import Store


class Silent:
    def step(self, name: str, number: int | None, count: int | None) -> None: ...

    def progress(self, done: int, total: int) -> None: ...

    def note(self, line: str) -> None: ...


def convert(checkpoint: Path, store: Store, **options: object) -> Report:
    return Pipeline(str(checkpoint), Options(**options), store=store, display=Silent()).run()  # type: ignore[arg-type]


def ask(model: Path, question: str) -> str:
    engine = LocalEngine(model, LoadOptions(context_length=512, prompt_cache=False, drafting=False))
    options = GenerateOptions(temperature=0, max_tokens=40, draft="off")
    try:
        *_, last = engine.generate([Message("user", question)], options)
    finally:
        engine.close()
    assert isinstance(last, Result)
    return last.text


def test_the_135m(tiny_checkpoint: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    report = convert(tiny_checkpoint, store, quant="Q8_0", quality_chunks=1)
    assert report.quality
    assert report.quality.kl_mean < 0.01
    assert report.quality.same_top > 0.85
    assert report.licence == "apache-2.0"
    assert "Paris" in ask(store.resolve(report.name or "").path, "What is the capital of France?")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_half_billion(draft_checkpoint: Path, tmp_path: Path) -> None:
    """With an importance matrix and super weights, in two shards."""
    store = Store(tmp_path / "store")
    report = convert(draft_checkpoint, store, quant="Q3_K_M", quality_chunks=3, chunks=6)
    assert report.calibration
    assert report.quality
    assert report.quality.kl_mean < 0.5
    assert report.super_weights is not None
    assert "def " in ask(store.resolve(report.name or "").path, "Write a Python function that adds two numbers.")


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_one_and_a_half_billion(starter_checkpoint: Path, draft: Path, tmp_path: Path) -> None:
    """As a user would: Q4_K_M, with a partner that is in the store."""
    store = Store(tmp_path / "store")
    store.import_file(draft, "qwen2.5-coder-0.5b-instruct-q4_k_m", how="link")
    report = convert(starter_checkpoint, store, quality_chunks=4, chunks=8)
    assert report.recipe
    assert report.recipe.base == "Q4_K_M"
    assert report.quality
    assert report.quality.kl_mean < 0.1
    assert report.draft == "qwen2.5-coder-0.5b-instruct-q4_k_m"
    assert report.speed
    assert {path.name for path in store.root.iterdir()} == {".locks", report.name, report.draft}
    assert "Paris" in ask(store.resolve(report.name or "").path, "What is the capital of France?")
