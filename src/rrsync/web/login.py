"""Login and logout: the login page, the redirect to the provider and back, the language, one's own sessions.

On trial one logs in without proof, as an invented member of staff. That is possible only when all of this holds: the
register is the simulator, the settings name no provider, the pages listen on this machine and are called by its name,
and the request comes from this machine, through no proxy.
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
from rrsync.web.context import Context, WebContext, context_of
from rrsync.web.guard import AccessError, Denied, Guest, Inside
from rrsync.web.oidc import HARMLESS, LoginFailure, LoginIdentity, LoginRefused
from rrsync.web.paths import PATHS, path
from rrsync.web.render import Flash
from rrsync.web.responses import go, places, respond, say
from rrsync.web.session_cookies import LoginStart

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
#: A path of ours, and nothing that a browser could take for another site's.
_OWN: Final = re.compile(r"/(?![/\\])[A-Za-z0-9/_.~%-]{0,500}")
_CLEARS: Final = {"Clear-Site-Data": '"cache", "storage"'}  # not "cookies": those of all our domain would go with ours

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WelcomePage:
    """The page after a login; it leads on to home by itself, and by a link."""

    name: ClassVar[str] = "welcome"


@dataclass(frozen=True, slots=True)
class HomePage:
    """The pages that a session may see, with a sentence about each; or that there are none for its role."""

    name: ClassVar[str] = "home"


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One of one's own sessions: ``id`` in hex, by which it is ended, and whether it is the present one."""

    id: str
    since: datetime
    seen: datetime
    is_this: bool


@dataclass(frozen=True, slots=True)
class SessionsPage:
    """One's own sessions, the newest first, with the present one."""

    name: ClassVar[str] = "sessions"

    sessions: tuple[SessionLine, ...]

    @property
    def others(self) -> int:
        """The number of sessions beside the present one."""
        return sum(not one.is_this for one in self.sessions)


@dataclass(frozen=True, slots=True)
class LoginPage:
    """The login: through the organisation's identity provider, or on trial as one of a few invented people.

    ``provider`` is the name people know the login by, empty when there is none. ``message`` is a key of the page's
    texts that says why somebody is here again, such as ``left``, ``idle``, ``refused``; ``detail`` is the reason of a
    refusal, in words.
    """

    name: ClassVar[str] = "login"

    provider: str = ""
    trial: tuple[TrialPerson, ...] = ()
    message: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrialPerson:
    """An invented person: the value that the form sends, their name, roles and library."""

    value: str
    name: str
    roles: tuple[str, ...]
    library: str


def register_routes(app: FastAPI) -> None:
    """Add the routes of login, logout, language and sessions."""
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


def home(request: Request, ctx: Context, visit: Inside) -> Response:
    """Lead to the first page that the session may see, or say that there is none."""
    there = places(visit, ctx)
    return go(there[0].value) if there else respond(request, HomePage())


def login(request: Request, ctx: Context, visit: Guest) -> Response:
    """Show the login page, with the reason why a session ended; lead home whoever is logged in."""
    if visit is not None:
        return go("home")
    token = ctx.cookies.token(request)
    lapse = ctx.sessions.lapse(token)
    response = respond(request, _login_page(request, lapse.value if lapse else ""))
    if token:  # a browser that came by another site's link shows none, and may be logged in
        ctx.cookies.let_out(response)
    return response


def left(request: Request, visit: Guest) -> Response:
    """Show the login page after a logout."""
    return go("home") if visit else respond(request, _login_page(request, "left"))


def begin(request: Request) -> Response:
    """Lead to the provider."""
    return _to_provider(request, again=False)


def prove(request: Request) -> Response:
    """Lead to the provider, to authenticate again."""
    return _to_provider(request, again=True)


def come_back(request: Request, ctx: Context) -> Response:
    """Log in whoever comes back from the provider, or say why not."""
    grants = ctx.grants
    flow = ctx.login_flow
    if flow is None or grants is None:
        raise AccessError(Denied.MISSING)
    start = ctx.cookies.start(request, ctx.now)
    try:
        identity = flow.finish(start, _parameters(request))
    except LoginRefused as refusal:
        return _refused(request, refusal.why)
    found = _staff(identity, grants, ctx)
    return _refused(request, found) if isinstance(found, Denial) else _log_in(request, ctx, found, identity)


def ended(ctx: Context, logout_token: Annotated[str, Form()]) -> Response:
    """End the sessions that the provider says are over (OpenID Connect Back-Channel Logout)."""
    flow = ctx.login_flow
    if flow is None:
        raise AccessError(Denied.MISSING)
    try:
        said = flow.ended(logout_token)
    except LoginRefused as refusal:
        log.warning("login.end_refused", reason=refusal.why.value)
        return Response(status_code=400)
    count = ctx.sessions.end_all(person=said.person, sid=said.sid, until=said.at)
    log.info("login.ended", count=count)
    return Response(status_code=200)


def come_in(request: Request, ctx: Context, who: Annotated[str, Form()]) -> Response:
    """Log in on trial, as one of the invented people."""
    staff = trial_staff(ctx).get(who) if is_local(request, ctx) else None
    if staff is None:
        raise AccessError(Denied.MISSING)
    token = ctx.sessions.start(staff, person=f"trial {who}", proved_at=ctx.now, instead_of=ctx.cookies.token(request))
    response = go("home")
    ctx.cookies.let_in(response, token)
    return response


