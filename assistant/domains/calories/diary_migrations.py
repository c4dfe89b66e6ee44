"""The schema of the diary, as small steps in order. A step that was released is never edited: add another.

No ``STRICT``, no ``RETURNING``: SQLite 3.34 is still shipped by current systems.
"""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("diary")


@migrations()
def m001_diary(db: Database) -> None:
    # A snapshot of what was recorded: nutrients are those of 100 g in the table then, NULL where it said nothing.
    # AUTOINCREMENT: a number that was shown must never come to mean another entry.
    db.execute("""
        CREATE TABLE entries (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            day TEXT NOT NULL,
            meal TEXT NOT NULL,
            span TEXT NOT NULL,
            food_id TEXT NOT NULL,
            food TEXT NOT NULL,
            food_ru TEXT,
            source TEXT NOT NULL,
            estimate INTEGER NOT NULL,
            amount REAL NOT NULL,
            unit TEXT NOT NULL,
            grams REAL NOT NULL,
            assumed INTEGER NOT NULL,
            how TEXT NOT NULL,
            kcal REAL,
            protein_g REAL,
            fat_g REAL,
            carbohydrate_g REAL,
            fibre_g REAL,
            created TEXT NOT NULL
        )""")
    db.execute("CREATE INDEX entries_by_day ON entries (day)")
    # What each change did, as JSON, so that it can be taken back: `before` are the rows as they were, `after` the
    # numbers of those that were there then, `corrections` the food of each span before it was learnt.
    db.execute("""
        CREATE TABLE changes (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL,
            before TEXT NOT NULL,
            after TEXT NOT NULL,
            corrections TEXT NOT NULL
        )""")
    db.execute("""
        CREATE TABLE corrections (
            lemmas TEXT PRIMARY KEY,
            span TEXT NOT NULL,
            food_id TEXT NOT NULL
        )""")
    db.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    # id is that of the history's database: no reference can be declared.
    db.execute("""
        CREATE TABLE conversations (
            id INTEGER PRIMARY KEY,
            proposal TEXT,
            disclaimed INTEGER NOT NULL DEFAULT 0
        )""")
