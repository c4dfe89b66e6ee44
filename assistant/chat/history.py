"""Where chats are kept: one SQLite file, written as the words come.

What the user wrote is on the disk (``synchronous=FULL``) before an answer starts; a growing answer is saved without
waiting for the disk, because a dead process, unlike a dead machine, loses nothing of a commit. Several processes may
use one file; several threads may use one :class:`History`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from assistant.chat.writer import is_alive, this_process
from assistant.engine.engine import Timings
from models.errors import UserError
from models.paths import history_file

SCHEMA_VERSION = 2  # as many as there are steps in migrations.py, which is imported only when one is due
APPLICATION_ID = 0x41535354  # "ASST", in the file's header: tells our database from another program's
BUSY_SECONDS = 10.0

StoredRole = Literal["system", "user", "assistant", "note"]
Status = Literal["complete", "interrupted", "failed", "streaming"]


class HistoryError(UserError):
    """The history cannot be opened or written. What is in it stays as it was."""


@dataclass(slots=True)
class StoredMessage:
    """One message. A ``note`` is what compaction made of the messages up to the position ``covers``.

    Attributes:
        position: its place in the conversation, from 0.
        active: False once a retry, an edit or an undo took it out of the conversation.
        prompt_tokens: of the whole prompt that this answer was generated from.
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


@dataclass(slots=True)
class StoredConversation:
    """A conversation with all its messages, replaced ones included, in order."""

    id: int
    title: str
    model: str
    system: str | None
    created: datetime
    updated: datetime
    messages: list[StoredMessage]


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


