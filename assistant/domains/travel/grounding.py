"""What in a plan the program cannot trace: numbers, dates, names, and claims that nothing offline can know.

Grounded is what the facts, the request, or passages of the user's own documents say: a number with the noun beside it,
a date of the trip or of a holiday, a name by the stem of each word. A claim is grounded only by a sentence of these
that
has all of its words. Nothing is asked of a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, Protocol

from assistant.domains.travel import date_words
from assistant.domains.travel.assertions import assertions, commands
from assistant.domains.travel.claims import claims
from assistant.domains.travel.numerals import CARDINALS, alternation, value
from assistant.domains.travel.proper_names import names
from assistant.memory.stemming import stems

Kind = Literal[
    "number", "date", "weekday", "name", "price", "hours", "visa", "weather", "rate", "schedule", "distance", "safety",
    "rule", "claim",
]  # fmt: skip


class Traced(Protocol):
    """Facts, or a trip: what has a JSON form."""

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Ungrounded:
    """A place in the text, by characters, that says what no source says."""

    text: str
    start: int
    end: int
    kind: str

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "kind": self.kind}


def check(
    text: str,
    facts: Traced | Mapping[str, Any] | None,
    trip: Traced | Mapping[str, Any] | None,
    passages: Sequence[str] = (),
    language: str = "en",
    *,
    own: Iterable[str] = (),
) -> list[Ungrounded]:
    """The ungrounded places of a text in order, none within another.

    Args:
        facts, trip: or their JSON.
        own: lines that the program wrote itself; where they stand word for word they are not looked at.
    """
    sources = Sources(_json(facts), _json(trip), passages)
    visible = text
    for known in sorted((line for line in {*own, *sources.quotable} if len(line) > 3), key=len, reverse=True):
        visible = visible.replace(known, "\n" * len(known))
    found: list[Ungrounded] = []
    for start, end in _sentences(visible):
        sentence = visible[start:end]
        if sources.say(sentence):
            continue
        spans = [*_dates(sentence, sources), *_numbers(sentence, sources)]
        said = [] if spans else [match.end() for match in _NUMBER.finditer(sentence) if match["n"][0].isdigit()]
        # The unit behind a number that a source has is no claim of its own.
        spans += [span for span in claims(sentence) if span[0] - 1 not in said]
        spans += [(*span, "name") for span in names(sentence, sources.stems)]
        if not spans:
            spans += [(*span, "claim") for span in assertions(sentence, sources.stems)]
        found += [Ungrounded(text[start + a : start + b], start + a, start + b, kind) for a, b, kind in _apart(spans)]
    return found


def marked(text: str, found: Sequence[Ungrounded]) -> str:
    """The text with a warning sign behind each of these."""
    for one in sorted(found, key=lambda one: one.start, reverse=True):
        text = f"{text[: one.end]} ⚠{text[one.end :]}"
    return text


def _json(source: Traced | Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {} if source is None else source if isinstance(source, Mapping) else source.to_json()


def _strings(value: object, key: str = "") -> Iterator[str]:
    """Every text and number in a JSON value, with the key that it stands under."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _strings(inner, str(name).replace("_", " "))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield f"{value} {key}"
    elif value is not None and not isinstance(value, bool):
        yield str(value)


