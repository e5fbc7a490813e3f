"""The operator's morning: how the last night went, who is due tonight, what awaits and what ends soon.

The operator's way to the register: where it is, how fast it may be asked, and what ends when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response

from rrsync.app.register import ours, trusted
from rrsync.core import rate_limit
from rrsync.core.authorisation import Authorisation
from rrsync.core.planning import Why, belgian_day, seconds_left, tonight
from rrsync.errors import ConfigError
from rrsync.registry.services import PERSON
from rrsync.store.limits import Shared
from rrsync.text import formatting
from rrsync.text.catalogue import translated, translations
from rrsync.text.page_messages import CERTIFICATE_USES
from rrsync.text.run_stops import run_stop
from rrsync.web.guard import House, Inside, house
from rrsync.web.paths import PATHS
from rrsync.web.render import Language, Place, Tone
from rrsync.web.responses import respond
from rrsync.web.runs import RunLine, lines, reached


@dataclass(frozen=True, slots=True)
class Forecast:
    """Who is due tonight by library and why, as counts, and how long it takes."""

    library: str
    never: int
    stale: int
    other: int
    takes: timedelta

    @property
    def due(self) -> int:
        """How many in all."""
        return self.never + self.stale + self.other


@dataclass(frozen=True, slots=True)
class Budget:
    """Calls: how many a second are allowed, how many at once, and how it goes with them.

    ``share`` is the part of the budget in use while MAGDA is too busy for all of it; of the ``last`` calls ``failed``
    did not come back. Nobody asks for so long (``rests``); ``last_hour`` counts questions in the access log.
    """

    per_second: float
    in_flight: int
    desk_reserve: int
    last_hour: int
    share: float = 1.0
    last: int = 0
    failed: int = 0
    rests: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate: what for (a key of the page's words: ``client``, ``signing``, ``trust``), of whom, until when."""

    use: str
    subject: str
    ends: datetime
    days: int
    tone: Tone


@dataclass(frozen=True, slots=True)
class Authorised:
    """A library's authorisation and its days."""

    library: str
    decision: str
    purposes: tuple[str, ...]
    until: date
    tone: Tone


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A library's subscriptions, as counts.

    ``missing`` are members with a ground to follow them and without one; ``refused`` are those that the register would
    not end.
    """

    library: str
    open: int
    ending: int
    refused: int
    missing: int


@dataclass(frozen=True, slots=True)
class OperatorPage:
    """The morning at a glance: the last run, what awaits, and what ends soon.

    ``warnings`` are sentences with a tone, the worst first; without any, after a run, the page says that all is well.
    """

    name: ClassVar[str] = "operator"

    last: RunLine | None
    forecast: tuple[Forecast, ...]
    holds: int
    certificates: tuple[Certificate, ...] = ()
    warnings: tuple[tuple[Tone, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RegisterPage:
    """The way to the register: where it is, the budget, certificates, authorisations, subscriptions.

    ``troubles`` are what is wrong with the certificates, in English; ``subscribes`` is whether the settings let rrsync
    make subscriptions.
    """

    name: ClassVar[str] = "register"

    host: str
    source: str
    budget: Budget
    certificates: tuple[Certificate, ...]
    authorisations: tuple[Authorised, ...]
    subscriptions: tuple[Subscribed, ...]
    troubles: tuple[str, ...] = ()
    subscribes: bool = True


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
    _ = translations(language).gettext
    if last.state == "stopped":
        yield "bad", _("The last run stopped: %(why)s.") % {"why": run_stop(last.stopped, language).short}
    if last.state == "left":
        left = {"open": formatting.number(last.open, language)}
        yield "warn", _("The last run is not complete: %(open)s members are still open.") % left
    if last.state != "running" and here.now - last.started > _MISSED:
        began = {"when": formatting.moment(last.started, language, here.now)}
        yield "warn", _("The last run began %(when)s. Check that the timer starts one every night.") % began


def _of_papers(
    papers: Sequence[Certificate], troubles: Sequence[str], language: Language
) -> Iterator[tuple[Tone, str]]:
    """Say what ends; of those that may sign replies the one that lasts longest counts, as ``rrsync check`` has it."""
    _ = translations(language).gettext
    for what in troubles:
        yield "bad", _("A certificate cannot be used. %(what)s.") % {"what": what}
    seen: set[str] = set()
    for paper in papers:
        is_first = paper.use not in seen
        seen.add(paper.use)
        if is_first and paper.tone != "good":
            ends = {
                "use": translated(CERTIFICATE_USES, paper.use, language),
                "day": formatting.day(paper.ends, language),
            }
            if paper.days < 0:
                text = _("%(use)s: the certificate expired on %(day)s. Nothing works until there is a new one.")
            else:
                text = _("%(use)s: the certificate expires on %(day)s. Request a new one.")
            yield paper.tone, text % ends


def _of_authorisations(here: House, libraries: Sequence[str], language: Language) -> Iterator[tuple[Tone, str]]:
    _ = translations(language).gettext
    for one in authorised(here, libraries):
        ends = {"library": one.library, "day": formatting.day(one.until, language)}
        if one.tone == "warn":
            yield "warn", _("%(library)s: the authorisation expires on %(day)s.") % ends
        elif one.tone != "good":
            text = _("%(library)s: the authorisation is not valid today (until %(day)s). Nothing is asked.")
            yield one.tone, text % ends
    for library in libraries:
        if library not in here.app.authorisations:
            text = _("%(library)s: no authorisation is configured. Nothing is asked.")
            yield "bad", text % {"library": here.libraries[library]}


_HOUR: Final = timedelta(hours=1)
_SOON: Final = timedelta(days=60)
_TONES: Final[dict[str, Tone]] = {"ok": "good", "warning": "warn", "fault": "bad"}


def mount_register(app: FastAPI) -> None:
    """Add the route of this module."""
    app.add_api_route(PATHS["register"], register, methods=["GET"])


def register(request: Request, visit: Inside) -> Response:
    """Show the way to the register; of other libraries than one's own, nothing."""
    here, libraries = house(request), reached(request, visit)
    settings = here.app.settings.registry
    papers, troubles = certificates(here)
    page = RegisterPage(
        host=_host(here),
        source=settings.source,
        budget=_budget(here, libraries),
        certificates=papers,
        authorisations=authorised(here, libraries),
        subscriptions=_subscribed(here, libraries),
        troubles=troubles,
        subscribes=settings.subscribe,
    )
    return respond(request, page, here=Place.REGISTER)


