"""A place on earth, and a name that may be several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GEONAMES = "GeoNames (geonames.org, CC BY 4.0)"


@dataclass(frozen=True)
class Place:
    """A place on earth.

    Attributes:
        id: of GeoNames; below zero for what only our tables have.
        kind: city, country, region, island, lake, mountain or airport.
        country: ISO 3166 code of two letters.
        region_en, region_ru: state or oblast, where the table names it.
        latitude, longitude: in degrees.
        timezone: of the IANA database.
        population: 0 where it is not known.
        stands: what the coordinates and the time zone are of when not of the place itself: ``airport:DPS`` or
            ``city:611717`` (a capital).
        iata: of an airport.
    """

    id: int
    kind: str
    name_en: str
    name_ru: str
    country: str
    region_en: str | None
    region_ru: str | None
    latitude: float
    longitude: float
    timezone: str
    population: int
    prominence: int
    stands: str = ""
    iata: str = ""

    def name(self, language: str) -> str:
        """In Russian or English; the English one where there is no Russian."""
        return self.name_ru if language == "ru" else self.name_en

    def region(self, language: str) -> str | None:
        """State, province or oblast."""
        return self.region_ru if language == "ru" else self.region_en

    def to_json(self, language: str) -> dict[str, Any]:
        """For programs; coordinates in degrees, population None where it is not known."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name(language),
            "name_en": self.name_en,
            "name_ru": self.name_ru,
            "country": self.country,
            "region": self.region(language),
            "latitude": round(self.latitude, 5),
            "longitude": round(self.longitude, 5),
            "timezone": self.timezone,
            "population": self.population or None,
            "iata": self.iata or None,
            "source": self.source,
        }

    @property
    def source(self) -> str:
        """Where its name and numbers come from, for people."""
        if self.kind == "airport":
            return f"airportsdata {self.iata}"
        if self.stands.startswith("airport:"):
            return f"airportsdata {self.stands[8:]}"
        return f"{GEONAMES} no. {self.stands[5:] or self.id}" if self.id < 0 else f"{GEONAMES} no. {self.id}"


@dataclass(frozen=True)
class Ambiguous:
    """A name that may be several places, best first; ``misspelt`` when none has exactly this name."""

    text: str
    candidates: tuple[Place, ...]
    misspelt: bool = False
