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
from typing import Literal, Protocol

from assistant.domains.calories import lemmas, units, when
from assistant.domains.calories.foods import SURE, Candidate
from assistant.domains.calories.units import Quantity
from assistant.memory.stemming import STOP_WORDS


LONGEST_NAME = 6  # words
MOST_AMOUNTS = 200
_MOST_OPEN = 2  # words that nobody knows beside a name, in a clause without a verb


class Names(Protocol):
    """What the reading asks of the food table."""

    def is_name(self, text: str) -> bool: ...
    def look_up(self, text: str, limit: int = 8) -> list[Candidate]: ...


@dataclass(slots=True)
class Mention:
    """``text[start:end]`` names a food.

    Attributes:
        words: what is looked up: the span, or the name of an emoji.
        eaten: False: the text says that it was not; None: the grammar does not tell.
        sure: the table has a name for it.
        core: the name in it, where a model says that more words belong to it.
        beside: start of the food that it came with ("кофе *с молоком*").
    """

    start: int
    end: int
    words: str
    sure: bool
    eaten: bool | None = None
    quantities: list[Quantity] = field(default_factory=list)
    beside: int | None = None
    core: str = ""


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
        return sorted([*(place for place in self.open if not self.is_negated(place[0])), *unsure])

    def excerpt(self) -> tuple[int, int]:
        """From the first sentence with an undecided place to the last; where the model has to look."""
        undecided = self.undecided
        before = [token.start for token in self.tokens if token.before == "stop" and token.start <= undecided[0][0]]
        behind = [token.start for token in self.tokens if token.before == "stop" and token.start >= undecided[-1][1]]
        return before[-1] if before else 0, behind[0] if behind else len(self.text)

    def is_negated(self, place: int) -> bool:
        return any(token.negated for token in self.tokens if token.start <= place < token.end)

    @property
    def eaten(self) -> bool:
        """Whether anything surely was."""
        return any(mention.eaten for mention in self.mentions)

    def decides(self, start: int, end: int) -> bool:
        """Whether the grammar says already of these words, and of no others beside them, what they are."""
        touched = [mention for mention in self.mentions if mention.start < end and start < mention.end]
        if self.is_negated(start) or len(touched) > 1:
            return True
        return any(
            one.eaten is not None and (one.eaten is False or one.start <= start and end <= one.end) for one in touched
        )

    def names(self, start: int, end: int) -> bool:
        """Whether the table has a name among these words."""
        return any(one.sure and one.start < end and start < one.end for one in self.mentions)

    def take(self, start: int, end: int, amount: str) -> None:
        """What a model marked: a mention that the grammar left open, more words of one, or words that no table knows."""
        touched = next((one for one in self.mentions if one.start < end and start < one.end), None)
        if touched:
            touched.eaten = True
            if touched.sure and (start < touched.start or touched.end < end):
                touched.core = touched.words
                touched.start, touched.end = min(start, touched.start), max(end, touched.end)
                touched.words = self.text[touched.start : touched.end]
            return
        mention = Mention(start, end, self.text[start:end], sure=False, eaten=True)
        said = next((q for q in self.loose if self.text[q.start : q.end] == amount), None)
        if said:
            self.loose.remove(said)
            mention.quantities.append(said)
        self.mentions.append(mention)
        self.mentions.sort(key=lambda each: each.start)

    def beside(self, mention: Mention) -> Literal["", "food", "drink"]:
        """What it came with: "кофе с молоком"."""
        other = next((other for other in self.mentions if other.start == mention.beside), None)
        if not other:
            return ""
        return "drink" if any(lemma in _HOT_DRINKS for lemma in lemmas.lemmas(other.words)) else "food"

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
    role: str = "open"  # food, quantity, hint, eat; skip: never part of a name; other: rarely; open: nobody knows
    negated: bool = False
    before: str = ""  # what separates it from the token before: "", "with", "and", "comma", "stop"


