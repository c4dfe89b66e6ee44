"""How long a summary is, and which of its points make it as long as was asked."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache

from assistant.memory.stemming import stems
from assistant.tasks.styles import Style

TOLERANCE = 0.15  # of the words asked for

# Scripts without spaces: a character is counted, as word processors do. Korean has spaces.
_EAST_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_EAST_ASIAN}]|[^\s{_EAST_ASIAN}]+")
_BULLET = re.compile(r"^\s*(?:[-*•]|#{1,6})\s+", re.MULTILINE)


def words_of(text: str) -> int:
    """Words as a reader counts them: what stands between spaces and has a letter or a digit."""
    return sum(any(map(str.isalnum, word)) for word in _WORD.findall(_BULLET.sub("", text)))


def has_spaces(text: str) -> bool:
    """Whether spaces part its words."""
    return 2 * len(text.split()) > words_of(text)


def around(words: int, tolerance: float = TOLERANCE) -> tuple[int, int]:
    """The least and the most words that still are so many."""
    return math.ceil(words * (1 - tolerance)), math.floor(words * (1 + tolerance))


def default_words(style: Style, source_words: int) -> int:
    """How long a summary is when nobody says: longer for longer texts, but not as many times."""
    most = {"headline": 12, "tldr": 35, "abstract": 250, "minutes": 600}.get(style, 350)
    return max(8, min(most, round(4 * math.sqrt(source_words)), source_words // 2))


def centrality(texts: Sequence[str]) -> list[float]:
    """How much each text says of what all of them are about, 0 to 1: the cosine with their sum, words weighted by how
    rare they are (the centroid of Radev et al., "Centroid-based summarization of multiple documents", 2004)."""
    counts = [Counter(stems(text)) for text in texts]
    frequency = Counter(stem for count in counts for stem in count)
    rarity = {stem: math.log(1 + len(texts) / found) for stem, found in frequency.items()}
    vectors = [{stem: (1 + math.log(n)) * rarity[stem] for stem, n in count.items()} for count in counts]
    lengths = [math.sqrt(sum(weight * weight for weight in vector.values())) or 1.0 for vector in vectors]
    centre: dict[str, float] = defaultdict(float)
    for vector, length in zip(vectors, lengths, strict=True):
        for stem, weight in vector.items():
            centre[stem] += weight / length
    total = math.sqrt(sum(weight * weight for weight in centre.values())) or 1.0
    return [
        sum(weight * centre[stem] for stem, weight in vector.items()) / (length * total)
        for vector, length in zip(vectors, lengths, strict=True)
    ]


def choose(words: Sequence[int], values: Sequence[float], low: int, high: int) -> list[int]:
    """The texts, by place and in order, that are worth the most and have ``low`` to ``high`` words together; where none
    do, those that come nearest, rather below than above.

    Args:
        words: of each text. values: what each is worth; of 0: taken only where nothing else makes it long enough.
    """
    most = min(sum(words), high + max(words, default=0))
    best: list[float] = [0.0] + [-1.0] * most  # by words together; -1: cannot be
    taken = [bytearray(most + 1) for _ in words]
    for place, (length, value) in enumerate(zip(words, values, strict=True)):
        for total in range(most, length - 1, -1):
            if best[total - length] >= 0 and best[total - length] + value > best[total]:
                best[total] = best[total - length] + value
                taken[place][total] = 1
    possible = [total for total in range(most + 1) if best[total] >= 0 and total]
    inside = [total for total in possible if low <= total <= high]
    if inside:
        total = max(inside, key=lambda total: best[total])
    else:
        total = min(possible, key=lambda total: low - total if total < low else 2 * (total - high), default=0)
    chosen = []
    for place in range(len(words) - 1, -1, -1):
        if taken[place][total]:
            chosen.append(place)
            total -= words[place]
    return chosen[::-1]


def alike(a: str, b: str) -> bool:
    """Whether two texts say the same with nearly the same words."""
    first, second = _stems_in(a), _stems_in(b)
    return len(first & second) > 0.7 * min(len(first), len(second)) and len(first & second) > 0.5 * len(first | second)


@lru_cache(4096)
def _stems_in(text: str) -> frozenset[str]:
    return frozenset(stems(text))
