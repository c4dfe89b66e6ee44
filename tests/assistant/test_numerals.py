"""Numbers, dates and times mean the same however they are written."""

from __future__ import annotations

import pytest

from assistant.numerals import numbers


def says(text: str) -> set[str]:
    return {value for number in numbers(text) if not number.vague for value in number.values}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 млн", "2000000"),
        ("two million", "2000000"),
        ("2,000,000", "2000000"),
        ("2 000 000", "2000000"),
        ("$2M", "2000000"),
        ("двух миллионов", "2000000"),
        ("полтора миллиона", "1500000"),
        ("1,5 млн", "1500000"),
        ("twenty-five", "25"),
        ("двадцати пяти", "25"),
        ("two hundred and fifty-five thousand", "255000"),
        ("триста двенадцать тысяч сорок", "312040"),
        ("50 %", "50%"),
        ("пятьдесят процентов", "50%"),
        ("15:00", "t15:00"),
        ("3 pm", "t15:00"),
        ("в три часа дня", "t15:00"),
        ("12 am", "t0:00"),
        ("half past ten", "t10:30"),
        ("7 January", "d7.1"),
        ("January 7", "d7.1"),
        ("7 января", "d7.1"),
        ("седьмого января", "d7.1"),
        ("the twenty-fifth of March", "d25.3"),
        ("7 January 1943", "d7.1.1943"),
        ("07.01.1943", "d7.1.1943"),
        ("1943-01-07", "d7.1.1943"),
        ("the 1990s", "1990s"),
        ("в девяностые", "1990s"),
        ("90-е годы", "1990s"),
        ("XIX век", "c19"),
        ("the 19th century", "c19"),
        ("nineteen eighty-four", "1984"),
        ("в среду", "w3"),
        ("02:14:07", "t2:14:07"),
        ("[03/Jun/2025:11:20:41]", "d3.6.2025"),
        ("03-Jun-2025", "d3.6.2025"),
        ("from 7 to 10 pm", "t19:00"),
        ("в три дня", "t15:00"),
        ("стояла три дня", "3"),
        ("стояла 3 дня", "3"),
        ("on Wednesday", "w3"),
    ],
)
def test_what_is_said(text: str, value: str) -> None:
    assert value in says(text)


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        ("half of them", "50 %"),
        ("83 of every 100", "83 percent"),
        ("три четверти", "75%"),
        ("one in ten", "10 %"),
        ("in 1994", "the 1990s"),
        ("from 3 to 7 May 2020", "3 May"),
        ("с 3 по 7 мая", "7 May"),
        ("15:00", "3 o'clock"),
        ("пятилетний", "five"),
        ("twice", "2"),
        ("the third attempt", "3"),
        ("07.01.1943", "January 1943"),
    ],
)
def test_what_bears_out_a_statement(source: str, statement: str) -> None:
    borne = {value for number in numbers(source) for value in number.bears}
    assert all(number.values & borne for number in numbers(statement))


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        ("50 people", "50 %"),
        ("7 January", "7 February"),
        ("3 am", "3 pm"),
        ("2 million", "2 thousand"),
        ("1984", "1884"),
    ],
)
def test_what_does_not(source: str, statement: str) -> None:
    borne = {value for number in numbers(source) for value in number.bears}
    assert not any(number.values & borne for number in numbers(statement))


def test_a_number_that_nobody_reads_is_no_work() -> None:
    assert numbers("1" * 500_000) == []
    assert len(numbers("1,234 " * 2_000)) == 2_000


def test_places_are_those_of_the_text() -> None:
    text = "On 7 January 1943 some two hundred and five people came at 3 pm."
    assert [text[number.start : number.end] for number in numbers(text)] == [
        "7 January",
        "1943",
        "two hundred and five",
        "3 pm",
    ]
