"""Error pages: what went wrong, what was kept, what to do; never a value that somebody sent."""

from __future__ import annotations

import math
from dataclasses import replace
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from rrsync.core.desk_quota import QuotaExceeded, Window
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
from rrsync.web.api_errors import is_api, problem_of, unreadable
from rrsync.web.context import context_of
from rrsync.web.guard import ERROR_REPLIES, AccessError, Denied
from rrsync.web.render import ErrorPage
from rrsync.web.responses import go, respond


class TooMany(Exception):
    """A person reached a limit of questions; after ``wait_s`` seconds they may ask again."""

    def __init__(self, refused: QuotaExceeded) -> None:
        self.window = refused.window
        self.wait_s = max(1, math.ceil(refused.wait.total_seconds()))
        super().__init__(refused.window.value)


#: An error -> the status and the kind of page; the first that fits counts.
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


def add_error_handlers(app: FastAPI) -> None:
    """Turn every error of a handler into a page, or under /api into a problem."""
    app.add_exception_handler(AccessError, _denied)
    app.add_exception_handler(TooMany, _too_many)
    app.add_exception_handler(RrsyncError, _failed)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http)


def error_page(request: Request, status: int) -> Response:
    """Return the page of a status alone."""
    match status:
        case HTTPStatus.NOT_FOUND:
            kind = "missing"
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            kind = "fault"
        case _:
            kind = "wrong"
    return _respond(request, ErrorPage(status, kind))


def _respond(request: Request, page: ErrorPage) -> Response:
    """Return an error page in the frame of the session, which the guard may not have looked up."""
    if is_api(request):
        return problem_of(page)
    if not hasattr(request.state, "visit"):
        try:
            request.state.visit = context_of(request).visit(request)
        except RrsyncError:
            request.state.visit = None
    again, parts = getattr(request.state, "again", (page.again, page.parts))
    return respond(request, replace(page, again=again, parts=parts), status=page.status)


def _denied(request: Request, error: Exception) -> Response:
    assert isinstance(error, AccessError)  # noqa: S101 — tells mypy what Starlette keeps untyped
    reply = ERROR_REPLIES[error.why]
    if error.why is Denied.TO_LOGIN:
        return go(reply.again)
    log.info("page.refused", reason=str(error), status=int(reply.status))
    return _respond(request, ErrorPage(reply.status, reply.kind, again=reply.again))


def _too_many(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooMany)  # noqa: S101 — the same
    kind = "crowd" if error.window is Window.LIBRARY_DAY else "many"
    response = _respond(request, ErrorPage(HTTPStatus.TOO_MANY_REQUESTS, kind, wait_s=error.wait_s))
    response.headers["Retry-After"] = str(error.wait_s)
    return response


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RrsyncError)  # noqa: S101 — the same
    status, kind = next((status, kind) for of, status, kind in _KINDS if isinstance(error, of))
    log.warning("page.error", reason=type(error).__name__, status=int(status))
    return _respond(request, ErrorPage(status, kind, what=error.what, kept=error.kept, todo=error.todo))


def _unreadable(request: Request, error: Exception) -> Response:
    if is_api(request) and isinstance(error, RequestValidationError):
        return unreadable(error)
    return error_page(request, HTTPStatus.BAD_REQUEST)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 — the same
    response = error_page(request, error.status_code)
    for name, value in (error.headers or {}).items():  # what a 405 must name: the methods there are
        response.headers[name] = value
    return response
