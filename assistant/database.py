"""A SQLite file of our own: private, in WAL mode, of one schema, and its errors in plain words."""

from __future__ import annotations

import importlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import UserError

if TYPE_CHECKING:
    import sqlite_utils
    from sqlite_utils.migrations import Migrations

BUSY_SECONDS = 10.0


@dataclass(frozen=True)
class Schema:
    """What a database holds, and what to say when it cannot be used.

    Attributes:
        name: as it stands in errors: "the history".
        application_id: in the file's header: tells our database from another program's.
        migrations: the module with ``migrations``, imported only when a step is due.
        version: as many as there are steps in it.
        fts: tables of FTS5, whose older segments keep removed words until they are merged.
        error: what is raised.
        elsewhere: the next step when the file cannot be read or written.
        damaged: the next step when what is in it is no database.
        page_size: of a new file, in bytes; SQLite's own by default.
    """

    name: str
    application_id: int
    migrations: str
    version: int
    fts: tuple[str, ...]
    error: type[UserError]
    elsewhere: str
    damaged: str
    page_size: int = 4096


def apply(migrations: Migrations, db: sqlite_utils.Database, *, stop_before: str | None = None) -> None:
    """Bring a schema up to date; ``user_version`` counts the steps, so that opening can compare one number."""
    migrations.apply(db, stop_before=stop_before)
    # A pragma takes no parameters; the value is our own integer.
    db.execute(f"PRAGMA user_version = {len(migrations.applied(db))}")


