"""Coming in and going out: the login page, the way through the provider and back, the language, one's sessions.

Coming in on trial, without proof: as an invented member of staff, on the machine that serves the pages.

It is there only when all of this holds: the register is the simulator, the settings name no provider, the pages listen
on this machine and are called by its name, and the request comes from it, through no proxy.

The pages between the login and the work: what leads on, where one may go, where else one is logged in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, ClassVar, Final

import structlog
from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse

from rrsync.core.roles import Denial, Grants, Role, Staff, number_of, staff_of
from rrsync.text.catalogue import translated
from rrsync.text.page_messages import REFUSALS
from rrsync.web.guard import Away, Guest, House, Inside, TurnedAway, house
from rrsync.web.oidc import HARMLESS, Identity, Refused, Trouble
from rrsync.web.paths import PATHS, path
from rrsync.web.render import Flash
from rrsync.web.responses import go, places, respond, say
from rrsync.web.session_cookies import Start


@dataclass(frozen=True, slots=True)
class WelcomePage:
    """Somebody came in: a page that leads on to home by itself, and by a link."""

    name: ClassVar[str] = "welcome"


@dataclass(frozen=True, slots=True)
class HomePage:
    """Where somebody may go: the frame's places, with a word on each; or that there is nothing for their role."""

    name: ClassVar[str] = "home"


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session of one's own: ``id`` in hex, by which it is ended, and whether it is the one that asks."""

    id: str
    since: datetime
    seen: datetime
    is_this: bool


@dataclass(frozen=True, slots=True)
class SessionsPage:
    """One's own sessions, the newest first; the one that asks is among them."""

    name: ClassVar[str] = "sessions"

    sessions: tuple[SessionLine, ...]

    @property
    def others(self) -> int:
        """How many there are beside the one that asks."""
        return sum(not one.is_this for one in self.sessions)


@dataclass(frozen=True, slots=True)
class LoginPage:
    """Who are you: by the organisation's own login, or on trial as one of these.

    ``provider`` is the name people know the login by, empty when there is none. ``trial`` are the invented people one
    can be on a trial machine. ``message`` is a key of the page's words that says why one is here again, such as
    ``left``, ``idle``, ``refused``; ``detail`` is the reason of a refusal, in words.
    """

    name: ClassVar[str] = "login"

    provider: str = ""
    trial: tuple[TrialPerson, ...] = ()
    message: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrialPerson:
    """An invented person one can be on trial: what is sent, their name, their roles, their library."""

    value: str
    name: str
    roles: tuple[str, ...]
    library: str


#: The invented staff: name -> roles.
_LIBRARY: Final = {
    "an.peeters": frozenset({Role.DESK}),
    "bo.claes": frozenset({Role.OPERATOR}),
    "cis.maes": frozenset({Role.DPO}),
}
_ALL: Final = {
    "dora.wouters": frozenset({Role.OPERATOR, Role.ADMIN}),
    "els.smets": frozenset({Role.DPO}),
}
_PROXIES: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def is_local(request: Request, here: House) -> bool:
    """Whether a trial is possible here, and for who asks."""
    client = request.client
    if not here.is_trial or client is None or any(name in request.headers for name in _PROXIES):
        return False
    try:
        return ipaddress.ip_address(client.host).is_loopback
    except ValueError:
        return False


def people(here: House) -> Mapping[str, Staff]:
    """Give whom one can be, by what is sent: staff of each library, and those who work for all."""
    found = {
        f"{name}@{library}": Staff(name, library, roles)
        for library in here.libraries
        for name, roles in _LIBRARY.items()
    }
    return found | {name: Staff(name, None, roles) for name, roles in _ALL.items()}


def shown(here: House) -> tuple[TrialPerson, ...]:
    """Give the same as the login page shows them."""
    names = here.libraries
    return tuple(
        TrialPerson(value, staff.name, tuple(sorted(staff.roles)), names[staff.library] if staff.library else "")
        for value, staff in people(here).items()
    )


#: A path of ours, and nothing that a browser could take for another site's.
_OWN: Final = re.compile(r"/(?![/\\])[A-Za-z0-9/_.~%-]{0,500}")
_CLEARS: Final = {"Clear-Site-Data": '"cache", "storage"'}  # not "cookies": those of all our domain would go with ours

