"""Loops are noticed; what people ask for is not taken for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.engine.repetition import Repetition
from models.llama import Model


@pytest.fixture(scope="module")
def model(tiny: Path) -> Iterator[Model]:
    with Model(tiny, gpu_layers=0) as model:
        yield model


def stops_at(model: Model, text: str) -> int | None:
    """How many tokens of a text are written before it is taken for a loop; None: all."""
    repetition = Repetition()
    for count, token in enumerate(model.tokenize(text, add_special=False, parse_special=False), 1):
        if repetition.feed(token):
            return count
    return None


LINE = "She sells sea shells on the sea shore, and he buys them all for his mother.\n"
PARAGRAPH = "".join(
    f"Sentence number {i} says that the sea is deep and the {w} is wide. " for i, w in enumerate("abcdef")
)


@pytest.mark.parametrize(
    ("loop", "most"),
    [
        (" ", 1000),
        ("\n", 1000),
        ("\n\n  \n", 600),
        ("ha", 600),
        ("0, ", 600),
        (LINE, 600),
        ("Да, конечно. ", 600),
        ('{"value":1,"children":[', 600),
        ("| a | b |\n", 600),
        (PARAGRAPH, 1000),
    ],
)
def test_loops_are_noticed(model: Model, loop: str, most: int) -> None:
    stopped = stops_at(model, "Here is what I have to say: " + loop * (20_000 // len(loop)))
    assert stopped is not None
    assert stopped <= most


TABLE = "| name | age | city |\n|---|---|---|\n" + "".join(f"| Vera {i} | {20 + i} | Tomsk |\n" for i in range(60))
SONG = "".join(f"Verse {i}: the wind of year {i * 37} blows.\n{LINE * 2}" for i in range(30))


@pytest.mark.parametrize(
    "text",
    [
        "-" * 200 + "\n" + "=" * 200,
        ", ".join(str(i) for i in range(1, 500)),
        "[" + ",".join("0" * 100) + "]",
        "[" + ", ".join("0" * 100) + "]",
        TABLE,
        SONG,
        LINE * 15,
        "".join(f"    total += values[{i}]\n" for i in range(80)),
        "        return None\n" * 12,
        "".join(f'{{"id":{i},"ok":true,"tags":[]}},' for i in range(100)),
        "".join(" " * i + "*" * (41 - 2 * i) + "\n" for i in range(20)),
        "\n".join(["+" + "-" * 60 + "+", *["|" + " " * 60 + "|"] * 12, "+" + "-" * 60 + "+"]),
    ],
    ids=range(12),
)
def test_what_people_ask_for_is_no_loop(model: Model, text: str) -> None:
    assert stops_at(model, text) is None
