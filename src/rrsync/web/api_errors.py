"""Errors under /api: application/problem+json (RFC 9457).

Every problem says what was wrong, what was kept and what to do. None repeats a value that was sent: where a body cannot
be read, the problem names fields of our own schema alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from rrsync.web.api_schema import NAMES
from rrsync.web.render import ErrorPage

MEDIA: Final = "application/problem+json"
_ROOT: Final = "/api/"
_NOTHING: Final = "Nothing was asked or changed"


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem: its usual status and title, what was kept, what to do."""

    status: HTTPStatus
    title: str
    todo: str
    kept: str = _NOTHING


#: By the last part of a problem's type.
KINDS: Final[Mapping[str, ProblemKind]] = {
    "wrong": ProblemKind(HTTPStatus.BAD_REQUEST, "The request cannot be used", "Correct the request"),
    "idempotency-key": ProblemKind(
        HTTPStatus.BAD_REQUEST,
        "The header Idempotency-Key is missing or cannot be used",
        'Send one of 16 to 80 letters, digits, - or _, such as a UUID in quotes: Idempotency-Key: "8e03…"',
    ),
    "key": ProblemKind(
        HTTPStatus.UNAUTHORIZED,
        "The key is missing or not valid",
        "Send Authorization: Bearer with a key that has not expired; ask the administrator of rrsync for one",
    ),
    "forbidden": ProblemKind(
        HTTPStatus.FORBIDDEN, "The register may not be asked for this", "Check the purpose, and the authorisation"
    ),
    "scope": ProblemKind(
        HTTPStatus.FORBIDDEN, "The key does not have this scope", "Ask for a key with the scope of this route"
    ),
    "network": ProblemKind(
        HTTPStatus.FORBIDDEN, "The key may not be used from this network", "Call from a network that the key names"
    ),
    "missing": ProblemKind(
        HTTPStatus.NOT_FOUND, "There is none of these in your library", "Check the library and the member number"
    ),
    "method": ProblemKind(HTTPStatus.METHOD_NOT_ALLOWED, "This method is not allowed", "See the header Allow"),
    "slow": ProblemKind(HTTPStatus.REQUEST_TIMEOUT, "The body took too long to arrive", "Send it again"),
    "running": ProblemKind(
        HTTPStatus.CONFLICT,
        "The same call is in progress",
        "Send it again in a moment: it gets the answer of the first",
        "The first call goes on",
    ),
    "changed": ProblemKind(
        HTTPStatus.CONFLICT, "The member was changed in the meantime", "Read the member, and ask again"
    ),
    "busy": ProblemKind(HTTPStatus.CONFLICT, "Another call is using this", "Send it again in a moment"),
    "large": ProblemKind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large", "Send at most 64 KiB"),
    "type": ProblemKind(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must be JSON", "Send Content-Type: application/json"
    ),
    "host": ProblemKind(HTTPStatus.MISDIRECTED_REQUEST, "This is another host", "Call the address of the settings"),
    "unreadable": ProblemKind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The request does not fit the schema", "See errors, and /api/openapi.json"
    ),
    "another-call": ProblemKind(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "This Idempotency-Key was used for another call",
        "Send a new key with a new call",
        "The first call stands",
    ),
    "many": ProblemKind(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests", "Wait as Retry-After says, in seconds"),
    "register": ProblemKind(HTTPStatus.BAD_GATEWAY, "The register does not answer", "Send it again in a few minutes"),
    "log": ProblemKind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The access log cannot be written, so nothing may be asked",
        "Tell the administrator of rrsync",
    ),
    "fault": ProblemKind(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "An internal error; it was logged",
        "Read the member before you send it again; if the error stays, tell the administrator of rrsync",
        "What was committed before is kept",
    ),
}
#: The kind of an error page -> the kind of problem, where the names differ.
_BY_PAGE: Final = {
    "crowd": "many",
    "ground": "forbidden",
    "outside": "key",
    "rejected": "register",
    "stale": "wrong",
    "unproved": "key",
}
#: The kinds that ``headers`` refuses by their status, before a route is found.
_BY_STATUS: Final = {
    kind.status: name
    for name, kind in KINDS.items()
    if name in {"method", "slow", "large", "type", "host", "unreadable"}
}


class Problem(Exception):
    """A call fails with a kind of problem; ``what`` replaces its title, ``headers`` are sent with it."""

    def __init__(self, kind: str, what: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.what = what
        self.headers = dict(headers or {})
        super().__init__(kind)


def add_problem_handler(app: FastAPI) -> None:
    """Turn every ``Problem`` of a handler into its answer."""
    app.add_exception_handler(Problem, _raised)


def is_api(request: Request) -> bool:
    """Whether a request is one of a library system."""
    return request.url.path.startswith(_ROOT)


def problem_of(page: ErrorPage) -> Response:
    """Return what an error page says as a problem."""
    name = _BY_PAGE.get(page.kind, page.kind)
    if name in {"wrong", "fault"}:
        name = _BY_STATUS.get(HTTPStatus(page.status), name)
    return _answer(name if name in KINDS else "fault", page.status, page.what, page.kept, page.todo)


def unreadable(error: RequestValidationError) -> Response:
    """Return the fields that cannot be used, by the names of our schema, with what is wrong with each."""
    found = error.errors()
    if any("Idempotency-Key" in each["loc"] for each in found):
        return _answer("idempotency-key")
    errors = [
        {
            "where": ".".join(part for part in each["loc"] if isinstance(part, str) and part in NAMES),
            "fault": each["type"],
        }
        for each in found
    ]
    return _answer("unreadable", more={"errors": errors})


def _raised(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 — tells mypy what Starlette keeps untyped
    response = _answer(error.kind, what=error.what)
    response.headers.update(error.headers)
    return response


def _answer(
    name: str,
    status: int = 0,
    what: str = "",
    kept: str = "",
    todo: str = "",
    more: Mapping[str, object] | None = None,
) -> Response:
    kind = KINDS[name]
    body = {
        "type": f"urn:rrsync:problem:{name}",
        "title": kind.title,
        "status": status or int(kind.status),
        "detail": what or kind.title,
        "kept": kept or kind.kept,
        "todo": todo or kind.todo,
    }
    return JSONResponse(body | dict(more or {}), status_code=status or int(kind.status), media_type=MEDIA)