def leave(request: Request, ctx: Context, visit: Guest) -> Response:
    """End the session here, and lead to the provider to end it there."""
    if visit is not None:
        ctx.sessions.end(ctx.cookies.token(request))
    response = RedirectResponse(_logout_address(ctx), status_code=303, headers=_CLEARS)
    ctx.cookies.let_out(response)
    return response


def speak(ctx: Context, language: Annotated[str, Form()], address: Annotated[str, Form()] = "/") -> Response:
    """Change the language, and lead back to the page before."""
    response = RedirectResponse(address if _OWN.fullmatch(address) else path("home"), status_code=303)
    if language in {"nl", "en"}:
        ctx.cookies.speak(response, language)
    return response


def sessions(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show all sessions of a person, so that they notice one that is not theirs."""
    lines = tuple(
        SessionLine(one.id.hex(), one.since, one.seen, is_this=one.id == visit.id)
        for one in ctx.sessions.present(visit.person)
    )
    return respond(request, SessionsPage(lines))


def end(request: Request, ctx: Context, visit: Inside, which: Annotated[str, Form()]) -> Response:
    """End another session of one's own, or all others."""
    others = [one.id for one in ctx.sessions.present(visit.person) if one.id != visit.id]
    count = ctx.sessions.end_of(visit.person, [one for one in others if which in {"others", one.hex()}])
    log.info("login.ended", count=count)
    say(request, visit, Flash("good", "sessions_ended") if count else Flash("info", "sessions_over"))
    return go("sessions")


def _login_page(request: Request, message: str = "", detail: str = "") -> LoginPage:
    ctx = context_of(request)
    web = ctx.settings.web
    trial = _trial_people(ctx) if is_local(request, ctx) else ()
    return LoginPage(provider=web.oidc.provider if web.oidc else "", trial=trial, message=message, detail=detail)


def _to_provider(request: Request, *, again: bool) -> Response:
    """Lead to the provider, and end a session: its cookie does not come back with the browser."""
    ctx = context_of(request)
    flow = ctx.login_flow
    if flow is None:
        raise AccessError(Denied.MISSING)
    start = LoginStart.fresh(ctx.now, ctx.runtime.random, again=again)
    try:
        address = flow.begin(start)
    except LoginRefused as refusal:
        return _refused(request, refusal.why)
    if token := ctx.cookies.token(request):
        ctx.sessions.end(token)
    response = RedirectResponse(address, status_code=303)
    ctx.cookies.let_out(response)
    ctx.cookies.begin(response, start)
    return response


def _parameters(request: Request) -> Mapping[str, str]:
    """Return the parameters that a browser came back with; none when one is there twice (RFC 6749 §3.1)."""
    pairs = request.query_params.multi_items()
    said = dict(pairs)
    return said if len(said) == len(pairs) else {}


def _staff(identity: LoginIdentity, grants: Grants, ctx: WebContext) -> Staff | Denial:
    """Return the member of staff, with the keyed value of their own national number if the provider gives it."""
    found = staff_of(identity.claims, grants)
    if isinstance(found, Denial) or found.library is None:
        return found
    number = number_of(identity.claims, grants, production=ctx.production)
    return found if number is None else replace(found, mark=ctx.staff_mark(found.library, number))


def _log_in(request: Request, ctx: WebContext, staff: Staff, identity: LoginIdentity) -> Response:
    """Begin a session, on a page that leads on: a browser sends the cookie after no redirect from another site."""
    shown_before = ctx.cookies.token(request)
    token = ctx.sessions.start(
        staff, person=identity.person, sid=identity.sid, proved_at=identity.proved_at, instead_of=shown_before
    )
    request.state.visit = ctx.sessions.find(token)
    response = respond(request, WelcomePage())
    ctx.cookies.let_in(response, token)
    log.info("login.done", library=staff.library or "")
    return response


def _refused(request: Request, why: Denial | LoginFailure) -> Response:
    if why in HARMLESS:
        log.info("login.failed", reason=why.value)
    else:
        log.warning("login.refused", reason=why.value)
    language = context_of(request).language(request)
    status = 503 if why is LoginFailure.UNREACHABLE else 403
    return respond(request, _login_page(request, "refused", translated(REFUSALS, why, language)), status=status)


def _logout_address(ctx: WebContext) -> str:
    """Return where a logout leads: to the provider's page for it, if it has one and answers; else to our own."""
    try:
        return (ctx.login_flow.goodbye() if ctx.login_flow else "") or path("login_left")
    except LoginRefused as refusal:
        log.info("login.failed", reason=refusal.why.value)
        return path("login_left")


def is_local(request: Request, ctx: WebContext) -> bool:
    """Whether this request may log in on trial."""
    client = request.client
    if not ctx.is_trial or client is None or any(name in request.headers for name in _PROXIES):
        return False
    try:
        return ipaddress.ip_address(client.host).is_loopback
    except ValueError:
        return False


def trial_staff(ctx: WebContext) -> Mapping[str, Staff]:
    """Return the invented staff of each library, and those who work for all, by the value that the form sends."""
    found = {
        f"{name}@{library}": Staff(name, library, roles)
        for library in ctx.libraries
        for name, roles in _LIBRARY.items()
    }
    return found | {name: Staff(name, None, roles) for name, roles in _ALL.items()}


def _trial_people(ctx: WebContext) -> tuple[TrialPerson, ...]:
    """Return the same people for the login page."""
    names = ctx.libraries
    return tuple(
        TrialPerson(value, staff.name, tuple(sorted(staff.roles)), names[staff.library] if staff.library else "")
        for value, staff in trial_staff(ctx).items()
    )
