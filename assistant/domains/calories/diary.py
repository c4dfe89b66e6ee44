"""The diary: what was eaten on which day, with the numbers as they were when it was recorded, in one SQLite file.

Each change is one transaction that the disk has before it is told, and can be taken back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from assistant.database import Database, Schema, encodable
from assistant.domains.calories.entry import Day, Entry, columns_of, entry_of, total
from assistant.domains.calories.goal import Goal, Profile
from assistant.domains.calories.meal import Item
from models.errors import UserError
from models.paths import diary_file

Change = Literal["add", "edit", "remove"]

KEPT_CHANGES = 200  # that can be taken back, one after the other
_COLUMNS = (
    "id", "day", "meal", "span", "food_id", "food", "food_ru", "source", "estimate", "amount", "unit", "grams",
    "assumed", "how", "kcal", "protein_g", "fat_g", "carbohydrate_g", "fibre_g", "created",
)  # fmt: skip


class DiaryError(UserError):
    """The diary cannot be opened, written, or has no such entry. What is in it stays as it was."""


SCHEMA = Schema(
    name="the food diary",
    application_id=0x41535346,  # "ASSF"
    migrations="assistant.domains.calories.diary_migrations",
    version=1,
    fts=(),
    error=DiaryError,
    elsewhere="Set ASSISTANT_DATA_DIR to another folder.",
    damaged="Move it away; a new one is begun then.",
)


@dataclass(frozen=True, slots=True)
class Correction:
    """The food that the user means by a span; ``lemmas`` are those of its words, separated by spaces."""

    lemmas: str
    span: str
    food_id: str


@dataclass(frozen=True, slots=True)
class Undone:
    """A change that was taken back: ``removed`` are gone again, ``restored`` are there again as they were."""

    kind: Change
    removed: tuple[Entry, ...]
    restored: tuple[Entry, ...]


class Diary:
    """The diary's database; several processes may use one file.

    Raises:
        DiaryError: the file cannot be read or written, is not ours, or comes from a newer version. From any method.
    """

    def __init__(self, path: Path | None):
        self.database = Database(path, SCHEMA)

    @classmethod
    def open(cls, path: Path | None = None) -> Diary:
        """The user's diary, created when it is not there."""
        return cls(path or diary_file())

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Diary:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- entries

    def add(self, meals: Iterable[tuple[date, str, Sequence[Item]]], learnt: Iterable[Correction] = ()) -> list[Entry]:
        """Record meals (day, name, foods), and which foods were meant, as one change that is taken back as one."""
        with self.database.transaction():
            before = self._learn(learnt)
            ids = [self._insert(day, meal, item) for day, meal, items in meals for item in items]
            if ids or before:
                self._changed("add", [], ids, before)
            return [self.get(id) for id in ids]

    def get(self, id: int) -> Entry:
        """
        Raises:
            DiaryError: there is no such entry.
        """
        rows = self.database.rows("SELECT * FROM entries WHERE id = ?", id) if 0 < id < 1 << 63 else []
        if not rows:
            raise DiaryError(
                f"The diary has no entry {id}.", "`assistant calories today` lists them with their numbers."
            )
        return entry_of(rows[0])

    def entries(self, first: date | None = None, last: date | None = None) -> list[Entry]:
        """Those of the days from ``first`` to ``last``, both included, in the order of days and of recording."""
        return [
            entry_of(row)
            for row in self.database.rows(
                "SELECT * FROM entries WHERE day BETWEEN ? AND ? ORDER BY day, id",
                (first or date.min).isoformat(),
                (last or date.max).isoformat(),
            )
        ]

    def days(self, first: date, last: date) -> list[Day]:
        """Every day from ``first`` to ``last``, both included."""
        entries: dict[date, list[Entry]] = {first + timedelta(at): [] for at in range((last - first).days + 1)}
        for entry in self.entries(first, last):
            entries[entry.day].append(entry)
        return [Day(day, total(eaten), len(eaten)) for day, eaten in entries.items()]

    def edit(self, id: int, item: Item, learnt: Iterable[Correction] = ()) -> Entry:
        """Replace the food and the amount of an entry; its day, meal and span stay.

        Raises:
            DiaryError: there is no such entry.
        """
        with self.database.transaction():
            before = self.get(id)
            learnt_before = self._learn(learnt)
            values = {name: value for name, value in columns_of(item).items() if name != "span"}
            assignments = ", ".join(f"{name} = ?" for name in values)
            self._changed("edit", [before.id], [id], learnt_before)
            self.database.write(f"UPDATE entries SET {assignments} WHERE id = ?", *values.values(), id)
            return self.get(id)

    def remove(self, *ids: int) -> list[Entry]:
        """Take entries out; :meth:`undo` brings them back.

        Raises:
            DiaryError: there is no such entry; nothing is removed then.
        """
        with self.database.transaction():
            removed = [self.get(id) for id in dict.fromkeys(ids)]
            self._changed("remove", [entry.id for entry in removed], [], {})
            self.database.write_many("DELETE FROM entries WHERE id = ?", [(entry.id,) for entry in removed])
            return removed

    def undo(self) -> Undone | None:
        """Take the last change back; None: there is none. The one before it is the next."""
        with self.database.transaction():
            rows = self.database.rows("SELECT * FROM changes ORDER BY id DESC LIMIT 1")
            if not rows:
                return None
            id, kind, before, after, corrections = rows[0]
            old, new = json.loads(before), json.loads(after)
            removed = [entry for each in new if (entry := self._find(each))]
            self.database.write_many("DELETE FROM entries WHERE id = ?", [(each,) for each in new])
            marks = ", ".join("?" * len(_COLUMNS))
            self.database.write_many(
                f"INSERT INTO entries ({', '.join(_COLUMNS)}) VALUES ({marks})",
                [[row[name] for name in _COLUMNS] for row in old],
            )
            for lemmas, learnt in json.loads(corrections).items():
                self._set_correction(lemmas, learnt and Correction(**learnt))
            self.database.write("DELETE FROM changes WHERE id = ?", id)
            return Undone(kind, tuple(removed), tuple(self.get(row["id"]) for row in old))

    def _find(self, id: int) -> Entry | None:
        rows = self.database.rows("SELECT * FROM entries WHERE id = ?", id)
        return entry_of(rows[0]) if rows else None

    def _insert(self, day: date, meal: str, item: Item) -> int:
        values = {"day": day.isoformat(), "meal": meal, **columns_of(item), "created": datetime.now(UTC).isoformat()}
        marks = ", ".join("?" * len(values))
        id = self.database.write(
            f"INSERT INTO entries ({', '.join(values)}) VALUES ({marks})", *values.values()
        ).lastrowid
        assert id is not None
        return id

    def _changed(
        self, kind: Change, before: Sequence[int], after: Sequence[int], corrections: Mapping[str, Any]
    ) -> None:
        """Keep what is needed to take a change back; called before rows of ``before`` are changed."""
        rows = [dict(self.database.rows("SELECT * FROM entries WHERE id = ?", id)[0]) for id in before]
        newest = self.database.write(
            "INSERT INTO changes (kind, before, after, corrections) VALUES (?, ?, ?, ?)",
            kind, json.dumps(rows), json.dumps(list(after)), json.dumps(corrections),
        ).lastrowid  # fmt: skip
        assert newest is not None
        self.database.write("DELETE FROM changes WHERE id <= ?", newest - KEPT_CHANGES)

    # ---- corrections

    def corrections(self) -> list[Correction]:
        """Which food the user meant by which words, as they corrected it."""
        return [
            Correction(*row) for row in self.database.rows("SELECT lemmas, span, food_id FROM corrections ORDER BY 1")
        ]

    def forget_correction(self, lemmas: str) -> bool:
        """Whether there was one."""
        return self.database.write("DELETE FROM corrections WHERE lemmas = ?", lemmas).rowcount > 0

    def _learn(self, corrections: Iterable[Correction]) -> dict[str, Any]:
        """Remember these; returns what was remembered of the same words before."""
        known, before = {one.lemmas: one for one in self.corrections()}, {}
        for new in corrections:
            if new.lemmas and known.get(new.lemmas) != new:
                old = known.get(new.lemmas)
                before[new.lemmas] = old and {"lemmas": old.lemmas, "span": old.span, "food_id": old.food_id}
                self._set_correction(new.lemmas, new)
        return before

    def _set_correction(self, lemmas: str, correction: Correction | None) -> None:
        self.database.write("DELETE FROM corrections WHERE lemmas = ?", lemmas)
        if correction:
            self.database.write(
                "INSERT INTO corrections (lemmas, span, food_id) VALUES (?, ?, ?)",
                lemmas, encodable(correction.span), correction.food_id,
            )  # fmt: skip

    # ---- what is known of the user

    @property
    def goal(self) -> Goal | None:
        stored = self._fact("goal")
        if not stored:
            return None
        profile = stored.pop("profile")
        return Goal(**stored, profile=Profile(**profile) if profile else None)

    @goal.setter
    def goal(self, goal: Goal | None) -> None:
        self._set_fact("goal", goal)

    @property
    def profile(self) -> Profile | None:
        stored = self._fact("profile")
        return Profile(**stored) if stored else None

    @profile.setter
    def profile(self, profile: Profile | None) -> None:
        self._set_fact("profile", profile)

    def _fact(self, name: str) -> dict[str, Any] | None:
        rows = self.database.rows("SELECT value FROM facts WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    def _set_fact(self, name: str, value: Goal | Profile | None) -> None:
        with self.database.transaction():
            self.database.write("DELETE FROM facts WHERE name = ?", name)
            if value is not None:
                self.database.write("INSERT INTO facts (name, value) VALUES (?, ?)", name, json.dumps(asdict(value)))

    # ---- conversations: what waits for the user's answer in each

    def proposal(self, conversation: int) -> dict[str, Any] | None:
        rows = self.database.rows("SELECT proposal FROM conversations WHERE id = ?", conversation)
        return json.loads(rows[0][0]) if rows and rows[0][0] else None

    def propose(self, conversation: int, proposal: Mapping[str, Any] | None) -> None:
        """Keep what waits for an answer there; None: nothing does."""
        text = None if proposal is None else json.dumps(proposal)
        with self.database.transaction():
            self.database.write("INSERT OR IGNORE INTO conversations (id) VALUES (?)", conversation)
            self.database.write("UPDATE conversations SET proposal = ? WHERE id = ?", text, conversation)

    def disclaim(self, conversation: int) -> bool:
        """Whether the disclaimer is due there, which it is once."""
        with self.database.transaction():
            self.database.write("INSERT OR IGNORE INTO conversations (id) VALUES (?)", conversation)
            sql = "UPDATE conversations SET disclaimed = 1 WHERE id = ? AND disclaimed = 0"
            return self.database.write(sql, conversation).rowcount > 0
