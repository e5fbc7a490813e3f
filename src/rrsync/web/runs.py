"""The operator's runs: the list, one run and how far it is, going on with one, releasing what it did not believe.

What the operator sees: the morning at a glance, the runs, one run, and the way to the register.

No person is in any of it: members are counted here, never named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse

from rrsync.core.exchange import Reason
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.planning import tonight
from rrsync.store.reports import Ran
from rrsync.store.runs import Progress
from rrsync.store.sessions import Visit
from rrsync.sync.hold_decisions import Release
from rrsync.web.guard import Away, House, Inside, TurnedAway, house
from rrsync.web.paths import PATHS
from rrsync.web.render import Flash, Frame, Place
from rrsync.web.responses import go, respond, say
from rrsync.web.server import OwnStop

State: TypeAlias = Literal["running", "done", "left", "stopped"]


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in the list: ``left`` is done with steps open, ``stopped`` is the reason's one word."""

    id: str
    started: datetime
    finished: datetime | None
    state: State
    asked: int
    change: int
    held: int
    open: int
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class RunsPage:
    """The runs, the newest first."""

    name: ClassVar[str] = "runs"

    runs: tuple[RunLine, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why what somebody began here came to nothing: an ``RrsyncError``'s own sentences, in English."""

    what: str
    kept: str
    todo: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """One run, live or ended; it is also the fragment that a running one is renewed by.

    ``due`` counts steps in all; ``left_for`` is how long the open ones take at the present rate. ``holds`` are counts
    by reason. ``can_resume`` and ``can_release`` are whether one may go on with it now, or release the changes that
    were not believed: ``held_changes`` of them still are not. ``releasing`` says that they are being released.
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
    trouble: Trouble | None = None
    renewed: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether there is something to follow."""
        return self.releasing or self.run.state == "running"

    @property
    def share(self) -> int:
        """How far what is going on is, in per cent; a run without steps is done."""
        if self.releasing:
            whole = dict(self.holds).get(Reason.MASS_CHANGE, self.held_changes)
            return 100 - 100 * self.held_changes // max(whole, self.held_changes, 1)
        return 100 * self.run.asked // self.due if self.due else 100


_MOST: Final = 60
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["runs"], runs, methods=["GET"])
    app.add_api_route(PATHS["run"], one, methods=["GET"])
    app.add_api_route(PATHS["run_live"], live, methods=["GET"])
    app.add_api_route(PATHS["run_resume"], resume, methods=["POST"])
    app.add_api_route(PATHS["run_release"], release, methods=["POST"])


def runs(request: Request, visit: Inside) -> Response:
    """Show the runs, the newest first."""
    here, libraries = house(request), reached(request, visit)
    found = lines(here, libraries, most=_MOST)
    return respond(request, RunsPage(found), here=Place.RUNS)


def one(request: Request, visit: Inside, run: str) -> Response:
    """Show one run."""
    return respond(request, _page(request, visit, run), here=Place.RUNS)


def live(request: Request, visit: Inside, run: str) -> Response:
    """Give how far a run is, for a page that follows it."""
    here = house(request)
    language = here.cookies.language(request) or here.language
    frame = Frame(now=here.now, token="", language=language)
    return HTMLResponse(here.pages.part("live", _page(request, visit, run), frame))


def resume(request: Request, visit: Inside, run: str) -> Response:
    """Go on with a run, behind the pages, unless a night is running already."""
    here, libraries = house(request), reached(request, visit)
    _find(here, libraries, run)
    if here.app.runs.waiting(libraries) != run:
        say(request, visit, Flash("info", "resume_over"))
    elif here.app.runs.is_held() or not here.jobs.start(
        _going_on(run), lambda: _go_on(here, libraries), libraries=libraries
    ):
        say(request, visit, Flash("warn", "resume_busy"))
    else:
        say(request, visit, Flash("good", "resumed"))
    return go("run", run=run)


def release(request: Request, visit: Inside, run: str, checked: Annotated[str, Form()] = "") -> Response:
    """Release the changes that a run did not believe, behind the pages, once somebody says that they were looked at."""
    here, libraries = house(request), reached(request, visit)
    found = _find(here, libraries, run)
    held = _held(here, found, libraries)
    if checked != "yes":
        say(request, visit, Flash("warn", "release_unchecked"))
    elif not held:
        say(request, visit, Flash("info", "release_over"))
    elif _line(here, found, libraries).state == "running" or not here.jobs.start(
        _releasing(run), lambda: _release(here, libraries, run, visit.staff.name), libraries=libraries
    ):
        say(request, visit, Flash("warn", "release_busy"))
    else:
        say(request, visit, Flash("good", "released", {"count": held}))
    return go("run", run=run)


