"""The guard: checks every request against the table of ``access_rules``, and names why one is turned away.

In this order, for every route:

1. The session of the browser is looked up; there may be none.
2. A request that changes something (all but GET) comes from our own page: the browser says that the request's site and
   origin are ours, and the form holds the token of this session, or, before there is one, of this login.
3. Without a session, a browser is redirected to the login; one that sent a form is told that nothing was done.
4. A session without one of the route's roles is refused; so is, where the rule wants fresh proof, one that is too old.
5. Another library in the address is answered as one that does not exist.

A call under /api comes from a library system and is checked by its key (``require_key``), never by a cookie.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount

from rrsync.core.api_key import Scope, admits
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.errors import ConfigError
from rrsync.store.api_keys import ApiKey
from rrsync.store.sessions import StaffSession
from rrsync.web.access_rules import Anybody, LoggedIn, Rule, SignedMessage, WithKey
from rrsync.web.api_errors import Problem, is_api
from rrsync.web.context import WebContext, context_of

#: How long ago a person may have authenticated where a rule wants fresh proof.
FRESH: Final = timedelta(minutes=10)
_REALM: Final = 'Bearer realm="rrsync"'
_JSON: Final = "application/json"
_KEPT: Final = "The pages were not started"

log = structlog.get_logger()


class Denied(StrEnum):
    """Why a request is turned away."""

    TO_LOGIN = "to_login"
    UNPROVED = "unproved"
    OUTSIDE = "outside"
    FOREIGN = "foreign"
    STALE = "stale"
    FORBIDDEN = "forbidden"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The status, the kind of error page (``render.ErrorPage``), and the name of the page that it links to."""

    status: HTTPStatus
    kind: str
    again: str = "home"


ERROR_REPLIES: Final = {
    Denied.TO_LOGIN: ErrorReply(HTTPStatus.SEE_OTHER, "outside", "login"),
    Denied.UNPROVED: ErrorReply(HTTPStatus.FORBIDDEN, "unproved", "login_again"),
    Denied.OUTSIDE: ErrorReply(HTTPStatus.UNAUTHORIZED, "outside", "login"),
    Denied.FOREIGN: ErrorReply(HTTPStatus.FORBIDDEN, "stale"),
    Denied.STALE: ErrorReply(HTTPStatus.FORBIDDEN, "stale"),
    Denied.FORBIDDEN: ErrorReply(HTTPStatus.FORBIDDEN, "forbidden"),
    Denied.MISSING: ErrorReply(HTTPStatus.NOT_FOUND, "missing"),
}


class AccessError(Exception):
    """A request is turned away; the message is the reason alone."""

    def __init__(self, why: Denied) -> None:
        self.why = why
        super().__init__(why.value)


async def guard(request: Request) -> StaffSession | None:
    """Check a request against its rule, and return its session.

    Raises:
        AccessError, Problem: the request is turned away.
    """
    ctx = context_of(request)
    rule = ctx.rules[request.method, request.scope["route"].path]
    if isinstance(rule, SignedMessage):
        return None
    if isinstance(rule, WithKey):
        await run_in_threadpool(require_key, request, rule.scope)
        return None
    if isinstance(rule, Anybody) and is_api(request):
        return None
    visit = await run_in_threadpool(ctx.visit, request)
    request.state.visit = visit
    if isinstance(rule, LoggedIn) and visit is None:
        raise AccessError(_without_session(request))
    if request.method != "GET":
        _require_own_page(request, ctx)
        await _require_token(request, ctx, visit)
    if isinstance(rule, LoggedIn) and visit is not None:
        _require_role(rule, visit, ctx)
        _require_own_library(request, visit, ctx)
    return visit


async def inside(visit: Annotated[StaffSession | None, Depends(guard)]) -> StaffSession:
    """Return the session of a route whose rule asks for roles.

    Raises:
        AccessError: there is none.
    """
    if visit is None:
        raise AccessError(Denied.OUTSIDE)
    return visit


#: The session of a request, for handlers: the one there is, or the one there may be.
Inside = Annotated[StaffSession, Depends(inside)]
Guest = Annotated[StaffSession | None, Depends(guard)]


def actor(visit: StaffSession) -> Actor:
    """Return the person of a session, as the access log names them."""
    return Actor(ActorKind.PERSON, visit.staff.name)


