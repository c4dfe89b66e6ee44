"""Languages by code and name, and whether a text may be in one of them."""

from __future__ import annotations

import re

from assistant.memory.stemming import STOP_WORDS, language_of
from assistant.tasks.length import words_of

SAME = ""  # the language of a text of which nothing more is known

_LATIN = """
ca Catalan, cs Czech, da Danish, de German, en English, es Spanish, et Estonian, fi Finnish, fr French, hr Croatian,
hu Hungarian, id Indonesian, it Italian, lt Lithuanian, lv Latvian, nl Dutch, no Norwegian, pl Polish, pt Portuguese,
ro Romanian, sk Slovak, sl Slovenian, sv Swedish, tr Turkish, uz Uzbek, vi Vietnamese
"""
_CYRILLIC = "be Belarusian, bg Bulgarian, kk Kazakh, ru Russian, sr Serbian, uk Ukrainian"
_OTHER = """
ar Arabic, bn Bengali, el Greek, fa Persian, he Hebrew, hi Hindi, hy Armenian, ja Japanese, ka Georgian, ko Korean,
th Thai, zh Chinese
"""
UNSPACED = ("ja", "zh")  # no spaces part their words; a word is a character
_SCRIPTS = {"en": _LATIN, "ru": _CYRILLIC, "other": _OTHER}  # as language_of calls them
_NAMES = {code: name for table in _SCRIPTS.values() for code, name in (pair.split() for pair in table.split(","))}
_SCRIPT_OF = {pair.split()[0]: script for script, table in _SCRIPTS.items() for pair in table.split(",")}
_OWN_NAMES = {"русский": "ru", "по-русски": "ru", "английский": "en", "по-английски": "en", "deutsch": "de"}
_CODES = {name.casefold(): code for code, name in _NAMES.items()} | _OWN_NAMES

_LONGEST_NAME = 40
_TELLING = 15  # words that are enough to tell languages of one script apart
_SMALL_WORDS = 0.12  # of running text in English or Russian at least so many are stop words
_WORD = re.compile(r"[^\W\d_]+")


def code_of(language: str) -> str:
    """A language by the name it has here: its code, or what the user called it.

    >>> code_of("Russian"), code_of("DE"), code_of("en_US"), code_of("Esperanto")
    ('ru', 'de', 'en', 'Esperanto')
    """
    said = " ".join(language.split())
    code = re.split("[-_]", said.casefold())[0]
    return _CODES.get(said.casefold()) or (code if code in _NAMES else said[:_LONGEST_NAME])


def name_of(language: str) -> str:
    """In English."""
    return _NAMES.get(language, language)


def known_language(text: str) -> str:
    """``en`` or ``ru`` where a text is in it, as far as script and stop words tell; :data:`SAME` of others."""
    script = language_of(text)
    words = _WORD.findall(text[:20_000].casefold().replace("ё", "е"))
    if script == "other":
        return SAME
    small = sum(word in STOP_WORDS for word in words)
    return script if len(words) < _TELLING or small >= _SMALL_WORDS * len(words) else SAME


def is_in(text: str, language: str) -> bool:
    """Whether a text may be in a language. Of a few words, which may be names, nobody knows."""
    words = words_of(" ".join(_WORD.findall(text)))
    wanted = _SCRIPT_OF.get(language)
    if words < 4 or wanted is None:
        return True
    if language_of(text) != wanted:
        return False
    return words < _TELLING or wanted == "other" or (known_language(text) == language) == (language in ("en", "ru"))
