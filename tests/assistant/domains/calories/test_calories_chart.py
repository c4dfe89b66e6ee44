"""A day and a week in bars, on wide and narrow terminals, in letters that they have, and as a picture."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from assistant.domains.calories.chart import day_lines, draw_week, drawable, week_lines
from assistant.domains.calories.entry import Day
from assistant.domains.calories.foods import Nutrients
from assistant.domains.calories.goal import Goal
from assistant.domains.calories.messages import Words

EN, RU = Words("en"), Words("ru")
GOAL = Goal(2000, 100, 67, 250)
NOTHING = Nutrients(0.0, 0.0, 0.0, 0.0, 0.0)


def week(*energies: float) -> list[Day]:
    return [
        Day(
            date(2026, 11, 16) + timedelta(at),
            Nutrients(kcal, 80.0, 60.0, 200.0, None) if kcal else NOTHING,
            3 if kcal else 0,
        )
        for at, kcal in enumerate(energies)
    ]


WEEK = week(1850, 2100, 0, 3200, 1500, 2000, 900)


def test_bars_are_as_long_as_the_energy() -> None:
    title, *rows, goal, average = week_lines(WEEK, GOAL, EN, 100)
    assert title == "Mon 16 Nov – Sun 22 Nov, kcal a day"
    assert [row.split()[0] for row in rows] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    filled = [row.count("█") for row in rows]
    assert filled[2] == 0
    assert filled[3] == max(filled)
    assert filled[0] / filled[3] == pytest.approx(1850 / 3200, abs=0.05)
    assert rows[2].rstrip().endswith("–")
    assert goal.strip() == "│ goal 2,000"
    assert len({row.index("│") for row in [*rows, goal]}) == 1
    assert "1,925 kcal over 6 days" in average


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
@pytest.mark.parametrize("say", [EN, RU], ids=["en", "ru"])
def test_it_fits_the_terminal(width: int, say: Words) -> None:
    lines = week_lines(WEEK, GOAL, say, width)
    assert max(len(line.rstrip()) for line in lines[1:]) <= width
    assert all("\x1b" not in line for line in lines)


def test_a_terminal_without_blocks_gets_ascii() -> None:
    text = "\n".join([*week_lines(WEEK, GOAL, EN, 80, blocks=False), *day_lines(NOTHING, GOAL, EN, 80, blocks=False)])
    assert text.isascii()
    assert "#####" in text
    assert drawable("utf-8")
    assert not any(map(drawable, ("ascii", "cp1251", None, "no such encoding")))


def test_an_empty_week() -> None:
    assert week_lines(week(0, 0, 0, 0, 0, 0, 0), GOAL, RU) == ["С пн 16 ноя по вс 22 ноя записей нет."]


def test_a_day_against_the_goal() -> None:
    energy, protein, *_ = day_lines(Nutrients(1250.0, 120.0, None, 10.0, None), GOAL, RU, 90)
    assert "1\u00a0250 из 2\u00a0000 (62 %), осталось 750" in energy
    assert "больше на 20" in protein
    plain = day_lines(Nutrients(1250.0, 120.0, None, 10.0, None), None, EN)
    assert [line.split()[-1] for line in plain] == ["1,250", "120", "–", "10"]


def test_the_week_as_a_picture(tmp_path: Path) -> None:
    from matplotlib.image import imread

    for say, goal, days in ((EN, None, WEEK), (RU, GOAL, WEEK), (RU, GOAL, week(0, 0))):
        path = tmp_path / "week.png"
        draw_week(days, goal, say, path)
        assert imread(path).shape[:2] == (675, 1200)
        assert list(tmp_path.iterdir()) == [path]
