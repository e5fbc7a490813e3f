"""What the register said about a member, to who asked: field by field, and taken over or left as it was."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Form, Request

from rrsync.errors import LedgerError, StoreError
from rrsync.web import once
from rrsync.web.fault import refused
from rrsync.web.guard import Inside
from rrsync.web.house import house
from rrsync.web.page import go, say
from rrsync.web.paths import PATHS, path
from rrsync.web.people import actor, differing, heading, language, lookup, onward, own, shown
from rrsync.web.views.desk import DifferencePage
from rrsync.web.views.frame import Flash, Place

if TYPE_CHECKING:
    from fastapi import FastAPI, Response

    from rrsync.store.offers import Offer
    from rrsync.store.rows import Standing
    from rrsync.store.sessions import Visit

_DECISIONS: Final = {"accept": "accepted", "decline": "declined"}
_LAPSED: Final = Flash("warn", "answer_lapsed")


def mount(app: FastAPI) -> None:
    """Let answers be looked at, and decided about."""
    once.mount(app)
    app.add_api_route(PATHS["difference"], show, methods=["GET"])
    app.add_api_route(PATHS["difference"], decide, methods=["POST"])


def show(request: Request, visit: Inside, member: str) -> Response:
    """Show the answer to who asked, as long as it counts; this asks nobody anything."""
    standing = lookup(request, visit, member)
    number = standing.member.number
    offer = _offer(request, visit, number)
    if offer is None:
        say(request, visit, _LAPSED)
        return go("member", member=number)
    return shown(request, visit, _page(request, visit, standing, offer), here=Place.DESK)


def decide(
    request: Request,
    visit: Inside,
    member: str,
    decision: Annotated[str, Form()] = "",
    ticket: Annotated[str, Form()] = "",
) -> Response:
    """Take over what the register says, or leave the member as it was."""
    number = lookup(request, visit, member).member.number
    if decision not in _DECISIONS:
        return refused(request, HTTPStatus.BAD_REQUEST)
    work = partial(_decide, request, visit, number, decision=_DECISIONS[decision], ticket=ticket)
    return onward(once.do_once(request, visit, (decision, ticket), work))


def _offer(request: Request, visit: Visit, number: str) -> Offer | None:
    """Give the answer that counts, if it is this person's to see."""
    counter = house(request).entrance.counter
    offer = counter.recent(own(visit), number)
    return offer if offer is not None and counter.seen(offer, visit.staff.name) else None


def _decide(request: Request, visit: Visit, number: str, *, decision: str, ticket: str) -> str:
    offer = _offer(request, visit, number)
    if offer is None or offer.reference != ticket:
        say(request, visit, _LAPSED)
    elif offer.state != decision:  # what is decided so already was sent again
        say(request, visit, _decided(request, visit, offer, decision))
    return path("member", member=number)


def _decided(request: Request, visit: Visit, offer: Offer, decision: str) -> Flash:
    """Carry a decision out, and say what was done."""
    counter = house(request).entrance.counter
    carry_out = counter.accept if decision == "accepted" else counter.decline
    try:
        carry_out(offer, actor(visit))
    except LedgerError:
        raise
    except StoreError:  # somebody else decided, or wrote to the member
        return _LAPSED
    return Flash("good", decision)


def _page(request: Request, visit: Visit, standing: Standing, offer: Offer) -> DifferencePage:
    """Give the page of an answer; what is confirmed has no rows, and what is on hold those it proposes."""
    after = None if offer.verdict == "same" else offer.after
    return DifferencePage(
        who=heading(standing.member),
        verdict=offer.verdict,
        asked_at=offer.asked_at,
        rows=() if after is None else differing(offer.before, after, language(request)),
        ticket=offer.reference,
        until=offer.until,
        state=offer.state,
        reason=offer.reason,
        hold=offer.hold,
        from_cache=offer.by != visit.staff.name,
    )
