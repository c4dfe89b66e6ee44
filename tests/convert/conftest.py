"""Checkpoints that are built once, for all processes and runs: tests only read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from platformdirs import user_cache_path
from real_checkpoints import cached_checkpoint

CACHE = user_cache_path("assistant") / "test-checkpoints"


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny: Path) -> Path:
    """SmolLM2-135M-Instruct as it is published: 0.3 GB in BF16."""
    return cached_checkpoint(tiny, CACHE)


@pytest.fixture(scope="session")
def draft_checkpoint(draft: Path) -> Path:
    """Qwen2.5-Coder-0.5B-Instruct in two shards: 1.3 GB. For slow tests."""
    return cached_checkpoint(draft, CACHE, shards=2)


@pytest.fixture(scope="session")
def starter_checkpoint(starter: Path) -> Path:
    """Qwen2.5-Coder-1.5B-Instruct in two shards: 3.6 GB. For slow tests."""
    return cached_checkpoint(starter, CACHE, shards=2)
