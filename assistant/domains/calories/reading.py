"""What a meal's text says by its grammar alone: the foods that the table has names for, the amounts that belong to them,
what was not eaten, and which words only a model can judge."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from itertools import pairwise
from typing import Protocol

from assistant.domains.calories import lemmas, units, when
from assistant.domains.calories.foods import SURE, Candidate
from assistant.domains.calories.units import Quantity
from assistant.memory.stemming import STOP_WORDS

LONGEST_NAME = 6  # words of an alias


class Names(Protocol):
    """What the reading asks of the food table."""

    def is_alias(self, lemmas: list[str]) -> bool: ...
    def look_up(self, text: str, limit: int = 8) -> list[Candidate]: ...


@dataclass(slots=True)
class Mention:
    """``text[start:end]`` names a food.

    Attributes:
        words: what is looked up: the span, or the name of an emoji.
        eaten: False: the text says that it was not; None: the grammar does not tell.
        known: the table has a name in it.
        beside: start of the food that it came with ("кофе *с молоком*").
    """

    start: int
    end: int
    words: str
    known: bool = True
    eaten: bool | None = None
    quantities: list[Quantity] = field(default_factory=list)
    beside: int | None = None


@dataclass(slots=True)
class Reading:
    """Attributes:
    open: places of words that nothing explains, in runs without separators.
    loose: amounts that belong to no food.
    """

    text: str
    hints: list[when.Hint]
    mentions: list[Mention]
    open: list[tuple[int, int]]
    loose: list[Quantity]
    quantities: list[Quantity]
    tokens: list[_Token]

    @property
    def undecided(self) -> list[tuple[int, int]]:
        """Places that a model has to judge."""
        unsure = [(mention.start, mention.end) for mention in self.mentions if mention.eaten is None]
        return sorted([*self.open, *unsure])

    def excerpt(self) -> tuple[int, int]:
        """From the first sentence with an undecided place to the last; where the model has to look."""
        undecided = self.undecided
        before = [token.start for token in self.tokens if token.before == "stop" and token.start <= undecided[0][0]]
        behind = [token.start for token in self.tokens if token.before == "stop" and token.start >= undecided[-1][1]]
        return before[-1] if before else 0, behind[0] if behind else len(self.text)

    def is_negated(self, place: int) -> bool:
        return any(token.negated for token in self.tokens if token.start <= place < token.end)

    def beside_drink(self, mention: Mention, foods: Names) -> bool:
        """Whether it was in a cup of tea or coffee."""
        drink = next((other for other in self.mentions if other.start == mention.beside), None)
        return drink is not None and any(reading in _HOT_DRINKS for reading in lemmas.lemmas(drink.words))

    def spans(self, start: int, end: int, longest: int) -> list[tuple[int, int]]:
        """Runs of up to ``longest`` words there that may name a food, and the mentions."""
        spans = {
            (mention.start, mention.end) for mention in self.mentions if start <= mention.start and mention.end <= end
        }
        tokens = [token for token in self.tokens if start <= token.start and token.end <= end]
        for first, token in enumerate(tokens):
            for last in range(first, min(first + longest, len(tokens))):
                if (
                    last > first
                    and tokens[last].before in ("comma", "stop")
                    or tokens[last].role in ("quantity", "hint")
                ):
                    break
                if token.role in ("open", "food") and tokens[last].role in ("open", "food"):
                    spans.add((token.start, tokens[last].end))
        return sorted(spans)


@dataclass(slots=True)
class _Token:
    text: str
    start: int
    end: int
    words: str = ""  # an emoji's name
    role: str = "open"  # open, skip, food, quantity, hint, no (negation), eat
    negated: bool = False
    before: str = ""  # what separates it from the token before: "", "with", "and", "comma", "stop"


_EAT = frozenset(
    """съесть поесть есть кушать покушать скушать выпить пить попить выпивать позавтракать завтракать пообедать обедать
    поужинать ужинать перекусить слопать умять сожрать жрать хлебнуть навернуть заточить захавать хавать наесться доесть
    допить заесть запить запивать закусить перехватить выхлебать съедать
    eat eaten ate eating have had having drink drank drunk drinking consumed grabbed finished snacked munched devoured sipped
    ordered enjoyed ve""".split()
)
_EAT_RUSSIAN = re.compile(r"(?:съе|пое|по?куша|скуша|вы?пи[лтв]|сожр|слопа|завтрака|обеда|ужина|перекус|хомяч)")
_NOT = re.compile(
    r"(?<!\w)(?:(?P<without>без|кроме|вместо|помимо|no|without|zero|except|minus\s+the|instead\s+of|hold\s+the)"
    r"|(?P<verb>(?:не|ни\s+разу\s+не|never|not|didn['’]?t|did\s+not|haven['’]?t|hadn['’]?t|don['’]?t|do\s+not|wasn['’]?t"
    r"|couldn['’]?t|won['’]?t|wouldn['’]?t)(?!\s+(?:только|only|just|удерж\w+|устоя\w+|смог\w*\s+(?:удерж|устоя)\w+|resist))"
    r"|отказал\w+|skipped|refused|avoided|passed\s+on|turned\s+down"
    r"|(?:хотел\w*|хочу|хочется|хотелось|собирал\w+|планир\w+|мечтал\w*|мечтаю|думал\w*|чуть\s+не|едва\s+не|почти\s+не"
    r"|wanted|want|was\s+going\s+to|were\s+going\s+to|planned|planning|dreamt|dreamed|craving|craved|almost|nearly"
    r"|would\s+like|wish|thought\s+about|thinking\s+of)))(?!\w)",
    re.IGNORECASE,
)
_SKIPPED = STOP_WORDS | frozenset(
    """also then plus about approximately around roughly almost nearly maybe today etc ok okay yes well really very just quick
    home homemade fresh tasty delicious nice good great yummy usual piece bit little lot lots side top mixed kcal calories
    calorie cal protein grams hi hello thanks thank please morning afternoon evening night day meal food ate
    ккал калория кал день утро вечер ночь еда приём прием пища меню дом работа офис кафе ресторан гость друг подруга мама
    папа муж жена бабушка кухня стол раз итог дневник рацион привет спасибо свой домашний вкусный любимый обычный хороший
    небольшой большой маленький весь самый этот тот такой другой мой наш твой ещё еще тоже также потом затем примерно около
    штука добавка кусок что-то всё все какой""".split()
)
_GRAMMAR = frozenset(("PREP", "CONJ", "PRCL", "NPRO", "ADVB", "INTJ", "VERB", "INFN", "GRND", "COMP", "PRED", "NUMR"))
_NAMES = frozenset(("Name", "Surn", "Patr", "Geox", "Orgn"))
_EMOJI_NAMES = {
    "hot beverage": "coffee", "teacup without handle": "green tea", "cooking": "fried egg", "poultry leg": "chicken leg",
    "meat on bone": "meat", "cut of meat": "steak", "pot of food": "soup", "beer mug": "beer", "clinking beer mugs": "beer",
    "wine glass": "wine", "slice of pizza": "pizza", "glass of milk": "milk", "red apple": "apple", "green apple": "apple",
    "green salad": "salad", "steaming bowl": "noodle soup", "cooked rice": "rice", "rice ball": "rice",
    "spaghetti": "spaghetti", "bread": "bread", "baguette bread": "baguette", "cheese wedge": "cheese", "shortcake": "cake",
    "birthday cake": "cake", "ice cream": "ice cream", "soft ice cream": "ice cream", "chocolate bar": "chocolate",
    "ear of maize": "corn", "aubergine": "eggplant", "honey pot": "honey", "fish": "fish", "bowl with spoon": "cereal",
}  # fmt: skip
_SEPARATORS = (
    ("stop", re.compile(r"[\n;!?]|\.(?=\s|$)")),
    ("comma", re.compile(r"[,+/•*|]")),
)
_HOT_DRINKS = frozenset(
    "чай кофе капучино латте эспрессо американо какао tea coffee cappuccino latte espresso americano cocoa".split()
)
_AND = frozenset("и and да плюс plus & а но but then потом затем also еще".split())
_WITH = frozenset("с со with".split())
# Sums of money in another currency: what an amount pays to belong to a food there.
_COSTS = {"": 0.0, "with": 3.0, "and": 5.0, "comma": 4.0, "stop": 9.0}
_AFTER = 0.6
_SECOND = 3.0
_DROPPED = 12.0


def read(text: str, foods: Names, today: date) -> Reading:
    """The reading of a text of any length; nothing is guessed."""
    hints = when.find(text, today)
    tokens = _tokens(text, hints)
    mentions = _named(text, tokens, foods)
    quantities = units.find(
        text,
        [(hint.start, hint.end) for hint in hints if hint.end > hint.start],
        lambda word: foods.is_alias(lemmas.lemmas(word)),
    )
    quantities = [
        q for q in quantities if not any(m.start < q.end and q.start < m.end and _covers(m, q) for m in mentions)
    ]
    for token in tokens:
        if any(q.start <= token.start < q.end for q in quantities) and token.role != "food":
            token.role = "quantity"
    mentions = [mention for mention in mentions if not _inside(mention, quantities)]
    _widen(text, tokens, mentions)
    mentions += _measured(text, tokens, quantities, mentions)
    mentions.sort(key=lambda mention: mention.start)
    loose = _pair(tokens, mentions, quantities)
    _negate(text, tokens, mentions)
    _judge(tokens, mentions)
    return Reading(text, hints, mentions, _open_runs(tokens), loose, quantities, tokens)


def _covers(mention: Mention, quantity: Quantity) -> bool:
    """A name with a number or a size in it is no amount: "big mac", "пицца четыре сыра"."""
    return (
        mention.start <= quantity.start
        and quantity.end <= mention.end
        and mention.end - mention.start > quantity.end - quantity.start
    )


def _inside(mention: Mention, quantities: Sequence[Quantity]) -> bool:
    return any(q.start < mention.end and mention.start < q.end for q in quantities)


def _tokens(text: str, hints: Sequence[when.Hint]) -> list[_Token]:
    tokens = [_Token(word.text, word.start, word.end) for word in lemmas.words(text)]
    tokens += _emoji(text)
    tokens.sort(key=lambda token: token.start)
    for token in tokens:
        if any(hint.start <= token.start < hint.end for hint in hints):
            token.role = "hint"
        elif not token.words:
            token.role = _role(token.text)
    for left, right in pairwise(tokens):
        gap = text[left.end : right.start]
        right.before = next((name for name, pattern in _SEPARATORS if pattern.search(gap)), "")
        if not right.before and right.text in _AND:
            right.before = "and"
        if not right.before and right.text in _WITH:
            right.before = "with"
    return tokens


def _emoji(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    for match in re.finditer(r"([\U0001F300-\U0001FAFF\u2615])\ufe0f?(?:\s?\1\ufe0f?)*", text):
        name = unicodedata.name(match[1], "").casefold()
        if name:
            tokens.append(_Token(name, match.start(), match.end(), words=_EMOJI_NAMES.get(name, name)))
    return tokens


@lru_cache(1 << 12)
def _role(word: str) -> str:
    readings = lemmas.readings(word)
    if word[0].isdigit():
        return "quantity"
    if any(reading in _EAT for reading in readings) or _EAT_RUSSIAN.match(word):
        return "eat"
    if word in _SKIPPED or readings[0] in _SKIPPED or len(word) == 1:
        return "skip"
    tags = lemmas.grammemes(word)
    return "skip" if tags & (_GRAMMAR | _NAMES) else "open"


def _named(text: str, tokens: Sequence[_Token], foods: Names) -> list[Mention]:
    """The longest names of the table from left to right."""
    mentions = []
    at = 0
    while at < len(tokens):
        size = next(
            (size for size in range(LONGEST_NAME, 0, -1) if _is_name(text, tokens[at : at + size], size, foods)), 0
        )
        if size:
            first, last = tokens[at], tokens[at + size - 1]
            mention = Mention(first.start, last.end, first.words or text[first.start : last.end])
            if first.words and (count := len(re.findall(r"[^\s\ufe0f]", text[first.start : first.end]))) > 1:
                mention.quantities.append(Quantity(float(count), None, first.start, first.end))
            mentions.append(mention)
            for token in tokens[at : at + size]:
                token.role = "food"
        at += size or 1
    return mentions


def _is_name(text: str, tokens: Sequence[_Token], size: int, foods: Names) -> bool:
    if len(tokens) < size or any(token.before in ("comma", "stop") for token in tokens[1:]):
        return False
    if any(token.role == "hint" for token in tokens) or (size > 1 and any(token.words for token in tokens)):
        return False
    if any(token.role in ("skip", "eat") for token in (tokens[0], tokens[size - 1])):
        return False
    if size == 1 and tokens[0].role == "quantity":
        return False
    # A gap of more than a blank is a dash or a bracket between two things.
    if any(len(text[left.end : right.start]) > 2 for left, right in pairwise(tokens)):
        return False
    words = tokens[0].words or text[tokens[0].start : tokens[size - 1].end]
    if foods.is_alias(lemmas.lemmas(words)):
        return True
    # Diminutives and misspellings are known to look_up only.
    found = foods.look_up(words, 1) if size == 1 and len(words) > 3 else []
    return bool(found) and found[0].how == "alias" and found[0].score >= SURE


def _widen(text: str, tokens: Sequence[_Token], mentions: Sequence[Mention]) -> None:
    """Words beside a name that say more of the same food: adjectives, a percentage."""
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
        mention.start, mention.end = tokens[first].start, tokens[last].end
        mention.words = text[mention.start : mention.end]


def _describes(text: str, token: _Token, beside: _Token, *, before: bool) -> bool:
    if token.text.endswith("%"):
        return True
    gap = text[token.end : beside.start] if before else text[beside.end : token.start]
    if token.role != "open" or len(gap) > 1:
        return False
    if token.text.isascii():
        return before
    return bool(lemmas.grammemes(token.text) & {"ADJF", "PRTF", "ADJS", "PRTS"})


def _measured(
    text: str, tokens: Sequence[_Token], quantities: Sequence[Quantity], mentions: Sequence[Mention]
) -> list[Mention]:
    """Words that no table knows but that have an amount with a unit beside them: "200 г бешбармака"."""
    found: list[Mention] = []
    taken = {token.start for token in tokens if token.role == "food"}
    for quantity in quantities:
        if quantity.unit is None:
            continue
        after = [number for number, token in enumerate(tokens) if token.start >= quantity.end]
        run = _run(tokens, after[0], 1) if after and tokens[after[0]].before in ("",) else []
        if not run and not (after and tokens[after[0]].role == "food" and not tokens[after[0]].before):
            before = [number for number, token in enumerate(tokens) if token.end <= quantity.start]
            run = _run(tokens, before[-1], -1) if before else []
        if run and not any(token.start in taken for token in run):
            taken |= {token.start for token in run}
            for token in run:
                token.role = "food"
            found.append(Mention(run[0].start, run[-1].end, text[run[0].start : run[-1].end], known=False))
    return found


def _run(tokens: Sequence[_Token], start: int, step: int) -> list[_Token]:
    """Open words from here on, as long as nothing separates them."""
    run: list[_Token] = []
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


def _pair(tokens: Sequence[_Token], mentions: Sequence[Mention], quantities: Sequence[Quantity]) -> list[Quantity]:
    """Give the amounts to the foods beside them, at the least cost in all; what is left over is returned.

    "200 г гречки, молоко 150 мл" and "гречка 200 г курица 150 г" are both read right: every amount may belong to the food
    before or behind it, separators between them cost, and a food takes a second amount only for want of better.
    """

    def distance(left: int, right: int) -> float:
        between = [token for token in tokens if left <= token.start < right]
        follower = [token for token in tokens if token.start == right]
        cost = sum(_COSTS[token.before] for token in [*between, *follower])
        return (
            cost
            + sum(1.0 for token in between if token.role == "open")
            + sum(0.3 for token in between if token.role == "eat")
        )

    starts = [mention.start for mention in mentions]

    @cache
    def best(number: int, last: int, used: int) -> tuple[float, tuple[int, ...]]:
        """Cost and the food (-1: none) of each amount from ``number`` on; ``used`` amounts went to food ``last``."""
        if number == len(quantities):
            return 0.0, ()
        quantity = quantities[number]
        behind = sum(start < quantity.start for start in starts)
        options = [(_DROPPED if not quantity.vague else 2.0, -1)]
        if behind and not quantity.vague and behind - 1 >= last:
            options.append((_AFTER + distance(mentions[behind - 1].end, quantity.start), behind - 1))
        elif behind and quantity.unit and behind - 1 >= last:
            options.append((_AFTER + 2 + distance(mentions[behind - 1].end, quantity.start), behind - 1))
        if behind < len(mentions):
            options.append((distance(quantity.end, mentions[behind].start), behind))
        results = []
        for cost, food in options:
            again = used if food == last else 0
            second = _SECOND * again if food >= 0 else 0.0
            rest, foods = best(number + 1, max(last, food), again + 1 if food >= 0 else used)
            results.append((cost + second + rest, (food, *foods)))
        return min(results, key=lambda result: result[0])

    loose = []
    for quantity, food in zip(quantities, best(0, -1, 0)[1], strict=True):
        if food >= 0:
            mentions[food].quantities.append(quantity)
        else:
            loose.append(quantity)
    for left, right in pairwise(mentions):
        between = [token for token in tokens if left.end <= token.start <= right.start]
        if any(token.before == "with" for token in between) and not any(t.before in ("comma", "stop") for t in between):
            right.beside = left.start
        elif left.beside is not None and len(between) == 2 and between[0].before == "and" and not right.quantities:
            right.beside = left.beside
    return loose


def _negate(text: str, tokens: Sequence[_Token], mentions: Sequence[Mention]) -> None:
    """Mark what the text says was not eaten: "без сахара и молока", "хлеб не ел", "хотел торт"."""
    for trigger in _NOT.finditer(text):
        if any(mention.start <= trigger.start() < mention.end for mention in mentions):
            continue
        index = next((number for number, token in enumerate(tokens) if token.start >= trigger.start()), None)
        if index is None:
            continue
        after, eats = index, 0
        while after < len(tokens):
            token = tokens[after]
            if after > index and token.before in ("comma", "stop"):
                break
            if after > index and token.before == "and" and _starts_anew(tokens, after, bool(trigger["without"])):
                break
            after += 1
            eats += token.role == "eat"
        end = tokens[after - 1].end
        hit = [mention for mention in mentions if trigger.end() <= mention.start < end]
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


def _starts_anew(tokens: Sequence[_Token], at: int, without: bool) -> bool:
    """Whether what follows this "и", "но" is said by itself: with a verb, or with an amount."""
    if tokens[at].text in ("но", "but", "а", "then", "потом", "затем"):
        return True
    for token in tokens[at + 1 :]:
        if token.before in ("comma", "stop", "and"):
            return False
        if token.role == "eat" or (token.role == "quantity" and without):
            return True
    return False


def _judge(tokens: Sequence[_Token], mentions: Sequence[Mention]) -> None:
    """Mark what was surely eaten: it has an amount, or stands by a verb of eating, or alone."""
    clause: list[_Token] = []
    clauses: list[list[_Token]] = []
    for token in tokens:
        if token.before in ("comma", "stop") and clause:
            clauses.append(clause)
            clause = []
        clause.append(token)
    clauses.append(clause)
    for mention in mentions:
        if mention.eaten is False:
            continue
        own = next(
            (clause for clause in clauses if clause and clause[0].start <= mention.start <= clause[-1].start), []
        )
        plain = not any(token.role == "open" for token in own)
        said = any(token.role in ("eat", "hint") for token in own)
        amount = any(quantity.unit or not quantity.vague for quantity in mention.quantities)
        if amount or said or plain:
            mention.eaten = True


def _open_runs(tokens: Sequence[_Token]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    previous: _Token | None = None
    for token in tokens:
        if token.role == "open":
            if previous and previous.role == "open" and not token.before:
                runs[-1] = (runs[-1][0], token.end)
            else:
                runs.append((token.start, token.end))
        previous = token
    return runs
