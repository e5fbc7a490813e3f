"""Who may go where: one table, and the one place that holds every request against it.

A route that has no row, or a row that has no route, and the pages do not start. In this order, for every route:

1. Whose session the browser shows is looked up; there may be none.
2. What changes something (all but GET) comes from our own page: the browser says that the request's site and origin are
   ours, and the form holds the token of this session, or, before there is one, of this login.
3. Who is not logged in is sent to the login; or told, if something was sent, that nothing was done.
4. Who has none of the route's roles is refused; so is, where it asks for that, who proved who they are too long ago.
5. Another library, in the address, is as unknown as one that does not exist.

Who calls under /api: a library system, by its key. No cookie is looked at there, and no session.

What every handler has at hand: the rooms, who may come in, the cookies, the provider, and what the table says.

How a request is turned away, and what it is told.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final, TypeAlias

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount

from rrsync.app.services import App, Entrance
from rrsync.core.api_key import Scope, admits
from rrsync.core.roles import Role
from rrsync.errors import ConfigError
from rrsync.store.api_keys import ApiKey
from rrsync.store.sessions import Visit
from rrsync.web.api_errors import Problem, is_api
from rrsync.web.headers import Policy
from rrsync.web.oidc import Flow
from rrsync.web.paths import PATHS
from rrsync.web.render import Language, Pages
from rrsync.web.server import Jobs
from rrsync.web.session_cookies import Cookies


class Away(StrEnum):
    """Why a request is turned away."""

    TO_LOGIN = "to_login"
    UNPROVED = "unproved"
    OUTSIDE = "outside"
    FOREIGN = "foreign"
    STALE = "stale"
    FORBIDDEN = "forbidden"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Told:
    """The status, the kind of error page (``render.ErrorPage``), and the page that leads on."""

    status: HTTPStatus
    kind: str
    again: str = "home"


TOLD: Final = {
    Away.TO_LOGIN: Told(HTTPStatus.SEE_OTHER, "outside", "login"),
    Away.UNPROVED: Told(HTTPStatus.FORBIDDEN, "unproved", "login_again"),
    Away.OUTSIDE: Told(HTTPStatus.UNAUTHORIZED, "outside", "login"),
    Away.FOREIGN: Told(HTTPStatus.FORBIDDEN, "stale"),
    Away.STALE: Told(HTTPStatus.FORBIDDEN, "stale"),
    Away.FORBIDDEN: Told(HTTPStatus.FORBIDDEN, "forbidden"),
    Away.MISSING: Told(HTTPStatus.NOT_FOUND, "missing"),
}


class TurnedAway(Exception):
    """A request may not go where it wants; the message is the reason alone."""

    def __init__(self, why: Away) -> None:
        self.why = why
        super().__init__(why.value)


@dataclass(frozen=True, slots=True)
class House:
    """The rooms and all that the pages add to them; ``flow`` is ``None`` without a provider."""

    app: App
    entrance: Entrance
    cookies: Cookies
    policy: Policy
    flow: Flow | None
    rules: Mapping[tuple[str, str], Rule]
    pages: Pages
    jobs: Jobs

    @property
    def now(self) -> datetime:
        """The moment, aware and in UTC."""
        return self.app.chance.clock()

    @property
    def random(self) -> Callable[[int], bytes]:
        """The dice."""
        return self.app.chance.random

    @property
    def language(self) -> Language:
        """The language of who chose none."""
        return self.app.settings.language

    @property
    def libraries(self) -> Mapping[str, str]:
        """The libraries that the settings name: id -> name."""
        return {library.id: library.name for library in self.app.settings.library}

    def visit(self, request: Request) -> Visit | None:
        """Give the session that a browser shows; one of a library that the settings name no more is over.

        Raises:
            StoreError: the database cannot be read or written.
        """
        found = self.entrance.sessions.find(self.cookies.token(request))
        return found if found and (found.staff.library is None or found.staff.library in self.libraries) else None

    @property
    def is_trial(self) -> bool:
        """Whether one comes in without proof: only to invented people, and only from this machine."""
        settings = self.app.settings
        return settings.registry.environment == "simulator" and settings.web.oidc is None and settings.web.is_here


def house(request: Request) -> House:
    """Give what the application of a request was built with."""
    found = request.app.state.house
    assert isinstance(found, House)  # noqa: S101 — tells mypy what Starlette keeps untyped
    return found


_REALM: Final = 'Bearer realm="rrsync"'
_JSON: Final = "application/json"

log = structlog.get_logger()


def require_key(request: Request, scope: Scope) -> None:
    """Hold a call against its key, and keep whose it is for the handler; in this order.

    1. The key is one of ours, not expired and not revoked.
    2. It is good for this, and from there.
    3. Its library is the one in the address; another is as unknown as one that does not exist.
    4. What is sent is JSON.

    Raises:
        Problem: it may not go there.
        StoreError: it cannot be looked up.
    """
    here = house(request)
    key = here.entrance.served.keys.find(_shown(request))
    if key is None:
        shown = "authorization" in request.headers
        raise _refused("key", {"WWW-Authenticate": f'{_REALM}, error="invalid_token"' if shown else _REALM})
    if scope not in key.scopes:
        raise _refused("scope", {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scope}"'}, key)
    if not admits(key.networks, request.client.host if request.client else ""):
        raise _refused("network", {}, key)
    library = request.path_params.get("library")
    if library is not None and (library != key.library or library not in here.libraries):
        raise _refused("missing", {}, key)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "GET" and kind != _JSON:
        raise Problem("type")
    request.state.key = key


def caller(request: Request) -> ApiKey:
    """Give the key that the guard saw.

    Raises:
        Problem: it saw none: the route's row is another's.
    """
    key = getattr(request.state, "key", None)
    if not isinstance(key, ApiKey):
        raise _refused("key", {"WWW-Authenticate": _REALM})
    return key


def _shown(request: Request) -> str:
    """Give the key in the one Authorization header; ``""`` when there is none, or more."""
    shown = request.headers.getlist("authorization")
    scheme, _, text = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
    return text.strip() if scheme.lower() == "bearer" else ""


def _refused(kind: str, headers: Mapping[str, str], key: ApiKey | None = None) -> Problem:
    log.info("api.refused", reason=kind, library=key.library if key else "")
    return Problem(kind, headers=headers)


#: How long ago somebody may have proved who they are where a route asks for fresh proof.
FRESH: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Open:
    """Everybody, logged in or not."""


@dataclass(frozen=True, slots=True)
class Signed:
    """No browser, but somebody whose message proves itself; there is no form, so it has no token."""


@dataclass(frozen=True, slots=True)
class For:
    """Who is logged in with one of these roles; with ``is_fresh``, who proved who they are just now."""

    roles: frozenset[Role]
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """No browser, but a library system whose key is good for this; no cookie is looked at."""

    scope: Scope


Rule: TypeAlias = Open | Signed | For | Keyed

_EVERYBODY: Final = For(frozenset(Role))
_DESK: Final = For(frozenset({Role.DESK}))
_OFFICER: Final = For(frozenset({Role.DPO}))

#: Method and path of every route -> who may go there.
RULES: Final[dict[tuple[str, str], Rule]] = {
    ("GET", PATHS["home"]): _EVERYBODY,
    ("GET", PATHS["login"]): Open(),
    ("GET", PATHS["login_left"]): Open(),
    ("GET", PATHS["login_start"]): Open(),
    ("GET", PATHS["login_again"]): Open(),
    ("GET", PATHS["login_back"]): Open(),
    ("POST", PATHS["login_ended"]): Signed(),
    ("POST", PATHS["login_local"]): Open(),
    ("POST", PATHS["logout"]): Open(),
    ("POST", PATHS["language"]): Open(),
    ("GET", PATHS["sessions"]): _EVERYBODY,
    ("POST", PATHS["sessions_end"]): For(frozenset(Role), is_fresh=True),
    ("GET", PATHS["outside"]): _DESK,
    ("POST", PATHS["outside"]): _DESK,
    ("GET", PATHS["wish"]): _DESK,
    ("POST", PATHS["wish"]): For(frozenset({Role.DESK}), is_fresh=True),
    ("GET", PATHS["admin"]): For(frozenset({Role.ADMIN})),
    ("POST", PATHS["admin_make"]): For(frozenset({Role.ADMIN}), is_fresh=True),
    ("POST", PATHS["admin_revoke"]): For(frozenset({Role.ADMIN}), is_fresh=True),
    ("GET", PATHS["hooks"]): For(frozenset({Role.ADMIN})),
    ("POST", PATHS["hook_now"]): For(frozenset({Role.ADMIN})),
    ("GET", PATHS["people"]): For(frozenset({Role.ADMIN})),
    ("POST", PATHS["people_end"]): For(frozenset({Role.ADMIN}), is_fresh=True),
    ("GET", PATHS["api"]): Open(),
    ("GET", PATHS["api_member"]): Keyed(Scope.READ),
    ("POST", PATHS["api_refresh"]): Keyed(Scope.REFRESH),
    ("GET", PATHS["api_changes"]): Keyed(Scope.CHANGES),
    ("GET", PATHS["api_holds"]): Keyed(Scope.READ),
    ("GET", PATHS["operator"]): For(frozenset({Role.OPERATOR})),
    ("GET", PATHS["runs"]): For(frozenset({Role.OPERATOR})),
    ("GET", PATHS["run"]): For(frozenset({Role.OPERATOR})),
    ("GET", PATHS["run_live"]): For(frozenset({Role.OPERATOR})),
    ("POST", PATHS["run_resume"]): For(frozenset({Role.OPERATOR}), is_fresh=True),
    ("POST", PATHS["run_release"]): For(frozenset({Role.OPERATOR}), is_fresh=True),
    ("GET", PATHS["register"]): For(frozenset({Role.OPERATOR})),
    ("GET", PATHS["desk"]): _DESK,
    ("POST", PATHS["desk"]): _DESK,
    ("GET", PATHS["member"]): _DESK,
    ("POST", PATHS["refresh"]): _DESK,
    ("GET", PATHS["difference"]): _DESK,
    ("POST", PATHS["difference"]): _DESK,
    ("GET", PATHS["correct"]): _DESK,
    ("POST", PATHS["correct"]): _DESK,
    ("POST", PATHS["uncorrect"]): _DESK,
    ("GET", PATHS["holds"]): _DESK,
    ("GET", PATHS["hold"]): _DESK,
    ("POST", PATHS["hold"]): _DESK,
    ("GET", PATHS["officer"]): _OFFICER,
    ("POST", PATHS["verify"]): _OFFICER,
    ("GET", PATHS["log"]): _OFFICER,
    ("POST", PATHS["log"]): _OFFICER,
    ("GET", PATHS["entry"]): _OFFICER,
    ("POST", PATHS["proof"]): _OFFICER,
    ("POST", PATHS["evidence"]): For(frozenset({Role.DPO}), is_fresh=True),
    ("GET", PATHS["days"]): _OFFICER,
    ("GET", PATHS["day"]): _OFFICER,
    ("GET", PATHS["figures"]): _OFFICER,
    ("GET", PATHS["person"]): _OFFICER,
    ("POST", PATHS["person"]): _OFFICER,
    ("POST", PATHS["letter"]): _OFFICER,
    ("GET", PATHS["samples"]): _OFFICER,
    ("GET", PATHS["sample"]): _OFFICER,
    ("POST", PATHS["sample"]): _OFFICER,
    ("GET", PATHS["export"]): _OFFICER,
    ("POST", PATHS["export"]): For(frozenset({Role.DPO}), is_fresh=True),
}


async def guard(request: Request) -> Visit | None:
    """Hold a request against the table, and give the session it belongs to.

    Raises:
        TurnedAway: it may not go there.
    """
    here = house(request)
    rule = here.rules[request.method, request.scope["route"].path]
    if isinstance(rule, Signed):
        return None
    if isinstance(rule, Keyed):
        await run_in_threadpool(require_key, request, rule.scope)
        return None
    if isinstance(rule, Open) and is_api(request):
        return None
    visit = await run_in_threadpool(here.visit, request)
    request.state.visit = visit
    if isinstance(rule, For) and visit is None:
        raise TurnedAway(_outside(request))
    if request.method != "GET":
        _require_ours(request, here)
        await _require_token(request, here, visit)
    if isinstance(rule, For) and visit is not None:
        _require_role(rule, visit, here)
        _require_own(request, visit, here)
    return visit


async def inside(visit: Annotated[Visit | None, Depends(guard)]) -> Visit:
    """Give the session of who is logged in, to a handler whose route has roles.

    Raises:
        TurnedAway: nobody is.
    """
    if visit is None:
        raise TurnedAway(Away.OUTSIDE)
    return visit


#: The session of a request, for handlers: of who is logged in, or of who may be.
Inside = Annotated[Visit, Depends(inside)]
Guest = Annotated[Visit | None, Depends(guard)]


def require_guarded(app: FastAPI, rules: Mapping[tuple[str, str], Rule]) -> None:
    """See that every route has its row and every row its route.

    Raises:
        ConfigError: one has not, or is of a kind that passes by the guard.
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
        raise ConfigError(f"{method} {path} has no {lacks}", kept=_KEPT, todo="Correct the guard's table")


