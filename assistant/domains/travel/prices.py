"""Prices that the user gives, and sums of them: exact decimal numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from models.errors import UsageError

LARGEST = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Price:
    """A price that the user gave: ``amount`` is the sum; ``terms`` how it was written."""

    name: str
    amount: Decimal
    currency: str
    terms: str


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
    return [price(match[0]) for match in _WITHIN.finditer(text)]


def price_spans(text: str) -> tuple[tuple[int, int], ...]:
    """(start, end) of the prices in a request."""
    return tuple(match.span() for match in _WITHIN.finditer(text))


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
