"""Words that say numbers, months and days, English and Russian, in lower case with ``е`` for ``ё``."""

from __future__ import annotations

from decimal import Decimal

MONTHS = (
    r"Jan(?:uary)?|январ[ьяюе]м?",
    r"Feb(?:ruary)?|феврал[ьяюе]м?",
    r"Mar(?:ch)?|март(?:[аеу]|ом)?",
    r"Apr(?:il)?|апрел[ьяюе]м?",
    r"May|ма[йяею]|маем",
    r"June?|июн[ьяюе]м?",
    r"July?|июл[ьяюе]м?",
    r"Aug(?:ust)?|август(?:[аеу]|ом)?",
    r"Sept?(?:ember)?|сентябр[ьяюе]м?",
    r"Oct(?:ober)?|октябр[ьяюе]м?",
    r"Nov(?:ember)?|ноябр[ьяюе]м?",
    r"Dec(?:ember)?|декабр[ьяюе]м?",
)
WEEKDAYS = (
    r"Mon(?:days?)?|понедельник\w{0,2}",
    r"Tue(?:s|sdays?)?|вторник\w{0,2}",
    r"Wed(?:nesdays?)?|сред(?:а|у|ы|е|ам)",
    r"Thu(?:rs|rsdays?)?|четверг\w{0,2}",
    r"Fri(?:days?)?|пятниц\w{1,2}",
    r"Sat(?:urdays?)?|суббот\w{1,2}",
    r"Sun(?:days?)?|воскресень\w{1,2}",
)


def _cardinals() -> dict[str, int]:
    units = "zero one two three four five six seven eight nine ten eleven twelve"
    words = {word: value for value, word in enumerate(units.split())}
    teens = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    words |= {word: value for value, word in enumerate(teens.split(), 13)}
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    words |= {word: 10 * value for value, word in enumerate(tens.split(), 2)}
    small = (
        "ноль нуль ноля нуля нулю нулем; один одна одно одну одного одной одному одним одном; "
        "два две двух двум двумя двое двоих двоим; "
        "три трех трем тремя трое троих троим; четыре четырех четырем четырьмя четверо четверых; "
        "пять пяти пятью пятеро пятерых; шесть шести шестью шестеро шестерых; семь семи семеро семерых; "
        "восемь восьми восемью восьмью; девять девяти девятью; десять десяти десятью"
    )
    for value, forms in enumerate(small.split(";")):
        words |= dict.fromkeys(forms.split(), value)
    stems = "одиннадцат двенадцат тринадцат четырнадцат пятнадцат шестнадцат семнадцат восемнадцат девятнадцат двадцат"
    for value, stem in enumerate([*stems.split(), *[""] * 9, "тридцат"], 11):
        words |= {stem + ending: value for ending in ("ь", "и", "ью") if stem}
    for value, unit in ((50, "пят"), (60, "шест"), (70, "сем"), (80, "вос")):
        nominative, genitive = ("восемь", "восьми") if unit == "вос" else (unit + "ь", unit + "и")
        words |= dict.fromkeys((f"{nominative}десят", f"{genitive}десяти", f"{nominative}юдесятью"), value)
        words[f"{nominative[:-1]}ьюдесятью"] = value
    words |= {"сорок": 40, "сорока": 40, "девяносто": 90, "девяноста": 90, "сто": 100, "ста": 100, "hundred": 100}
    words |= dict.fromkeys(["двести", "двухсот", "двумстам", "двумястами", "двухстах"], 200)
    words |= dict.fromkeys(["триста", "трехсот", "тремстам", "тремястами", "трехстах"], 300)
    words |= dict.fromkeys(["четыреста", "четырехсот", "четыремстам", "четырьмястами", "четырехстах"], 400)
    for value, unit in ((500, "пят"), (600, "шест"), (700, "сем"), (800, "вос"), (900, "девят")):
        nominative, genitive = ("восемь", "восьми") if unit == "вос" else (unit + "ь", unit + "и")
        words |= dict.fromkeys((f"{nominative}сот", f"{genitive}сот", f"{genitive}стам", f"{genitive}стах"), value)
    return words