def reached(request: Request, visit: Visit) -> list[str]:
    """Give the libraries whose numbers somebody may see."""
    return [library for library in house(request).libraries if visit.staff.reaches(library)]


def lines(here: House, libraries: Sequence[str], *, most: int) -> tuple[RunLine, ...]:
    """Give the newest runs of these libraries, with their numbers alone."""
    is_held = here.app.runs.is_held()
    journal = here.entrance.journal
    return tuple(
        _counted(here, ran, journal.progress(ran, libraries), is_held=is_held)
        for ran in journal.runs(libraries, most=most)
    )


def _line(here: House, ran: Ran, libraries: Sequence[str]) -> RunLine:
    progress = here.entrance.journal.progress(ran, libraries)
    return _counted(here, ran, progress, is_held=here.app.runs.is_held())


def _counted(here: House, ran: Ran, progress: Progress, *, is_held: bool) -> RunLine:
    state = _state(ran, progress, is_running=here.jobs.running(_going_on(ran.id)) or (is_held and ran.is_last))
    return RunLine(
        id=ran.id,
        started=ran.opened_at,
        finished=None if ran.is_begun or state == "running" else ran.closed_at,
        state=state,
        asked=progress.asked,
        change=progress.change,
        held=progress.holds.total(),
        open=progress.open,
        stopped=ran.stopped if state == "stopped" else "",
    )


def _state(ran: Ran, progress: Progress, *, is_running: bool) -> State:
    """Say how a run stands; one that is begun and that no night works on was killed."""
    if is_running and ran.is_begun:
        return "running"
    if ran.stopped:
        return "stopped"
    return "left" if ran.ended_at is None or progress.open else "done"


def _page(request: Request, visit: Visit, run: str) -> RunPage:
    here, libraries = house(request), reached(request, visit)
    ran = _find(here, libraries, run)
    progress = here.entrance.journal.progress(ran, libraries)
    is_held = here.app.runs.is_held()
    line = _counted(here, ran, progress, is_held=is_held)
    is_releasing, held = here.jobs.running(_releasing(run)), 0
    if line.state != "running":
        held = _held(here, ran, libraries)
    trouble = here.jobs.trouble(_going_on(run), libraries) or here.jobs.trouble(_releasing(run), libraries)
    rate = progress.per_second if line.state == "running" else 0.0
    return RunPage(
        run=line,
        due=progress.due,
        same=progress.same,
        per_second=rate,
        left_for=timedelta(seconds=progress.open / rate) if rate else None,
        holds=tuple((Reason(reason), count) for reason, count in sorted(progress.holds.items())),
        can_resume=not is_held and ran.ended_at is None and here.app.runs.waiting(libraries) == run,
        can_release=bool(held) and not is_releasing,
        held_changes=held,
        releasing=is_releasing,
        trouble=None if trouble is None else Trouble(trouble.what, trouble.kept, trouble.todo),
        renewed=here.now,
    )


def _find(here: House, libraries: Sequence[str], run: str) -> Ran:
    """Give a run in which one of these libraries was.

    Raises:
        TurnedAway: there is none, or it is others'.
    """
    found = here.entrance.journal.find(run, libraries) if _NAME.fullmatch(run) else None
    if found is None:
        raise TurnedAway(Away.MISSING)
    return found


def _held(here: House, ran: Ran, libraries: Sequence[str]) -> int:
    """Give how many changes that a run did not believe are still on hold."""
    return here.entrance.journal.count_held(ran.id, libraries) if ran.mass_change else 0


def _going_on(run: str) -> str:
    return f"night {run}"


def _releasing(run: str) -> str:
    return f"release {run}"


def _go_on(here: House, libraries: Sequence[str]) -> None:
    """Run a night of these libraries, with a stop of its own: what stops a night does not stop the pages."""
    app = replace(here.app, stop=OwnStop(here.app.stop))
    days = app.settings.night.stale_after_days
    plan = tonight(now=here.now, stale_after_days=days, full=False, most=None)
    app.night().run(libraries, plan, progress=lambda _: None)


def _release(here: House, libraries: Sequence[str], run: str, name: str) -> None:
    app = here.app
    let_go = Release(app.holds, app.settlement, here.entrance.journal, app.stop)
    let_go.run(run, libraries, Actor(ActorKind.PERSON, name))
