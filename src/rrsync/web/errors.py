"""What goes wrong, as a page: what it was, what was kept, what to do; never a value that somebody sent."""

from __future__ import annotations

import math
from dataclasses import replace
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from rrsync.core.desk_quota import Refused, Window
from rrsync.errors import (
    Busy,
    ConfigError,
    LedgerError,
    NotAuthorised,
    RegistryError,
    RegistryUnavailable,
    RrsyncError,
    StoreError,
)
from rrsync.web.api_errors import is_api, told, unreadable
from rrsync.web.guard import TOLD, Away, TurnedAway, house
from rrsync.web.render import ErrorPage
from rrsync.web.responses import go, respond


class TooMany(Exception):
    """Somebody asked as often as they may; ``wait_s`` seconds from now they may again."""

    def __init__(self, refused: Refused) -> None:
        self.window = refused.window
        self.wait_s = max(1, math.ceil(refused.wait.total_seconds()))
        super().__init__(refused.window.value)


#: An error -> the status, and the kind of page; the first that fits.
_KINDS: Final[tuple[tuple[type[RrsyncError], HTTPStatus, str], ...]] = (
    (NotAuthorised, HTTPStatus.FORBIDDEN, "ground"),
    (RegistryUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, "register"),
    (RegistryError, HTTPStatus.BAD_GATEWAY, "rejected"),
    (LedgerError, HTTPStatus.SERVICE_UNAVAILABLE, "log"),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE, "fault"),
    (Busy, HTTPStatus.CONFLICT, "busy"),
    (ConfigError, HTTPStatus.BAD_REQUEST, "wrong"),
    (RrsyncError, HTTPStatus.INTERNAL_SERVER_ERROR, "fault"),
)

log = structlog.get_logger()


def mount(app: FastAPI) -> None:
    """Let every error that a handler leaves become a page."""
    app.add_exception_handler(TurnedAway, _turned_away)
    app.add_exception_handler(TooMany, _too_many)
    app.add_exception_handler(RrsyncError, _failed)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http)


def refused(request: Request, status: int) -> Response:
    """Give the page of a status that nobody gave words to."""
    match status:
        case HTTPStatus.NOT_FOUND:
            kind = "missing"
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            kind = "fault"
        case _:
            kind = "wrong"
    return _told(request, ErrorPage(status, kind))


def _told(request: Request, page: ErrorPage) -> Response:
    """Give an error's page, to who is logged in as to who is: the guard may not have come to look."""
    if is_api(request):
        return told(page)
    if not hasattr(request.state, "visit"):
        here = house(request)
        try:
            request.state.visit = here.visit(request)
        except RrsyncError:
            request.state.visit = None
    again, parts = getattr(request.state, "again", (page.again, page.parts))
    return respond(request, replace(page, again=again, parts=parts), status=page.status)


def _turned_away(request: Request, error: Exception) -> Response:
    assert isinstance(error, TurnedAway)  # noqa: S101 — tells mypy what Starlette keeps untyped
    told = TOLD[error.why]
    if error.why is Away.TO_LOGIN:
        return go(told.again)
    log.info("page.refused", reason=str(error), status=int(told.status))
    return _told(request, ErrorPage(told.status, told.kind, again=told.again))


def _too_many(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooMany)  # noqa: S101 — the same
    kind = "crowd" if error.window is Window.LIBRARY_DAY else "many"
    response = _told(request, ErrorPage(HTTPStatus.TOO_MANY_REQUESTS, kind, wait_s=error.wait_s))
    response.headers["Retry-After"] = str(error.wait_s)
    return response


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RrsyncError)  # noqa: S101 — the same
    status, kind = next((status, kind) for of, status, kind in _KINDS if isinstance(error, of))
    log.warning("page.error", reason=type(error).__name__, status=int(status))
    return _told(request, ErrorPage(status, kind, what=error.what, kept=error.kept, todo=error.todo))


def _unreadable(request: Request, error: Exception) -> Response:
    if is_api(request) and isinstance(error, RequestValidationError):
        return unreadable(error)
    return refused(request, HTTPStatus.BAD_REQUEST)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 — the same
    response = refused(request, error.status_code)
    for name, value in (error.headers or {}).items():  # what a 405 must name: the methods there are
        response.headers[name] = value
    return response
