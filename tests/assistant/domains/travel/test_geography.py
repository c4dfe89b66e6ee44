"""Distances against published ones, and the formula of flight times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.domains.travel.geography import distance_km, duration, flight_minutes, formula
from assistant.domains.travel.places import Place, Places


def test_the_example_of_geographiclib() -> None:
    # Wellington to Salamanca: 19959679.267 m, in the documentation of GeographicLib.
    with Places.open() as places:
        place = places.resolve("Москва")
    assert isinstance(place, Place)
    wellington = replace(place, latitude=-41.32, longitude=174.81)
    salamanca = replace(place, latitude=40.96, longitude=-5.50)
    assert distance_km(wellington, salamanca) == pytest.approx(19959.679267, abs=1e-6)
    assert distance_km(salamanca, wellington) == pytest.approx(19959.679267, abs=1e-6)


def test_between_airports() -> None:
    # 3,451 and 216 miles on the WGS84 ellipsoid: Great Circle Mapper (gcmap.com), LHR-JFK and LHR-CDG.
    with Places.open() as places:
        heathrow, kennedy, paris = (places.airport(code) for code in ("LHR", "JFK", "CDG"))
    assert heathrow is not None
    assert kennedy is not None
    assert paris is not None
    assert distance_km(heathrow, kennedy) == pytest.approx(3451 * 1.609344, abs=1.6)
    assert distance_km(heathrow, paris) == pytest.approx(216 * 1.609344, abs=1.6)
    assert distance_km(paris, paris) == 0


def test_a_flight_is_half_an_hour_and_800_km_an_hour() -> None:
    assert flight_minutes(800) == 90
    assert flight_minutes(8000) == 630
    assert flight_minutes(40) is None
    assert "800" in formula("en")
    assert "800" in formula("ru")


def test_durations() -> None:
    assert duration(155, "en") == "2 h 35 min"
    assert duration(60, "ru") == "1 ч"
    assert duration(0, "ru") == "0 мин"
