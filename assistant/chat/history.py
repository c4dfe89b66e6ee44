"""Where chats are kept: one SQLite file, written as the words come.

What the user wrote is on the disk (``synchronous=FULL``) before an answer starts; a growing answer is saved without
waiting for the disk, because a dead process, unlike a dead machine, loses nothing of a commit. Several processes may
use one file; several threads may use one :class:`History`.
"""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant.chat.messages import (
    ConversationSummary,
    Hit,
    Status,
    StoredConversation,
    StoredMessage,
    StoredRole,
    grounding_of,
    message_from,
)
from assistant.chat.writer import is_alive, this_process
from assistant.database import Database, Schema, encodable
from models.errors import UserError
from models.paths import history_file

__all__ = ["ConversationSummary", "History", "HistoryError", "Hit", "StoredConversation", "StoredMessage"]


class HistoryError(UserError):
    """The history cannot be opened or written. What is in it stays as it was."""


_ELSEWHERE = "Set ASSISTANT_DATA_DIR to another folder, or ASSISTANT_NO_HISTORY=1 to chat without a history."
SCHEMA = Schema(
    name="the history",
    application_id=0x41535354,  # "ASST"
    migrations="assistant.chat.migrations",
    version=4,
    fts=("messages_fts",),
    error=HistoryError,
    elsewhere=_ELSEWHERE,
    damaged=f"Move it away and start anew. {_ELSEWHERE}",
)


