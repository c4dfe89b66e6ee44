"""The chart of quality: a picture, and lines of text."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from convert.measuring.chart import Point, draw, front, lines, print_chart

GB = 10**9
POINTS = [  # Llama-3-8B, wikitext-2
    Point("Q2_K", int(3.18 * GB), 0.445, 9.1),
    Point("Q4_0", int(4.66 * GB), 0.0719, 9.8),
    Point("Q4_K_M", int(4.92 * GB), 0.0313, 8.1),
    Point("Q5_K_S", int(5.95 * GB), 0.0320, 8.1),
    Point("Q8_0", int(8.54 * GB), 0.0014, 5.0),
]


def test_the_front_is_what_nothing_smaller_beats() -> None:
    assert [point.label for point in front(POINTS)] == ["Q2_K", "Q4_0", "Q4_K_M", "Q8_0"]
    assert front([]) == []


@pytest.mark.parametrize(
    "points", [POINTS, POINTS[:1], [Point("same", GB, 0.0), Point("b", GB, 0.1)], POINTS * 4], ids=len
)
def test_a_picture_of_any_points(points: list[Point], tmp_path: Path) -> None:
    from matplotlib.image import imread

    path = tmp_path / "chart.png"
    draw(points, path, title="Llama-3-8B")
    picture = imread(path)
    assert picture.shape[:2] == (750, 1200)
    assert len({tuple(pixel) for pixel in picture[::5, ::5].reshape(-1, picture.shape[2])}) > 5
    assert list(tmp_path.iterdir()) == [path]


def test_the_ending_says_the_format(tmp_path: Path) -> None:
    draw(POINTS, tmp_path / "chart.svg")
    picture = (tmp_path / "chart.svg").read_text()
    assert picture.startswith("<?xml")
    with pytest.raises(ValueError, match="nothing"):
        draw([], tmp_path / "none.png")


def test_lines_of_text() -> None:
    said = io.StringIO()
    print_chart(POINTS, width=80, file=said)
    text = said.getvalue()
    assert "\x1b" not in text
    for point in POINTS:
        assert f"{point.label} {point.speed:.0f} tok/s" in text
    assert text.count("●") == 4
    assert text.count("○") == 1
    rows = text.splitlines()
    assert max(map(len, rows)) <= 80

    def place(label: str) -> tuple[int, int]:
        return next((number, max(map(row.find, "●○"))) for number, row in enumerate(rows) if label in row)

    assert place("Q2_K")[0] < place("Q4_K_M")[0] < place("Q8_0")[0]  # the more is lost, the higher
    assert place("Q2_K")[1] < place("Q4_K_M")[1] < place("Q8_0")[1]  # the larger, the farther right
    assert rows[-1].split() == ["3.18", "8.54", "GB"]


@pytest.mark.parametrize("width", [20, 40, 200])
def test_no_point_goes_untold(width: int) -> None:
    crowd = [Point(f"type{number}", GB + number, 0.1 + number / 1e6, None) for number in range(9)]
    text = "\n".join(lines(crowd, width))
    assert all(point.label in text for point in crowd)
    assert lines([]) == []
