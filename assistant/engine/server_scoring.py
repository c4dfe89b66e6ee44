"""How probable choices are to a model on a server, which shows the likeliest tokens at each place of an answer.

The server is asked to choose. Where the choices part, the tokens that it shows, and their probabilities, stand for the
choices that go on with them. Where one token stands for several, and where a choice that may matter is not among the
tokens shown, it is asked to choose among these alone, in all at most once for each choice.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.engine.endpoint import choices_of
from assistant.engine.engine import NoProbabilities
from assistant.engine.servers import Form

Places = list[tuple[bytes, dict[bytes, float]]]

_NEGLIGIBLE = math.log(1000)  # what is so much less probable than the best is not asked about
_LEAST = -100.0  # log-probability of what the server gives none
_OPENING = re.compile(rb'\s*\{\s*"answer"\s*:\s*"')


@dataclass(frozen=True, slots=True)
class Tokens:
    """An answer in tokens.

    Attributes:
        text: the choice.
        places: of each token what was taken, and what could have been with its log-probability, the former included;
            empty where the server tells none.
        wrapped: the choice stands in quotes in a JSON object.
    """

    text: str
    places: Places
    wrapped: bool = False
    prompt_tokens: int = 0


@dataclass(slots=True)
class _Found:
    """What one answer tells of the choices.

    Attributes:
        scores: log-probability of an answer that begins so that no other choice is left.
        shared: choices that one token stands for, the text up to its end, and the log-probability of that.
        bounds: of the choices that are in neither, how probable they are at most.
    """

    scores: dict[str, float] = field(default_factory=dict)
    shared: list[tuple[list[str], bytes, float]] = field(default_factory=list)
    bounds: dict[str, float] = field(default_factory=dict)

    def add(self, choice: str, score: float) -> None:
        self.scores[choice] = _sum(self.scores.get(choice, -math.inf), score)


def tokens_of(answer: dict[str, Any], form: Form) -> Tokens:
    """An answer that was asked for with ``logprobs``, whatever of them the server gave."""
    choice = next(iter(choices_of(answer)), {})
    message, told, usage = (choice.get("message"), choice.get("logprobs"), answer.get("usage"))
    text = message.get("content") if isinstance(message, dict) else None
    content = told.get("content") if isinstance(told, dict) else None
    places: Places = []
    for place in content if isinstance(content, list) else ():
        if not isinstance(place, dict):
            break
        options = {}
        for one in (*(place.get("top_logprobs") or ()), place):
            score = one.get("logprob")
            options[_bytes(one)] = max(float(score), _LEAST) if isinstance(score, int | float) else _LEAST
        places.append((_bytes(place), options))
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else 0
    return Tokens(text or "", places, form.wrapped, tokens if isinstance(tokens, int) else 0)


def score(choose: Callable[[Sequence[str]], Tokens], choices: Sequence[str], server: str) -> list[float]:
    """The log-probability of each choice.

    Args:
        choose: asks the model to choose among some.

    Raises:
        NoProbabilities: it is not told any, or what the model says begins like none of them.
    """
    answer = choose(choices)
    found = _read(answer, choices, b"", 0.0)
    if not found.scores and not found.shared:
        raise NoProbabilities(
            f"{server} does not say how probable its choices are.",
            "Ask a server with log-probabilities (llama-server, vLLM), or for the choice alone.",
            answer.text,
        )
    scores, bounds, asked = found.scores, found.bounds, 1
    shared = [*found.shared]
    while asked < len(choices):
        best = max([*scores.values(), *(mass for _, _, mass in shared)])
        shared = [(among, said, mass) for among, said, mass in shared if mass > best - _NEGLIGIBLE]
        if shared:
            among, said, mass = shared.pop()
        else:
            among = [c for c, bound in bounds.items() if c not in scores and bound > best - _NEGLIGIBLE]
            said, mass = b"", 0.0
        if not among:
            break
        answer = choose(among)
        asked += 1
        if said and answer.text in among and not _passes(answer, said):
            # It is written with another token than the one that stood for it: that stands for the others.
            among = [choice for choice in among if choice != answer.text]
            if len(among) == 1:
                scores[among[0]] = _sum(scores.get(among[0], -math.inf), mass)
            else:
                shared.append((among, said, mass))
            continue
        more = _read(answer, choices, said, mass)
        shared += [(of, up_to, least) for of, up_to, least in more.shared if set(of) <= set(among)]
        if not (more.scores.keys() & set(among)) and not more.shared:
            break  # it chose something else; the bounds have to do
        for choice in among:
            if choice in more.scores:
                new = more.scores[choice]
                scores[choice] = _sum(scores.get(choice, -math.inf), new) if said else min(new, bounds[choice])
            elif choice in more.bounds:
                bounds[choice] = min(bounds.get(choice, 0.0), more.bounds[choice])
    for among, _, mass in shared:
        for choice in among:
            bounds[choice] = max(bounds.get(choice, _LEAST), mass)
    return [scores.get(choice, bounds.get(choice, _LEAST)) for choice in choices]


def _read(tokens: Tokens, choices: Sequence[str], known: bytes, mass: float) -> _Found:
    """Follow the answer until only one choice is left. Up to ``known`` it has the log-probability ``mass``: a server
    that shows its tokens after the constraint shows them among fewer choices now."""
    found = _Found()
    targets = {choice: _target(choice, tokens.wrapped) for choice in choices}
    start = _start(tokens)
    alive, said, path, offset = list(choices), b"", mass, 0
    for taken, options in tokens.places:
        cut = max(0, start - offset)  # of a token that begins before the choice does
        offset += len(taken)
        piece = taken[cut:]
        if not piece and not said:
            continue
        if piece and len(said) + len(piece) <= len(known):
            said += piece
            alive = [c for c in alive if targets[c].startswith(said)]
            continue
        rests = {choice: targets[choice][len(said) :] for choice in alive}
        stands: set[str] = set()  # those that tokens stand for that were not taken
        going_on = 0.0
        for token, its in options.items():
            other = token[cut:] if token[:cut] == taken[:cut] else b""
            other = other.lstrip() if not said and not tokens.wrapped else other
            among = [c for c in alive if other and _fits(rests[c], other)]
            if among:
                going_on += math.exp(its)
            if not among or token == taken:
                continue
            if len(among) == 1:
                found.add(among[0], path + its)
            elif piece.startswith(other) or other.startswith(piece):
                continue  # another way to write what was taken
            else:
                found.shared.append((among, said + other, path + its))
            stands.update(among)
        for choice in alive:
            if not rests[choice]:  # it may end here; where the end is not told, unless it goes on as another choice
                ends = options.get(b"", math.log(max(1.0 - going_on, math.exp(_LEAST))))
                found.add(choice, path + ends)
            elif not (piece and _fits(rests[choice], piece)) and choice not in stands:
                found.bounds[choice] = path + min(options.values())
        alive = [c for c in alive if piece and _fits(rests[c], piece)]
        said, path = said + piece, path + options[taken]
        if len(alive) <= 1:
            break
    for choice in alive:
        if len(alive) == 1 or said.startswith(targets[choice]):
            found.add(choice, path)
        else:
            found.bounds[choice] = path
    return found


def _start(tokens: Tokens) -> int:
    """Bytes before the choice."""
    whole = b"".join(taken for taken, _ in tokens.places)
    opening = _OPENING.match(whole) if tokens.wrapped else re.match(rb"\s*", whole)
    return opening.end() if opening else 0


def _passes(tokens: Tokens, known: bytes) -> bool:
    """One of the tokens ends where this text does."""
    end = _start(tokens) + len(known)
    return end in itertools.accumulate(len(taken) for taken, _ in tokens.places)


def _fits(rest: bytes, token: bytes) -> bool:
    return bool(rest) and (rest.startswith(token) or token.startswith(rest))


def _target(choice: str, wrapped: bool) -> bytes:
    return json.dumps(choice, ensure_ascii=False)[1:].encode() if wrapped else choice.encode("utf-8", "replace")


def _bytes(token: dict[str, Any]) -> bytes:
    """Tokens may be parts of a letter: their bytes count, not the text."""
    raw = token.get("bytes")
    if isinstance(raw, list) and raw and all(isinstance(byte, int) and 0 <= byte < 256 for byte in raw):
        return bytes(raw)
    text = token.get("token")
    return text.encode("utf-8", "replace") if isinstance(text, str) else b""


def _sum(a: float, b: float) -> float:
    """The logarithm of the sum of what two logarithms stand for."""
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
