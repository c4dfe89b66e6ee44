"""The schema of finished calls, as small steps in order. A step that was released is never edited: add another.

No ``STRICT``, no ``RETURNING``: SQLite 3.34 is still shipped by current systems.
"""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("finished")


@migrations()
def m001_calls(db: Database) -> None:
    # `run` and `call` are digests: of what is done, and of the model, the prompt and the options. `number` counts equal
    # calls of a run. `result` is JSON; `finished` seconds since 1970.
    db.execute("""
        CREATE TABLE calls (
            run TEXT NOT NULL,
            call TEXT NOT NULL,
            number INTEGER NOT NULL,
            finished REAL NOT NULL,
            result TEXT NOT NULL,
            PRIMARY KEY (run, call, number)
        )""")
    db.execute("CREATE INDEX calls_by_age ON calls (finished)")
