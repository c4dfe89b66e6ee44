"""Sentences that state something about the world instead of proposing something to do.

A plan proposes. What it states must be said by a source, or nobody can trace it, whatever it is about; so a clause that
is neither advice nor a question is a claim unless the sources have its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import cache

from assistant.domains.travel.imperatives import IMPERATIVES
from assistant.memory.stemming import stems
from assistant.morphology import analyzer

_CLAUSE = re.compile(r"(?:[^,;:()—–.!?|]|(?<=\d)[,.:](?=\d))+")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_NOUNS = frozenset(
    {"spring", "evening", "morning", "nothing", "everything", "anything", "something", "king", "building", "parking"}
)
_LEADING = re.compile(
    r"^\s*(?:(?:in|on|at|for|after|before|over|from|with|as|once|by|during|around|towards?|since|until|to|if|when"
    r"|whenever|while|without|between"
    r"|later|then|next|finally|today|tonight|tomorrow|first|second|instead|afterwards|early|late|depending|back"
    r"|again|and|or|but|so)\b)"
)
_STATES = re.compile(
    r"(?<![\w'])(?:is|are|was|were|has|had|will|won't|would|isn't|aren't|wasn't|weren't|it's|that's|there's"
    r"|they're|they|he|she"
    r"|can|can't|cannot|could|must|may|might|should|does|doesn't|don't need|do not need|need|needs|nobody|everyone"
    r"|everything)(?![\w'])"
)
_SUBORDINATE = re.compile(
    r"^\s*(?:and\s+|or\s+)?(?:if|when|whenever|while|where|wherever|what|whatever|which|who|whom|whose|as|until"
    r"|because|so that|that|than|how|whether|once"
    r"|unless|before|after|since|to|not|even|the more|the less|the smaller|the better|the fewer|the longer)\b"
)
_DEPENDENT = re.compile(
    r"(?<!\w)(?:if|when|whenever|while|where|wherever|what|whatever|which|whom|who|that|until|how|whether|because"
    r"|once|unless|as|than|before|after) "
    r"(?:[\w'-]+ ){0,3}?(?:is|are|was|were|has|had|will|would|can|could|must|may|might|should|does|need|needs)(?!\w)"
)
_ABLE = re.compile(
    r"(?<!\w)you (?:can|can't|cannot|may|must|need|don't|do not|won't|will need|should not"
    r"|are allowed)(?!\w)"
)
_ASIDE = re.compile(
    r"(?<!\w)(?:whether|if|when|where|what|which(?: \w+)?(?: and \w+ \w+)?|that|until|who|how|as"
    r"|than|all) you \w+"
)
_NOMINAL = re.compile(
    r"^\s*(?:a|an|no|some|any|free|slow|quiet|early|late|long|short|light|easy|breakfast|lunch|dinner|coffee|tea"
    r"|walk|stroll|picnic|rest|time|departure|arrival|visit"
    r"|museums?|markets?|shopping|dancing|reading|swimming|hiking|sleep|check-in|check-out|packing|transfer)\b"
)
# A reason states what is so; one that is the traveller's own does not.
_REASON = re.compile(
    r"(?<!\w)since (?:the|an?|it|there|they|most|many|all|every\w*|no\w*|locals?|in|by|this|that|these) (?!day|morning)"
    r"|(?<!\w)because (?!of |you|we\b|our\b)"
)
_RUSSIAN_REASON = re.compile(r"(?<!\w)(?:потому что|так как|ведь|поскольку|ибо) (?!вы|вам|вас|ваш|мы|нам|вы)")
_WARNING = re.compile(
    r"^\s*(?:and\s+)?(?:expect (?!nothing|little|less|to\b)|beware|(?:ожидайте|готовьтесь|учтите|имейте в виду)(?!\w))"
)
# "A boat leaves", "the stamp lets you": behind a singular a word in -s is a verb.
_VERB = r"(?!outdoors|indoors|always|sometimes|perhaps|towards|afterwards|upstairs|besides|across)[a-z]{2,}[^\Wsui']s"
_SINGULAR = re.compile(
    r"^\s*(?:a(?! few| couple| dozen)|an|one|each|every|this|that)\s+"
    r"(?:(?!(?:of|in|at|on|to|with|for|from|past|along|through|by|near|among|between|over|around|and|or)\b)[\w'-]+\s+){1,3}?"
    rf"{_VERB}\s+(?:you|the|an?|your|us|them|it|up|down|to|into|in|at|on|along|all|every|past|from|over|by|out|off|near|like|when\w*|if|only)\b"
    rf"|(?<!\w)the\s+[\w-]+\s+{_VERB}\s+(?:you|it|them|us|him|her)\b"
)
# "The quarter that the writers made famous", "nobody touches it", "your papers will do".
_TOLD = re.compile(
    r"(?<!\w)(?:that|which|whom) (?:the|an?|his|her|many|most|all|locals?) \w+"
    r"|(?<!\w)(?:that|which|who) (?:was|were|once|had)(?!\w)"
    r"|^\s*(?:and |but )?(?:no one|nobody|everyone|everybody|people|locals|they) \w+"
    r"|^\s*your \w+.*(?<!\w)(?:will|is|are|has|have)(?!\w)"
)
_RUSSIAN_TOLD = re.compile(r"^\s*котор\w+ (?!.*(?:вы|вам|вас|понравил|приглянул|запомнил|полюбил|останов))")
_RUSSIAN_SUBORDINATE = re.compile(
    r"^\s*(?:и\s+|а\s+|но\s+)?(?:(?:о|об|во|в|на|с|со|к|по|за|из|от|для)\s+)?(?:что|чтобы|где|куда|откуда|когда"
    r"|пока|если|как|чем|кто|кого|чего|кем|чей|котор\w+|какой|какая|какие|каких|какую|сколько|пусть|пускай|ради"
    r"|хотя|потому|так что|то что|те кто|по котор\w+|о котор\w+|в котор\w+|на котор\w+|с котор\w+)(?!\w)"
)
_ABLE_RUSSIAN = re.compile(
    r"(?<!\w)(?:можно(?! (?:(?:также|еще|просто) )?(?:сходить|посетить|заглянуть|зайти"
    r"|попробовать|прогуляться|погулять|отдохнуть|провести|съездить|взять|устроить|посидеть|поужинать|пообедать))"
    r"|нельзя|хватит|хватает|придется|не страшно|страшно|не стоит бояться|достаточно|принято)(?!\w)"
)
_TRAVEL_WORDS = """
trip travel traveller travellers traveler travelers plan plans cover covers go goes start starts end ends begin
begins last first stop stops route day days visit adults people is are the поездка путешествие план рассчитан едут
едет ехать начинается заканчивается длится маршрут последний первый взрослые человек дней день двое трое вы это away
far about
"""
_TRAVEL = frozenset(stem for word in _TRAVEL_WORDS.split() for stem in stems(word))


def assertions(sentence: str, known: Set[str]) -> Iterator[tuple[int, int]]:
    """(start, end) of the clauses of a sentence that state what the ``known`` stems do not cover."""
    lowered = "".join(char.lower() if len(char.lower()) == 1 else char for char in sentence)
    lowered = re.sub(r"^\s*(?:[-*>#•]+\s+)*(?:\*\*[^*]{1,40}\*\*)?", lambda match: " " * len(match[0]), lowered)
    lowered = lowered.replace("ё", "е").replace("’", "'")
    russian = bool(re.search("[а-я]", lowered))
    advice = False
    for number, clause in enumerate(_CLAUSE.finditer(lowered)):
        text = clause[0]
        words = _WORD.findall(text)
        if not words:
            continue
        if russian:
            states, advises = _russian(text, words)
        else:
            states, advises = _english(text, words, first=number == 0, advised=advice)
        advice = advice or advises
        if states and not set(stems(text)) <= known | _TRAVEL:
            begin = clause.start() + len(text) - len(text.lstrip())
            yield begin, clause.start() + len(text.rstrip())


def _english(text: str, words: list[str], *, first: bool, advised: bool) -> tuple[bool, bool]:
    """Whether a clause states something, and whether it advises."""
    if _REASON.search(text) or _WARNING.search(text) or _SINGULAR.search(text) or _TOLD.search(text):
        return True, False
    if _ABLE.search(_ASIDE.sub(" ", text)) and not _SUBORDINATE.match(text):
        return True, False
    start = next((word for word in words if word not in ("and", "or", "then", "but", "so")), "")
    if start in IMPERATIVES:
        rest = _DEPENDENT.sub(" ", text)
        # "Go early and the queue is short" states something behind its advice.
        return bool(re.search(r"\band (?:the|it|there|they|you) ", rest) and _STATES.search(rest)), True
    if _SUBORDINATE.match(text) or (start.endswith("ing") and start not in _NOUNS):
        return False, False
    if start in ("you", "you'll", "your", "i", "we", "let's", "we'll"):
        return False, True
    if _LEADING.match(text):  # "on the second day", or a statement that begins so
        return bool(_STATES.search(_DEPENDENT.sub(" ", text))), False
    if _STATES.search(_DEPENDENT.sub(" ", text)):
        return True, False
    if advised:  # "a bag with lunch", "the smaller the room"
        return False, False
    return first and len(words) > 2 and not _NOMINAL.match(text), False


def _russian(text: str, words: list[str]) -> tuple[bool, bool]:
    if _RUSSIAN_REASON.search(text) or _WARNING.search(text):
        return True, False
    parses = [(word, _parse(word)) for word in words]
    if _RUSSIAN_TOLD.match(text) and any("past" in tags for _, tags in parses):
        return True, False
    if any("impr" in tags for _, tags in parses):
        return False, True
    if _RUSSIAN_SUBORDINATE.match(text) or "ли" in words:
        return False, False
    if _ABLE_RUSSIAN.search(text):
        return True, False
    for word, tags in parses:
        if "VERB" in tags and ("3per" in tags or "past" in tags) and word not in ("будет", "было"):
            return True, False
        if "PRTS" in tags or ("ADJS" in tags and not word.endswith("ще")):
            return True, False
    every = [tags for _, tags in parses]
    described = {"ADJF", "nomn"} <= every[-1] and "Apro" not in every[-1] and any("NOUN" in one for one in every[:-1])
    return described and not any({"INFN", "VERB", "GRND"} & one for one in every) and "свободн" not in text, False


def commands(word: str) -> bool:
    """Whether a word tells the reader to do something."""
    folded = word.casefold().replace("ё", "е")
    return folded in IMPERATIVES or "impr" in _parse(folded)


@cache
def _parse(word: str) -> frozenset[str]:
    """The tags of the likeliest reading; of any reading that is an imperative of courtesy."""
    readings = analyzer().parse(word)
    tags = frozenset(map(str, readings[0].tag.grammemes))
    polite = [reading for reading in readings[:4] if "impr" in reading.tag.grammemes]
    if polite and word.endswith(("те", "тесь", "ите", "йте")):
        return frozenset({"VERB", "impr"})
    return tags
