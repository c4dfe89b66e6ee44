"""Built-in texts in English and Russian: prose, dialogue, instructions, code and tables, our own or public domain.

One part is for importance matrices, the other for measuring quality: a file must not be judged by the text that it was
fitted to.
"""

from __future__ import annotations

import itertools
from importlib import resources

_LANGUAGES = ("en", "ru")
_HELD_BACK = 3  # every so manieth section is for measuring


def calibration_text() -> str:
    """For importance matrices, the languages in turn."""
    return "\n\n".join(text for number, text in enumerate(_sections(), 1) if number % _HELD_BACK)


def evaluation_text() -> str:
    """For measuring quality."""
    return "\n\n".join(text for number, text in enumerate(_sections(), 1) if not number % _HELD_BACK)


def _sections() -> list[str]:
    """In both languages in pairs; two empty lines stand between sections."""
    folder = resources.files("convert.calibration")
    texts = [folder.joinpath(f"{language}.txt").read_text(encoding="utf-8") for language in _LANGUAGES]
    pairs = itertools.zip_longest(*(text.split("\n\n\n") for text in texts), fillvalue="")
    return ["\n\n".join(section.strip("\n") for section in pair if section) for pair in pairs]