_EAT = frozenset(
    """съесть поесть есть кушать покушать скушать выпить пить попить выпивать позавтракать завтракать пообедать обедать
    поужинать ужинать перекусить слопать умять сожрать жрать хлебнуть навернуть заточить захавать хавать наесться доесть
    допить заесть запить запивать закусить перехватить выхлебать съедать
    eat eaten ate eating have had having drink drank drunk drinking consumed grabbed finished snacked munched devoured sipped
    ordered enjoyed ve got grabbed взять брать заказать заказывать""".split()
)
_EAT_RUSSIAN = re.compile(
    r"(?:съе|пое|по?куша|скуша|вы?пи[лтв]|сожр|слопа|завтрака|обеда|ужина|перекус|с?хомяч|слоп|умя|зато?чи|навер)"
)
_NOT = re.compile(
    r"(?<!\w)(?:(?P<without>без|кроме|вместо|помимо|ни(?!\s+разу)|neither|nor|no|without|zero|except|minus\s+the|instead\s+of|hold\s+the)"
    r"|(?P<verb>(?:не|ни\s+разу\s+не|never|not|didn['’]?t|did\s+not|haven['’]?t|hadn['’]?t|don['’]?t|do\s+not|wasn['’]?t"
    r"|couldn['’]?t|won['’]?t|wouldn['’]?t)(?!\s+(?:только|only|just|удерж\w+|устоя\w+|смог\w*\s+(?:удерж|устоя)\w+|resist))"
    r"|\w+л[аи]?\s+бы|отказал\w+|skipped|refused|avoided|passed\s+on|turned\s+down"
    r"|(?:хотел\w*|хочу|хочется|хотелось|собирал\w+|планир\w+|мечтал\w*|мечтаю|думал\w*|чуть\s+не|едва\s+не|почти\s+не"
    r"|wanted|want|was\s+going\s+to|were\s+going\s+to|planned|planning|dreamt|dreamed|craving|craved|almost|nearly"
    r"|would\s+like|wish|thought\s+about|thinking\s+of)))(?!\w)",
    re.IGNORECASE,
)
_SKIPPED = STOP_WORDS | frozenset(
    """also then plus about approximately around roughly almost nearly maybe today etc ok okay yes well really very just quick
    home homemade fresh tasty delicious nice good great yummy usual piece bit little lot lots side top mixed kcal calories
    calorie cal grams drained rinsed peeled rare done easy hi hello thanks thank please morning afternoon evening night day meal food ate
    ккал калория кал день утро вечер ночь еда приём прием пища меню дом работа офис кафе ресторан гость друг подруга мама
    папа муж жена бабушка кухня стол раз итог дневник рацион привет спасибо свой домашний вкусный любимый обычный хороший
    небольшой большой маленький весь самый этот тот такой другой мой наш твой ещё еще тоже также потом затем примерно около
    штука добавка кусок что-то всё все какой""".split()
)
_GRAMMAR = frozenset(("PREP", "CONJ", "PRCL", "NPRO", "ADVB", "INTJ", "VERB", "INFN", "GRND", "COMP", "PRED", "NUMR"))
_VERBS = frozenset(("VERB", "INFN", "GRND"))
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
_EGG = re.compile(r"яйц\w*|яиц\w*|eggs?", re.IGNORECASE)
_EGG_DISH = re.compile(r"яичниц|омлет|глазунь|болтунь|скр[еэ]мбл|omelet|scrambl|fried egg|frittata", re.IGNORECASE)
# One word for a heap of it.
_COLLECTIVE = frozenset(
    """картошка картофель картоха морковь морковка свекла лук пицца рыба курица печенье хлеб ягода капуста шоколад
    pizza chicken fish bread chocolate sushi shrimp""".split()
)
_GOES_ON = re.compile(r",?\s+(?:и|или|ни|без|and|or|nor|no)\s+(?:без\s+)?", re.IGNORECASE)
_HOT_DRINKS = frozenset(
    "чай кофе капучино латте эспрессо американо какао tea coffee cappuccino latte espresso americano cocoa".split()
)
_AND = frozenset("и and да плюс plus & а но but then потом затем also еще".split())
_ENGLISH_VERBS = frozenset(
    """is are was were be been am will would shall should can could may might do does did says said has make makes made go
    went looks look smells smell like likes love loves grow grows""".split()
)
_INTO = frozenset(["на", "в", "во", "из", "in", "on", "from"])
_WITH = frozenset("с со with".split())
_LITTLE = _AND | _WITH | _INTO | frozenset(["для", "от", "по", "без", "не", "к", "у", "за"])
# What it costs an amount to belong to a food, by what stands between them; above _DROPPED it belongs to none.
_COSTS = {"": 0.0, "with": 3.0, "and": 4.0, "comma": 4.0, "stop": 6.5}
_OPEN_BETWEEN = 2.0  # a word that may name the food it belongs to
_AFTER = 0.6  # "творог 200 г": the food first
_PARTED = 8.0  # "200 г, творог", "пол-литра и огурчик": the amount first, and something between
_SECOND = 2.0
_DISH = 100.0  # grams or millilitres
_GRAMS = 20  # a bare number from here on is a weight
_NEGATED = 6.0  # "салат 200 г без хлеба"
_DROPPED = 7.0


