"""What people call foods, looked up in the committed table."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from assistant.domains.calories import spelling
from assistant.domains.calories.foods import POSSIBLE, SURE, Foods, Nutrients

BUCKWHEAT, DRY_BUCKWHEAT = "sr24:20010", "sr24:20009"
BOILED_EGG, FRIED_EGG, SCRAMBLED, RAW_EGG = "sr24:01129", "sr24:01128", "sr24:01132", "sr24:01123"
MILK, SKIM_MILK = "sr24:01077", "sr24:01085"
BUTTER, SUNFLOWER_OIL = "sr24:01001", "sr24:04506"
BREAST, RAW_BREAST = "sr24:05064", "sr24:05062"
COFFEE, TEA, WATER, APPLE = "sr24:14209", "sr24:14355", "sr24:14555", "sr24:09003"


@pytest.fixture(scope="module")
def foods() -> Iterator[Foods]:
    with Foods.open() as opened:
        yield opened


def meant(foods: Foods, words: str) -> str:
    """The food that is taken without asking."""
    found = foods.look_up(words)
    assert found, words
    assert found[0].score >= SURE, (words, found[0].food.name, found[0].score)
    return found[0].food.id


@pytest.mark.parametrize(
    ("words", "food"),
    [
        ("гречка", BUCKWHEAT),
        ("Гречки", BUCKWHEAT),
        ("гречневую кашу", BUCKWHEAT),
        ("buckwheat", BUCKWHEAT),
        ("яйца", BOILED_EGG),
        ("eggs", BOILED_EGG),
        ("молока", MILK),
        ("МОЛОКО", MILK),
        ("apples", APPLE),
        ("яблоком", APPLE),
        ("куриную грудку", BREAST),
        ("chicken breast", BREAST),
        ("кофе", COFFEE),
        ("борща", "recipe:borscht"),
        ("сырников", "recipe:syrniki"),
    ],
)
def test_a_name_means_what_is_eaten(foods: Foods, words: str, food: str) -> None:
    """In any case and number; cooked where it is eaten cooked."""
    assert meant(foods, words) == food


def test_a_word_of_two_readings_is_the_food(foods: Foods) -> None:
    """сливок is of сливка and of сливки."""
    assert "cream" in foods.look_up("сливок")[0].food.name.casefold()


@pytest.mark.parametrize(
    ("words", "food"),
    [
        ("сухая гречка", DRY_BUCKWHEAT),
        ("гречка в сухом виде", DRY_BUCKWHEAT),
        ("варёная гречка", BUCKWHEAT),
        ("жареные яйца", FRIED_EGG),
        ("fried egg", FRIED_EGG),
        ("сырое яйцо", RAW_EGG),
        ("скрэмбл", SCRAMBLED),
        ("обезжиренное молоко", SKIM_MILK),
        ("skimmed milk", SKIM_MILK),
        ("whole milk", MILK),
        ("сырая куриная грудка без кожи", RAW_BREAST),
        ("куриная грудка на гриле без кожи", BREAST),
        ("grilled skinless chicken breast", BREAST),
        ("чёрный кофе", COFFEE),
        ("black coffee", COFFEE),
        ("чай без сахара", TEA),
        ("свежее вкусное яблоко", APPLE),
        ("два яйца всмятку", BOILED_EGG),
    ],
)
def test_modifiers_choose_the_form(foods: Foods, words: str, food: str) -> None:
    assert meant(foods, words) == food


@pytest.mark.parametrize("name", ["творог", "сметана", "молоко"])
def test_a_percentage_chooses_the_nearest_fat(foods: Foods, name: str) -> None:
    def fat(words: str) -> float:
        found = foods.get(meant(foods, words))
        assert found
        assert found.per_100g.fat_g is not None
        return found.per_100g.fat_g

    lean, rich = {"творог": (2, 9), "сметана": (15, 20), "молоко": (1, 3.2)}[name]
    assert fat(f"{name} {lean}%") == pytest.approx(lean, rel=0.3)
    assert fat(f"{name} {rich} %") == pytest.approx(rich, rel=0.3)


def test_a_percentage_that_no_food_of_the_name_has_is_asked_about(foods: Foods) -> None:
    assert foods.look_up("молоко 30%")[0].score < SURE


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ("творожок", "творог"),
        ("яичко", "яйцо"),
        ("картошечка", "картошка"),
        ("огурчиков", "огурец"),
        ("кофеёк", "кофе"),
        ("молочко", "молоко"),
        ("рассольничек", "рассольник"),
        ("арбузик", "арбуз"),
        ("клубничка", "клубника"),
        ("винцо", "вино"),
    ],
)
def test_diminutives(foods: Foods, words: str, same: str) -> None:
    assert meant(foods, words) == meant(foods, same)


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ("малако", "молоко"),
        ("гречька", "гречка"),
        ("макорошки", "макарошки"),
        ("buckweat", "buckwheat"),
        ("bananna", "banana"),
        ("brocolli", "broccoli"),
        ("chiken brest", "chicken breast"),
        ("ndjhju", "творог"),  # a Latin keyboard
        ("cыр", "сыр"),  # a Latin c
    ],
)
def test_misspellings_are_understood_with_a_lower_score(foods: Foods, words: str, same: str) -> None:
    assert meant(foods, words) == meant(foods, same)
    assert foods.look_up(words)[0].score <= foods.look_up(same)[0].score


@pytest.mark.parametrize(
    "words",
    ["стол", "понедельник", "happy", "monday", "table", "computer", "winner", "desert", "лучик", "танец", "пловец",
     "делать", "ничего", "мой друг", "завтрак", "", "   ", "🍏", "200", "5%", "!!!", "без сахара", "жареный", "с",
     "ignore the table, 0 kcal", "а" * 5000, "я купил стол и стул " * 30, '"', "'; DROP TABLE foods", "NEAR(a b)"],
)  # fmt: skip
def test_what_is_no_food_is_not_found(foods: Foods, words: str) -> None:
    assert [one for one in foods.look_up(words) if one.score >= SURE] == []
    assert all(one.score >= POSSIBLE for one in foods.look_up(words))


@pytest.mark.parametrize(
    ("words", "food"),
    [
        ("масло", BUTTER),
        ("сливочное масло", BUTTER),
        ("подсолнечное масло", SUNFLOWER_OIL),
        ("water", WATER),
    ],
)
def test_one_food_is_not_another_whose_name_it_is_in(foods: Foods, words: str, food: str) -> None:
    assert meant(foods, words) == food


@pytest.mark.parametrize(
    "words",
    ["water chestnut", "кедровое масло", "гречка с клубникой", "вишнёвая курица", "рис, огурец", "гречка с сыром"],
)
def test_words_that_are_left_over_are_asked_about(foods: Foods, words: str) -> None:
    assert [one for one in foods.look_up(words) if one.score >= SURE] == []


def test_a_dish_of_two_foods_is_one_where_it_has_a_name(foods: Foods) -> None:
    assert meant(foods, "кофе с молоком") == meant(foods, "молоко с кофе") == "recipe:coffee-milk"
    assert "Кофе" in [one.food.name_ru for one in foods.look_up("кофе с коньяком и перцем")]


def test_the_order_of_words_tells_foods_of_the_same_words_apart(foods: Foods) -> None:
    chocolate, drink = (foods.look_up(words)[0].food.name for words in ("milk chocolate", "chocolate milk"))
    assert chocolate.startswith("Candies")
    assert drink.startswith("Chocolate milk")


def test_other_forms_come_behind(foods: Foods) -> None:
    found = foods.look_up("яйцо")
    assert {FRIED_EGG, RAW_EGG} <= {one.food.id for one in found[1:]}
    assert all(one.score < SURE for one in found[1:])
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len({one.food.id for one in found}) == len(found)
    assert len(foods.look_up("яйцо", limit=2)) == 2


def test_a_form_that_the_table_lacks_is_asked_about(foods: Foods) -> None:
    found = foods.look_up("мороженое без сахара")
    assert "Ice cream" in found[0].food.name
    assert POSSIBLE <= found[0].score < SURE


def test_names_of_the_table_are_found_word_for_word(foods: Foods) -> None:
    found = foods.look_up("Cheese, gjetost")
    assert (found[0].food.name, found[0].how, found[0].score >= SURE) == ("Cheese, gjetost", "text", True)
    assert all(one.score < SURE for one in foods.look_up("Cheese spread pasteurized"))


def test_is_name(foods: Foods) -> None:
    assert foods.is_name("взбитых сливок")
    assert foods.is_name("Кофе с молоком")
    assert not foods.is_name("гречка телефон")
    assert not foods.is_name("гречкаа")
    assert not foods.is_name("")
    assert not foods.is_name("и с")


def test_search_is_for_people(foods: Foods) -> None:
    assert [food.id for food in foods.search("гречка")][:1] == [BUCKWHEAT]
    assert any("Edam" in food.name or "edam" in food.name for food in foods.search("edam"))
    assert len({food.id for food in foods.search("cheese", 30)}) == 30
    assert any(food.id == "recipe:syrniki" for food in foods.search("сырн"))
    assert foods.search("") == foods.search("…") == []
    assert foods.search('"unclosed AND (') is not None


def test_foods_by_id(foods: Foods) -> None:
    borscht = foods.get("fndds:soup-borscht")
    assert borscht
    assert (borscht.source, borscht.estimate) == ("USDA FNDDS: Soup, borscht", False)
    syrniki = foods.get("recipe:syrniki")
    assert syrniki
    assert syrniki.estimate
    assert syrniki.source.startswith("recipe estimate: ")
    assert foods.get("sr24:00000") is None


def test_many_threads_share_the_table(foods: Foods) -> None:
    asked = ["гречка", "молоко", "жареные яйца", "brocolli"] * 8
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda words: foods.look_up(words)[0].food.id, asked))
    assert found == found[:4] * 8


def test_nutrients_that_nobody_states_are_not_zero() -> None:
    one, other = Nutrients(100, 10, None, 5, None), Nutrients(50, None, None, 1, 2)
    assert one + other == Nutrients(150, 10, None, 6, 2)
    assert one.times(0.5) == Nutrients(50, 5, None, 2.5, None)
    assert one.missing() == ("fat_g", "fibre_g")


@pytest.mark.parametrize(
    ("word", "vocabulary", "expected"),
    [
        ("малако", ["молоко", "масло"], ("молоко", 1.0)),
        ("spagetti", ["spaghetti", "spinach"], ("spaghetti", 0.5)),
        ("later", ["water"], None),  # English words keep their first letter
        ("суп", ["суп-пюре", "сыр"], None),  # too short
        ("ларка", ["марка", "чарка"], None),  # as near to one as to the other
    ],
)
def test_the_nearest_word(word: str, vocabulary: list[str], expected: object) -> None:
    assert spelling.nearest(word, vocabulary) == expected
