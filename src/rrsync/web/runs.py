"""The operator's runs: the list, one run and its progress, resuming a run, releasing the changes that it held."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse

from rrsync.core.exchange import Reason
from rrsync.core.log_entry import Actor
from rrsync.core.planning import tonight
from rrsync.store.reports import RunRecord
from rrsync.store.sessions import StaffSession
from rrsync.sync.hold_decisions import MassChangeRelease
from rrsync.web.context import Context, WebContext
from rrsync.web.guard import AccessError, Denied, Inside, actor
from rrsync.web.paths import PATHS
from rrsync.web.render import Flash, Frame, Place
from rrsync.web.responses import go, respond, say
from rrsync.web.run_pages import RunLine, resume_job, run_line, run_lines
from rrsync.web.server import JobStop

_MOST: Final = 60
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class RunsPage:
    """The runs, the newest first."""

    name: ClassVar[str] = "runs"

    runs: tuple[RunLine, ...]


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a background job failed: the sentences of an ``RrsyncError``, in English."""

    what: str
    kept: str
    todo: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """One run, live or ended; also the fragment by which the page of a live run is renewed.

    ``due`` counts all steps; ``left_for`` is the time that the open ones take at the present rate. ``holds`` are counts
    by reason. ``can_resume`` and ``can_release`` are whether the run may be resumed now, or its held changes released:
    ``held_changes`` of them are left. ``releasing`` says that they are being released.
    """

    name: ClassVar[str] = "run"

    run: RunLine
    due: int
    same: int
    per_second: float = 0.0
    left_for: timedelta | None = None
    holds: tuple[tuple[Reason, int], ...] = ()
    can_resume: bool = False
    can_release: bool = False
    held_changes: int = 0
    releasing: bool = False
    trouble: JobFailure | None = None
    renewed: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether the page is renewed by itself."""
        return self.releasing or self.run.state == "running"

    @property
    def share(self) -> int:
        """How far the run, or the release, is, in per cent; a run without steps is done."""
        if self.releasing:
            whole = dict(self.holds).get(Reason.MASS_CHANGE, self.held_changes)
            return 100 - 100 * self.held_changes // max(whole, self.held_changes, 1)
        return 100 * self.run.asked // self.due if self.due else 100


def register_routes(app: FastAPI) -> None:
    """Add the routes of the runs."""
    app.add_api_route(PATHS["runs"], runs, methods=["GET"])
    app.add_api_route(PATHS["run"], one, methods=["GET"])
    app.add_api_route(PATHS["run_live"], live, methods=["GET"])
    app.add_api_route(PATHS["run_resume"], resume, methods=["POST"])
    app.add_api_route(PATHS["run_release"], release, methods=["POST"])


def runs(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the runs, the newest first."""
    return respond(request, RunsPage(run_lines(ctx, list(ctx.reached(visit)), most=_MOST)), here=Place.RUNS)


def one(request: Request, ctx: Context, visit: Inside, run: str) -> Response:
    """Show one run."""
    return respond(request, _page(ctx, visit, run), here=Place.RUNS)


def live(request: Request, ctx: Context, visit: Inside, run: str) -> Response:
    """Return the progress of a run as a fragment, for a page that follows it."""
    frame = Frame(now=ctx.now, token="", language=ctx.language(request))
    return HTMLResponse(ctx.pages.part("live", _page(ctx, visit, run), frame))


def resume(request: Request, ctx: Context, visit: Inside, run: str) -> Response:
    """Resume a run in the background, unless a nightly run is going on."""
    libraries = list(ctx.reached(visit))
    _find(ctx, libraries, run)
    work = partial(_resume, ctx, libraries)
    if ctx.runs.waiting(libraries) != run:
        say(request, visit, Flash("info", "resume_over"))
    elif ctx.runs.is_held() or not ctx.jobs.start(resume_job(run), work, libraries=libraries):
        say(request, visit, Flash("warn", "resume_busy"))
    else:
        say(request, visit, Flash("good", "resumed"))
    return go("run", run=run)


