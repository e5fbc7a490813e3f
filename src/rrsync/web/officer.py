"""The officer's overview and the digest of a day.

The overview shows the state of every log and what needs attention; from it a log is recomputed in the background. The
digest shows what stood out on a day in Belgium, library by library. Each look at one is an entry of the logs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from fastapi import FastAPI, Form, Request, Response

from rrsync.audit.anchoring import AnchorStatus
from rrsync.audit.oversight import Digest
from rrsync.config.settings import AnchorSettings
from rrsync.core.planning import belgian_day
from rrsync.errors import BrokenChain, LedgerError, RrsyncError
from rrsync.store.access_log import LogHead
from rrsync.store.sessions import StaffSession
from rrsync.text.formatting import number
from rrsync.web import log_pages
from rrsync.web.context import Context, WebContext
from rrsync.web.guard import AccessError, Denied, Inside, actor
from rrsync.web.log_pages import LookLine, OverdueMonth
from rrsync.web.paths import PATHS
from rrsync.web.render import Flash, Place, Tone
from rrsync.web.responses import go, respond, say

AnchorState: TypeAlias = Literal["good", "late", "failing", "never"]

#: How long the browser waits for a log that is recomputed: a small one is done by then.
_WAIT_S: Final = 1.5
_ONE: Final = timedelta(days=1)


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
class LogFault:
    """A fault, in the sentences of an error; when it was found and by whom, if not just now."""

    what: str
    kept: str
    todo: str
    at: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class LogState:
    """The state of a log. ``is_whole`` is ``None`` before the first verification; ``fault`` is what is wrong with it.

    ``is_running`` says that it is being recomputed, ``trouble`` why that, or reading it, failed.
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
    fault: LogFault | None = None
    trouble: LogFault | None = None
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What needs the officer's attention: a key of the page's texts, how many, where, and how urgent."""

    key: str
    count: int
    place: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class OfficerPage:
    """The state of the logs and the tasks; the form sends ``library`` to have a log recomputed."""

    name: ClassVar[str] = "officer"

    logs: tuple[LogState, ...]
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class DayPart:
    """One library's day: how many accesses to how many people, and what somebody should look into."""

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
    overdue: tuple[OverdueMonth, ...] = ()
    before: date | None = None
    after: date | None = None


def register_routes(app: FastAPI) -> None:
    """Add the routes of the overview and of the digest of a day."""
    app.add_api_route(PATHS["officer"], overview, methods=["GET"])
    app.add_api_route(PATHS["verify"], verify, methods=["POST"])
    app.add_api_route(PATHS["days"], newest, methods=["GET"])
    app.add_api_route(PATHS["day"], show, methods=["GET"])


def overview(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the state of the logs and the tasks; these hold yesterday's digest, so the look is an entry of each log."""
    logs = tuple(_state(ctx, name, title) for name, title in ctx.reached(visit).items())
    readable = [log.library for log in logs if log.fault is None and log.trouble is None]
    return respond(request, OfficerPage(logs, _tasks(ctx, visit, readable)), here=Place.OFFICER)


def verify(request: Request, ctx: Context, visit: Inside, library: Annotated[str, Form()] = "") -> Response:
    """Recompute a whole log in the background; the overview says what came of it."""
    name = log_pages.chosen(ctx, visit, library)
    if not name:
        return go("officer")
    who, recount, job = actor(visit), ctx.recount(), _job(name)
    ctx.jobs.start(job, lambda: recount.verify(name, who))
    if not ctx.jobs.wait(job, _WAIT_S):
        say(request, visit, Flash("info", "verifying", {"library": ctx.libraries[name]}))
    elif ctx.jobs.failure(job) is None:
        last = recount.last(name)
        size = number(last.size if last else 0, ctx.language(request))
        say(request, visit, Flash("good", "verified", {"library": ctx.libraries[name], "size": size}))
    return go("officer")


def _job(library: str) -> str:
    return f"verify {library}"


def _state(ctx: WebContext, library: str, title: str) -> LogState:
    """Return the state of a log; of a broken one, what can still be read."""
    job, log_settings = _job(library), ctx.settings.log
    trouble = ctx.jobs.failure(job)
    try:
        recounted = ctx.recount().last(library)
        signed, head = ctx.checkpoints.last(library), ctx.access_log.head(library)
    except BrokenChain:
        recounted, signed, head = None, None, LogHead(library, 0, "")
    fault, unread = _fault(ctx, library)
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
            _anchor(said, kept) for said, kept in zip(log_settings.anchor, ctx.anchors.states(library), strict=True)
        ),
        fault=fault,
        trouble=unread if trouble is None or isinstance(trouble, BrokenChain) else _found(trouble),
        is_running=ctx.jobs.running(job),
    )


