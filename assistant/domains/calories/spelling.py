"""Words that are not written as the food's name: Russian diminutives, and misspellings."""

from __future__ import annotations

from collections.abc import Collection, Iterator

# (ending of the diminutive, endings of the word it is made from): творож-ок → творог, помидор-чик → помидор.
_DIMINUTIVES = (
    ("очек", ("ок",)), ("ечек", ("ек", "ок", "ец")), ("ичек", ("ик",)),
    ("ушек", ("",)), ("ышек", ("",)), ("ушко", ("о", "")), ("ышко", ("о",)), ("юшка", ("я", "а")),
    ("ушка", ("а", "я", "")),
    ("чик", ("", "ец", "ик", "к")), ("ик", ("", "ь")), ("ок", ("",)), ("ек", ("", "й", "ь")), ("ец", ("",)),
    ("очка", ("ка", "а", "ица")), ("ечка", ("ка", "а", "я", "ца", "ша")), ("ичка", ("ица", "а", "ка")),
    ("енька", ("а", "я", "ь")), ("онька", ("а",)), ("ешка", ("ень",)), ("енка", ("ня", "а")), ("инка", ("ина", "а")),
    ("ька", ("я", "ь")), ("ка", ("а", "я", "ь", "")),
    ("ичко", ("йцо", "ко")), ("ечко", ("ко", "це", "о")), ("очко", ("око", "ко")), ("чко", ("ко", "цо")),
    ("ице", ("о", "е")), ("ьице", ("ье",)), ("ице", ("ие",)), ("цо", ("о",)), ("це", ("о",)), ("ко", ("о", "")),
    ("ьцо", ("о",)), ("ьце", ("о",)), ("асик", ("о",)),
)  # fmt: skip
# Before a diminutive's ending к, г, х, ц, ск become ч, ж, ш, ч, щ; not before -ик and -чик.
_SOFTENED = {"ч": ("к", "ц"), "ж": ("г",), "ш": ("х",), "щ": ("ск",)}
_NOT_SOFTENED = ("ик", "чик", "ец")

# Letters that Russian and English spelling confuse: half an error.
_PAIRS = "ао еи ея иы еэ бп вф гк дт жш зс щш ъь юу сц ck sz ie ea ou iy sc vw ao"
_CONFUSED = frozenset(map(frozenset, _PAIRS.split()))
_DROPPED = frozenset("ьъйh")
_LAYOUT = str.maketrans("qwertyuiop[]asdfghjkl;'zxcvbnm,.`", "йцукенгшщзхъфывапролджэячсмитьбюё")
SHORTEST = 5  # letters; a shorter word is near to too many others
_MOST_OTHER_LETTERS = 4  # two replaced: a quick look before the errors are counted
_LONG = 8  # letters from which on a second error is taken


def diminutive_of(word: str, vocabulary: Collection[str]) -> list[str]:
    """The words of the vocabulary that a Russian noun (lemma, folded) may be a diminutive of."""
    return list(dict.fromkeys(base for base in _bases(word) if base != word and base in vocabulary))


def _bases(word: str) -> Iterator[str]:
    for ending, originals in _DIMINUTIVES:
        stem = word.removesuffix(ending)
        if stem == word or not stem:
            continue
        stems = [stem]
        if ending not in _NOT_SOFTENED:
            stems += [stem[:-1] + hard for hard in _SOFTENED.get(stem[-1], ())]
        for one in stems:
            for original in originals:
                yield one + original


def nearest(word: str, vocabulary: Collection[str]) -> tuple[str, float] | None:
    """The one word of the vocabulary that a misspelt word is clearly nearest to, and the errors in it (0.5 to 2).

    Args:
        word, vocabulary: folded; the word itself is not in the vocabulary.

    Returns:
        None where nothing is near enough, or two words are equally near. An English word begins with the letter that it
        should begin with.
    """
    if len(word) < SHORTEST or not word.isalpha():
        return None
    latin = word.isascii()
    allowed = 1.0 if len(word) < _LONG else 1.5 if latin else 2.0
    letters = set(word)
    best: list[tuple[float, str]] = []
    for other in vocabulary:
        if abs(len(other) - len(word)) > allowed + 0.5 or len(other) < SHORTEST - 1 or other.isascii() != latin:
            continue
        if latin and other[0] != word[0]:
            continue
        if len(letters.symmetric_difference(other)) > _MOST_OTHER_LETTERS:
            continue
        errors = distance(word, other, allowed)
        if errors <= allowed:
            best.append((errors, other))
    best.sort()
    if not best or (len(best) > 1 and best[1][0] - best[0][0] < 0.5):
        return None
    return best[0][1], best[0][0]


def russian_layout(word: str) -> str:
    """A word of Latin letters as typed on a Russian keyboard: ndjhju → творог; empty where it has another character."""
    typed = word.translate(_LAYOUT)
    return typed if typed.isalpha() and not typed.isascii() else ""


def distance(one: str, other: str, most: float) -> float:
    """Optimal string alignment: insertions, deletions, replacements and swaps of neighbours cost 1; confused letters,
    doubled letters and a lost ``ь`` 0.5. Above ``most`` the number is only a lower bound."""
    previous: list[float] = []
    current: list[float] = [0.0]
    for letter, before in zip(other, " " + other, strict=False):
        current.append(current[-1] + _gap(letter, before))
    for i, letter in enumerate(one, 1):
        older, previous = previous, current
        before = one[i - 2] if i > 1 else " "
        current = [previous[0] + _gap(letter, before)]
        for j, target in enumerate(other, 1):
            cost = 0.0 if letter == target else 0.5 if frozenset((letter, target)) in _CONFUSED else 1.0
            best = min(
                previous[j - 1] + cost,
                previous[j] + _gap(letter, before),
                current[j - 1] + _gap(target, other[j - 2] if j > 1 else " "),
            )
            if i > 1 and j > 1 and letter == other[j - 2] and before == target and letter != target:
                best = min(best, older[j - 2] + 1.0)
            current.append(best)
        if min(current) > most:
            return min(current)
    return current[-1]


def _gap(letter: str, before: str) -> float:
    return 0.5 if letter == before or letter in _DROPPED else 1.0
