"""What the user thought of answers, as marks on the passages that these stood on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assistant.database import Database

BOUND = 3  # marks beyond it change nothing: no passage is praised into every answer


@dataclass(frozen=True, slots=True)
class Mark:
    """One answer's mark (+1 or −1) on a passage, and the first place where the passage stands."""

    chunk_id: int
    message_id: int
    value: int
    created: datetime
    path: Path
    title: str
    page: int | None
    line: int
    heading: str
    text: str


class Feedback:
    """The table ``feedback`` of the memory. Marks stay while the passage's text is in memory, wherever it stands."""

    def __init__(self, database: Database):
        self._database = database

    def rate(self, message_id: int, chunk_ids: Iterable[int], value: int) -> None:
        """Mark the passages of an answer: +1, −1, or 0 to take it back. Those that are not in memory are left out.

        Args:
            message_id: of the answer in the history; a new mark replaces its last one.
        """
        if value not in (-1, 0, 1):
            raise ValueError(f"a mark is -1, 0 or 1, not {value}")
        with self._database.transaction():
            self._database.write("DELETE FROM feedback WHERE message_id = ?", message_id)
            if value:
                now = datetime.now(UTC).isoformat(timespec="microseconds")
                self._database.write_many(
                    """INSERT INTO feedback (chunk_id, message_id, value, created)
                       SELECT id, ?2, ?3, ?4 FROM chunks WHERE id = ?1""",
                    [(id, message_id, value, now) for id in set(chunk_ids)],
                )

    def of(self, chunk_ids: Iterable[int]) -> dict[int, int]:
        """The sum of the marks of each passage that has some, from −:data:`BOUND` to :data:`BOUND`."""
        ids = ", ".join(str(int(id)) for id in chunk_ids)
        sql = f"SELECT chunk_id, sum(value) FROM feedback WHERE chunk_id IN ({ids}) GROUP BY chunk_id"
        return {id: max(-BOUND, min(BOUND, value)) for id, value in self._database.rows(sql)}

    def list(self) -> list[Mark]:
        """All marks, the newest first."""
        rows = self._database.rows(
            """SELECT f.chunk_id, f.message_id, f.value, f.created, CAST(d.path AS BLOB), d.title, o.page, o.line,
                   o.heading, c.text
               FROM feedback AS f
               JOIN chunks AS c ON c.id = f.chunk_id
               JOIN occurrences AS o ON o.id = (SELECT min(id) FROM occurrences WHERE chunk_id = f.chunk_id)
               JOIN documents AS d ON d.id = o.document_id
               ORDER BY f.created DESC, f.message_id DESC, o.position"""
        )
        return [
            Mark(chunk, message, value, datetime.fromisoformat(created), Path(os.fsdecode(path)), *place)
            for chunk, message, value, created, path, *place in rows
        ]

    def reset(self, chunk_id: int | None = None) -> int:
        """Drop the marks of one passage, or all; how many there were."""
        if chunk_id is None:
            return self._database.write("DELETE FROM feedback").rowcount
        return self._database.write("DELETE FROM feedback WHERE chunk_id = ?", chunk_id).rowcount
