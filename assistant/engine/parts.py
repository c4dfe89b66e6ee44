"""Texts that are longer than there is room for, in parts that fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_BORDERS = ("\n\n", "\n", ". ", " ")  # where a text is cut, the best first


def parts_of(texts: Sequence[str], count_tokens: Callable[[str], int], room: int) -> list[str]:
    """Join what fits into ``room`` tokens, an empty line between texts; cut what is longer, at the border of a
    paragraph, a line, a sentence or a word near its middle. Nothing but white space is lost."""
    parts: list[str] = []
    size = 0  # of the last part
    for text in (piece for long in texts for piece in _halves(long, count_tokens, room)):
        tokens = count_tokens(text)
        if parts and size + tokens <= room:
            parts[-1] += f"\n\n{text}"
            size += tokens
        else:
            parts.append(text)
            size = tokens
    return parts


def _halves(text: str, count_tokens: Callable[[str], int], room: int) -> list[str]:
    if len(text) < 2 or count_tokens(text) <= room:
        return [text]
    cut = _near_middle(text)
    return [
        piece
        for half in (text[:cut], text[cut:])
        if half.strip()
        for piece in _halves(half.strip(), count_tokens, room)
    ]


def _near_middle(text: str) -> int:
    middle, reach = len(text) // 2, len(text) // 4
    for border in _BORDERS:
        before = text.rfind(border, middle - reach, middle)
        after = text.find(border, middle, middle + reach)
        found = [place + len(border) for place in (before, after) if place > 0]
        if found:
            return min(found, key=lambda place: abs(place - middle))
    return middle
