"""The operator's overview and the page about the register.

The overview shows the last run, who is due tonight, what needs attention and what expires soon. The page about the
register shows its address, the rate limit, certificates, authorisations and subscriptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response

from rrsync.app.register import own_certificates, trusted_certificates
from rrsync.config.settings import RegistrySettings
from rrsync.core import rate_limit
from rrsync.core.authorisation import Authorisation
from rrsync.core.planning import Why, belgian_day, seconds_left, tonight
from rrsync.errors import ConfigError
from rrsync.registry.request import PERSON
from rrsync.store.limits import SharedRateLimit
from rrsync.text import formatting
from rrsync.text.catalogue import translated, translations
from rrsync.text.page_messages import CERTIFICATE_USES
from rrsync.text.run_stops import run_stop
from rrsync.web.context import Context, WebContext
from rrsync.web.guard import Inside
from rrsync.web.paths import PATHS
from rrsync.web.render import Language, Place, Tone
from rrsync.web.responses import respond
from rrsync.web.run_pages import RunLine, run_lines

#: A nightly run that began longer ago was not followed by another: the timer is off, or fails.
_MISSED: Final = timedelta(hours=36)
_HOUR: Final = timedelta(hours=1)
_SOON: Final = timedelta(days=60)
_WORST_FIRST: Final[tuple[Tone, ...]] = ("bad", "warn", "info", "good")
_TONES: Final[dict[str, Tone]] = {"ok": "good", "warning": "warn", "fault": "bad"}


@dataclass(frozen=True, slots=True)
class Forecast:
    """The members of a library that are due tonight, counted by reason, and how long they take."""

    library: str
    never: int
    stale: int
    other: int
    takes: timedelta

    @property
    def due(self) -> int:
        """The number of all members that are due."""
        return self.never + self.stale + self.other


@dataclass(frozen=True, slots=True)
class RateLimitLine:
    """The rate limit: calls a second and in flight, and its present state.

    ``share`` is the part of the limit in use while MAGDA is too busy for all of it. Of the ``last`` calls ``failed``
    had no answer. While MAGDA recovers nobody asks for ``rests``. ``last_hour`` counts questions in the access log.
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
class CertificateLine:
    """A certificate: its use (``client``, ``signing``, ``trust``: a key of the page's texts), subject and expiry."""

    use: str
    subject: str
    ends: datetime
    days: int
    tone: Tone


@dataclass(frozen=True, slots=True)
class AuthorisationLine:
    """A library's authorisation and its days."""

    library: str
    decision: str
    purposes: tuple[str, ...]
    until: date
    tone: Tone


@dataclass(frozen=True, slots=True)
class SubscriptionLine:
    """A library's subscriptions, as counts.

    ``missing`` are members that should have one and have none; ``refused`` are those that the register did not end.
    """

    library: str
    open: int
    ending: int
    refused: int
    missing: int


