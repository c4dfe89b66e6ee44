"""What the chat says, in English and Russian. A test holds both to the same keys and placeholders."""

from __future__ import annotations

from assistant.language import Language
from assistant.tui.english import ENGLISH
from assistant.tui.russian import RUSSIAN

LANGUAGES = {"en": ENGLISH, "ru": RUSSIAN}


class Strings:
    """The strings of one language: ``strings("key", name=value)``."""

    def __init__(self, language: str = "en"):
        self.language: Language = "ru" if language == "ru" else "en"
        self._strings = LANGUAGES[self.language]

    def __call__(self, key: str, **values: object) -> str:
        return self._strings[key].format(**values)

    def size(self, size: float) -> str:
        """Bytes in the unit that people read."""
        if size >= 1e9:
            return self("gb", value=self.number(size / 1e9, 1))
        return self("mb", value=self.number(size / 1e6))

    def number(self, value: float, digits: int = 0) -> str:
        """A number as this language writes it."""
        text = f"{value:,.{digits}f}"
        return text.replace(",", "\u202f").replace(".", ",") if self.language == "ru" else text