class Database:
    """One connection, for any thread. ``path`` None is a database in memory.

    Raises:
        UserError: ``schema.error``: the file cannot be read or written, is not ours, or comes from a newer version.
    """

    def __init__(self, path: Path | None, schema: Schema):
        self.path = path
        self.schema = schema
        self._lock = threading.RLock()
        with _files_explained(path, schema), explained(path, schema):
            if path:
                _create_private(path)
            self._db = sqlite3.connect(
                path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        """What a query gives."""
        with self._lock, explained(self.path, self.schema):
            return self._db.execute(sql, parameters).fetchall()

    def each(self, sql: str, *parameters: object) -> Iterator[sqlite3.Row]:
        """The same, row by row: whoever needs the first ones does not wait for the rest. Inside a transaction."""
        with self._lock, explained(self.path, self.schema):
            yield from self._db.execute(sql, parameters)

    def write(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        """A change; several of them belong into one :meth:`transaction`."""
        with self.transaction():
            return self._db.execute(sql, parameters)

    def write_many(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        """The same change with each of these parameters, all or none of them."""
        with self.transaction():
            self._db.executemany(sql, parameters)

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    @property
    def changes(self) -> int:
        """How many rows this connection has changed since it was opened."""
        return self._db.total_changes

    @contextmanager
    def transaction(self, *, durable: bool = True, write: bool = True) -> Iterator[None]:
        """All or nothing of what is inside; may be nested. ``durable`` waits until the disk has it."""
        with self._lock, explained(self.path, self.schema):
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

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of a transaction that is undone alone when it fails."""
        with self._lock, explained(self.path, self.schema):
            self._db.execute("SAVEPOINT part")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK TO part")
                raise
            finally:
                self._db.execute("RELEASE part")

    def copy_to(self, path: Path) -> None:
        """A compact copy of all that is there now, private like it. A file of this name is replaced."""
        copy = replace(self.schema, name="the copy", elsewhere="Choose another place for it.")
        with self._lock, _files_explained(path, copy), explained(path, copy):
            if self.path and path.exists() and path.samefile(self.path):
                raise self.schema.error(f"{path} is {self.schema.name} itself.", copy.elsewhere)
            with _written_whole(path) as partial:
                self._db.execute("VACUUM INTO ?", (str(partial),))

    def forget_removed(self) -> None:
        """Leave nothing of removed rows in the search index, the write-ahead log, or the backups of migrations."""
        for table in self.schema.fts:
            self.write(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        if self.path:
            for backup in self.path.parent.glob(f"{self.path.name}.v*.backup"):
                backup.unlink(missing_ok=True)

    def _prepare(self) -> None:
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute(f"PRAGMA page_size = {self.schema.page_size}")
        self._check_whose()
        if self._db.execute("PRAGMA journal_mode").fetchone()[0] == "delete":
            # Two processes that switch at once do not wait for each other; whoever is second finds it done.
            with suppress(sqlite3.OperationalError):
                self._db.execute("PRAGMA journal_mode = WAL")
        if self._version() < self.schema.version:
            self._migrate()

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _check_whose(self) -> None:
        # SQLite takes a file of a few bytes for an empty database, and would write over it.
        if self.path and _first_bytes(self.path) not in (b"", b"SQLite format 3\0"):
            raise self.schema.error(f"{self.path} is not a database.", self.schema.damaged)
        # The tables first: whoever sees them, sees the header that another process wrote with them.
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        application, version = self._db.execute("PRAGMA application_id").fetchone()[0], self._version()
        known = self.schema.version
        if tables and application != self.schema.application_id:
            raise self.schema.error(
                f"{self.path} is a database of another program.",
                "Move it away, or set ASSISTANT_DATA_DIR to another folder.",
            )
        if version > known:
            raise self.schema.error(
                f"{self.path} was written by a newer assistant (schema {version}; this one knows {known}).",
                "Update assistant, or set ASSISTANT_DATA_DIR to another folder. Nothing was changed.",
            )

    def _migrate(self) -> None:
        import sqlite_utils

        steps = importlib.import_module(self.schema.migrations)
        with self.transaction():
            version = self._version()  # read again: another process may have been first
            if version >= self.schema.version:
                return
            if version and self.path:
                _back_up(self.path, self.path.with_name(f"{self.path.name}.v{version}.backup"))
            self._db.execute(f"PRAGMA application_id = {self.schema.application_id}")
            row_factory, self._db.row_factory = self._db.row_factory, None
            try:
                apply(steps.migrations, sqlite_utils.Database(self._db, execute_plugins=False))
            finally:
                self._db.row_factory = row_factory


def encodable(text: str) -> str:
    """The text without halves of surrogate pairs, as bad input brings them: UTF-8 cannot hold those, and so neither
    SQLite nor a tokenizer takes them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _create_private(path: Path) -> None:
    """The file is for its owner only from its first byte; SQLite gives its companions the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _back_up(path: Path, backup: Path) -> None:
    with _written_whole(backup) as partial:
        # A connection of its own: the migration's has the write lock, which readers do not mind.
        source, target = sqlite3.connect(path), sqlite3.connect(partial)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()


@contextmanager
def _written_whole(path: Path) -> Iterator[Path]:
    """An empty private file to write to, which gets its name when all of it is on the disk."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    _create_private(partial)
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _is_full(path: Path) -> bool:
    """A full disk is an error of input and output to SQLite when it is the index of the log that has no room."""
    with suppress(OSError):
        return shutil.disk_usage(path.parent).free < 64 << 10
    return False


@contextmanager
def explained(path: Path | None, schema: Schema) -> Iterator[None]:
    """SQLite's errors as one sentence and a next step."""
    what = f"{schema.name} {path or 'in memory'}"
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte: the primary code
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and path and _is_full(path)):
            said = f"The disk is full: {what} was not written.", "Free some space, then try again."
        elif code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            said = f"Another program keeps {what} locked.", "Close it, then try again."
        elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            said = f"{what} cannot be written: {error}.", schema.elsewhere
        elif code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            said = f"{what} is damaged: {error}.", schema.damaged
        else:
            said = f"{what} failed: {error}.", schema.elsewhere
        raise schema.error(_sentence(said[0]), said[1]) from error


@contextmanager
def _files_explained(path: Path | None, schema: Schema) -> Iterator[None]:
    """The system's errors too, where the file itself is opened; elsewhere they are those of the caller's own work."""
    try:
        yield
    except OSError as error:
        said = f"{schema.name} {path} cannot be opened: {error.strerror or error}."
        raise schema.error(_sentence(said), schema.elsewhere) from error


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