_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBER = re.compile(
    rf"(?<![\w.])(?P<currency>[$€£₽₾¥₺₹]\s?)?(?P<n>\d+(?:[.,:\u00a0\u202f ]\d+)*|{alternation(CARDINALS)}"
    r"|dozens?|hundreds?|thousands?|millions?|сот(?:ен|ни|ня)|тысяч\w*|миллион\w*|дюжин\w*|десят(?:ок|ка|ки|ков)"
    r"|полтор[аы]"
    r"|[IVX]{2,}(?=\s?(?:век|в\.|centur)))(?P<tail>[%°]|\s?[ap]m\b|st\b|nd\b|rd\b|th\b)?(?![^\W\d_])",
    re.IGNORECASE,
)
_CENTURY = re.compile(
    r"(?<!\w)(?:centur(?:y|ies)|век(?:а|е|ов|у|ом)?|столети\w+|millenni\w+|тысячелети\w+)(?!\w)", re.IGNORECASE
)
_ONES = frozenset(["one", "один", "одна", "одно", "одной", "одну", "одного"])
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_DAY_NOUNS = frozenset(
    stem for word in ("day", "days", "дней", "дня", "день", "дню") for stem in stems(f"x {word}")[1:]
)
_PEOPLE = frozenset(
    stem
    for word in (
        "travellers",
        "travelers",
        "people",
        "persons",
        "adults",
        "человек",
        "человека",
        "взрослых",
        "путешественника",
    )
    for stem in stems(word)
)
_WEEKDAYS = {
    name: number
    for number, pattern in enumerate(
        (r"mondays?"
            r"|понедельник\w*", r"tuesdays?|вторник\w*", r"wednesdays?|сред(?:а|у|ы|ам|е)", r"thursdays?|четверг\w*",
         r"fridays?|пятниц\w*", r"saturdays?|суббот\w*", r"sundays?|воскресень\w*|воскресный")
    )
    for name in (pattern,)
}  # fmt: skip
_SEASON = re.compile(
    r"(?<!\w)(?:(?:in|this|next|during|late|early|every|all) (?:the )?(?:winter|spring|summer|autumn|fall)|зимой"
    r"|весной|летом|осенью)(?!\w)",
    re.IGNORECASE,
)
_MONTH = re.compile(rf"(?<!\w)(?:{date_words.MONTH})(?!\w)", re.IGNORECASE)
_DATES = tuple(
    re.compile(rf"(?<![\w.]){text}(?!\w)", re.IGNORECASE)
    for text in (
        date_words.ISO,
        r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4}|\d{2})",
        *date_words.RANGES,
        *date_words.DAYS,
    )
)


class Sources:
    """What a plan may say: texts, their stems, the dates among them, numbers with the word beside them."""

    def __init__(self, facts: Mapping[str, Any], trip: Mapping[str, Any], passages: Sequence[str]):
        texts = [*_strings(facts), *_strings(trip), *passages]
        self.passages = passages
        self.quotable = [line.strip() for passage in passages for line in passage.splitlines() if line.strip()]
        self.lines = [
            set(stems(line)) for text in texts for line in re.split(r"(?<=[.!?])\s+|\n", text) if line.strip()
        ]
        self.stems = frozenset().union(*self.lines) if self.lines else frozenset()
        self.days = int(trip.get("days") or 0)
        self.travellers = int(trip.get("travellers") or 0)
        self.pairs = {pair for text in texts for pair in _pairs(text)}
        self.bare = {number for text in passages for number, _ in _pairs(text)}
        self.dates = {date.fromisoformat(day) for text in texts for day in _valid(_ISO_DATE.findall(text))}
        start = trip.get("start")
        if start and self.days:
            first = date.fromisoformat(str(start)[:10])
            self.dates |= {first + timedelta(days=ahead) for ahead in range(min(self.days, 400))}
        written = " ".join(texts).casefold().replace("ё", "е")
        self.months = {day.month for day in self.dates} | {
            date_words.MONTHS[name.rstrip(".")] for name in _MONTH.findall(written)
        }
        self.month_days = {(d, m) for text in texts for _, _, days in _written_dates(text) for d, m, _ in days}
        self.weekdays = {day.weekday() for day in self.dates}
        self.seasons = set(_SEASON.findall(written))

    def say(self, sentence: str) -> bool:
        """A sentence of the sources has all of its words, and its numbers."""
        words = set(stems(sentence))
        return len(words) > 1 and any(words <= line for line in self.lines)

    def date(self, day: int, month: int, year: int | None) -> bool:
        known = any((one.day, one.month) == (day, month) and year in (None, one.year) for one in self.dates)
        return known or (year is None and (day, month) in self.month_days)

    def number(self, count: float, after: str, before: str) -> bool:
        """Whether a source has this number beside this word."""
        if (after in _DAY_NOUNS and count == self.days) or (before in _DAY_NOUNS and 0 < count <= self.days):
            return True
        if after in _PEOPLE and count == self.travellers:
            return True
        return (count, after) in self.pairs or (bool(before) and (count, f"{before}<") in self.pairs)


def _valid(days: Iterable[str]) -> Iterator[str]:
    for day in days:
        try:
            date.fromisoformat(day)
        except ValueError:
            continue
        yield day


def _float(text: str) -> float | None:
    digits = re.sub(r"[\s\u00a0\u202f]", "", text)
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    try:
        return (
            float(digits.replace(",", "."))
            if digits[:1].isdigit()
            else float(found)
            if (found := value(text))
            else None
        )
    except ValueError:
        return None


def _beside(text: str, start: int, end: int) -> tuple[str, str]:
    """The stems of the words right behind and right before a span, in the same clause."""
    after, before = re.match(r"[\s-]*([^\W\d_]+)", text[end:]), re.search(r"([^\W\d_]+)\s*$", text[:start])
    return _stem(after[1]) if after else "", _stem(before[1]) if before else ""


