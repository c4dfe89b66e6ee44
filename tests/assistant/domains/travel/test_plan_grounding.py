"""What a plan may not say: claims that no source has are found, sentences with sources and plain advice are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.domains.travel.grounding import check, marked
from assistant.domains.travel.interests import activities

TRIP = {
    "origin": "Moscow",
    "destination": "Tbilisi",
    "start": "2027-05-03",
    "end": "2027-05-07",
    "days": 5,
    "travellers": 2,
    "request": "5 days in Tbilisi from Moscow from 3 May 2027, two adults, museums. Тбилиси, Москва, двое взрослых",
}
FACTS = {
    "place": {"name": "Tbilisi", "name_ru": "Тбилиси"},
    "facts": {
        "distance": {"text": "1,649 km", "value": 1649},
        "languages": {"text": "Georgian, грузинский"},
        "holidays_there": {"value": [{"date": "2027-05-26", "name": "Independence Day"}]},
    },
}
SET = json.loads((Path(__file__).parents[4] / "benchmarks/data/planted_claims.json").read_text(encoding="utf-8"))


def kinds(text: str, passages: tuple[str, ...] = ()) -> list[str]:
    return [one.kind for one in check(text, FACTS, TRIP, passages)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The tower has 140 rooms.", "number"),
        ("A fair happens on 14 October.", "date"),
        ("Come back on Sunday.", "weekday"),
        ("Dine at Barbarestan.", "name"),
        ("Paris is lovely.", "name"),
        ("Поезжайте в париж.", "name"),
        ("Билеты дешёвые.", "price"),
        ("Pay around two hundred dollars.", "price"),
        ("Музей открыт ежедневно.", "hours"),
        ("Visas are not needed.", "visa"),
        ("It is warm in May.", "weather"),
        ("Курс сейчас выгодный.", "rate"),
        ("Trains run every hour.", "schedule"),
        ("Кафе в пяти минутах.", "distance"),
        ("The city is safe.", "safety"),
        ("The queue moves slowly.", "claim"),
        ("A marshrutka rattles up the hill.", "claim"),
        ("Walk early, because the square fills with buses.", "claim"),
        ("Split is lovely.", "name"),
        ("До крепости пешком всего ничего.", "distance"),
        ("Check the prices: entrance is free.", "price"),
        ("Уточните часы работы, музей открыт всегда.", "hours"),
    ],
)
def test_claims_without_a_source(text: str, kind: str) -> None:
    assert kind in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "Check whether visas are needed.",
        "Check opening hours, fares and the weather online.",
        "Узнайте, нужна ли виза.",
        "On day 3, rest in a park.",
        "Tbilisi is 1,649 km away.",
        "Learn some Georgian.",
        "Take it slowly on Monday, 3 May.",
        "26 May: Independence Day",
        "Choose one museum and stay there.",
        "Split up for the afternoon.",
        "Compare two hotels online before you book.",
        "Walk because you like it.",
        "Погуляйте по Тбилиси и поужинайте где-нибудь рядом.",
    ],
)
def test_what_has_a_source_or_claims_nothing(text: str) -> None:
    assert kinds(text) == []


def test_numbers_count_only_beside_what_they_count() -> None:
    assert kinds("Two adults, 5 days.") == []
    assert kinds("Buy 5 tickets for 2 dollars.") != []
    assert kinds("Walk 5 km.") != []


def test_passages_ground_what_they_say_and_no_more() -> None:
    note = "Barbarestan on the avenue opens at 13:00 and dinner costs 90 lari."
    assert kinds(f"From your notes: {note} [1]", (note,)) == []
    assert kinds("Barbarestan opens at 14:00.", (note,)) != []
    assert kinds("See [2].", (note,)) == ["number"]


def test_own_lines_are_passed_over_and_what_is_added_to_them_is_not() -> None:
    own = "- fares and timetables"
    assert check(own, FACTS, TRIP, own=[own]) == []
    assert check(f"{own} are low.", FACTS, TRIP) != []
    assert check(f"{own}\nFares are low.", FACTS, TRIP, own=[own]) != []


def test_places_are_exact_and_marks_stand_behind_them() -> None:
    text = "Rest a while. Visas are not needed."
    found = check(text, FACTS, TRIP)
    assert all(text[one.start : one.end] == one.text for one in found)
    assert marked(text, found).count("⚠") == len(found)
    assert marked(text, found).replace(" ⚠", "") == text


def test_no_planted_claim_of_the_set_passes() -> None:
    requests = {language: {**TRIP, "request": request} for language, request in SET["request"].items()}
    passed = [one["text"] for one in SET["planted"] if not check(one["text"], FACTS, requests[one["language"]])]
    assert passed == []
    falsely = [one["text"] for one in SET["grounded"] if check(one["text"], FACTS, requests[one["language"]])]
    assert falsely == []


@pytest.mark.parametrize("language", ["en", "ru"])
def test_activities_claim_nothing(language: str) -> None:
    trip = {"days": 3, "travellers": 1}
    assert [one.text[language] for one in activities() if check(one.text[language], {}, trip)] == []
    lines = [f"- **{'День' if language == 'ru' else 'Morning'}.** {one.text[language]}" for one in activities()]
    assert [line for line in lines if check(line, {}, trip)] == []
    assert len({one.label[language] for one in activities()}) == len(activities())
