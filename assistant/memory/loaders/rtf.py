"""RTF with the library striprtf, of the extra ``documents``: its plain text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from assistant.memory.loaders.extracted import Extracted


def load(path: Path, on_progress: Callable[[], None]) -> Extracted:
    """Plain text."""
    from striprtf.striprtf import rtf_to_text

    # RTF is ASCII, and what is beyond it is escaped in the encoding that the file names.
    return Extracted(rtf_to_text(path.read_bytes().decode("cp1252", "replace"), errors="replace"))
