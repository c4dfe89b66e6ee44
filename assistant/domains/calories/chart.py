"""A day against the goal and a week in bars, as lines of a terminal; the week as a picture too."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

from assistant.domains.calories.entry import Day
from assistant.domains.calories.foods import Nutrients
from assistant.domains.calories.goal import Goal
from assistant.domains.calories.messages import Words
from models.files import write_whole

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_DRAWN = _EIGHTHS + "│–"
_NARROWEST, _WIDEST = 8, 50  # cells of a bar
_MACROS = ("protein_g", "fat_g", "carbohydrate_g")
_ACCENT, _OVER, _GREY = "#1f5fa8", "#c8553d", "#9a9a9a"


def drawable(encoding: str | None) -> bool:
    """Whether a terminal of this encoding can show blocks; the others get plain ASCII."""
    try:
        _DRAWN.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def day_lines(totals: Nutrients, goal: Goal | None, say: Words, width: int = 80, *, blocks: bool = True) -> list[str]:
    """Energy and nutrients of a day; each with its bar where there is a goal."""
    rows: list[tuple[str, float, str]] = []
    for name, key in (("kcal", "kcal"), ("protein_g", "protein"), ("fat_g", "fat"), ("carbohydrate_g", "carbohydrate")):
        value, wanted = getattr(totals, name), getattr(goal, name) if goal else None
        amount = say.number(value)
        if wanted:
            rest = wanted - (value or 0)
            share = say.number(100 * (value or 0) / wanted)
            amount = say("of_goal", value=amount, goal=say.number(wanted), percent=share)
            amount += f", {say('left' if rest >= 0 else 'over', value=say.number(abs(rest)))}"
        rows.append(
            (say(key) if name == "kcal" else f"{say(key)}, {say('grams')}", (value or 0) / (wanted or 1), amount)
        )
    names, amounts = max(len(row[0]) for row in rows), max(len(row[2]) for row in rows)
    cells = min(width - names - amounts - 4, _WIDEST)
    bars = goal is not None and cells >= _NARROWEST
    return [
        _plain(f"{name:<{names}}  {_bar(min(share, 1), cells, blocks=blocks) + '  ' if bars else ''}{amount}", blocks)
        for name, share, amount in rows
    ]


def week_lines(
    days: Sequence[Day], goal: Goal | None, say: Words, width: int = 80, *, blocks: bool = True
) -> list[str]:
    """A bar a day, the goal as a line through them, and the mean of the days that have entries."""
    known = [day for day in days if day.entries]
    if not known:
        return [_plain(say("empty_week", first=say.day(days[0].day), last=say.day(days[-1].day)), blocks)]
    energies = [day.totals.kcal or 0.0 for day in days]
    rows = [
        (
            f"{say.weekday(day.day)} {day.day.day:>2}",
            energy,
            f"{say.number(energy):>6}" if day.entries else f"{say.number(None):>6}",
            "  ".join(
                f"{say(key)} {say.number(getattr(day.totals, name)):>3}"
                for key, name in zip("pfc", _MACROS, strict=True)
            )
            if day.entries
            else "",
        )
        for day, energy in zip(days, energies, strict=True)
    ]
    fixed, macros = max(len(row[0]) for row in rows) + 2 + 2 + 6, max(len(row[3]) for row in rows) + 2
    told = width - fixed - macros >= 2 * _NARROWEST
    cells = max(min(width - fixed - (macros if told else 0), _WIDEST), _NARROWEST)
    top = max([*energies, goal.kcal if goal else 0.0]) * 1.02 or 1.0
    mark = min(round(goal.kcal / top * cells), cells - 1) if goal else None
    lines = [say("week_title", first=say.day(days[0].day), last=say.day(days[-1].day))]
    for name, energy, amount, macro in rows:
        bar = _bar(energy / top, cells, blocks=blocks)
        if mark is not None:
            bar = f"{bar[:mark]}│{bar[mark + 1 :]}"
        lines.append(f"{name:<{fixed - 10}}  {bar}  {amount}{'  ' + macro if told else ''}".rstrip())
    if goal and mark is not None:
        lines.append(f"{'':{fixed - 8 + mark}}│ {say('goal_line', kcal=say.number(goal.kcal))}")
    lines += textwrap.wrap(_average(known, say), max(width, 20))
    return [_plain(line, blocks) for line in lines]


def draw_week(days: Sequence[Day], goal: Goal | None, say: Words, path: Path) -> None:
    """Write the week as a picture; the format is that of the file's ending. It appears whole or not at all.

    Raises:
        OSError: it cannot be written. ValueError: nobody knows this format.
    """
    # Not pyplot, which looks for a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    energies = [day.totals.kcal or 0.0 for day in days]
    colours = [_OVER if goal and energy > goal.kcal else _ACCENT for energy in energies]
    bars = axes.bar(range(len(days)), energies, color=colours, width=0.62, zorder=2)
    labels = [
        say.number(energy) if day.entries else say.number(None) for day, energy in zip(days, energies, strict=True)
    ]
    axes.bar_label(bars, labels, padding=3, fontsize=9)
    axes.set_xticks(range(len(days)), [say.day(day.day).replace(" ", "\n", 1) for day in days])
    axes.set_ylim(0, max([*energies, goal.kcal if goal else 0, 100]) * 1.15)
    axes.set_ylabel(say("kcal"))
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if goal:
        label = say("goal_line", kcal=say.number(goal.kcal))
        axes.axhline(goal.kcal, color=_GREY, linestyle="--", linewidth=1.2, zorder=3, label=label)
        axes.legend(frameon=False, loc="upper right", fontsize=9)
    title = say("week_title", first=say.day(days[0].day), last=say.day(days[-1].day))
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    if known := [day for day in days if day.entries]:
        figure.supxlabel(_average(known, say), fontsize=8.5, color="#555555")
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix.lstrip(".") or "png")
    write_whole(path, picture.getvalue())


def _average(days: Sequence[Day], say: Words) -> str:
    def mean(name: str) -> str:
        values = [value for day in days if (value := getattr(day.totals, name)) is not None]
        return say.number(sum(values) / len(values) if values else None)

    return say(
        "average", days=say.count(len(days), "days"), kcal=mean("kcal"),
        **{name.removesuffix("_g"): mean(name) for name in _MACROS},
    )  # fmt: skip


def _bar(share: float, cells: int, *, blocks: bool) -> str:
    """``share`` of the cells are filled, to an eighth of one."""
    if not blocks:
        return f"{'#' * round(share * cells):<{cells}}"
    eighths = round(share * cells * 8)
    bar = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    return f"{bar:<{cells}}"


def _plain(line: str, blocks: bool) -> str:
    """What is left without letters that only some terminals have."""
    return line if blocks else line.replace("│", "|").replace("–", "-").replace("−", "-").replace("\u00a0", " ")