def read(text: str, foods: Names, today: date) -> Reading:
    """The reading of a text of any length; nothing is guessed."""
    hints = when.find(text, today)
    quantities = units.find(text, [(hint.start, hint.end) for hint in hints if hint.end > hint.start], foods.is_name)
    quantities = quantities[:MOST_AMOUNTS]
    tokens = _tokens(text, hints, quantities)
    mentions = _named(text, tokens, foods)
    quantities = _part(text, mentions, quantities, foods)
    for token in tokens:
        if any(q.start <= token.start < q.end for q in quantities) and not token.words:
            token.role = "quantity"
    _widen(text, tokens, mentions)
    mentions += _measured(text, tokens, quantities, mentions)
    mentions.sort(key=lambda mention: mention.start)
    _negate(text, tokens, mentions)
    mentions = _merged(text, tokens, mentions, quantities)
    loose = _pair(text, tokens, mentions, quantities)
    _judge(tokens, mentions)
    return Reading(text, hints, mentions, _open_runs(tokens), loose, quantities, tokens)


def _tokens(text: str, hints: Sequence[when.Hint], quantities: Sequence[Quantity]) -> list[_Token]:
    for quantity in quantities:  # the points of "ч. л." and the comma of "1,5" separate nothing
        text = (
            text[: quantity.start]
            + "".join("_" if char in ".,/+" else char for char in text[quantity.start : quantity.end])
            + text[quantity.end :]
        )
    tokens = [_Token(word.text, word.start, word.end) for word in lemmas.words(text)]
    tokens += _emoji(text)
    for token in tokens:  # пол|банана
        half = next((q.end for q in quantities if q.start == token.start < q.end < token.end), 0)
        if half and not token.text[0].isdigit():
            token.text, token.start = token.text[half - token.start :], half
    tokens.sort(key=lambda token: token.start)
    triggers = list(_NOT.finditer(text))
    for token in tokens:
        if any(hint.start <= token.start < hint.end for hint in hints):
            token.role = "hint"
        elif not token.words:
            token.role = _role(token.text)
        if token.role == "open" and any(one.start() <= token.start < one.end() for one in triggers):
            token.role = "other"
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
    if len(word) < 4 and any(map(str.isdigit, word)) and any(map(str.isalpha, word)):
        return "skip"  # С1, B12
    if word[0].isdigit():
        return "open" if word.endswith("%") else "quantity"
    if any(reading in _EAT for reading in readings) or _EAT_RUSSIAN.match(word):
        return "eat"
    if word in _SKIPPED or readings[0] in _SKIPPED or len(word) == 1:
        return "skip"
    grammar = _GRAMMAR | _NAMES if lemmas.is_russian_word(word) else _VERBS  # of an unknown word it is a guess
    return "other" if lemmas.grammemes(word) & grammar else "open"


