"""The model's part: which words of a text name what was eaten, and which amounts belong to them. It can only point at
words of the text and at amounts found in it; it writes no number and no name of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from assistant.engine.calls import completing, telling
from assistant.engine.engine import Constraint, Engine, Event, GenerateOptions, Message

LONGEST_TEXT = 1500  # characters; a longer one is no meal
LONGEST_SPAN = 4  # words
MOST_SPANS = 400
MOST_ITEMS = 20
_TOKENS = 30  # an item of the answer takes at most so many

_SYSTEM = """Mark the foods and drinks that the user ate, in the user's own words. Answer with a JSON list: "food" is \
the words that name it, "amount" the amount written for it or "". Leave out what was not eaten, people and places."""
_EXAMPLES = (
    (
        "Утром с Машей в парке съел 2 сырника и выпил чашку чая, хотел торт",
        '[{"food":"сырника","amount":"2"},{"food":"чая","amount":"чашку"}]',
    ),
    ("The sky is blue, my cat sleeps", "[]"),
)
_ATE = 'Text: {text}\nDid the writer eat or drink "{words}"? Answer yes or no.'


@dataclass(frozen=True, slots=True)
class Mark:
    """``text[start:end]`` names a food; ``amount``: the words of its amount, or nothing."""

    start: int
    end: int
    amount: str


def mark(
    engine: Engine,
    text: str,
    spans: Sequence[tuple[int, int]],
    amounts: Sequence[str],
    check: Callable[[], None],
) -> Generator[Event, None, list[Mark]]:
    """What the model marks in the text, in its order.

    Args:
        spans: places in the text that may name a food.
        amounts: the words of the amounts in it.

    Raises:
        as :meth:`Engine.generate`; Cancelled.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    for start, end in spans:
        places.setdefault(text[start:end], []).append((start, end))
    if not places:
        return []
    options = GenerateOptions(
        temperature=0.0,
        max_tokens=_TOKENS * min(MOST_ITEMS, len(spans)) + 10,
        constraint=Constraint("json_schema", json.dumps(_schema(list(places), amounts), ensure_ascii=False)),
        keep_state=False,
    )
    messages = [Message("system", _SYSTEM)]
    for question, answer in _EXAMPLES:
        messages += [Message("user", question), Message("assistant", answer)]
    result = yield from completing(engine, [*messages, Message("user", text)], options, check)
    try:
        entries = json.loads(result.text)
    except ValueError:  # cut short
        return []
    marks = []
    for entry in entries:
        # The same words twice: the second mention is the second place.
        if left := places[entry["food"]]:
            marks.append(Mark(*left.pop(0), entry["amount"]))
    return marks


def ate(engine: Engine, text: str, words: str, check: Callable[[], None]) -> Generator[Event, None, float]:
    """How much likelier a yes than a no is to the question whether the writer ate it: the difference of the natural
    logarithms of both."""
    prompt = [Message("user", _ATE.format(text=text, words=words))]
    yes, no = yield from telling(engine, lambda tell: engine.score(prompt, ["yes", "no"], tell), check)
    return yes - no


def _schema(spans: Sequence[str], amounts: Sequence[str]) -> dict[str, object]:
    return {
        "type": "array",
        "maxItems": MOST_ITEMS,
        "items": {
            "type": "object",
            "properties": {"food": {"enum": list(spans)}, "amount": {"enum": ["", *dict.fromkeys(amounts)]}},
            "required": ["food", "amount"],
        },
    }
