"""What a summary says that its source does not say is marked, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from assistant.engine.engine import Event, GenerateOptions, Message, Result, Timings
from assistant.tasks.faithfulness import EngineCall, Indexed, Point, check, evidence, mend

PLANTED = json.loads(
    (Path(__file__).parents[3] / "benchmarks/data/planted_summaries.json").read_text(encoding="utf-8")
)["sources"]
MINUTES = """The committee met on Tuesday. It agreed to raise the membership fee from 30 to 45 dollars a year. Two of
the nine members voted against it. The treasurer, Anna Smirnova, promised to think about a discount for students.

Ivan Petrov reported on the hall. Its roof leaks, and repairs will cost 12,500 dollars. He said: "We cannot wait another
winter for this roof." About half of the 340 households took part in the spring cleaning."""
INDEXED = Indexed(MINUTES)


def one(text: str, indexed: Indexed = INDEXED) -> Point:
    (point,) = check([text], indexed)
    return point


@pytest.mark.parametrize("source", PLANTED, ids=[source["name"] for source in PLANTED])
def test_planted_points(source: dict[str, Any]) -> None:
    indexed = Indexed(source["text"])
    faithful = check(source["faithful"], indexed)
    assert [(point.text, point.unsupported) for point in faithful if point.unsupported] == []
    assert all(point.spans for point in faithful if point.text.isascii() == source["text"].isascii())
    corrupted = check([planted["text"] for planted in source["corrupted"]], indexed)
    assert sum(bool(point.unsupported) for point in corrupted) >= 0.7 * len(corrupted)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("The fee rises to $340 a year.", "340"),
        ("Ivan Petrov will think about a discount for students.", "Ivan Petrov"),
        ("Anna Petrov reported on the hall.", "Anna Petrov"),
        ("Smirnova reported on the hall.", "Smirnova"),
        ("The committee met on Friday.", "Friday"),
        ('Petrov said "We cannot wait another summer for this roof".', "We cannot wait another summer for this roof"),
        ("Казначей Анна Смирнова обещала скидку для 45 студентов.", "45"),
        ("Анна Петрова сообщила о крыше.", "Анна Петрова"),
    ],
)
def test_what_stands_elsewhere_supports_nothing(text: str, wrong: str) -> None:
    assert wrong in one(text).unsupported


@pytest.mark.parametrize(
    "text",
    [
        "- The fee rises to $45 a year.",
        "2. Petrov said that repairs will cost 12500 dollars.",
        "Some 50 % of 340 households took part in the cleaning.",
        "Petrov: “We cannot wait another winter…”",
        "Комитет поднимает взнос с 30 до 45 долларов.",
        "Анна Смирнова подумает о скидке.",
        "",
        "!!!",
    ],
)
def test_what_the_source_says_is_not_marked(text: str) -> None:
    assert one(text).unsupported == ()


LOG = """2025-05-06 02:14:07 INFO scheduler: nightly backup started on atlas-3, 412 volumes
[03/Jun/2025 02:47:12] ERROR storage: write to volume v-2207 failed: no space left on device
2025-06-03 02:58:21 INFO auth: Mirela Dancu logged in
2025-06-03 03:05:02 INFO storage: 1,930 snapshots deleted by mdancu, 6.2 TB freed"""
OFFERS = """Tom Okafor had three offers. Carver asked for 74,000 pounds, Brightside for 68,500, and Murray for 91,000.
The board chose Brightside, because it can begin on 3 February. Now 640 pupils eat at school, up from 510 last year.
The hall is open from 19:00 to 22:00."""
TALK = """Анна: Так, что с палаткой?
Илья: Куплю новую к пятнице за 8000 рублей.
Анна: Хорошо, и я спрошу в управе в понедельник."""
CALL = """Adaeze: Let's start. The pump in the cellar broke again.
Tom Reed: I called the firm in Leith, they want 1,900 for a new one.
Adaeze: Fine, I will bring it up with the board on 4 May."""
LEASE = """ООО «Северный лён» (Арендодатель) и Мамедов Рашид Алиевич, именуемый Арендатор, заключили договор.

Арендатор в течение десяти дней вносит платёж в размере двух месячных плат. Платёж возвращается в течение тридцати дней.

Пеня начисляется за 60 дней. Площадь склада 260 кв. м. Линия стояла три дня. Полив разрешён с 19 до 22 часов."""


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (LOG, "The backup started at 02:14."),
        (LOG, "On 3 June at 02:47 a write failed."),
        (LOG, "Mirela Dancu deleted 1,930 snapshots and freed 6.2 TB."),
        (OFFERS, "The board chose Brightside at 68,500 pounds, which can start on 3 February."),
        (OFFERS, "640 pupils eat at school, 130 more than last year."),
        (OFFERS, "The hall is open from 7 to 10 pm."),
        (
            "The museum expects 65,000 visitors a year; in 2022 it had 48,000.",
            "In 2022 the museum had 48,000 visitors.",
        ),
        ("Вопросы — инженеру Светлане Юдиной, по средам с 15 до 18.", "Yudina answers on Wednesdays from 3 to 6 pm."),
        (LEASE, "The tenant, Rashid Mamedov, pays two monthly rents within 10 days."),
        (LEASE, "Линия простояла три дня."),
        (TALK, "Илья купит новую палатку за 8000 рублей."),
        (TALK, "Анна спросит в управе в понедельник."),
        (CALL, "Adaeze will bring it up with the board on 4 May."),
        (CALL, "Tom Reed says that the firm wants 1,900."),
        (CALL, "Adaeze said that the pump broke."),
        (LEASE, "Watering is allowed from 7 to 10 pm."),
    ],
)
def test_what_is_said_otherwise_is_not_marked(source: str, text: str) -> None:
    assert one(text, Indexed(source)).unsupported == ()


