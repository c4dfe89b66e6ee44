"""The food table: foods of the USDA and recipes, per 100 g, found by what people call them in English and Russian."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from assistant.domains.calories.lemmas import lemmas, readings, words
from assistant.domains.calories.names import STOP_WORDS, Alias, Names
from models.errors import UserError

DATA = Path(__file__).parent / "data"
NUTRIENTS = (
    "kcal", "protein_g", "fat_g", "carbohydrate_g", "fibre_g", "sugar_g", "saturated_g", "sodium_mg", "alcohol_g",
)  # fmt: skip
# Scores of look_up: what to believe, and what is worth showing when asking.
SURE = 0.8
POSSIBLE = 0.3
_SAME_WORDS = 0.85  # a name of the table, word for word
_NO_FORM = frozenset(["nfs", "ns", "raw", "type", "fresh", "plain", "regular"])  # they say nothing of the form


class TableError(UserError):
    """The food table is missing or damaged."""


@dataclass(frozen=True, slots=True)
class Nutrients:
    """Of an amount of food; None where the table does not say, which is not 0."""

    kcal: float | None
    protein_g: float | None
    fat_g: float | None
    carbohydrate_g: float | None
    fibre_g: float | None

    def times(self, factor: float) -> Nutrients:
        return Nutrients(*(None if value is None else value * factor for value in self._values()))

    def __add__(self, other: Nutrients) -> Nutrients:
        """What is stated of one only is the sum: at least so much. :meth:`missing` of the parts says where."""
        pairs = zip(self._values(), other._values(), strict=True)
        return Nutrients(*(b if a is None else a if b is None else a + b for a, b in pairs))

    def missing(self) -> tuple[str, ...]:
        """Names of what the table does not say."""
        return tuple(name for name, value in zip(NUTRIENTS, self._values(), strict=False) if value is None)

    def _values(self) -> tuple[float | None, ...]:
        return self.kcal, self.protein_g, self.fat_g, self.carbohydrate_g, self.fibre_g


@dataclass(frozen=True, slots=True)
class Measure:
    """``amount`` of ``unit`` weighs ``grams``. The unit is an id of units.py, or the table's own words; ``source_ru``:
    the source in Russian, None for the table's own."""

    unit: str
    amount: float
    grams: float
    source: str
    source_ru: str | None = None