log = structlog.get_logger()


def mount(app: FastAPI) -> None:
    """Add the routes of this module."""
    app.add_api_route(PATHS["home"], home, methods=["GET"])
    app.add_api_route(PATHS["login"], login, methods=["GET"])
    app.add_api_route(PATHS["login_left"], left, methods=["GET"])
    app.add_api_route(PATHS["login_start"], begin, methods=["GET"])
    app.add_api_route(PATHS["login_again"], prove, methods=["GET"])
    app.add_api_route(PATHS["login_back"], come_back, methods=["GET"])
    app.add_api_route(PATHS["login_ended"], ended, methods=["POST"])
    app.add_api_route(PATHS["login_local"], come_in, methods=["POST"])
    app.add_api_route(PATHS["logout"], leave, methods=["POST"])
    app.add_api_route(PATHS["language"], speak, methods=["POST"])
    app.add_api_route(PATHS["sessions"], sessions, methods=["GET"])
    app.add_api_route(PATHS["sessions_end"], end, methods=["POST"])


def home(request: Request, visit: Inside) -> Response:
    """Lead to where somebody begins, or show what they may do."""
    there = places(visit, house(request))
    return go(there[0].value) if there else respond(request, HomePage())


def login(request: Request, visit: Guest) -> Response:
    """Ask who is there, unless it is known; say why somebody who was logged in is not any more."""
    if visit is not None:
        return go("home")
    here = house(request)
    token = here.cookies.token(request)
    lapse = here.entrance.sessions.lapse(token)
    response = respond(request, _door(request, lapse.value if lapse else ""))
    if token:  # who came by another site's link shows none, and may be logged in
        here.cookies.let_out(response)
    return response


def left(request: Request, visit: Guest) -> Response:
    """Say that somebody is logged out."""
    return go("home") if visit else respond(request, _door(request, "left"))


def begin(request: Request) -> Response:
    """Lead to the provider."""
    return _begun(request, again=False)


def prove(request: Request) -> Response:
    """Lead to the provider, to prove anew who one is."""
    return _begun(request, again=True)


def come_back(request: Request) -> Response:
    """Take in who comes back from the provider, or say why not."""
    here = house(request)
    grants = here.entrance.grants
    if here.flow is None or grants is None:
        raise TurnedAway(Away.MISSING)
    start = here.cookies.start(request, here.now)
    try:
        identity = here.flow.finish(start, _said(request))
    except Refused as refusal:
        return _refused(request, refusal.why)
    found = _staff(identity, grants, here)
    return _refused(request, found) if isinstance(found, Denial) else _let_in(request, found, identity)


def ended(request: Request, logout_token: Annotated[str, Form()]) -> Response:
    """End the sessions that the provider says are over (OpenID Connect Back-Channel Logout)."""
    here = house(request)
    if here.flow is None:
        raise TurnedAway(Away.MISSING)
    try:
        said = here.flow.ended(logout_token)
    except Refused as refusal:
        log.warning("login.end_refused", reason=refusal.why.value)
        return Response(status_code=400)
    count = here.entrance.sessions.end_all(person=said.person, sid=said.sid, until=said.at)
    log.info("login.ended", count=count)
    return Response(status_code=200)


def come_in(request: Request, who: Annotated[str, Form()]) -> Response:
    """Let somebody in on trial, as one of the invented people."""
    here = house(request)
    staff = people(here).get(who) if is_local(request, here) else None
    if staff is None:
        raise TurnedAway(Away.MISSING)
    token = here.entrance.sessions.start(
        staff, person=f"trial {who}", proved_at=here.now, instead_of=here.cookies.token(request)
    )
    response = go("home")
    here.cookies.let_in(response, token)
    return response


def leave(request: Request, visit: Guest) -> Response:
    """End the session here, and lead to the provider to end it there."""
    here = house(request)
    if visit is not None:
        here.entrance.sessions.end(here.cookies.token(request))
    response = RedirectResponse(_goodbye(here), status_code=303, headers=_CLEARS)
    here.cookies.let_out(response)
    return response