def _named(text: str, tokens: Sequence[_Token], foods: Names) -> list[Mention]:
    """What the table has names for, the longest from left to right, with the modifiers beside them."""
    mentions = []
    at = 0
    while at < len(tokens):
        size = next(
            (size for size in range(LONGEST_NAME, 0, -1) if _is_name(text, tokens[at : at + size], size, foods)), 0
        )
        if size:
            start, end = tokens[at].start, tokens[at + size - 1].end
            mentions.append(Mention(start, end, text[start:end], sure=True))
            for token in tokens[at : at + size]:
                token.role = "food"
        at += size or 1
    for token in tokens:
        if token.words and _is_sure(token.words, foods):
            mention = Mention(token.start, token.end, token.words, sure=True)
            if (count := len(re.findall(r"[^\s\ufe0f]", text[token.start : token.end]))) > 1:
                mention.quantities.append(Quantity(float(count), None, token.start, token.end))
            mentions.append(mention)
            token.role = "food"
    return sorted(mentions, key=lambda mention: mention.start)


def _is_name(text: str, tokens: Sequence[_Token], size: int, foods: Names) -> bool:
    if len(tokens) < size or any(token.before in ("comma", "stop") for token in tokens[1:]):
        return False
    if any(token.role == "hint" or token.words for token in tokens):
        return False
    ends = (tokens[0], tokens[-1])
    if any(token.role in ("eat", "quantity") or token.text in STOP_WORDS | _LITTLE for token in ends):
        return False
    words = text[tokens[0].start : tokens[-1].end]
    # More than a blank or a hyphen between words is a dash, a colon or a bracket between two things.
    if re.search(r"[^\w\s'’%.,-]|\s-|-\s", words):
        return False
    if foods.is_name(words):
        return True
    if any(token.role == "skip" for token in ends):
        return False
    # A modifier is no food of its own: "сыром" is not "сырой" beside "колбасой". "На воде" is one.
    named = [
        token
        for before, token in pairwise([tokens[0], *tokens])
        if before.text not in _INTO and foods.is_name(text[token.start : token.end])
    ]
    if any(token.before == "and" for token in tokens[1:]):
        return False
    if len(named) > 1 and not foods.is_name(text[named[0].start : named[-1].end]):
        return False
    return _is_sure(words, foods)


def is_singular(words: str) -> bool:
    """Whether the words name one: яйцо, egg."""
    last = ""
    if not _COLLECTIVE.isdisjoint(lemmas.lemmas(words)):
        return False
    for word in lemmas.words(words):
        tags = lemmas.grammemes(word.text)
        if "NOUN" in tags:
            return "sing" in tags
        last = word.text
    return bool(last) and last.isascii() and lemmas.readings(last)[0] == last


def is_russian(words: str) -> bool:
    return bool(re.search("[а-яё]", words, re.IGNORECASE))


def _is_sure(words: str, foods: Names) -> bool:
    found = foods.look_up(words, 1)
    return bool(found) and found[0].score >= SURE


def _part(text: str, mentions: Sequence[Mention], quantities: Sequence[Quantity], foods: Names) -> list[Quantity]:
    """The amounts that are none of a name's own words. "Большой банан" is one big banana; "big mac", "пицца четыре сыра"
    are names."""
    kept = []
    for quantity in quantities:
        mention = next((m for m in mentions if m.start < quantity.end and quantity.start < m.end), None)
        if mention:
            before, behind = text[mention.start : quantity.start], text[quantity.end : mention.end]
            rest = before if len(before) > len(behind) else behind
            if (before.strip() and behind.strip()) or not _is_sure(rest, foods):
                continue
            if rest is behind:
                mention.start = quantity.end + len(behind) - len(behind.lstrip())
            else:
                mention.end = mention.start + len(before.rstrip())
            mention.words = text[mention.start : mention.end]
        kept.append(quantity)
    return kept


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
        if (mention.start, mention.end) != (tokens[first].start, tokens[last].end):
            mention.core = mention.words
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
    # Adjectives of quality (вкусный) say nothing of what it is, those made from nouns do (миндальное молоко).
    tags = lemmas.grammemes(token.text)
    return "ADJF" in tags and not tags & {"Qual", "Apro", "Anum"}


