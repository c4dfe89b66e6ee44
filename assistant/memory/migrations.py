"""The schema of the memory, as small steps in order. A step that was released is never edited: add another.

Triggers keep what belongs together: whoever removes a document by plain SQL leaves no chunk, vector or word behind.
No ``STRICT``, no ``RETURNING``, no ``contentless_delete``: SQLite 3.34 is still shipped by current systems.
"""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("memory")


@migrations()
def m001_documents_and_chunks(db: Database) -> None:
    # AUTOINCREMENT: citations keep these numbers, so one that was removed must never come to mean another document.
    db.execute("""
        CREATE TABLE documents (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            collection TEXT NOT NULL,
            path TEXT NOT NULL,
            kind TEXT NOT NULL,
            title TEXT NOT NULL,
            language TEXT NOT NULL,
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            digest TEXT NOT NULL,
            added TEXT NOT NULL,
            updated TEXT NOT NULL,
            UNIQUE (collection, path)
        )""")
    # key: digest of the normalised text, so that a text is stored and embedded once. stems: what FTS5 indexes; before
    # the text, because SQLite reads a long row from its beginning to the column that is asked for.
    db.execute("""
        CREATE TABLE chunks (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            key TEXT NOT NULL UNIQUE,
            language TEXT NOT NULL,
            tokens INTEGER NOT NULL,
            stems TEXT NOT NULL,
            text TEXT NOT NULL
        )""")
    # Where a chunk stands: offsets are characters of the document's text, pages and lines count from 1.
    db.execute("""
        CREATE TABLE occurrences (
            id INTEGER PRIMARY KEY,
            document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
            chunk_id INTEGER NOT NULL REFERENCES chunks (id),
            position INTEGER NOT NULL,
            start INTEGER NOT NULL,
            end INTEGER NOT NULL,
            page INTEGER,
            line INTEGER NOT NULL,
            end_line INTEGER NOT NULL,
            heading TEXT NOT NULL
        )""")
    db.execute("CREATE INDEX occurrences_of_document ON occurrences (document_id, chunk_id)")
    db.execute("CREATE INDEX occurrences_of_chunk ON occurrences (chunk_id, document_id)")
    db.execute("""
        CREATE TRIGGER chunks_without_occurrence AFTER DELETE ON occurrences BEGIN
            DELETE FROM chunks WHERE id = old.chunk_id
            AND NOT EXISTS (SELECT 1 FROM occurrences WHERE chunk_id = old.chunk_id);
        END""")


@migrations()
def m002_full_text_search(db: Database) -> None:
    db.execute("""
        CREATE VIRTUAL TABLE chunks_fts USING fts5 (
            stems, content='chunks', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
        )""")
    # How many chunks have a term.
    db.execute("CREATE VIRTUAL TABLE chunks_terms USING fts5vocab (chunks_fts, row)")
    insert = "INSERT INTO chunks_fts (rowid, stems) VALUES (new.id, new.stems);"
    # A table with external content must be told the very text that was indexed.
    delete = "INSERT INTO chunks_fts (chunks_fts, rowid, stems) VALUES ('delete', old.id, old.stems);"
    db.execute(f"CREATE TRIGGER chunks_fts_insert AFTER INSERT ON chunks BEGIN {insert} END")
    db.execute(f"CREATE TRIGGER chunks_fts_delete AFTER DELETE ON chunks BEGIN {delete} END")
    db.execute(f"CREATE TRIGGER chunks_fts_update AFTER UPDATE OF stems ON chunks BEGIN {delete} {insert} END")


@migrations()
def m003_vectors(db: Database) -> None:
    # vectors: how many there are of it. removals: grows with every removed row, so that a matrix in the memory of any
    # process learns by one number that it has to look.
    db.execute("""
        CREATE TABLE embedders (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            version TEXT NOT NULL,
            dims INTEGER NOT NULL CHECK (dims > 0),
            current INTEGER NOT NULL DEFAULT 0,
            vectors INTEGER NOT NULL DEFAULT 0,
            removals INTEGER NOT NULL DEFAULT 0,
            UNIQUE (name, version, dims)
        )""")
    db.execute("CREATE UNIQUE INDEX embedders_current ON embedders (current) WHERE current = 1")
    # A row a chunk: count vectors of dims × float16, and their spans in the chunk's text as pairs of int32 (all little
    # endian).
    db.execute("""
        CREATE TABLE vectors (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            chunk_id INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
            embedder_id INTEGER NOT NULL REFERENCES embedders (id),
            count INTEGER NOT NULL CHECK (count > 0),
            spans BLOB NOT NULL,
            vectors BLOB NOT NULL,
            UNIQUE (embedder_id, chunk_id)
        )""")
    db.execute("CREATE INDEX vectors_of_chunk ON vectors (chunk_id)")
    # Their signs, a bit a dimension, padded to 64, in a table of their own: reading all of them reads nothing else.
    db.execute("""
        CREATE TABLE signs (
            id INTEGER PRIMARY KEY REFERENCES vectors (id) ON DELETE CASCADE,
            embedder_id INTEGER NOT NULL,
            chunk_id INTEGER NOT NULL,
            signs BLOB NOT NULL
        )""")
    db.execute("""
        CREATE TRIGGER vectors_added AFTER INSERT ON vectors BEGIN
            UPDATE embedders SET vectors = vectors + new.count WHERE id = new.embedder_id;
        END""")
    db.execute("""
        CREATE TRIGGER vectors_removed AFTER DELETE ON vectors BEGIN
            UPDATE embedders SET vectors = vectors - old.count, removals = removals + 1 WHERE id = old.embedder_id;
        END""")


@migrations()
def m004_facts_and_feedback(db: Database) -> None:
    db.execute("""
        CREATE TABLE facts (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            text TEXT NOT NULL,
            created TEXT NOT NULL,
            updated TEXT NOT NULL
        )""")
    # message_id is of the history's database: no reference can be declared.
    db.execute("""
        CREATE TABLE feedback (
            chunk_id INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
            message_id INTEGER NOT NULL,
            value INTEGER NOT NULL CHECK (value IN (-1, 1)),
            created TEXT NOT NULL,
            UNIQUE (chunk_id, message_id)
        )""")
