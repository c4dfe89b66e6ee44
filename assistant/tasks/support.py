"""Whether one statement is supported: its claims held against the sentences of its source.

A number or a name supports a statement only where the rest of the statement stands, and not where the sentence that
says the same has another of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from assistant.dates_and_times import Number
from assistant.memory.sentences import Span
from assistant.memory.stemming import language_of, stems
from assistant.numerals import numbers, plain
from assistant.tasks.counted import UNIT_NAMES, counted
from assistant.tasks.indexed import Ids, Indexed, Name, rarity
from assistant.tasks.names import fold, is_common, long_sound

if TYPE_CHECKING:
    from assistant.memory.embedding import Embedder

Weights = NDArray[np.float32]

MOST_SPANS = 3
NEAR = (0.5, 0.25)  # how much a word counts that stands one sentence away, and two
CLOSE = 6  # words: at this distance in the point, a word says half as much about a number
NUMBER_FIT = 0.5  # of the best fitting place: how well the place of a number must fit
NAME_FIT = 0.3
BEST_FIT = 0.85  # where the best fitting place has another of its kind
BETTER = 1.2
NEARER = 1.4
FIRST_SENTENCES = 4
OFTEN = 0.05  # of the sentences
MEANING = 0.35  # cosine above which a sentence in another language may say the same

_QUOTATION = re.compile(r"«([^«»]{2,400})»|“([^“”„]{2,400})[”“]|„([^“”„]{2,400})[“”]|(?<!\d)\"([^\"\n]{2,400})\"")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CLAUSE = re.compile(r"[,;:]\s|\s[—–-]\s|\s(?:and|but|while|и|а|но)\s")
_STOP = re.compile(r"[;.!?]\s")
_FIRST_PERSON = re.compile(r"(?<!\w)(?:I|we|my|our|[Яя]|[Мм]ы|[Мм]ой|[Мм]оя|[Нн]аш\w*|мне|меня|нам|нас)(?!\w)")
NUMBERING = re.compile(r"^\s*(?:[-*•]\s+|\d{1,3}[.)]\s+)")


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be supported: ``place`` is where it stands in the point, ``ids`` the sentences that have it."""

    text: str
    kind: Literal["number", "name"]
    place: int
    ids: Ids
    number: Number | None = None
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """What a sentence of the source can have of the point: a word (``stem``) or a claim, where it stands in the
    point, and how much it tells."""

    place: int
    weight: float
    stem: str
    claim: Claim | None


