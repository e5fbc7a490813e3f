"""The officer's overview: how every log stands, what awaits; and having a log recomputed behind the pages.

What stood out on a day in Belgium, library by library; that it was looked at is an entry of each log.

What the data-protection officer sees first: how every log stands, and what awaits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from fastapi import FastAPI, Form, Request, Response

from rrsync.app.services import App, recount
from rrsync.audit.anchoring import Keeping
from rrsync.audit.oversight import Digest
from rrsync.config.settings import AnchorSettings
from rrsync.core.planning import belgian_day
from rrsync.errors import BrokenChain, LedgerError, RrsyncError
from rrsync.store.access_log import Head
from rrsync.store.sessions import Visit
from rrsync.text.formatting import number
from rrsync.web import log_pages
from rrsync.web.desk_pages import actor, language
from rrsync.web.guard import Away, House, Inside, TurnedAway, house
from rrsync.web.log_pages import LookLine
from rrsync.web.paths import PATHS
from rrsync.web.render import Flash, Place, Tone
from rrsync.web.responses import go, respond, say
from rrsync.web.sample import Overdue

AnchorState: TypeAlias = Literal["good", "late", "failing", "never"]


@dataclass(frozen=True, slots=True)
class AnchorLine:
    """An anchor of a log: its name and kind (``file``, ``mail``, ``witness``), what it keeps and since when.

    ``failed_at`` is when it failed, if that is after it last took something in.
    """

    name: str
    kind: str
    state: AnchorState
    size: int | None = None
    at: datetime | None = None
    failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong, in an error's own sentences; when it was found and by whom, if not just now."""

    what: str
    kept: str
    todo: str
    at: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class LogState:
    """A log at a glance. ``is_whole`` is ``None`` before it was ever verified; ``fault`` is what is wrong with it.

    ``is_running`` says that it is recomputed now, ``trouble`` why that, or looking at it, came to nothing.
    """

    library: str
    title: str
    size: int
    root: str
    is_whole: bool | None
    verified_at: datetime | None
    verified_by: str
    verified_size: int
    signed_at: datetime | None
    signed_size: int
    anchors: tuple[AnchorLine, ...]
    fault: Found | None = None
    trouble: Found | None = None
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What awaits the officer: a key of the page's words, how many, where, and whether it is late."""

    key: str
    count: int
    place: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class OfficerPage:
    """The state of the logs and what awaits; the form sends ``library`` to have a log recomputed."""

    name: ClassVar[str] = "officer"

    logs: tuple[LogState, ...]
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class DayPart:
    """One library's day: how many looks by how many people, and what somebody should look into."""

    library: str
    title: str
    looks: int
    people: int
    flagged: tuple[LookLine, ...] = ()
    refused: tuple[LookLine, ...] = ()
    mixups: tuple[LookLine, ...] = ()


@dataclass(frozen=True, slots=True)
class DayPage:
    """What stood out on a day in Belgium; ``before`` and ``after`` are the days beside it that can be shown."""

    name: ClassVar[str] = "day"

    day: date
    parts: tuple[DayPart, ...]
    overdue: tuple[Overdue, ...] = ()
    before: date | None = None
    after: date | None = None


#: How long a log that is recomputed may keep the browser waiting: a small one is done by then.
_WAIT_S: Final = 1.5


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["officer"], overview, methods=["GET"])
    app.add_api_route(PATHS["verify"], verify, methods=["POST"])


def overview(request: Request, visit: Inside) -> Response:
    """Show how the logs stand and what awaits; what stood out yesterday is a look, and an entry of each log."""
    here = house(request)
    logs = tuple(_state(here, name, title) for name, title in log_pages.libraries(request, visit).items())
    readable = [log.library for log in logs if log.fault is None and log.trouble is None]
    return respond(request, OfficerPage(logs, _tasks(here.app, visit, readable)), here=Place.OFFICER)


