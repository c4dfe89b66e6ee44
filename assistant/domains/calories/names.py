"""What people call foods: names by their lemmas, and the modifiers beside a name that choose a form of the food."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

from assistant.domains.calories import spelling
from assistant.domains.calories.lemmas import Word, is_russian_word, readings, words

_LITTLE = """
a an the of and with in on from some for to
с со и в во на из от для по к за у
"""
STOP_WORDS = frozenset(_LITTLE.split())
_BESIDE = frozenset(["с", "со", "и", "with", "and"])
LONGEST = 10  # words; more of them name no food
# How much of a match is left where the user's modifier is …
_NEAR = 0.92  # not what the food is, but may stand for it: steamed for boiled
_CONTRADICTED = 0.6  # another one of the same axis: fried, and there is only boiled
# … not stated of the food; by axis, since a fried cutlet is a cutlet, while a fat-free kefir is another kefir.
_SILENT = {"fat": 0.75, "sugar": 0.75, "coating": 0.75}
_SILENT_ELSE = 0.9
# What the table says of the food itself may stand for a form that nobody wrote down, by the most g per 100 g.
_FAT = {"fat-free": 1.0, "low-fat": 3.0}
_SUGAR = 6.0  # of milk, at most
_UNSURE = 0.7  # a name too wide to be taken without asking
_DIMINUTIVE = 0.95
_OTHER_LAYOUT = 0.85
_MISSPELT = {0.5: 0.88, 1.0: 0.82, 1.5: 0.75, 2.0: 0.7}  # by the errors in a word
_OTHER_FORM = 0.7  # of the name, beside the form that is meant
Forms = frozenset[str]


@dataclass(frozen=True, slots=True)
class Alias:
    """One food that a name stands for."""

    food: str
    forms: Forms
    sure: bool
    fat: float  # g per 100 g
    sugar: float
    alcohol: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A food that words may mean; ``complete`` when no word was left over."""

    food: str
    score: float
    named: int  # words of the name
    complete: bool


