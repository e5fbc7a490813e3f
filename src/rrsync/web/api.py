"""The API for library systems (docs/api.md): a member, a refresh, the changes, the holds; and its OpenAPI document.

A call needs a key, which is one library's; a member of another library is answered as one that does not exist. The end
user that a refresh names is the actor in the access log, with the name of the key, and the desk's limits apply to them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Final

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from rrsync.core.api_key import Scope
from rrsync.core.exchange import Reason
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.person import Held
from rrsync.errors import LedgerError, StoreError
from rrsync.store.api_keys import CallAnswered, CallConflict
from rrsync.store.change_feed import BEGINNING
from rrsync.store.desk_answers import DeskAnswer
from rrsync.store.rows import MemberStatus, changed_fields
from rrsync.web.access_rules import WithKey
from rrsync.web.api_errors import MEDIA, Problem, add_problem_handler
from rrsync.web.api_schema import (
    ChangeDocument,
    ChangesDocument,
    HeldData,
    HoldDocument,
    HoldsDocument,
    MemberDocument,
    PostalAddress,
    ProblemDocument,
    RefreshAnswer,
    RefreshRequest,
    State,
)
from rrsync.web.context import Context, WebContext
from rrsync.web.desk_pages import take_turn_about
from rrsync.web.guard import caller
from rrsync.web.paths import PATHS, part
from rrsync.web.server import asking

_SCHEME: Final = "key"
_REF: Final = "#/components/schemas/ProblemDocument"
_DESCRIPTION: Final = """\
The API of rrsync for library systems: members as they are held, one refreshed from the National Registry for an end \
user with a reason, and the changes, in order. Every key is one library's, and has the scopes that it names.