def speak(request: Request, language: Annotated[str, Form()], address: Annotated[str, Form()] = "/") -> Response:
    """Change the language, and come back to the page one was on."""
    response = RedirectResponse(address if _OWN.fullmatch(address) else path("home"), status_code=303)
    if language in {"nl", "en"}:
        house(request).cookies.speak(response, language)
    return response


def sessions(request: Request, visit: Inside) -> Response:
    """Show where else somebody is logged in, so that a session that is not theirs is seen."""
    lines = tuple(
        SessionLine(one.id.hex(), one.since, one.seen, is_this=one.id == visit.id)
        for one in house(request).entrance.sessions.present(visit.person)
    )
    return respond(request, SessionsPage(lines))


def end(request: Request, visit: Inside, which: Annotated[str, Form()]) -> Response:
    """End another session of one's own, or all others."""
    here = house(request).entrance.sessions
    others = [one.id for one in here.present(visit.person) if one.id != visit.id]
    count = here.end_of(visit.person, [one for one in others if which in {"others", one.hex()}])
    log.info("login.ended", count=count)
    say(request, visit, Flash("good", "sessions_ended") if count else Flash("info", "sessions_over"))
    return go("sessions")


def _door(request: Request, message: str = "", detail: str = "") -> LoginPage:
    here = house(request)
    oidc = here.app.settings.web.oidc
    trial = shown(here) if is_local(request, here) else ()
    return LoginPage(provider=oidc.provider if oidc else "", trial=trial, message=message, detail=detail)


def _begun(request: Request, *, again: bool) -> Response:
    """Lead to the provider; the session there may be ends, as its cookie does not come back with the browser."""
    here = house(request)
    if here.flow is None:
        raise TurnedAway(Away.MISSING)
    start = Start.fresh(here.now, here.random, again=again)
    try:
        address = here.flow.begin(start)
    except Refused as refusal:
        return _refused(request, refusal.why)
    if token := here.cookies.token(request):
        here.entrance.sessions.end(token)
    response = RedirectResponse(address, status_code=303)
    here.cookies.let_out(response)
    here.cookies.begin(response, start)
    return response


def _said(request: Request) -> Mapping[str, str]:
    """Give what a browser came back with; nothing when something of it is said twice (RFC 6749 §3.1)."""
    pairs = request.query_params.multi_items()
    said = dict(pairs)
    return said if len(said) == len(pairs) else {}


def _staff(identity: Identity, grants: Grants, here: House) -> Staff | Denial:
    """Give who that is here, with the keyed value of their own number if the provider gives it."""
    found = staff_of(identity.claims, grants)
    if isinstance(found, Denial) or found.library is None:
        return found
    number = number_of(identity.claims, grants, production=here.app.production)
    return found if number is None else replace(found, mark=here.entrance.mark(found.library, number))


def _let_in(request: Request, staff: Staff, identity: Identity) -> Response:
    """Give the browser a session, on a page that leads on: the cookie goes with no redirect that began elsewhere."""
    here = house(request)
    sessions = here.entrance.sessions
    shown_before = here.cookies.token(request)
    token = sessions.start(
        staff, person=identity.person, sid=identity.sid, proved_at=identity.proved_at, instead_of=shown_before
    )
    request.state.visit = sessions.find(token)
    response = respond(request, WelcomePage())
    here.cookies.let_in(response, token)
    log.info("login.done", library=staff.library or "")
    return response


def _refused(request: Request, why: Denial | Trouble) -> Response:
    here = house(request)
    if why in HARMLESS:
        log.info("login.failed", reason=why.value)
    else:
        log.warning("login.refused", reason=why.value)
    language = here.cookies.language(request) or here.language
    status = 503 if why is Trouble.UNREACHABLE else 403
    return respond(request, _door(request, "refused", translated(REFUSALS, why, language)), status=status)


def _goodbye(here: House) -> str:
    """Give where a logout leads: to the provider, if it has a page for it and answers; else to our own."""
    try:
        return (here.flow.goodbye() if here.flow else "") or path("login_left")
    except Refused as refusal:
        log.info("login.failed", reason=refusal.why.value)
        return path("login_left")
