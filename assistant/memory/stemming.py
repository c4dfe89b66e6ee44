"""Words as the search index keeps them: folded, without stop words, each stemmed by the rules of its script."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import pairwise

LONGEST_WORD = 64  # characters; what is longer is no word, and its beginning tells it from others

# Marks that belong to a word though Python does not count them as letters: accents, Hebrew, Arabic, Indic, Thai.
_LETTER = "[\\w\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u109f]"
_WORD = re.compile(
    rf"""{_LETTER}+ (?:
      [-.,:'’\u00a0\u202f] (?:
          (?<= \d[^-'’] ) (?= \d )  # 3.5, 10:30, v1.2, 1,000,000
        | (?<= [^\W\d]['’] ) (?= [^\W\d] )  # don't
        | (?<= (?<![\w-])[^\W\d]- ) (?= [^\W\d]{{2,}} (?![\w-]) )  # e-mail
      ) {_LETTER}+
    | (?<= (?<!\w)[cC] ) \+\+ (?!\w)
    | (?<= (?<!\w)[cCfF] ) \# (?!\w)
    )*""",
    re.VERBOSE,
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")  # soft hyphens of typesetting split words that are one
_LOOSE_MARKS = re.compile("[\u0300-\u036f]")  # stress marks: what NFC could not put into a letter
_GROUPED = re.compile(r"\d{1,3}([,\u00a0\u202f])\d{3}(?:\1\d{3})*(\.\d+)?")  # thousands
_LETTERS = re.compile(r"[^\W\d_]+")
_CYRILLIC = re.compile("[а-яёА-ЯЁ]+")
_LATIN = re.compile("[a-zA-ZÀ-ÖØ-öø-ÿ]+")
_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+")
_SPELLED = {"c++": "cpp", "c#": "csharp", "f#": "fsharp"}

_ENGLISH = """
a about above after again against all also am an and any are as at be because been before being below between both but
by can could did do does doing done down during each either else ever every few for from further had has have having he
her here hers herself him himself his how however i if in into is it its itself just let may me might more most much
must my myself neither no nor not of off on once only or other ought our ours ourselves out over own per rather same
shall she should since so some such than that the their theirs them themselves then there therefore these they this
those though through thus to too toward towards under until up upon us very was we were what whatever when where
whether which while who whoever whom whose why will with within without would yet you your yours yourself yourselves
aren't can't cannot couldn't didn't doesn't don't hadn't hasn't haven't he'll he's i'd i'll i'm i've isn't it's let's
mustn't she's shouldn't that's there's they're they've wasn't we'll we're we've weren't what's who's won't wouldn't
you'd you'll you're you've please tell
"""
_RUSSIAN = """
а без более бы был была были было быть в вам вами вас ваш ваша ваше ваши весь во вот все всего всей всем всеми всех
всю вся вы где да даже для до его ее ей ему если есть еще же за зачем здесь и из или им ими иногда их к каждый как
какая какие каким какими каких какого какое какой каком какому какую когда кого кому который которая которое которого
которой котором которому которую которые которым которыми которых кто куда ли либо лишь между меня мне мной мной мы на
над надо нам нами нас насколько наш наша наше наши не него нее ней нем нему нет ни нибудь никто ним ними них но ну о
об оба однако он она они оно от откуда очень перед по под после потом потому почему при про с сам сама сами само свое
своего своей своем своему свои своим своими своих свой свою своя себе себя сейчас со сколько снова собой так также
такая такие таким таких такого такое такой там тебе тебя тем теперь тех то тобой тогда того тоже той только том тому
тот ту тут ты у уже хотя чего чей чем чему через что чтобы чтоб чья чьи эта эти этим этими этих это этого этой этом
этому этот эту я скажи скажите пожалуйста
"""
STOP_WORDS = frozenset((_ENGLISH + _RUSSIAN).split())


def stems(text: str) -> list[str]:
    """The words to index or to search for, in their order; all of them when every one is a stop word.

    Letters are folded (NFC, case, ё → е); Latin words go through the English Snowball stemmer and Cyrillic ones through
    the Russian (Porter, snowballstem.org), others stay. Chinese, Japanese and Korean have no spaces to go by: their
    characters come one by one and in pairs. ``C++`` becomes ``cpp``, ``e-mail`` ``email``, ``1,000`` ``1000``; a number
    with a point in it stays whole (``v1.2``), which FTS5 takes for a phrase of its parts. No stem contains a space.
    """
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text).replace("_", " "))
    words = [word[:LONGEST_WORD] for word in _WORD.findall(_EAST_ASIAN.sub(_characters_and_pairs, text))]
    return [stem for word in words if (stem := _stem(word))] or [fold for word in words if (fold := _fold(word))]


def language_of(text: str) -> str:
    """By script: ``ru``, ``en`` (any Latin letters, or none at all), ``other``.

    A third of Cyrillic letters is Russian, or half of the words: talk about software is half Latin, and «Ты ChatGPT?»
    is a question in Russian.
    """
    words, russian = _LETTERS.findall(text), _CYRILLIC.findall(text)
    letters, cyrillic, latin = (sum(map(len, found)) for found in (words, russian, _LATIN.findall(text)))
    if letters and (cyrillic * 3 >= letters or len(russian) * 2 >= len(words)):
        return "ru"
    return "en" if latin * 2 >= letters else "other"


# The stemmers are plain Python (20 to 50 µs a word), and a language repeats its words.
@lru_cache(1 << 16)
def _stem(word: str) -> str:
    """Nothing for a stop word."""
    folded = _fold(word)
    # Abbreviations are not the words they look like: US, IT, WHO.
    if folded in STOP_WORDS and not (len(word) > 1 and word.isupper()):
        return ""
    if not folded.replace("'", "").isalpha():
        return folded
    if _CYRILLIC.search(folded):
        return _stemmer("russian")(folded)
    return _stemmer("english")(folded) if _LATIN.search(folded) else folded


def _fold(word: str) -> str:
    word = _LOOSE_MARKS.sub("", word.casefold()).replace("ё", "е").replace("’", "'")
    if word[:1].isdigit():
        # 1,000,000 is 1000000; a comma that is left is a decimal one.
        if _GROUPED.fullmatch(word):
            return re.sub("[,\u00a0\u202f]", "", word)
        return re.sub("[,\u00a0\u202f]", ".", word)
    return _SPELLED.get(word) or word.replace("-", "")


def _characters_and_pairs(run: re.Match[str]) -> str:
    return f" {' '.join((*run[0], *map(''.join, pairwise(run[0]))))} "


@cache
def _stemmer(language: str) -> Callable[[str], str]:
    import snowballstemmer

    stemmer, lock = snowballstemmer.stemmer(language), threading.Lock()

    def stem(word: str) -> str:
        with lock:  # it keeps the word it works on in itself
            return str(stemmer.stemWord(word))

    return stem
