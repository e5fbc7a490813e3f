"""How many looks there were by day, drawn: by purpose, by library, by member of staff."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response

from rrsync.core.plan import belgian_day
from rrsync.web import looks, plot
from rrsync.web.guard import Inside
from rrsync.web.house import house
from rrsync.web.page import respond
from rrsync.web.paths import PATHS
from rrsync.web.people import actor, language
from rrsync.web.views.frame import Place
from rrsync.web.views.log import FiguresPage
from rrsync.web.words.codes import PURPOSES
from rrsync.web.words.figures import OTHERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rrsync.store.tally import Group

_CHOICES: Final = (7, 30, 90)
_USUAL: Final = "30"
#: How many of the staff have a row of their own; the others have one together.
_STAFF: Final = 15


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["figures"], show, methods=["GET"])


def show(request: Request, visit: Inside, days: str = _USUAL) -> Response:
    """Draw the last days, today included; that they were looked at is an entry of each log."""
    home = house(request)
    length = int(days) if days in map(str, _CHOICES) else int(_USUAL)
    last = belgian_day(home.now)
    first = last - timedelta(days=length - 1)
    theirs = looks.libraries(request, visit)
    for library in theirs:
        home.app.notary.hold(library)
    found = home.app.oversight.figures(tuple(theirs), first, actor(visit))
    spoken, words = language(request), PURPOSES[language(request)]
    groups = [(library, group, count) for library, sums in found.items() for group, count in sums.items()]
    purposes = ((words.get(group.purpose, group.purpose), group, count) for _, group, count in groups)
    titled = ((theirs[library], group, count) for library, group, count in groups)
    staff = _most(((group.person, group, count) for _, group, count in groups if group.person), OTHERS[spoken])
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


def _series(counts: Iterable[tuple[str, Group, int]]) -> dict[str, Counter[date]]:
    """Give what was counted under each label, by day in Belgium; the most first."""
    found: defaultdict[str, Counter[date]] = defaultdict(Counter)
    for label, group, count in counts:
        found[label][belgian_day(group.hour)] += count
    return dict(sorted(found.items(), key=lambda each: (-each[1].total(), each[0])))


def _most(counts: Iterable[tuple[str, Group, int]], others: str) -> dict[str, Counter[date]]:
    """Give the same of those who looked the most, and of all others together."""
    series = list(_series(counts).items())
    rest = series[_STAFF:]
    together = sum((sums for _, sums in rest), Counter[date]())
    return dict(series[:_STAFF]) | ({others.format(len(rest)): together} if rest else {})


def _rows(series: Mapping[str, Counter[date]], first: date, length: int) -> plot.Rows:
    days = [first + timedelta(days=at) for at in range(length)]
    return plot.rows([(label, [sums[day] for day in days]) for label, sums in series.items()], first=first)