@dataclass(frozen=True, slots=True)
class Food:
    """A food of the table.

    Attributes:
        id: ``sr24:01012``, ``fndds:soup-borscht``, ``recipe:syrniki``.
        name: English, of the table; ``name_ru`` where somebody gave it one.
        source: for people: where the numbers come from.
        estimate: computed from a recipe, not measured.
        measures: ours first, then the table's own.
        density: g/ml, of a volume measure.
        more: what else the table says per 100 g, by the names of NUTRIENTS after the first five.
    """

    id: str
    name: str
    name_ru: str | None
    source: str
    estimate: bool
    per_100g: Nutrients
    measures: tuple[Measure, ...]
    density: float | None
    more: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A food that words may mean.

    Attributes:
        score: 1 is what these words are known to mean; from :data:`SURE` on it may be taken without asking. Below:
            words were left over, the form asked for is not in the table, an English word had to be respelt, the name is
            too wide.
        how: by the user's own correction, a known name, or words of the table's names.
    """

    food: Food
    score: float
    how: Literal["correction", "alias", "text"]


class Foods:
    """The table, read only; for any thread.

    Raises:
        TableError: it is missing or damaged.
    """

    def __init__(self, path: Path = DATA / "foods.db"):
        self.path = path
        self._lock = threading.RLock()
        self._cache: dict[int, Food] = {}
        try:
            # immutable: no locks, no journal, as befits a file of the installation.
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, check_same_thread=False)
            self._numbers = {row[1]: row[0] for row in self._rows("SELECT number, id FROM foods")}
        except sqlite3.Error as error:
            raise TableError(f"The food table {path} cannot be read: {error}.", "Install the program again.") from error

    @classmethod
    def open(cls) -> Foods:
        return cls()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __enter__(self) -> Foods:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._numbers)

    def get(self, identity: str) -> Food | None:
        """The food of an id; None when there is none."""
        number = self._numbers.get(identity)
        return None if number is None else self._food(number)

    def ingredients(self, food: Food) -> list[tuple[Food, float]]:
        """What 100 g of a recipe's dish are made of, and the grams of each, the most first; negative: drained off.
        Their nutrients add up to those of the dish. Empty for what is no recipe."""
        number = self._numbers.get(food.id)
        rows = self._rows("SELECT ingredient, grams FROM ingredients WHERE food = ? ORDER BY grams DESC", number)
        return [(self._food(ingredient), grams) for ingredient, grams in rows]

    def is_name(self, text: str) -> bool:
        """Whether the words are a known name, in any case, number, order and reading, with nothing beside it."""
        return self._names.is_name(text)

    def is_form(self, text: str) -> bool:
        """Whether the words only say of which form a food is: ``сухой``, ``in oil``, ``5%``."""
        return self._names.is_form(text)

    def look_up(self, text: str, limit: int = 8) -> list[Candidate]:
        """What the words of one food (``жареное яйцо``, ``whole milk``) may mean, best first; empty when nothing.

        Names come first, with the form that the modifiers beside them choose; the full text of the table's English
        names last. Scores and what they allow: :class:`Candidate`.
        """
        found = [
            Candidate(self._food(self._numbers[hit.food]), hit.score, "alias")
            for hit in self._names.find(text)
            if hit.score >= POSSIBLE
        ]
        if not found or found[0].score < SURE:
            best = {one.food.id: one for one in sorted(found + self._by_text(text), key=lambda one: one.score)}
            found = sorted(best.values(), key=lambda one: -one.score)
        return found[:limit]

    def search(self, query: str, limit: int = 20) -> list[Food]:
        """Foods for a person to choose from: those the words mean, then all with the words (or their beginnings) in the
        name, then with some of them."""
        found = {one.food.id: one.food for one in self.look_up(query, limit)}
        terms = [_quoted(readings(word.text)[0]) + "*" for word in words(query) if word.text not in STOP_WORDS]
        for operator in (" AND ", " OR "):
            if terms and len(found) < limit:
                rows = self._rows(
                    "SELECT rowid FROM foods_fts WHERE foods_fts MATCH ?"
                    " ORDER BY bm25(foods_fts, 1.0, 3.0), rowid LIMIT ?",
                    operator.join(terms),
                    limit * 2,
                )
                for (number,) in rows:
                    food = self._food(number)
                    found.setdefault(food.id, food)
        return list(found.values())[:limit]

    def _by_text(self, text: str) -> list[Candidate]:
        """By the table's own English names: all words must be in the name, one of them before its first comma."""
        asked = [readings(word.text)[0] for word in words(text) if word.text not in STOP_WORDS and word.percent is None]
        if not asked or not all(word.isascii() for word in asked) or len(asked) > 8:
            return []
        rows = self._rows(
            "SELECT rowid FROM foods_fts WHERE foods_fts MATCH ? ORDER BY rank LIMIT 40",
            "name : (" + " AND ".join(map(_quoted, asked)) + ")",
        )
        found = []
        for (number,) in rows:
            food = self._food(number)
            head, *_ = food.name.split(",")
            named = set(lemmas(food.name)) - STOP_WORDS
            if named - _NO_FORM <= set(asked):
                found.append(Candidate(food, _SAME_WORDS, "text"))
            # One word alone is looked for as the food itself: "fast" is no fast food.
            elif (begins := set(lemmas(head)).intersection(asked)) and (len(asked) > 1 or begins == set(lemmas(head))):
                score = round(0.2 + 0.5 * len(set(asked) & named) / len(named), 3)
                if score >= POSSIBLE:
                    found.append(Candidate(food, score, "text"))
        return sorted(found, key=lambda one: (-one.score, len(one.food.name), one.food.id))

    @cached_property
    def _names(self) -> Names:
        with self._lock:
            forms = self._rows("SELECT form, axis, likes, phrases FROM forms")
            phrases: dict[tuple[str, ...], frozenset[str]] = {}
            for form, _, _, said in forms:
                for phrase in said.split(";"):
                    key = tuple(phrase.split())
                    phrases[key] = phrases.get(key, frozenset()) | {form}
            aliases = self._rows(
                "SELECT words, food, forms, sure, coalesce(fat_g, 0),"
                " coalesce(sugar_g, carbohydrate_g, 0), coalesce(alcohol_g, 0) FROM aliases"
                " JOIN foods ON foods.id = food ORDER BY position"
            )
            return Names(
                (
                    (name, Alias(food, frozenset(of.split()), bool(sure), *more))
                    for name, food, of, sure, *more in aliases
                ),
                axes={form: axis for form, axis, _, _ in forms},
                likes={form: likes.split() for form, _, likes, _ in forms},
                phrases=phrases,
                real_words=frozenset(word for (word,) in self._rows("SELECT word FROM real_words")),
            )

    def _food(self, number: int) -> Food:
        if (known := self._cache.get(number)) is None:
            known = self._cache[number] = self._read(number)
        return known

    def _read(self, number: int) -> Food:
        (row,) = self._rows(
            f"SELECT id, name, name_ru, source, density, {', '.join(NUTRIENTS)} FROM foods WHERE number = ?", number
        )
        identity, name, name_ru, source, density, *nutrients = row
        measures = self._rows(
            "SELECT unit, amount, grams, source, source_ru FROM measures WHERE food = ? ORDER BY position", number
        )
        return Food(
            id=identity,
            name=name,
            name_ru=name_ru,
            source=source,
            estimate=identity.startswith("recipe:"),
            per_100g=Nutrients(*nutrients[:5]),
            measures=tuple(Measure(*measure) for measure in measures),
            density=density,
            more=tuple(
                (key, value) for key, value in zip(NUTRIENTS[5:], nutrients[5:], strict=True) if value is not None
            ),
        )

    def _rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, parameters).fetchall()


def _quoted(word: str) -> str:
    return '"' + word.replace('"', "") + '"'
