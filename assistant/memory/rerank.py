"""What is known of a candidate, as one number: the default reranker, without a model to pull.

A linear model over few features. Its weights were found by listwise softmax regression on half of the articles of XQuAD
(Artetxe et al. 2020; English, Russian, and memories with half of the articles in each), looked at on the other half,
and rounded; `benchmarks/retrieval.py` measures what they are worth. Titles, age and feedback do not occur there:
their weights are small, so that they decide between passages that are about equally good.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

# Features go from 0 to 1; squares, since a few words in common say little, least across languages.
COVERAGE = 5.0  # of the square of the share of the question's words, by their rarity, that the passage has
WINDOW = 8.0  # the same within the best WINDOW_WORDS
PAIRS = 4.0  # neighbours in the question that are neighbours in the passage
NUMBERS = 2.5  # numbers of the question that the passage has
TITLE = 1.0  # words of the question in the title or the headings
RECENT = 0.3  # changed now; half of it half a year ago
FEEDBACK = 0.3  # a mark on an answer that cited the passage; three at most count

WINDOW_WORDS = 16  # without stop words: a sentence or two
HALF_LIFE = 180.0  # days
SPREAD = 2.0  # of scores around the one at which they are as likely right as wrong


@dataclass(frozen=True, slots=True)
class Scale:
    """What the cosines of an embedder mean.

    Attributes:
        weight: of a cosine in the score.
        zero: the cosine that makes the score of a passage without any word of the question 0. At 0 memory has something
            about a question: 1 to 2 % of those about XQuAD's paragraphs in their own language score less.
        near: a cosine that is enough without words of the question.
        near_across: the same for a passage in another language.
        across: added for a passage in another language, where an embedder favours the same one.
    """

    weight: float
    zero: float
    near: float
    near_across: float
    across: float = 0.0


_SCALES = {  # by a part of the name
    "use-multilingual": Scale(weight=33.0, zero=0.317, near=0.215, near_across=0.215),
    "e5-small": Scale(weight=130.0, zero=0.84, near=0.815, near_across=0.762, across=0.025),
}
# Not measured: about where the cosines of other multilingual embedders lie.
_OTHER = Scale(weight=40.0, zero=0.6, near=0.5, near_across=0.45, across=0.02)


def scale_of(embedder: str) -> Scale:
    """What cosines mean, by the name of the embedder."""
    return next((scale for name, scale in _SCALES.items() if name in embedder), _OTHER)


@dataclass(frozen=True, slots=True)
class Features:
    """What is known of a passage for a question; shares from 0 to 1.

    Attributes:
        cosine: of the nearest sentence.
        across: the passage is in another language than the question.
        coverage, window, pairs, numbers, title: see the weights of this module.
        recency: 1 for now.
        feedback: marks on earlier answers, negative for bad ones; bounded where they are kept.
    """

    cosine: float
    across: bool = False
    coverage: float = 0.0
    window: float = 0.0
    pairs: float = 0.0
    numbers: float = 0.0
    title: float = 0.0
    recency: float = 0.0
    feedback: int = 0

    def score(self, scale: Scale) -> float:
        """Any real number, higher is better."""
        return (
            scale.weight * (self.cosine + self.across * scale.across - scale.zero)
            + COVERAGE * self.coverage**2
            + WINDOW * self.window**2
            + PAIRS * self.pairs
            + NUMBERS * self.numbers
            + TITLE * self.title
            + RECENT * self.recency
            + FEEDBACK * self.feedback
        )


def probability(score: float) -> float:
    """A score from 0 to 1; 0.5 for 0."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, score / SPREAD))))


class Question:
    """The words of a question, weighted by how rare they are in memory."""

    def __init__(self, stems: Sequence[str], rarity: Mapping[str, float]):
        """
        Args:
            stems: in their order.
            rarity: the weight of every word that counts; more than those of ``stems`` if there is a context.
        """
        self.rarity = rarity
        self._total = sum(rarity.values()) or 1.0
        pairs = {pair for pair in itertools.pairwise(stems) if pair[0] != pair[1]}
        self._pairs = {(one, other): rarity[one] + rarity[other] for one, other in pairs}
        self._pairs_total = sum(self._pairs.values()) or 1.0
        self._numbers = {stem for stem in rarity if stem[0].isdigit()}

    def features(
        self,
        words: Sequence[str],
        title: frozenset[str],
        *,
        cosine: float,
        across: bool = False,
        modified: datetime | None = None,
        feedback: int = 0,
    ) -> Features:
        """
        Args:
            words: the stems of the passage in their order.
            title: those of its title and headings.
        """
        rarity = self.rarity
        places = [(place, word) for place, word in enumerate(words) if word in rarity]
        present = {word for _, word in places}
        titled = title & rarity.keys()
        share = sum(map(rarity.__getitem__, present | titled)) / self._total
        return Features(
            cosine=cosine,
            across=across,
            coverage=share,
            window=self._best_window(places) / self._total,
            pairs=self._neighbours(places) / self._pairs_total,
            numbers=len(self._numbers & present) / len(self._numbers) if self._numbers else 0.0,
            title=sum(map(rarity.__getitem__, titled)) / self._total,
            recency=_recency(modified) if modified else 0.0,
            feedback=feedback,
        )

    def _best_window(self, places: Sequence[tuple[int, str]]) -> float:
        """The most that different words within WINDOW_WORDS of a passage weigh together."""
        inside: Counter[str] = Counter()
        weight = best = 0.0
        first = 0
        for place, word in places:
            if not inside[word]:
                weight += self.rarity[word]
            inside[word] += 1
            while places[first][0] <= place - WINDOW_WORDS:
                out = places[first][1]
                inside[out] -= 1
                if not inside[out]:
                    weight -= self.rarity[out]
                first += 1
            best = max(best, weight)
        return best

    def _neighbours(self, places: Sequence[tuple[int, str]]) -> float:
        """What the pairs weigh that stand in the passage in this order, with one word between them at most."""
        found = set()
        for number, (place, word) in enumerate(places):
            for other_place, other in places[number + 1 : number + 3]:
                if other_place - place <= 2 and (word, other) in self._pairs:
                    found.add((word, other))
        return sum(map(self._pairs.__getitem__, found))


def _recency(modified: datetime) -> float:
    days = max(0.0, (datetime.now(UTC) - modified).total_seconds() / 86_400)
    return float(0.5 ** (days / HALF_LIFE))
