"""A source as statements are looked up in it: its sentences, and which of them has a word, a number, a name.

A number or a name supports a statement only where the rest of the statement stands: each is looked for in the sentences
that have the words around it, rarer words counting for more (inverse document frequency, Spärck Jones, 1972).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assistant.dates_and_times import Kind, Number
from assistant.memory.claims import sound_of
from assistant.memory.sentences import Span, sentences
from assistant.memory.stemming import language_of, stems
from assistant.numerals import numbers
from assistant.tasks.counted import counted
from assistant.tasks.names import CYRILLIC, fold, is_russian_name, is_stop, long_sound, same_name, sounds_like

Ids = NDArray[np.int32]  # of sentences
Role = Literal["place", "acronym", "other"]

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_ENTRY = re.compile(r"[ \t]*(?:\d|[^\w\s\"'«“„(]|[A-Z][a-z]{2} [ \d]\d )")
_ENTRIES = 0.8  # of the lines of a list
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_OPENERS = frozenset(":;«\"“„‘'(*_#>|—–•.!?…/-[")
_BETWEEN_PARTS = re.compile(r"(?:\.?\s+|\s+(?:of|de|del|von|van|da|di|al|el|bin|the|of the)\s+|-)\Z")
_WORD_BEFORE = re.compile(r"([^\W\d_]+)\s+\Z")
_YEAR_BEFORE = re.compile(
    r"\b(?:(?:a|one|the|last|previous) year(?: (?:earlier|before))?|годом (?:раньше|ранее)"
    r"|(?:прошл|предыдущ)\w+ год\w*)\b"
)
_INITIALS = re.compile(r"\s*(?:[^\W\d_]\.\s*){1,2}\Z")
_PLACE_WORDS = "in at near from to into towards through via в во на из под у к ко около близ через до"
_PLACE = frozenset(_PLACE_WORDS.split())
_PRONOUN = re.compile(
    r"\W*(?:(?:and|but|there|then|later|и|но|а|там|затем|потом|позже)\s+)?"
    r"(?:he|she|they|it|his|her|their|its|this|these|он|она|оно|они|его|ее|её|их|ему|ей|им|это|этот|эта|эти)(?!\w)",
    re.IGNORECASE,
)
# Anna Cole: I will ask. Not of a form, where what stands behind the colon is short.
_LABEL = re.compile(r"\s*([^\W\d_a-zа-яё][\w'’.-]+(?: [^\W\d_a-zа-яё][\w'’.-]*){0,2}):\s+(?=\S+\s+\S+\s+\S)")
SAME_BEGINNING = 5  # letters
_CARRIED = 2  # sentences back that a pronoun, or a sentence without names, may speak of


@dataclass(frozen=True, slots=True)
class Name:
    """A word of a name, ``text[start:end]``; words of one name have the same ``phrase``."""

    text: str
    start: int
    end: int
    phrase: int
    role: Role


@dataclass(frozen=True, slots=True)
class Mention:
    """A number of the source, and the stem of the word that it counts."""

    values: frozenset[str]
    kind: Kind
    counted: str
    sentence: int


class Indexed:
    """A text, read once: 100,000 words take about two seconds."""

    def __init__(self, source_text: str, language: str | None = None):
        self.text = source_text
        self.language = language or language_of(source_text[:20_000])
        self.spans = list(_sentences(source_text))
        self._starts = np.array([start for start, _ in self.spans], dtype=np.int64)
        self._ends = np.array([end for _, end in self.spans], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.spans)

    def sentence(self, number: int) -> str:
        start, end = self.spans[number]
        return self.text[start:end]

    def within(self, span: Span | None) -> NDArray[np.bool_]:
        """Which sentences touch a span; all without one."""
        if span is None:
            return np.ones(len(self), dtype=bool)
        return (self._starts < span[1]) & (self._ends > span[0])

    @cached_property
    def by_stem(self) -> dict[str, Ids]:
        found: dict[str, list[int]] = defaultdict(list)
        for number in range(len(self)):
            for stem in set(stems(self.sentence(number))):
                found[stem].append(number)
        return _arrays(found)

    @cached_property
    def _by_beginning(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for stem in self.by_stem:
            if len(stem) >= SAME_BEGINNING:
                found[stem[:SAME_BEGINNING]].append(stem)
        return found

    def having_stem(self, stem: str) -> Ids | None:
        """Of a word that the source does not have, one that begins as it does: hospitalised, hospital."""
        if (ids := self.by_stem.get(stem)) is not None or len(stem) < SAME_BEGINNING:
            return ids
        alike = self._by_beginning.get(stem[:SAME_BEGINNING], ())
        found = [self.by_stem[other] for other in alike if stem.startswith(other) or other.startswith(stem)]
        return np.unique(np.concatenate(found)) if found else None

    @cached_property
    def by_sound(self) -> dict[str, Ids]:
        """Longer words by how they sound: president is президент. For statements in another script."""
        found: dict[str, list[Ids]] = defaultdict(list)
        for stem, ids in self.by_stem.items():
            if code := long_sound(stem):
                found[code].append(ids)
        return {code: np.unique(np.concatenate(ids)) for code, ids in found.items()}

    @cached_property
    def numbers(self) -> list[list[Number]]:
        """Of each sentence."""
        return [numbers(self.sentence(number)) for number in range(len(self))]

    @cached_property
    def mentions(self) -> list[Mention]:
        found = []
        for number in range(len(self)):
            sentence = self.sentence(number)
            said = self.numbers[number]
            before = frozenset(
                str(int(value) - 1) for one in said if one.kind == "year" for value in one.values if value.isdigit()
            )
            for place, one in enumerate(said):
                bears = one.bears
                if one.kind == "year" and not place and _YEAR_BEFORE.search(sentence):
                    bears |= before
                found.append(Mention(bears, one.kind, counted(sentence, one), number))
        return found

    @cached_property
    def by_value(self) -> dict[str, Ids]:
        found: dict[str, list[int]] = defaultdict(list)
        for mention in self.mentions:
            for value in mention.values:
                found[value].append(mention.sentence)
        return _arrays(found)

    @cached_property
    def by_counted(self) -> dict[str, list[Mention]]:
        found: dict[str, list[Mention]] = defaultdict(list)
        for mention in self.mentions:
            found[mention.counted].append(mention)
        return found

    @cached_property
    def kinds(self) -> dict[int, list[Mention]]:
        """The numbers of each sentence."""
        found: dict[int, list[Mention]] = defaultdict(list)
        for mention in self.mentions:
            found[mention.sentence].append(mention)
        return found

    @cached_property
    def _capitals(self) -> tuple[dict[str, int], dict[str, int]]:
        """How often each word stands with a capital that nothing but its being a name asks for, and without one."""
        high: dict[str, int] = defaultdict(int)
        low: dict[str, int] = defaultdict(int)
        labels = self._speakers
        for match in (match for label in labels for match in _WORD.finditer(label)):
            high[fold(match[0])] += 1
        for start, end in self.spans:
            sentence = self.text[start:end]
            if (label := _LABEL.match(sentence)) and label[1] in labels:
                sentence = sentence[label.end() :]
            shouted = sentence.isupper()
            for match in _WORD.finditer(sentence):
                word = match[0]
                if not word[0].isupper():
                    low[fold(word)] += 1
                elif not shouted and (not _begins(sentence, match.start()) or _introduced(sentence, match)):
                    high[fold(word)] += 1
        return high, low

    @cached_property
    def _speakers(self) -> frozenset[str]:
        """Who speaks in a conversation, as the labels of its lines name them."""
        found = [label[1] for start, end in self.spans if (label := _LABEL.match(self.text[start:end]))]
        return frozenset(found) if len(found) > max(2, len(set(found))) else frozenset()

    @cached_property
    def _low_stems(self) -> frozenset[str]:
        return frozenset(stem for word in self._capitals[1] for stem in stems(word)[:1])

    def is_name(self, word: str, *, begins: bool, followed: bool) -> bool:
        """Whether a capitalised word is a name.

        Args:
            begins: a capital would stand there anyway.
            followed: another capitalised word is beside it.
        """
        folded = fold(word)
        high, low = self._capitals
        if len(word) > 1 and word.isupper() and len(word) <= 6 and not low.get(folded):
            return True
        if high.get(folded, 0) > low.get(folded, 0):
            return True
        if low.get(folded) or not stems(word)[:1] or stems(word)[0] in ("i", "я") or is_stop(folded):
            return False
        if not begins:
            return stems(word)[0] not in self._low_stems or bool(CYRILLIC.search(word))
        if stems(word)[0] in self._low_stems:
            return False
        if CYRILLIC.search(word):
            return is_russian_name(folded)
        return followed

    def names_in(self, text: str, said: Sequence[Number] | None = None) -> list[Name]:
        """The words of names of a text: of the source itself, or of a statement about it."""
        taken = bytearray(len(text))
        for number in numbers(text) if said is None else said:
            if number.kind in ("date", "weekday", "period", "time"):
                taken[number.start : number.end] = b"\1" * (number.end - number.start)
        words = list(_WORD.finditer(text))
        found: list[Name] = []
        for place, match in enumerate(words):
            word = match[0]
            if len(word) < 2 or not word[0].isupper() or taken[match.start()]:
                continue
            following = words[place + 1] if place + 1 < len(words) else None
            followed = bool(
                following and following[0][0].isupper() and not text[match.end() : following.start()].strip()
            )
            if not self.is_name(re.sub(r"['’]s?$", "", word), begins=_begins(text, match.start()), followed=followed):
                continue
            gap = text[found[-1].end : match.start()] if found else ""
            joined = bool(found and (_BETWEEN_PARTS.match(gap) or _INITIALS.match(gap)))
            if joined and ("." in gap and not _INITIALS.match(gap)):
                joined = False
            before = _WORD_BEFORE.search(text[max(0, match.start() - 20) : match.start()])
            role: Role = "place" if before and before[1].lower() in _PLACE else "other"
            if len(word) <= 6 and word.isupper() and not text.isupper():
                role = "acronym"
            if (
                found
                and before
                and before[1] in ("and", "и")
                and text[found[-1].end : match.start()].strip() == before[1]
            ):
                role = found[-1].role  # in Norway and Denmark
            if joined:
                found.append(
                    Name(re.sub(r"['’]s?$", "", word), match.start(), match.end(), found[-1].phrase, found[-1].role)
                )
            else:
                found.append(Name(re.sub(r"['’]s?$", "", word), match.start(), match.end(), match.start(), role))
        return found

    @cached_property
    def names(self) -> list[list[Name]]:
        """Of each sentence."""
        return [self.names_in(self.sentence(number), said) for number, said in enumerate(self.numbers)]

    @cached_property
    def by_name(self) -> dict[str, Ids]:
        """Each word of a name, in lower case, with the sentences that speak of it: have it, or carry it on."""
        found: dict[str, list[int]] = defaultdict(list)
        own = [{fold(name.text) for name in names} for names in self.names]
        for number, here in enumerate(own):
            spoken = set(here)
            if not here or _PRONOUN.match(self.sentence(number)):
                for back in range(1, _CARRIED + 1):
                    if number >= back and own[number - back]:
                        spoken |= own[number - back]
                        break
            for name in spoken:
                found[name].append(number)
        return _arrays(found)

    @cached_property
    def neighbours(self) -> dict[str, set[str]]:
        """The words that stand beside a word in one name."""
        found: dict[str, set[str]] = defaultdict(set)
        for names in self.names:
            phrases: dict[int, list[str]] = defaultdict(list)
            for name in names:
                phrases[name.phrase].append(fold(name.text))
            for words in phrases.values():
                for word in words:
                    found[word].update(other for other in words if other != word)
        return found

    @cached_property
    def _vocabulary(self) -> dict[bool, dict[str, list[str]]]:
        """Words of names by script (True: Cyrillic) and first two letters; ordinary words stand there, too."""
        found: dict[bool, dict[str, list[str]]] = {True: defaultdict(list), False: defaultdict(list)}
        for word in self.by_name:
            found[bool(CYRILLIC.search(word))][word[:2]].append(word)
        return found

    def spelled(self, name: str) -> tuple[str, ...]:
        """The names of the source that this one can be: declined, in another script."""
        folded = fold(name)
        return self._spelled(folded)

    @lru_cache(4096)  # noqa: B019 - a source lives as long as its check
    def _spelled(self, folded: str) -> tuple[str, ...]:
        cyrillic = bool(CYRILLIC.search(folded))
        same = [word for word in self._vocabulary[cyrillic][folded[:2]] if same_name(folded, word)]
        if same:
            return tuple(same)
        others = self._vocabulary[not cyrillic]
        return tuple(word for words in others.values() for word in words if sounds_like(folded, word))

    def having_name(self, name: str) -> Ids:
        """The sentences that speak of a name; also as an ordinary word: Moscow, московский."""
        found = [self.by_name[word] for word in self.spelled(name)]
        found += [self.by_stem[stem] for stem in stems(name)[:1] if stem in self.by_stem]
        if not found:
            folded = fold(name)
            cyrillic = bool(CYRILLIC.search(folded))
            kept = folded[: max(4, len(folded) - 2)]
            found += [
                ids
                for stem, ids in self._stems_from(folded[:3])
                if len(kept) >= 4 and stem.startswith(kept[: len(stem)]) and len(stem) >= 4
            ]
            if not found and (code := sound_of(folded)) and len(code) >= 3:
                found += [
                    ids
                    for stem, ids in self.by_stem.items()
                    if bool(CYRILLIC.search(stem)) != cyrillic and sounds_like(folded, stem)
                ]
        return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int32)

    def _stems_from(self, beginning: str) -> Iterator[tuple[str, Ids]]:
        return ((stem, ids) for stem, ids in self.by_stem.items() if stem.startswith(beginning))

    def having_number(self, number: Number) -> Ids:
        found = [self.by_value[value] for value in number.values if value in self.by_value]
        return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int32)

    @cached_property
    def _literal(self) -> tuple[str, NDArray[np.int64]]:
        """The text as quotations are compared, and where in it each sentence begins."""
        parts, starts, length = [], [], 0
        for number in range(len(self)):
            part = literal(self.sentence(number))
            starts.append(length)
            parts.append(part)
            length += len(part) + 1
        return " ".join(parts), np.array(starts, dtype=np.int64)

    def having_quotation(self, quotation: str) -> Ids:
        """The sentences where a quotation stands, word for word; an ellipsis parts it."""
        text, starts = self._literal
        found: list[int] = []
        for part in re.split(r"\.\.\.|…|\[[^\]]*\]", quotation):
            wanted = literal(part)
            if not wanted:
                continue
            pattern = f" {text} "
            at = pattern.find(f" {wanted} ")
            if at < 0:
                return np.empty(0, dtype=np.int32)
            first, last = np.searchsorted(starts, [at, at + len(wanted) - 1], side="right") - 1
            found += range(int(first), int(last) + 1)
        return np.array(sorted(set(found)), dtype=np.int32)


def literal(text: str) -> str:
    """Words in lower case, one space between them, nothing else."""
    return " ".join(re.findall(r"\w+", text.casefold().replace("ё", "е")))


def _begins(text: str, start: int) -> bool:
    """Whether a capital stands there whatever the word is."""
    before = text[max(0, start - 12) : start].rstrip()
    if not before:
        return not any(map(str.isalpha, text[:start]))
    if before[-1] == ".":
        return not re.search(r"(?:^|[\s.(])[^\W\d_]{1,3}\.$", before)
    return before[-1] in _OPENERS or not any(map(str.isalpha, text[:start]))


def _introduced(text: str, match: re.Match[str]) -> bool:
    """Whether the word stands behind a colon, where only names have capitals."""
    return text[: match.start()].rstrip().endswith(":") and not is_stop(fold(match[0]))


def _sentences(text: str) -> Iterator[Span]:
    place = 0
    for match in _PARAGRAPH.finditer(text):
        yield from _of_paragraph(text, place, match.start())
        place = match.end()
    yield from _of_paragraph(text, place, len(text))


def _of_paragraph(text: str, start: int, end: int) -> Iterator[Span]:
    """A sentence does not go on over lines that begin with a number or a mark, as those of a log and of a list do."""
    lines = text[start:end].split("\n")
    if len(lines) < 2 or sum(bool(_ENTRY.match(line)) for line in lines) < _ENTRIES * len(lines):
        lines = [text[start:end]]
    for line in lines:
        if line.strip():
            yield from sentences(text, start, start + len(line))
        start += len(line) + 1


def _arrays(found: dict[str, list[int]]) -> dict[str, Ids]:
    return {key: np.unique(np.array(ids, dtype=np.int32)) for key, ids in found.items()}


def rarity(found: Sequence[int] | Ids, of: int) -> float:
    """Inverse document frequency, in nats."""
    return math.log(1 + of / max(1, len(found)))
