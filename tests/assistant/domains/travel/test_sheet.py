"""Packing by facts, budgets by exact arithmetic."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from assistant.domains.travel.places import Place, Places
from assistant.domains.travel.prices import money, price, prices_in
from assistant.domains.travel.sheet import budget, packing, season_of
from assistant.domains.travel.trip import Trip
from models.errors import UsageError


def trip(place: str = "Rome", **fields: object) -> Trip:
    with Places.open() as places:
        found = places.resolve(place)
    assert isinstance(found, Place)
    known: dict[str, object] = {"request": "", "language": "en", "destinations": (found,), "days": 5, "travellers": 2}
    return Trip(**{**known, **fields})  # type: ignore[arg-type]


def test_prices_are_multiplied_and_added_exactly() -> None:
    assert price("hotel=80*5").amount == 400
    assert price("отель = 12 500,50 + 800*2 руб").amount == Decimal("14100.50")
    assert price("food=0.1*3").amount == Decimal("0.3")
    assert money(price("food=0.10*3 EUR")) == "0.3 EUR"
    assert price("taxi=$1,200.50").currency == "$"
    assert [one.name for one in prices_in("A week in Rome, hotel=80*7 EUR, food=30*7 EUR")] == ["hotel", "food"]


@pytest.mark.parametrize(
    "text", ["hotel", "hotel=", "=5", "hotel=-5", "hotel=5*-3", "hotel=abc", "hotel=9e99", "x=" + "9" * 20]
)
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        price(text)


def test_totals_by_currency_and_person() -> None:
    sheet = budget(trip(travellers=3), [price("hotel=100 EUR"), price("taxi=0.10 EUR"), price("ticket=50 USD")])
    assert sheet.totals == (("EUR", Decimal("100.10")), ("USD", Decimal(50)))
    assert sheet.each == (("EUR", Decimal("33.37")), ("USD", Decimal("16.67")))
    amounts = {row[0]: row[3] for row in sheet.rows}
    assert amounts["Lodging: hotel"] == "100 EUR"
    assert amounts["Food"] == ""


def test_without_prices_there_is_no_total() -> None:
    sheet = budget(trip(), [])
    assert sheet.totals == ()
    assert all(row[3] == "" for row in sheet.rows)


def test_the_season_follows_the_hemisphere() -> None:
    assert season_of(trip(start=date(2027, 1, 5))) == "winter"
    assert season_of(trip("Sydney, Australia", start=date(2027, 1, 5))) == "summer"
    assert season_of(trip("Singapore", start=date(2027, 1, 5))) is None
    assert season_of(trip()) is None


def test_packing_follows_interests_children_and_days() -> None:
    listed = "\n".join(packing(trip(interests=("hiking", "beaches"), children=True, days=20)))
    assert "7 sets" in listed
    assert "swimwear" in listed
    assert "walking shoes" in listed
    assert "for children" in listed
    assert "swimwear" not in "\n".join(packing(trip()))


@pytest.mark.parametrize(
    ("text", "prices"),
    [
        ("отель 80 лари в сутки; бюджет 150 тыс руб", [("отель", "80", "лари", ("day",))]),
        ("Hotel is $180 per night, tickets $109 per day each",
         [("Hotel", "180", "$", ("night",)), ("tickets", "109", "$", ("day", "person"))]),
        ("hostels max 40€/night, 5 days from 3 May 2027 for 2", []),
        ("билеты 12 500 р. с человека, номер стоит 5 тыс рублей за ночь",
         [("билеты", "12500", "р", ("person",)), ("номер", "5000", "рублей", ("night",))]),
    ],
)  # fmt: skip
def test_prices_told_in_passing(text: str, prices: list[tuple[str, str, str, tuple[str, ...]]]) -> None:
    assert [(one.name, str(one.amount), one.currency, one.per) for one in prices_in(text)] == prices


def test_a_price_for_a_night_or_a_person_is_multiplied() -> None:
    rows = budget(trip(days=5, travellers=3), prices_in("hotel 80 EUR a night, food 20 EUR per person per day")).totals
    assert rows == (("EUR", Decimal(80 * 4 + 20 * 3 * 5)),)
