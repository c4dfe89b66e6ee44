"""What countries are called, pay with and speak: CLDR's data by way of babel."""

from __future__ import annotations

_SHORT = {  # CLDR gives the official name, or one with "о-ва"
    "en": {"HK": "Hong Kong", "MO": "Macao", "MM": "Myanmar", "PS": "Palestine", "CD": "DR Congo", "CG": "Congo"},
    "ru": {
        "HK": "Гонконг",
        "MO": "Макао",
        "MM": "Мьянма",
        "PS": "Палестина",
        "US": "США",
        "ZA": "ЮАР",
        "CD": "ДР Конго",
        "CG": "Конго",
    },
}


def country_name(code: str, language: str) -> str:
    """In Russian or English, as CLDR has it but short; the code where it has none."""
    from babel import Locale

    name: str = _SHORT[language].get(code) or Locale(language).territories.get(code, code)
    return name.replace("о-ва", "острова").replace("о-в ", "остров ")


def thousands(number: int, language: str) -> str:
    """An integer as the language writes it: 1,234,567 or 1 234 567 (with narrow no-break spaces)."""
    return f"{number:,}".replace(",", "\u202f") if language == "ru" else f"{number:,}"
