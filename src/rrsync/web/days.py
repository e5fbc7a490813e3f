"""What stood out on a day in Belgium, library by library; that it was looked at is an entry of each log."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response

from rrsync.core.plan import belgian_day
from rrsync.web import looks
from rrsync.web.guard import Inside
from rrsync.web.house import house
from rrsync.web.page import go, respond
from rrsync.web.paths import PATHS
from rrsync.web.people import actor
from rrsync.web.turned import Away, TurnedAway
from rrsync.web.views.frame import Place
from rrsync.web.views.review import DayPage, DayPart, Overdue

if TYPE_CHECKING:
    from collections.abc import Collection

    from rrsync.audit.digest import Digest
    from rrsync.wiring.rooms import App

_ONE: Final = timedelta(days=1)


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["days"], newest, methods=["GET"])
    app.add_api_route(PATHS["day"], show, methods=["GET"])


def newest(request: Request) -> Response:
    """Lead to the last day that has ended."""
    return go("day", day=house(request).app.oversight.digests.yesterday().isoformat())


def show(request: Request, visit: Inside, day: str) -> Response:
    """Show what stood out on a day, also on one that has only begun."""
    home = house(request)
    app, theirs = home.app, looks.libraries(request, visit)
    first, last = _began(app, theirs), belgian_day(home.now)
    when = _day(day, first, last)
    for library in theirs:
        app.notary.hold(library)
    found = app.oversight.digest(tuple(theirs), when, actor(visit))
    page = DayPage(
        day=when,
        parts=tuple(_part(each, theirs[each.library]) for each in found),
        overdue=tuple(
            Overdue(each.library, month.month.text, month.left, month.of) for each in found for month in each.overdue
        ),
        before=when - _ONE if when > first else None,
        after=when + _ONE if when < last else None,
    )
    return respond(request, page, here=Place.DAYS)


def _part(found: Digest, title: str) -> DayPart:
    return DayPart(
        found.library,
        title,
        found.looks,
        found.people,
        looks.lines(found.flagged),
        looks.lines(found.refused),
        looks.lines(found.mixups),
    )


def _began(app: App, libraries: Collection[str]) -> date:
    """Give the first day that can be shown: the one on which a log began, or yesterday."""
    began = [belgian_day(at) for library in libraries if (at := app.ledger.began(library)) is not None]
    return min([*began, app.oversight.digests.yesterday()])


def _day(text: str, first: date, last: date) -> date:
    """Give the day that an address names.

    Raises:
        TurnedAway: it is no day, or none that can be shown.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise TurnedAway(Away.MISSING) from error
    if not first <= day <= last:
        raise TurnedAway(Away.MISSING)
    return day
