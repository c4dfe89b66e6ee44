"""How documents are shown as they go into memory, and what became of them."""

from __future__ import annotations

from typing import Any

from assistant.cli.progress import ProgressBar
from assistant.memory.files import Skipped, printable
from assistant.memory.ingest import Added, Event, Progress, Removed, Report, Unchanged, Updated


class IngestDisplay(ProgressBar):
    """Call it with every event: a line for what was skipped or removed, and how far it is."""

    def __init__(self, *, each: bool = False, unit: str = "documents") -> None:
        super().__init__(unit)
        self._each = each  # a line for every document that is added

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            rate = f"{event.sentences / max(event.seconds, 0.001):.0f} sentences/s"
            self.update(event.done, event.total, str(event.path or ""), rate=rate)
        elif isinstance(event, Skipped):
            self.note(f"skipped: {printable(event.path)} {event.reason}")
        elif isinstance(event, Removed):
            self.note(f"removed: {printable(event.path)} is gone")
        elif self._each and isinstance(event, Added | Updated):
            self.note(f"{'added' if isinstance(event, Added) else 'updated'}: {printable(event.path)}")


def summary(report: Report) -> str:
    """What became of all documents, as a sentence."""
    counts = {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "skipped": report.skipped,
    }
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing to read"
    return f"{said[0].upper()}{said[1:]} ({report.sentences:,} sentences embedded in {report.seconds:.1f} s)."


def event_json(event: Event) -> dict[str, Any] | None:
    """An event as it stands in ``--json``; None for those that are only for the eye."""
    match event:
        case Added() | Updated():
            what = "added" if isinstance(event, Added) else "updated"
            return {"event": what, "path": str(event.path), "chunks": event.chunks}
        case Removed():
            return {"event": "removed", "path": str(event.path), "id": event.id}
        case Skipped():
            return {"event": "skipped", "path": str(event.path), "reason": event.reason}
        case Unchanged() | Progress():
            return None
        case Report():
            return {"event": "report", **vars(event), "seconds": round(event.seconds, 3)}