No document holds a national number. Every error is a problem (RFC 9457) with what was wrong, what was kept and what \
to do.
"""
_KEYED: Final = {
    HTTPStatus.UNAUTHORIZED: "The key is missing or not valid.",
    HTTPStatus.FORBIDDEN: "The key does not have this scope or this network, or the register may not be asked.",
    HTTPStatus.NOT_FOUND: "There is no such member, or it is another library's.",
    HTTPStatus.REQUEST_TIMEOUT: "The body took too long to arrive.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request does not fit the schema.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "An internal error.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database, the access log or the register cannot be used now.",
}
#: What a header of an answer says, by status.
_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", "Bearer, and what is wrong with the key.", "string"),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "How many seconds to wait.", "integer"),
}


_LONGEST: Final = 100
_HIGHEST: Final = 2**53 - 1
_MOST: Final = 500
_REFRESH: Final = {
    HTTPStatus.BAD_REQUEST: "There is no usable Idempotency-Key, or the member cannot be asked about.",
    HTTPStatus.CONFLICT: "The same call is in progress, or the member was changed in the meantime.",
    HTTPStatus.TOO_MANY_REQUESTS: "The end user, or the library, reached a limit.",
    HTTPStatus.BAD_GATEWAY: "The register refuses, or its answer cannot be used.",
}

After = Annotated[int, Query(ge=BEGINNING, le=_HIGHEST, description="The place after which to begin.", examples=[1042])]
Most = Annotated[int, Query(ge=1, le=_MOST, description="How many at most.", examples=[100])]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r'^("[A-Za-z0-9_-]{16,80}"|[A-Za-z0-9_-]{16,80})$',
        description="A new one for each call, such as a UUID; the same when the same call is sent again.",
        examples=['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ),
]


def problems(more: dict[HTTPStatus, str] | None = None) -> dict[int | str, dict[str, object]]:
    """Return the errors of a route with a key, for its OpenAPI entry."""
    return {int(status): _problem(status, said) for status, said in sorted((_KEYED | (more or {})).items())}


def _problem(status: HTTPStatus, said: str) -> dict[str, object]:
    given: dict[str, object] = {"description": said, "content": {MEDIA: {"schema": {"$ref": _REF}}}}
    if status in _HEADERS:
        name, what, kind = _HEADERS[status]
        given["headers"] = {name: {"description": what, "schema": {"type": kind}}}
    return given


def register_routes(app: FastAPI) -> None:
    """Add the routes of the API, and the handler of its errors."""
    app.add_api_route(PATHS["api"], document, methods=["GET"], name="openapi")
    app.add_api_route(
        PATHS["api_member"],
        member_held,
        methods=["GET"],
        response_model=MemberDocument,
        responses=problems(),
        operation_id="member",
        summary="A member, as it is held here",
    )
    app.add_api_route(
        PATHS["api_refresh"],
        asking(refresh),
        methods=["POST"],
        response_model=RefreshAnswer,
        responses=problems(_REFRESH),
        operation_id="refresh",
        summary="Ask the register about a member, for an end user",
    )
    app.add_api_route(
        PATHS["api_changes"],
        changes,
        methods=["GET"],
        response_model=ChangesDocument,
        responses=problems(),
        operation_id="changes",
        summary="What changed, in order",
    )
    app.add_api_route(
        PATHS["api_holds"],
        holds,
        methods=["GET"],
        response_model=HoldsDocument,
        responses=problems(),
        operation_id="holds",
        summary="The members on hold",
    )
    add_problem_handler(app)


def member_held(ctx: Context, library: str, member: str) -> MemberDocument:
    """Return one member as it is held here, with the result of the last refresh."""
    found = _found(ctx, library, member)
    return MemberDocument(
        library=library,
        member=found.member.number,
        held=_held(found.member.held),
        membership_end=found.member.membership_end,
        verdict=found.verdict,
        hold=Reason(found.hold_reason) if found.hold_reason else None,
        refreshed_at=found.refreshed_at,
        changed_at=found.changed_at,
    )


def refresh(
    request: Request,
    ctx: Context,
    library: str,
    member: str,
    said: RefreshRequest,
    idempotency_key: IdempotencyKey,
) -> Response:
    """Ask the register about one member, for an end user with a reason, and write a change if ``apply`` says so.

    An answer of the last quarter of an hour is returned again without another query. The same call with the same
    Idempotency-Key gets the same answer for a day, and nothing is done twice.
    """
    key = caller(request)
    number = _found(ctx, library, member).member.number
    turn = ctx.idempotency.begin(key.id, idempotency_key.strip('"'), f"{library}\0{number}\0{said.model_dump_json()}")
    if isinstance(turn, CallAnswered):
        return _json(turn.answer, **{"Idempotency-Replayed": "true"})
    if isinstance(turn, CallConflict):
        raise (
            Problem("another-call") if turn is CallConflict.OTHER else Problem("running", headers={"Retry-After": "2"})
        )
    try:
        answer = _refreshed(ctx, library, number, said, key.name).model_dump_json().encode()
    except BaseException:
        with suppress(StoreError):  # the same call then waits until this one counts as dead
            ctx.idempotency.drop(turn)
        raise
    ctx.idempotency.keep(turn, answer)
    return _json(answer)


def changes(ctx: Context, library: str, after: After = BEGINNING, most: Most = 100) -> ChangesDocument:
    """Return the changes after a place, the oldest first: whose, which fields and when, without personal data."""
    found = ctx.change_feed.after(library, after, most=most + 1)
    shown = found[:most]
    return ChangesDocument(
        library=library,
        changes=[
            ChangeDocument(seq=one.seq, member=one.number, fields=list(one.fields), verdict=one.verdict, at=one.at)
            for one in shown
        ],
        next=shown[-1].seq if shown else after,
        more=len(found) > most,
    )


def holds(ctx: Context, library: str, after: Annotated[After, Query(ge=0)] = 0, most: Most = 100) -> HoldsDocument:
    """Return the members on hold, and why; what to do about it is decided at the desk."""
    shown, has_more = ctx.holds.page(library, beyond=after, most=most)
    return HoldsDocument(
        library=library,
        holds=[
            HoldDocument(
                hold_id=hold.id, member=hold.number, reason=hold.reason, since=hold.opened_at, offers=hold.offers
            )
            for hold in shown
        ],
        next=shown[-1].id if shown else after,
        more=has_more,
    )


def _found(ctx: WebContext, library: str, member: str) -> MemberStatus:
    """Return a member of the caller's own library.

    Raises:
        Problem: there is none, whether or not another library has one.
    """
    number = part(member)
    is_usable = number.isprintable() and len(number) <= _LONGEST
    found = ctx.members.find(library, number) if is_usable else None
    if found is None:
        raise Problem("missing")
    return found


def _refreshed(ctx: WebContext, library: str, number: str, said: RefreshRequest, key: str) -> RefreshAnswer:
    """Ask about a member, or take the last answer again; accept a change if the call says so and nobody declined it."""
    desk, actor = ctx.desk_service, Actor(ActorKind.PERSON, said.staff, key)
    offer = desk.recent(library, number)
    is_reused = offer is not None
    if offer is not None:
        offer = desk.reuse(offer, actor=actor, purpose=said.purpose, case=said.case)
    else:
        take_turn_about(ctx, library, number, actor=actor, purpose=said.purpose, case=said.case)
        offer = desk.ask(library, number, actor=actor, purpose=said.purpose, case=said.case)
    state: State = offer.state
    if said.apply and state == "open":
        try:
            desk.accept(offer, actor)
        except LedgerError:
            raise
        except StoreError as error:
            raise Problem("changed", error.what) from error
        state = "accepted"
    return _answer(offer, state, is_reused=is_reused)


def _answer(offer: DeskAnswer, state: State, *, is_reused: bool) -> RefreshAnswer:
    is_hold = offer.verdict == "hold"
    after = None if is_hold or offer.after is None else offer.after
    return RefreshAnswer(
        library=offer.library,
        member=offer.number,
        verdict=offer.verdict,
        state=state,
        hold=offer.reason if is_hold else None,
        hold_id=offer.hold if is_hold else None,
        fields=[] if after is None else [str(name) for name in changed_fields(offer.before, after)],
        held=None if after is None else _held(after),
        reference=offer.reference,
        asked_at=offer.asked_at,
        reused=is_reused,
    )


def _held(held: Held) -> HeldData:
    address = {each.name: getattr(held.address, each.name) for each in fields(held.address)}
    return HeldData(
        last_name=held.name.last,
        first_names=held.name.first,
        birth_date=held.birth_date.text if held.birth_date else None,
        address=PostalAddress(**address),
        address_since=held.address_since.text if held.address_since else None,
    )


def _json(body: bytes, **headers: str) -> Response:
    return Response(body, media_type="application/json", headers=headers)


def document(request: Request, ctx: Context) -> Response:
    """Return the OpenAPI document: the routes under a key alone, their answers and errors, and how a key is sent."""
    keyed = [
        (route, method.lower(), rule.scope.value)
        for route in request.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        if isinstance(rule := ctx.rules[method, route.path], WithKey)
    ]
    document = get_openapi(
        title="rrsync",
        version=version("rrsync"),
        description=_DESCRIPTION,
        routes=[route for route, _, _ in keyed],
        servers=[{"url": ctx.policy.origin}],
    )
    for route, method, scope in keyed:
        document["paths"][route.path][method]["security"] = [{_SCHEME: [scope]}]
    parts = document["components"]
    parts["schemas"]["ProblemDocument"] = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    parts["schemas"] |= parts["schemas"]["ProblemDocument"].pop("$defs")
    parts["securitySchemes"] = {_SCHEME: _scheme()}
    return JSONResponse(document)


def _scheme() -> dict[str, str]:
    scopes = ", ".join(Scope)
    said = f"A key that the administrator of rrsync made, of one library, with some of the scopes {scopes}."
    return {"type": "http", "scheme": "bearer", "bearerFormat": "rrs_<id>_<secret>", "description": said}
