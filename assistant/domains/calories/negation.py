"""What a meal's text says was not eaten."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from assistant.domains.calories.clauses import NEGATION, Token
from assistant.domains.calories.naming import Mention

_EXCEPT = re.compile(r"кроме|помимо|except|but", re.IGNORECASE)
_NOTHING = re.compile(r"(?<!\w)(?:ничего|никакой\s+еды|nothing|anything)(?!\w)", re.IGNORECASE)
_FREE_FROM = re.compile(r"(?:added\s+)?(?:sugar|fat|alcohol|salt|caffeine|lactose|gluten)", re.IGNORECASE)
_GOES_ON = re.compile(r",?\s+(?:и|или|ни|без|and|or|nor|no)\s+(?:без\s+)?", re.IGNORECASE)


def negate(text: str, tokens: Sequence[Token], mentions: Sequence[Mention]) -> None:
    """Mark what the text says was not eaten: "без сахара и молока", "хлеб не ел", "хотел торт"."""
    for trigger in NEGATION.finditer(text):
        if _EXCEPT.fullmatch(trigger[0]) and _NOTHING.search(text[: trigger.start()]):
            continue
        inside = next((one for one in mentions if one.start <= trigger.start() < one.end), None)
        if inside:  # "чай без сахара" is a name; "и молока" goes on
            behind = next((one for one in mentions if one.start >= inside.end), None)
            if behind and trigger["without"] and _GOES_ON.fullmatch(text[inside.end : behind.start]):
                behind.eaten = False
            continue
        index = next((number for number, token in enumerate(tokens) if token.start >= trigger.start()), None)
        if index is None:
            continue
        following = next((token for token in tokens if token.start >= trigger.end()), None)
        if following and following.role == "hint":
            continue  # "вместо обеда", "skipped lunch": a meal, no food
        after, eats = index, 0
        while after < len(tokens):
            token = tokens[after]
            if after > index and (token.before in ("comma", "stop") or _EXCEPT.fullmatch(token.text)):
                break
            if after > index and token.before == "and" and _starts_anew(tokens, after, bool(trigger["without"])):
                break
            after += 1
            eats += token.role == "eat"
        end = tokens[after - 1].end
        hit = [mention for mention in mentions if trigger.end() <= mention.start < end]
        if trigger["without"]:
            # "вместо хлеба хлебцы": the second is no more without.
            joined = [left.end for left, right in pairwise(hit) if not _GOES_ON.fullmatch(text[left.end : right.start])]
            hit = [mention for mention in hit if not joined or mention.start < joined[0]]
        for token in tokens[index:after]:
            token.negated = True
        if not hit and trigger["verb"]:
            begin = index
            while begin and tokens[begin].before not in ("comma", "stop", "and"):
                begin -= 1
            hit = [mention for mention in mentions if tokens[begin].start <= mention.start < trigger.start()]
            if any(token.role == "eat" for token in tokens[begin:index]):
                hit = []
        for mention in hit:
            mention.eaten = False
        behind_it = next((one for one in mentions if hit and one.start == hit[-1].end + 1), None)
        if behind_it and trigger[0].casefold() in ("no", "zero") and _FREE_FROM.fullmatch(hit[-1].words):
            # "no sugar cola": what it is without stands before it.
            behind_it.core, behind_it.start = behind_it.words, trigger.start()
            behind_it.words = text[trigger.start() : behind_it.end]


def _starts_anew(tokens: Sequence[Token], at: int, without: bool) -> bool:
    """Whether what follows this "и", "но" is said by itself: with a verb, or with an amount."""
    if tokens[at].text in ("но", "but", "а", "then", "потом", "затем"):
        return True
    for token in tokens[at + 1 :]:
        if token.before in ("comma", "stop", "and"):
            return False
        if token.role == "eat" or (token.role == "quantity" and without):
            return True
    return False
