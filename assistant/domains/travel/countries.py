"""What countries are called, pay with and speak: CLDR's data by way of babel."""

from __future__ import annotations

from datetime import date

_SHORT = {  # CLDR gives the official name, or one with "о-ва"
    "en": {"HK": "Hong Kong", "MO": "Macao", "MM": "Myanmar", "PS": "Palestine", "CD": "DR Congo", "CG": "Congo"},
    "ru": {
        "HK": "Гонконг",
        "MO": "Макао",
        "MM": "Мьянма",
        "PS": "Палестина",
        "US": "США",
        "KR": "Южная Корея",
        "ZA": "ЮАР",
        "CD": "ДР Конго",
        "CG": "Конго",
    },
}

# Newer than babel's data: the euro in Bulgaria (Council of the European Union, 8 July 2025).
_NEW_CURRENCIES = {"BG": (date(2026, 1, 1), "EUR")}


def country_name(code: str, language: str) -> str:
    """In Russian or English, as CLDR has it but short; the code where it has none."""
    from babel import Locale

    name: str = _SHORT[language].get(code) or Locale(language).territories.get(code, code)
    return name.replace("о-ва", "острова").replace("о-в ", "остров ")


def thousands(number: int, language: str) -> str:
    """An integer as the language writes it: 1,234,567 or 1 234 567 (with narrow no-break spaces)."""
    return f"{number:,}".replace(",", "\u202f") if language == "ru" else f"{number:,}"


def time_zones(country: str) -> list[str]:
    """Those of the country, of the IANA database; none when CLDR does not say."""
    from babel.core import get_global

    return list(get_global("territory_zones").get(country, ()))


def currencies(country: str, on: date, language: str) -> list[tuple[str, str]]:
    """Codes and names of the money that is legal tender that day."""
    from babel import Locale
    from babel.numbers import get_territory_currencies

    since, code = _NEW_CURRENCIES.get(country, (date.max, ""))
    codes = [code] if on >= since else get_territory_currencies(country, start_date=on, end_date=on)
    names = Locale(language).currencies
    return [(each, names.get(each, each)) for each in codes]


def languages(country: str, language: str) -> list[tuple[str, str, bool]]:
    """Codes and names of the languages of a country and whether each is official there, most spoken first.

    Without official status only those that a third of the people speak; English learnt at school is among them.
    """
    from babel import Locale
    from babel.languages import get_territory_language_info

    names = Locale(language).languages
    found = []
    for code, told in get_territory_language_info(country).items():
        official = told["official_status"] in ("official", "de_facto_official")
        if official or float(told["population_percent"] or 0) >= 33:
            found.append((code, names.get(code, code), official))
    return sorted(found, key=lambda each: not each[2])


def cldr() -> str:
    """The source's name, for people."""
    from importlib.metadata import version

    return f"Unicode CLDR (babel {version('babel')})"