_KEPT: Final = "The pages were not started"


def _outside(request: Request) -> Away:
    """Say how who is not logged in is told: a browser that goes to a page is led to the login."""
    goes = request.headers.get("sec-fetch-mode", "navigate") == "navigate"
    return Away.TO_LOGIN if request.method == "GET" and goes else Away.OUTSIDE


def _require_ours(request: Request, here: House) -> None:
    """See that a browser sends this from our own page.

    A browser that says which site a request comes from (all of today's) may call its origin ``null``: our pages tell
    nobody where somebody comes from. One that does not say it must name the origin.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None:
        is_ours = origin == here.policy.origin
    else:
        is_ours = site == "same-origin" and origin in {None, "null", here.policy.origin}
    if not is_ours:
        raise TurnedAway(Away.FOREIGN)


async def _require_token(request: Request, here: House, visit: Visit | None) -> None:
    """See that a form holds the token that was put in it."""
    sent = (await request.form()).get("token")
    start = here.cookies.start(request, here.now)
    wanted = visit.token if visit else start.token if start else ""
    if not wanted or not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), wanted.encode()):
        raise TurnedAway(Away.STALE)


def _require_role(rule: For, visit: Visit, here: House) -> None:
    if not rule.roles & visit.staff.roles:
        raise TurnedAway(Away.FORBIDDEN)
    if rule.is_fresh and here.now - visit.proved_at > FRESH:
        raise TurnedAway(Away.UNPROVED)


def _require_own(request: Request, visit: Visit, here: House) -> None:
    library = request.path_params.get("library")
    if library is not None and not (library in here.libraries and visit.staff.reaches(library)):
        raise TurnedAway(Away.MISSING)
