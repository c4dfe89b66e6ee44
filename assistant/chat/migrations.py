"""The schema of the history, as small steps in order. A step that was released is never edited: add another.

Plain SQL, because the order of columns, the checks and the triggers are the point. No ``STRICT`` and no ``RETURNING``:
SQLite 3.34 is still shipped by current systems.
"""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("history")


@migrations()
def m001_conversations_and_messages(db: Database) -> None:
    # AUTOINCREMENT: users type these numbers, so one that was removed must never come to mean another chat.
    db.execute("""
        CREATE TABLE conversations (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            title TEXT NOT NULL,
            model TEXT NOT NULL,
            system TEXT,
            created TEXT NOT NULL,
            updated TEXT NOT NULL
        )""")
    db.execute("CREATE INDEX conversations_updated ON conversations (updated)")
    # active = 0: replaced by a retry or an edit, or taken back. covers: of a note, the last position it summarizes.
    # owner: who is writing a message that is still streaming.
    db.execute("""
        CREATE TABLE messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'note')),
            text TEXT NOT NULL,
            reasoning TEXT NOT NULL DEFAULT '',
            model TEXT,
            status TEXT NOT NULL CHECK (status IN ('complete', 'interrupted', 'failed', 'streaming')),
            active INTEGER NOT NULL DEFAULT 1,
            covers INTEGER,
            created TEXT NOT NULL,
            updated TEXT NOT NULL,
            prompt_tokens INTEGER,
            completion_tokens INTEGER,
            timings TEXT,
            finish_reason TEXT,
            owner TEXT,
            UNIQUE (conversation_id, position)
        )""")


@migrations()
def m002_full_text_search(db: Database) -> None:
    # unicode61 folds accents but not ё to е: the indexed text and the query do it themselves. The view lets FTS5 check
    # and rebuild its index by its own commands.
    db.execute("""
        CREATE VIEW messages_folded AS
        SELECT id, replace(replace(text, 'ё', 'е'), 'Ё', 'Е') AS text FROM messages""")
    db.execute("""
        CREATE VIRTUAL TABLE messages_fts USING fts5 (
            text, content='messages_folded', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
        )""")
    old, new = (f"replace(replace({row}.text, 'ё', 'е'), 'Ё', 'Е')" for row in ("old", "new"))
    insert = f"INSERT INTO messages_fts (rowid, text) VALUES (new.id, {new});"
    # A table with external content must be told the very text that was indexed.
    delete = f"INSERT INTO messages_fts (messages_fts, rowid, text) VALUES ('delete', old.id, {old});"
    db.execute(f"CREATE TRIGGER messages_fts_insert AFTER INSERT ON messages BEGIN {insert} END")
    db.execute(f"CREATE TRIGGER messages_fts_delete AFTER DELETE ON messages BEGIN {delete} END")
    db.execute(f"CREATE TRIGGER messages_fts_update AFTER UPDATE OF text ON messages BEGIN {delete} {insert} END")
    db.execute("INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')")


@migrations()
def m003_memory(db: Database) -> None:
    # memory: the collection that questions are looked up in; '' is all of them, NULL none.
    db.execute("ALTER TABLE conversations ADD COLUMN memory TEXT")
    # files: of a question, the paths that were attached, as JSON. grounding: of an answer, what the check of its
    # citations found, as JSON; NULL: memory was not asked.
    db.execute("ALTER TABLE messages ADD COLUMN files TEXT")
    db.execute("ALTER TABLE messages ADD COLUMN grounding TEXT")
    # A row for each passage that stood before the model. content: JSON; empty if the answer does not cite it; NULL with
    # the document's number when the document was forgotten: an answer then says only that.
    db.execute("""
        CREATE TABLE citations (
            message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            document_id INTEGER,
            content TEXT,
            PRIMARY KEY (message_id, number)
        ) WITHOUT ROWID""")
    db.execute("CREATE INDEX citations_document ON citations (document_id)")


@migrations()
def m004_templates(db: Database) -> None:
    # template: what each question is put into, as JSON with its name, its values and the language; NULL: nothing.
    db.execute("ALTER TABLE conversations ADD COLUMN template TEXT")
