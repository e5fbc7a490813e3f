"""Decisions about a member at the desk: accept or decline the register's answer, correct an address, end a correction.

The answer is shown to the person who asked, field by field, as long as it counts. A correction replaces the register's
address, with a reason, until a day at most a year ahead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, ClassVar, Final, Literal

from fastapi import Depends, FastAPI, Form, Request, Response

from rrsync.core.exchange import Reason
from rrsync.core.person import Address, Masked, Member
from rrsync.core.planning import belgian_day
from rrsync.store.desk_answers import DeskAnswer
from rrsync.store.rows import MemberStatus
from rrsync.store.sessions import StaffSession
from rrsync.sync.desk import LONGEST_TEXT, last_correction_day
from rrsync.text import formatting
from rrsync.web.context import Context, WebContext
from rrsync.web.desk_pages import (
    Differing,
    Heading,
    carried_out,
    differing,
    heading,
    lookup,
    own_library,
    shown,
    submit_once,
)
from rrsync.web.errors import error_page
from rrsync.web.forms import UNUSABLE, is_number, printable, without_numbers
from rrsync.web.guard import Inside, actor
from rrsync.web.paths import PATHS, path
from rrsync.web.render import BLANK, Filled, Flash, Place
from rrsync.web.responses import go, say

_DECISIONS: Final = {"accept": "accepted", "decline": "declined"}
_LAPSED: Final = Flash("warn", "answer_lapsed")
_ADDRESS: Final = ("street", "house_number", "box", "postal_code", "municipality", "country")
_BELGIUM: Final = "BEL"
_BELGIAN_CODE: Final = re.compile(r"[1-9][0-9]{3}")
_COUNTRY: Final = re.compile(r"[A-Z]{3}")
#: How long each part of the form may be, as the form itself says it.
_MOST: Final = {
    "street": 100,
    "house_number": 12,
    "box": 12,
    "postal_code": 12,
    "municipality": 80,
    "reason": LONGEST_TEXT,
}
_REQUIRED: Final = {
    "street": "street_missing",
    "municipality": "municipality_missing",
    "reason": "reason_missing",
    "until": "until_missing",
}


@dataclass(frozen=True, slots=True, repr=False)
class DifferencePage(Masked):
    """The register's answer about a member, and the decision about it.

    ``rows`` are the fields of the name and the address, also those that are equal, so that each stands in its place.
    ``state`` of a change is ``open`` until somebody decides, then ``accepted`` or ``declined``; an answer that needs no
    decision is ``settled``. ``ticket`` is the reference of the answer, which lapses at ``until``. ``reason`` is a
    hold's. ``from_cache`` says that this is no new query. The form sends ``ticket`` and ``decision``: ``accept`` or
    ``decline``.
    """

    name: ClassVar[str] = "difference"

    who: Heading
    verdict: Literal["same", "change", "hold"]
    asked_at: datetime
    rows: tuple[Differing, ...] = ()
    ticket: str = ""
    until: datetime | None = None
    state: Literal["open", "accepted", "declined", "settled"] = "open"
    reason: Reason | None = None
    hold: int | None = None
    from_cache: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class CorrectPage(Masked):
    """The form for an address that staff know better; it counts until a day, or until the register agrees.

    Fields: ``street``, ``house_number``, ``box``, ``postal_code``, ``municipality``, ``country``, ``reason`` and
    ``until``.
    ``latest`` is the last day that may be chosen.
    """

    name: ClassVar[str] = "correct"

    who: Heading
    address: Address
    latest: date
    filled: Filled = BLANK


def register_routes(app: FastAPI) -> None:
    """Add the routes of answers and corrections."""
    app.add_api_route(PATHS["difference"], show, methods=["GET"])
    app.add_api_route(PATHS["difference"], decide, methods=["POST"])
    app.add_api_route(PATHS["correct"], begin, methods=["GET"])
    app.add_api_route(PATHS["correct"], correct, methods=["POST"])
    app.add_api_route(PATHS["uncorrect"], uncorrect, methods=["POST"])


def show(request: Request, ctx: Context, visit: Inside, member: str) -> Response:
    """Show the answer to the person who asked, as long as it counts, without another query."""
    standing = lookup(request, visit, member)
    number = standing.member.number
    offer = _offer(ctx, visit, number)
    if offer is None:
        say(request, visit, _LAPSED)
        return go("member", member=number)
    return shown(request, visit, _difference_page(request, ctx, visit, standing, offer), here=Place.DESK)


def decide(
    request: Request,
    ctx: Context,
    visit: Inside,
    member: str,
    decision: Annotated[str, Form()] = "",
    ticket: Annotated[str, Form()] = "",
) -> Response:
    """Write what the register says, or leave the member as it is."""
    number = lookup(request, visit, member).member.number
    if decision not in _DECISIONS:
        return error_page(request, HTTPStatus.BAD_REQUEST)
    work = partial(_decide, request, ctx, visit, number, decision=_DECISIONS[decision], ticket=ticket)
    return submit_once(request, visit, (decision, ticket), work)


def _offer(ctx: WebContext, visit: StaffSession, number: str) -> DeskAnswer | None:
    """Return the answer that counts, if this person may see it."""
    offer = ctx.desk_service.recent(own_library(visit), number)
    return offer if offer is not None and ctx.desk_service.seen(offer, visit.staff.name) else None


def _decide(request: Request, ctx: WebContext, visit: StaffSession, number: str, *, decision: str, ticket: str) -> str:
    offer = _offer(ctx, visit, number)
    if offer is None or offer.reference != ticket:
        say(request, visit, _LAPSED)
    elif offer.state != decision:  # else the same decision was sent again
        say(request, visit, _decided(ctx, visit, offer, decision))
    return path("member", member=number)


def _decided(ctx: WebContext, visit: StaffSession, offer: DeskAnswer, decision: str) -> Flash:
    """Carry a decision out, and return the message about it."""
    carry_out = ctx.desk_service.accept if decision == "accepted" else ctx.desk_service.decline
    is_done = carried_out(partial(carry_out, offer, actor(visit)))
    return Flash("good", decision) if is_done else _LAPSED


def _difference_page(
    request: Request, ctx: WebContext, visit: StaffSession, standing: MemberStatus, offer: DeskAnswer
) -> DifferencePage:
    """Return the page of an answer; a confirmation has no rows, and a hold has those of its proposal."""
    after = None if offer.verdict == "same" else offer.after
    return DifferencePage(
        who=heading(standing.member),
        verdict=offer.verdict,
        asked_at=offer.asked_at,
        rows=() if after is None else differing(offer.before, after, ctx.language(request)),
        ticket=offer.reference,
        until=offer.until,
        state=offer.state,
        reason=offer.reason,
        hold=offer.hold,
        from_cache=offer.by != visit.staff.name,
    )


async def typed(request: Request) -> dict[str, str]:
    """Return every field of the form of a correction, tidied."""
    form = await request.form()
    texts = {name: printable(str(form.get(name, ""))) for name in (*_ADDRESS, "reason", "until")}
    return texts | {"country": texts["country"].upper() or _BELGIUM}


def begin(request: Request, ctx: Context, visit: Inside, member: str) -> Response:
    """Show the form, filled with the address that is held."""
    found = lookup(request, visit, member).member
    address = found.held.address
    held = {name: getattr(address, name) for name in _ADDRESS} | {"country": address.country or _BELGIUM}
    page = _correct_page(found, Filled(without_numbers(held)), belgian_day(ctx.now))
    return shown(request, visit, page, here=Place.DESK)


def correct(
    request: Request, ctx: Context, visit: Inside, member: str, values: Annotated[dict[str, str], Depends(typed)]
) -> Response:
    """Keep a correction."""
    found, today = lookup(request, visit, member).member, belgian_day(ctx.now)
    if errors := _errors(values, today):
        page = _correct_page(found, Filled(without_numbers(values), errors), today)
        return shown(request, visit, page, here=Place.DESK, status=UNUSABLE)
    work = partial(_correct, request, ctx, visit, found, values)
    return submit_once(request, visit, values.values(), work)


def uncorrect(request: Request, ctx: Context, visit: Inside, member: str) -> Response:
    """End a correction."""
    found = lookup(request, visit, member).member
    return submit_once(request, visit, (), partial(_uncorrect, request, ctx, visit, found))


def _correct(request: Request, ctx: WebContext, visit: StaffSession, member: Member, values: dict[str, str]) -> str:
    address = Address(**{name: values[name] for name in _ADDRESS})
    until = date.fromisoformat(values["until"])
    ctx.desk_service.correct(
        member.library, member.number, address, reason=values["reason"], until=until, actor=actor(visit)
    )
    say(request, visit, Flash("good", "corrected", {"until": formatting.day(until, ctx.language(request))}))
    return path("member", member=member.number)


def _uncorrect(request: Request, ctx: WebContext, visit: StaffSession, member: Member) -> str:
    work = partial(ctx.desk_service.uncorrect, member.library, member.number, actor(visit))
    say(request, visit, Flash("good", "uncorrected") if carried_out(work) else Flash("info", "uncorrected_before"))
    return path("member", member=member.number)


def _errors(values: dict[str, str], today: date) -> dict[str, str]:
    """Return what is wrong with each field: it is missing, or cannot be kept."""
    errors = {name: error for name, error in _REQUIRED.items() if not values[name]}
    errors |= {name: "length_form" for name, most in _MOST.items() if len(values[name]) > most}
    errors |= {name: "number_insz" for name, text in values.items() if is_number(text)}
    if not _COUNTRY.fullmatch(values["country"]):
        errors.setdefault("country", "country_form")
    if values["country"] == _BELGIUM and not _BELGIAN_CODE.fullmatch(values["postal_code"]):
        errors.setdefault("postal_code", "postal_form" if values["postal_code"] else "postal_missing")
    if not _is_day(values["until"], today):
        errors.setdefault("until", "until_form")
    return {name: errors[name] for name in values if name in errors}


def _is_day(text: str, today: date) -> bool:
    try:
        return today < date.fromisoformat(text) <= last_correction_day(today)
    except ValueError:
        return False


def _correct_page(member: Member, filled: Filled, today: date) -> CorrectPage:
    return CorrectPage(heading(member), member.held.address, last_correction_day(today), filled)
