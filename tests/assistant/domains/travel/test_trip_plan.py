"""A plan: days around facts, nothing twice, nothing without a source."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from scripted_travel import Scripted, returned

from assistant.domains.travel.dialogue import reply
from assistant.domains.travel.places import Places
from assistant.domains.travel.plan import Plan, finish, make
from assistant.domains.travel.prices import price
from assistant.domains.travel.trip import extract
from assistant.engine.calls import Computed
from assistant.engine.engine import Delta, Message
from assistant.engine.structured import validate
from assistant.memory.memory import Memory
from assistant.templates.tools import ToolCall

TODAY = date(2026, 11, 22)
ENGLISH = "5 days in Tbilisi from Moscow from 24 May 2027, two adults, museums, food and chess, slow"
RUSSIAN = "с 24 по 28 мая 2027 в Тбилиси из Москвы, вдвоём, музеи, еда и шахматы, не спеша"


def planned(text: str, *answers: str, memory: Memory | None = None) -> tuple[Plan, Scripted]:
    engine = Scripted(*answers)
    language = "ru" if re.search("[а-я]", text) else "en"
    with Places.open() as places:
        found = returned(extract(engine, text, places, TODAY, language=language))  # type: ignore[arg-type]
        return returned(make(engine, found, places, TODAY, memory=memory)), engine


@pytest.mark.parametrize("text", [ENGLISH, RUSSIAN])
def test_a_plan_has_every_day_and_nothing_twice(text: str) -> None:
    plan, _ = planned(text)
    assert len(plan.days) == 5
    sentences = [sentence for day in plan.days for _, sentence in day.parts]
    assert len(sentences) == len(set(sentences)) == 10
    assert plan.ungrounded == ()
    assert "⚠" not in plan.markdown
    assert all(day.heading in plan.markdown for day in plan.days)


def test_the_program_writes_dates_holidays_and_facts() -> None:
    plan, _ = planned(ENGLISH)
    assert plan.days[2].heading == "Day 3, Wednesday, 26 May 2027"
    assert any("Independence Day" in note for note in plan.days[2].notes)
    assert "UTC+04:00" in plan.markdown
    assert "GeoNames" in plan.markdown
    told = plan.to_json()
    assert list(told) == ["trip", "facts", "plan", "ungrounded", "questions"]
    assert told["facts"]["facts"]["utc_offset"]["value"] == 240


def test_an_interest_of_ones_own_is_named() -> None:
    plan, _ = planned(ENGLISH, '{"destination": [], "origin": "", "interests": ["chess"]}')
    assert plan.trip.interests == ("museums", "food", "chess")
    assert any("chess" in sentence for day in plan.days for _, sentence in day.parts)


def test_the_model_chooses_and_can_choose_nothing_else() -> None:
    _, engine = planned(ENGLISH)
    _, options = engine.asked[-1]
    assert options.constraint is not None
    lines = [
        re.sub(r"\(\?:(.*)\)$", lambda menu: menu[1].split("|")[-1], line)
        for line in options.constraint.text.split("\n")
    ]
    answer = "\n".join(lines).replace("\\", "")
    assert validate(answer, options.constraint) is None
    assert validate(answer.replace(": ", ": the Narikala fortress ", 1), options.constraint) is not None
    chosen, _ = planned(ENGLISH, "{}", answer)
    assert chosen.markdown != planned(ENGLISH)[0].markdown


def test_a_month_alone_gives_days_without_dates() -> None:
    plan, _ = planned("5 days in Tbilisi from Moscow in May")
    assert [day.heading for day in plan.days] == [f"Day {number}" for number in range(1, 6)]
    assert "May 2027 (the day is not said)" in plan.markdown
    assert [question.field for question in plan.extraction.questions] == ["start"]


def test_without_any_time_nothing_of_today_is_told() -> None:
    plan, _ = planned("5 days in Tbilisi from Moscow")
    assert "Daylight" not in plan.markdown
    assert "utc_offset" not in plan.to_json()["facts"]["facts"]


def test_a_question_leaves_no_plan() -> None:
    plan, engine = planned("0 days in Tbilisi")
    assert (plan.markdown, plan.to_json()["facts"]) == ("", {})
    assert plan.to_json()["questions"]
    assert len(engine.asked) == 1  # nothing was chosen for it


def test_what_somebody_else_wrote_into_a_day_is_marked() -> None:
    plan, _ = planned(ENGLISH)
    day = replace(plan.days[0], parts=(("Morning", "Visit Narikala, entrance is free until 20:00."),))
    found = finish(replace(plan, days=(day, *plan.days[1:])))
    assert {one.kind for one in found.ungrounded} >= {"name", "price"}
    assert all(found.markdown[one.start :].startswith(one.text) for one in found.ungrounded[:1])
    assert found.markdown.count("⚠") == len(found.ungrounded)


def test_several_places_share_the_days() -> None:
    plan, _ = planned("Rome, Florence and Venice for 6 days from 3 May 2027")
    legs = [note for day in plan.days for note in day.notes if note.startswith("Place")]
    assert legs == ["Place: Rome", "Place: Florence", "Place: Venice"]
    assert any("Rome – Florence, 234 km" in note for note in plan.days[2].notes)
    told = plan.to_json()["facts"]
    assert [told["place"]["name"], *(later["place"]["name"] for later in told["then"])] == [
        "Rome",
        "Florence",
        "Venice",
    ]
    assert plan.markdown.count("| Coordinates |") == 3


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        (ENGLISH, "Set the clock 1 h ahead", "Home: Tbilisi – Moscow"),
        (RUSSIAN, "Переведите часы на 1 ч вперёд", "Домой: Тбилиси – Москва"),
    ],
)
def test_the_facts_stand_on_the_days_where_they_count(text: str, first: str, last: str) -> None:
    plan, _ = planned(text)
    assert first in plan.days[0].notes
    assert any("TBS" in note for note in plan.days[0].notes)
    assert plan.days[-1].closing[0].startswith(last)
    days = plan.markdown.partition("### ")[2]
    assert days.count("(GEL)") == 1
    assert re.search(r"thank you|спасибо", days)


def test_the_sun_of_the_day_stands_beside_what_is_done_in_the_evening() -> None:
    plan, _ = planned("5 days in Oslo from London from 17 May 2027, walking and photography")
    sunsets = re.findall(r"The sun sets at (\d\d:\d\d)\.", plan.markdown)
    assert sunsets
    assert sorted(sunsets) == sunsets  # later each day in May
    assert plan.ungrounded == ()
    assert "much may be closed, check" in plan.days[0].markdown()


def test_days_at_each_town_are_those_that_were_said() -> None:
    plan, _ = planned("Rome 4 days, Naples 2 days, from Madrid, from 25 March 2027")
    assert [(leg.place.name_en, leg.first, leg.last) for leg in plan.legs] == [("Rome", 1, 4), ("Naples", 5, 6)]
    assert "(EUR)" not in plan.markdown.partition("## Day by day")[2]  # as at home
    assert any("The clock is changed there today" in note for note in plan.days[3].notes)


def test_prices_of_the_user_are_added_up() -> None:
    plan, _ = planned(ENGLISH)
    text = finish(plan, [price("hotel=80*4 EUR"), price("food=12.5*10 EUR")]).markdown
    assert "**445 EUR**" in text
    assert "222.5 EUR" in text


@pytest.mark.parametrize("days", [1, 2, 31])
def test_short_and_long_trips(days: int) -> None:
    plan, _ = planned(f"{days} days in Rome from 3 May 2027, art, fast pace")
    assert [len(day.parts) for day in plan.days] == [4] * days
    assert plan.ungrounded == ()


def test_a_narrow_interest_does_not_repeat_itself_all_through_a_long_trip() -> None:
    plan, _ = planned("12 days in San Francisco from 3 July 2027, parks")
    sentences = [sentence.split(". ")[0] for day in plan.days for _, sentence in day.parts]
    assert len(sentences) == len(set(sentences)) == 36
    long, _ = planned("31 days in Rome from 3 May 2027, art, fast pace")
    sentences = [sentence.split(". ")[0] for day in long.days for _, sentence in day.parts]
    assert max(map(sentences.count, sentences)) <= 6


def test_the_users_documents_are_quoted_with_their_source(tmp_path: Path) -> None:
    note = tmp_path / "tbilisi.md"
    note.write_text(
        "# Tbilisi\n\nNino says that the Fabrika courtyard in Tbilisi has the best coffee, closed on Mondays.\n"
    )
    with Memory.open(tmp_path / "memory.db") as memory:
        assert list(memory.add([note]))
        plan, _ = planned(ENGLISH, "{}", "", "1: 2", memory=memory)
    assert "Fabrika" in plan.days[1].parts[-1][1]
    assert "[1]" in plan.days[1].parts[-1][1]
    assert "tbilisi.md" in plan.markdown
    assert plan.ungrounded == ()


def test_a_note_that_names_a_day_of_the_trip_stands_on_it_and_none_is_lost(tmp_path: Path) -> None:
    note = tmp_path / "trip.md"
    note.write_text(
        "О Тбилиси, заметки.\n\nСтолик в Тбилиси заказан на 5 мая в 19:30.\n\nБани в Тбилиси: полотенце с собой.\n",
        encoding="utf-8",
    )
    with Memory.open(tmp_path / "memory.db") as memory:
        assert list(memory.add([note]))
        text = "с 3 по 7 мая 2027 из Москвы в Тбилиси, двое, бани"
        plan, _ = planned(text, "{}", "", "1: 0\n3: 0", memory=memory)
    assert [day.heading for day in plan.days if any("19:30" in text for _, text in day.parts)] == [plan.days[2].heading]
    documents = plan.markdown.split("## Из ваших документов")[1]
    assert "полотенце с собой" in documents
    assert "19:30" not in documents
    assert plan.ungrounded == ()


@pytest.mark.parametrize("text", ["Сколько стоит билет в Вену?", "Нужна ли виза в Китай?", "Какая погода в Сочи?"])
def test_what_cannot_be_known_offline_is_said_to_be(text: str) -> None:
    done = list(reply(ToolCall(engine=Scripted(), text=text, language="ru", today=TODAY)))[-1]
    assert isinstance(done, Computed)
    assert "Проверьте в интернете" in done.text
    assert not re.search(r"\d", done.text)


def test_in_the_chat_it_asks_then_plans() -> None:
    first = list(reply(ToolCall(engine=Scripted(), text="хочу в Тбилиси", language="ru", today=TODAY)))
    done = first[-1]
    assert isinstance(done, Computed)
    assert "Сколько дней" in done.text
    assert done.data["plan"] == ""
    before = (Message("user", "хочу в Тбилиси"), Message("assistant", done.text))
    events = list(reply(ToolCall(engine=Scripted(), text="5", language="ru", today=TODAY, before=before)))
    done = events[-1]
    assert isinstance(done, Computed)
    assert done.text.startswith("# Тбилиси: 5 дней")
    assert "".join(event.text for event in events if isinstance(event, Delta) and not event.reasoning) == done.text
