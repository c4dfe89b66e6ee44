"""The schema of a batch's job, as small steps in order. A step that was released is never edited: add another.

No ``STRICT``, no ``RETURNING``: SQLite 3.34 is still shipped by current systems.
"""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("job")


@migrations()
def m001_job(db: Database) -> None:
    # What the job is: each as it is shown and by what it is told from others.
    db.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, shown TEXT NOT NULL, digest TEXT NOT NULL)")
    # `fields` are the record's own, `answer` is what came of it, both JSON. `state` is done, failed, or passing: a
    # failure that the next run tries again unasked.
    db.execute("""
        CREATE TABLE records (
            number INTEGER PRIMARY KEY,
            place TEXT NOT NULL,
            digest TEXT NOT NULL,
            fields TEXT NOT NULL,
            state TEXT NOT NULL,
            answer TEXT,
            error TEXT
        )""")
    db.execute("CREATE INDEX records_by_state ON records (state, number)")