def _measured(
    text: str, tokens: Sequence[_Token], quantities: Sequence[Quantity], mentions: Sequence[Mention]
) -> list[Mention]:
    """Words that no table knows but that have an amount with a unit beside them: "200 г бешбармака"."""
    found: list[Mention] = []
    taken = {token.start for token in tokens if token.role == "food"}
    for quantity in quantities:
        after = [number for number, token in enumerate(tokens) if token.start >= quantity.end]
        run = _run(tokens, after[0], 1) if after and tokens[after[0]].before in ("",) else []
        if quantity.vague and not quantity.unit:
            run = []
        elif (
            (quantity.unit or quantity.value >= _GRAMS)
            and not run
            and not (after and tokens[after[0]].role == "food" and not tokens[after[0]].before)
        ):
            before = [number for number, token in enumerate(tokens) if token.end <= quantity.start]
            run = _run(tokens, before[-1], -1) if before else []
        if run and not any(token.start in taken for token in run) and not all(map(_is_adjective, run)):
            taken |= {token.start for token in run}
            for token in run:
                token.role = "food"
            found.append(Mention(run[0].start, run[-1].end, text[run[0].start : run[-1].end], sure=False))
    return found


def _is_adjective(token: _Token) -> bool:
    known = lemmas.is_russian_word(token.text)
    return known and bool(lemmas.grammemes(token.text) & {"ADJF", "PRTF", "ADJS", "PRTS"})


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


def _pair(
    text: str, tokens: Sequence[_Token], mentions: Sequence[Mention], quantities: Sequence[Quantity]
) -> list[Quantity]:
    """Give the amounts to the foods beside them, at the least cost in all; what is left over is returned.

    "200 г гречки, молоко 150 мл" and "гречка 200 г курица 150 г" are both read right: every amount may belong to the food
    before or behind it, separators between them cost, and a food takes a second amount only for want of better.
    """

    def distance(left: int, right: int) -> float:
        between = [token for token in tokens if left <= token.start < right]
        follower = [token for token in tokens if token.start == right]
        cost = sum(_COSTS[token.before] for token in [*between, *follower])
        cost += _NEGATED * (
            any(token.negated for token in follower)
            and not any(t.negated for t in tokens if t.end <= left <= t.end + 1)
        )
        return cost + sum(_OPEN_BETWEEN * (token.role == "open") + 0.3 * (token.role == "eat") for token in between)

    starts = [mention.start for mention in mentions]

    @cache
    def best(number: int, last: int, used: int) -> tuple[float, tuple[int, ...]]:
        """Cost and the food (-1: none) of each amount from ``number`` on; ``used`` amounts went to food ``last``."""
        if number == len(quantities):
            return 0.0, ()
        quantity = quantities[number]
        behind = sum(start < quantity.start for start in starts)
        options = [(_DROPPED if quantity.unit or not quantity.vague else 2.0, -1)]
        if behind and not quantity.vague and behind - 1 >= last:
            options.append((_AFTER + distance(mentions[behind - 1].end, quantity.start), behind - 1))
        elif behind and quantity.unit and behind - 1 >= last:
            options.append((_AFTER + 0.5 + distance(mentions[behind - 1].end, quantity.start), behind - 1))
        if behind < len(mentions):
            cost = distance(quantity.end, mentions[behind].start)
            parted = _parted(text, tokens, quantity.end, mentions[behind].start)
            options.append((cost + _PARTED * parted, behind))
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
        if right.beside == left.start and not left.quantities and right.eaten is not False:
            # "щи со сметаной 400 г": so much of the dish; "чай с сахаром 2 ложки": of the sugar.
            whole = [q for q in right.quantities if q.start >= right.end and _is_dish(q)]
            left.quantities += whole
            right.quantities = [q for q in right.quantities if q not in whole]
    return loose


def _is_dish(quantity: Quantity) -> bool:
    unit = units.UNITS.get(quantity.unit or "")
    if not unit or unit.kind == "count":
        return quantity.unit in ("plate", "serving", "slice", "piece")
    return unit.size * quantity.value >= _DISH


