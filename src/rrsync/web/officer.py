"""The officer's overview: how every log stands, what awaits; and having a log recomputed behind the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import FastAPI, Form, Request, Response

from rrsync.errors import BrokenChain, LedgerError, RrsyncError
from rrsync.store.ledger import Head
from rrsync.web import looks
from rrsync.web.guard import Inside
from rrsync.web.house import house
from rrsync.web.page import go, respond, say
from rrsync.web.paths import PATHS
from rrsync.web.people import actor, language
from rrsync.web.show import number
from rrsync.web.views.frame import Flash, Place
from rrsync.web.views.overview import AnchorLine, Found, LogState, OfficerPage, Task
from rrsync.wiring.recount import recount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rrsync.audit.keepers import Keeping
    from rrsync.config.tables import AnchorSettings
    from rrsync.store.sessions import Visit
    from rrsync.web.house import House
    from rrsync.web.views.overview import AnchorState
    from rrsync.wiring.rooms import App

#: How long a log that is recomputed may keep the browser waiting: a small one is done by then.
_WAIT_S: Final = 1.5


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["officer"], overview, methods=["GET"])
    app.add_api_route(PATHS["verify"], verify, methods=["POST"])


def overview(request: Request, visit: Inside) -> Response:
    """Show how the logs stand and what awaits; what stood out yesterday is a look, and an entry of each log."""
    here = house(request)
    logs = tuple(_state(here, name, title) for name, title in looks.libraries(request, visit).items())
    readable = [log.library for log in logs if log.fault is None and log.trouble is None]
    return respond(request, OfficerPage(logs, _tasks(here.app, visit, readable)), here=Place.OFFICER)


def verify(request: Request, visit: Inside, library: Annotated[str, Form()] = "") -> Response:
    """Have a whole log recomputed, behind the pages; the overview says what came of it."""
    here, name = house(request), looks.chosen(request, visit, library)
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
        verified_by=looks.name(recounted.by) if recounted else "",
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
