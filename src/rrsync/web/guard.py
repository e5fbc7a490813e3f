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

from rrsync.core.roles import Role
from rrsync.errors import ConfigError
from rrsync.store.sessions import Visit
from rrsync.web.house import House, house
from rrsync.web.paths import PATHS
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


Rule: TypeAlias = Open | Signed | For

_EVERYBODY: Final = For(frozenset(Role))

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
    visit = await run_in_threadpool(here.entrance.sessions.find, here.cookies.token(request))
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
