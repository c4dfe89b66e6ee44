"""Texts that models read for calibration and measurement."""

from __future__ import annotations

import hashlib
from pathlib import Path

from models.errors import UsageError

_MOST = 64 << 20  # bytes


def read_text(path: Path) -> str:
    """
    Raises:
        UsageError: it cannot be read, is empty, too large, or not text in UTF-8.
    """
    try:
        if path.stat().st_size > _MOST:
            raise UsageError(f"{path} has more than {_MOST >> 20} MB.", "A few hundred kilobytes are enough.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Look at the path.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8.", "Convert it, or choose another file.") from error
    if not text.strip() or "\0" in text:
        raise UsageError(f"{path} {'is not text' if text.strip() else 'is empty'}.", "Choose another file.")
    return text


def hash_of(text: str) -> str:
    """sha256, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
