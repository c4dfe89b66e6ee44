"""Which words of a meal's text name a food: by the names of the table, by an amount beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from assistant.domains.calories import lemmas
from assistant.domains.calories.clauses import AND, WITH, Token
from assistant.domains.calories.foods import SURE, Candidate
from assistant.domains.calories.names import STOP_WORDS as NO_NAME
from assistant.domains.calories.units import Quantity
from assistant.memory.stemming import STOP_WORDS

LONGEST_NAME = 6  # words
GRAMS = 20  # a bare number from here on is a weight
_EGG = re.compile(r"яйц\w*|яиц\w*|eggs?", re.IGNORECASE)
_EGG_DISH = re.compile(r"(?:Egg|Omelet)", re.IGNORECASE)  # of the table
_INTO = frozenset(["на", "в", "во", "из", "in", "on", "from"])
_LITTLE = AND | WITH | _INTO | frozenset(["для", "от", "по", "без", "не", "к", "у", "за"])


class Names(Protocol):
    """What the reading asks of the food table."""

    def is_name(self, text: str) -> bool: ...
    def is_form(self, text: str) -> bool: ...
    def look_up(self, text: str, limit: int = 8) -> list[Candidate]: ...


@dataclass(slots=True)
class Mention:
    """``text[start:end]`` names a food.

    Attributes:
        words: what is looked up: the span, or the name of an emoji.
        eaten: False: the text says that it was not; None: the grammar does not tell.
        sure: the table has a name for it.
        core: the name in it, where a model says that more words belong to it.
        beside: start of the food that it came with ("кофе *с молоком*").
        shared_with: start of the food on the same plate that its amount may be of as well.
    """

    start: int
    end: int
    words: str
    sure: bool
    eaten: bool | None = None
    quantities: list[Quantity] = field(default_factory=list)
    beside: int | None = None
    core: str = ""
    shared_with: int | None = None


def named(text: str, tokens: Sequence[Token], quantities: Sequence[Quantity], foods: Names) -> list[Mention]:
    """What the table has names for, the longest from left to right, with the modifiers beside them."""

    def longest(at: int) -> int:
        return next(
            (size for size in range(LONGEST_NAME, 0, -1) if _is_name(text, tokens[at : at + size], size, foods)), 0
        )

    mentions = []
    at = 0
    while at < len(tokens):
        size = longest(at)
        if size and any(q.start <= tokens[at].start < q.end for q in quantities) and longest(at + 1) >= size:
            size = 0  # "кусок торта наполеон": the amount is no part of the name
        if size:
            start, end = tokens[at].start, tokens[at + size - 1].end
            mentions.append(Mention(start, end, text[start:end], sure=True))
            for token in tokens[at : at + size]:
                token.role = "food"
        at += size or 1
    for token in tokens:
        if token.words and is_sure(token.words, foods):
            mention = Mention(token.start, token.end, token.words, sure=True)
            if (count := len(re.findall(r"[^\s\ufe0f]", text[token.start : token.end]))) > 1:
                unit = "slice" if token.text.startswith("slice") else None
                mention.quantities.append(Quantity(float(count), unit, token.start, token.end))
            mentions.append(mention)
            token.role = "food"
    return sorted(mentions, key=lambda mention: mention.start)


def _is_name(text: str, tokens: Sequence[Token], size: int, foods: Names) -> bool:
    if len(tokens) < size or any(token.before in ("comma", "stop") for token in tokens[1:]):
        return False
    if any(token.role == "hint" or token.words for token in tokens):
        return False
    ends = (tokens[0], tokens[-1])
    if any(token.role == "quantity" or token.text in _LITTLE | NO_NAME for token in ends):
        return False
    words = text[tokens[0].start : tokens[-1].end]
    if any(token.role == "eat" or token.text in STOP_WORDS for token in ends) and not (
        size > 1 and foods.is_name(words)
    ):
        return False  # "energy drink", "том ям" are names
    first = text[tokens[0].start : tokens[0].end]
    if size > 1 and tokens[1].text in WITH and foods.is_form(first) and not foods.is_name(first):
        return False  # "сосиски отварные с макаронами": of what stands before
    # More than a blank or a hyphen between words is a dash, a colon or a bracket between two things.
    if re.search(r"[^\w\s'’%.,&-]|\s-|-\s", words):
        return False
    if foods.is_name(words):
        return True
    if any(token.role == "skip" for token in ends):
        return False
    # A modifier is no food of its own: "сыром" is not "сырой" beside "колбасой". "На воде" is one.
    named = [
        token
        for before, token in pairwise([tokens[0], *tokens])
        if before.text not in _INTO and foods.is_name(text[token.start : token.end])
    ]
    if any(token.before == "and" for token in tokens[1:]):
        return False
    if len(named) > 1 and not foods.is_name(text[named[0].start : named[-1].end]):
        return False
    return is_sure(words, foods)


def is_sure(words: str, foods: Names) -> bool:
    found = foods.look_up(words, 1)
    return bool(found) and found[0].score >= SURE


def without_names(
    text: str, mentions: Sequence[Mention], quantities: Sequence[Quantity], foods: Names
) -> list[Quantity]:
    """The amounts that are none of a name's own words. "Большой банан" is one big banana; "big mac" and "пицца четыре
    сыра" are names."""
    kept = []
    for quantity in quantities:
        mention = next((m for m in mentions if m.start < quantity.end and quantity.start < m.end), None)
        if mention:
            before, behind = text[mention.start : quantity.start], text[quantity.end : mention.end]
            rest = before if len(before) > len(behind) else behind
            if (before.strip() and behind.strip()) or not is_sure(rest, foods):
                continue
            if rest is behind:
                mention.start = quantity.end + len(behind) - len(re.sub(r"^\W+", "", behind))
            else:
                mention.end = mention.start + len(re.sub(r"[^\w%]+$", "", before))
            mention.words = text[mention.start : mention.end]
        kept.append(quantity)
    return kept