class Held:
    """One point held against its source."""

    def __init__(self, text: str, indexed: Indexed, within: Span | None, embedder: Embedder | None):
        self.text = text
        self.body = NUMBERING.sub(lambda match: " " * len(match[0]), text)
        self.indexed = indexed
        self.allowed = indexed.within(within)
        self.embedder = embedder
        self.foreign = (language_of(text) == "ru") != (indexed.language == "ru")

    @cached_property
    def quotations(self) -> list[tuple[str, Ids]]:
        """Those that can stand in the source word for word, and where they do."""
        found = []
        for match in _QUOTATION.finditer(self.body):
            said = next(group for group in match.groups() if group)
            if len(said.split()) > 2 and (language_of(said) == "ru") == (self.indexed.language == "ru"):
                found.append((said, self.indexed.having_quotation(said)))
        return found

    @cached_property
    def claims(self) -> list[Claim]:
        indexed, found = self.indexed, []
        for number in numbers(self.body):
            if not number.vague:
                text = self.body[number.start : number.end]
                found.append(Claim(text, "number", number.start, indexed.having_number(number), number=number))
        for name in indexed.names_in(self.body):
            found.append(Claim(name.text, "name", name.start, indexed.having_name(name.text), name=name))
        found = [replace(one, ids=one.ids[self.allowed[one.ids]]) for one in found]
        return [replace(one, ids=self._pooled(one, found)) if one.name else one for one in found]

    def _pooled(self, claim: Claim, claims: Sequence[Claim]) -> Ids:
        """Where any word of the same name stands that belongs to nobody else: Anna Smirnova is there where Smirnova
        is."""
        found = [claim.ids]
        words = {word for one in claims if _same_phrase(one, claim) for word in self.indexed.spelled(one.text)}
        for one in claims:
            if one is not claim and _same_phrase(one, claim) and self._belong(one, claim):
                beside = [self.indexed.neighbours.get(word, set()) for word in self.indexed.spelled(one.text)]
                if set().union(*beside) <= words:
                    found.append(one.ids)
        return np.unique(np.concatenate(found))

    @cached_property
    def _named(self) -> frozenset[str]:
        """Words of names of the source that the point has, be it as ordinary words: the Library, the library."""
        ordinary = (fold(match[0]) for match in _WORD.finditer(self.body))
        names = (word for one in self.claims if one.name for word in self.indexed.spelled(one.name.text))
        return frozenset([*ordinary, *names])

    @cached_property
    def features(self) -> tuple[list[Feature], Weights, Weights]:
        """What the point has of the source, and which sentences have each of these (features, sentences): alone, and
        with those beside them."""
        indexed, of = self.indexed, len(self.indexed)
        found: list[Feature] = []
        having: list[Ids] = []
        for claim in self.claims:
            same = [ids for one, ids in zip(found, having, strict=True) if one.claim and _same_phrase(one.claim, claim)]
            if len(claim.ids) and not any(np.array_equal(ids, claim.ids) for ids in same):
                found.append(Feature(claim.place, rarity(claim.ids, of), "", claim))
                having.append(claim.ids)
        claimed = {place for one in self.claims for place in range(one.place, one.place + len(one.text))}
        seen = set()
        for match in _WORD.finditer(self.body):
            if match.start() in claimed:
                continue
            for stem in stems(match[0])[:1]:
                ids = indexed.having_stem(stem)
                if ids is None and (code := long_sound(stem)) and self.foreign:
                    ids = indexed.by_sound.get(code)
                if ids is not None and stem not in seen:
                    seen.add(stem)
                    found.append(Feature(match.start(), rarity(ids, of), stem, None))
                    having.append(ids)
        own = np.zeros((len(found), of), dtype=np.float32)
        for row, ids in enumerate(having):
            own[row, ids] = 1
        near = own.copy()
        for distance, share in enumerate(NEAR, 1):
            if of > distance:
                np.maximum(near[:, distance:], share * own[:, :-distance], out=near[:, distance:])
                np.maximum(near[:, :-distance], share * own[:, distance:], out=near[:, :-distance])
        own *= self.allowed
        near *= self.allowed
        return found, own, near

    @cached_property
    def meanings(self) -> Weights | None:
        """The likeness of sentences to the point, for those that have something of it; 0 for the others."""
        if not self.embedder or not self.foreign:
            return None
        features, own, _ = self.features
        weights = np.array([feature.weight for feature in features], dtype=np.float32)
        scores = weights @ own if len(features) else self.allowed.astype(np.float32)
        chosen = np.argsort(-scores, kind="stable")[:24]
        vectors = self.embedder.passages([self.text, *(self.indexed.sentence(int(one)) for one in chosen)])
        found = np.zeros(len(self.indexed), dtype=np.float32)
        found[chosen] = np.maximum(0, vectors[1:] @ vectors[0] - MEANING) / (1 - MEANING)
        return found

    def fit(self, claim: Claim) -> tuple[Weights, Weights]:
        """How much of the point, without the claim itself, each sentence has: alone, and with its neighbours."""
        features, own, near = self.features
        weights = np.zeros(len(features), dtype=np.float32)
        for row, feature in enumerate(features):
            if not (feature.claim and (feature.claim is claim or _same_phrase(feature.claim, claim))):
                weights[row] = feature.weight / (1 + _distance(self.body, feature.place, claim.place) / CLOSE)
        alone, around = weights @ own, weights @ near
        if self.meanings is not None:
            bonus = self.meanings * max(1.0, float(weights.sum()))
            alone, around = alone + bonus, around + bonus
        return alone, around

    def supports(self, claim: Claim) -> bool:
        if not len(claim.ids):
            return self._may_be_translated(claim) if claim.name else self._is_difference(claim)
        alone, around = self.fit(claim)
        best = float(around.max(initial=0))
        if best <= 0:
            return True  # nothing else of the point is in the source
        place = int(claim.ids[int(np.argmax(around[claim.ids]))])
        counts_it = self._counts_unit(claim)
        if counts_it is False:
            return False
        here, here_alone = float(around[place]), float(alone[claim.ids].max())
        wanted = NUMBER_FIT if claim.number else 0 if self._is_spoken_of(claim, alone) else NAME_FIT
        holders = np.zeros(len(self.indexed), dtype=bool)
        holders[claim.ids] = True
        shared = self.features[1].sum(axis=0) - holders  # beside the claim itself
        rival = int(np.argmax(around))
        if (
            self.foreign
            and shared[rival] < 2
            and (self.meanings is None or counts_it or not self._has_another(rival, claim))
        ):
            return True  # too little in common to tell places apart
        rivals = np.flatnonzero((alone > max(BETTER * here_alone, 0.6 * alone.max(initial=0))) & ~holders)
        rivals = rivals[np.argsort(-alone[rivals])][:4]
        if not counts_it and any(self._has_another(int(rival), claim) for rival in rivals):
            wanted = BEST_FIT
        if here < wanted * best:
            return False
        if claim.number and self._counts_otherwise(claim, around, here):
            return False
        return self.foreign or not self._is_farther(claim, place)

    def _is_difference(self, claim: Claim) -> bool:
        """Whether a number is that by which two numbers differ that stand together where the rest of the point does:
        640, and 510 a year before."""
        around = self.fit(claim)[1]
        if not claim.number or claim.number.kind != "number" or not around.any():
            return False
        best = int(np.argmax(around))
        said = [
            Decimal(value)
            for numbers_there in self.indexed.numbers[max(best - 1, 0) : best + 2]
            for one in numbers_there
            if one.kind == "number"
            for value in one.values
        ]
        return any(plain(abs(a - b)) in claim.number.values for a, b in combinations(said, 2))

    def _counts_unit(self, claim: Claim) -> bool | None:
        """Whether a source in another language has so many of a unit; None: it does not say of what it has so many."""
        unit = counted(self.body, claim.number) if self.foreign and claim.number else ""
        if unit not in UNIT_NAMES:
            return None
        units = {
            mention.counted
            for number in claim.ids
            for mention in self.indexed.kinds[int(number)]
            if claim.number and mention.values & claim.number.values
        }
        return unit in units or (None if units - UNIT_NAMES else False)

    def _is_spoken_of(self, claim: Claim, alone: Weights) -> bool:
        """Whether a source names it once and goes on to speak of it by other words: its subject, or its author."""
        first = int(claim.ids[0])
        best = int(np.argmax(alone))
        return (
            first < FIRST_SENTENCES
            or len(claim.ids) > OFTEN * len(self.indexed)
            or bool(_FIRST_PERSON.search(self.indexed.sentence(best)))
        )

    def _is_farther(self, claim: Claim, sentence: int) -> bool:
        """Whether, in the sentence that has a claim, another number or name of its kind, of which the point does not
        speak, stands nearer to what the point says beside it."""
        text = self.indexed.sentence(sentence)
        others: list[tuple[int, frozenset[str]]]
        if claim.number:
            kind, thing = claim.number.kind, counted(self.body, claim.number)
            if thing and any(
                one.counted == thing and one.values & claim.number.values for one in self.indexed.kinds[sentence]
            ):
                return False  # it counts the same
            others = [(one.start, one.bears) for one in self.indexed.numbers[sentence] if one.kind == kind]
            wanted = claim.number.values
            said = frozenset(value for one in self.claims if one.number for value in one.number.values)
        else:
            assert claim.name
            names = self.indexed.names[sentence]
            whole = {name.phrase: {fold(one.text) for one in names if one.phrase == name.phrase} for name in names}
            wanted = frozenset(self.indexed.spelled(claim.text))
            others = [
                (one.start, frozenset(whole[one.phrase]))
                for one in names
                if one.role == claim.name.role or whole[one.phrase] & wanted
            ]
            said = self._named
        mine = [start for start, values in others if values & wanted]
        theirs = [start for start, values in others if not values & said and not self._qualifies(text, start, claim)]
        if not mine or not theirs:
            return False
        features, own, _ = self.features
        weights: dict[str, float] = {}
        beside: list[tuple[int, float]] = []
        unit = stems(self.body[claim.number.end :][:30])[:1] if claim.number else []  # any of them may have it
        for row, feature in enumerate(features):
            if own[row, sentence] and feature.stem not in unit:
                weight = feature.weight / (1 + _distance(self.body, feature.place, claim.place) / CLOSE)
                if feature.stem:
                    weights[feature.stem] = weight
                elif claim.number and feature.claim and feature.claim.name:
                    spelled = self.indexed.spelled(feature.claim.text)
                    weights |= {stem: weight for word in spelled for stem in stems(word)[:1]}
                elif claim.number and feature.claim and feature.claim.number and feature.claim is not claim:
                    values = feature.claim.number.values
                    beside += [(one.start, weight) for one in self.indexed.numbers[sentence] if one.bears & values]
        there = beside + [
            (match.start(), weights[stem])
            for match in _WORD.finditer(text)
            for stem in stems(match[0])[:1]
            if stem in weights
        ]

        def nearness(start: int) -> float:
            return sum(weight / (1 + _distance(text, start, place) / CLOSE) for place, weight in there)

        return max(map(nearness, theirs)) > NEARER * max(map(nearness, mine))

    def _may_be_translated(self, claim: Claim) -> bool:
        """Names change from language to language (Средиземное море is the Mediterranean): some are not recognised."""
        names = [one for one in self.claims if one.kind == "name"]
        lost = len({one.name.phrase for one in names if one.name and not len(one.ids)})
        if self.foreign and claim.name and claim.name.role == "place":
            return True  # places are translated more than people
        return self.foreign and (lost < 2 or lost * 2 <= len({one.name.phrase for one in names if one.name}))

    def _has_another(self, sentence: int, claim: Claim) -> bool:
        """Whether a sentence has something else where the point has this claim."""
        if claim.number:
            said = {value for one in self.claims if one.number for value in one.number.values}
            return any(
                mention.kind == claim.number.kind and not mention.values & said
                for mention in self.indexed.kinds.get(sentence, ())
            )
        assert claim.name
        if any(
            one is not claim and _same_phrase(one, claim) and sentence in one.ids and self._belong(one, claim)
            for one in self.claims
        ):
            return False  # Anna is there, and Smirnova is not
        own, common = claim.name.role, is_common(fold(claim.text))
        others: set[int] = set()
        explained: set[int] = set()
        for name in self.indexed.names[sentence]:
            word, roles = fold(name.text), {name.role, own}
            if common or not is_common(word):
                others.add(name.phrase)
            if word in self._named or (len(roles) > 1 and (not self.foreign or "acronym" in roles)):
                explained.add(name.phrase)
        return not others <= explained

    def _qualifies(self, text: str, start: int, claim: Claim) -> bool:
        """Whether a name stands before a word that the point has: what is the library there, is the Millbrook Library
        here."""
        words = _WORD.findall(text[start : start + 60])[1:2] if claim.name else []
        return bool(words) and words[0][0].isupper() and not self._named.isdisjoint(map(fold, words))

    def _counts_otherwise(self, claim: Claim, around: Weights, here: float) -> bool:
        """Whether the source counts the same thing there, and comes to something else: 12 engineers and 40 trucks are
        not 40 engineers."""
        assert claim.number
        thing = counted(self.body, claim.number)
        if not thing or claim.number.kind not in ("number", "share"):
            return False
        there = [one for one in self.indexed.by_counted.get(thing, ()) if around[one.sentence] >= here]
        return (
            bool(there)
            and not any(claim.number.values & one.values for one in there)
            and not any(
                one.counted in ("", thing) and claim.number.values & one.values
                for number in claim.ids
                for one in self.indexed.kinds[int(number)]
            )
        )

    def _belong(self, a: Claim, b: Claim) -> bool:
        """Whether the source has these words in one name, wherever."""
        beside = (self.indexed.neighbours.get(word, set()) for word in self.indexed.spelled(a.text))
        return bool(set().union(*beside) & {*self.indexed.spelled(b.text)})

    def _mixed(self) -> list[str]:
        """Names whose words the source has, but of different people: Anna Petrov of Anna Smirnova and Ivan Petrov."""
        phrases: dict[int, list[Name]] = {}
        for claim in self.claims:
            if claim.name and len(claim.ids):
                phrases.setdefault(claim.name.phrase, []).append(claim.name)
        found = []
        for names in phrases.values():
            for first, second in pairwise(names):
                a, b = ({*self.indexed.spelled(name.text)} for name in (first, second))
                beside_a = set().union(*(self.indexed.neighbours.get(word, set()) for word in a))
                beside_b = set().union(*(self.indexed.neighbours.get(word, set()) for word in b))
                if a and b and not beside_a & b and not a & b and (beside_a or beside_b):
                    found.append(self.body[first.start : second.end])
        return found

    @cached_property
    def lost(self) -> list[Claim]:
        """The claims that the source does not bear."""
        lost = [claim for claim in self.claims if not self.supports(claim)]
        kept = [claim for claim in self.claims if claim.name and len(claim.ids) and claim not in lost]
        return [one for one in lost if not any(_same_phrase(one, other) and self._belong(one, other) for other in kept)]

    def unsupported(self) -> tuple[str, ...]:
        """As they are written, in their order."""
        mixed = self._mixed()
        texts = [
            (start, self.body[start:end])
            for start, end in self._whole(self.lost)
            if not any(self.body[start:end] in name or name in self.body[start:end] for name in mixed)
        ]
        texts += [(self.body.index(name), name) for name in mixed]
        texts += [(self.body.index(said), said) for said, ids in self.quotations if not len(ids)]
        return tuple(dict.fromkeys(text for _, text in sorted(texts)))

    def _whole(self, lost: Sequence[Claim]) -> Iterator[Span]:
        """Where what is lost stands, words of one name beside each other as one."""
        last: tuple[int, int, int] | None = None  # start, end, phrase
        for claim in sorted(lost, key=lambda claim: claim.place):
            start, end = claim.place, claim.place + len(claim.text)
            phrase = claim.name.phrase if claim.name else -1
            if last and phrase >= 0 and last[2] == phrase and len(self.body[last[1] : start]) <= 5:
                last = last[0], end, phrase
                continue
            if last:
                yield last[:2]
            last = start, end, phrase
        if last:
            yield last[:2]

    def spans(self) -> tuple[Span, ...]:
        """Sentences that have the most of the point, each next one the most of what is left (greedy set cover)."""
        features, own, near = self.features
        weights = np.array(
            [0 if one.claim in self.lost else one.weight * (2 if one.claim else 1) for one in features],
            dtype=np.float32,
        )
        rows = own
        bonus = np.zeros(len(self.indexed), dtype=np.float32)
        for _, ids in self.quotations:
            bonus[ids] += 10
        if self.meanings is not None:
            bonus = bonus + self.meanings * max(1.0, float(weights.sum()))
        around = weights @ near if len(features) else bonus * 0
        total, left = float(weights.sum()), weights.copy()
        chosen: list[int] = []
        for _ in range(MOST_SPANS):
            scores = (left @ rows if len(features) else np.zeros(len(self.indexed), dtype=np.float32)) + bonus
            if not len(scores):
                break
            best = int(np.argmax(scores + 0.2 * around * (scores > 0)))
            if scores[best] <= 0 or (chosen and scores[best] < 0.15 * total):
                break
            chosen.append(best)
            left = left * (1 - rows[:, best]) if len(features) else left
            bonus = bonus * 0
        return tuple(self.indexed.spans[number] for number in chosen)


def _distance(text: str, a: int, b: int) -> int:
    """In words; a new clause is as far as four, a new sentence as thirty."""
    between = text[min(a, b) : max(a, b)]
    return between.count(" ") + 4 * len(_CLAUSE.findall(between)) + 26 * len(_STOP.findall(between))


def _same_phrase(a: Claim, b: Claim) -> bool:
    return bool(a.name and b.name and a.name.phrase == b.name.phrase) or bool(
        a.number and b.number and {a.number.kind, b.number.kind} == {"date", "year"} and a.text in b.text
    )
