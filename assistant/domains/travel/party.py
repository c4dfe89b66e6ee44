"""Who travels and how fast, as a request says it for certain: counted people, companions, words of pace."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from assistant.domains.travel.numerals import CARDINALS, alternation, value

Pace = Literal["slow", "normal", "fast"]

_NUMBER = rf"(?P<n>\d+|{alternation(CARDINALS)}|an?|another)"
_ADULTS = r"adults?|grown-?ups?|взрослы(?:й|е|х|м|ми)|взрослого|взр\.?"
_CHILDREN = (
    r"(?:(?:small|little|young|our|my|школьн\w+|маленьк\w+)\s)?(?:child(?:ren)?|kids?|toddlers?|bab(?:y|ies)"
    r"|infants?|teen(?:ager)?s?"
    r"|дет(?:ей|и|ьми|ям)|реб\.?(?!\w)|реб[её]нк\w+|реб[её]нок|малыш\w*|подростк\w+|школьник\w*|младен\w+|сыновь\w+|дочер\w+)"
)
_PEOPLE = (
    r"people|persons?|ppl|pax|travell?ers?|of us|tourists?|guests?|человек(?:а)?|чел\.?|персон\w*|турист\w*"
    r"|путешественник\w*|люд(?:ей|и)"
)
_COLLECTIVE = {
    "вдвоем": 2, "втроем": 3, "вчетвером": 4, "впятером": 5, "вшестером": 6, "всемером": 7, "ввосьмером": 8,
    "двоих": 2, "троих": 3, "четверых": 4, "пятерых": 5, "шестерых": 6, "двое": 2, "трое": 3, "четверо": 4, "пятеро": 5,
    "шестеро": 6, "семеро": 7,
}  # fmt: skip
_TOTAL = (
    rf"(?<![\w.,-])(?:family of|group of|party of|we are|we're|there are|us|for|семь[ейяю]\w* из|групп\w+ из"
    rf"|компани\w+ из|нас|на|нас будет)\s+{_NUMBER}(?!\s*(?:days?|nights?|weeks?|months?|дн|ноч|недел|месяц|сут|/"
    rf"|\.|[-–]\d|adults?|kids?|child|взрос|дет|января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября"
    rf"|ноября|декабря)|\w|\d)",
    rf"(?<![\w.,])(?P<sign>[-−]|минус\s|minus\s)?{_NUMBER}[\s-]+(?:{_PEOPLE})(?!\w)",
)
_COMPANION = (
    r"wife|husband|hubby|girlfriend|boyfriend|gf|bf|partner|spouse|fianc[ée]e?|mother|mom|mum|father|dad|brother|sister"
    r"|grandmother"
    r"|grandfather|grandma|grandpa|friend|colleague|son|daughter|boss|жен(?:ой|а|е|у)|муж(?:ем|а|у)?|супруг(?:ой"
    r"|ом|а)?"
    r"|девушк(?:ой|а)|парнем|парень|друг(?:ом)?|подруг(?:ой|а)|мам(?:ой|а)|пап(?:ой|а)|отц(?:ом)|матерью|брат(?:ом)?"
    r"|сестр(?:ой|а)|бабушк(?:ой|а)|дедушк(?:ой|а)|коллег(?:ой|а)|сын(?:ом)?|дочк(?:ой|а)|дочерью|дочь|невест(?:ой"
    r"|а)|жених(?:ом)?"
)
_MINORS = re.compile(r"son|daughter|сын|доч")
_FRIENDS = "friends|mates|buddies|pals|colleagues"
_OF_AGE = (  # a son or daughter who is told to be under eighteen
    r"(?<!\w)(?:сын\w*|доч\w+|внук\w*|внучк\w+|son|daughter|grandson|granddaughter)[\s,(:–-]*(?:is\s|aged?\s)?"
    r"(?:\d|1[0-7])(?!\d)\s*(?:лет|год\w*|years?|yo|y\.o\.)?(?!\w)"
)
_ALONE = (
    r"(?:i'?m (?:going |travell?ing )?)?(?:alone|solo|by myself|on my own|just me|only me)"
    r"|в одиночку|сам(?:а)? по себе|я (?:еду |поеду )?один|я (?:еду |поеду )?одна|еду один|еду одна|одиночн\w+"
    r"|(?<=, )(?:один|одна)(?=,|\.|$)"
)
_MANY = (
    r"friends|family|parents|relatives|team|class|colleagues|group|kids|children|друзьями|семьей|родителями"
    r"|родственниками|коллегами|компанией|классом|детьми|подругами|семья|дети"
)
_WE = (
    r"(?<!\w)(?:we|we're|we'd|we'll|our|us|мы|нам|нас|едем|поедем|летим|полетим|хотим|собираемся|планируем|любим)(?!\w)"
)
_SLOW = (
    r"(?:at )?(?:an? )?(?:leisurely|slow|relaxed|easy|gentle|calm) (?:pace|tempo)|slow(?:ly|er)?|slow[- ]paced"
    r"|leisurely|unhurried|relax(?:ed|ing)?|laid[- ]back|easy[- ]?going|calm(?:ly)?|lazy|lazily|gentle"
    r"|quiet(?:ly)?|no rush|no hurry"
    r"|without (?:any )?(?:rush\w*|hurry\w*|haste|running)|not? (?:too )?(?:rush\w*|hurr\w*|busy|packed|fast)"
    r"|take it easy|chill\w*"
    r"|не ?спеш\w*|не торопясь|не торопиться|без спешки|без суеты|без беготни|не напрягаясь|неторопливо\w*"
    r"|спокойн\w+|спокойно|медленн\w+|расслаблен\w+|размеренн\w+|ленив\w+|вальяжн\w+|тихий отдых"
)
_FAST = (
    r"(?:fast|quick|brisk|intense) pace|fast(?:-paced)?|quick(?:ly)?|packed|jam-packed|intens\w+|active|busy"
    r"|full-on|energetic|see (?:it all|everything)|as much as (?:possible|we can|i can)|whirlwind"
    r"|быстр\w+|в быстром|насыщенн\w+|активн\w+|интенсивн\w+|плотн\w+|максимум|по максимуму|галопом"
    r"|побольше успеть|все успеть|успеть все|увидеть все|бодр\w+|динамичн\w+"
)
_NORMAL = (
    r"normal pace|moderate\w*|medium|average pace|balanced|обычн\w+ темп\w*|умеренн\w+|средн\w+ темп\w*"
    r"|сбалансированн\w+"
)


@dataclass(frozen=True, slots=True)
class Party:
    """How many travel, as far as that is certain.

    Attributes:
        travellers: all of them; None: not said, or not how many. Zero and less is what was said, and to be asked about.
        children: among them. ``has_children`` also when nobody says how many.
        uncertain: words for companions without a number.
        spans: (start, end) of the words that were read.
    """

    travellers: int | None = None
    children: int = 0
    has_children: bool = False
    uncertain: str = ""
    spans: tuple[tuple[int, int], ...] = ()


def read_party(text: str, blocked: tuple[tuple[int, int], ...] = ()) -> Party:
    """Who travels; words within ``blocked`` (of dates) are not people."""
    lowered = _lowered(text)
    for start, end in blocked:
        lowered = lowered[:start] + "\0" * (end - start) + lowered[end:]
    spans: list[tuple[int, int]] = []

    def take(pattern: str) -> list[re.Match[str]]:
        nonlocal lowered
        found = list(re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", lowered))
        for match in found:
            spans.append(match.span())
            lowered = lowered[: match.start()] + "\0" * len(match[0]) + lowered[match.end() :]
        return found

    def number(match: re.Match[str]) -> int:
        sign = -1 if match.groupdict().get("sign") else 1
        return sign * (1 if match["n"] in ("a", "an", "another") else value(match["n"]) or 0)

    ages = (
        r"(?:aged?\s+)?\d+(?:\s*(?:,|and|и)\s*\d+)*\s*(?:years?|yrs?|лет|года?)(?:[\s-]old)?"
        r"|aged?\s+\d+(?:\s*(?:,|and|и)\s*\d+)*"
    )
    take(ages)
    adults = [number(match) for match in take(rf"(?P<sign>[-−]|минус\s|minus\s)?{_NUMBER}[\s-]+(?:{_ADULTS})")]
    children = sum(number(match) for match in take(rf"{_NUMBER}[\s-]+(?:{_CHILDREN})"))
    totals = [number(match) for pattern in _TOTAL for match in take(pattern)]
    totals += [_COLLECTIVE[match[0].split()[-1]] for match in take(rf"(?:нас |на |для )?(?:{'|'.join(_COLLECTIVE)})")]
    totals += [
        2
        for _ in take(
            r"(?:a |as a |for a |young |married )?couple(?! of)|вдвоем|супружеск\w+ пар\w+|семейн\w+ пар\w+"
            r"|парой|(?<=, )пара(?=,|\.|$)"
        )
    ]
    alone = take(_ALONE)
    with_me = rf"(?:me|i|я)\s+(?:and|n|&|и|\+)\s+{_NUMBER}\s+(?:{_FRIENDS}|друга|друзей|подруги)"
    totals += [1 + number(match) for match in take(with_me)]
    totals += [
        int(match["n"]) + int(match["n2"]) for match in take(r"(?:семь\w+|family)\s+(?P<n>\d)\s*\+\s*(?P<n2>\d)")
    ]
    friends_alone = rf"(?<!with )(?<!с ){_NUMBER}\s+(?:{_FRIENDS}|друга|друзей|подруги|подруг)"
    totals += [number(match) + bool(match["i"]) for match in take(rf"{friends_alone}(?P<i>\s+(?:and|и)\s+(?:me|i|я))?")]
    friends = sum(
        number(match) for match in take(rf"(?:with|с|со)\s+{_NUMBER}\s+(?:{_FRIENDS}|друзьями|подругами|коллегами)")
    )
    one_child = rf"(?:with|с|со|и|and|plus|,|\+|&)\s*(?<![a-zа-я])(?:(?:a|my|our|моим|нашим|мой)\s+)?(?:{_CHILDREN})"
    with_child = [
        match for match in take(one_child) if not re.search(r"kids|children|babies|teens|дет(?:ьми|и)|s$", match[0])
    ]
    more = (
        rf"(?:with|take|taking|bring|bringing|plus|беру|возьму|везу|с|со|and|и|,|я|i|me)[,\s]+(?:(?:my|her|his"
        rf"|our|the|моей|моим|мой|моя)\s+)?(?:{_COMPANION})"
    )
    companions = take(more) + take(rf"(?:my )?(?:{_COMPANION}) and (?:i|me|myself)|(?:{_COMPANION})[\s\0]+и я")
    children += len(with_child) + sum(bool(_MINORS.search(match[0])) for match in companions)
    many = re.search(rf"(?<!\w)(?:{_MANY}|{_CHILDREN})(?!\w)", _lowered(text)) or re.search(_WE, _lowered(text))
    minor = re.search(rf"(?<!\w)(?:{_CHILDREN})(?!\w)|{_OF_AGE}", _lowered(text))
    has_children = children > 0 or bool(minor)
    grown = [match for match in companions if not _MINORS.search(match[0])]
    travellers: int | None = None
    if totals and not adults:
        travellers = max(totals, key=abs)
    elif adults:
        travellers = sum(adults) + children
    elif companions or with_child or friends:
        travellers = 1 + len(grown) + friends + children
    elif alone:
        travellers = 1 + children
    elif children:
        travellers = None
    if travellers == 2 and totals and has_children and not children:
        travellers = None  # "the two of us with the children"
    said = many or minor
    uncertain = said[0] if said and travellers is None else ""
    return Party(travellers, children, has_children, uncertain, tuple(sorted(spans)))


def read_pace(text: str) -> tuple[Pace | None, tuple[tuple[int, int], ...]]:
    """The pace that words name, and where. Words of both kinds name none."""
    lowered = _lowered(text)
    found: dict[Pace, list[tuple[int, int]]] = {}
    kinds: tuple[tuple[Pace, str], ...] = (("slow", _SLOW), ("normal", _NORMAL), ("fast", _FAST))
    for pace, pattern in kinds:
        for match in re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", lowered):
            if re.search(r"(?:\bnot? (?:too )?|\bне (?:слишком |очень )?)$", lowered[: match.start()]):
                continue
            found.setdefault(pace, []).append(match.span())
            lowered = lowered[: match.start()] + "\0" * len(match[0]) + lowered[match.end() :]
    spans = tuple(sorted(span for spans in found.values() for span in spans))
    return (next(iter(found)) if len(found) == 1 else None), spans


def _lowered(text: str) -> str:
    lowered = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
    return lowered.replace("ё", "е").replace("’", "'")
