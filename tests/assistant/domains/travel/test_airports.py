"""Airports near a place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assistant.domains.travel.airports import nearest_airports
from assistant.domains.travel.places import Place, Places


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    with Places.open() as table:
        yield table


def near(places: Places, text: str, limit: int = 8) -> dict[str, float]:
    place = places.resolve(text)
    assert isinstance(place, Place)
    return {each.airport.iata: each.kilometres for each in nearest_airports(places, place, limit)}


def test_airports_of_a_large_city_nearest_first(places: Places) -> None:
    moscow = near(places, "Москва")
    # Sheremetyevo lies 29 km north-west of the centre and Domodedovo 42 km south-east: their own sites.
    assert {"SVO", "DME", "VKO"} <= set(moscow)
    assert list(moscow.values()) == sorted(moscow.values())
    assert 25 < moscow["SVO"] < 32
    assert 38 < moscow["DME"] < 46


def test_a_place_without_an_airport_gets_those_around(places: Places) -> None:
    assert next(iter(near(places, "Суздаль"))) != ""
    assert "INN" in near(places, "Kitzbühel")
    assert "TBS" in near(places, "Мцхета")


def test_across_the_date_line(places: Places) -> None:
    # Taveuni in Fiji lies at 180 degrees.
    suva = near(places, "Suva")
    assert "SUV" in suva
    assert all(kilometres < 400 for kilometres in suva.values())


def test_no_military_bases_and_at_most_as_many_as_asked(places: Places) -> None:
    assert "ADW" not in near(places, "Washington")  # Joint Base Andrews
    assert len(near(places, "London", limit=3)) == 3


def test_names_in_russian_and_english(places: Places) -> None:
    svo, tbs = places.airport("SVO"), places.airport("tbs")
    assert svo is not None
    assert tbs is not None
    assert svo.name("ru") == "Шереметьево (SVO)"
    assert svo.name("en") == "Sheremetyevo International Airport (SVO)"
    assert tbs.name("ru") == "аэропорт Тбилиси (TBS)"
    assert places.airport("QQQ") is None
