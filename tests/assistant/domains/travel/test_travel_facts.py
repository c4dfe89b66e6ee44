"""Facts against values known from elsewhere; the source stands beside each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from assistant.domains.travel import clock, countries
from assistant.domains.travel.facts import CHECK_ONLINE, Facts, facts
from assistant.domains.travel.places import Place, Places
from assistant.domains.travel.public_holidays import holidays_between
from models.errors import UsageError


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    with Places.open() as table:
        yield table


def one(places: Places, text: str) -> Place:
    found = places.resolve(text)
    assert isinstance(found, Place)
    return found


def known(places: Places, text: str, on: str, home: str | None = None, language: str = "en", **more: Any) -> Facts:
    origin = one(places, home) if home else None
    return facts(one(places, text), date.fromisoformat(on), origin, language, places=places, **more)


def value(found: Facts, key: str) -> Any:
    fact = found.get(key)
    assert fact is not None, key
    assert fact.source
    assert fact.text
    return fact.value


def test_a_trip_to_tbilisi_in_russian(places: Places) -> None:
    found = known(places, "Тбилиси", "2026-05-01", "Москва", "ru", until=date(2026, 5, 12))
    assert value(found, "country") == "GE"
    assert value(found, "utc_offset") == 240  # UTC+4, no summer time: timeanddate.com
    assert value(found, "offset_to_home") == 60
    assert value(found, "currency") == ["GEL"]
    assert value(found, "languages")[0] == {"code": "ka", "official": True}
    assert value(found, "distance") == pytest.approx(1645, abs=10)
    assert value(found, "flight_time") == 155
    assert value(found, "airports")[0]["iata"] == "TBS"
    # Labour Code of Georgia, article 30: 9 May and 12 May; of Russia, article 112: 1 May and 9 May.
    there = {each["date"]: each["name"] for each in value(found, "holidays_there")}
    assert {"2026-05-09", "2026-05-12"} == set(there)
    home = {each["date"]: each["name"] for each in value(found, "holidays_home")}
    assert home["2026-05-09"] == "День Победы"
    assert "Праздник Весны и Труда" in home["2026-05-01"]
    told = found.to_json()
    assert json.loads(json.dumps(told, ensure_ascii=False)) == told
    assert told["facts"]["currency"]["text"] == "грузинский лари (GEL)"
    assert told["check_online"] == list(CHECK_ONLINE["ru"])
    assert all(fact["source"] for fact in told["facts"].values())


@pytest.mark.parametrize(
    ("place", "on", "minutes"),
    [
        ("Mumbai", "2026-07-01", 330),
        ("Kathmandu", "2026-07-01", 345),
        ("Moscow", "2026-01-01", 180),  # no summer time since 2014: Federal law 248-FZ
        ("Moscow", "2026-07-01", 180),
        ("Honolulu", "2026-07-01", -600),
        ("New York", "2026-03-07", -300),
        ("New York", "2026-03-09", -240),
        ("St. John's, Newfoundland", "2026-01-15", -210),
    ],
)
def test_offsets_from_utc(places: Places, place: str, on: str, minutes: int) -> None:
    assert value(known(places, place, on), "utc_offset") == minutes


def test_the_clock_changes_in_the_period(places: Places) -> None:
    # The last Sunday of March: directive 2000/84/EC; the second: Energy Policy Act of 2005.
    berlin = known(places, "Berlin", "2026-03-20", until=date(2026, 4, 5))
    assert value(berlin, "clock_change") == [{"date": "2026-03-29", "before": 60, "after": 120}]
    york = clock.clock_changes("America/New_York", date(2026, 1, 1), date(2026, 12, 31))
    assert [each[0] for each in york] == [date(2026, 3, 8), date(2026, 11, 1)]
    assert known(places, "Москва", "2026-03-20", until=date(2026, 4, 5)).get("clock_change") is None


@pytest.mark.parametrize(
    ("place", "sunrise", "sunset"),
    # timeanddate.com, 21 June 2026.
    [("London", "04:43", "21:21"), ("Москва", "03:44", "21:18"), ("Auckland", "07:33", "17:11")],
)
def test_the_sun(places: Places, place: str, sunrise: str, sunset: str) -> None:
    sun = value(known(places, place, "2026-06-21"), "daylight")
    for told, expected in ((sun["sunrise"], sunrise), (sun["sunset"], sunset)):
        minutes = [int(each[:2]) * 60 + int(each[3:]) for each in (told, expected)]
        assert abs(minutes[0] - minutes[1]) <= 3, (told, expected)


def test_polar_day_and_night(places: Places) -> None:
    day = value(known(places, "Murmansk", "2026-06-21"), "daylight")
    assert day == {"sunrise": None, "sunset": None, "minutes": 1440}
    night = known(places, "Мурманск", "2026-12-22", language="ru")
    assert value(night, "daylight")["minutes"] == 0
    assert "полярная ночь" in night.to_json()["facts"]["daylight"]["text"]


def test_daylight_everywhere_and_on_every_day(places: Places) -> None:
    for name in ("Honolulu", "Auckland", "Apia", "Petropavlovsk-Kamchatsky", "Anchorage", "Quito", "Murmansk"):
        place = one(places, name)
        for number in range(0, 365, 7):
            on = date(2026, 1, 1) + timedelta(days=number)
            sun = clock.daylight(place, on)
            assert 0 <= sun.minutes <= 24 * 60
            if sun.sunrise and sun.sunset:
                assert sun.sunrise.date() == on
                assert sun.sunrise < sun.sunset


def test_money_of_the_day() -> None:
    # The euro came to Croatia on 1 January 2023 and to Bulgaria on 1 January 2026.
    assert countries.currencies("HR", date(2022, 12, 31), "en")[0][0] == "HRK"
    assert countries.currencies("HR", date(2023, 6, 1), "ru") == [("EUR", "евро")]
    assert countries.currencies("BG", date(2025, 12, 31), "en")[0][0] == "BGN"
    assert countries.currencies("BG", date(2026, 1, 1), "en")[0][0] == "EUR"


def test_holidays_that_move() -> None:
    thanksgiving = holidays_between("US", date(2026, 11, 20), date(2026, 11, 30), "en")
    assert thanksgiving is not None
    assert [(each.day, each.name) for each in thanksgiving] == [(date(2026, 11, 26), "Thanksgiving Day")]
    # Easter of the Eastern churches: 12 April 2026; of the Western ones: 5 April.
    easter = holidays_between("GE", date(2026, 4, 12), date(2026, 4, 12), "ru")
    assert easter is not None
    assert [each.name for each in easter] == ["Пасха"]
    assert holidays_between("DE", date(2026, 4, 6), date(2026, 4, 6), "ru")[0].name == "Пасхальный понедельник"  # type: ignore[index]
    # Independence Day fell on a Saturday in 2026, and is observed on Friday: 5 U.S.C. 6103.
    july = holidays_between("US", date(2026, 7, 1), date(2026, 7, 10), "ru")
    assert july is not None
    assert [(each.day.day, each.name) for each in july] == [
        (3, "День независимости (перенос)"),
        (4, "День независимости"),
    ]


def test_estimated_holidays_are_said_to_be_so() -> None:
    found = holidays_between("SO", date(2040, 1, 1), date(2040, 12, 31), "en")
    assert found is not None
    assert any("estimated" in each.name for each in found)


def test_holidays_that_are_not_known_are_said_to_be_missing(places: Places) -> None:
    assert holidays_between("ZZ", date(2026, 1, 1), date(2026, 12, 31), "en") is None
    assert holidays_between("GE", date(2101, 1, 1), date(2101, 12, 31), "en") is None
    found = known(places, "Tbilisi", "2100-12-20").get("holidays_there")
    assert found is not None
    assert found.value is None
    assert "check online" in found.text


def test_a_country_stands_at_its_capital(places: Places) -> None:
    found = known(places, "США", "2026-01-15", "Москва", "ru")
    assert value(found, "capital") == "Washington"
    assert "Вашингтон" in found.to_json()["facts"]["coordinates"]["text"]
    # From Hawaii to the East, 15 U.S.C. 263.
    assert found.to_json()["facts"]["timezone"]["text"].endswith("часовых поясов в стране: 6")
    assert value(found, "distance") == pytest.approx(7820, abs=40)


def test_nothing_is_told_of_home_where_there_is_none(places: Places) -> None:
    found = known(places, "Bali", "2026-07-01")
    assert found.get("distance") is None
    assert found.get("offset_to_home") is None
    assert found.get("population") is None
    at_home = known(places, "Москва", "2026-07-01", "Москва")
    assert at_home.get("distance") is None
    assert at_home.get("holidays_home") is None


@pytest.mark.parametrize("year", [1, 1969, 2101, 9999])
def test_years_of_which_nothing_is_known(places: Places, year: int) -> None:
    with pytest.raises(UsageError, match=str(year)):
        facts(one(places, "Tbilisi"), date(year, 12, 31), places=places)


def test_the_last_days_that_are_known(places: Places) -> None:
    assert known(places, "Tbilisi", "2100-12-31").get("utc_offset") is not None


def test_an_end_before_the_start(places: Places) -> None:
    with pytest.raises(UsageError, match="раньше"):
        known(places, "Tbilisi", "2026-05-05", language="ru", until=date(2026, 5, 1))
