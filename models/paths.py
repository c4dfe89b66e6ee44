"""Where files live. Every folder can be moved with an environment variable; nothing is created by asking."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import PlatformDirs

from models.errors import UsageError

EMBEDDERS = "embedders"
_DIRS = PlatformDirs("assistant", appauthor=False)


def _home_folder(kind: str) -> Path:
    try:
        return Path(getattr(_DIRS, kind))
    except RuntimeError as error:  # no HOME, and a user whom the system does not know: some containers
        raise UsageError("This user has no home folder.", "Set HOME, or ASSISTANT_DATA_DIR.") from error


def data_dir() -> Path:
    """Chats and models. ``ASSISTANT_DATA_DIR`` moves it, and with it the settings, as one portable folder."""
    moved = os.environ.get("ASSISTANT_DATA_DIR")
    return Path(moved).expanduser() if moved else _home_folder("user_data_dir")


def models_dir() -> Path:
    """The model store. ``ASSISTANT_MODELS`` moves it, for instance to a larger disk."""
    moved = os.environ.get("ASSISTANT_MODELS")
    return Path(moved).expanduser() if moved else data_dir() / "models"


def embedders_dir() -> Path:
    """Embedders and rerankers that were pulled, in the same place as the models."""
    return models_dir() / EMBEDDERS


def config_file() -> Path:
    """The settings, a TOML file that need not exist."""
    moved = os.environ.get("ASSISTANT_DATA_DIR")
    return (Path(moved).expanduser() if moved else _home_folder("user_config_dir")) / "config.toml"


def history_file() -> Path:
    """The SQLite database of chats."""
    return data_dir() / "history.db"


def memory_file() -> Path:
    """The SQLite database of documents and facts."""
    return data_dir() / "memory.db"


def diary_file() -> Path:
    """The SQLite database of what was eaten."""
    return data_dir() / "diary.db"


def finished_file() -> Path:
    """The SQLite database of what interrupted scripts have done so far."""
    return data_dir() / "finished.db"


def log_dir() -> Path:
    """What llama.cpp and the engine's process say; never shown on the screen by itself."""
    moved = os.environ.get("ASSISTANT_DATA_DIR")
    return Path(moved).expanduser() / "logs" if moved else _home_folder("user_log_dir")


def cache_dir() -> Path:
    """What can be measured again: nothing is lost with it."""
    moved = os.environ.get("ASSISTANT_DATA_DIR")
    return Path(moved).expanduser() / "cache" if moved else _home_folder("user_cache_dir")
