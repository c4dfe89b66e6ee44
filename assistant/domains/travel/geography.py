"""Distances on the ellipsoid, and how long a flight of that length takes by a formula."""

from __future__ import annotations

from assistant.domains.travel.places import Place

SOURCE = "WGS84, geographiclib"
# Of airliners: taxiing, climb and approach as half an hour on top of cruising, and the detours of airways in the speed.
CRUISE_KM_PER_HOUR = 800
GROUND_MINUTES = 30
NO_FLIGHT_BELOW_KM = 150
_STEP = 5  # minutes: the estimate is no more exact than that


def distance_km(one: Place, other: Place) -> float:
    """Kilometres of the shortest way over the WGS84 ellipsoid (Karney, 2013, Algorithms for geodesics)."""
    from geographiclib.geodesic import Geodesic

    ends = (one.latitude, one.longitude, other.latitude, other.longitude)
    return float(Geodesic.WGS84.Inverse(*ends, Geodesic.DISTANCE)["s12"]) / 1000


def flight_minutes(kilometres: float) -> int | None:
    """An estimate for a flight without a stop: half an hour and 800 km an hour. None: too near to fly.

    It knows no schedule, wind, detour or closed airspace.
    """
    if kilometres < NO_FLIGHT_BELOW_KM:
        return None
    return _STEP * round((GROUND_MINUTES + kilometres / CRUISE_KM_PER_HOUR * 60) / _STEP)


def formula(language: str) -> str:
    """How :func:`flight_minutes` comes to its number, for people."""
    if language == "ru":
        how = f"{GROUND_MINUTES} мин + расстояние / {CRUISE_KM_PER_HOUR} км/ч"
        return f"{how}, без пересадок; это не расписание"
    return f"{GROUND_MINUTES} min + distance / {CRUISE_KM_PER_HOUR} km/h, stops not counted; no timetable"


def duration(minutes: int, language: str) -> str:
    """``2 h 35 min`` or ``2 ч 35 мин``."""
    hour, minute = ("ч", "мин") if language == "ru" else ("h", "min")
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} {hour}"] * bool(hours) + [f"{rest} {minute}"] * bool(rest or not hours)
    return " ".join(parts)
