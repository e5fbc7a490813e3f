"""The operator's way to the register: where it is, how fast it may be asked, and what ends when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fastapi import Request

from rrsync.core import traffic
from rrsync.core.plan import belgian_day
from rrsync.errors import ConfigError
from rrsync.registry.services import PERSON
from rrsync.store.traffic import Shared
from rrsync.web.guard import Inside
from rrsync.web.house import house
from rrsync.web.page import respond
from rrsync.web.paths import PATHS
from rrsync.web.runs import reached
from rrsync.web.views.frame import Place
from rrsync.web.views.runs import Authorised, Budget, Certificate, RegisterPage, Subscribed
from rrsync.wiring.papers import ours, trusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI, Response

    from rrsync.core.authorisation import Authorisation
    from rrsync.web.house import House
    from rrsync.web.views.frame import Tone

_HOUR: Final = timedelta(hours=1)
_SOON: Final = timedelta(days=60)
_TONES: Final[dict[str, Tone]] = {"ok": "good", "warning": "warn", "fault": "bad"}


def mount(app: FastAPI) -> None:
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
    allowed = traffic.Budget(settings.max_per_second, settings.max_in_flight, settings.deadline_s)
    state, now = Shared(app.database, app.chance.stopwatch).look()
    rests = traffic.resting(state, now)
    return Budget(
        per_second=settings.max_per_second,
        in_flight=settings.max_in_flight,
        desk_reserve=max(settings.max_in_flight - allowed.for_nights, 1),
        last_hour=here.entrance.census.questions(libraries, since=here.now - _HOUR),
        share=traffic.by_now(state, now).share,
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
