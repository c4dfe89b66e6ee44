"""Real models from the shared store (``make test`` pulls them once); everything else in the test's own folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models.paths import models_dir

# Read once, before any test moves it: tests only ever read from this store.
SHARED_MODELS = models_dir()


@pytest.fixture(scope="session", autouse=True)
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What fixtures of a wider scope than a test keep does not go to the user's own folders."""
    os.environ["ASSISTANT_DATA_DIR"] = str(tmp_path_factory.mktemp("shared-home"))
    os.environ["ASSISTANT_MODELS"] = str(SHARED_MODELS)
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private data folder, the shared models, no network: every test starts like a new user."""
    for name in [name for name in os.environ if name.startswith(("ASSISTANT_", "HF_"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("ASSISTANT_DATA_DIR", str(home))
    monkeypatch.setenv("ASSISTANT_MODELS", str(SHARED_MODELS))
    monkeypatch.setenv("ASSISTANT_OFFLINE", "1")
    # Tests run side by side: with one thread each they do not wait for one another at every barrier.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return home


def _pulled(name: str) -> Path:
    from models.store import Store

    return Store(SHARED_MODELS).resolve(name).path


@pytest.fixture(scope="session")
def tiny() -> Path:
    """SmolLM2-135M-Instruct: proves that the machinery works, not that answers are good."""
    return _pulled("tiny")


@pytest.fixture(scope="session")
def starter() -> Path:
    """Qwen2.5-Coder-1.5B-Instruct: where the quality of an answer matters."""
    return _pulled("starter")


@pytest.fixture(scope="session")
def draft() -> Path:
    """Qwen2.5-Coder-0.5B-Instruct, the starter's draft."""
    return _pulled("qwen2.5-coder-0.5b-instruct-q4_k_m")