def _stem(word: str) -> str:
    found = stems(word)
    return found[0] if found else word.casefold()


def _pairs(text: str) -> Iterator[tuple[float, str]]:
    for match in _NUMBER.finditer(text):
        if (count := _float(match["n"])) is not None:
            after, before = _beside(text, *match.span("n"))
            if after:
                yield count, after
            if before:
                yield count, f"{before}<"


def _written_dates(text: str) -> Iterator[tuple[int, int, list[tuple[int, int, int | None]]]]:
    """(start, end, days as (day, month, year)) of each date or range in a text."""
    lowered = "".join(char.lower() if len(char.lower()) == 1 else char for char in text).replace("ё", "е")
    for pattern in _DATES:
        for match in pattern.finditer(lowered):
            groups = match.groupdict()
            month = date_words.MONTHS.get(groups["m"].rstrip(".")) or value(groups["m"]) or 0
            year = int(groups["y"]) if groups["y"] else None
            year = year + 2000 if year is not None and year < 100 else year
            yield *match.span(), [(value(groups[d]) or 0, month, year) for d in ("d", "d2") if groups.get(d)]
        lowered = pattern.sub(lambda match: "\0" * len(match[0]), lowered)


def _dates(sentence: str, sources: Sources) -> Iterator[tuple[int, int, str]]:
    lowered = sentence.lower().replace("ё", "е") if len(sentence.lower()) == len(sentence) else sentence
    for start, end, days in _written_dates(sentence):
        if not all(sources.date(*day) for day in days):
            yield start, end, "date"
        lowered = lowered[:start] + "\0" * (end - start) + lowered[end:]
    for pattern, number in _WEEKDAYS.items():
        for match in re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", lowered, re.IGNORECASE):
            if number not in sources.weekdays:
                yield *match.span(), "weekday"
    for match in _MONTH.finditer(lowered):
        name = match[0].rstrip(".").lower()
        verb = (
            name in ("may", "march", "mar", "sep", "dec", "jan", "jun", "jul") and not sentence[match.start()].isupper()
        )
        if not verb and date_words.MONTHS[name] not in sources.months and not (name == "may" and match.start() == 0):
            yield *match.span(), "date"
    for match in _SEASON.finditer(lowered):
        if match[0].lower() not in sources.seasons:
            yield *match.span(), "date"
    for match in _CENTURY.finditer(lowered):
        yield *match.span(), "date"


def _numbers(sentence: str, sources: Sources) -> Iterator[tuple[int, int, str]]:
    dated = [(start, end) for start, end, _ in _written_dates(sentence)]
    for match in _NUMBER.finditer(sentence):
        if any(start <= match.start("n") < end for start, end in dated):
            continue
        if re.fullmatch(r"\s*(?:[-*>]\s*)?", sentence[: match.start()]) and re.match(
            r"[.)]\s", sentence[match.end() :]
        ):
            continue  # the number of an entry in a list
        cited = sentence[: match.start()].endswith("[") and sentence[match.end() :].startswith("]")
        if cited and match["n"].isdigit() and 0 < int(match["n"]) <= len(sources.passages):
            continue
        if match["n"].casefold() in _ONES:
            continue  # an article more than a number; with a unit it is a claim
        count, (after, before) = _float(match["n"]), _beside(sentence, *match.span("n"))
        told = re.search(r"([^\W\d_]+)\s*$", sentence[: match.start("n")])
        if count in (2, 3) and match["n"].isalpha() and told and commands(told[1]):
            continue  # "compare two hotels": how many is up to the traveller
        if match["currency"] or match["tail"] or count is None or not sources.number(count, after, before):
            yield *match.span(), "price" if match["currency"] else "number"


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    for line in re.finditer(r"[^\n|]+", text):
        start = line.start()
        for end in [match.end() for match in re.finditer(r"(?<!\b\w)[.!?…]+(?=\s|$)(?!\s+[а-яa-z])", line[0])] + [
            len(line[0])
        ]:
            if line.start() + end > start:
                yield start, line.start() + end
                start = line.start() + end


def _apart(spans: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """In order; what overlaps or touches becomes one, of the kind that says most."""
    kept: list[tuple[int, int, str]] = []
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        if kept and start <= kept[-1][1]:
            first, last, before = kept.pop()
            strongest = kind if before in ("number", "name") else before
            kept.append((first, max(last, end), strongest))
        else:
            kept.append((start, end, kind))
    return kept
