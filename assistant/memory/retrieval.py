"""Questions to passages: by words and by meaning, both fused, ranked by all that is known, no document too often."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from assistant.memory.index import Filter, Index
from assistant.memory.passages import Passage
from assistant.memory.rerank import Features, Question, probability, scale_of
from assistant.memory.stemming import language_of, stems

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assistant.memory.embedding import CrossEncoder, Embedder
    from assistant.memory.feedback import Feedback

CANDIDATES = 50  # of each leg
RANKED = 50  # best of both that are looked at more closely
# Weighted reciprocal rank fusion (Cormack et al. 2009): words are the surer leg.
WORDS, MEANING, RANK_OFFSET = 2.0, 1.0, 10
SHORT_QUESTION = 3  # words without stop words: it may need the question before it
CONTEXT = 0.4  # the weight of the question before
# Share of the question's words, by their rarity; the fewer there are, the nearer the meaning must be.
ENOUGH_WORDS = 0.5
TELLING = 3  # best passages that say whether memory has something
NEAR_DUPLICATE = 0.9  # of the words in common
CROSS_ENCODED = 20  # best candidates that a cross-encoder reads
_SURE = 8.0  # logits of a cross-encoder count up to this


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with what was found out about it.

    Attributes:
        score: from 0 to 1, of the final ranking; from 0.5 on the passage by itself says that memory has something.
        bm25, cosine: higher is better; the ranks in each leg from 1; None: the leg did not find it.
        fused: of reciprocal ranks.
        span: characters of the passage's text: the sentence that is nearest in meaning.
    """

    passage: Passage
    score: float
    bm25: float | None
    bm25_rank: int | None
    cosine: float | None
    cosine_rank: int | None
    fused: float
    span: tuple[int, int]
    features: Features | None = None

    @classmethod
    def of(cls, passage: Passage) -> Hit:
        """A passage that was not searched for."""
        return cls(passage, 1.0, None, None, None, None, 0.0, (0, len(passage.text)))


@dataclass(frozen=True, slots=True)
class Retrieved:
    """``hits``: best first. ``confident``: False says that memory has nothing about this; the hits are only nearest."""

    query: str
    hits: tuple[Hit, ...]
    confident: bool


@dataclass(slots=True)
class _Candidate:
    bm25: float | None = None
    bm25_rank: int | None = None
    cosine: float = 0.0
    cosine_rank: int | None = None
    span: tuple[int, int] | None = None


class Retriever:
    """Searches an index with the embedder that its vectors come from."""

    def __init__(
        self,
        index: Index,
        embedder: Embedder,
        reranker: CrossEncoder | None = None,
        feedback: Feedback | None = None,
    ):
        self._index, self._embedder, self._reranker, self._feedback = index, embedder, reranker, feedback
        self._scale = scale_of(embedder.name)

    def search(
        self, query: str, *, limit: int = 8, filter: Filter | None = None, context: str | None = None
    ) -> Retrieved:
        """The passages that answer a query best.

        Args:
            context: the question before: a short one like “and how much is it?” is about the same.

        Raises:
            IndexUnusable: the database cannot be read.
        """
        words = stems(query)
        before = stems(context) if context and is_short(query) else []
        vector = self._vector(query, context if before else None)
        with self._index.database.transaction(write=False):  # one state of the memory, whoever changes it meanwhile
            candidates = self._candidates([*words, *before], vector, filter)
            passages = self._index.passages(list(candidates), filter)
            texts = self._index.stems_of(list(candidates))
            marks = self._feedback.of(candidates) if self._feedback else {}
            question = self._question(words, before)
        language = language_of(query)
        ranked = []
        for passage in passages:
            id = passage.chunk_id
            features = question.features(
                texts[id],
                _stems_of_title(f"{passage.title} {passage.place.heading}"),
                cosine=candidates[id].cosine,
                across=passage.language != language,
                modified=passage.place.modified,
                feedback=marks.get(id, 0),
            )
            score = features.score(self._scale)
            ranked.append((score, _hit(passage, candidates[id], features, probability(score))))
        ranked.sort(key=lambda each: (-each[0], -each[1].fused, each[1].passage.chunk_id))
        confident = any(self._tells(score, hit) for score, hit in ranked[:TELLING])
        if self._reranker:
            ranked = self._reread(query, ranked)
        return Retrieved(query, tuple(_diverse([hit for _, hit in ranked], texts, limit)), confident)

    def _vector(self, query: str, context: str | None) -> NDArray[np.float32]:
        vector = self._embedder.query(query)
        if context:
            vector = vector + CONTEXT * self._embedder.query(context)
            vector /= max(float((vector @ vector) ** 0.5), 1e-12)
        return vector

    def _candidates(
        self, words: Sequence[str], vector: NDArray[np.float32], filter: Filter | None
    ) -> dict[int, _Candidate]:
        """What either leg finds, by chunk. What only the words find gets its cosine too."""
        found: dict[int, _Candidate] = {}
        for rank, (id, cosine, span) in enumerate(self._index.nearest(vector, CANDIDATES, filter), 1):
            found[id] = _Candidate(cosine=cosine, cosine_rank=rank, span=span)
        by_words = self._index.lexical(words, CANDIDATES, filter)
        for id, cosine, span in self._index.compare(vector, [id for id, _ in by_words if id not in found]):
            found[id] = _Candidate(cosine=cosine, span=span)
        for rank, (id, bm25) in enumerate(by_words, 1):
            candidate = found.setdefault(id, _Candidate())  # one without vectors, in a damaged memory
            candidate.bm25, candidate.bm25_rank = bm25, rank
        if len(found) > RANKED:
            best = sorted(found, key=lambda id: -_reciprocal_ranks(found[id]))[:RANKED]
            found = {id: found[id] for id in best}
        return found

    def _question(self, words: Sequence[str], before: Sequence[str]) -> Question:
        """The words with their rarity in memory: the inverse document frequency of BM25."""
        chunks, frequencies = self._index.frequencies([*words, *before])
        rarity = {word: math.log1p((chunks - having + 0.5) / (having + 0.5)) for word, having in frequencies.items()}
        for word in set(before) - set(words):
            rarity[word] *= CONTEXT
        return Question(words, rarity)

    def _tells(self, score: float, hit: Hit) -> bool:
        """Whether memory has something about the question: a good passage, its words, or a near meaning.
        Rather too much is let through: the language model reads it yet, and what is lost here nobody sees."""
        features = hit.features
        assert features
        if score >= 0 or features.coverage >= ENOUGH_WORDS:
            return True
        near = self._scale.near_across if features.across else self._scale.near
        return features.cosine >= near * (1 - features.coverage / ENOUGH_WORDS)

    def _reread(self, query: str, ranked: list[tuple[float, Hit]]) -> list[tuple[float, Hit]]:
        """Let the cross-encoder add what it thinks of the best."""
        assert self._reranker
        some = ranked[:CROSS_ENCODED]
        read = self._reranker.score(query, [hit.passage.text for _, hit in some])
        scored = [(score + _logit(float(value)), hit) for (score, hit), value in zip(some, read, strict=True)]
        lowest = min((score for score, _ in scored), default=0.0)
        # The others stay behind, however sure it is that those were bad.
        scored += [(min(score, lowest), hit) for score, hit in ranked[CROSS_ENCODED:]]
        scored.sort(key=lambda each: -each[0])
        return [(score, replace(hit, score=probability(score))) for score, hit in scored]


