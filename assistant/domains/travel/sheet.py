"""Sheets for a trip: what to pack, by facts of the trip, and a budget of the user's own prices.

No weather is guessed: the season follows from the month and the hemisphere, the rest is "check". Sums are exact decimal
arithmetic; what has no price stays empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from math import ceil, prod

from assistant.domains.travel.interests import kinds_of
from assistant.domains.travel.prices import Price, money, sign
from assistant.domains.travel.trip import Trip

MOST_CLOTHES = 7  # days' worth; a longer trip washes
_TROPIC = 23.4  # degrees: between the tropics the seasons are not these four

_SEASONS = {"en": ("winter", "spring", "summer", "autumn"), "ru": ("зима", "весна", "лето", "осень")}
_PACKED_FOR = {
    "beach": ("swimwear and a towel", "купальные вещи и полотенце"),
    "hiking": ("worn-in walking shoes, a small backpack, a water bottle", "разношенная обувь, небольшой рюкзак, фляга"),
    "nature": ("insect repellent", "средство от насекомых"),
    "religion": ("clothes that cover shoulders and knees", "одежда, закрывающая плечи и колени"),
    "photography": ("camera, spare battery and memory card", "камера, запасной аккумулятор и карта памяти"),
    "sport": ("sports clothes and shoes", "спортивная одежда и обувь"),
    "spa": ("swimwear and slippers", "купальные вещи и тапочки"),
    "theatre": ("something to dress up in", "нарядная одежда"),
    "music": ("earplugs", "беруши"),
    "nightlife": ("something to go out in", "одежда для вечера"),
    "books": ("a book", "книга"),
    "art": ("notebook and pencils", "блокнот и карандаши"),
    "museums": ("comfortable shoes", "удобная обувь"),
    "history": ("comfortable shoes", "удобная обувь"),
    "architecture": ("comfortable shoes", "удобная обувь"),
    "shopping": ("a foldable bag", "складная сумка"),
    "wine": ("a corkscrew in the checked bag", "штопор в багаж"),
    "food": ("a list of what not to eat, if there is any", "список того, что нельзя есть, если он есть"),
}


def packing(trip: Trip) -> list[str]:
    """What to pack, by the days, the season, the activities and the children of a trip."""
    russian = trip.language == "ru"

    def say(english: str, own: str) -> str:
        return own if russian else english

    items = [
        say("documents (check which are needed), copies of them", "документы (проверьте, какие нужны) и их копии"),
        say("bank cards and some cash", "банковские карты и немного наличных"),
        say("phone, charger, adapter (check the sockets)", "телефон, зарядка, переходник (проверьте розетки)"),
        say("medicines that you take, a small first-aid kit", "лекарства, которые вы принимаете, небольшая аптечка"),
        say("toiletries", "туалетные принадлежности"),
    ]
    if trip.days:
        sets = min(trip.days, MOST_CLOTHES)
        many = say(f"underwear and socks: {sets} sets each", f"бельё и носки: комплектов на каждого — {sets}")
        washing = say(", and something to wash them with", " и средство для стирки")
        items.append(many + (washing if trip.days > MOST_CLOTHES else ""))
    if season := season_of(trip):
        items.append(
            say(
                f"clothes for the season there: {season} (check the forecast)",
                f"одежда по сезону, там {season} (проверьте прогноз)",
            )
        )
    if trip.children:
        items.append(say("for children: snacks, a toy, spare clothes", "детям: перекус, игрушка, сменная одежда"))
    kinds = [kind for interest in trip.interests for kind in sorted(kinds_of(interest))]
    return list(dict.fromkeys([*items, *(_PACKED_FOR[kind][russian] for kind in kinds if kind in _PACKED_FOR)]))


def season_of(trip: Trip) -> str | None:
    """Of the four, by month and hemisphere; None between the tropics, or where no month is known."""
    months = [trip.start.month] if trip.start else [month for _, month in trip.months]
    place = trip.destination
    if not months or place is None or abs(place.latitude) < _TROPIC:
        return None
    numbers = {(month % 12 // 3 + (2 if place.latitude < 0 else 0)) % 4 for month in months}
    return _SEASONS[trip.language][numbers.pop()] if len(numbers) == 1 else None


_ROWS = (
    ("way", "Way there and back", "Дорога туда и обратно", r"flight|fare|train|bus|plane|ticket|билет|самол|поезд"
    r"|перел|дорог|авиа"),
    ("lodging", "Lodging", "Жильё", r"hotel|hostel|apartment|lodging|rooms?(?!\w)|airbnb|номер|отел"
    r"|гостиниц|жиль|квартир|хостел"),
    ("food", "Food", "Еда", r"food|meal|restaurant|lunch|dinner|breakfast|еда|пита|ресторан|обед|ужин|завтрак|кафе"
    r"|продукт"),
    ("transport", "Getting around", "Транспорт на месте", r"taxi|metro|car|transport|rent|такси|метро|машин"
    r"|транспорт|прокат"),
    ("entrance", "Tickets and tours", "Билеты и экскурсии", r"museum|tour|guide|excursion|entr|музе|экскурс|гид|вход"),
    ("insurance", "Insurance, visa", "Страховка, виза", r"insur|visa|страхов|виз"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Budget:
    """Rows of (what, how many, how it was worked out, amount); totals by currency, and for each of the travellers."""

    rows: tuple[tuple[str, str, str, str], ...]
    totals: tuple[tuple[str, Decimal], ...]
    each: tuple[tuple[str, Decimal], ...]


def budget(trip: Trip, prices: Sequence[Price]) -> Budget:
    """The user's prices in the usual rows; what has none stays empty."""
    russian = trip.language == "ru"
    prices = [_for_all(one, trip) for one in prices]
    many = _amounts(trip)
    rows: list[tuple[str, str, str, str]] = []
    placed: set[int] = set()
    for key, english, own, pattern in _ROWS:
        given = [
            i
            for i, one in enumerate(prices)
            if i not in placed and re.search(rf"(?<!\w)(?:{pattern})", one.name, re.IGNORECASE)
        ]
        placed.update(given)
        name = own if russian else english
        rows += [
            (f"{name}: {prices[i].name}", many.get(key, ""), prices[i].terms, money(prices[i])) for i in given
        ] or [(name, many.get(key, ""), "", "")]
    rows += [(one.name, "", one.terms, money(one)) for i, one in enumerate(prices) if i not in placed]
    totals: dict[str, Decimal] = {}
    written: dict[str, str] = {}
    for one in prices:
        currency = written.setdefault(sign(one.currency), one.currency)
        totals[currency] = totals.get(currency, Decimal(0)) + one.amount
    shares = _shares(totals.items(), trip.travellers) if trip.travellers and trip.travellers > 1 else ()
    return Budget(tuple(rows), tuple(totals.items()), tuple(shares))