class History:
    """The database of chats.

    Raises:
        HistoryError: the file cannot be read or written, is not ours, or comes from a newer version.
    """

    def __init__(self, path: Path | None):
        self.path = path
        self._db = Database(path, SCHEMA)

    @classmethod
    def open(cls, path: Path | None = None) -> History:
        """The user's history, created when it is not there."""
        return cls(path or history_file())

    @classmethod
    def in_memory(cls) -> History:
        """A history that is forgotten at the end: nothing is written to the disk."""
        return cls(None)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- reading

    def conversations(self, limit: int | None = None, query: str | None = None) -> list[ConversationSummary]:
        """The newest first; with ``query`` those whose title or text has all its words."""
        rows = self._db.rows("""
            SELECT c.id, title, c.model, c.created, c.updated, count(m.id) AS messages FROM conversations c
            LEFT JOIN messages m ON m.conversation_id = c.id AND m.active AND m.role IN ('user', 'assistant')
            GROUP BY c.id ORDER BY c.updated DESC, c.id DESC""")
        snippets: dict[int, str] = {}
        if query and query.strip():
            match, words = _match(query), _fold(query).split()
            newest = self._db.rows(
                """SELECT m.conversation_id, max(m.id) FROM messages_fts JOIN messages m ON m.id = messages_fts.rowid
                   WHERE messages_fts MATCH ? GROUP BY m.conversation_id""",
                match or '""',
            )
            found = dict(map(tuple, newest))
            titled = {row["id"] for row in rows if all(word in _fold(row["title"]) for word in words)}
            rows = [row for row in rows if row["id"] in found or row["id"] in titled]
            shown = [found[row["id"]] for row in rows[:limit] if row["id"] in found]
            snippets = {hit.conversation_id: hit.snippet for hit in self._hits(match, shown)}
        return [
            ConversationSummary(
                **{**dict(row), "created": _time(row["created"]), "updated": _time(row["updated"])},
                snippet=snippets.get(row["id"]),
            )
            for row in rows[:limit]
        ]

    def load(self, id: int) -> StoredConversation:
        """One conversation. Answers that a dead process left unfinished are marked interrupted on the way.

        Raises:
            HistoryError: there is none with this number.
        """
        self._settle(id)
        with self._db.transaction(write=False):  # one view of both tables
            found = self._db.rows("SELECT * FROM conversations WHERE id = ?", id)
            rows = self._db.rows("SELECT * FROM messages WHERE conversation_id = ? ORDER BY position", id)
            cited = self._db.rows(
                """SELECT message_id, number, document_id, content FROM citations JOIN messages m ON m.id = message_id
                   WHERE m.conversation_id = ? ORDER BY number""",
                id,
            )
        if not found:
            raise _no_conversation(id)
        of_message: dict[int, list[sqlite3.Row]] = {}
        for one in cited:
            of_message.setdefault(one["message_id"], []).append(one)
        row = found[0]
        return StoredConversation(
            id=id,
            title=row["title"],
            model=row["model"],
            system=row["system"],
            created=_time(row["created"]),
            updated=_time(row["updated"]),
            messages=[message_from(row, of_message.get(row["id"], ())) for row in rows],
            memory=row["memory"],
            template=row["template"] and json.loads(row["template"]),
        )

    def latest(self) -> int | None:
        """The conversation that was changed last."""
        rows = self._db.rows("SELECT id FROM conversations ORDER BY updated DESC, id DESC LIMIT 1")
        return int(rows[0]["id"]) if rows else None

    def state(self, conversation_id: int) -> tuple[int | None, int]:
        """The number of its newest message, and how many citations were forgotten: differs from what a window knows
        when another process wrote to it, or removed a document."""
        rows = self._db.rows(
            """SELECT (SELECT max(id) FROM messages WHERE conversation_id = ?1),
                      (SELECT count(*) FROM citations JOIN messages m ON m.id = message_id
                       WHERE m.conversation_id = ?1 AND content IS NULL)""",
            conversation_id,
        )
        return rows[0][0], rows[0][1]

    def search(self, query: str, limit: int = 50) -> list[Hit]:
        """Messages with all the words of ``query``, best first. A word also finds longer ones; ``"a phrase"`` is exact.

        No query is a syntax error; one without a letter or digit finds nothing.
        """
        match = _match(query)
        if not match:
            return []
        best = "SELECT rowid FROM messages_fts WHERE messages_fts MATCH ? ORDER BY rank, rowid DESC LIMIT ?"
        ids = [row[0] for row in self._db.rows(best, match, limit)]
        hits = {hit.message_id: hit for hit in self._hits(match, ids)}
        return [hits[id] for id in ids if id in hits]

    def _hits(self, match: str, ids: Sequence[int]) -> list[Hit]:
        """These messages with their snippets, which are only cut for what is shown: cutting is most of a search."""
        rows = self._db.rows(
            f"""
            SELECT m.conversation_id, c.title, m.id AS message_id, m.role, m.created,
                   m.text, snippet(messages_fts, 0, char(1), char(2), char(3), 12) AS snippet
            FROM messages_fts JOIN messages m ON m.id = messages_fts.rowid
                              JOIN conversations c ON c.id = m.conversation_id
            WHERE messages_fts MATCH ? AND messages_fts.rowid IN ({", ".join("?" * len(ids))})""",
            *(match or '""', *ids),
        )
        return [
            Hit(
                conversation_id=row["conversation_id"],
                title=row["title"],
                message_id=row["message_id"],
                role=row["role"],
                created=_time(row["created"]),
                snippet=_unfold(row["snippet"], row["text"]),
            )
            for row in rows
        ]

    # ---- writing

    def create(
        self,
        title: str,
        model: str,
        system: str | None = None,
        memory: str | None = None,
        template: dict[str, Any] | None = None,
    ) -> int:
        """A new conversation; returns its number."""
        now = _now()
        cursor = self._db.write(
            """INSERT INTO conversations (title, model, system, memory, template, created, updated)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            *(encodable(title), model, system and encodable(system), memory and encodable(memory)),
            *(_json(template), now, now),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def add_message(
        self,
        conversation_id: int,
        role: StoredRole,
        text: str,
        *,
        model: str | None = None,
        status: Status = "complete",
        covers: int | None = None,
        files: Sequence[str] = (),
    ) -> StoredMessage:
        """Append a message. With status ``streaming`` this process becomes its writer.

        Raises:
            HistoryError: the conversation does not exist, or no longer.
        """
        now = _now()
        with self.transaction():
            self._touch(conversation_id, now, model)
            last = self._db.rows("SELECT max(position) FROM messages WHERE conversation_id = ?", conversation_id)[0][0]
            position = 0 if last is None else last + 1
            cursor = self._db.write(
                """INSERT INTO messages (conversation_id, position, role, text, model, status, covers, created, updated,
                                         owner, files) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                *(conversation_id, position, role, encodable(text), model, status, covers, now, now),
                this_process() if status == "streaming" else None,
                json.dumps(list(files)) if files else None,
            )
        assert cursor.lastrowid is not None
        return StoredMessage(
            *(cursor.lastrowid, position, role, text),
            model=model,
            status=status,
            covers=covers,
            created=_time(now),
            files=tuple(files),
        )

    def update_message(self, message: StoredMessage) -> None:
        """Save the message as it is now. While it streams the disk is not waited for.

        Raises:
            HistoryError: its conversation was removed meanwhile.
        """
        now = _now()
        with self.transaction(durable=message.status != "streaming"):
            rows = self._db.rows("SELECT conversation_id FROM messages WHERE id = ?", message.id)
            if not rows:
                raise HistoryError("This chat was removed while it was being written.", "Start a new chat.")
            self._db.write(
                """UPDATE messages SET text = ?, reasoning = ?, status = ?, active = ?, updated = ?, prompt_tokens = ?,
                   completion_tokens = ?, timings = ?, finish_reason = ?, grounding = ?,
                   owner = CASE ? WHEN 'streaming' THEN owner END WHERE id = ?""",
                *(encodable(message.text), encodable(message.reasoning), message.status, message.active, now),
                *(message.prompt_tokens, message.completion_tokens),
                None if message.timings is None else json.dumps(asdict(message.timings)),
                *(message.finish_reason, grounding_of(message), message.status, message.id),
            )
            if message.status != "streaming" and message.in_memory is not None:
                self._cite(message)
            self._touch(rows[0][0], now)

    def set_active(self, messages: Sequence[StoredMessage], active: bool) -> None:
        """Take messages out of the conversation, or back into it; their text stays in the database."""
        with self.transaction():
            for message in messages:
                self._db.write("UPDATE messages SET active = ? WHERE id = ?", active, message.id)
        for message in messages:
            message.active = active

    def rename(self, id: int, title: str) -> None:
        self._change(id, "title", encodable(title))

    def set_system(self, id: int, system: str | None) -> None:
        self._change(id, "system", system and encodable(system))

    def set_memory(self, id: int, memory: str | None) -> None:
        self._change(id, "memory", memory and encodable(memory))

    def set_template(self, id: int, template: dict[str, Any] | None) -> None:
        self._change(id, "template", _json(template))

    def forget_documents(self, ids: Sequence[int]) -> int:
        """Leave nothing of these documents of the memory but the numbers in answers that cited them.

        Notes of a compaction that tell of such an answer are taken out of the conversation; the prompt cache goes.

        Returns:
            how many answers cited them.
        """
        theirs = "document_id IN (SELECT value FROM json_each(?))"
        with self.transaction():
            rows = self._db.rows(
                f"""SELECT DISTINCT m.id, m.conversation_id, m.position FROM citations
                    JOIN messages m ON m.id = message_id WHERE {theirs}""",
                json.dumps(list(ids)),
            )
            for row in rows:
                self._db.write(
                    "UPDATE messages SET active = 0 WHERE conversation_id = ? AND role = 'note' AND covers >= ?",
                    *(row["conversation_id"], row["position"]),
                )
            forget = f"UPDATE citations SET document_id = NULL, content = NULL WHERE {theirs}"
            self._db.write(forget, json.dumps(list(ids)))
        if rows:
            self._db.forget_removed()
        self._clear_prompt_cache()
        return len(rows)

    def remove(self, *ids: int) -> None:
        """Remove conversations for good: from the tables, from the index of the search, and from the file's free pages.

        Backups that migrations made go too, since they hold the same words, and so does the whole prompt cache.

        Raises:
            HistoryError: one of them does not exist; then none is removed.
        """
        with self.transaction():
            for id in ids:
                if self._db.write("DELETE FROM conversations WHERE id = ?", id).rowcount == 0:
                    raise _no_conversation(id)
        self._db.forget_removed()
        self._clear_prompt_cache()

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All or nothing of the changes inside; may be nested. ``durable`` waits until the disk has them."""
        with self._db.transaction(durable=durable):
            yield

    # ---- inside

    def _clear_prompt_cache(self) -> None:
        if self.path:
            from assistant.engine.prompt_cache import PromptCache

            with suppress(OSError):
                PromptCache().clear()

    def _cite(self, message: StoredMessage) -> None:
        self._db.write("DELETE FROM citations WHERE message_id = ? AND content IS NOT NULL", message.id)
        rows = {number: (document, "") for number, document in message.read.items()}
        for one in message.citations:
            rows[one.id] = one.document_id, json.dumps(one.to_json(), ensure_ascii=False)
        for number, (document, content) in rows.items():
            self._db.write(
                "INSERT OR REPLACE INTO citations (message_id, number, document_id, content) VALUES (?, ?, ?, ?)",
                *(message.id, number, document, content),
            )

    def _change(self, id: int, column: str, value: str | None) -> None:
        if self._db.write(f"UPDATE conversations SET {column} = ? WHERE id = ?", value, id).rowcount == 0:
            raise _no_conversation(id)

    def _touch(self, id: int, now: str, model: str | None = None) -> None:
        touch = "UPDATE conversations SET updated = ?, model = coalesce(?, model) WHERE id = ?"
        if self._db.write(touch, now, model, id).rowcount == 0:
            raise _no_conversation(id)

    def _settle(self, conversation_id: int) -> None:
        streaming = "SELECT id, owner, updated FROM messages WHERE conversation_id = ? AND status = 'streaming'"
        for row in self._db.rows(streaming, conversation_id):
            if not is_alive(row["owner"], _time(row["updated"])):
                self._db.write(
                    """UPDATE messages SET status = 'interrupted', owner = NULL
                       WHERE id = ? AND status = 'streaming' AND owner IS ?""",
                    *(row["id"], row["owner"]),
                )


def _no_conversation(id: int) -> HistoryError:
    return HistoryError(f"There is no chat {id}.", "See `assistant history` for the numbers.")


def _match(query: str) -> str:
    """A query in FTS5's language, every term quoted: ``word`` matches from its start, ``"some words"`` exactly."""
    parts = _fold(query).replace("\0", " ").split('"')
    terms = []
    for number, part in enumerate(parts):
        phrase = number % 2 == 1 and number < len(parts) - 1
        for term in [part] if phrase else part.split():
            if any(character.isalnum() for character in term):
                terms.append(f'"{term}"' if phrase else f'"{term}"*')
    return " AND ".join(terms)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", encodable(text)).casefold().replace("ё", "е")


def _unfold(snippet: str, text: str) -> str:
    """The snippet with the letters of the text, since FTS5 cut it from the folded one. Marks come as \\1, \\2, \\3."""
    plain = snippet.translate({1: None, 2: None, 3: None})
    start = text.replace("ё", "е").replace("Ё", "Е").find(plain)
    letters = iter(text[start : start + len(plain)])
    marks = {"\1": "[", "\2": "]", "\3": "…"}
    return "".join(marks.get(character) or next(letters, "") for character in snippet)


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else encodable(json.dumps(value, ensure_ascii=False))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
