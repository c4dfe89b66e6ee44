"""The ids in an answer, as models write them: [1], [1, 2], [1–3], 【1】, (source 1); code and links have none."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from assistant.memory.sentences import Span, sentences

LONGEST_RANGE = 50

_IDS = r"\d{1,3}(?:\s*[-–—,;]\s*\d{1,3})*"
_WORDS = r"(?:sources?|passages?|источник\w?|текст\w?|№)\s*"
_MARKER = re.compile(
    rf"[\[【]\s*(?:\^|{_WORDS})?(?P<a>{_IDS})\s*(?:†[^\]】\n]*)?[\]】]|\({_WORDS}(?P<b>{_IDS})\s*\)", re.IGNORECASE
)
_NOT_PROSE = re.compile(
    r"""^[ ]{0,3}(?P<fence>```+|~~~+).*?(?:^[ ]{0,3}(?P=fence)|\Z)  # code
    | (?P<tick>`+)[^\n]*?(?P=tick)
    | !?\[[^\[\]\n]*\]\(\s*<?[^\s()]+>?(?:\s+"[^"\n]*")?\s*\)       # a link
    | ^[ ]{0,3}\[[^\]\n]+\]:\s*(?:<|\w+:|www\.|/)\S*                # its definition
    | ^[^\S\n]*(?:[-*+][^\S\n]+)?\[[ xX]\](?=\s)                              # a box to tick
    | ^[^\S\n]*\d{1,3}[.)](?=\s)                                         # the number of an item
    | \b\w+://\S+""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


class Marker(NamedTuple):
    """``answer[start:end]`` and the ids that it names."""

    start: int
    end: int
    ids: tuple[int, ...]


def parse(answer: str) -> tuple[str, list[Marker]]:
    """The answer with spaces for all that is no prose, markers included, and the markers in order."""
    prose = _NOT_PROSE.sub(lambda match: re.sub(r"\S", " ", match[0]), answer)
    markers = [Marker(*match.span(), _ids(match["a"] or match["b"])) for match in _MARKER.finditer(prose)]
    return _MARKER.sub(lambda match: " " * len(match[0]), prose), markers


def _ids(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in re.split("[,;]", text):
        first, *last = (int(number) for number in re.findall(r"\d+", part))
        found += range(first, last[0] + 1) if last and 0 < last[0] - first < LONGEST_RANGE else [first, *last]
    return tuple(dict.fromkeys(found))


def sentences_with_ids(prose: str, markers: Sequence[Marker]) -> Iterator[tuple[Span, set[int]]]:
    """Each sentence with the ids that stand in it or after it; before it, where its line begins with one."""
    spans = list(sentences(prose, 0, len(prose)))
    begins, ends = [begin for begin, _ in spans], [end for _, end in spans]
    cited: list[set[int]] = [set() for _ in spans]
    leading: dict[int, bool] = {}  # by the beginning of a line: there is a marker before its first word
    for start, _, ids in markers:
        line = prose.rfind("\n", 0, start) + 1
        leads = leading.setdefault(line, not re.search(r"\w", prose[line:start]))
        after = bisect_left(ends, start)
        if not (leads and after < len(spans) and "\n" not in prose[start : begins[after]]):
            after = bisect_left(begins, start) - 1
        if after >= 0:
            cited[after].update(ids)
    return zip(spans, cited, strict=True)