def _for_all(one: Price, trip: Trip) -> Price:
    """What a price for a night, a day, a person comes to on this trip; as it is where that is not known."""
    lodging = re.match(_ROWS[1][3], one.name, re.IGNORECASE)
    days = trip.days or 0
    counts = {"night": days - 1, "day": days - 1 if lodging else days, "person": trip.travellers or 0}
    factors = [counts[unit] for unit in one.per]
    if not factors or min(factors) < 1:
        return one
    amount = one.amount * prod(factors)
    return replace(one, amount=amount, terms=" × ".join([one.terms, *map(str, factors)]), per=())


def _shares(totals: Iterable[tuple[str, Decimal]], travellers: int) -> list[tuple[str, Decimal]]:
    return [(currency, (total / travellers).quantize(Decimal("0.01"), ROUND_HALF_UP)) for currency, total in totals]


def _amounts(trip: Trip) -> dict[str, str]:
    """How many of what a row counts, where the trip says."""
    people, days = trip.travellers or 0, trip.days or 0
    russian = trip.language == "ru"
    found = {}
    if days > 1:
        nights = days - 1
        rooms = ceil(people / 2) if people else 0
        found["lodging"] = f"ночей: {nights}" if russian else f"nights: {nights}"
        found["lodging"] += (
            (f", двухместных номеров: {rooms}" if russian else f", double rooms: {rooms}") if rooms > 1 else ""
        )
    if days and people:
        found["food"] = f"{people} × {days} = {people * days}" + (
            " (человек × дней)" if russian else " (people × days)"
        )
    if people:
        found["way"] = f"человек: {people}" if russian else f"people: {people}"
    return found
