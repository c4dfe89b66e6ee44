"""What can be checked in a sentence without understanding it: its numbers and its names.

Numbers are compared as values (1,000 = 1 000; 12,5 = 12.5; 2 million = 2,000,000; 15:00 = 3 pm; the parts of a date,
months in words included), names by stem, and between scripts by how they sound, after Soundex (Russell, US patent
1261167): Тбилиси is Tbilisi.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from assistant.memory.stemming import stems
from assistant.number_words import MONTHS
from assistant.numerals import numbers, readings

_DIGITS = re.compile(r"\d+(?:[ \u00a0\u2009\u202f'’]\d{3}(?!\d))*(?:[.,:]\d+)*")
_MONTH = re.compile("|".join(MONTHS))
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CYRILLIC = re.compile("[\u0400-\u04ff]")
# A capital after these begins something, or quotes it: it need not be a name.
_OPENERS = frozenset(":;«\"“„‘'(*_#>|—–•.!?…/")
# Sounds that languages write differently, one class for each; vowels and й, y, w count for nothing.
_SOUNDS = {
    sound: digit
    for digit, sounds in {
        "1": "bpfvбпфв",
        "2": "cgjkqsxzгкжзсхцчшщ",
        "3": "dtдт",
        "4": "lл",
        "5": "mnмн",
        "6": "rр",
    }.items()
    for sound in sounds
}
_FIRST_SOUNDS = {"h": "2", "w": "1"}  # heard only there, more or less: Harvard is Гарвард


@dataclass(frozen=True, slots=True)
class Claim:
    """A number or a word of a name, as it is written.

    Attributes:
        values: what a number can mean (1,234 is two numbers); empty: a name.
        phrase: the words of one name have the same, as in European Union.
    """

    text: str
    values: frozenset[str] = frozenset()
    phrase: int = field(default=0, compare=False)


def claims_of(sentence: str) -> list[Claim]:
    """The numbers and names of one sentence, each once, in no order that matters."""
    found = [Claim(text, values) for text, values in _numbers(sentence)]
    found += [Claim(word, phrase=phrase) for word, phrase in _names(sentence)]
    return list(dict.fromkeys(found))


class Evidence:
    """What a text says, in the form that claims are looked up in."""

    def __init__(self, text: str):
        self.text = text
        self.stems = frozenset(stems(text))

    @cached_property
    def _numbers(self) -> frozenset[str]:
        return frozenset().union(*(number.bears for number in numbers(self.text)))

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(word.casefold() for word in _WORD.findall(_plain_letters(self.text)))

    @cached_property
    def _sounds(self) -> dict[bool, set[str]]:
        """Of the words in Cyrillic (True) and in other letters."""
        found: dict[bool, set[str]] = {True: set(), False: set()}
        for word in self._words:
            for part in word.split("-"):
                found[bool(_CYRILLIC.search(part))].add(sound_of(part))
        return found

    @cached_property
    def is_cyrillic(self) -> bool:
        letters = len(_CYRILLIC.findall(self.text))
        return letters > 0 and letters * 3 >= sum(map(str.isalpha, self.text))

    def has(self, claim: Claim) -> bool:
        if claim.values:
            return bool(claim.values & self._numbers)
        name = _plain_letters(claim.text).casefold()
        return all(self._has_name(part) for part in name.split("-") if len(part) > 1)

    def _has_name(self, name: str) -> bool:
        if self.stems.issuperset(stems(name)):
            return True
        cyrillic = bool(_CYRILLIC.search(name))
        kept = max(4, len(name) - 3)  # endings differ, and stemmers of ordinary words fail on names
        if len(name) >= 4 and any(word[:kept] == name[:kept] and len(word) <= len(name) + 4 for word in self._words):
            return True
        sound = sound_of(name)
        if cyrillic != self.is_cyrillic and len(sound) < 2:
            return True  # too short to tell across scripts
        return any(alike(sound, other) for other in self._sounds[not cyrillic])


def sound_of(word: str) -> str:
    """The classes of the consonants of a word, Latin or Cyrillic, in lower case; equal neighbours once."""
    sounds, last = [], ""
    for place, letter in enumerate(re.sub("^eu", "ev", word).replace("дж", "ж")):
        digit = _SOUNDS.get(letter, "") or (_FIRST_SOUNDS.get(letter, "") if place == 0 else "")
        if digit and digit != last:
            sounds.append(digit)
        last = digit
    return "".join(sounds)


def alike(a: str, b: str) -> bool:
    """Equal but for an ending of two sounds or, in longer ones, for one sound."""
    short, long = sorted((a, b), key=len)
    if len(short) < 2:
        return False
    if long.startswith(short) and len(long) - len(short) <= min(2, len(short) - 1):
        return True
    if len(short) < 3 or len(long) - len(short) > 1:
        return False
    same = next((i for i, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    return short[same + (len(short) == len(long)) :] == long[same + 1 :]


def _numbers(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Those in digits, with the word that multiplies them, and days of the week; of a date each part."""
    for number in numbers(text):
        written = text[number.start : number.end]
        if number.kind == "weekday":
            yield written, number.values
        elif number.kind == "date":
            months = frozenset(value for value in number.bears if value.startswith("m") and "." not in value)
            for part in re.findall(r"\d+|[^\W\d_]{3,}", written):
                if part.isdigit():
                    yield part, readings(part) | {f"o{int(part)}"} | (months & {f"m{int(part)}"})
                elif _MONTH.fullmatch(part):
                    yield part, months
        elif digits := _DIGITS.match(written):
            hour = re.match(r"(\d+):00$", written)
            plain = readings(hour[1] if hour else digits[0])
            multiplied = number.kind == "number" and not number.values & plain
            yield (
                (hour[1] if hour else written if number.kind == "time" else digits[0]),
                (number.values if multiplied else number.values | plain),
            )


def _names(sentence: str) -> Iterator[tuple[str, int]]:
    """Capitalised words that do not begin the sentence or a quotation; abbreviations anywhere. With where their phrase
    begins: capitalised words that follow one another."""
    phrase = end = 0
    dates = [number for number in numbers(sentence) if number.kind in ("date", "weekday")]
    for match in _WORD.finditer(sentence):
        word = match[0]
        if len(word) < 2 or not word[0].isupper() or any(date.start <= match.start() < date.end for date in dates):
            continue
        before = sentence[: match.start()].rstrip()
        begins = not before or before[-1] in _OPENERS or not any(map(str.isalpha, before))
        if (not begins or (word.isupper() and len(word) <= 6)) and stems(word)[0] not in ("i", "я"):
            if sentence[end : match.start()].strip() or not end:
                phrase = match.start()
            end = match.end()
            yield re.sub(r"['’]s?$", "", word), phrase


def _plain_letters(text: str) -> str:
    """Without accents, ё as е: é and й are told apart from e, but not from one another's spelling."""
    decomposed = unicodedata.normalize("NFD", text.replace("й", "\0").replace("Й", "\1"))
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return plain.replace("\0", "й").replace("\1", "Й")
