"""Names of places in a request that grammar gives a role: "from X", "to Y", "из X в Y", "X – Y"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assistant.domains.travel.places import Place, Places
from assistant.domains.travel.proper_names import could_be_place

_WORD = re.compile(r"[^\W\d_]+(?:[-'’.][^\W\d_]+)*\.?")
_LONGEST = 5  # words in a name, "the" and a country behind it included
_PROMINENT = 300_000  # from here on an English name counts without its capital
_HOME = re.compile(r"(?:live|living|based|живу|жив[её]м|живет|проживаем)\s+(?:in|at|near|в|во|на)$")
_ORIGIN = re.compile(r"(?:from|out of|leaving|departing|из|изо|с|со|от)$")
_DESTINATION = re.compile(
    r"(?:in|to|into|at|visit|visiting|see|seeing|around|through|across|exploring|explore|for|via|destination|в|во"
    r"|на|по|до|через|к|по)$"
)
_JOINING = re.compile(
    r"^(?:\s*(?:,|:|\(|and|then|&|\+|и|а потом|потом|затем|"
    r",\s*(?:and|then|и|потом|затем))\s*)(?:(?:to|in|в|во|на)\s+)?$"
)
_ADJECTIVE = re.compile(r"\s+(?:the|my|our|sunny|beautiful|солнечн\w+|город\w*|г\.)$")
_ARROW = re.compile(r"\s*(?:-|–|—|→|->|=>|>)\s*")
_CORRECTION = re.compile(
    r"^[\s.,…;:!(–—-]*(?:нет[\s,]*)?(?:а\s+|и\s+)?(?:точнее|вернее|то есть|скорее|лучше|хотя|нет|or rather"
    r"|rather|actually|i mean|no|sorry|make that|or better)(?:[\s,]+(?:нет|не|no|actually|лучше|let's|say|давайте|уж))*"
    r"[\s,:]+(?:to|in|в|во|на|по)?\s*$",
    re.IGNORECASE,
)
_OR = re.compile(r"\s*,?\s*(?:или|or|либо)\s+(?:to|in|в|во|на)?\s*", re.IGNORECASE)
# A name in a list of towns that the table does not have.
_STRANGER = re.compile(r"\s*[:,]\s*(?P<name>[A-ZА-ЯЁ][\w'’-]+(?: [A-ZА-ЯЁ][\w'’-]+){0,2})\s*,\s*")
_NAME_BEHIND = re.compile(
    r"(?:(?<!\w)(?P<before>(?P<from>[Ff]rom|[Ии]з|[Сс]о?)|[Tt]o|[Ii]n|[Вв]о?|[Нн]а)\s+|^\s*)(?P<name>[A-ZА-ЯЁ][\w'’-]{3,}"
    r"(?: [A-ZА-ЯЁ][\w'’-]+)?)"
)
_COMMON_WORDS = """
nice bath reading split mobile orange van sale date male cork of the most see home museum museums food may march
august art old town city park university center centre beach spring summer winter autumn hotel family best eagle
early first good great tour trip walking sun slow fast fun rest nature history music wine hiking shopping weekend
june april two central station santa man cape bar lake sea
"""
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, slots=True)
class Role:
    """Words of a request that name places.

    Attributes:
        unplaced: names with neither preposition nor place in a list of destinations.
        spans: (start, end) of all.
        alternatives: destinations of which one is to be chosen.
        unknown: names in a list of destinations that the table does not have.
    """

    origin: str | None
    destinations: tuple[str, ...]
    unplaced: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    unknown: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


def read_places(text: str, taken: tuple[tuple[int, int], ...], places: Places) -> Role:
    """Who is from where to where, for names that the table of places has. ``taken``: what is about time and people."""
    names = _names(text, taken, places)
    bare = text
    for first, last in taken:  # "Rome 3 nights, Naples 2 nights" is a list of towns
        bare = bare[:first] + " " * (last - first) + bare[last:]
    befores = [_ADJECTIVE.sub("", text[:start].rstrip().casefold()) for start, _ in names]
    starts = [bool(_HOME.search(one) or (_ORIGIN.search(one) and _preposition(one))) for one in befores]
    origin: str | None = None
    destinations: list[str] = []
    unplaced: list[str] = []
    unknown: list[str] = []
    alternatives: list[str] = []
    role_before = ""
    for number, (start, end) in enumerate(names):
        name, before = text[start:end], befores[number]
        between = bare[names[number - 1][1] : start] if number else "?"
        following = text[end : names[number + 1][0]] if number + 1 < len(names) else ""
        either = bool(number and _OR.fullmatch(between))
        corrected = number and _CORRECTION.match(between)
        if starts[number]:
            role = "origin"
        elif (_DESTINATION.search(before) and _preposition(before)) or (number and _ARROW.fullmatch(between)):
            role = "destination"
        elif _ARROW.fullmatch(following) or following.strip() == "to":
            role = "destination" if any(starts) else "origin"
        elif number and role_before == "destination" and (_JOINING.match(between) or corrected or either):
            role = "destination"
        elif either and role_before == "":  # "Rome or Florence?", with no preposition
            role = "destination"
            destinations.append(unplaced.pop())
        elif number and role_before != "origin" and (stranger := _STRANGER.fullmatch(between)):
            role = role_before
            unknown.append(stranger["name"])
        else:
            role = ""
        if either and role == "destination" and destinations:
            alternatives += [one for one in (destinations[-1], name) if one not in alternatives]
        if corrected and role_before == role:  # "to Baikal… no, rather to Irkutsk"
            origin = None if role == "origin" else origin
            del destinations[-1 if role == "destination" else len(destinations) :]
        if role == "origin" and origin is None:
            origin = name
        elif role == "destination":
            destinations.append(name)
        else:
            unplaced.append(name)
        role_before = role
    if not destinations and len(unplaced) == 1 and unplaced[0] != origin:
        destinations, unplaced = unplaced, []
    spans = list(names)
    for match in _strangers(text, (*taken, *names), places):
        if origin is None and match["from"]:
            origin = match["name"]
        elif not destinations and not unplaced and not match["from"]:
            destinations.append(match["name"])
        else:
            continue
        spans.append(match.span("name"))
    return Role(
        origin, tuple(dict.fromkeys(destinations)), tuple(unplaced), tuple(spans), tuple(unknown), tuple(alternatives)
    )


def _strangers(text: str, taken: tuple[tuple[int, int], ...], places: Places) -> Iterator[re.Match[str]]:
    """Names behind a preposition, or at the beginning, that the table does not have: misspelt, or unknown."""
    for match in _NAME_BEHIND.finditer(text):
        start, end = match.span("name")
        if any(first < end and start < last for first, last in taken) or match["name"].casefold() in _COMMON:
            continue
        cyrillic = bool(re.search("[а-яё]", match["name"], re.IGNORECASE))
        if cyrillic and not could_be_place(match["name"]):
            continue
        if match["before"] or places.resolve(match["name"]) is not None:
            yield match


def _preposition(before: str) -> bool:
    """The last word is a word of its own."""
    return bool(re.search(r"(?:^|[^\w])\w+(?: of)?$", before))


def _names(text: str, taken: tuple[tuple[int, int], ...], places: Places) -> list[tuple[int, int]]:
    """The longest runs of words that the table has, from left to right."""
    words = [
        word
        for match in _WORD.finditer(text)
        if not any(start < match.end() and match.start() < end for start, end in taken)
        for word in _apart(match, text, places)
    ]
    found: list[tuple[int, int]] = []
    number = 0
    while number < len(words):
        for length in range(min(_LONGEST, len(words) - number), 0, -1):
            start, end = words[number].start(), words[number + length - 1].end()
            span = text[start:end].rstrip(".") if length == 1 else text[start:end]
            if _is_name(span, text[:start], places, length):
                found.append((start, start + len(span)))
                number += length
                break
        else:
            number += 1
    return found


def _apart(match: re.Match[str], text: str, places: Places) -> list[re.Match[str]]:
    """A word; the two names of "Москва-Сочи", which is none by itself."""
    first, dash, second = match[0].partition("-")
    if dash and not places.find(match[0]) and all(map(places.find, (first, second))):
        middle = match.start() + len(first)
        parts = (_WORD.match(text, match.start(), middle), _WORD.match(text, middle + 1, match.end()))
        return [part for part in parts if part]
    return [match]


def _is_name(span: str, before: str, places: Places, length: int) -> bool:
    first = span.split()[0]
    if "\n" in span or re.search(
        r"[,;:!?]\s*$|^(?:from|in|to|at|the|and|with|for|в|во|на|из|с|и|по|до)\s", span, re.IGNORECASE
    ):
        return False
    if length > 1 and re.search(r",", span) and not re.fullmatch(r"[^,]+, ?[^,]+", span):
        return False
    capital = first[0].isupper()
    if length > 1 and not capital:
        # Written small throughout: "new york", "нижний новгород".
        if "," in span:
            return _within(span, places.find(span), places)
        if not any(place for place in places.find(span) if place.prominence >= _PROMINENT) or len(span) < 6:
            return False
        return not any(word in _COMMON for word in span.split())
    if length > 1 and not span.split()[-1][0].isupper():  # "Золотое кольцо", but not "Рим музеи"
        return any(place.kind == "region" for place in places.find(span))
    if span.casefold() in _COMMON and not (capital and re.search(r"(?:in|to|from)\s+$", before)):
        return False
    cyrillic = bool(re.search("[а-яё]", span, re.IGNORECASE))
    if not capital and (not could_be_place(span) if cyrillic else False):
        return False
    if not capital and len(span) < 4 and not re.search(r"(?:^|\s)(?:из|в)\s+$", before):
        return False
    candidates = places.find(span)
    if "," in span:  # a list of towns is not a town in a country
        return bool(candidates) and _within(span, candidates, places)
    if not candidates:
        return False
    if capital:
        sentence_start = not before.strip() or before.rstrip()[-1] in ".!?\n"
        return not (sentence_start and length == 1) or max(place.prominence for place in candidates) >= _PROMINENT
    return max(place.prominence for place in candidates) >= (20_000 if cyrillic else _PROMINENT)


def _within(span: str, candidates: list[Place], places: Places) -> bool:
    """``Paris, Texas`` is one place, ``Paris, London`` are two, and so are ``Rome, Florence``."""
    where = span.split(",", 1)[1]
    area = places.find(where)
    return bool(candidates) and bool(area) and area[0].kind in ("country", "region")
