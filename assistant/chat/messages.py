"""What the history gives back: messages, conversations, and the lines of lists of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from assistant.engine.engine import Timings

if TYPE_CHECKING:
    from assistant.memory.citations import Citation, Unsupported

StoredRole = Literal["system", "user", "assistant", "note"]
Status = Literal["complete", "interrupted", "failed", "streaming"]


@dataclass(slots=True)
class StoredMessage:
    """One message. A ``note`` is what compaction made of the messages up to the position ``covers``.

    Attributes:
        position: its place in the conversation, from 0.
        active: False once a retry, an edit or an undo took it out of the conversation.
        prompt_tokens: of the whole prompt that this answer was generated from.
        files: of a question, what was attached to it.
        in_memory: of an answer, whether memory had something on the question; None: it was not asked.
        citations: of an answer, the passages that it cites, or that the program found to say the same.
        read: of an answer, the documents of all passages that stood before the model, by the passages' numbers.
        unsupported: of an answer, its sentences that say what no cited passage says.
        unknown: of an answer, numbers it cites that no passage had.
        forgotten: of an answer, numbers of passages whose document was removed from memory since.
    """

    id: int
    position: int
    role: StoredRole
    text: str
    reasoning: str = ""
    model: str | None = None
    status: Status = "complete"
    active: bool = True
    covers: int | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    timings: Timings | None = None
    finish_reason: str | None = None
    files: tuple[str, ...] = ()
    in_memory: bool | None = None
    citations: list[Citation] = field(default_factory=list)
    read: dict[int, int] = field(default_factory=dict)
    unsupported: list[Unsupported] = field(default_factory=list)
    unknown: tuple[int, ...] = ()
    forgotten: tuple[int, ...] = ()


@dataclass(slots=True)
class StoredConversation:
    """A conversation with all its messages, replaced ones included, in order.

    Attributes:
        memory: the collection that its questions are looked up in; empty: all of them, None: none.
        template: what its questions are put into, as :meth:`assistant.templates.template.Filled.to_json` has it.
    """

    id: int
    title: str
    model: str
    system: str | None
    created: datetime
    updated: datetime
    messages: list[StoredMessage]
    memory: str | None = None
    template: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A line in the list of chats. ``messages`` counts questions and answers; ``snippet`` shows where a search hit."""

    id: int
    title: str
    model: str
    created: datetime
    updated: datetime
    messages: int
    snippet: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that a search found; in ``snippet`` the found words stand between ``[`` and ``]``."""

    conversation_id: int
    title: str
    message_id: int
    role: StoredRole
    created: datetime
    snippet: str


def message_from(row: sqlite3.Row, cited: Sequence[sqlite3.Row]) -> StoredMessage:
    """A row of the table, with its rows of citations."""
    values: dict[str, Any] = {key: row[key] for key in row.keys() if key in StoredMessage.__dataclass_fields__}  # noqa: SIM118
    values |= {"active": bool(row["active"]), "created": datetime.fromisoformat(row["created"])}
    values["timings"] = None if row["timings"] is None else Timings(**json.loads(row["timings"]))
    values["files"] = tuple(json.loads(row["files"] or "[]"))
    if row["grounding"] is not None:
        from assistant.memory.citations import Citation, Unsupported

        grounding = json.loads(row["grounding"])
        values["in_memory"] = grounding["in_memory"]
        values["unknown"] = tuple(grounding["unknown"])
        values["unsupported"] = [Unsupported.from_json(one) for one in grounding["unsupported"]]
        values["citations"] = [Citation.from_json(json.loads(one["content"])) for one in cited if one["content"]]
        values["read"] = {one["number"]: one["document_id"] for one in cited if one["content"] is not None}
        values["forgotten"] = tuple(one["number"] for one in cited if one["content"] is None)
    return StoredMessage(**values)


def grounding_of(message: StoredMessage) -> str | None:
    """What the check of an answer found, as JSON."""
    if message.in_memory is None:
        return None
    grounding = {
        "in_memory": message.in_memory,
        "unknown": message.unknown,
        "unsupported": [one.to_json() for one in message.unsupported],
    }
    return json.dumps(grounding, ensure_ascii=False)
