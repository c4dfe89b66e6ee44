"""What a message of the chat says besides a meal: an answer to the proposal, or a wish to see or change the diary.

Both languages are understood whatever the language of the chat is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from assistant.domains.calories.sections import read_day


@dataclass(frozen=True, slots=True)
class Plain:
    """A word that needs nothing else."""

    kind: Literal["yes", "no", "undo", "week", "goal", "help", "thanks"]


@dataclass(frozen=True, slots=True)
class Show:
    """Show a day of the diary."""

    day: date


@dataclass(frozen=True, slots=True)
class SetGoal:
    """``kcal`` a day; None: no goal any more."""

    kcal: float | None


@dataclass(frozen=True, slots=True)
class Fix:
    """``2 = 150 г``, ``2: творог 5%``."""

    number: int
    words: str


@dataclass(frozen=True, slots=True)
class Drop:
    """``убери 3``, ``drop 1 and 2``."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pick:
    """A number alone: one of the candidates."""

    number: int


Reply = Plain | Show | SetGoal | Fix | Drop | Pick

_YES = (
    r"да+|ага|угу|ок(?:ей)?|ладно|хорошо|вс[её]\s+(?:верно|так|правильно)|верно|правильно|точно|запиши(?:те)?|записать|записывай(?:те)?"
    r"|сохрани(?:те)?|подтверждаю|yes|y|yep|yeah|yup|ok(?:ay)?|sure|save(?:\s+it)?|record(?:\s+it)?|correct|right|confirm|👍|✅"
)
_NO = (
    r"нет|не\s+(?:надо|то|так|нужно|записывай(?:те)?|верно|правильно)|неверно|неправильно|no|nope|n|wrong|discard(?:\s+it)?"
    r"|don['’]?t|forget\s+it|👎|❌"
)
_THANKS = r"спасибо(?:\s+большое)?|благодарю|пожалуйста|thanks?(?:\s+you)?|thx|please"
_PLAIN: dict[Literal["yes", "no", "undo", "week", "goal", "help", "thanks"], str] = {
    "yes": rf"(?:{_YES})(?:[\s,.!]+(?:{_THANKS}))?",
    "no": rf"(?:{_NO})(?:[\s,.!]+(?:{_THANKS}))?",
    "thanks": _THANKS,
    "undo": r"отмени(?:ть|те)?(?:\s+(?:запись|последн\w+|это))*|отмена|отмену|откати|верни(?:\s+назад)?"
    r"|undo(?:\s+(?:it|that|the\s+last))?|cancel|take\s+(?:it|that)\s+back",
    "week": r"(?:(?:что|сколько|итоги?|отч[её]т|покажи|график|дневник|статистика)\s+)*(?:за\s+)?"
    r"(?:эту\s+|последнюю\s+)?недел[яюи]"
    r"|(?:(?:show|chart|of|the|this|last|my)\s+)*week(?:ly)?(?:\s+(?:chart|report|summary))?",
    "goal": r"(?:(?:покажи|моя|какая(?:\s+у\s+меня)?|my|show|the|what(?:\s+is|['’]s))\s+)*(?:цель|goal)",
    "help": r"помощь|помоги|справка|help|что\s+ты\s+(?:умеешь|можешь)|what\s+can\s+you\s+do|команды|commands|\?",
}
_WORDS = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in _PLAIN.items()}
_GOAL = re.compile(
    r"(?:(?:моя|поставь|установи|set|my|the|новая|new)\s+)*(?:цель|goal)\s*(?:[:=—–-]|to|is|на|это)?\s*"
    r"(?:(?P<kcal>[-−]?\d[\d\s\u00a0\u202f]*(?:[.,]\d+)?)\s*(?:к?кал\w*|килокал\w*|k?cal\w*)?(?:\s*(?:в|на|a|per|/)\s*(?:день|сутки|day))?"
    r"|(?P<none>нет|не нужна|убрать|без цели|none|off|no))",
    re.IGNORECASE,
)
_DAY_VIEW = re.compile(
    r"^(?:(?:что|сколько|итого?|покажи|дневник|калори[ийяею]\w*|ккал|я|у|меня|мой|день|съел[аи]?|съедено|поел[аи]?|ела?|было|за|на"
    r"|what|did|do|i|eat|ate|eaten|have|had|show|me|my|diary|the|day|how|many|much|calories|kcal|for|so\s+far|total)(?!\w)[\s:]*)+",
    re.IGNORECASE,
)
_DIARY = re.compile(r"дневник|день|итого?|diary|day|total", re.IGNORECASE)
_FIX = re.compile(
    r"(?:№|#|номер\s|number\s|no\.?\s)?\s*(?P<number>\d{1,18})\s*(?:=|→|->|[—–-](?=\s)|:(?![0-5]\d(?!\d|\s*(?:г|g|мл|ml|к))))\s*(?P<words>\S.*)",
    re.IGNORECASE,
)
_DROP = re.compile(
    r"(?:убери(?:те)?|убрать|удали(?:ть|те)?|вычеркни|исключи|пропусти|drop|remove|delete|skip|rm)\s+"
    r"(?:(?:номера?|пункты?|записи?|запись|строк[иу]|numbers?|entr(?:y|ies)|items?|rows?|no\.?|№|#)\s*)?"
    r"(?P<numbers>\d{1,18}(?:\s*(?:,|и|and|&|\s)\s*\d{1,18})*)",
    re.IGNORECASE,
)
_ANSWER_FIRST = re.compile(rf"(?P<yes>{_YES})(?!\w)[\s,.!:;—–-]+|(?P<no>{_NO})(?!\w)[\s,.!:;—–-]+", re.IGNORECASE)
_PARTS = re.compile(
    r"\s*(?:\n|;|,(?=\s*(?:(?:№|#)?\d{1,18}\s*[=:→]|убери|удали|drop|remove|delete))|\s(?:и|а|но|and|but)\s(?=\s*(?:убери|удали|drop|remove|delete|\d+\s*=)))\s*",
    re.IGNORECASE,
)
QUESTION = re.compile(
    r"\?\s*$|^\s*(?:сколько|какая|какой|какие|что|чем|можно|стоит|почему|how|what|which|why|is|are|can|should|does|do)(?!\w)",
    re.IGNORECASE,
)


