"""``assistant calories`` as a user types it, on meals that the grammar reads without a model."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from assistant.cli import main

TODAY = date.today()
MILK, EGG = "sr24:01077", "sr24:01129"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def run(*args: str) -> int:
    try:
        main(["calories", *args])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_parse_prints_what_the_issue_of_a_script_needs(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert run("parse", "--json", "200 г абырвалга, 2 яйца и стакан молока") == 0
    out, _ = capsys.readouterr()
    parsed = json.loads(out)
    assert parsed["unknown"] == ["абырвалга"]
    egg, milk = parsed["items"]
    promised = [
        "span",
        "food_id",
        "food",
        "amount",
        "unit",
        "grams",
        "kcal",
        "protein_g",
        "fat_g",
        "carbohydrate_g",
        "source",
    ]
    assert set(promised) <= egg.keys()
    assert (egg["span"], egg["food_id"], egg["amount"], milk["food_id"]) == ("яйца", EGG, 2, MILK)
    assert parsed["totals"]["kcal"] == pytest.approx(egg["kcal"] + milk["kcal"], abs=0.11)
    assert run("parse", "200 г молока") == 0
    out, err = capsys.readouterr()
    assert "Молоко" in out
    assert MILK in out
    assert "\x1b" not in out + err
    assert run("today") == 0
    assert "Nothing is recorded" in capsys.readouterr().err


def test_parse_reads_a_pipe() -> None:
    command = [sys.executable, "-m", "assistant", "calories", "parse", "--json"]
    done = subprocess.run(command, input=b"2 eggs and 100 ml milk", capture_output=True, check=True)
    assert [item["food_id"] for item in json.loads(done.stdout)["items"]] == [EGG, MILK]


def test_add_without_a_terminal_needs_a_yes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "2 eggs") == 2
    assert "Add -y" in capsys.readouterr().err
    assert run("add", "-y", "2 eggs, 100 g abyrvalg", "--meal", "lunch", "--day", "yesterday") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "Recorded: Egg" in err
    assert "abyrvalg" in err
    assert run("day", "вчера", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert (entry["food_id"], entry["meal"], entry["day"]) == (EGG, "lunch", str(TODAY - timedelta(1)))


def test_add_that_can_record_nothing_fails(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("100 g abyrvalg", "2 тонны молока", "-5 eggs"):
        assert run("add", "-y", text) == 1, text
        assert capsys.readouterr().err, text
    for wrong in (
        ["2 eggs", "--day", "31.02"],
        ["2 eggs", "--day", "tomorrow"],
        ["2 eggs", "--day", "someday"],
        ["2 eggs", "--meal", "midnight"],
        ["завтра 2 яйца"],
        ["31 февраля 2 яйца"],
        [""],
    ):
        assert run("add", "-y", *wrong) == 2, wrong
        assert "error:" in capsys.readouterr().err
    assert run("export", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_add_asks_at_a_terminal(home: Path) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "assistant", "calories", "add", "2 яйца и стакан молока"]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True) as asked:
        os.close(follower)
        os.write(leader, "2 = 150 г\nубери 7\nда\n".encode())
        said = b""
        while True:
            try:
                said += os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
        assert asked.wait() == 0, said.decode()
    os.close(leader)
    assert "Номера 7 нет" in said.decode()
    from assistant.domains.calories.diary import Diary

    with Diary.open() as diary:
        assert [(entry.food_id, entry.grams) for entry in diary.entries()][1] == (MILK, 150.0)


def test_the_diary_is_corrected_and_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "-y", "--json", "2 eggs and 100 ml milk") == 0
    egg, milk = (entry["id"] for entry in json.loads(capsys.readouterr().out)["entries"])
    assert run("edit", str(egg), "--grams", "60") == 0
    assert run("edit", str(milk), "--food", EGG, "--grams", "50") == 0
    assert run("rm", str(egg)) == 0
    assert run("today", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(entry["food_id"], entry["grams"]) for entry in shown["entries"]] == [(EGG, 50.0)]
    assert shown["totals"]["kcal"] == pytest.approx(77.5)
    assert run("corrections", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [{"lemmas": "milk", "span": "milk", "food_id": EGG}]
    assert run("corrections", "rm", "milk") == 0
    assert run("corrections", "rm", "milk") == 2
    for _ in range(4):
        assert run("undo") == 0
    capsys.readouterr()
    assert run() == 0
    assert "Nothing is recorded" in capsys.readouterr().err
    assert run("undo") == 0
    assert "nothing to take back" in capsys.readouterr().err


def test_wrong_corrections(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "-y", "2 eggs") == 0
    for wrong, code in (
        (["edit", "1"], 2),
        (["edit", "1", "--grams", "-5"], 2),
        (["edit", "1", "--grams", "nan"], 2),
        (["edit", "1", "--grams", "1e300"], 2),
        (["edit", "1", "--food", "abyrvalg"], 2),
        (["edit", "9", "--grams", "5"], 1),
        (["rm", "9"], 1),
        (["food", "sr24:99999"], 2),
        (["goal", "300"], 2),
        (["profile", "--age", "12"], 2),
    ):
        assert run(*wrong) == code, wrong
        assert "error:" in capsys.readouterr().err, wrong


def test_week_and_its_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("add", "-y", "10 eggs") == 0
    assert run("week") == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) >= 9
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out
    assert run("week", "--json", "--png", str(tmp_path / "week.png")) == 0
    days = json.loads(capsys.readouterr().out)["days"]
    assert [day["entries"] for day in days] == [0] * 6 + [1]
    assert (tmp_path / "week.png").read_bytes().startswith(b"\x89PNG")
    assert run("week", "--png", str(tmp_path / "week.doc")) == 2
    assert run("week", "--png", str(tmp_path / "none" / "week.png")) == 1
    assert not list(tmp_path.glob("*.partial"))


def test_search_and_food(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("search", "--json", "молоко") == 0
    found = json.loads(capsys.readouterr().out)
    assert found[0]["id"] == MILK
    assert run("search", "milk") == 0
    assert MILK in capsys.readouterr().out
    assert run("food", MILK, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["per_100g"]["kcal"] == 61
    assert shown["source"] == "USDA SR24 no. 01077"
    assert any(measure["unit"] == "cup" for measure in shown["measures"])
    assert run("food", MILK) == 0
    assert "Milk, whole" in capsys.readouterr().out
    assert run("food", "recipe:borscht") == 0
    assert "sr24:11080  Beets, raw" in capsys.readouterr().out  # what the estimate is made of
    assert run("search", "abyrvalgus") == 0
    assert capsys.readouterr().out == ""


def test_goal_and_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("goal") == 0
    assert "no goal yet" in capsys.readouterr().err
    assert run("profile") == 2
    assert run("profile", "--sex", "male", "--age", "35") == 2
    assert "--height, --weight" in capsys.readouterr().err
    flags = ["--sex", "male", "--age", "35", "--height", "180", "--weight", "80", "--activity", "moderate"]
    assert run("profile", *flags) == 0
    out, err = capsys.readouterr()
    assert "2,720 kcal a day" in out
    assert "Mifflin–St Jeor (1990)" in out
    assert "no medical advice" in err
    assert run("goal", "2000") == 0
    assert run("profile", "--json") == 0
    shown = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert (shown["resting_kcal"], shown["goal"]["kcal"]) == (1755, 2000)
    assert run("goal", "--from-profile", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kcal"] == 2720
    assert run("goal", "--forget") == 0
    assert run("profile", "--forget") == 0
    capsys.readouterr()
    assert run("goal", "--json") == 0
    assert json.loads(capsys.readouterr().out) is None


def test_export(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from assistant.domains.calories.diary import Diary
    from assistant.domains.calories.foods import Food, Nutrients
    from assistant.domains.calories.meal import Item

    per_100g = Nutrients(50.0, 1.0, None, 1.0, 1.0)
    food = Food("x:1", '=HYPERLINK("x")', "Ёж; «суп»,\nгорячий", "t", False, per_100g, (), None)
    with Diary.open() as diary:
        diary.add([(TODAY, "", [Item("+cmd|' /C calc'!A0", 0, 3, food, 1, "plate", 250.0, False, "-1")])])
    assert run("export") == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out, newline=""))
    assert (row["span"], row["food"]) == ("'+cmd|' /C calc'!A0", '\'=HYPERLINK("x")')
    assert (row["measure"], row["food_ru"], row["fat_g"]) == ("'-1", "Ёж; «суп»,\nгорячий", "")
    file = tmp_path / "diary.json"
    assert run("export", "--json", "-o", str(file), "--from", str(TODAY - timedelta(3))) == 0
    (entry,) = json.loads(file.read_text(encoding="utf-8"))
    assert (entry["food"], entry["kcal"]) == ('=HYPERLINK("x")', 125.0)
    assert run("export", "--to", str(TODAY - timedelta(1)), "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run("export", "-o", str(tmp_path / "none" / "x.csv")) == 1


def test_without_any_model_the_grammar_reads_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ASSISTANT_MODELS", str(tmp_path / "none"))
    assert run("parse", "--json", "на обед был фуагрырр, 2 яйца") == 0
    out, err = capsys.readouterr()
    assert [item["food_id"] for item in json.loads(out)["items"]] == [EGG]
    assert "without a model" in err or "без модели" in err
    assert run("parse", "-m", "no-such-model", "на обед был фуагрырр") == 3
