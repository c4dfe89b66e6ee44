"""Words as dictionary forms, in both languages."""

from __future__ import annotations

import pytest

from assistant.domains.calories.lemmas import LONGEST_WORD, fold, lemmas, readings, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Сырники с мёдом", ["сырник", "с", "мед"]),
        ("два варёных ЯЙЦА", ["два", "вареный", "яйцо"]),
        ("гречневой каши", ["гречневый", "каша"]),
        ("Кока-кола", ["кока", "кола"]),
        ("2 boiled eggs", ["2", "boiled", "egg"]),
        ("tomatoes, berries and brownies", ["tomato", "berry", "and", "brownie"]),
        ("farmer's cheese, café, jalapeños", ["farmer", "cheese", "cafe", "jalapeno"]),
        ("peas, bananas, sodas", ["pea", "banana", "soda"]),
        ("couscous, swiss, asparagus, hummus", ["couscous", "swiss", "asparagus", "hummus"]),
        ("", []),
        ("🍏 …!", []),
    ],
)
def test_dictionary_forms(text: str, expected: list[str]) -> None:
    assert lemmas(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("творог", "творогом"),
        ("жареная картошка", "жареной картошки"),
        ("мёд", "мед"),
        ("МОЛОКО", "молоко́"),  # a stress mark
        ("сыр", "cыр"),  # a Latin c
        ("apples", "Apple"),
        ("loaves", "loaf"),
    ],
)
def test_the_same_words_in_another_form_have_the_same_lemmas(one: str, other: str) -> None:
    assert lemmas(one) == lemmas(other)


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("творог 5%", 5),
        ("кефир 2,5 %", 2.5),
        ("milk 3.2 percent", 3.2),
        ("пятипроцентный творог", 5),
        ("1-процентный", 1),
    ],
)
def test_a_percentage_is_one_word(text: str, percent: float) -> None:
    assert [word.percent for word in words(text) if word.percent is not None] == [percent]


def test_words_know_their_places() -> None:
    text = "Кофе с молоком 2,5%!"
    assert [text[word.start : word.end] for word in words(text)] == ["Кофе", "с", "молоком", "2,5%"]


def test_a_word_of_two_readings_gives_both() -> None:
    assert {"сливки", "сливка"} <= set(readings("сливок"))
    assert "olive" in readings("olives")


def test_what_is_too_long_is_no_word() -> None:
    assert lemmas("а" * (LONGEST_WORD + 1) + " суп") == ["суп"]
    assert fold("СЪЁМ") == "съем"
