"""What is asked when a request leaves something open, in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the traveller.

    Attributes:
        field: of the trip: origin, destination, start, days, travellers.
        blocking: without an answer there is no plan.
    """

    field: str
    text: str
    blocking: bool


# code: field, whether it blocks, the question in English and Russian
_QUESTIONS = {
    "destination": ("destination", True, "Where is the trip to?", "Куда поездка?"),
    "origin": ("origin", False, "Where does the trip start? Without it there is no distance and no time difference.",
               "Откуда поездка? Без этого не посчитать расстояние и разницу во времени."),
    "same place": ("destination", True, "The trip starts and ends in {place}. Where is it to?",
                   "Поездка начинается и заканчивается в одном месте ({place}). Куда она?"),
    "ambiguous place": ("destination", True, "Which “{said}” is meant? {candidates}", "Какое место имеется в "
    "виду: «{said}»? {candidates}"),
    "taken for": ("destination", False, "“{said}” is taken for {place}. If another is meant, say so: {candidates}",
                  "«{said}» понято как {place}. Если имеется в виду другое место, напишите: {candidates}"),
    "which": ("destination", True, "Which of them is the trip to: {candidates}?", "Куда именно поездка: {candidates}?"),
    "misspelt": ("destination", True, "There is no “{said}”. Is one of these meant? {candidates}",
                 "Места «{said}» в таблице нет. Может быть, одно из этих? {candidates}"),
    "unknown place": ("destination", True, "“{said}” is not in the table of places. Which town or country is it near?",
                      "Места «{said}» в таблице нет. Рядом с каким оно городом или в какой стране?"),
    "days": ("days", True, "How many days is the trip?", "Сколько дней длится поездка?"),
    "start": ("start", False, "On which day does the trip start? Until it is known the days have no dates.",
              "Какого числа начинается поездка? Пока это неизвестно, у дней нет дат."),
    "impossible": ("start", True, "There is no such date: “{said}”. Which one is meant?", "Такой даты нет: "
    "«{said}». Какая имеется в виду?"),
    "ambiguous": ("start", True, "“{said}” can be read in two ways. Please write the month as a word, or the date "
    "as 2027-05-03.",
                  "Дату «{said}» можно прочитать по-разному. Напишите месяц словом или дату так: 2027-05-03."),
    "past": ("start", True, "“{said}” is over. When is the trip?", "Это уже прошло: «{said}». Когда поездка?"),
    "far": ("start", True, "“{said}” is too far ahead to plan. When is the trip?", "«{said}» — слишком далеко, "
    "чтобы планировать. Когда поездка?"),
    "reversed": ("start", True, "“{said}” ends before it begins. From when until when is the trip?",
                 "«{said}»: конец раньше начала. С какого и по какое число поездка?"),
    "conflict": ("days", True, "The dates and the length of the trip do not agree ({said}). From when until when "
    "is it?",
                 "Даты и длительность поездки не сходятся ({said}). С какого и по какое число она?"),
    "no days": ("days", True, "A trip takes at least one day (“{said}”). How many days is it?",
                "Поездка длится хотя бы один день («{said}»). Сколько в ней дней?"),
    "too long": ("days", True, "“{said}” is more than can be planned at a time: at most {longest} days. Which "
    "part comes first?",
                 "«{said}» — больше, чем можно спланировать за раз: не больше {longest} дней. Какую часть взять "
                 "сначала?"),
    "vague": ("start", True, "“{said}”: on which days exactly?", "«{said}»: с какого и по какое число?"),
    "travellers": ("travellers", False, "How many of you travel (“{said}”)?", "Сколько вас едет («{said}»)?"),
    "impossible travellers": ("travellers", True, "How many people travel? It cannot be {said}.", "Сколько "
    "человек едет? Столько не бывает: {said}."),
}  # fmt: skip


def ask(
    code: str,
    language: str,
    *,
    field: str | None = None,
    blocking: bool | None = None,
    candidates: tuple[str, ...] = (),
    **words: Any,
) -> Question:
    """The question of this code; ``candidates`` are listed behind it."""
    usual_field, blocks, english, russian = _QUESTIONS[code]
    text = (russian if language == "ru" else english).format(candidates="; ".join(candidates), **words)
    return Question(field or usual_field, text.strip(), blocks if blocking is None else blocking)
