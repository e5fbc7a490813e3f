"""Responses of handlers: a page in the frame that this visitor has, a redirect, a file to download."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

import orjson
import structlog
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from rrsync.core.roles import Role
from rrsync.errors import StoreError
from rrsync.store.sessions import StaffSession
from rrsync.web.access_rules import LoggedIn
from rrsync.web.context import WebContext, context_of
from rrsync.web.paths import PATHS, path
from rrsync.web.render import Flash, Frame, Page, Place, Visitor
from rrsync.web.session_cookies import LoginStart

log = structlog.get_logger()


def respond(
    request: Request, page: Page, *, status: int = HTTPStatus.OK, here: Place | None = None, waiting: int = 0
) -> HTMLResponse:
    """Return a page for the session that the guard found.

    A browser without a session also gets the cookie that the forms before a login need.
    """
    ctx = context_of(request)
    registry = ctx.settings.registry
    visit: StaffSession | None = getattr(request.state, "visit", None)
    start = None if visit else ctx.cookies.start(request, ctx.now) or LoginStart.fresh(ctx.now, ctx.runtime.random)
    frame = Frame(
        now=ctx.now,
        token=visit.token if visit else start.token if start else "",
        language=ctx.language(request),
        environment=registry.environment,
        is_trial=ctx.is_trial,
        visitor=None if visit is None else _visitor(visit, ctx),
        places=() if visit is None else places(visit, ctx),
        here=here,
        address=request.url.path if request.method == "GET" and status == HTTPStatus.OK else PATHS["home"],
        flashes=() if visit is None else _flashes(visit, ctx),
        waiting=waiting,
    )
    response = HTMLResponse(ctx.pages.page(page, frame), status_code=status)
    if start is not None:
        ctx.cookies.begin(response, start)
    return response


def go(name: str, **parts: object) -> RedirectResponse:
    """Redirect a browser to a page by its name, after a form was handled."""
    return RedirectResponse(path(name, **parts), status_code=HTTPStatus.SEE_OTHER)


def download(data: bytes, name: str, media_type: str = "text/plain; charset=utf-8") -> Response:
    """Return a file that a browser saves under a name."""
    return Response(data, media_type=media_type, headers=attachment(name))


def attachment(name: str) -> dict[str, str]:
    """Return the header that has a browser save a response under a name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def say(request: Request, visit: StaffSession, *flashes: Flash) -> None:
    """Keep messages for the next page of a session, shown there once; they name no person.

    A message that cannot be kept is dropped: the work was done, and an error would deny it.
    """
    said = [{"tone": flash.tone, "key": flash.key, "values": dict(flash.values)} for flash in flashes]
    try:
        context_of(request).sessions.say(visit, orjson.dumps(said).decode())
        request.state.visit = replace(visit, is_told=True)
    except StoreError as error:
        log.warning("page.unsaid", reason=type(error).__name__)


def places(visit: StaffSession, ctx: WebContext) -> tuple[Place, ...]:
    """Return the entries of the navigation, in order, whose route admits one of a session's roles."""
    return tuple(place for place in Place if _is_open(place, visit.staff.roles, ctx))


def _is_open(place: Place, roles: frozenset[Role], ctx: WebContext) -> bool:
    if place is Place.OUTSIDE and ctx.outside_queries.per_month < 1:
        return False
    rule = ctx.rules.get(("GET", PATHS[place.value]))
    return isinstance(rule, LoggedIn) and bool(rule.roles & roles)


def _visitor(visit: StaffSession, ctx: WebContext) -> Visitor:
    staff = visit.staff
    library = None if staff.library is None else ctx.libraries.get(staff.library, staff.library)
    return Visitor(staff.name, tuple(role.value for role in Role if role in staff.roles), library)


def _flashes(visit: StaffSession, ctx: WebContext) -> tuple[Flash, ...]:
    if not visit.is_told:
        return ()
    try:
        text = ctx.sessions.said(visit)
    except StoreError as error:
        log.warning("page.unsaid", reason=type(error).__name__)
        return ()
    return tuple(Flash(each["tone"], each["key"], each["values"]) for each in orjson.loads(text or "[]"))
