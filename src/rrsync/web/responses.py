"""A page as a response: what a handler shows, in the frame that this visitor has."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson
import structlog
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from rrsync.core.roles import Role
from rrsync.errors import StoreError
from rrsync.store.sessions import Visit
from rrsync.web.guard import For, House, house
from rrsync.web.paths import PATHS, path
from rrsync.web.render import Flash, Frame, Page, Place, Visitor
from rrsync.web.session_cookies import Start

_OK: Final = 200
_SEE_OTHER: Final = 303

log = structlog.get_logger()


def respond(
    request: Request, page: Page, *, status: int = _OK, here: Place | None = None, waiting: int = 0
) -> HTMLResponse:
    """Give a page, to whoever the guard saw that asks for it.

    Who is not logged in gets what a form needs that they send before they are.
    """
    home = house(request)
    visit: Visit | None = getattr(request.state, "visit", None)
    start = None if visit else home.cookies.start(request, home.now) or Start.fresh(home.now, home.random)
    settings = home.app.settings
    frame = Frame(
        now=home.now,
        token=visit.token if visit else start.token if start else "",
        language=home.cookies.language(request) or home.language,
        environment=settings.registry.environment,
        is_trial=home.is_trial,
        visitor=None if visit is None else _visitor(visit, home),
        places=() if visit is None else places(visit, home),
        here=here,
        address=request.url.path if request.method == "GET" and status == _OK else PATHS["home"],
        flashes=() if visit is None else _flashes(visit, home),
        waiting=waiting,
    )
    response = HTMLResponse(home.pages.page(page, frame), status_code=status)
    if start is not None:
        home.cookies.begin(response, start)
    return response


def go(name: str, **parts: object) -> RedirectResponse:
    """Lead a browser on to a page by its name, after what it sent was done."""
    return RedirectResponse(path(name, **parts), status_code=_SEE_OTHER)


def say(request: Request, visit: Visit, *flashes: Flash) -> None:
    """Keep what was just done, to be said once, on the next page; it names no person.

    What cannot be kept is not said: it was done all the same, and an error would deny it.
    """
    said = [{"tone": flash.tone, "key": flash.key, "values": dict(flash.values)} for flash in flashes]
    try:
        house(request).entrance.sessions.say(visit, orjson.dumps(said).decode())
        request.state.visit = replace(visit, is_told=True)
    except StoreError as error:
        log.warning("page.unsaid", reason=type(error).__name__)


def places(visit: Visit, home: House) -> tuple[Place, ...]:
    """Give where somebody may go, in order: what has a route that lets one of their roles in."""
    return tuple(place for place in Place if _is_open(place, visit.staff.roles, home))


def _is_open(place: Place, roles: frozenset[Role], home: House) -> bool:
    if place is Place.OUTSIDE and home.entrance.outside.per_month < 1:
        return False
    rule = home.rules.get(("GET", PATHS[place.value]))
    return isinstance(rule, For) and bool(rule.roles & roles)


def _visitor(visit: Visit, home: House) -> Visitor:
    staff = visit.staff
    library = None if staff.library is None else home.libraries.get(staff.library, staff.library)
    return Visitor(staff.name, tuple(role.value for role in Role if role in staff.roles), library)


def _flashes(visit: Visit, home: House) -> tuple[Flash, ...]:
    if not visit.is_told:
        return ()
    try:
        text = home.entrance.sessions.said(visit)
    except StoreError as error:
        log.warning("page.unsaid", reason=type(error).__name__)
        return ()
    return tuple(Flash(each["tone"], each["key"], each["values"]) for each in orjson.loads(text or "[]"))
