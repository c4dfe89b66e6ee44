"""Amounts as people write them, English and Russian."""

from __future__ import annotations

import pytest

from assistant.domains.calories.units import UNITS, Quantity, find


def read(text: str) -> list[tuple[float, str | None]]:
    return [(round(quantity.value, 3), quantity.unit) for quantity in find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # digits
        ("200 г творога", [(200, "g")]),
        ("200г гречки", [(200, "g")]),
        ("МОЛОКО 200 МЛ", [(200, "ml")]),
        ("1,5 кг", [(1.5, "kg")]),
        ("2.5kg", [(2.5, "kg")]),
        (".5 l", [(0.5, "l")]),
        ("1 500 г картошки", [(1500, "g")]),
        ("1,500 g", [(1500, "g")]),
        ("1/2 cup rice", [(0.5, "cup")]),
        ("1 1/2 cups", [(1.5, "cup")]),
        ("½ яблока", [(0.5, None)]),
        ("3½ cups", [(3.5, "cup")]),
        ("1/0 cup", [(1, "cup")]),
        ("12 oz steak", [(12, "oz")]),
        ("2 fl oz", [(2, "floz")]),
        ("a pound of strawberries", [(1, "lb")]),
        # ranges are read as their middle
        ("2-3 печенья", [(2.5, None)]),
        ("200 - 250 г", [(225, "g")]),
        ("две-три ложки", [(2.5, "spoon")]),
        ("two or three cookies", [(2.5, None)]),
        # words
        ("полторы ложки сахара", [(1.5, "spoon")]),
        ("двести пятьдесят граммов риса", [(250, "g")]),
        ("сто грамм водки", [(100, "g")]),
        ("two hundred and fifty grams", [(250, "g")]),
        ("one and a half cups of milk", [(1.5, "cup")]),
        ("два с половиной стакана", [(2.5, "glass")]),
        ("half a cup of rice", [(0.5, "cup")]),
        ("a quarter of a pizza", [(0.25, None)]),
        ("three quarters of a cup", [(0.75, "cup")]),
        ("две трети стакана", [(0.667, "glass")]),
        ("a dozen eggs", [(12, None)]),
        ("half a dozen eggs", [(6, None)]),
        ("полдюжины яиц", [(6, None)]),
        ("a couple of slices of bread", [(2, "slice")]),
        ("пару кусочков сыра", [(2, "slice")]),
        ("чашка кофе и чашку чая", [(1, "teacup"), (1, "teacup")]),
        ("щепотка соли", [(1, "pinch")]),
        # half words
        ("пол-литра кефира", [(0.5, "l")]),
        ("поллитра", [(0.5, "l")]),
        ("полкило мяса", [(0.5, "kg")]),
        ("полстакана сметаны", [(0.5, "glass")]),
        ("пол лимона", [(0.5, None)]),
        # spoons
        ("2 ст. л. масла", [(2, "tbsp")]),
        ("1 ст.ложка", [(1, "tbsp")]),
        ("столовая ложка мёда", [(1, "tbsp")]),
        ("3ч.л. сахара", [(3, "tsp")]),
        ("пол чайной ложки", [(0.5, "tsp")]),
        ("2 tbsp", [(2, "tbsp")]),
        ("a tablespoon of honey", [(1, "tbsp")]),
        # the number behind its unit
        ("грамм двести", [(200, "g")]),
        ("пельмени, штук 12", [(12, "piece")]),
        ("ломтика три", [(3, "slice")]),
        # products
        ("2 шт по 50 г", [(100, "g")]),
        ("2х100 г", [(200, "g")]),
        ("200 г x2", [(400, "g")]),
        ("2 банки по 330 мл", [(660, "ml")]),
        ("2 cans (330 ml each)", [(660, "ml")]),
        ("стакан (200 мл) молока", [(200, "ml")]),
        ("три раза по 100 г", [(300, "g")]),
        ("кофе х2", [(2, None)]),
        ("x2 eggs", [(2, None)]),
        # below zero, nothing, too much
        ("-200 г сыра", [(-200, "g")]),
        ("минус 3 яйца", [(-3, None)]),
        ("- 200 г сыра", [(200, "g")]),
        ("0 г", [(0, "g")]),
        ("2 тонны борща", [(2, "t")]),
        # no amounts
        ("творог 5%", []),
        ("0 kcal", []),
        ("500 ккал", []),
        ("в 2020 году", []),
        ("5 км пробежал", []),
        ("7up and vitamin B12", []),
        ("omega-3", []),
        ("I can eat fish and chips", []),
        ("на полдник полента", []),
        ("", []),
        ("∞ г", []),
    ],
)
def test_reads_amounts(text: str, expected: list[tuple[float, str | None]]) -> None:
    assert read(text) == expected


def test_an_amount_knows_its_place_and_how_it_was_read() -> None:
    text = "съел 2-3 большие тарелки борща"
    (quantity,) = find(text)
    assert text[quantity.start : quantity.end] == "2-3 большие тарелки"
    assert (quantity.note, quantity.size, quantity.vague) == ("2-3", 1.3, False)


def test_a_size_alone_is_a_vague_one() -> None:
    assert find("большой банан") == [Quantity(1.0, None, 0, 7, size=1.3, vague=True)]


def test_half_of_a_food_is_known_by_asking() -> None:
    assert [q.value for q in find("полбанана", is_food=lambda word: word == "банана")] == [0.5]
    assert find("полдник", is_food=lambda word: word == "банана") == []


def test_dates_are_skipped() -> None:
    assert read("12 мая 3 яйца") == [(12, None), (3, None)]
    assert [q.value for q in find("12 мая 3 яйца", skip=[(0, 6)])] == [3]


def test_units_are_told_in_both_languages() -> None:
    assert len(UNITS) >= 45
    assert all(unit.english and unit.russian and unit.size >= 0 for unit in UNITS.values())


@pytest.mark.timeout(30)  # quadratic work on these takes minutes
@pytest.mark.parametrize("nonsense", ["1" * 5000, "½" * 3000, "два " * 2000, "1 " * 3000, "(" * 5000, "1/" * 3000])
def test_long_nonsense_is_read(nonsense: str) -> None:
    assert len(find(nonsense)) <= len(nonsense)
    assert read(f"{nonsense}; 200 г риса")[-1] == (200, "g")