class Names:
    """All names of one table.

    Args:
        aliases: (the name's lemmas, what it stands for) in the order of preference.
        axes: axis by form; forms of one axis exclude each other, those of the axis ``any`` change nothing.
        likes: by form, those that may stand for it, nearest first.
        phrases: forms by the lemmas that say so.
        real_words: those that look like a misspelling or a diminutive of a food and are none.
    """

    def __init__(
        self,
        aliases: Iterable[tuple[str, Alias]],
        axes: Mapping[str, str],
        likes: Mapping[str, Sequence[str]],
        phrases: Mapping[tuple[str, ...], Forms],
        real_words: frozenset[str] = frozenset(),
    ):
        self._real_words = real_words
        self._axes, self._likes, self._phrases = axes, likes, phrases
        self._longest_phrase = max(map(len, phrases), default=0)
        self._names: dict[tuple[str, ...], list[tuple[list[str], Alias]]] = {}
        for name, alias in aliases:
            said = [word for word in name.split() if word not in STOP_WORDS]
            self._names.setdefault(_key(said), []).append((said, alias))
        self._by_word: dict[str, list[tuple[str, ...]]] = {}
        for key in self._names:
            for word in set(key):
                self._by_word.setdefault(word, []).append(key)
        self._modifiers = {word for phrase in phrases for word in phrase}
        self._resolved: dict[str, tuple[tuple[str, float], ...]] = {}

    @cached_property
    def vocabulary(self) -> list[str]:
        return sorted(self._by_word.keys() | self._modifiers)

    def is_name(self, text: str) -> bool:
        """Whether the words are one of the names, nothing misspelt and nothing beside it."""
        content = [word for word in words(text) if word.text not in STOP_WORDS]
        if not 0 < len(content) <= LONGEST or any(word.percent is not None for word in content):
            return False
        options = [[one for one in readings(word.text) if one in self._by_word] for word in content]
        behind = {two.start for one, two in pairwise(words(text)) if one.text in _BESIDE}
        options = [
            self._things(option) if word.start in behind else option
            for word, option in zip(content, options, strict=True)
        ]
        return any(_key(path) in self._names for path in product(*options))

    def is_form(self, text: str) -> bool:
        """Whether the words are a modifier and no name."""
        found = list(words(text))
        return bool(found) and all(
            word.percent is not None or any((one,) in self._phrases for one in readings(word.text)) for word in found
        )

    def find(self, text: str) -> list[Hit]:
        """The foods that the words may mean, best first; nothing for too many words."""
        found = list(words(text))
        content = [word for word in found if word.percent is None and word.text not in STOP_WORDS]
        if not content or len(found) > LONGEST:
            return []
        options = [self._options(word) for word in found]
        for place, before in enumerate(found[:-1], 1):
            if before.text in _BESIDE:
                things = self._things([lemma for lemma, _ in options[place]])
                options[place] = tuple(one for one in options[place] if one[0] in things)
        keys = {key for option in options for lemma, _ in option for key in self._by_word.get(lemma, ())}
        hits = [hit for key in keys for hit in self._match(key, found, options)]
        best: dict[str, Hit] = {}
        for hit in sorted(hits, key=lambda hit: (-hit.score, -hit.named, hit.food)):
            best.setdefault(hit.food, hit)
        return list(best.values())

    def _things(self, lemmas: list[str]) -> list[str]:
        """Behind "with" stands a thing: "картофель с сыром" is not raw, though "сыром" may be of "сырой" too."""
        things = [one for one in lemmas if one not in self._modifiers]
        return things if things[:1] == lemmas[:1] else lemmas

    def _match(
        self, key: tuple[str, ...], found: list[Word], options: list[tuple[tuple[str, float], ...]]
    ) -> list[Hit]:
        quality = 1.0
        used: dict[int, str] = {}
        for word in key:
            places = [
                (value, -place)
                for place, option in enumerate(options)
                if place not in used
                for lemma, value in option
                if lemma == word
            ]
            if not places:
                return []
            value, place = max(places)
            quality = min(quality, value)
            used[-place] = word
        modifiers, left, worth = self._modifiers_of(found, options, set(used))
        if left:
            length = sum(len(found[place].text) for place in used)
            worth *= 0.3 + 0.4 * length / (length + sum(len(word.text) for word in left))
        said = [used[place] for place in sorted(used)]
        percent = next((word.percent for word in found if word.percent is not None), None)
        return [
            Hit(alias.food, round(quality * worth * fit, 3), len(key), not left)
            for alias, fit in self._ranked(self._names[key], said, modifiers, percent)
        ]

    def _modifiers_of(
        self, found: list[Word], options: list[tuple[tuple[str, float], ...]], used: set[int]
    ) -> tuple[list[Forms], list[Word], float]:
        """The modifiers in the words that no name uses, what is left over, and how well the modifiers are spelt."""
        modifiers, left, worth, place = [], [], 1.0, 0
        while place < len(found):
            if place in used or found[place].percent is not None:
                place += 1
                continue
            for length in range(min(self._longest_phrase, len(found) - place), 0, -1):
                span = range(place, place + length)
                if length == 1 and place and found[place - 1].text in _BESIDE:
                    continue
                if used.isdisjoint(span) and (forms := self._phrase([options[at] for at in span])):
                    modifiers.append(forms[0])
                    worth *= forms[1]
                    place += length
                    break
            else:
                if found[place].text not in STOP_WORDS and not found[place].text.isdecimal():
                    left.append(found[place])
                place += 1
        return modifiers, left, worth

    def _phrase(self, options: list[tuple[tuple[str, float], ...]]) -> tuple[Forms, float] | None:
        paths: list[tuple[tuple[str, ...], float]] = [((), 1.0)]
        for option in options:
            known = [one for one in option if one[0] in self._modifiers]
            paths = [((*path, lemma), worth * value) for path, worth in paths for lemma, value in known]
        known_phrases = [(self._phrases[path], worth) for path, worth in paths if path in self._phrases]
        return max(known_phrases, key=lambda one: one[1], default=None)

    def _ranked(
        self, aliases: list[tuple[list[str], Alias]], said: list[str], modifiers: list[Forms], percent: float | None
    ) -> list[tuple[Alias, float]]:
        """The foods of one name, that which is meant first; with what remains of the score."""
        asked = [forms for forms in modifiers if any(self._axes[form] != "any" for form in forms)]
        ranked = []
        for order, (name, alias) in enumerate(aliases):
            # "milk chocolate" is not "chocolate milk", though words of a name may come in any order.
            points, fit = 0.5 * (name == said), 1.0
            for forms in asked:
                gained, left = max(self._compare(form, alias) for form in forms)
                points += gained
                fit *= left
            if asked:
                points -= 0.1 * len(alias.forms)
            if percent is not None:
                gained, left = _compare_percent(percent, alias)
                points += gained
                fit *= left
            ranked.append((-points, order, alias, fit * (1.0 if alias.sure else _UNSURE)))
        ranked.sort(key=lambda one: one[:2])
        return [(alias, fit if not place else fit * _OTHER_FORM) for place, (_, _, alias, fit) in enumerate(ranked)]

    def _compare(self, form: str, alias: Alias) -> tuple[float, float]:
        """(points towards this form of the food, what remains of the score)."""
        forms = alias.forms
        if form in forms:
            return 3.0, 1.0
        axis = self._axes[form]
        if near := [place for place, like in enumerate(self._likes[form]) if like in forms]:
            return 2.0 - 0.1 * near[0], _NEAR
        if any(self._axes.get(other) == axis for other in forms):
            return -3.0, _CONTRADICTED
        if alias.fat <= _FAT.get(form, -1.0) or (form in ("unsweetened", "sugar-free") and alias.sugar <= _SUGAR):
            return 1.0, 1.0
        return 0.0, 1.0 if axis == "any" else _SILENT.get(axis, _SILENT_ELSE)

    def _options(self, word: Word) -> tuple[tuple[str, float], ...]:
        """The words of the vocabulary that this one may be, and how well it is spelt."""
        if word.percent is not None:
            return ()
        if (known := self._resolved.get(word.text)) is None:
            known = self._resolved[word.text] = self._resolve(word.text)
        return known

    def _resolve(self, word: str) -> tuple[tuple[str, float], ...]:
        possible = readings(word)
        if "енн" in word:  # "квашенная", "варенный": one н too many, as often as not
            possible = tuple(dict.fromkeys((*possible, *readings(word.replace("енн", "ен")))))
        known = [one for one in possible if one in self._by_word or one in self._modifiers]
        if word in STOP_WORDS or any((one,) in self._names for one in known):
            return tuple((one, 1.0) for one in known or [word])
        if not known and not self._real_words.isdisjoint((word, *possible)):
            return ()
        # A word that is known only beside others ("картошечка жареная") may still be a diminutive by itself.
        bases = [base for one in possible for base in spelling.diminutive_of(one, self._by_word)]
        if known or bases:
            return (*((one, 1.0) for one in known), *((base, _DIMINUTIVE) for base in bases if base not in known))
        if is_russian_word(word):
            return ()
        for one in (possible[0], word):
            if near := spelling.nearest(one, self.vocabulary):
                return ((near[0], _MISSPELT[near[1]]),)
        if word.isascii() and (typed := spelling.russian_layout(word)):
            return tuple((one, _OTHER_LAYOUT) for one in readings(typed) if one in self._by_word)
        return ()


def _key(lemmas: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(word for word in lemmas if word not in STOP_WORDS))


def _compare_percent(percent: float, alias: Alias) -> tuple[float, float]:
    if f"{percent:g}%" in alias.forms:
        return 3.0, 1.0
    # Of alcohol, of cocoa, of fat in dry matter ("сыр 45%"), "100% juice": no share of fat in the food.
    if alias.alcohol > 1 or (percent >= 40 and alias.fat < 60):
        return 0.0, 1.0
    off = abs(alias.fat - percent)
    return -3.0 * min(1.0, off / max(percent, 1.0)), 1.0 if off <= max(1.0, percent / 4) else 0.75