def require_guarded(app: FastAPI, rules: Mapping[tuple[str, str], Rule]) -> None:
    """Check that every route has a rule, and every rule a route.

    Raises:
        ConfigError: one has not, or a route is of a kind that bypasses the guard.
    """
    found: set[tuple[str, str]] = set()
    for route in app.routes:
        if isinstance(route, Mount) and route.name == "static":
            continue
        if not isinstance(route, APIRoute):
            raise ConfigError(f"{getattr(route, 'path', route)} is no route that the guard sees", kept=_KEPT)
        found |= {(method, route.path) for method in route.methods or ()}
    for method, path in sorted(found ^ rules.keys()):
        lacks = "rule" if (method, path) in found else "route"
        raise ConfigError(f"{method} {path} has no {lacks}", kept=_KEPT, todo="Correct web/access_rules.py")


def _without_session(request: Request) -> Denied:
    """Return how a request without a session is answered: a browser that opens a page is led to the login."""
    opens_page = request.headers.get("sec-fetch-mode", "navigate") == "navigate"
    return Denied.TO_LOGIN if request.method == "GET" and opens_page else Denied.OUTSIDE


def _require_own_page(request: Request, ctx: WebContext) -> None:
    """Check that a browser sends this from our own page.

    A browser that names the site of a request (all of today's) may call its origin ``null``: our pages tell nobody
    where a request comes from. A browser that does not name the site must name the origin.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None:
        is_ours = origin == ctx.policy.origin
    else:
        is_ours = site == "same-origin" and origin in {None, "null", ctx.policy.origin}
    if not is_ours:
        raise AccessError(Denied.FOREIGN)


async def _require_token(request: Request, ctx: WebContext, visit: StaffSession | None) -> None:
    """Check that a form holds the token that was put in it."""
    sent = (await request.form()).get("token")
    start = ctx.cookies.start(request, ctx.now)
    wanted = visit.token if visit else start.token if start else ""
    if not wanted or not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), wanted.encode()):
        raise AccessError(Denied.STALE)


def _require_role(rule: LoggedIn, visit: StaffSession, ctx: WebContext) -> None:
    if not rule.roles & visit.staff.roles:
        raise AccessError(Denied.FORBIDDEN)
    if rule.is_fresh and ctx.now - visit.proved_at > FRESH:
        raise AccessError(Denied.UNPROVED)


def _require_own_library(request: Request, visit: StaffSession, ctx: WebContext) -> None:
    library = request.path_params.get("library")
    if library is not None and not (library in ctx.libraries and visit.staff.reaches(library)):
        raise AccessError(Denied.MISSING)


def require_key(request: Request, scope: Scope) -> None:
    """Check the key of a call, and keep it for the handler; in this order.

    1. The key is one of ours, not expired and not revoked.
    2. It has this scope, and may be used from this network.
    3. Its library is the one in the address; another is answered as one that does not exist.
    4. The body, if any, is JSON.

    Raises:
        Problem: the call is refused.
        StoreError: the key cannot be looked up.
    """
    ctx = context_of(request)
    key = ctx.api_keys.find(_bearer(request))
    if key is None:
        shown = "authorization" in request.headers
        raise _refused("key", {"WWW-Authenticate": f'{_REALM}, error="invalid_token"' if shown else _REALM})
    if scope not in key.scopes:
        raise _refused("scope", {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scope}"'}, key)
    if not admits(key.networks, request.client.host if request.client else ""):
        raise _refused("network", {}, key)
    library = request.path_params.get("library")
    if library is not None and (library != key.library or library not in ctx.libraries):
        raise _refused("missing", {}, key)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "GET" and kind != _JSON:
        raise Problem("type")
    request.state.key = key


def caller(request: Request) -> ApiKey:
    """Return the key that ``require_key`` kept.

    Raises:
        Problem: there is none: the route has another rule.
    """
    key = getattr(request.state, "key", None)
    if not isinstance(key, ApiKey):
        raise _refused("key", {"WWW-Authenticate": _REALM})
    return key


def _bearer(request: Request) -> str:
    """Return the key in the one Authorization header; ``""`` when there is none, or more."""
    shown = request.headers.getlist("authorization")
    scheme, _, text = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
    return text.strip() if scheme.lower() == "bearer" else ""


def _refused(kind: str, headers: Mapping[str, str], key: ApiKey | None = None) -> Problem:
    log.info("api.refused", reason=kind, library=key.library if key else "")
    return Problem(kind, headers=headers)
