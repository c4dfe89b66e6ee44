"""Profile and goal: the published equation, and what is refused."""

from __future__ import annotations

import pytest

from assistant.domains.calories.goal import Goal, Profile, described, from_number, from_profile
from assistant.domains.calories.messages import LANGUAGES, Words
from models.errors import UsageError

EN, RU = Words("en"), Words("ru")


def test_the_equation_of_mifflin_and_st_jeor() -> None:
    # 10 × kg + 6.25 × cm − 5 × years, + 5 for men, − 161 for women.
    assert Profile("male", 35, 180, 80, "moderate", "keep").resting == 1755
    assert Profile("female", 35, 165, 60, "moderate", "keep").resting == 1295.25
    assert Profile("male", 35, 180, 80, "moderate", "keep").expenditure == pytest.approx(1755 * 1.55)


@pytest.mark.parametrize(("aim", "kcal"), [("keep", 2720), ("lose", 2220), ("gain", 3020)])
def test_a_goal_from_a_profile(aim: str, kcal: int) -> None:
    goal = from_profile(Profile("male", 35, 180, 80, "moderate", aim), EN)  # type: ignore[arg-type]
    assert goal.kcal == kcal
    assert abs(4 * goal.protein_g + 9 * goal.fat_g + 4 * goal.carbohydrate_g - kcal) < 10
    told = described(goal, EN)
    assert "Mifflin–St Jeor (1990): 1,755 kcal" in told
    assert "1.55" in told
    assert "1\u00a0755 ккал в покое × 1,55" in described(goal, RU)


def test_a_goal_is_never_below_what_is_safe() -> None:
    small = Profile("female", 70, 150, 50, "sedentary", "lose")
    goal = from_profile(small, RU)
    assert goal.kcal == 1200
    assert "Вышло бы 610 ккал" in described(goal, RU)
    assert "спросите врача" in described(goal, RU)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"age": 15}, "от 18 лет"),
        ({"age": -3}, "не бывает"),
        ({"age": 200}, "не бывает"),
        ({"height": 17.0}, "Рост"),
        ({"height": float("nan")}, "Рост"),
        ({"weight": 1000.0}, "Вес"),
        ({"weight": 45.0, "aim": "lose"}, "недостаток веса"),
    ],
)
def test_who_is_refused(change: dict[str, object], said: str) -> None:
    person = {"sex": "female", "age": 30, "height": 170.0, "weight": 60.0, "activity": "light", "aim": "keep"} | change
    with pytest.raises(UsageError, match=said):
        from_profile(Profile(**person), RU)  # type: ignore[arg-type]


def test_a_goal_that_the_user_names() -> None:
    assert from_number(2000, None, EN) == Goal(2000, 100, 67, 250)
    assert "The number is yours." in described(Goal(2000, 100, 67, 250), EN)
    man = Profile("male", 35, 180, 80, "moderate", "keep")
    for kcal, profile in ((1100, None), (-5, None), (1300, man), (20000, None), (float("nan"), None)):
        with pytest.raises(UsageError):
            from_number(kcal, profile, EN)


def test_both_languages_say_the_same_things() -> None:
    from string import Formatter

    def holes(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    assert list(LANGUAGES["en"]) == list(LANGUAGES["ru"])
    for key, text in LANGUAGES["en"].items():
        assert holes(text) == holes(LANGUAGES["ru"][key]), key


def test_russian_plurals() -> None:
    counts = [RU.count(number, "days") for number in (1, 2, 5, 11, 12, 21, 22, 25, 111)]
    assert counts == [
        "1 день", "2 дня", "5 дней", "11 дней", "12 дней", "21 день", "22 дня", "25 дней", "111 дней",
    ]  # fmt: skip
    assert [EN.count(number, "days") for number in (1, 2)] == ["1 day", "2 days"]