def read(text: str, today: date) -> list[Reply]:
    """What the message asks for; empty: nothing of this, so it may be a meal.

    Raises:
        NoSuchDay: it asks for a date that no calendar has.
    """
    text = text.strip()
    bare = text.strip(" \t\n.!,…/") or text
    if text.endswith("?") and bare != "?":
        bare = bare.rstrip("? ")
    for kind, pattern in _WORDS.items():
        if pattern.fullmatch(bare):
            return [Plain(kind)]
    if re.fullmatch(r"[#№]?\d{1,18}\)?", bare):
        return [Pick(int(re.sub(r"\D", "", bare)))]
    if goal := _GOAL.fullmatch(bare):
        number = re.sub(r"[\s\u00a0\u202f]", "", goal["kcal"] or "").replace(",", ".").replace("−", "-")
        return [SetGoal(float(number) if number else None)]
    if day := _shown_day(bare, today):
        return [Show(day)]
    return _corrections(text.rstrip(" .!"))


def _shown_day(text: str, today: date) -> date | None:
    rest = _DAY_VIEW.sub("", text)
    while (shorter := re.sub(r"\s+(?:я|i|ate|eat|съел[аи]?|ела?)$", "", rest, flags=re.IGNORECASE)) != rest:
        rest = shorter
    if not rest:
        return today if _DIARY.search(text) else None
    return read_day(rest, today)


def _corrections(text: str) -> list[Reply]:
    """``2 = 150 г; убери 3``, also behind a yes or a no; empty unless all of the text is of this kind."""
    first: list[Reply] = []
    if answer := _ANSWER_FIRST.match(text):
        text = re.sub(r"^(?:но|а|только|but|only)\s+", "", text[answer.end() :], flags=re.IGNORECASE)
        # "нет, 2 = 150 г" does not discard: it says what is wrong.
        first = [Plain("yes")] if answer["yes"] else []
    found: list[Reply] = []
    for part in filter(None, (part.strip(" ,.") for part in _PARTS.split(text))):
        if fix := _FIX.fullmatch(part):
            found.append(Fix(int(fix["number"]), fix["words"].strip()))
        elif drop := _DROP.fullmatch(part):
            found.append(Drop(tuple(int(number) for number in re.findall(r"\d+", drop["numbers"]))))
        else:
            return []
    return [*found, *first]