@dataclass(frozen=True, slots=True)
class OperatorPage:
    """The overview: the last run, what needs attention, and what expires soon.

    ``warnings`` are sentences with a tone, the worst first; without any, after a run, the page says that all is well.
    """

    name: ClassVar[str] = "operator"

    last: RunLine | None
    forecast: tuple[Forecast, ...]
    holds: int
    certificates: tuple[CertificateLine, ...] = ()
    warnings: tuple[tuple[Tone, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RegisterPage:
    """The register: its address, the rate limit, certificates, authorisations, subscriptions.

    ``troubles`` are what is wrong with the certificates, in English; ``subscribes`` is whether the settings let rrsync
    make subscriptions.
    """

    name: ClassVar[str] = "register"

    host: str
    source: str
    budget: RateLimitLine
    certificates: tuple[CertificateLine, ...]
    authorisations: tuple[AuthorisationLine, ...]
    subscriptions: tuple[SubscriptionLine, ...]
    troubles: tuple[str, ...] = ()
    subscribes: bool = True


def register_routes(app: FastAPI) -> None:
    """Add the routes of the overview and of the page about the register."""
    app.add_api_route(PATHS["operator"], overview, methods=["GET"])
    app.add_api_route(PATHS["register"], register, methods=["GET"])


def overview(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the overview."""
    libraries, language = list(ctx.reached(visit)), ctx.language(request)
    last = next(iter(run_lines(ctx, libraries, most=1)), None)
    papers, troubles = certificates(ctx)
    said = [*_of_run(ctx, last, language), *_of_papers(papers, troubles, language)]
    said += _of_authorisations(ctx, libraries, language)
    page = OperatorPage(
        last=last,
        forecast=_forecast(ctx, libraries),
        holds=ctx.operating_counts.holds(libraries),
        certificates=papers,
        warnings=tuple(sorted(said, key=lambda one: _WORST_FIRST.index(one[0]))),
    )
    return respond(request, page, here=Place.OPERATOR)


def _forecast(ctx: WebContext, libraries: Sequence[str]) -> tuple[Forecast, ...]:
    """Return who is due tonight, by the rule of the nightly run itself."""
    night, registry = ctx.settings.night, ctx.settings.registry
    plan = tonight(now=ctx.now, stale_after_days=night.stale_after_days, full=False, most=None)
    counts: dict[str, dict[Why, int]] = {}
    for each in ctx.runs.forecast(libraries, plan):
        counts.setdefault(each.library, {})[each.why] = each.members
    return tuple(
        _of_library(ctx, library, counts[library], registry.max_per_second)
        for library in libraries
        if library in counts
    )


def _of_library(ctx: WebContext, library: str, counts: dict[Why, int], per_second: float) -> Forecast:
    due = sum(counts.values())
    never, stale = counts.get(Why.NEVER, 0), counts.get(Why.STALE, 0)
    takes = timedelta(seconds=seconds_left(due, per_second))
    return Forecast(ctx.libraries[library], never, stale, due - never - stale, takes)


def _of_run(ctx: WebContext, last: RunLine | None, language: Language) -> Iterator[tuple[Tone, str]]:
    if last is None:
        return
    _ = translations(language).gettext
    if last.state == "stopped":
        yield "bad", _("The last run stopped: %(why)s.") % {"why": run_stop(last.stopped, language).short}
    if last.state == "left":
        left = {"open": formatting.number(last.open, language)}
        yield "warn", _("The last run is not complete: %(open)s members are still open.") % left
    if last.state != "running" and ctx.now - last.started > _MISSED:
        began = {"when": formatting.moment(last.started, language, ctx.now)}
        yield "warn", _("The last run began %(when)s. Check that the timer starts one every night.") % began


def _of_papers(
    papers: Sequence[CertificateLine], troubles: Sequence[str], language: Language
) -> Iterator[tuple[Tone, str]]:
    """Yield what expires; of the certificates that may sign replies the last to expire counts (``rrsync check``)."""
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


def _of_authorisations(ctx: WebContext, libraries: Sequence[str], language: Language) -> Iterator[tuple[Tone, str]]:
    _ = translations(language).gettext
    for one in authorised(ctx, libraries):
        ends = {"library": one.library, "day": formatting.day(one.until, language)}
        if one.tone == "warn":
            yield "warn", _("%(library)s: the authorisation expires on %(day)s.") % ends
        elif one.tone != "good":
            text = _("%(library)s: the authorisation is not valid today (until %(day)s). Nothing is asked.")
            yield one.tone, text % ends
    for library in libraries:
        if library not in ctx.authorisations:
            text = _("%(library)s: no authorisation is configured. Nothing is asked.")
            yield "bad", text % {"library": ctx.libraries[library]}


def register(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the page about the register, with the libraries that the session may see alone."""
    libraries, settings = list(ctx.reached(visit)), ctx.settings.registry
    papers, troubles = certificates(ctx)
    page = RegisterPage(
        host=_host(settings),
        source=settings.source,
        budget=_budget(ctx, libraries),
        certificates=papers,
        authorisations=authorised(ctx, libraries),
        subscriptions=_subscribed(ctx, libraries),
        troubles=troubles,
        subscribes=settings.subscribe,
    )
    return respond(request, page, here=Place.REGISTER)


def certificates(ctx: WebContext) -> tuple[tuple[CertificateLine, ...], tuple[str, ...]]:
    """Return the certificates that the settings name, and what is wrong with those that cannot be read."""
    found: list[CertificateLine] = []
    troubles: list[str] = []
    for read in (own_certificates, trusted_certificates):
        try:
            papers = read(ctx.settings.registry, ctx.now)
        except ConfigError as error:
            troubles.append(error.what)
        else:
            found += [CertificateLine(it.use, it.subject, it.ends, it.days, _TONES[it.state]) for it in papers]
    return tuple(found), tuple(troubles)


def authorised(ctx: WebContext, libraries: Sequence[str]) -> tuple[AuthorisationLine, ...]:
    """Return the authorisations of those of these libraries that have one."""
    found = [(library, ctx.authorisations.get(library)) for library in libraries]
    return tuple(_authorised(ctx, library, one) for library, one in found if one is not None)


def _authorised(ctx: WebContext, library: str, one: Authorisation) -> AuthorisationLine:
    today = belgian_day(ctx.now)
    soon: Tone = "warn" if one.valid_until - today <= _SOON else "good"
    tone: Tone = soon if one.valid_from <= today <= one.valid_until else "bad"
    return AuthorisationLine(ctx.libraries[library], one.decision, tuple(sorted(one.purposes)), one.valid_until, tone)


def _host(registry: RegistrySettings) -> str:
    """Return the host that is asked about a person; ``""`` when the settings name none."""
    try:
        address = registry.address(PERSON.operation, PERSON.domain)
    except ConfigError:
        return ""
    return urlsplit(address).netloc.rpartition("@")[2]


def _budget(ctx: WebContext, libraries: Sequence[str]) -> RateLimitLine:
    settings = ctx.settings.registry
    allowed = rate_limit.Budget(settings.max_per_second, settings.max_in_flight, settings.deadline_s)
    state, now = SharedRateLimit(ctx.database, ctx.runtime.stopwatch).look()
    rests = rate_limit.resting(state, now)
    return RateLimitLine(
        per_second=settings.max_per_second,
        in_flight=settings.max_in_flight,
        desk_reserve=max(settings.max_in_flight - allowed.for_nights, 1),
        last_hour=ctx.operating_counts.questions(libraries, since=ctx.now - _HOUR),
        share=rate_limit.by_now(state, now).share,
        last=len(state.last),
        failed=state.last.count("-"),
        rests=timedelta(seconds=rests.for_s) if rests else None,
    )


def _subscribed(ctx: WebContext, libraries: Sequence[str]) -> tuple[SubscriptionLine, ...]:
    """Return the subscriptions by library, once there are any."""
    found = ctx.operating_counts.subscribed(libraries, today=belgian_day(ctx.now))
    if not any(one.open or one.ending or one.refused for one in found):
        return ()
    return tuple(
        SubscriptionLine(ctx.libraries[it.library], it.open, it.ending, it.refused, it.missing) for it in found
    )
