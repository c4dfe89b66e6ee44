"""Quality against size and speed, as a picture and in the terminal: what a smaller file costs."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from models.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST = 1e-6  # KL divergence of the same file is 0, which a logarithmic axis cannot show
_ACCENT, _GREY = "#1f5fa8", "#9a9a9a"


@dataclass(frozen=True, slots=True)
class Point:
    """``size`` in bytes, ``kl`` the mean KL divergence in nats, ``speed`` of decode in tokens per second."""

    label: str
    size: int
    kl: float
    speed: float | None = None


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other point beats in size and quality together, smallest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda one: (one.size, one.kl)):
        if not best or point.kl < best[-1].kl:
            best.append(point)
    return best


def draw(points: Sequence[Point], path: Path, *, title: str = "") -> None:
    """Write the chart as a picture; the format is that of the file's ending. It appears whole or not at all.

    Raises:
        ValueError: there are no points. OSError: it cannot be written.
    """
    # Not pyplot, which looks for a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if not points:
        raise ValueError("a chart of nothing")
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    sizes, losses = [point.size / 1e9 for point in points], [max(point.kl, _LEAST) for point in points]
    axes.set_yscale("log")
    margin = 0.14 * (max(sizes) - min(sizes)) or 0.1 * max(sizes)
    axes.set_xlim(min(sizes) - margin, max(sizes) + margin)
    axes.set_ylim(min(losses) / 1.8, max(losses) * 1.8)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel("size of the file, GB")
    axes.set_ylabel("mean KL divergence, nats (less is better)")
    if title:
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")

    best = front(points)
    axes.plot(
        [point.size / 1e9 for point in best],
        [max(point.kl, _LEAST) for point in best],
        *("--",), color=_ACCENT, alpha=0.5, linewidth=1.2, zorder=2, label="nothing smaller is as good",
    )  # fmt: skip
    edges = [_ACCENT if point in best else _GREY for point in points]
    speeds = [point.speed for point in points if point.speed is not None]
    if len(speeds) == len(points) > 1:
        dots = axes.scatter(sizes, losses, s=90, c=speeds, cmap="YlGnBu", edgecolors=edges, linewidths=1.5, zorder=3)
        figure.colorbar(dots, ax=axes, label="decode on this machine, tokens per second", pad=0.02).outline.set_visible(
            False
        )
    else:
        axes.scatter(sizes, losses, s=90, c=edges, zorder=3)
    if len(best) > 1:
        axes.legend(frameon=False, loc="lower left", fontsize=9)
    canvas.draw()  # type: ignore[no-untyped-call]  # labels are placed where there is room, in pixels
    _label(axes, canvas, points, best)

    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix.lstrip(".") or "png")
    write_whole(path, picture.getvalue())


def _label(axes: Axes, canvas: object, points: Sequence[Point], best: Sequence[Point]) -> None:
    """Name and speed beside each point, on the first side where no other label or point is."""
    from matplotlib.patheffects import withStroke
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    renderer = canvas.get_renderer()  # type: ignore[attr-defined]
    taken = []
    for point in points:
        x, y = axes.transData.transform((point.size / 1e9, max(point.kl, _LEAST)))
        taken.append(Bbox.from_bounds(x - 9, y - 9, 18, 18))
    halo = [withStroke(linewidth=2.5, foreground="white")]
    # right, left, above, below, then askew; farther away with a line to the point
    ways = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, -1), (-1, 1)]
    places = [(x * distance, y * distance) for distance in (9, 24, 40, 60) for x, y in ways]
    for point in sorted(points, key=lambda one: one.size):
        text = None
        for x, y in places:
            if text:
                text.remove()
            text = axes.annotate(
                f"{point.label}\n{point.speed:.3g} tok/s" if point.speed is not None else point.label,
                (point.size / 1e9, max(point.kl, _LEAST)), (x, y), textcoords="offset points",
                ha="left" if x > 0 else "right" if x else "center", va="bottom" if y > 0 else "top" if y else "center",
                fontsize=8.5, linespacing=1.1, color="#222222" if point in best else "#777777", path_effects=halo,
                arrowprops={"arrowstyle": "-", "color": _GREY, "linewidth": 0.7} if max(x, y, -x, -y) > 9 else None,
            )  # fmt: skip
            text.set_in_layout(False)
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer)  # without the line
            inside = all(axes.bbox.contains(x, y) for x, y in box.corners())
            if inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def print_chart(points: Sequence[Point], width: int = 80, height: int = 20, file: TextIO | None = None) -> None:
    """Print the chart, in plain characters: ● is what nothing smaller beats, ○ the rest."""
    print("\n".join(lines(points, width, height)), file=file or sys.stdout)


def lines(points: Sequence[Point], width: int = 80, height: int = 20) -> list[str]:
    """The chart as lines of ``width`` characters at the most."""
    if not points:
        return []
    best = front(points)
    left = 9
    columns, rows = max(width - left - 1, 30), max(height - 3, 5)
    sizes, losses = [point.size / 1e9 for point in points], [math.log10(max(point.kl, _LEAST)) for point in points]
    labels = [f"{point.label} {point.speed:.0f} tok/s" if point.speed is not None else point.label for point in points]
    room = columns - 3 - max(map(len, labels))  # labels are on the right
    grid = [[" "] * columns for _ in range(rows)]

    def place(values: Sequence[float], value: float, cells: int) -> int:
        low, high = min(values), max(values)
        return round((value - low) / (high - low) * (cells - 1)) if high > low else cells // 2

    spots = [
        (rows - 1 - place(losses, loss, rows), place(sizes, size, max(room, 1)))
        for size, loss in zip(sizes, losses, strict=True)
    ]
    for (row, column), point in zip(spots, points, strict=True):
        grid[row][column] = "●" if point in best else "○"
    untold = []
    for (row, column), label in zip(spots, labels, strict=True):
        # Beside the point, right or left, or a row above or below it.
        places = [(row, column + 2), (row, column - 1 - len(label)), (row - 1, column + 2), (row + 1, column + 2)]
        for line, start in places:
            under = range(max(start - 1, 0), min(start + len(label) + 1, columns))
            free = all(grid[line % rows][at] == " " for at in under if (line, at) != (row, column))
            if start >= 0 and 0 <= line < rows and free:
                grid[line][start : start + len(label)] = label
                break
        else:
            untold.append(label)
    found = ["KL divergence, nats"]
    for row, cells in enumerate(grid):
        loss = max(losses) - (max(losses) - min(losses)) * row / (rows - 1)
        told = row % 3 == 0 if max(losses) > min(losses) else row == rows // 2
        tick = f"{10**loss:.2g}" if told else ""
        found.append(f"{tick:>{left - 1}} │{''.join(cells).rstrip()}")
    found.append(" " * left + "└" + "─" * (columns - 1))
    low, high = f"{min(sizes):.2f}", f"{max(sizes):.2f}"
    gap = max(room - len(low) - len(high) // 2, 1)
    found.append(" " * (left + 1) + (f"{low}{'':{gap}}{high} GB" if max(sizes) > min(sizes) else f"{low} GB"))
    if untold:
        found.append(f"{'':{left + 1}}too close to write beside: {', '.join(untold)}")
    return found
