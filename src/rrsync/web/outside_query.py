"""Queries about somebody outside a library's file, each approved by a colleague first (``core.break_glass``).

They are off, and their pages are not there, unless ``[web] outside_per_month`` allows some. The register's answer is in
the response to the query and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response

from rrsync.core.break_glass import BreakGlassRequest, BreakGlassStage
from rrsync.core.exchange import Answer, Found, Reason, Refused, Unknown
from rrsync.core.insz import Insz
from rrsync.core.person import Masked, Person
from rrsync.errors import NotAnInsz
from rrsync.store.sessions import StaffSession
from rrsync.web.context import Context, WebContext
from rrsync.web.desk_pages import shown, take_turn
from rrsync.web.forms import CASE, UNUSABLE, is_number
from rrsync.web.guard import AccessError, Denied, Inside, actor
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Filled, Flash, Place
from rrsync.web.responses import go, say
from rrsync.web.server import asking

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class OutsideRequestLine:
    """One request, without the person it is about; ``is_own`` says that the visitor made it."""

    id: int
    by: str
    at: datetime
    until: datetime
    purpose: str
    case: str
    stage: BreakGlassStage
    decided_by: str
    is_own: bool


@dataclass(frozen=True, slots=True, repr=False)
class OutsidePage(Masked):
    """The form of a request, and the requests that have not lapsed.

    Fields: ``insz``, never given back, ``purpose`` and ``case``. ``per_month`` is how many the library may have.
    """

    name: ClassVar[str] = "outside"

    purposes: tuple[str, ...]
    wishes: tuple[OutsideRequestLine, ...]
    per_month: int
    filled: Filled = BLANK


@dataclass(frozen=True, slots=True, repr=False)
class OutsideRequestPage(Masked):
    """One request: a colleague sends ``decision``, the person who made it sends ``ask``.

    ``person`` or ``reasons`` is the register's answer; no other page holds it.
    """

    name: ClassVar[str] = "wish"

    wish: OutsideRequestLine
    is_answer: bool = False
    person: Person | None = None
    reasons: tuple[Reason, ...] = ()


def register_routes(app: FastAPI) -> None:
    """Add the routes of queries outside the file."""
    app.add_api_route(PATHS["outside"], listed, methods=["GET"])
    app.add_api_route(PATHS["outside"], want, methods=["POST"])
    app.add_api_route(PATHS["wish"], show, methods=["GET"])
    app.add_api_route(PATHS["wish"], asking(act), methods=["POST"])


def listed(request: Request, ctx: Context, visit: Inside) -> Response:
    """Show the form, and the requests that have not lapsed."""
    return shown(request, visit, _page(ctx, visit), here=Place.OUTSIDE)


def want(
    request: Request,
    ctx: Context,
    visit: Inside,
    insz: Annotated[str, Form()] = "",
    purpose: Annotated[str, Form()] = "",
    case: Annotated[str, Form()] = "",
) -> Response:
    """Keep a request, and lead to it."""
    library = _library(ctx, visit)
    wrong: dict[str, str] = {}
    number = None
    try:
        number = Insz.parse(insz, production=ctx.production)
    except NotAnInsz:
        wrong["insz"] = "number_wrong"
    if purpose not in _purposes(ctx, library):
        wrong["purpose"] = "purpose_missing"
    if not CASE.fullmatch(case) or is_number(case):
        wrong["case"] = "case_wrong"
    if wrong or number is None:
        values = {"purpose": purpose} | ({} if "case" in wrong else {"case": case})
        page = _page(ctx, visit, Filled(values, wrong))
        return shown(request, visit, page, here=Place.OUTSIDE, status=UNUSABLE)
    made = ctx.outside_queries.want(library, number, actor=actor(visit), purpose=purpose, case=case)
    say(request, visit, Flash("good", "wish_made"))
    return go("wish", wish=made)


def show(request: Request, ctx: Context, visit: Inside, wish: str) -> Response:
    """Show one request."""
    found = _find(ctx, visit, wish)
    return shown(request, visit, OutsideRequestPage(_line(found, ctx, visit)), here=Place.OUTSIDE)


def act(request: Request, ctx: Context, visit: Inside, wish: str, deed: Annotated[str, Form()] = "") -> Response:
    """Decide about a colleague's request, or ask the register what was approved."""
    found = _find(ctx, visit, wish)
    if deed == "ask":
        take_turn(ctx, found.library, visit.staff.name)
        answer = ctx.outside_queries.ask(found, actor(visit))
        line = _line(_find(ctx, visit, wish), ctx, visit)
        return shown(request, visit, _answer_page(line, answer), here=Place.OUTSIDE)
    if deed not in {"approve", "refuse"}:
        raise AccessError(Denied.MISSING)
    ctx.outside_queries.decide(found, actor(visit), is_approved=deed == "approve")
    say(request, visit, Flash("good", "wish_approved" if deed == "approve" else "wish_refused"))
    return go("outside")


def _library(ctx: WebContext, visit: StaffSession) -> str:
    """Return the library of a session.

    Raises:
        AccessError: there is none, or queries outside the file are off.
    """
    library = visit.staff.library
    if ctx.outside_queries.per_month < 1 or library is None:
        raise AccessError(Denied.MISSING)
    return library


def _find(ctx: WebContext, visit: StaffSession, number: str) -> BreakGlassRequest:
    library = _library(ctx, visit)
    found = ctx.break_glass.find(library, int(number)) if _NUMBER.fullmatch(number) else None
    if found is None:
        raise AccessError(Denied.MISSING)
    return found


def _page(ctx: WebContext, visit: StaffSession, filled: Filled = BLANK) -> OutsidePage:
    library, current = _library(ctx, visit), {BreakGlassStage.WAITING, BreakGlassStage.READY}
    return OutsidePage(
        purposes=_purposes(ctx, library),
        wishes=tuple(
            _line(each, ctx, visit) for each in ctx.break_glass.recent(library) if each.stage(ctx.now) in current
        ),
        per_month=ctx.outside_queries.per_month,
        filled=filled,
    )


def _purposes(ctx: WebContext, library: str) -> tuple[str, ...]:
    found = ctx.authorisations.get(library)
    return () if found is None else tuple(sorted(found.purposes))


def _line(wish: BreakGlassRequest, ctx: WebContext, visit: StaffSession) -> OutsideRequestLine:
    return OutsideRequestLine(
        id=wish.id,
        by=wish.by,
        at=wish.at,
        until=wish.until,
        purpose=wish.purpose,
        case=wish.case,
        stage=wish.stage(ctx.now),
        decided_by=wish.decided_by,
        is_own=wish.is_of(visit.staff.name),
    )


def _answer_page(line: OutsideRequestLine, answer: Answer) -> OutsideRequestPage:
    match answer:
        case Found():
            return OutsideRequestPage(line, is_answer=True, person=answer.person, reasons=tuple(sorted(answer.signals)))
        case Unknown() | Refused():
            return OutsideRequestPage(line, is_answer=True, reasons=(answer.why,))
