"""Where in the prompt the name of a file is being typed, and what it becomes with Tab."""

from __future__ import annotations

from dataclasses import dataclass

from assistant.memory import attachments

ADD = "/memory add "


@dataclass(frozen=True, slots=True)
class TypedPath:
    """A path up to the cursor. ``start``: the column where what Tab replaces begins; ``quote``: what it began with, or
    None where paths stand as they are."""

    start: int
    path: str
    quote: str | None


def path_at(before: str) -> TypedPath | None:
    """The path that ends at the end of ``before``, the part of a line in front of the cursor."""
    if before.startswith(ADD):
        return TypedPath(len(ADD), before[len(ADD) :], None)
    if before.startswith("/") and not before.startswith("//"):
        return None
    found = attachments.unfinished(before)
    return TypedPath(found.start, found.path, found.quote) if found else None


def completed(typed: TypedPath) -> str | None:
    """What stands there after Tab; None: nothing begins so. Reads a folder."""
    found = attachments.completed(typed.path)
    if found is None:
        return None
    path, whole = found
    if typed.quote is None:
        return path
    return attachments.mention(path, quote=typed.quote, whole=whole) + " " * whole
