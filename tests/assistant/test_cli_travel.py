"""``assistant travel`` as a user types it: facts, distance, holidays and places."""

from __future__ import annotations

import json

import pytest

from assistant.cli import main


def run(*args: str) -> int:
    try:
        main(["travel", *args])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_facts_with_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("facts", "Тбилиси", "--on", "2026-05-01", "--from", "Москва", "--lang", "ru") == 0
    out = capsys.readouterr().out
    assert "UTC+04:00 (01.05.2026)" in out
    assert "грузинский лари (GEL)" in out
    assert "GeoNames (geonames.org, CC BY 4.0)" in out
    assert "проверьте: цены на билеты" in out
    assert "оценка" in out
    assert "\x1b" not in out


def test_facts_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("facts", "New", "York", "--on", "2026-03-09", "--from", "London", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["place"]["name_en"] == "New York City"
    assert told["home"]["country"] == "GB"
    assert told["facts"]["utc_offset"]["value"] == -240
    assert told["facts"]["currency"]["value"] == ["USD"]
    assert "weather" in told["check_online"]


def test_distance(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("distance", "из Москвы", "до Нижнего Новгорода", "--lang", "ru") == 0
    out = capsys.readouterr().out
    assert "402 км" in out or "403 км" in out or "401 км" in out
    assert "по прямой" in out
    assert run("distance", "LHR", "JFK", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["km"] == pytest.approx(3451 * 1.609344, abs=1.6)  # miles of gcmap.com
    assert told["flight_minutes"] == 445
    assert "800 km/h" in told["flight_formula"]


def test_holidays_of_a_country_or_of_a_town(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("holidays", "Грузия", "--year", "2026", "--lang", "ru") == 0
    out = capsys.readouterr().out
    assert "2026-05-26  вт  День независимости" in out
    for name in ("Georgia", "Tbilisi", "GE", "в Грузии"):
        assert run("holidays", name, "--year", "2026", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["country"] == "GE"
        assert {"date": "2026-05-26", "name": "Independence Day"} in told["holidays"]


def test_places_lists_what_a_name_may_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("places", "Paris") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Paris, France" in lines[0]
    assert any(line.endswith("Paris, Texas") for line in lines)
    assert run("places", "в Тбилиси", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["places"][0]["id"] == 611717


def test_an_ambiguous_place_is_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("facts", "Кембридж", "--lang", "ru") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "«Кембридж, Англия»" in err
    assert "«Кембридж, Массачусетс»" in err
    assert run("facts", "Кембридж, Массачусетс", "--lang", "ru", "--on", "2026-05-01") == 0
    assert "America/New_York" in capsys.readouterr().out
    assert run("distance", "Москва", "Валенсия", "--json") == 2


def test_a_slip_is_asked_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("facts", "Лондн", "--lang", "ru") == 2
    assert "«Лондон»" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["facts"], 2, "Name a place"),
        (["facts", ""], 2, "Name a place"),
        (["facts", "Нарния"], 1, "no place Нарния"),
        (["facts", "😀"], 1, "no place 😀"),
        (["facts", "'; drop table place; --"], 1, "no place"),
        (["facts", "я" * 10_000], 1, "no place яяя"),
        (["facts", "\x1b[31mred"], 1, "no place"),
        (["facts", "Tbilisi", "--on", "2026-02-31"], 2, "no day 2026-02-31"),
        (["facts", "Tbilisi", "--on", "31.02.2026"], 2, "no day 31.02.2026"),
        (["facts", "Tbilisi", "--on", "tomorrow"], 2, "no day tomorrow"),
        (["facts", "Tbilisi", "--on", "0001-01-01"], 2, "year 1."),
        (["facts", "Tbilisi", "--on", "9999-12-31"], 2, "year 9999."),
        (["facts", "Tbilisi", "--from", ""], 2, "Name a place"),
        (["facts", "Tbilisi", "--from", "Нарния"], 1, "no place Нарния"),
        (["distance", "Tbilisi", " "], 2, "Name a place"),
        (["holidays", "Georgia", "--year", "1"], 2, "from 1970 to 2100"),
        (["holidays", "Georgia", "--year", "-5"], 2, "from 1970 to 2100"),
        (["holidays", "Georgia", "--year", "99999999999999999999"], 2, "from 1970 to 2100"),
        (["holidays", "Narnia"], 1, "no place Narnia"),
        (["places", "zzzzzz"], 1, "no place zzzzzz"),
    ],
)
def test_bad_input(capsys: pytest.CaptureFixture[str], args: list[str], code: int, said: str) -> None:
    assert run(*args) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "\x1b[31m" not in err.replace("\x1b[31m\x1b[1merror:", "")
    assert len(err) < 2_000


def test_nothing_heavy_is_imported_for_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    out = capsys.readouterr().out
    for name in ("plan", "facts", "distance", "holidays", "places"):
        assert f"  {name} " in out
    assert "GeoNames" in out
