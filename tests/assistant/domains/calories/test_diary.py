"""The diary: snapshots, undo, what it has learnt, and that nothing recorded is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from assistant.domains.calories.diary import Correction, Diary, DiaryError
from assistant.domains.calories.entry import total
from assistant.domains.calories.foods import Food, Nutrients
from assistant.domains.calories.goal import Goal, Profile
from assistant.domains.calories.meal import Item

MONDAY, TUESDAY = date(2026, 11, 16), date(2026, 11, 17)
CURD = Food("x:1", "Curd", "Творог", "a table, no. 1", False, Nutrients(120.0, 18.0, 5.0, 3.0, None), (), None)
MILK = Food("x:2", "Milk", None, "a table, no. 2", True, Nutrients(60.0, 3.0, 3.2, 4.7, 0.0), (), 1.03)
CURD_200 = Item("творога", 0, 7, CURD, 200, "g", 200.0, False, "200 г")
MILK_250 = Item("молока", 0, 6, MILK, 1, "glass", 250.0, True, "стакан")


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary.open(tmp_path / "diary.db")


def test_entries_keep_what_was_recorded(diary: Diary, tmp_path: Path) -> None:
    curd, milk = diary.add([(MONDAY, "breakfast", [CURD_200]), (TUESDAY, "", [MILK_250])])
    diary.close()
    with Diary.open(tmp_path / "diary.db") as again:
        assert again.entries() == [curd, milk]
        assert again.entries(TUESDAY, TUESDAY) == [milk]
    assert curd.to_json() | {"created": ""} == {
        "id": 1,
        "day": "2026-11-16",
        "meal": "breakfast",
        "span": "творога",
        "food_id": "x:1",
        "food": "Curd",
        "food_ru": "Творог",
        "amount": 200,
        "unit": "g",
        "grams": 200.0,
        "kcal": 240.0,
        "protein_g": 36.0,
        "fat_g": 10.0,
        "carbohydrate_g": 6.0,
        "fibre_g": None,
        "source": "a table, no. 1",
        "estimate": False,
        "assumed": False,
        "measure": "200 г",
        "created": "",
    }
    assert milk.assumed
    assert milk.estimate
    assert total([curd, milk]) == Nutrients(390.0, 43.5, 18.0, 17.75, 0.0)


def test_each_change_is_taken_back_in_turn(diary: Diary) -> None:
    curd, milk = diary.add([(MONDAY, "", [CURD_200, MILK_250])])
    smaller = diary.edit(curd.id, replace(CURD_200, grams=150.0))
    assert (smaller.id, smaller.grams, smaller.created) == (curd.id, 150.0, curd.created)
    diary.remove(milk.id, curd.id)
    assert diary.entries() == []
    undone = diary.undo()
    assert undone is not None
    assert (undone.kind, set(undone.restored)) == ("remove", {smaller, milk})
    undone = diary.undo()
    assert undone is not None
    assert (undone.kind, undone.removed, undone.restored) == ("edit", (smaller,), (curd,))
    assert diary.entries() == [curd, milk]
    undone = diary.undo()
    assert undone is not None
    assert (undone.kind, undone.removed) == ("add", (curd, milk))
    assert diary.entries() == []
    assert diary.undo() is None
    # A number that was shown is not given to another entry.
    assert diary.add([(MONDAY, "", [CURD_200])])[0].id == 3


def test_corrections_are_learnt_and_unlearnt_with_their_entry(diary: Diary) -> None:
    first = Correction("сметана", "сметаны", "x:1")
    diary.add([(MONDAY, "", [CURD_200])], [first])
    other = replace(first, food_id="x:2")
    diary.edit(1, MILK_250, [other])
    assert diary.corrections() == [other]
    diary.undo()
    assert diary.corrections() == [first]
    diary.undo()
    assert diary.corrections() == []
    diary.add([], [first])
    assert diary.forget_correction("сметана")
    assert not diary.forget_correction("сметана")


def test_what_is_not_there(diary: Diary) -> None:
    diary.add([(MONDAY, "", [CURD_200])])
    for id in (2, 0, -1, 1 << 80):
        with pytest.raises(DiaryError, match=f"no entry {id}"):
            diary.get(id)
    with pytest.raises(DiaryError):
        diary.remove(1, 2)
    assert len(diary.entries()) == 1
    assert diary.add([]) == []
    undone = diary.undo()  # an empty change is none
    assert undone is not None
    assert undone.kind == "add"


def test_facts_and_proposals(diary: Diary, tmp_path: Path) -> None:
    assert (diary.goal, diary.profile) == (None, None)
    diary.profile = Profile("female", 30, 165.0, 60.0, "light", "keep")
    diary.goal = Goal(2000, 100, 67, 250)
    diary.goal = Goal(1800, 90, 60, 225, diary.profile)
    diary.close()
    diary = Diary.open(tmp_path / "diary.db")
    assert diary.profile == Profile("female", 30, 165.0, 60.0, "light", "keep")
    assert diary.goal == Goal(1800, 90, 60, 225, diary.profile)
    diary.goal = None
    assert diary.goal is None
    diary.propose(7, {"rows": ["борщ"]})
    assert (diary.proposal(7), diary.proposal(8)) == ({"rows": ["борщ"]}, None)
    diary.propose(7, None)
    assert diary.proposal(7) is None
    assert [diary.disclaim(7), diary.disclaim(7), diary.disclaim(8)] == [True, False, True]


def test_nothing_recorded_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from datetime import date
from pathlib import Path
from assistant.domains.calories.diary import Diary
from assistant.domains.calories.foods import Food, Nutrients
from assistant.domains.calories.meal import Item
food = Food("x:1", "Soup", None, "t", False, Nutrients(50.0, 1.0, 1.0, 1.0, 1.0), (), None)
diary = Diary.open(Path(sys.argv[1]))
for number in range(3):
    diary.add([(date(2026, 11, 16), "", [Item("soup", 0, 4, food, 1, "plate", 250.0, False, "")])])
diary.propose(1, {"rows": []})
with diary.database.transaction():
    diary.remove(1)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "diary.db")], check=False)
    assert killed.returncode == -signal.SIGKILL
    with Diary.open(tmp_path / "diary.db") as diary:
        assert [entry.id for entry in diary.entries()] == [1, 2, 3]
        assert diary.proposal(1) == {"rows": []}


def test_a_file_that_is_no_diary(tmp_path: Path) -> None:
    (tmp_path / "diary.db").write_text("not a database at all", encoding="utf-8")
    with pytest.raises(DiaryError, match="is not a database"):
        Diary.open(tmp_path / "diary.db")
    assert (tmp_path / "diary.db").read_text(encoding="utf-8") == "not a database at all"