def widen(
    text: str, tokens: Sequence[Token], mentions: Sequence[Mention], quantities: Sequence[Quantity], foods: Names
) -> None:
    """Words beside a name that say more of the same food: adjectives, a percentage; a form behind its amount or in
    brackets: "рис 100 г (сухой)", "oatmeal (40 g dry)"."""
    index = {token.start: number for number, token in enumerate(tokens)}
    for mention in mentions:
        first = index[mention.start]
        if tokens[first].words:
            continue
        while first and not tokens[first].before and _describes(text, tokens[first - 1], tokens[first], before=True):
            first -= 1
            tokens[first].role = "food"
        last = max(number for number, token in enumerate(tokens) if token.start < mention.end)
        while (
            last + 1 < len(tokens)
            and not tokens[last + 1].before
            and _describes(text, tokens[last + 1], tokens[last], before=False)
        ):
            beyond = tokens[last + 2] if last + 2 < len(tokens) else None
            if beyond and not beyond.before and beyond.role == "food" and not tokens[last + 1].text.endswith("%"):
                break  # it describes the next one
            last += 1
            tokens[last].role = "food"
        if (mention.start, mention.end) != (tokens[first].start, tokens[last].end):
            mention.core = mention.words
        mention.start, mention.end = tokens[first].start, tokens[last].end
        mention.words = text[mention.start : mention.end]
        while last + 1 < len(tokens) and tokens[last + 1].role == "quantity":
            last += 1
        apart = tokens[last + 1] if last + 1 < len(tokens) else None
        if apart and apart.role in ("open", "skip") and foods.is_form(text[apart.start : apart.end]):
            gap = _without(
                text,
                text[mention.end : apart.start],
                mention,
                [q for q in quantities if q.start >= mention.end and q.end <= apart.start],
            )
            beyond = tokens[last + 2] if last + 2 < len(tokens) else None
            if (
                re.fullmatch(r"[\s(,]*", gap)
                and ("(" in gap or apart.before != "comma")
                and not (beyond and beyond.role == "food" and not beyond.before)
            ):
                mention.core = mention.core or mention.words
                mention.words += " " + text[apart.start : apart.end]
                apart.role = "food"


def _describes(text: str, token: Token, beside: Token, *, before: bool) -> bool:
    if token.text.endswith("%"):
        return True
    gap = text[token.end : beside.start] if before else text[beside.end : token.start]
    if token.role != "open" or len(gap) > 1:
        return False
    if token.text.isascii():
        return before
    # Adjectives of quality (вкусный) say nothing of what it is, those made from nouns do (миндальное молоко).
    tags = lemmas.grammemes(token.text)
    return "ADJF" in tags and not tags & {"Qual", "Apro", "Anum"}