@pytest.mark.parametrize(
    ("source", "text", "wrong"),
    [
        (LOG, "The backup started at 02:47.", "02:47"),
        (LOG, "The write failed at 02:47:15.", "02:47:15"),
        (OFFERS, "Murray asked for 68,500 pounds.", "Murray"),
        (OFFERS, "640 pupils eat at school, 140 more than last year.", "140"),
        (LEASE, "The fine is 7 days.", "7"),
        (TALK, "Анна купит новую палатку за 8000 рублей.", "Анна"),
        (LEASE, "Полив разрешён с 19 до 23 часов.", "23"),
    ],
)
def test_what_is_said_of_something_else_is_marked(source: str, text: str, wrong: str) -> None:
    assert any(wrong in found for found in one(text, Indexed(source)).unsupported)


def test_spans_are_whole_sentences_best_first() -> None:
    spans = one("Repairs of the leaking roof cost 12,500 dollars, reported Petrov.").spans
    assert MINUTES[slice(*spans[0])] == "Its roof leaks, and repairs will cost 12,500 dollars."
    assert 1 <= len(spans) <= 3


def test_only_the_given_part_of_the_source_counts() -> None:
    hall = MINUTES.index("Ivan Petrov reported")
    points = check(["The fee rises to 45 dollars."] * 2, INDEXED, within=[(0, hall), (hall, len(MINUTES))])
    assert [point.unsupported for point in points] == [(), ("45",)]
    assert all(start >= hall for start, _ in points[1].spans)


@pytest.mark.parametrize(
    "text", ["", "   \n\n ", "1" * 100_000, "word " * 20_000, "«" * 10_000, "\n".join("ab" * 5000)]
)
def test_any_text_is_a_source(text: str) -> None:
    point = one("On 7 May Anna Smirnova paid 45 dollars.", Indexed(text))
    assert "45" in point.unsupported


def scripted(answer: str, asked: list[Sequence[Message]], reason: Any = "stop") -> EngineCall:
    def call(messages: Sequence[Message], options: GenerateOptions) -> Generator[Event, None, Result]:
        asked.append(messages)
        yield from ()
        return Result(answer, "", reason, 1, 1, Timings())

    return call


def mended(text: str, answer: str, reason: Any = "stop") -> tuple[Point, list[Sequence[Message]]]:
    asked: list[Sequence[Message]] = []
    point = one(text)
    passages = evidence(INDEXED, point, 200, lambda part: len(part.split()))
    steps = mend(scripted(answer, asked, reason), point, INDEXED, "en", evidence=passages)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, asked


def test_a_point_is_mended_from_its_evidence() -> None:
    point, asked = mended(
        "The membership fee rises to 340 dollars a year.", "The membership fee rises to 45 dollars a year."
    )
    assert (point.text, point.unsupported) == ("The membership fee rises to 45 dollars a year.", ())
    assert "from 30 to 45 dollars" in asked[0][-1].content
    assert "340" in asked[0][-1].content


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("The membership fee rises to 350 dollars a year.", "stop"),
        ("Something was agreed.", "stop"),
        ("", "stop"),
        ("Взнос повышается до 45 долларов в год.", "stop"),
        ("The membership fee rises to 45 dollars a year." * 5, "stop"),
        ("The membership fee rises to 45 dollars", "length"),
    ],
)
def test_what_is_no_mending_is_not_taken(answer: str, reason: str) -> None:
    text = "The membership fee rises to 340 dollars a year."
    assert mended(text, answer, reason)[0] == one(text)


def test_what_is_supported_is_not_asked_about() -> None:
    point, asked = mended("The fee rises to 45 dollars.", "No.")
    assert point.unsupported == ()
    assert asked == []


def test_evidence_keeps_to_its_room() -> None:
    point = one("The membership fee rises to 340 dollars a year.")
    assert "45 dollars" in evidence(INDEXED, point, 30, lambda part: len(part.split()))
    assert evidence(INDEXED, point, 3, lambda part: len(part.split())) == ""
