"""Which of the names that GeoNames has of a town, without their languages, is the Russian one. For building only."""

from __future__ import annotations

import re
from typing import Any

from assistant.domains.travel.names import fold
from assistant.domains.travel.places import NEAR_RUSSIA
from assistant.domains.travel.spelling import distance

_RUSSIAN = re.compile(r"[А-ЯЁ][а-яё]*(?:[ -][А-ЯЁа-яё][а-яё]*)*")
_OTHER_LANGUAGES = re.compile(r"(?: шаары| хот| ош| балһсн|ъ)$|[жшцч]ы(?![ен])|[бвгджзклмнпрстфх]ъ[^еёюя]")
_SOUNDS = str.maketrans(
    dict(zip("абвгдежзийклмнопрстуфыэ", "abvgdezziyklmnoprstufye", strict=True))
    | {"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "yu", "я": "ya", "ь": "", "ъ": ""}
)


def may_be_russian(name: str) -> bool:
    """Letters of Russian only, and no ending or pair of letters of another language."""
    return bool(_RUSSIAN.fullmatch(name)) and not _OTHER_LANGUAGES.search(name)


def russian_name(city: dict[str, Any]) -> str:
    """The Russian name, or the English one where there is none."""
    from babel import Locale
    from wordfreq import zipf_frequency  # type: ignore[import-not-found]

    zones: dict[str, Any] = Locale("ru").time_zones  # type: ignore[assignment]
    zone = zones.get(city["timezone"], {}).get("city", "")
    english, home = fold(city["name"]), city["countrycode"] in NEAR_RUSSIA
    if zone and fold(city["timezone"].rpartition("/")[2]) == english:
        return str(zone)
    candidates = [each for each in city["alternatenames"] if _RUSSIAN.fullmatch(each)]
    if not candidates:
        return shown(city["name"])

    def likeness(name: str) -> tuple[float, float]:
        score = zipf_frequency(name, "ru")
        score -= 3 * bool(_OTHER_LANGUAGES.search(name))
        score += 0.6 * ("-" in name)
        # In English a Russian town is written as it sounds, which its former names are not.
        latin = fold(name).translate(_SOUNDS)
        score -= (6 if home else 1.5) * distance(latin, english, 99) / max(len(latin), len(english))
        if name.endswith("е") and any(other in candidates for other in (name[:-1] + "а", name[:-1] + "я")):
            score -= 2  # a case of the other
        return score, -abs(len(name) - len(english))

    best: str = max(candidates, key=likeness)
    return best


def shown(name: str) -> str:
    """Without the signs that stand for soft signs between Slavic letters: Suzdal’, Arkhangel’sk."""
    return re.sub("(?<=[bdlnprstz])[’'](?![aouy])", "", name)