class History:
    """The database of chats.

    Raises:
        HistoryError: the file cannot be read or written, is not ours, or comes from a newer version.
    """

    def __init__(self, path: Path):
        self.path: Path | None = path
        with _explained(path):
            _create_private(path)
            self._connect(str(path))
            self._prepare(path)

    @classmethod
    def open(cls, path: Path | None = None) -> History:
        """The user's history, created when it is not there."""
        return cls(path or history_file())

    @classmethod
    def in_memory(cls) -> History:
        """A history that is forgotten at the end: nothing is written to the disk."""
        history = cls.__new__(cls)
        history.path = None
        history._connect(":memory:")
        history._migrate()
        return history

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- reading

    def conversations(self, limit: int | None = None, query: str | None = None) -> list[ConversationSummary]:
        """The newest first; with ``query`` those whose title or text has all its words."""
        snippets: dict[int, str | None] = {}
        if query and query.strip():
            for hit in self.search(query, limit=1000):
                snippets.setdefault(hit.conversation_id, hit.snippet)
            words = _fold(query).split()
            for row in self._rows("SELECT id, title FROM conversations"):
                if all(word in _fold(row["title"]) for word in words):
                    snippets.setdefault(row["id"], None)
        rows = self._rows("""
            SELECT c.id, title, c.model, c.created, c.updated, count(m.id) AS messages FROM conversations c
            LEFT JOIN messages m ON m.conversation_id = c.id AND m.active AND m.role IN ('user', 'assistant')
            GROUP BY c.id ORDER BY c.updated DESC, c.id DESC""")
        if query and query.strip():
            rows = [row for row in rows if row["id"] in snippets]
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
        with self.transaction(write=False):  # one view of both tables
            found = self._rows("SELECT * FROM conversations WHERE id = ?", id)
            rows = self._rows("SELECT * FROM messages WHERE conversation_id = ? ORDER BY position", id)
        if not found:
            raise _no_conversation(id)
        row = found[0]
        return StoredConversation(
            id=id,
            title=row["title"],
            model=row["model"],
            system=row["system"],
            created=_time(row["created"]),
            updated=_time(row["updated"]),
            messages=[_message(row) for row in rows],
        )

    def latest(self) -> int | None:
        """The conversation that was changed last."""
        rows = self._rows("SELECT id FROM conversations ORDER BY updated DESC, id DESC LIMIT 1")
        return int(rows[0]["id"]) if rows else None

    def last_message(self, conversation_id: int) -> int | None:
        """The number of its newest message: differs from what a window knows when another process wrote to it."""
        rows = self._rows("SELECT max(id) AS last FROM messages WHERE conversation_id = ?", conversation_id)
        last: int | None = rows[0]["last"]
        return last

    def search(self, query: str, limit: int = 50) -> list[Hit]:
        """Messages with all the words of ``query``, best first. A word also finds longer ones; ``"a phrase"`` is exact.

        No query is a syntax error; one without a letter or digit finds nothing.
        """
        match = _match(query)
        if not match:
            return []
        rows = self._rows(
            """
            SELECT m.conversation_id, c.title, m.id AS message_id, m.role, m.created,
                   snippet(messages_fts, 0, '[', ']', '…', 12) AS snippet
            FROM messages_fts JOIN messages m ON m.id = messages_fts.rowid
                              JOIN conversations c ON c.id = m.conversation_id
            WHERE messages_fts MATCH ? ORDER BY bm25(messages_fts), m.id DESC LIMIT ?""",
            match,
            limit,
        )
        return [Hit(**{**dict(row), "created": _time(row["created"])}) for row in rows]

    # ---- writing

    def create(self, title: str, model: str, system: str | None = None) -> int:
        """A new conversation; returns its number."""
        now = _now()
        with self.transaction():
            cursor = self._db.execute(
                "INSERT INTO conversations (title, model, system, created, updated) VALUES (?, ?, ?, ?, ?)",
                (_clean(title), model, None if system is None else _clean(system), now, now),
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
    ) -> StoredMessage:
        """Append a message. With status ``streaming`` this process becomes its writer."""
        now = _now()
        owner = this_process() if status == "streaming" else None
        with self.transaction():
            self._touch(conversation_id, now, model)
            rows = self._rows("SELECT max(position) AS last FROM messages WHERE conversation_id = ?", conversation_id)
            position = 0 if rows[0]["last"] is None else rows[0]["last"] + 1
            cursor = self._db.execute(
                """INSERT INTO messages (conversation_id, position, role, text, model, status, covers, created, updated,
                                         owner) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (conversation_id, position, role, _clean(text), model, status, covers, now, now, owner),
            )
        assert cursor.lastrowid is not None
        return StoredMessage(
            cursor.lastrowid, position, role, text, model=model, status=status, covers=covers, created=_time(now)
        )

    def update_message(self, message: StoredMessage) -> None:
        """Save the message as it is now. While it streams the disk is not waited for."""
        now = _now()
        with self.transaction(durable=message.status != "streaming"):
            cursor = self._db.execute(
                """UPDATE messages SET text = ?, reasoning = ?, status = ?, active = ?, updated = ?, prompt_tokens = ?,
                   completion_tokens = ?, timings = ?, finish_reason = ?, owner = CASE ? WHEN 'streaming' THEN owner END
                   WHERE id = ?""",
                (
                    _clean(message.text),
                    _clean(message.reasoning),
                    message.status,
                    message.active,
                    now,
                    message.prompt_tokens,
                    message.completion_tokens,
                    None if message.timings is None else json.dumps(asdict(message.timings)),
                    message.finish_reason,
                    message.status,
                    message.id,
                ),
            )
            if cursor.rowcount == 0:
                raise HistoryError("This chat was removed while it was being written.", "Start a new chat.")
            rows = self._rows("SELECT conversation_id FROM messages WHERE id = ?", message.id)
            self._touch(rows[0]["conversation_id"], now)

    def set_active(self, messages: Sequence[StoredMessage], active: bool) -> None:
        """Take messages out of the conversation, or back into it; their text stays in the database."""
        with self.transaction():
            self._db.executemany("UPDATE messages SET active = ? WHERE id = ?", [(active, m.id) for m in messages])
        for message in messages:
            message.active = active

    def rename(self, id: int, title: str) -> None:
        self._change(id, "title", _clean(title))

    def set_system(self, id: int, system: str | None) -> None:
        self._change(id, "system", None if system is None else _clean(system))

    def set_model(self, id: int, model: str) -> None:
        self._change(id, "model", model)

    def remove(self, *ids: int) -> None:
        """Remove conversations for good: from the tables, from the index of the search, and from the file's free pages.

        Backups that migrations made go too, since they hold the same words.

        Raises:
            HistoryError: one of them does not exist; then none is removed.
        """
        with self.transaction():
            for id in ids:
                if self._db.execute("DELETE FROM conversations WHERE id = ?", (id,)).rowcount == 0:
                    raise _no_conversation(id)
            # Deleted words stay in FTS5's older segments until these are merged.
            self._db.execute("INSERT INTO messages_fts (messages_fts) VALUES ('optimize')")
        with self._lock, _explained(self.path):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if self.path:
            for backup in self.path.parent.glob(f"{self.path.name}.v*.backup"):
                backup.unlink(missing_ok=True)

    @contextmanager
    def transaction(self, *, durable: bool = True, write: bool = True) -> Iterator[None]:
        """All or nothing of what is inside; may be nested. ``durable`` waits until the disk has it."""
        with self._lock, _explained(self.path):
            if self._db.in_transaction:
                yield
                return
            if write:
                self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            # IMMEDIATE: a transaction that reads first and writes later cannot wait for another writer.
            self._db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    # ---- inside

    def _rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        with self._lock, _explained(self.path):
            return self._db.execute(sql, parameters).fetchall()

    def _change(self, id: int, column: str, value: str | None) -> None:
        with self.transaction():
            if self._db.execute(f"UPDATE conversations SET {column} = ? WHERE id = ?", (value, id)).rowcount == 0:
                raise _no_conversation(id)

    def _touch(self, id: int, now: str, model: str | None = None) -> None:
        touch = "UPDATE conversations SET updated = ?, model = coalesce(?, model) WHERE id = ?"
        if self._db.execute(touch, (now, model, id)).rowcount == 0:
            raise _no_conversation(id)

    def _settle(self, conversation_id: int) -> None:
        streaming = "SELECT id, owner, updated FROM messages WHERE conversation_id = ? AND status = 'streaming'"
        for row in self._rows(streaming, conversation_id):
            if not is_alive(row["owner"], _time(row["updated"])):
                with self.transaction():
                    self._db.execute(
                        """UPDATE messages SET status = 'interrupted', owner = NULL
                           WHERE id = ? AND status = 'streaming' AND owner IS ?""",
                        (row["id"], row["owner"]),
                    )

    def _connect(self, database: str) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA secure_delete = ON")

    def _prepare(self, path: Path) -> None:
        try:
            self._check_owner_of_file(path)
            if self._db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                # Two processes that switch at once do not wait for each other; whoever is second finds it done.
                with suppress(sqlite3.OperationalError):
                    self._db.execute("PRAGMA journal_mode = WAL")
            if self._version() < SCHEMA_VERSION:
                self._migrate()
        except BaseException:
            self._db.close()
            raise

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _check_owner_of_file(self, path: Path) -> None:
        application, version = self._db.execute("PRAGMA application_id").fetchone()[0], self._version()
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise HistoryError(
                f"{path} is a database of another program.",
                "Move it away, or set ASSISTANT_DATA_DIR to another folder.",
            )
        if version > SCHEMA_VERSION:
            raise HistoryError(
                f"{path} comes from a newer version of assistant (schema {version}; this one knows {SCHEMA_VERSION}).",
                "Update assistant, or set ASSISTANT_DATA_DIR to another folder. Nothing was changed.",
            )

    def _migrate(self) -> None:
        import sqlite_utils

        from assistant.chat import migrations

        with self.transaction():
            version = self._version()  # read again: another process may have been first
            if version >= SCHEMA_VERSION:
                return
            if version and self.path:
                _back_up(self.path, self.path.with_name(f"{self.path.name}.v{version}.backup"))
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            row_factory, self._db.row_factory = self._db.row_factory, None
            try:
                migrations.apply(sqlite_utils.Database(self._db, execute_plugins=False))
            finally:
                self._db.row_factory = row_factory


def _create_private(path: Path) -> None:
    """The file is for its owner only from its first byte; SQLite gives its companions the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _back_up(path: Path, backup: Path) -> None:
    partial = backup.with_name(backup.name + ".partial")
    partial.unlink(missing_ok=True)
    _create_private(partial)
    try:
        # A connection of its own: the migration's has the write lock, which readers do not mind.
        source, target = sqlite3.connect(path), sqlite3.connect(partial)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(backup)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path | None) -> Iterator[None]:
    """SQLite's errors as one sentence and a next step."""
    where = path or "the history in memory"
    elsewhere = "Set ASSISTANT_DATA_DIR to another folder, or ASSISTANT_NO_HISTORY=1 to chat without a history."
    try:
        yield
    except OSError as error:
        raise HistoryError(f"The history {where} cannot be opened: {error.strerror or error}.", elsewhere) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte: the primary code
        if code == sqlite3.SQLITE_FULL:
            said = f"The disk is full: the history {where} was not written.", "Free some space, then try again."
        elif code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            said = f"Another program keeps the history {where} locked.", "Close it, then try again."
        elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            said = f"The history {where} cannot be written: {error}.", elsewhere
        elif code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            said = f"{where} is damaged or not a database: {error}.", f"Move it away and start anew. {elsewhere}"
        else:
            said = f"The history {where} failed: {error}.", elsewhere
        raise HistoryError(*said) from error


def _no_conversation(id: int) -> HistoryError:
    return HistoryError(f"There is no chat {id}.", "See `assistant history` for the numbers.")


def _message(row: sqlite3.Row) -> StoredMessage:
    values: dict[str, Any] = {key: row[key] for key in row.keys() if key in StoredMessage.__dataclass_fields__}  # noqa: SIM118
    timings = None if row["timings"] is None else Timings(**json.loads(row["timings"]))
    return StoredMessage(
        **{**values, "active": bool(row["active"]), "created": _time(row["created"]), "timings": timings}
    )


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
    return _clean(unicodedata.normalize("NFC", text)).casefold().replace("ё", "е")


def _clean(text: str) -> str:
    """Half of a surrogate pair, as bad input brings them, cannot be stored as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