def verify(request: Request, visit: Inside, library: Annotated[str, Form()] = "") -> Response:
    """Have a whole log recomputed, behind the pages; the overview says what came of it."""
    here, name = house(request), log_pages.chosen(request, visit, library)
    if not name:
        return go("officer")
    who, recompute, job = actor(visit), recount(here.app), _job(name)
    here.jobs.start(job, lambda: recompute.verify(name, who))
    if not here.jobs.wait(job, _WAIT_S):
        say(request, visit, Flash("info", "verifying", {"library": here.libraries[name]}))
    elif here.jobs.trouble(job) is None:
        last = recompute.last(name)
        size = number(last.size if last else 0, language(request))
        say(request, visit, Flash("good", "verified", {"library": here.libraries[name], "size": size}))
    return go("officer")


def _job(library: str) -> str:
    return f"verify {library}"


def _state(here: House, library: str, title: str) -> LogState:
    """Give how a log stands; of one that is broken, what can still be read of it."""
    app, job = here.app, _job(library)
    trouble = here.jobs.trouble(job)
    try:
        recounted = recount(app).last(library)
        signed, head = app.checkpoints.last(library), app.ledger.head(library)
    except BrokenChain:
        recounted, signed, head = None, None, Head(library, 0, "")
    fault, unread = _fault(app, library)
    return LogState(
        library=library,
        title=title,
        size=head.size,
        root=head.root,
        is_whole=False if fault else None if recounted is None else True,
        verified_at=recounted.at if recounted else None,
        verified_by=log_pages.name(recounted.by) if recounted else "",
        verified_size=recounted.size if recounted else 0,
        signed_at=signed.at if signed else None,
        signed_size=signed.size if signed else 0,
        anchors=tuple(
            _anchor(said, kept) for said, kept in zip(app.settings.log.anchor, app.keepers.states(library), strict=True)
        ),
        fault=fault,
        trouble=unread if trouble is None or isinstance(trouble, BrokenChain) else _found(trouble),
        is_running=here.jobs.running(job),
    )


def _fault(app: App, library: str) -> tuple[Found | None, Found | None]:
    """Give what is wrong with a log, and why that cannot be told now.

    What recomputing it found is known until it was found whole; else it is held against what was signed of it.
    """
    try:
        if (kept := recount(app).fault(library)) is not None:
            return Found(kept.what, kept.kept, kept.todo, kept.at, kept.by), None
        app.notary.hold(library)
    except BrokenChain as error:
        return _found(error), None
    except LedgerError as error:
        return None, _found(error)
    return None, None


def _found(error: RrsyncError) -> Found:
    return Found(error.what, error.kept, error.todo)


def _anchor(said: AnchorSettings, kept: Keeping) -> AnchorLine:
    state: AnchorState = "good"
    if kept.failed_at is not None:
        state = "failing"
    elif kept.last is None:
        state = "never"
    elif kept.is_late:
        state = "late"
    last = kept.last
    return AnchorLine(
        kept.name, said.kind, state, last.size if last else None, last.at if last else None, kept.failed_at
    )


def _tasks(app: App, visit: Visit, libraries: Sequence[str]) -> tuple[Task, ...]:
    """Give what awaits the officer in the logs that can be read; what counts nothing is no task."""
    oversight = app.oversight
    found = oversight.digest(libraries, oversight.digests.yesterday(), actor(visit))
    months = [month for library in libraries for month in oversight.samples.months(library)]
    tasks = (
        Task("mixups", sum(len(each.mixups) for each in found), "days", "bad"),
        Task("refused", sum(len(each.refused) for each in found), "days", "warn"),
        Task("flagged", sum(len(each.flagged) for each in found), "days", "warn"),
        Task("overdue", sum(month.is_late for month in months), "samples", "warn"),
        Task("sample", sum(month.left for month in months if not month.is_late), "samples", "info"),
    )
    return tuple(task for task in tasks if task.count)


_ONE: Final = timedelta(days=1)


def mount_days(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["days"], newest, methods=["GET"])
    app.add_api_route(PATHS["day"], show, methods=["GET"])


def newest(request: Request) -> Response:
    """Lead to the last day that has ended."""
    return go("day", day=house(request).app.oversight.digests.yesterday().isoformat())


def show(request: Request, visit: Inside, day: str) -> Response:
    """Show what stood out on a day, also on one that has only begun."""
    home = house(request)
    app, theirs = home.app, log_pages.libraries(request, visit)
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
        log_pages.lines(found.flagged),
        log_pages.lines(found.refused),
        log_pages.lines(found.mixups),
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
