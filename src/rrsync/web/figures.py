"""The accesses of each day, drawn: by purpose, by library, by member of staff.

A template draws bars as SVG: a row for each series, all rows on one scale. Every row has its own place, so nothing
depends on colour alone; and the numbers stand in a table beside it.

>>> drawn = rows([("desk", (0, 2, 4)), ("night", (8, 0, 0))], first=date(2026, 11, 1))
>>> drawn.most, [row.total for row in drawn.rows], drawn.rows[0].bars[0].height
(8, [6, 8], 7.0)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Final

from fastapi import FastAPI, Request, Response

from rrsync.core.planning import belgian_day
from rrsync.store.reports import AccessGroup
from rrsync.text.catalogue import translated, translations
from rrsync.text.log_terms import PURPOSES
from rrsync.web.context import Context
from rrsync.web.guard import Inside, actor
from rrsync.web.paths import PATHS
from rrsync.web.render import Place
from rrsync.web.responses import respond

WIDTH: Final = 600.0
HEIGHT: Final = 28.0
_GAP: Final = 0.25  # of a day's width
_TICKS: Final = 5
_SATURDAY: Final = 5
_CHOICES: Final = (7, 30, 90)
_USUAL: Final = "30"
#: How many of the staff have a row of their own; the others have one together.
_STAFF: Final = 15


@dataclass(frozen=True, slots=True)
class FiguresPage:
    """Accesses per day, drawn; the same days by purpose, by library, by staff. ``days`` is one of ``choices``."""

    name: ClassVar[str] = "figures"

    first: date
    last: date
    days: int
    choices: tuple[int, ...]
    total: int
    by_purpose: BarChart
    by_library: BarChart | None
    by_staff: BarChart


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
class BarSeries:
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
class BarChart:
    """All series of a drawing; ``most`` is the highest count, which all rows are drawn to."""

    days: tuple[date, ...]
    rows: tuple[BarSeries, ...]
    most: int
    ticks: tuple[Tick, ...]
    weekends: tuple[tuple[float, float], ...]
    width: float = WIDTH
    height: float = HEIGHT


def rows(series: Sequence[tuple[str, Sequence[int]]], *, first: date) -> BarChart:
    """Place the bars of each series, a label with a count for each day from ``first`` on."""
    length = max((len(counts) for _, counts in series), default=0)
    days = tuple(first + timedelta(days=at) for at in range(length))
    most = max((count for _, counts in series for count in counts), default=0)
    step = WIDTH / length if length else WIDTH
    every = max(1, -(-length // _TICKS))
    return BarChart(
        days=days,
        rows=tuple(_row(label, tuple(counts), days, step, most) for label, counts in series),
        most=most,
        ticks=tuple(Tick(days[at], round(100 * (at + 0.5) / length, 1)) for at in range(0, length, every)),
        weekends=tuple(
            (round(at * step, 1), round(step, 1)) for at, day in enumerate(days) if day.weekday() >= _SATURDAY
        ),
    )


def _row(label: str, counts: tuple[int, ...], days: Sequence[date], step: float, most: int) -> BarSeries:
    bars = []
    for at, (day, count) in enumerate(zip(days, counts, strict=False)):
        if count:
            height = max(1.0, round(HEIGHT * count / most, 1))
            x = round((at + _GAP / 2) * step, 1)
            bars.append(Bar(day, count, x, round(HEIGHT - height, 1), round(step * (1 - _GAP), 1), height))
    return BarSeries(label, sum(counts), counts, tuple(bars))


def register_routes(app: FastAPI) -> None:
    """Add the route of the figures."""
    app.add_api_route(PATHS["figures"], show, methods=["GET"])


def show(request: Request, ctx: Context, visit: Inside, days: str = _USUAL) -> Response:
    """Draw the last days, today included; the look is an entry of each log."""
    length = int(days) if days in map(str, _CHOICES) else int(_USUAL)
    last = belgian_day(ctx.now)
    first = last - timedelta(days=length - 1)
    theirs = ctx.reached(visit)
    for library in theirs:
        ctx.notary.hold(library)
    found = ctx.oversight.figures(tuple(theirs), first, actor(visit))
    spoken = ctx.language(request)
    groups = [(library, group, count) for library, sums in found.items() for group, count in sums.items()]
    purposes = ((translated(PURPOSES, group.purpose, spoken), group, count) for _, group, count in groups)
    titled = ((theirs[library], group, count) for library, group, count in groups)
    persons = ((group.person, group, count) for _, group, count in groups if group.person)
    staff = _most(persons, translations(spoken).gettext("%(number)s others together"))
    page = FiguresPage(
        first=first,
        last=last,
        days=length,
        choices=_CHOICES,
        total=sum(count for _, _, count in groups),
        by_purpose=_rows(_series(purposes), first, length),
        by_library=_rows(_series(titled), first, length) if len(theirs) > 1 else None,
        by_staff=_rows(staff, first, length),
    )
    return respond(request, page, here=Place.FIGURES)


def _series(counts: Iterable[tuple[str, AccessGroup, int]]) -> dict[str, Counter[date]]:
    """Return the counts of each label, by day in Belgium; the highest total first."""
    found: defaultdict[str, Counter[date]] = defaultdict(Counter)
    for label, group, count in counts:
        found[label][belgian_day(group.hour)] += count
    return dict(sorted(found.items(), key=lambda each: (-each[1].total(), each[0])))


def _most(counts: Iterable[tuple[str, AccessGroup, int]], others: str) -> dict[str, Counter[date]]:
    """Return the same for those with the most accesses, and for all others together."""
    series = list(_series(counts).items())
    rest = series[_STAFF:]
    together = sum((sums for _, sums in rest), Counter[date]())
    return dict(series[:_STAFF]) | ({others % {"number": len(rest)}: together} if rest else {})


def _rows(series: Mapping[str, Counter[date]], first: date, length: int) -> BarChart:
    days = [first + timedelta(days=at) for at in range(length)]
    return rows([(label, [sums[day] for day in days]) for label, sums in series.items()], first=first)
