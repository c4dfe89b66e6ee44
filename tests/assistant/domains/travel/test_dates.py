"""Dates of a trip in words, read on 22 November 2026."""

from __future__ import annotations

from datetime import date

import pytest

from assistant.domains.travel.dates import read

TODAY = date(2026, 11, 22)  # a Sunday


@pytest.mark.parametrize(
    ("text", "start", "days"),
    [
        ("с 3 по 9 мая в Тбилиси", "2027-05-03", 7),
        ("12–15 June 2027", "2027-06-12", 4),
        ("June 12-15, 2027", "2027-06-12", 4),
        ("May 3rd to 9th in Lisbon", "2027-05-03", 7),
        ("2027-05-03 to 2027-05-09", "2027-05-03", 7),
        ("28.04-03.05.2027", "2027-04-28", 6),
        ("с 28 апреля по 3 мая", "2027-04-28", 6),
        ("from 28 December to 4 January", "2026-12-28", 8),
        ("третьего мая на пять дней в Вену", "2027-05-03", 5),
        ("через две недели в Сочи на 4 дня", "2026-12-06", 4),
        ("two weeks in Spain in 3 weeks", "2026-12-13", 14),
        ("tomorrow for two days", "2026-11-23", 2),
        ("next weekend in Rome", "2026-11-28", 2),
        ("с пятницы по воскресенье", "2026-11-27", 3),
        ("уехать до 9 мая на 5 дней", "2027-05-05", 5),
        ("29 February for 3 days", "2028-02-29", 3),
        ("5 days from 3 May", "2027-05-03", 5),
        ("с 3 по 7 мая 2027 с сыном 6 лет, отель 80 лари в сутки", "2027-05-03", 5),
        ("12 June with my 65 years old mum, hotel $180 per night, 4 days", "2027-06-12", 4),
        ("лечу 20 декабря, обратно 27-го", "2026-12-20", 8),
        ("leaving 28 December, back on the 3rd", "2026-12-28", 7),
    ],
)
def test_days_that_are_named(text: str, start: str, days: int) -> None:
    when = read(text, TODAY)
    assert (when.start, when.days, when.problems) == (date.fromisoformat(start), days, ())
    assert when.start
    assert when.end == date.fromordinal(when.start.toordinal() + days - 1)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("на неделю в Стамбул", 7),
        ("a fortnight in Japan", 14),
        ("полторы недели", 11),
        ("Rome in 3 days", 3),
        ("3 nights in Vienna", 4),
        ("3-дневная поездка", 3),
        ("five-day trip", 5),
        ("a long weekend in Prague", 3),
        ("двадцать один день", 21),
        ("with kids 5 and 7 years old, a week in Rome", 7),
        ("мне 30 лет, маме 65 лет, дочке 8 месяцев, на неделю", 7),
        ("дней на шесть в Стамбул с детьми 4 и 9 лет", 6),
        ("две экскурсии в день, 3 дня, 40€/night", 3),
        ("ночь в Казани", 2),
        ("48 hours in Berlin", 2),
        ("36 часов в Лиссабоне, перелёт 5 часов", 2),
        ("из мск в спб на выхи", 2),
    ],
)
def test_lengths(text: str, days: int) -> None:
    when = read(text, TODAY)
    assert (when.days, when.start, when.problems) == (days, None, ())


def test_a_month_or_a_season_names_no_day() -> None:
    assert read("5 days in May", TODAY).months == ((2027, 5),)
    assert read("в начале июня 2028", TODAY).months == ((2028, 6),)
    assert read("зимой", TODAY).months == ((2026, 12), (2027, 1), (2027, 2))
    assert read("next month", TODAY).months == ((2026, 12),)
    assert read("5 days in May", TODAY).start is None


def test_a_verb_is_no_month() -> None:
    assert read("I may march to Rome for a week", TODAY).months == ()
    assert read("I may go for a week in May", TODAY).months == ((2027, 5),)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("31 февраля в Париж", "impossible"),
        ("2027-13-45", "impossible"),
        ("32 мая", "impossible"),
        ("29 February 2027", "impossible"),
        ("3/5/2027 to Paris", "ambiguous"),
        ("10 июля 2025", "past"),
        ("в мае 2020", "past"),
        ("yesterday", "past"),
        ("12 марта 3027", "far"),
        ("с 9 по 3 мая", "reversed"),
        ("0 days in Rome", "no days"),
        ("минус 3 дня", "no days"),
        ("Rome, -3 days", "no days"),
        ("400 days in Paris", "too long"),
        ("сто дней", "too long"),
        ("с 1 по 5 мая на 10 дней", "conflict"),
        ("на майские в Казань", "vague"),
        ("a few days in Rome", "vague"),
    ],
)
def test_what_comes_to_no_date_is_a_problem(text: str, code: str) -> None:
    assert [problem.code for problem in read(text, TODAY).problems] == [code]


def test_words_about_time_are_located() -> None:
    text = "Ждём с 3 по 9 мая, едем на неделю"
    assert [text[start:end].strip() for start, end in read(text, TODAY).spans] == ["3 по 9 мая", "на неделю"]
