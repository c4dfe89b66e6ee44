"""What an answer has and its input has not."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.templates.grounded import ungrounded
from assistant.templates.template import Filled, fill, parse


def template(grounded: str) -> Filled:
    return fill(parse(f"system: x\n{grounded}", Path("x.yaml")), {})


@pytest.mark.parametrize(
    ("input", "answer", "strange"),
    [
        ("We meet at 15:00, platform 7.", "Встречаемся в 15:00 на пути 7.", ()),
        ("We meet at 15:00, platform 7.", "Встречаемся в 4:00 на пути 7.", ("4",)),
        ("It costs 1,200.50 euros.", "Это стоит 1200,5 евро.", ()),
        ("Three of us come.", "Нас будет 3.", ()),
        ("milk, bread", "1. milk\n2. bread", ()),
        ("", "", ()),
        ("no number", "up to 90 % of them", ("90",)),
    ],
)
def test_numbers(input: str, answer: str, strange: tuple[str, ...]) -> None:
    assert ungrounded(template("grounded: numbers"), input, answer) == strange


def test_names_are_looked_for_only_where_that_is_asked() -> None:
    text, answer = "Мария едет из Лидса в Казань.", "Today Maria goes from Berlin to Kazan."
    assert ungrounded(template("grounded: numbers"), text, answer) == ()
    assert ungrounded(template("grounded: all"), text, answer) == ("Berlin",)
    assert ungrounded(template(""), text, "99 Berlin") == ()