def _fault(ctx: WebContext, library: str) -> tuple[LogFault | None, LogFault | None]:
    """Return the fault of a log, and why that is not known now.

    A fault that recomputing found counts until the log is found whole; else the log is compared with its checkpoint.
    """
    try:
        if (kept := ctx.recount().fault(library)) is not None:
            return LogFault(kept.what, kept.kept, kept.todo, kept.at, kept.by), None
        ctx.notary.hold(library)
    except BrokenChain as error:
        return _found(error), None
    except LedgerError as error:
        return None, _found(error)
    return None, None


def _found(error: RrsyncError) -> LogFault:
    return LogFault(error.what, error.kept, error.todo)


def _anchor(said: AnchorSettings, kept: AnchorStatus) -> AnchorLine:
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


def _tasks(ctx: WebContext, visit: StaffSession, libraries: Sequence[str]) -> tuple[Task, ...]:
    """Return the officer's tasks in the logs that can be read."""
    found = ctx.oversight.digest(libraries, ctx.digests.yesterday(), actor(visit))
    months = [month for library in libraries for month in ctx.samples.months(library)]
    tasks = (
        Task("mixups", sum(len(each.mixups) for each in found), "days", "bad"),
        Task("refused", sum(len(each.refused) for each in found), "days", "warn"),
        Task("flagged", sum(len(each.flagged) for each in found), "days", "warn"),
        Task("overdue", sum(month.is_late for month in months), "samples", "warn"),
        Task("sample", sum(month.left for month in months if not month.is_late), "samples", "info"),
    )
    return tuple(task for task in tasks if task.count)


def newest(ctx: Context) -> Response:
    """Lead to the last day that has ended."""
    return go("day", day=ctx.digests.yesterday().isoformat())


def show(request: Request, ctx: Context, visit: Inside, day: str) -> Response:
    """Show what stood out on a day, which may be today."""
    theirs = ctx.reached(visit)
    first, last = _first_day(ctx, theirs), belgian_day(ctx.now)
    when = _day(day, first, last)
    for library in theirs:
        ctx.notary.hold(library)
    found = ctx.oversight.digest(tuple(theirs), when, actor(visit))
    page = DayPage(
        day=when,
        parts=tuple(_part(each, theirs[each.library]) for each in found),
        overdue=tuple(
            OverdueMonth(each.library, month.month.text, month.left, month.of)
            for each in found
            for month in each.overdue
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


def _first_day(ctx: WebContext, libraries: Collection[str]) -> date:
    """Return the first day that can be shown: the one on which a log began, or yesterday."""
    began = [belgian_day(at) for library in libraries if (at := ctx.access_log.began(library)) is not None]
    return min([*began, ctx.digests.yesterday()])


def _day(text: str, first: date, last: date) -> date:
    """Return the day that an address names.

    Raises:
        AccessError: it is no day, or none that can be shown.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise AccessError(Denied.MISSING) from error
    if not first <= day <= last:
        raise AccessError(Denied.MISSING)
    return day