def is_short(query: str) -> bool:
    """Whether a question may need the one before it."""
    return len(stems(query)) <= SHORT_QUESTION


def _reciprocal_ranks(found: _Candidate, coverage: float = 1.0) -> float:
    """What the legs say together. Of a question in another language only a name or a number is found by words: such a
    vote counts as much as the share of the question that the passage has."""
    words = WORDS * coverage / (RANK_OFFSET + found.bm25_rank) if found.bm25_rank else 0.0
    meaning = MEANING / (RANK_OFFSET + found.cosine_rank) if found.cosine_rank else 0.0
    return words + meaning


def _hit(passage: Passage, found: _Candidate, features: Features, score: float) -> Hit:
    return Hit(
        passage=passage,
        score=score,
        bm25=found.bm25,
        bm25_rank=found.bm25_rank,
        cosine=found.cosine if found.cosine_rank else None,
        cosine_rank=found.cosine_rank,
        fused=_reciprocal_ranks(found, features.coverage),
        span=found.span or (0, len(passage.text)),
        features=features,
    )


def _diverse(hits: Iterable[Hit], words: Mapping[int, Sequence[str]], limit: int) -> list[Hit]:
    """The best ``limit`` in their order, of one document half of them at most, unless there are no others.

    Of near duplicates the best stands, with the places of the others.
    """
    chosen: list[Hit] = []
    left: list[Hit] = []
    taken: Counter[int] = Counter()
    most = max(1, math.ceil(limit / 2))
    for hit in hits:
        if len(chosen) == limit:
            break
        same = next((number for number, other in enumerate(chosen) if _near(hit, other, words)), None)
        if same is not None:
            chosen[same] = _also_in(chosen[same], hit)
        elif taken[hit.passage.document_id] == most:
            left.append(hit)
        else:
            taken[hit.passage.document_id] += 1
            chosen.append(hit)
    chosen += left[: limit - len(chosen)]
    return sorted(chosen, key=lambda hit: -hit.score)


def _near(hit: Hit, other: Hit, words: Mapping[int, Sequence[str]]) -> bool:
    """Whether two passages say the same, up to a word here and there. Other numbers say something else."""
    ours, theirs = words[hit.passage.chunk_id], words[other.passage.chunk_id]
    if min(len(ours), len(theirs)) < NEAR_DUPLICATE * max(len(ours), len(theirs)):
        return False
    one, two = set(ours), set(theirs)
    different = one ^ two
    alike = 2 * len(one & two) >= NEAR_DUPLICATE * (len(one) + len(two))
    return alike and not any(map(_has_digit, different))


def _has_digit(word: str) -> bool:
    return any(map(str.isdigit, word))


def _also_in(hit: Hit, duplicate: Hit) -> Hit:
    also = (*hit.passage.also, duplicate.passage.place, *duplicate.passage.also)
    return replace(hit, passage=replace(hit.passage, also=also))


def _logit(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return max(-_SURE, min(_SURE, math.log(probability / (1 - probability))))


@lru_cache(4096)
def _stems_of_title(title: str) -> frozenset[str]:
    return frozenset(stems(title))
