"""Who may go where: one table, and the one place that holds every request against it.

A route that has no row, or a row that has no route, and the pages do not start. In this order, for every route:

1. Whose session the browser shows is looked up; there may be none.
2. What changes something (all but GET) comes from our own page: the browser says that the request's site and origin are
   ours, and the form holds the token of this session, or, before there is one, of this login.
3. Who is not logged in is sent to the login; or told, if something was sent, that nothing was done.
4. Who has none of the route's roles is refused; so is, where it asks for that, who proved who they are too long ago.
5. Another library, in the address, is as unknown as one that does not exist.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount

from rrsync.core.apikey import Scope
from rrsync.core.roles import Role
from rrsync.errors import ConfigError
from rrsync.store.sessions import Visit
from rrsync.web.caller import require_key
from rrsync.web.house import House, house
from rrsync.web.paths import PATHS
from rrsync.web.problem import is_api
from rrsync.web.turned import Away, TurnedAway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI

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
