"""How long work tells how far it is, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable

# (done, total), in whatever the step counts: bytes, tensors, tokens. What it raises stops the work, and nothing half
# written stays.
OnProgress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """For callers that do not want to know."""
