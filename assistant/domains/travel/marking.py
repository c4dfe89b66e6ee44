"""What the model marks in a request, in the user's own words: places that no rule places, and interests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import Any

from assistant.domains.travel.claims import claims
from assistant.domains.travel.interests import kinds_of
from assistant.domains.travel.place_words import Role
from assistant.engine.calls import completing
from assistant.engine.engine import Constraint, Engine, Event, GenerateOptions, Message
from assistant.memory.stemming import STOP_WORDS

MOST_INTERESTS = 8
LONGEST_REQUEST = 2000  # characters; what is behind is not read by the model

_TASK = (
    "Mark what the request for a trip says. Copy words of the request exactly. destination: where to, also "
    "several. origin: where "
    "from, empty if it is not said. interests: what they like to see and do there, each as one to three words, "
    "without places, "
    "dates, people; empty if nothing is said."
)
_SHOTS = (
    (
        "a week in Porto from Berlin in June, four people, wine and old churches, slow",
        {"destination": ["Porto"], "origin": "Berlin", "interests": ["wine", "old churches"]},
    ),
    (
        "Хотим с друзьями съездить в Казань на выходные, любим активный отдых и вкусно поесть",
        {"destination": ["Казань"], "origin": "", "interests": ["активный отдых", "вкусно поесть"]},
    ),
    ("trip for 3 days", {"destination": [], "origin": "", "interests": []}),
)
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_LONGEST_SPAN = 3  # words
_MOST_SPANS = 400


def mark(
    engine: Engine,
    text: str,
    taken: tuple[tuple[int, int], ...],
    options: GenerateOptions,
    check: Callable[[], None],
) -> Generator[Event, None, Mapping[str, Any]]:
    text = text[:LONGEST_REQUEST]
    spans = _spans(text, taken)
    if not spans:
        return {}
    choice = {"enum": spans}
    schema = {
        "type": "object",
        "properties": {
            "destination": {"type": "array", "items": choice, "maxItems": 4},
            "origin": {"enum": ["", *spans]},
            "interests": {"type": "array", "items": choice, "maxItems": MOST_INTERESTS},
        },
        "required": ["destination", "origin", "interests"],
    }
    messages = [Message("system", _TASK)]
    for request, answer in _SHOTS:
        messages += [
            Message("user", request),
            Message("assistant", json.dumps(answer, ensure_ascii=False, separators=(",", ":"))),
        ]
    messages.append(Message("user", text))
    constraint = Constraint("json_schema", json.dumps(schema, ensure_ascii=False))
    options = replace(options, temperature=0, max_tokens=200, constraint=constraint, stop=(), beams=1)
    result = yield from completing(engine, messages, options, check)
    try:
        found: dict[str, Any] = json.loads(result.text)
    except ValueError:  # cut short
        return {}
    return found


def _spans(text: str, taken: tuple[tuple[int, int], ...]) -> list[str]:
    """Runs of one to three words with nothing but spaces between, outside of what is read already."""
    words = [
        match.span()
        for match in _WORD.finditer(text)
        if not match[0].isdigit() and not any(start < match.end() and match.start() < end for start, end in taken)
    ]
    found: dict[str, None] = {}
    for first, (start, _) in enumerate(words):
        for _, end in words[first : first + _LONGEST_SPAN]:
            span = text[start:end]
            if any(mark in span for mark in ".,;:!?()\n") and not re.fullmatch(r"[\w. '’-]+", span):
                break
            found.setdefault(span)
    return list(found)[:_MOST_SPANS]


_STOP_WORDS = """
from at by on or not no travelling traveling alone together going flying pace темп темпе like love enjoy want
interested interests interest prefer trip travel go see visit plan please with and the for some a to in of i we my
our я мы хочу хотим люблю любим интересует интересуют интересы интерес поездка поездку поехать съездить посмотреть
увидеть план маршрут и в на с по для нам мне нас составь спланируй нравится нравятся предпочитаем хотелось бы days
дней day holiday vacation отпуск бюджет budget отдых город города
free cheap cheaply бесплатно недорого дешево дёшево
дети детей детям детьми kid kids child children family семья семьей
"""
_STOP = frozenset(_STOP_WORDS.split()) | STOP_WORDS


def interests_in(
    text: str, roles: Role, taken: tuple[tuple[int, int], ...], marks: Mapping[str, Any]
) -> tuple[str, ...]:
    """The user's words for what they like, in their order: those with a known beginning, and what the model marked."""
    found: dict[int, str] = {}
    occupied = [*taken, *roles.spans]

    def free(start: int, end: int) -> bool:
        return not any(start < last and first < end for first, last in occupied)

    for span in marks.get("interests", []):
        start = text.find(span)
        words = span.casefold().split()
        while words and words[0] in _STOP:
            start += len(words[0]) + 1
            words.pop(0)
        while words and words[-1] in _STOP and not kinds_of(" ".join(words)):
            words.pop()
        end = start + len(" ".join(words))
        if words and start >= 0 and free(start, end) and _is_interest(text[start:end]) and words != ["еду"]:
            found[start] = text[start:end]
            occupied.append((start, end))
    for match in _WORD.finditer(text):
        driving = match[0].casefold() == "еду" and _ROAD.match(text, match.end())  # the verb, not the food
        if free(*match.span()) and kinds_of(match[0]) and match[0].casefold() not in _STOP and not driving:
            found[match.start()] = match[0]
            occupied.append(match.span())
    unique = dict.fromkeys(found[start] for start in sorted(found))
    return tuple(unique)[:MOST_INTERESTS]


_ROAD = re.compile(r"\s+(?:в|во|на|из|с|со|к|до|од\w+|сам\w*)\s", re.IGNORECASE)


# Where one sleeps and how one gets there is what a trip needs, not what it is for.
_NEEDS = re.compile(
    r"(?<!\w)(?:hotel|hostel|apartment|airbnb|lodging|accommodation|flight|ticket|отел|гостиниц|хостел|апартамент|квартир"
    r"|жиль|ночл|билет|перел[её]т|рейс)\w*",
    re.IGNORECASE,
)


def _is_interest(span: str) -> bool:
    """Not a verb or a lone adverb: something that can be liked. Unknown words may be; what is to be checked online is
    none, nor is what every trip needs."""
    if _NEEDS.search(span):
        return False
    if any(kind not in ("schedule", "distance") for *_, kind in claims(span)):  # old trams can be liked, visas not
        return False
    if kinds_of(span) or not re.search("[а-яё]", span, re.IGNORECASE):
        return bool(kinds_of(span)) or len(span) > 3
    from assistant.domains.travel.proper_names import has_noun

    return has_noun(span)
