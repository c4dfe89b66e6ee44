"""Prices that the user gives, and sums of them: exact decimal numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from models.errors import UsageError

LARGEST = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Price:
    """A price that the user gave: ``amount`` is the sum; ``terms`` how it was written.

    Attributes:
        per: what the amount is for one of: night, day, person; none: for all.
    """

    name: str
    amount: Decimal
    currency: str
    terms: str
    per: tuple[str, ...] = ()


_AMOUNT = (
    r"\s*=\s*(?P<before>[$€£₽₾¥]?)\s*(?P<terms>-?\d[\d\s.,]*(?:[*x×х+]\s*-?\d[\d\s.,]*)*)"
    r"\s*(?P<currency>[$€£₽₾¥]|[A-Za-zА-Яа-яё]{1,8}\.?)?"
)
_PRICE = re.compile(r"(?P<name>[^\W\d_][\w .'’/()-]{0,40}?)" + _AMOUNT)
# Within a request the word before the sign is the name, and a currency has a sign, a code or a beginning that is known.
_WITHIN = re.compile(
    r"(?P<name>[^\W\d_][\w-]{0,40})"
    r"\s*=\s*[$€£₽₾¥]?\s*-?\d[\d.,]*(?:\s*[*x×х+]\s*-?\d[\d.,]*)*(?<![.,])"
    r"(?:\s*(?:[$€£₽₾¥]|[A-Z]{3}(?!\w)|(?:руб|р|евро|доллар|euro|dollar|pound)\w*\.?))?(?!\w)"
)


_CURRENCY = (
    r"[$€£₽₾¥₺₸]|(?:USD|EUR|RUB|GBP|GEL|TRY|JPY|CNY|CHF|KZT|AMD|AZN|UZS|THB|AED|INR|PLN|CZK)(?!\w)"
    r"|(?:руб|доллар|бакс|евро|лари|лир[аыу]?|тенге|драм|манат|юан|иен|бат|злот|крон|франк|форинт|дирхам|рупи|сум"
    r"|euro|dollar|buck|pound|ruble|rouble|lari|lira|yen|yuan|baht|zlot|franc|dirham|rupee|quid|фунт)\w*\.?|р(?:\.|(?!\w))"
)
_RATES = {
    "night": r"ноч\w+|night",
    "day": r"сут(?:ки|\.)?|день|day",
    "person": r"челов\w+|чел\.?|нос|person|head|pax|adult",
}
_EACH = r"(?:за\s+|в\s+|с\s+|на\s+|per\s+|an?\s+|each\s+|every\s+|/\s*)(?:1\s+|одн\w+\s+|кажд\w+\s+)?"
_NUMERAL = r"\d{1,3}(?:[ \u00a0\u202f,]\d{3})+(?!\d)|\d+(?:[.,]\d{1,2}(?!\d))?"
_MONEY = re.compile(
    rf"(?<![\w.,])(?:(?P<before>[$€£₽₾¥₺])\s?)?(?P<amount>{_NUMERAL})\s?(?P<thousand>(?:тыс\w*\.?|[kк])(?!\w))?\s?"
    rf"(?P<currency>{_CURRENCY})?(?P<rates>(?:\s?{_EACH}(?:{'|'.join(_RATES.values())}|недел\w+|week)(?!\w)"
    rf"|\s(?:each|apiece|pp|кажд\w+)(?!\w))*)",
    re.IGNORECASE,
)
_NAME_BEFORE = re.compile(
    r"(?P<name>[^\W\d_][\w-]*)[\s:=–—-]+(?:(?:сто[ия]т|по|за|около|примерно|будет|обойд\w+|в|is|are|costs?|at|for|about"
    r"|around|roughly|~)\s+)*~?$",
    re.IGNORECASE,
)
_NO_ITEM = re.compile(
    r"бюджет\w*|budget|макс\w*|max\w*|лимит|limit|до|under|дороже|to|than|или|or|и|and|есть|have|всего|total|about|около|with|с"
    r"|за|for|на|по|around|only|just|только|spend|потратить|из|of",
    re.IGNORECASE,
)
_SIGNS = (
    ("₽", r"руб\w*|р|rub|rubles?|roubles?"),
    ("€", r"eur|euros?|евро"),
    ("$", r"usd|dollars?|bucks?|доллар\w*|бакс\w*"),
)


def sign(currency: str) -> str:
    """One way of writing for one currency, so that its sums add up."""
    return next((sign for sign, words in _SIGNS if re.fullmatch(words, currency, re.IGNORECASE)), currency)


def _money(text: str) -> Iterator[re.Match[str]]:
    for match in _MONEY.finditer(text):
        known = match["before"] or match["currency"] or (match["thousand"] and not match["rates"])
        if known:
            yield match


def money_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of sums of money in a request, with what they are for ("80 лари в сутки")."""
    return [match.span() for match in _money(text)]