def _merged(
    text: str, tokens: Sequence[_Token], mentions: Sequence[Mention], quantities: Sequence[Quantity]
) -> list[Mention]:
    """One mention of two that are one dish: "котлеты из индейки", "курица в сметане", "beef burrito", "омлет из двух яиц";
    none of a heading: "салат: помидоры, огурцы"."""
    kept: list[Mention] = []
    for mention in mentions:
        before = kept[-1] if kept else None
        gap = text[before.end : mention.start] if before else ""
        amounts = [q for q in quantities if before and before.end <= q.start and q.end <= mention.start]
        if not before or before.eaten is False or mention.eaten is False:
            kept.append(mention)
        elif (
            _EGG.fullmatch(text[mention.start : mention.end])
            and re.fullmatch(r"\s*\(?(?:из|с|from|with|of)?\s*", _without(text, gap, before, amounts), re.I)
            and amounts
            and _EGG_DISH.search(before.words)
        ):
            before.end = mention.end
        elif _EGG.fullmatch(before.words) and re.fullmatch(r"[\s-]", gap) and _EGG_DISH.search(mention.words):
            mention.start = before.start
            kept[-1] = mention
        elif re.fullmatch(r"\s+(?:из|на|в|во)\s+", gap, re.I):
            before.core, before.end = before.core or before.words, mention.end
            before.words = text[before.start : before.end]
        elif (
            gap == " "
            and text[before.start : mention.end].isascii()
            and not before.core
            and not _follows(text, mention, mentions)
        ):
            mention.core, mention.start = mention.words, before.start
            mention.words = text[mention.start : mention.end]
            kept[-1] = mention
        elif re.fullmatch(r"\s*:\s*", _without(text, gap, before, amounts)) and not any(
            q.end <= before.start for q in quantities if text[q.end : before.start].isspace()
        ):
            kept[-1] = mention
        else:
            kept.append(mention)
    return kept


def _without(text: str, gap: str, before: Mention, amounts: Sequence[Quantity]) -> str:
    """The gap behind ``before``, without the amounts in it."""
    for quantity in reversed(amounts):
        gap = gap[: quantity.start - before.end] + gap[quantity.end - before.end :]
    return gap


def _follows(text: str, mention: Mention, mentions: Sequence[Mention]) -> bool:
    """Whether another name follows at once: a list without commas."""
    return any(other.start == mention.end + 1 and text[mention.end] == " " for other in mentions)


def _parted(text: str, tokens: Sequence[_Token], start: int, end: int) -> bool:
    between = any(token.before == "and" for token in tokens if start <= token.start <= end)
    return between or any(pattern.search(text[start:end]) for _, pattern in _SEPARATORS)


def _negate(text: str, tokens: Sequence[_Token], mentions: Sequence[Mention]) -> None:
    """Mark what the text says was not eaten: "без сахара и молока", "хлеб не ел", "хотел торт"."""
    for trigger in _NOT.finditer(text):
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
        if trigger[0].casefold() in ("кроме", "помимо", "except") and re.search(
            r"ничего|nothing", text[: trigger.start()], re.I
        ):
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
        if behind_it and trigger[0].casefold() in ("no", "zero"):
            # "no sugar cola": what it is without stands before it.
            behind_it.core, behind_it.start = behind_it.words, trigger.start()
            behind_it.words = text[trigger.start() : behind_it.end]


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
        unknown = sum(token.role == "open" for token in own)
        verb = any(_is_verb(token.text) for token in own)
        said = any(token.role in ("eat", "hint") for token in own)
        if mention.sure:
            amount = any(quantity.unit or not quantity.vague for quantity in mention.quantities)
            plain = not unknown or (unknown <= _MOST_OPEN and not verb)
        else:
            amount = any(quantity.unit for quantity in mention.quantities)
            plain = not unknown and not verb
        if amount or said or plain:
            mention.eaten = True


def _is_verb(word: str) -> bool:
    return word in _ENGLISH_VERBS or bool(lemmas.grammemes(word) & {"VERB", "PRED", "ADJS", "PRTS"})


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