def _ordinals() -> dict[str, int]:
    english = (
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
        "fifteenth sixteenth seventeenth eighteenth nineteenth"
    )
    words = {word: value for value, word in enumerate(english.split(), 1)}
    tens = "twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth hundredth"
    words |= {word: 10 * value for value, word in enumerate(tens.split(), 2)}
    stems = (
        "перв втор трет четверт пят шест седьм восьм девят десят одиннадцат двенадцат тринадцат четырнадцат пятнадцат "
        "шестнадцат семнадцат восемнадцат девятнадцат двадцат"
    )
    hard = "ый ой ого ому ым ом ая ую ое ые ых ыми"
    soft = "ий ьего ьему ьим ьем ья ьей ью ье ьи ьих ьими"
    values = dict(enumerate(stems.split(), 1)) | {
        30: "тридцат", 40: "сороков", 50: "пятидесят", 60: "шестидесят", 70: "семидесят", 80: "восьмидесят",
        90: "девяност", 100: "сот", 1000: "тысячн",
    }  # fmt: skip
    for value, stem in values.items():
        words |= {stem + ending: value for ending in (soft if stem == "трет" else hard).split()}
    return words


CARDINALS = _cardinals()
"""Words and what they say, in lower case, ``е`` for ``ё``; in all cases of Russian."""
ORDINALS = _ordinals()
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12, "bn": 10**9}
SCALES |= {"mln": 10**6, "тыс": 10**3, "млн": 10**6, "млрд": 10**9, "трлн": 10**12, "k": 10**3}
SCALES |= dict.fromkeys(
    ["тысяча", "тысячу", "тысячи", "тысяч", "тысячам", "тысячами", "тысячах", "тысячей", "тысяче"], 10**3
)
for _stem, _value in (("миллион", 10**6), ("миллиард", 10**9), ("триллион", 10**12)):
    SCALES |= {_stem + ending: _value for ending in ("", "а", "ов", "у", "ам", "ами", "ах", "ом", "е")}
SCALES |= {word + "s": SCALES[word] for word in ("million", "billion", "trillion")}
AND_A_HALF = dict.fromkeys(["полтора", "полторы", "полутора"], Decimal("1.5"))
SHARES = {
    "half": "0.5",
    "halves": "0.5",
    "quarter": "0.25",
    "quarters": "0.25",
    "thirds": "0.333",
    "третью": "0.333",
    "четверть": "0.25",
    "четверти": "0.25",
}
SHARES |= dict.fromkeys(["половина", "половину", "половины", "половине", "половиной", "наполовину"], "0.5")
SHARES |= dict.fromkeys(["треть", "трети"], "0.333")
TIMES = {"twice": "2", "double": "2", "doubled": "2", "doubles": "2", "doubling": "2", "triple": "3", "tripled": "3"}
_TWICE = "вдвое дважды удвоил удвоила удвоили удвоился удвоилась удвоилось удвоились пара пару both оба обе"
TIMES |= dict.fromkeys(_TWICE.split(), "2")
TIMES |= dict.fromkeys(["втрое", "трижды", "утроил", "утроила", "утроили", "утроился", "утроилась", "утроились"], "3")
TIMES |= {"couple": "2", "pair": "2", "once": "1", "однажды": "1", "dozen": "12", "дюжина": "12", "дюжину": "12"}
TIMES |= {"полдень": "t12:00", "полудня": "t12:00", "noon": "t12:00", "midday": "t12:00", "midnight": "t0:00"}
TIMES |= {"полночь": "t0:00", "полуночи": "t0:00"}
_DECADE_WORDS = "twenties thirties forties fifties sixties seventies eighties nineties"
DECADES = dict(zip(_DECADE_WORDS.split(), range(20, 100, 10), strict=True))
_PREFIX_WORDS = "двух трех четырех пяти шести семи восьми девяти десяти двадцати тридцати сорока пятидесяти"
PREFIXES = tuple(_PREFIX_WORDS.split())