def certificates(here: House) -> tuple[tuple[Certificate, ...], tuple[str, ...]]:
    """Give the certificates that the settings name, and what is wrong with those that cannot be read."""
    found: list[Certificate] = []
    troubles: list[str] = []
    for read in (ours, trusted):
        try:
            papers = read(here.app.settings.registry, here.now)
        except ConfigError as error:
            troubles.append(error.what)
        else:
            found += [Certificate(it.use, it.subject, it.ends, it.days, _TONES[it.state]) for it in papers]
    return tuple(found), tuple(troubles)


def authorised(here: House, libraries: Sequence[str]) -> tuple[Authorised, ...]:
    """Give the authorisations of these libraries; one that has none is not among them."""
    found = [(library, here.app.authorisations.get(library)) for library in libraries]
    return tuple(_authorised(here, library, one) for library, one in found if one is not None)


def _authorised(here: House, library: str, one: Authorisation) -> Authorised:
    today = belgian_day(here.now)
    soon: Tone = "warn" if one.valid_until - today <= _SOON else "good"
    tone: Tone = soon if one.valid_from <= today <= one.valid_until else "bad"
    return Authorised(here.libraries[library], one.decision, tuple(sorted(one.purposes)), one.valid_until, tone)


def _host(here: House) -> str:
    """Give the host that is asked about a person; nothing when the settings name none."""
    try:
        address = here.app.settings.registry.address(PERSON.operation, PERSON.domain)
    except ConfigError:
        return ""
    return urlsplit(address).netloc.rpartition("@")[2]


def _budget(here: House, libraries: Sequence[str]) -> Budget:
    app, settings = here.app, here.app.settings.registry
    allowed = rate_limit.Budget(settings.max_per_second, settings.max_in_flight, settings.deadline_s)
    state, now = Shared(app.database, app.chance.stopwatch).look()
    rests = rate_limit.resting(state, now)
    return Budget(
        per_second=settings.max_per_second,
        in_flight=settings.max_in_flight,
        desk_reserve=max(settings.max_in_flight - allowed.for_nights, 1),
        last_hour=here.entrance.census.questions(libraries, since=here.now - _HOUR),
        share=rate_limit.by_now(state, now).share,
        last=len(state.last),
        failed=state.last.count("-"),
        rests=timedelta(seconds=rests.for_s) if rests else None,
    )


def _subscribed(here: House, libraries: Sequence[str]) -> tuple[Subscribed, ...]:
    """Give the subscriptions by library, once there are any."""
    found = here.entrance.census.subscribed(libraries, today=belgian_day(here.now))
    if not any(one.open or one.ending or one.refused for one in found):
        return ()
    return tuple(Subscribed(here.libraries[it.library], it.open, it.ending, it.refused, it.missing) for it in found)
