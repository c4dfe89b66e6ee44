"""Numbers in digits and in words, English and Russian: 1,5; 1 1/2; ½; 2-3; полтора; two hundred and fifty."""

from __future__ import annotations

import re
import unicodedata

_WORDS = {
    0: "ноль нуль нуля zero",
    0.25: "четверть четверти четвертинка четвертинку quarter quarters",
    1 / 3: "треть трети third thirds",
    0.5: "половина половину половины половинка половинку половинки полу пол half",
    1: "один одна одно одну одного одной одним a an one single",
    1.5: "полтора полторы полутора",
    2: "два две двух двумя двое пара пару пары парочка парочку two couple pair both",
    3: "три трёх трех тремя трое тройка тройку несколько three few several",
    4: "четыре четырёх четырех четверо four",
    5: "полдесятка пять пяти пятью пяток five",
    6: "шесть шести полдюжины six",
    7: "семь семи seven",
    8: "восемь восьми eight",
    9: "девять девяти nine",
    10: "десять десяти десяток ten",
    11: "одиннадцать eleven",
    12: "двенадцать дюжина дюжину twelve dozen",
    13: "тринадцать thirteen",
    14: "четырнадцать fourteen",
    15: "пятнадцать fifteen",
    16: "шестнадцать sixteen",
    17: "семнадцать seventeen",
    18: "восемнадцать eighteen",
    19: "девятнадцать nineteen",
    20: "двадцать двадцати twenty",
    30: "тридцать тридцати thirty",
    40: "сорок сорока forty",
    50: "пятьдесят пятидесяти полсотни fifty",
    60: "шестьдесят шестидесяти sixty",
    70: "семьдесят seventy",
    80: "восемьдесят eighty",
    90: "девяносто ninety",
    100: "сто ста сотня сотню hundred",
    200: "двести двухсот",
    300: "триста трёхсот трехсот",
    400: "четыреста",
    500: "пятьсот пятисот",
    600: "шестьсот",
    700: "семьсот",
    800: "восемьсот",
    900: "девятьсот",
    1000: "тысяча тысячу тысячи тысяч thousand",
}
_NUMBERS = {word: float(value) for value, words in _WORDS.items() for word in words.split()}
_VAGUE = {"a", "an"}
_ROUGH = {"несколько", "few", "several", "пара", "пару", "парочку", "couple"}
_COLLECTIVE = {"dozen", "couple", "pair", "hundred", "thousand", "тысяча", "тысячи", "тысяч", "десяток", "дюжина"}
_FRACTIONS = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_DIGITS = re.compile(
    rf"(?P<mixed>\d+)[\s-](?P<top>\d)/(?P<bottom>\d{{1,2}})(?![\d/])|(?P<numerator>\d+)\s?/\s?(?P<denominator>\d+)(?![\d/])"
    rf"|(?P<before>\d*)\s?(?P<sign>[{_FRACTIONS}])"
    r"|(?P<grouped>\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d))|(?P<whole>\d+)(?:[.,](?P<decimals>\d+))?|\.(?P<tenths>\d+)"
)
_PART = re.compile(r"[^\W\d_]+")
_TO = re.compile(r"\s?[-–—]\s?|\s+(?:или|to|or)\s+")
_AND_HALF = re.compile(r"\s+(?:с\s+половин(?:ой|кой)|and\s+(?:a\s+)?half)(?!\w)", re.IGNORECASE)


def read(text: str, start: int) -> tuple[float, int, str, bool] | None:
    """Value, where it ends, how it was read, whether it is but an article."""
    first = _plain_number(text, start)
    if not first:
        return None
    value, end, vague = first
    note = text[start:end] if text[start:end].casefold().split()[-1] in _ROUGH else ""
    if half := _AND_HALF.match(text, end):
        return value + 0.5, half.end(), "", False
    to = _TO.match(text, end)
    second = _plain_number(text, to.end()) if to and not vague else None
    if second and value < second[0] <= 10 * value and not second[2]:
        return (value + second[0]) / 2, second[1], text[start : second[1]], False
    return value, end, note, vague


def _plain_number(text: str, start: int) -> tuple[float, int, bool] | None:
    match = _DIGITS.match(text, start)
    if not match:
        return _worded_number(text, start)
    part = match.groupdict()
    if part["sign"]:
        value = float(part["before"] or 0) + unicodedata.numeric(part["sign"])
    elif part["bottom"]:
        value = float(part["mixed"]) + float(part["top"]) / max(1, int(part["bottom"]))
    elif part["denominator"]:
        value = float(part["numerator"]) / max(1, int(part["denominator"]))
    elif part["tenths"]:
        value = float(f"0.{part['tenths']}")
    elif part["grouped"]:
        value = float("".join(part["grouped"].split()))
    elif (
        part["decimals"] and match[0][len(part["whole"])] == "," and len(part["decimals"]) == 3 and part["whole"] != "0"
    ):
        value = float(part["whole"] + part["decimals"])  # 1,500
    else:
        value = float(f"{part['whole']}.{part['decimals'] or 0}")
    return value, match.end(), False


def _worded_number(text: str, start: int) -> tuple[float, int, bool] | None:
    """``двести пятьдесят``, ``one and a half``, ``half a dozen``, ``a couple of``."""
    total: float | None = None
    end, last = start, 0.0
    vague = True
    position = start
    while word := _PART.match(text, position):
        folded = word[0].casefold()
        value = _NUMBERS.get(folded)
        if value is None:
            break
        if total is None:
            total = value
        elif last >= 20 > value >= 1 or last >= 100 > value >= 1:
            if folded in _VAGUE:
                break
            total += value
        elif folded in _VAGUE and last < 1:
            value = last  # half a
        elif last <= 12 and (folded in _COLLECTIVE or (last in (0.25, 0.5, 1, 2, 3) and value < 1)):
            total *= value  # half a dozen, a half, two hundred
        else:
            break
        vague = vague and folded in _VAGUE
        end, last = word.end(), value
        gap = re.compile(r"\s+(?:and\s+(?=\w+\s?))?|-").match(text, end)
        if not gap or ("and" in gap[0] and not last >= 100):
            break
        position = gap.end()
    if total is None or (text[end : end + 1] in ("'", "’") and end < len(text)):
        return None
    if of := re.compile(r"\s+of(?=\s+(?:a|an|the)?\s*\w)", re.IGNORECASE).match(text, end):
        folded = text[start:end].casefold().split()[-1]
        if folded in ("couple", "half", "quarter", "third", "quarters", "thirds", "dozen", "pair"):
            article = re.compile(r"\s+(?:a|an|the)(?=\s)", re.IGNORECASE).match(text, of.end())
            end = article.end() if article else of.end()
    if text[start:end].casefold() == "пол" and text[end : end + 1] == "-":
        return None  # a prefix: _half_word
    return total, end, vague
