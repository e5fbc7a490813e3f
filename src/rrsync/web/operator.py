"""The operator's morning: how the last night went, who is due tonight, what awaits and what ends soon."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fastapi import Request

from rrsync.core.plan import Why, seconds_left, tonight
from rrsync.web import show
from rrsync.web.guard import Inside
from rrsync.web.house import house
from rrsync.web.page import respond
from rrsync.web.paths import PATHS
from rrsync.web.register import authorised, certificates
from rrsync.web.runs import lines, reached
from rrsync.web.views.frame import Place
from rrsync.web.views.runs import Forecast, OperatorPage
from rrsync.web.words.halts import HALTS, Halt
from rrsync.web.words.runs import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastapi import FastAPI, Response

    from rrsync.web.house import House
    from rrsync.web.views.frame import Language, Tone
    from rrsync.web.views.runs import Certificate, RunLine

#: A night that began longer ago was not followed by another: the timer is off, or fails.
_MISSED: Final = timedelta(hours=36)
_WORST_FIRST: Final[tuple[Tone, ...]] = ("bad", "warn", "info", "good")


def mount(app: FastAPI) -> None:
    """Add the route of this module."""
    app.add_api_route(PATHS["operator"], morning, methods=["GET"])


def morning(request: Request, visit: Inside) -> Response:
    """Show the morning at a glance."""
    here, libraries = house(request), reached(request, visit)
    language = here.cookies.language(request) or here.language
    last = next(iter(lines(here, libraries, most=1)), None)
    papers, troubles = certificates(here)
    said = [*_of_run(here, last, language), *_of_papers(papers, troubles, language)]
    said += _of_authorisations(here, libraries, language)
    page = OperatorPage(
        last=last,
        forecast=_forecast(here, libraries),
        holds=here.entrance.census.holds(libraries),
        certificates=papers,
        warnings=tuple(sorted(said, key=lambda one: _WORST_FIRST.index(one[0]))),
    )
    return respond(request, page, here=Place.OPERATOR)


def _forecast(here: House, libraries: Sequence[str]) -> tuple[Forecast, ...]:
    """Give who is due tonight, by the same rule as the night's own."""
    settings = here.app.settings
    plan = tonight(now=here.now, stale_after_days=settings.night.stale_after_days, full=False, most=None)
    counts: dict[str, dict[Why, int]] = {}
    for each in here.app.runs.forecast(libraries, plan):
        counts.setdefault(each.library, {})[each.why] = each.members
    return tuple(
        _of_library(here, library, counts[library], settings.registry.max_per_second)
        for library in libraries
        if library in counts
    )


def _of_library(here: House, library: str, counts: dict[Why, int], per_second: float) -> Forecast:
    due = sum(counts.values())
    never, stale = counts.get(Why.NEVER, 0), counts.get(Why.STALE, 0)
    takes = timedelta(seconds=seconds_left(due, per_second))
    return Forecast(here.libraries[library], never, stale, due - never - stale, takes)


def _of_run(here: House, last: RunLine | None, language: Language) -> Iterator[tuple[Tone, str]]:
    if last is None:
        return
    if last.state == "stopped":
        told = HALTS[language].get(last.stopped, Halt(last.stopped, "", ""))
        yield "bad", _say(language, "warn_stopped", why=told.short)
    if last.state == "left":
        yield "warn", _say(language, "warn_left", open=show.number(last.open, language))
    if last.state != "running" and here.now - last.started > _MISSED:
        yield "warn", _say(language, "warn_missed", when=show.moment(last.started, language, here.now))


def _of_papers(
    papers: Sequence[Certificate], troubles: Sequence[str], language: Language
) -> Iterator[tuple[Tone, str]]:
    """Say what ends; of those that may sign replies the one that lasts longest counts, as ``rrsync check`` has it."""
    for what in troubles:
        yield "bad", _say(language, "warn_unreadable", what=what)
    seen: set[str] = set()
    for paper in papers:
        is_first, use = paper.use not in seen, str(OPERATOR[language][f"use_{paper.use}"])
        seen.add(paper.use)
        if is_first and paper.tone != "good":
            key = "warn_ended" if paper.days < 0 else "warn_ends"
            yield paper.tone, _say(language, key, use=use, day=show.day(paper.ends, language))


def _of_authorisations(here: House, libraries: Sequence[str], language: Language) -> Iterator[tuple[Tone, str]]:
    found = authorised(here, libraries)
    for one in found:
        if one.tone != "good":
            key = "warn_right_ends" if one.tone == "warn" else "warn_right_over"
            yield one.tone, _say(language, key, library=one.library, day=show.day(one.until, language))
    for library in libraries:
        if library not in here.app.authorisations:
            yield "bad", _say(language, "warn_no_right", library=here.libraries[library])


def _say(language: Language, key: str, **values: object) -> str:
    return str(OPERATOR[language][key]).format(**values)
