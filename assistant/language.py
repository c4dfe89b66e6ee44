"""Which language the program speaks to the user."""

from __future__ import annotations

import locale
import os
from typing import Literal

Language = Literal["en", "ru"]


def interface_language(setting: str = "auto") -> Language:
    """The language of the settings, or the locale's where they say ``auto``."""
    if setting != "auto":
        return "ru" if setting == "ru" else "en"
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "ru" if value.lower().startswith("ru") else "en"
    return "ru" if (locale.getlocale()[0] or "").lower().startswith("ru") else "en"
