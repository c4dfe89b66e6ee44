"""Events as JSON has them: for a pipe, and for what is kept on disk."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from assistant.engine.engine import Delta, Event, Progress, Result, Speculation, Timings


def event_json(event: Event) -> dict[str, Any]:
    """An event as an object of JSON."""
    return {"type": type(event).__name__, **asdict(event)}


def event_of(data: dict[str, Any]) -> Event:
    """The event that :func:`event_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is none of ours.
    """
    data = dict(data)
    kind = data.pop("type")
    if kind == "Result":
        drafting = dict(data["speculation"])
        drafting["lengths"] = tuple(tuple(pair) for pair in drafting["lengths"])
        return Result(**{**data, "timings": Timings(**data["timings"]), "speculation": Speculation(**drafting)})
    return Delta(**data) if kind == "Delta" else Progress(**data)
