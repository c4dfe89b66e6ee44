"""Names of places as they are compared: folded letters, and the nominatives that a Russian form may stand for."""

from __future__ import annotations

import itertools
import re
import unicodedata

# Words for where people go that some small town happens to be called too.
NO_PLACES = frozenset(
    """
    море моря горы гора дом дома домой дача дачу природа природу отпуск поход север юг запад восток европа европу
    азия азию африка африку отдых пляж лес озеро озера столица город страна заграница где нибудь куда пару пара
    еда еды музей
    sea mountains home beach nature abroad europe asia africa north south east west island city country capital
    """.split()  # noqa: SIM905 - words are easier to read so
)
_LATIN_SPECIAL = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i", "ə": "a", "ё": "е"}
)
_SILENT = re.compile("['’‘`ʻʼ′´“”\"«»]")
_NOT_LETTERS = re.compile(r"[^\w]+|_")
_CYRILLIC_WORD = re.compile("[а-я]+")
_MARKS = re.compile("[\u0300-\u0305\u0307-\u036f]")  # all but the breve, which makes й of и
_MOST_FORMS = 3000

# What an oblique form may end in -> what the nominative then ends in (Zaliznyak's declensions, without stress).
_ENDINGS: dict[str, tuple[str, ...]] = {
    "ого": ("ый", "ой", "ий", "ое"),
    "его": ("ий", "ее"),
    "ому": ("ый", "ой", "ий", "ое"),
    "ему": ("ий", "ее"),
    "ым": ("ый", "ой", "ое", "ин", "ово", "ино", "ов"),
    "им": ("ий", "ый", "ой", "ое", "ее"),
    "ом": ("", "ый", "ой", "ий", "о", "ое"),
    "ем": ("ь", "й", "ий", "ее", "", "е"),
    "ой": ("а", "ая", "яя"),
    "ей": ("а", "я", "ь", "ая", "яя", "и", "ья"),
    "ую": ("ая",),
    "юю": ("яя",),
    "ых": ("ые", "ы"),
    "их": ("ие", "ые"),
    "ыми": ("ые",),
    "ими": ("ие", "ые"),
    "ам": ("ы", "и", "а", "о"),
    "ям": ("и", "ы", "я", "ья"),
    "ах": ("ы", "и", "а", "о"),
    "ях": ("и", "ы", "я", "ья"),
    "ами": ("ы", "и", "а"),
    "ями": ("и", "я", "ья"),
    "ов": ("ы", "и", "а"),
    "ев": ("и", "ы", "ья"),
    "ии": ("ия", "ий", "ие"),
    "ию": ("ия", "ий", "ие"),
    "ией": ("ия",),
    "ью": ("ь",),
    "ья": ("ье",),
    "ье": ("ья",),
    "ьи": ("ья",),
    "а": ("", "о", "ы"),
    "я": ("ь", "й", "е"),
    "у": ("", "а", "о"),
    "ю": ("ь", "й", "я", "е"),
    "ы": ("а",),
    "и": ("ь", "а", "я"),
    "е": ("", "а", "я", "ь", "й", "о"),
    "о": (),
}
_FLEETING = re.compile("(?<=[бвгджзклмнпрстфхцчшщ])[ьй]?([клнрц])$")

_BEFORE = re.compile(
    r"(?:in|to|from|at|near|around|via|into|visit|visiting|trip to|в|во|на|из|изо|до|от|с|со|к|ко|по|через|около|под"
    r"|для|у|возле|об?)\s+",
    re.IGNORECASE,
)
_KINDS = re.compile(
    r"(?:the|(?:the\s+)?(?:city|town|island|state|republic|country|lake)(?:\s+of)?|г\.?|гор\.|город(?:а|у|е|ом)?|остров(?:а|у|е|ом)?|о\.|о-в"
    r"|штат(?:а|у|е|ом)?|стран(?:а|ы|е|у|ой)|озер(?:о|а|у|е|ом)|пос(?:[её]лок|\.)|курорт(?:а|е|у)?)\s+",
    re.IGNORECASE,
)
_AFTER = re.compile(r"\s+(?:city|island|airport|сити)$", re.IGNORECASE)


def fold(text: str) -> str:
    """The key of a name: small letters without accents, words with one space between, ``St.`` as ``saint``."""
    text = unicodedata.normalize("NFKD", text.casefold().translate(_LATIN_SPECIAL))
    text = unicodedata.normalize("NFC", _MARKS.sub("", text))
    # A breve stays only on й and ў: Romanian ă and Turkish ğ lose theirs.
    text = "".join(
        each if "а" <= each <= "я" or each == "ў" else unicodedata.normalize("NFD", each)[0] for each in text
    )
    words = _NOT_LETTERS.sub(" ", _SILENT.sub("", text)).split()
    return " ".join({"st": "saint", "ste": "sainte", "mt": "mount", "ft": "fort"}.get(word, word) for word in words)


def nominatives(key: str) -> list[str]:
    """Keys that a folded Russian form may be a case of, itself first; which of them are names is for a table to say.

    ``нижнего новгорода`` gives ``нижний новгород`` among others. Latin words stay as they are.
    """
    forms = [_word_nominatives(word) for word in key.split(" ")]
    # Only as many as can be looked up: names have few words that decline.
    return list(itertools.islice((" ".join(words) for words in itertools.product(*forms)), _MOST_FORMS))


def readings(text: str) -> list[str]:
    """The words themselves, then without preposition, kind and article in front of them."""
    found = [text.strip(' .,;:!?«»"()')]
    for before in (_BEFORE, _KINDS, _KINDS):
        shorter = before.sub("", found[-1], count=1) if before.match(found[-1]) else found[-1]
        found.append(shorter)
    found.append(_AFTER.sub("", found[-1]))
    return [each for each in dict.fromkeys(found) if each]


def _word_nominatives(word: str) -> list[str]:
    found = [word]
    if len(word) < 3 or not _CYRILLIC_WORD.fullmatch(word):
        return found
    for length in (3, 2, 1):
        if len(word) < length + 2:
            continue
        stem = word[:-length]
        for ending in _ENDINGS.get(word[-length:], ()):
            found.append(stem + ending)
            if not ending and (consonant := _FLEETING.search(stem)):  # орла -> орел, ельца -> елец, городка -> городок
                head = stem[: consonant.start()]
                found += [head + vowel + consonant[1] for vowel in ("е", "о")]
    return list(dict.fromkeys(found))
