"""How a pull is shown."""

from __future__ import annotations

from assistant.cli.progress import BYTES, ProgressBar
from models.pull import PullProgress

_WORDS = {"download": "pulling", "join": "pulling", "verify": "checking"}


class PullDisplay(ProgressBar):
    """Call it with every :class:`PullProgress`."""

    def __init__(self) -> None:
        super().__init__(BYTES)

    def __call__(self, progress: PullProgress) -> None:
        self.update(progress.done, progress.total, f"{_WORDS[progress.phase]} {progress.entry_id}")