def release(request: Request, ctx: Context, visit: Inside, run: str, checked: Annotated[str, Form()] = "") -> Response:
    """Release the held changes of a run in the background, once somebody says that they were looked at."""
    libraries = list(ctx.reached(visit))
    ran = _find(ctx, libraries, run)
    held = _held_changes(ctx, ran, libraries)
    work = partial(_release, ctx, libraries, run, actor(visit))
    if checked != "yes":
        say(request, visit, Flash("warn", "release_unchecked"))
    elif not held:
        say(request, visit, Flash("info", "release_over"))
    elif _is_running(ctx, ran, libraries) or not ctx.jobs.start(_release_job(run), work, libraries=libraries):
        say(request, visit, Flash("warn", "release_busy"))
    else:
        say(request, visit, Flash("good", "released", {"count": held}))
    return go("run", run=run)


def _is_running(ctx: WebContext, ran: RunRecord, libraries: Sequence[str]) -> bool:
    progress = ctx.run_history.progress(ran, libraries)
    return run_line(ctx, ran, progress, is_held=ctx.runs.is_held()).state == "running"


def _page(ctx: WebContext, visit: StaffSession, run: str) -> RunPage:
    libraries = list(ctx.reached(visit))
    ran = _find(ctx, libraries, run)
    progress = ctx.run_history.progress(ran, libraries)
    is_held = ctx.runs.is_held()
    line = run_line(ctx, ran, progress, is_held=is_held)
    is_releasing, held = ctx.jobs.running(_release_job(run)), 0
    if line.state != "running":
        held = _held_changes(ctx, ran, libraries)
    failure = ctx.jobs.failure(resume_job(run), libraries) or ctx.jobs.failure(_release_job(run), libraries)
    rate = progress.per_second if line.state == "running" else 0.0
    return RunPage(
        run=line,
        due=progress.due,
        same=progress.same,
        per_second=rate,
        left_for=timedelta(seconds=progress.open / rate) if rate else None,
        holds=tuple((Reason(reason), count) for reason, count in sorted(progress.holds.items())),
        can_resume=not is_held and ran.ended_at is None and ctx.runs.waiting(libraries) == run,
        can_release=bool(held) and not is_releasing,
        held_changes=held,
        releasing=is_releasing,
        trouble=None if failure is None else JobFailure(failure.what, failure.kept, failure.todo),
        renewed=ctx.now,
    )


def _find(ctx: WebContext, libraries: Sequence[str], run: str) -> RunRecord:
    """Return a run of one of these libraries.

    Raises:
        AccessError: there is none, or it is one of other libraries.
    """
    found = ctx.run_history.find(run, libraries) if _NAME.fullmatch(run) else None
    if found is None:
        raise AccessError(Denied.MISSING)
    return found


def _held_changes(ctx: WebContext, ran: RunRecord, libraries: Sequence[str]) -> int:
    """Return the number of changes of a run that are still on hold because there were too many."""
    return ctx.run_history.count_held(ran.id, libraries) if ran.mass_change else 0


def _release_job(run: str) -> str:
    return f"release {run}"


def _resume(ctx: WebContext, libraries: Sequence[str]) -> None:
    """Run a night of these libraries, with a stop of its own: what stops a night does not stop the pages."""
    settings = ctx.settings.night
    plan = tonight(now=ctx.now, stale_after_days=settings.stale_after_days, full=False, most=None)
    replace(ctx, stop=JobStop(ctx.stop)).night().run(libraries, plan, progress=lambda _: None)


def _release(ctx: WebContext, libraries: Sequence[str], run: str, who: Actor) -> None:
    MassChangeRelease(ctx.holds, ctx.settlement, ctx.run_history, ctx.stop).run(run, libraries, who)
