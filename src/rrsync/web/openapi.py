"""The OpenAPI document of /api: its routes alone, with what they take, give and refuse, and how one shows a key."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from typing import Final

from fastapi import Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from rrsync.core.apikey import Scope
from rrsync.web.guard import Keyed
from rrsync.web.house import house
from rrsync.web.problem import MEDIA
from rrsync.web.schema import ProblemDocument

_SCHEME: Final = "key"
_REF: Final = "#/components/schemas/ProblemDocument"
_DESCRIPTION: Final = """\
What a library system may ask of rrsync: members as they are held, one refreshed from the National Registry for an end \
user with a reason, and what changed, in order. Every key is one library's, and good for the scopes it names.

No document holds a national number. Every error is a problem (RFC 9457) with what was wrong, what was kept and what \
to do.
"""
_KEYED: Final = {
    HTTPStatus.UNAUTHORIZED: "There is no key, or it opens nothing.",
    HTTPStatus.FORBIDDEN: "The key is not good for this, or from there; or the register may not be asked for this.",
    HTTPStatus.NOT_FOUND: "It is not there, or another library's.",
    HTTPStatus.REQUEST_TIMEOUT: "The request took too long to come.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is no JSON.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "What was sent is not as it must be.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong that nobody foresaw.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database, the access log or the register cannot be used now.",
}
#: What a header of an answer says, by status.
_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", "Bearer, and what is wrong with the key.", "string"),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "How many seconds to wait.", "integer"),
}


def problems(more: dict[HTTPStatus, str] | None = None) -> dict[int | str, dict[str, object]]:
    """Give what a route under a key may refuse, for FastAPI."""
    return {int(status): _problem(status, said) for status, said in sorted((_KEYED | (more or {})).items())}


def document(request: Request) -> Response:
    """Give the document."""
    here = house(request)
    keyed = [
        (route, method.lower(), rule.scope.value)
        for route in request.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        if isinstance(rule := here.rules[method, route.path], Keyed)
    ]
    said = get_openapi(
        title="rrsync",
        version=version("rrsync"),
        description=_DESCRIPTION,
        routes=[route for route, _, _ in keyed],
        servers=[{"url": here.app.settings.web.origin}],
    )
    for route, method, scope in keyed:
        said["paths"][route.path][method]["security"] = [{_SCHEME: [scope]}]
    parts = said["components"]
    parts["schemas"]["ProblemDocument"] = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    parts["schemas"] |= parts["schemas"]["ProblemDocument"].pop("$defs")
    parts["securitySchemes"] = {_SCHEME: _scheme()}
    return JSONResponse(said)


def _scheme() -> dict[str, str]:
    scopes = ", ".join(Scope)
    said = f"A key that whoever administers rrsync makes, of one library and some of the scopes {scopes}."
    return {"type": "http", "scheme": "bearer", "bearerFormat": "rrs_<id>_<secret>", "description": said}


def _problem(status: HTTPStatus, said: str) -> dict[str, object]:
    given: dict[str, object] = {"description": said, "content": {MEDIA: {"schema": {"$ref": _REF}}}}
    if status in _HEADERS:
        name, what, kind = _HEADERS[status]
        given["headers"] = {name: {"description": what, "schema": {"type": kind}}}
    return given
