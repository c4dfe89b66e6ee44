"""Facts that were planted into a text, looked for in a summary of it.

``data/summaries/LANGUAGE/NAME.md`` is a document, ``NAME.json`` what is known of it::

    {"title": …, "kind": …, "language": "en", "words": 90,          # of the summary that is asked for
     "facts": [{"what": "six votes to three", "key": true, "marks": [["six votes to three", "6 to 3"], ["pool*"]]}, …],
     "false": [{"what": "another sum", "marks": [["3.2 million", "2.8 million"]]}, …]}

``marks`` is a list of groups, each a list of ways to say one thing. An item is there when one way of each group stands
in the same sentence or in two neighbouring ones. How a way is read:

- it matches whole words, in either case; ``*`` at the end of a word is any ending (``pool*``, ``мост*``);
- before that, in both texts: ё is е, curly signs are straight, ``%`` is ``percent``, 900,000 and 900 000 are 900000,
  12,5 is 12.5, and 3rd is 3;
- a number is not found inside of another (2.3 is not in 12.3 or 2.35);
- a day and an English month stand in either order: ``1 October`` is also October 1.

False items are numbers, names and turns near the true ones that the document does not have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from assistant.memory.sentences import sentences

DOCUMENTS = Path(__file__).parent / "data" / "summaries"
_DAY = re.compile(r"(\d{1,2}) (january|february|march|april|may|june|july|august|september|october|november|december)")
_SIGNS = str.maketrans(
    {"ё": "е", "’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "‑": "-", "–": "-", "−": "-"}
)


@dataclass(frozen=True)
class Item:
    """A fact or a falsehood; ``key``: no good summary goes without it."""

    what: str
    marks: tuple[tuple[str, ...], ...]
    key: bool = False

    def is_in(self, text: str) -> bool:
        ways = [re.compile("|".join(map(_pattern, group))) for group in self.marks]
        return any(all(way.search(pair) for way in ways) for pair in _pairs(text))


@dataclass(frozen=True)
class Document:
    """A text with what a summary of ``words`` words must and must not say."""

    path: Path
    text: str
    kind: str
    language: str
    words: int
    facts: tuple[Item, ...]
    false: tuple[Item, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def length(self) -> int:
        """In words."""
        return len(self.text.split())


def documents(folder: Path = DOCUMENTS) -> Iterator[Document]:
    """English ones first, the short ones of each language first."""
    found = (_read(path) for path in sorted(folder.glob("*/*.md")))
    return iter(sorted(found, key=lambda document: (document.language, document.length)))


def found(items: Sequence[Item], text: str) -> list[Item]:
    return [item for item in items if item.is_in(text)]


def fold(text: str) -> str:
    text = re.sub(r"\s+", " ", text.casefold().translate(_SIGNS).replace("%", " percent"))
    text = re.sub(r"(?<![\d.,])\d{1,3}(?:[, ]\d{3})+(?![\d])", lambda match: re.sub(r"\D", "", match[0]), text)
    text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    return re.sub(r"(?<=\d)(?:st|nd|rd|th)\b(?: of\b)?", "", text)


@lru_cache(16)
def _pairs(text: str) -> list[str]:
    """Each sentence with the one after it, folded."""
    said = [fold(text[start:end]) for start, end in sentences(text, 0, len(text))]
    return [" ".join(said[at : at + 2]) for at in range(max(1, len(said) - 1))]


@cache
def _pattern(way: str) -> str:
    way = fold(way)
    ways = [way]
    if match := _DAY.fullmatch(way):
        ways.append("{1} {0}".format(*match.groups()))
    return "|".join(rf"(?<!\w)(?<!\d[.:]){_words(one)}(?!\w)(?![.:]\d)" for one in ways)


def _words(way: str) -> str:
    return re.escape(way).replace(r"\*", r"[\w-]*").replace(r"\ ", " +")


def _read(path: Path) -> Document:
    known = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    facts, false = (
        tuple(Item(one["what"], tuple(map(tuple, one["marks"])), one.get("key", False)) for one in known[name])
        for name in ("facts", "false")
    )
    text = path.read_text(encoding="utf-8")
    return Document(path, text, known["kind"], known["language"], known["words"], facts, false)
