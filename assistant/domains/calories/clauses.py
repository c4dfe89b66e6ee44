"""The words of a meal's text, each with its part in the sentence and what separates it from the one before."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from assistant.domains.calories import lemmas, when
from assistant.domains.calories.units import Quantity
from assistant.memory.stemming import STOP_WORDS

_EAT_WORDS = """
съесть поесть есть кушать покушать скушать выпить пить попить выпивать позавтракать завтракать пообедать обедать
поужинать ужинать перекусить слопать умять сожрать жрать хлебнуть навернуть заточить захавать хавать наесться доесть
допить заесть запить запивать закусить перехватить выхлебать съедать eat eaten ate eating have had having drink
drank drunk drinking consumed grabbed finished snacked munched devoured sipped ordered enjoyed ve got grabbed взять
брать заказать заказывать
"""
_EAT = frozenset(_EAT_WORDS.split())
_EAT_RUSSIAN = re.compile(
    r"(?:съе|пое|по?куша|скуша|вы?пи[лтв]|сожр|слопа|завтрака|обеда|ужина|перекус|с?хомяч|слоп|умя|зато?чи|навер)"
)
NEGATION = re.compile(
    r"(?<!\w)(?:(?P<without>без|кроме|вместо|помимо|ни(?!\s+разу)|neither|nor|no|without|zero|except|minus\s+the|instead\s+of|hold\s+the|w/o)"
    r"|(?P<verb>(?:не|ни\s+разу\s+не|never|not|didn['’]?t|did\s+not|haven['’]?t|hadn['’]?t|don['’]?t|do\s+not|wasn['’]?t"
    r"|couldn['’]?t|won['’]?t|wouldn['’]?t)(?!\s+(?:только|only|just|удерж\w+|устоя\w+|смог\w*\s+(?:удерж|устоя)\w+|resist))"
    r"|\w+л[аи]?\s+бы|отказал\w+|skipped|refused|avoided|passed\s+on|turned\s+down"
    r"|(?:хотел\w*|хочу|хочется|хотелось|собирал\w+|планир\w+|мечтал\w*|мечтаю|думал\w*|чуть\s+не|едва\s+не|почти\s+не"
    r"|wanted|want|was\s+going\s+to|were\s+going\s+to|planned|planning|dreamt|dreamed|craving|craved|almost|nearly"
    r"|would\s+like|wish|thought\s+about|thinking\s+of)))(?!\w)",
    re.IGNORECASE,
)
_SKIPPED_WORDS = """
also then plus about approximately around roughly almost nearly maybe today etc ok okay yes well really very just
quick home homemade fresh tasty delicious nice good great yummy usual piece bit little lot lots side top mixed kcal
calories calorie cal record log add track note count grams drained
rinsed peeled rare done easy hi hello thanks thank please morning afternoon
evening night day meal food ate ккал калория кал день утро вечер ночь еда приём прием пища меню дом работа офис кафе
ресторан гость друг подруга мама папа муж жена бабушка кухня стол раз итог дневник рацион привет спасибо свой
медиум прожарка домашний вкусный любимый обычный хороший небольшой большой маленький весь самый этот тот такой
другой мой наш твой
ещё еще тоже также потом затем примерно около штука добавка кусок что-то всё все какой
"""
_SKIPPED = STOP_WORDS | frozenset(_SKIPPED_WORDS.split())
_GRAMMAR = frozenset(("PREP", "CONJ", "PRCL", "NPRO", "ADVB", "INTJ", "VERB", "INFN", "GRND", "COMP", "PRED", "NUMR"))
_VERBS = frozenset(("VERB", "INFN", "GRND"))
_NAMES = frozenset(("Name", "Surn", "Patr", "Geox", "Orgn"))
_ENGLISH_VERBS_WORDS = """
is are was were be been am will would shall should can could may might do does did says said has make makes made go
went looks look smells smell like likes love loves grow grows eats
"""
_ENGLISH_VERBS = frozenset(_ENGLISH_VERBS_WORDS.split())
_EMOJI_NAMES = {
    "hot beverage": "coffee", "teacup without handle": "green tea", "cooking": "fried egg",
    "poultry leg": "chicken leg", "meat on bone": "meat", "cut of meat": "steak", "pot of food": "soup",
    "beer mug": "beer", "clinking beer mugs": "beer", "wine glass": "wine", "slice of pizza": "pizza",
    "glass of milk": "milk", "red apple": "apple", "green apple": "apple", "green salad": "salad",
    "steaming bowl": "noodle soup", "cooked rice": "rice", "rice ball": "rice", "spaghetti": "spaghetti",
    "bread": "bread", "baguette bread": "baguette", "cheese wedge": "cheese", "shortcake": "cake",
    "birthday cake": "cake", "ice cream": "ice cream", "soft ice cream": "ice cream", "chocolate bar": "chocolate",
    "ear of maize": "corn", "aubergine": "eggplant", "honey pot": "honey", "fish": "fish",
    "bowl with spoon": "cereal",
}  # fmt: skip
SEPARATORS = (
    ("stop", re.compile(r"[\n;!?]|\.(?=\s|$)")),
    ("comma", re.compile(r"[,+/•*|]")),
)
AND = frozenset(("и", "and", "да", "плюс", "plus", "&", "а", "но", "but", "then", "потом", "затем", "also", "еще"))
WITH = frozenset(("с", "со", "with"))


@dataclass(slots=True)
class Token:
    text: str
    start: int
    end: int
    words: str = ""  # an emoji's name
    role: str = "open"  # food, quantity, hint, eat; skip: never part of a name; other: rarely; open: nobody knows
    negated: bool = False
    before: str = ""  # what separates it from the token before: "", "with", "and", "comma", "stop"


def tokens_of(text: str, hints: Sequence[when.Hint], quantities: Sequence[Quantity]) -> list[Token]:
    for quantity in quantities:  # the points of "ч. л." and the comma of "1,5" separate nothing
        text = (
            text[: quantity.start]
            + "".join("_" if char in ".,/+" else char for char in text[quantity.start : quantity.end])
            + text[quantity.end :]
        )
    tokens = [Token(word.text, word.start, word.end) for word in lemmas.words(text)]
    tokens += _emoji(text)
    for token in tokens:  # пол|банана
        half = next((q.end for q in quantities if q.start == token.start < q.end < token.end), 0)
        if half and not token.text[0].isdigit():
            token.text, token.start = token.text[half - token.start :], half
    tokens.sort(key=lambda token: token.start)
    triggers = list(NEGATION.finditer(text))
    for token in tokens:
        if any(hint.start <= token.start < hint.end for hint in hints):
            token.role = "hint"
        elif not token.words:
            token.role = _role(token.text)
        if token.role == "open" and any(one.start() <= token.start < one.end() for one in triggers):
            token.role = "other"
    for left, right in pairwise(tokens):
        gap = text[left.end : right.start]
        right.before = next((name for name, pattern in SEPARATORS if pattern.search(gap)), "")
        if left.text == "w" and gap.startswith("/"):
            right.before = "with"
        if not right.before and right.text in AND:
            right.before = "and"
        if not right.before and right.text in WITH:
            right.before = "with"
    return tokens


def _emoji(text: str) -> list[Token]:
    tokens: list[Token] = []
    for match in re.finditer(r"([\U0001F300-\U0001FAFF\u2615])\ufe0f?(?:\s?\1\ufe0f?)*", text):
        name = unicodedata.name(match[1], "").casefold()
        if name:
            tokens.append(Token(name, match.start(), match.end(), words=_EMOJI_NAMES.get(name, name)))
    return tokens


@lru_cache(1 << 12)
def _role(word: str) -> str:
    readings = lemmas.readings(word)
    if len(word) < 4 and any(map(str.isdigit, word)) and any(map(str.isalpha, word)):
        return "skip"  # С1, B12
    if word[0].isdigit():
        return "open" if word.endswith("%") else "quantity"
    if is_of_another(word):
        return "other"
    if any(reading in _EAT for reading in readings) or _EAT_RUSSIAN.match(word):
        return "eat"
    if word in _SKIPPED or readings[0] in _SKIPPED or len(word) == 1:
        return "skip"
    grammar = _GRAMMAR | _NAMES if lemmas.is_russian_word(word) else _VERBS  # of an unknown word it is a guess
    return "other" if lemmas.grammemes(word) & grammar else "open"


def is_of_another(word: str) -> bool:
    """Whether the verb says that somebody else eats: "кот ест сметану"."""
    if word == "eats":
        return True
    return "3per" in lemmas.grammemes(word) and any(reading in _EAT for reading in lemmas.readings(word))


def is_verb(word: str) -> bool:
    return word in _ENGLISH_VERBS or bool(lemmas.grammemes(word) & {"VERB", "PRED", "ADJS", "PRTS"})
