"""What the operator's pages share: a run as a line of a list.

No person is in any of it: members are counted, never named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from rrsync.store.reports import RunRecord
from rrsync.store.runs import RunProgress
from rrsync.web.context import WebContext

RunLineState: TypeAlias = Literal["running", "done", "left", "stopped"]


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run: ``left`` has ended with steps open; ``stopped`` is the one word of the reason."""

    id: str
    started: datetime
    finished: datetime | None
    state: RunLineState
    asked: int
    change: int
    held: int
    open: int
    stopped: str = ""


def run_lines(ctx: WebContext, libraries: Sequence[str], *, most: int) -> tuple[RunLine, ...]:
    """Return the newest runs of these libraries, with the counts of these alone."""
    is_held = ctx.runs.is_held()
    return tuple(
        run_line(ctx, ran, ctx.run_history.progress(ran, libraries), is_held=is_held)
        for ran in ctx.run_history.runs(libraries, most=most)
    )


def run_line(ctx: WebContext, ran: RunRecord, progress: RunProgress, *, is_held: bool) -> RunLine:
    """Return a run as a line; ``is_held`` says that a nightly run is going on, in this process or another."""
    state = _state(ran, progress, is_running=ctx.jobs.running(resume_job(ran.id)) or (is_held and ran.is_last))
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


def resume_job(run: str) -> str:
    """Return the name of the background job that resumes a run."""
    return f"night {run}"


def _state(ran: RunRecord, progress: RunProgress, *, is_running: bool) -> RunLineState:
    """Return the state of a run; one that began, did not end, and that nothing works on was killed."""
    if is_running and ran.is_begun:
        return "running"
    if ran.stopped:
        return "stopped"
    return "left" if ran.ended_at is None or progress.open else "done"
