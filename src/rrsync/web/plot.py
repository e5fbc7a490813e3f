"""Bars by day, one small row for each of a few series, all on one scale: what a template draws as SVG.

Every row has its own place, so nothing is told by colour alone; and the numbers stand in a table beside it.

>>> drawn = rows([("desk", (0, 2, 4)), ("night", (8, 0, 0))], first=date(2026, 11, 1))
>>> drawn.most, [row.total for row in drawn.rows], drawn.rows[0].bars[0].height
(8, [6, 8], 7.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 600.0
HEIGHT: Final = 28.0
_GAP: Final = 0.25  # of a day's width
_TICKS: Final = 5
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's bar, in the drawing's own units: ``x`` from the left, ``y`` from the top."""

    day: date
    count: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Row:
    """One series: its label, its total, its bars; days without any have none."""

    label: str
    total: int
    counts: tuple[int, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A day named under the rows, and where its middle is, in hundredths of the width."""

    day: date
    share: float


@dataclass(frozen=True, slots=True)
class Rows:
    """All series of a drawing; ``most`` is the highest count, which all rows are drawn to."""

    days: tuple[date, ...]
    rows: tuple[Row, ...]
    most: int
    ticks: tuple[Tick, ...]
    weekends: tuple[tuple[float, float], ...]
    width: float = WIDTH
    height: float = HEIGHT


def rows(series: Sequence[tuple[str, Sequence[int]]], *, first: date) -> Rows:
    """Place the bars of each series, a label with a count for each day from ``first`` on."""
    length = max((len(counts) for _, counts in series), default=0)
    days = tuple(first + timedelta(days=at) for at in range(length))
    most = max((count for _, counts in series for count in counts), default=0)
    step = WIDTH / length if length else WIDTH
    every = max(1, -(-length // _TICKS))
    return Rows(
        days=days,
        rows=tuple(_row(label, tuple(counts), days, step, most) for label, counts in series),
        most=most,
        ticks=tuple(Tick(days[at], round(100 * (at + 0.5) / length, 1)) for at in range(0, length, every)),
        weekends=tuple(
            (round(at * step, 1), round(step, 1)) for at, day in enumerate(days) if day.weekday() >= _SATURDAY
        ),
    )


def _row(label: str, counts: tuple[int, ...], days: Sequence[date], step: float, most: int) -> Row:
    bars = []
    for at, (day, count) in enumerate(zip(days, counts, strict=False)):
        if count:
            height = max(1.0, round(HEIGHT * count / most, 1))
            x = round((at + _GAP / 2) * step, 1)
            bars.append(Bar(day, count, x, round(HEIGHT - height, 1), round(step * (1 - _GAP), 1), height))
    return Row(label, sum(counts), counts, tuple(bars))
