"""Airports near a place, nearest first."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians

from assistant.domains.travel.geography import distance_km
from assistant.domains.travel.places import Place, Places

SOURCE = "airportsdata"

_RADII = (60, 150, 400, 1000)  # km: the first within which there is one that people fly from


@dataclass(frozen=True)
class NearAirport:
    """An airport and how far it is, in kilometres as the crow flies."""

    airport: Place
    kilometres: float


def nearest_airports(places: Places, place: Place, limit: int = 4) -> list[NearAirport]:
    """The nearest airports with an IATA code; where there are several, those of large towns.

    The table does not say which have scheduled flights. What is named an air base, a heliport or an airstrip is not in
    it, and fields of villages beside an airport of a city are left out.
    """
    for radius in _RADII:
        found = [
            NearAirport(airport, kilometres)
            for airport in _within(places, place, radius)
            if (kilometres := distance_km(place, airport)) <= radius
        ]
        largest = max((each.airport.prominence for each in found), default=0)
        if largest > 0:
            used = [each for each in found if each.airport.prominence * 50 >= largest]
            return sorted(used, key=lambda each: each.kilometres)[:limit]
    return []


def _within(places: Places, place: Place, radius: float) -> list[Place]:
    north = radius / 110
    east = min(180.0, north / max(0.01, cos(radians(place.latitude))))
    return places.airports_in(
        (place.latitude - north, place.latitude + north), (place.longitude - east, place.longitude + east)
    )
