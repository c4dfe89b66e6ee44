"""Names of places, people and houses in a sentence that its sources do not have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import cache

from assistant.domains.travel import date_words
from assistant.domains.travel.imperatives import IMPERATIVES
from assistant.memory.stemming import stems
from assistant.morphology import analyzer

_TOKEN = re.compile(r"[^\W\d_]+(?:[-'’.][^\W\d_]+)*")
_QUOTED = re.compile(r"[«“„\"]([^«»“”„\"]{2,80})[»”“\"]")
_OPENING = re.compile(r"^\s*(?:[-*>#•]+\s*)*(?:\d+[.)]\s*)?(?:\*\*[^*]{1,40}\*\*[.:]?\s*)?[«“„\"'(*_]*$")
_ADDRESS = re.compile(
    r"(?:https?://|www\.)\S+|\b[\w.-]+\.(?:com|org|net|ru|ge|io|info)\b"
    r"|\S+@\S+\.\w+",
    re.IGNORECASE,
)
# Capitalised wherever they stand, and no names: pronouns, parts of a day, what everyone has.
_ORDINARY_WORDS = """
i i'd i'll i'm i've ok tv wi-fi wifi gps sim id atm day morning afternoon evening midday вы вас вам вами ваш ваша
ваше ваши утро день вечер ok а и в на с wc wc-fi pdf url
"""
_ORDINARY = frozenset(_ORDINARY_WORDS.split())
# Words that an English sentence of advice begins with; another word with a capital there is taken for a name, unless
# its ending shows that it is none.
_OPENERS_WORDS = """
a about above across add admire after afterwards again all allow almost along also although always an and another
any anyone anything arrange arrive arrival as ask at avoid away back bags be because before begin behind below
beside best between beyond book both breakfast bring browse but buy by call carry catch change charge check children
choose climb close come compare confirm consult verify stretch run consider continue cook cool count cross dance
daily decide departure depending despite details dinner discover do don't download dress drink drive drop during
each early eat either else embrace end enjoy even evenings every everyone everything exchange expect explore fill
finally find finish first follow food for forget free from further gather get give go good grab greet half have head
hear help here hire hold how however if imagine in indulge insert inside instead intend into invite it its it's join
just keep kick late later learn leave less let linger listen little local locals look lunch luggage make many maybe
meals meet memorable mid mingle more mornings most move museums music near never new next nights no nobody not note
nothing now observe of off on once one only open or order other others otherwise our out outside over pack part
pause pay people perhaps photos pick plan plans play please plenty possible prefer prepare print put quick quiet
rather reach read ready relax remember rent reserve rest return rides rise save savor savour see select send set
settle several share shop shops sit sketch skip sleep slow slowly small snack so some someone something sometimes
soon spend spot stand start stay step still stop stroll such sunset sunrise swim take talk taste tea thank that the
their then there these they things think this those though through throughout time tips to today together tonight
too toward towards tour travel treat trip try turn unless until unpack unwind up use very view visit visitors wake
walk walks wander wash watch water we what whatever when whenever where wherever whether which while who why will
with within without wonder work write you young your yours zoom documents packing clothes comfortable shoes passport
charger medicine budget note-book notebook transport tickets hotel rooms room flight flights visa visas prices fares
weather opening hours currency cash card cards museum market park cafe restaurant restaurants markets parks streets
street evening's nature art history wine prices entry exchange schedules trains buses taxis crime safety rain
sunshine snow temperatures summers winters nights
"""
_OPENERS = frozenset(_OPENERS_WORDS.split())
_PREDICATE = re.compile(
    r"\s+(?:is|was|has|lies|offers|boasts|remains|feels|looks|will|can|may)(?!\w)"
)  # "Split is lovely"
_CALENDAR = frozenset(word + ending for word in (*date_words.MONTHS, *date_words.WEEKDAYS) for ending in ("", "s"))
_ORDINARY_ENDINGS = re.compile(r"(?:ing|ly|ed|ness|ment|tion|sion|less|ful|ous|able|ible|ity)$")


def names(sentence: str, known: Set[str]) -> Iterator[tuple[int, int]]:
    """(start, end) of the names of which some word has its stem not in ``known``; words beside each other are one."""
    for pattern in (_ADDRESS, _QUOTED):
        for match in pattern.finditer(sentence):
            if not all(stem in known for stem in stems(match[0])):
                yield match.span()
    run: tuple[int, int] | None = None
    for match in _TOKEN.finditer(sentence):
        if not _is_name(sentence, match) or _is_known(match[0], known):
            continue
        if run and sentence[run[1] : match.start()].strip(" -") == "":
            run = (run[0], match.end())
            continue
        if run:
            yield run
        run = match.span()
    if run:
        yield run


def _is_known(word: str, known: Set[str]) -> bool:
    folded = word.casefold().replace("’", "'").removesuffix("'s").removesuffix("'")
    parts = [stem for part in re.split("[-.]", folded) for stem in stems(part)]
    if folded in _ORDINARY or folded in _CALENDAR or (parts and all(part in known for part in parts)):
        return True
    # Georgian of Georgia, тбилисский of Тбилиси.
    return len(folded) > 5 and any(len(stem) > 4 and folded.startswith(stem[: max(5, len(stem) - 2)]) for stem in known)


def _is_name(sentence: str, match: re.Match[str]) -> bool:
    word = match[0]
    cyrillic = bool(re.search("[а-яё]", word, re.IGNORECASE))
    if not word[0].isupper():
        return (_is_place_name(word) if cyrillic else bool(re.search("[A-Z]", word))) or (
            not cyrillic and bool(re.search("[а-яё]", sentence, re.IGNORECASE)) and len(word) > 1
        )
    if not (_OPENING.match(sentence[: match.start()]) or re.search(r"[.!?:]\s+[«“\"*_]*$", sentence[: match.start()])):
        return True
    if cyrillic:
        return _is_name_at_opening(word)
    folded = word.casefold().replace("’", "'")
    if folded in IMPERATIVES and not _PREDICATE.match(sentence, match.end()):
        return False
    return folded not in _OPENERS and not (_ORDINARY_ENDINGS.search(folded) and not _is_large_city(word))


_NAMES = {"Geox", "Name", "Surn", "Patr", "Orgn", "Trad"}


@cache
def _is_place_name(word: str) -> bool:
    """A Russian word in small letters that is most likely a name on the map."""
    first = analyzer().parse(word)[0]
    return bool({"Geox"} & set(first.tag.grammemes)) and first.is_known


@cache
def _is_name_at_opening(word: str) -> bool:
    parses = analyzer().parse(word)
    return not parses[0].is_known or all(_NAMES & set(parse.tag.grammemes) for parse in parses[:2])


@cache
def _is_large_city(word: str) -> bool:
    """Beijing ends like a verb."""
    from assistant.domains.travel.places import Places

    with Places.open() as places:
        return any(place.population > 100_000 for place in places.find(word, "en") if place.name_en == word)


def could_be_place(words: str) -> bool:
    """Whether a Russian word in small letters may be the name of a place: the dictionary knows it as one, or not "
    "at all."""
    parses = analyzer().parse(words.split()[0])
    return not parses[0].is_known or any("Geox" in parse.tag.grammemes for parse in parses[:4])


def has_noun(words: str) -> bool:
    """Whether one of these Russian words may be a noun, or is not in the dictionary."""
    return any(
        not parses[0].is_known or parses[0].tag.POS == "NOUN"
        for parses in (analyzer().parse(word) for word in re.findall(r"[^\W\d_]+", words))
    )