def measured(
    text: str, tokens: Sequence[Token], quantities: Sequence[Quantity], mentions: Sequence[Mention]
) -> list[Mention]:
    """Words that no table knows but that have an amount with a unit beside them: "200 г бешбармака"."""
    found: list[Mention] = []
    taken = {token.start for token in tokens if token.role == "food"}
    for quantity in quantities:
        after = [number for number, token in enumerate(tokens) if token.start >= quantity.end]
        run = _run(tokens, after[0], 1) if after and tokens[after[0]].before in ("",) else []
        if quantity.vague and not quantity.unit:
            run = []
        elif (
            (quantity.unit or quantity.value >= GRAMS)
            and not run
            and not (after and tokens[after[0]].role == "food" and not tokens[after[0]].before)
        ):
            before = [number for number, token in enumerate(tokens) if token.end <= quantity.start]
            run = _run(tokens, before[-1], -1) if before else []
        if run and not any(token.start in taken for token in run) and not all(map(_is_adjective, run)):
            taken |= {token.start for token in run}
            for token in run:
                token.role = "food"
            named = next((one for one in mentions if text[one.end : run[0].start].strip(" \"'«“") == ""), None)
            if named and named.end < run[0].start and not run[0].before:  # "творожок «Чудо» 100 г"
                closing = text[run[-1].end : run[-1].end + 1] in ('"', "»", "”")
                named.core, named.end = named.core or named.words, run[-1].end + closing
                named.words = text[named.start : named.end]
                continue
            found.append(Mention(run[0].start, run[-1].end, text[run[0].start : run[-1].end], sure=False))
    return found


def _is_adjective(token: Token) -> bool:
    known = lemmas.is_russian_word(token.text)
    return known and bool(lemmas.grammemes(token.text) & {"ADJF", "PRTF", "ADJS", "PRTS"})


def _run(tokens: Sequence[Token], start: int, step: int) -> list[Token]:
    """Open words from here on, as long as nothing separates them."""
    run: list[Token] = []
    at = start
    while 0 <= at < len(tokens) and tokens[at].role == "open" and len(run) < 4:
        run.append(tokens[at])
        following = tokens[at + 1] if step > 0 and at + 1 < len(tokens) else tokens[at]
        if following.before:
            break
        at += step
    # A food right behind the words takes them for itself.
    if 0 <= at < len(tokens) and tokens[at].role == "food" and run and step > 0:
        return []
    return run[::step]


def merged(text: str, mentions: Sequence[Mention], quantities: Sequence[Quantity], foods: Names) -> list[Mention]:
    """One mention of two that are one dish: "котлеты из индейки", "курица в сметане", "beef burrito", "омлет из двух
    яиц"; none of a heading: "салат: помидоры, огурцы"."""
    kept: list[Mention] = []
    for mention in mentions:
        before = kept[-1] if kept else None
        gap = text[before.end : mention.start] if before else ""
        amounts = [q for q in quantities if before and before.end <= q.start and q.end <= mention.start]
        if not before or before.eaten is False or mention.eaten is False:
            kept.append(mention)
        elif (
            _EGG.fullmatch(text[mention.start : mention.end])
            and re.fullmatch(r"\s*\(?(?:из|с|from|with|of)?\s*", _without(text, gap, before, amounts), re.I)
            and amounts
            and _is_egg_dish(before, foods)
        ):
            before.end = mention.end
        elif _EGG.fullmatch(before.words) and re.fullmatch(r"[\s-]", gap) and _is_egg_dish(mention, foods):
            mention.start = before.start
            kept[-1] = mention
        elif re.fullmatch(r"[\s\"'«“]+", gap) and _meaning(before, foods) == _meaning(mention, foods):
            before.end = mention.end  # "мороженое пломбир": one thing said twice
        elif re.fullmatch(r"\s+(?:из|на|в|во)\s+", gap, re.I):
            before.core, before.end = before.core or before.words, mention.end
            before.words = text[before.start : before.end]
        elif (
            gap == " "
            and text[before.start : mention.end].isascii()
            and not before.core
            and not _follows(text, mention, mentions)
        ):
            mention.core, mention.start = mention.words, before.start
            mention.words = text[mention.start : mention.end]
            kept[-1] = mention
        elif re.fullmatch(r"\s*:\s*|\s+[—–-]\s+", _without(text, gap, before, amounts)) and not any(
            q.end <= before.start for q in quantities if text[q.end : before.start].isspace()
        ):
            kept[-1] = mention
        else:
            kept.append(mention)
    return kept


def _is_egg_dish(mention: Mention, foods: Names) -> bool:
    found = foods.look_up(mention.words, 1)
    return bool(found) and bool(_EGG_DISH.match(found[0].food.name)) and not _EGG.fullmatch(mention.words)


def _meaning(mention: Mention, foods: Names) -> str:
    found = foods.look_up(mention.words, 1) if mention.sure else []
    return found[0].food.id if found else mention.words


def _without(text: str, gap: str, before: Mention, amounts: Sequence[Quantity]) -> str:
    """The gap behind ``before``, without the amounts in it."""
    for quantity in reversed(amounts):
        gap = gap[: quantity.start - before.end] + gap[quantity.end - before.end :]
    return gap


def _follows(text: str, mention: Mention, mentions: Sequence[Mention]) -> bool:
    """Whether another name follows at once: a list without commas."""
    return any(other.start == mention.end + 1 and text[mention.end] == " " for other in mentions)