def spoken_prices(text: str) -> list[Price]:
    """Prices that are told in passing, by the word before them: "отель 80 лари в сутки", "tickets $109 each".

    A budget or an upper bound is no price of anything.
    """
    found = []
    for match in _money(text):
        name = _NAME_BEFORE.search(text[: match.start()])
        if not name or _NO_ITEM.fullmatch(name["name"]):
            continue
        amount = _decimal(match["amount"]) * (1000 if match["thousand"] else 1)
        rates = match["rates"].lower()
        per = tuple(unit for unit, words in _RATES.items() if re.search(rf"(?<!\w)(?:{words})(?!\w)", rates))
        if re.search(r"each|apiece|pp|кажд\w+$", rates) and "person" not in per:
            per = (*per, "person")
        currency = (match["currency"] or match["before"] or "").rstrip(".")
        if re.search(r"недел|week", rates):
            continue  # not a whole number of them
        found.append(Price(name["name"], amount, currency, money((currency, amount)), per))
    return found


def price(text: str) -> Price:
    """``hotel=80*5``, ``билеты = 12 500,50 + 800 руб``: a name, then numbers with ``*`` and ``+``, perhaps a currency.

    Raises:
        UsageError: it is not of this form, negative, or beyond all bounds.
    """
    match = _PRICE.fullmatch(text.strip())
    if not match:
        raise UsageError(f"This is no price: {text!r}.", "Write NAME=AMOUNT, for example hotel=80*5 or food=30*5 EUR.")
    try:
        amount = sum((_product(part) for part in match["terms"].split("+")), Decimal(0))
    except InvalidOperation:
        raise UsageError(f"This is no amount: {match['terms']!r}.", "Write it like 80*5 or 12500.50.") from None
    if not 0 <= amount <= LARGEST:
        raise UsageError(f"{match['name']} cannot cost {amount}.", "A price is zero or more, and finite.")
    currency = (match["currency"] or match["before"] or "").rstrip(".")
    return Price(match["name"].strip(), amount, currency, " ".join(match["terms"].split()))


def prices_in(text: str) -> list[Price]:
    """Those that stand in a request.

    Raises:
        UsageError: as :func:`price`.
    """
    written = [price(match[0]) for match in _WITHIN.finditer(text)]
    return written + spoken_prices(_WITHIN.sub(lambda match: "\0" * len(match[0]), text))


def price_spans(text: str) -> tuple[tuple[int, int], ...]:
    """(start, end) of the prices in a request."""
    return (*(match.span() for match in _WITHIN.finditer(text)), *money_spans(text))


def _product(text: str) -> Decimal:
    result = Decimal(1)
    for factor in re.split(r"[*x×х]", text):
        result *= _decimal(factor)
    return result


def _decimal(text: str) -> Decimal:
    digits = re.sub(r"\s", "", text).strip()
    if "," in digits and "." in digits:  # the last one is the decimal sign
        decimal = max(",.", key=digits.rfind)
        digits = digits.replace(".,"[decimal == "."], "").replace(decimal, ".")
    elif re.fullmatch(r"-?\d{1,3}(,\d{3})+", digits):
        digits = digits.replace(",", "")
    return Decimal(digits.replace(",", "."))


def money(one: Price | tuple[str, Decimal]) -> str:
    """An amount as it is written: no exponent, no rounding, its currency behind it."""
    currency, amount = one if isinstance(one, tuple) else (one.currency, one.amount)
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text} {currency}".rstrip()
