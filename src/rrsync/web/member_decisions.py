"""An address that staff know better than the register: why, and until when; and its end.

What the register said about a member, to who asked: field by field, and taken over or left as it was.
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
from rrsync.core.person import Address, Masked, Member, tidy
from rrsync.core.planning import belgian_day
from rrsync.errors import LedgerError, StoreError
from rrsync.store.desk_answers import Offer
from rrsync.store.rows import Standing
from rrsync.store.sessions import Visit
from rrsync.sync.desk import LONGEST, last_day
from rrsync.text import formatting as written
from rrsync.web import idempotency
from rrsync.web.desk_pages import (
    UNUSABLE,
    Differing,
    Heading,
    actor,
    differing,
    heading,
    is_number,
    kept,
    language,
    lookup,
    onward,
    own,
    shown,
)
from rrsync.web.errors import refused
from rrsync.web.guard import Inside, house
from rrsync.web.paths import PATHS, path
from rrsync.web.render import BLANK, Filled, Flash, Place
from rrsync.web.responses import go, say


@dataclass(frozen=True, slots=True, repr=False)
class DifferencePage(Masked):
    """What the register answered about a member, and what was decided about it.

    ``rows`` are the fields of the name and the address, also those that are the same, so that each is read in its
    place. ``state`` of a change is ``open`` until somebody decides, then ``accepted`` or ``declined``; of what needs no
    decision it is ``settled``. ``ticket`` names the answer that is decided about; ``until`` is when that lapses.
    ``reason`` is a hold's. ``from_cache`` says that this is no new access. The form sends ``ticket`` and ``decision``:
    ``accept`` or ``decline``.
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
    """The form for an address that staff know better; it stays until a day, or until the register agrees.

    Fields: ``street``, ``house_number``, ``box``, ``postal_code``, ``municipality``, ``country``, ``reason`` and
    ``until``.
    ``latest`` is the last day that may be chosen.
    """

    name: ClassVar[str] = "correct"

    who: Heading
    address: Address
    latest: date
    filled: Filled = BLANK


_DECISIONS: Final = {"accept": "accepted", "decline": "declined"}
_LAPSED: Final = Flash("warn", "answer_lapsed")


def mount_differences(app: FastAPI) -> None:
    """Let answers be looked at, and decided about."""
    idempotency.mount(app)
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
    return onward(idempotency.do_once(request, visit, (decision, ticket), work))


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


_PARTS: Final = ("street", "house_number", "box", "postal_code", "municipality", "country")
_HOME: Final = "BEL"
_HOME_CODE: Final = re.compile(r"[1-9][0-9]{3}")
_COUNTRY: Final = re.compile(r"[A-Z]{3}")
#: How long each part of the form may be, as the form itself says it.
_MOST: Final = {"street": 100, "house_number": 12, "box": 12, "postal_code": 12, "municipality": 80, "reason": LONGEST}
_NEEDED: Final = {
    "street": "street_missing",
    "municipality": "municipality_missing",
    "reason": "reason_missing",
    "until": "until_missing",
}


async def said(request: Request) -> dict[str, str]:
    """Give every part of the form, tidied."""
    form = await request.form()
    texts = {name: _printable(str(form.get(name, ""))) for name in (*_PARTS, "reason", "until")}
    return texts | {"country": texts["country"].upper() or _HOME}


def mount_corrections(app: FastAPI) -> None:
    """Let addresses be corrected."""
    idempotency.mount(app)
    app.add_api_route(PATHS["correct"], begin, methods=["GET"])
    app.add_api_route(PATHS["correct"], correct, methods=["POST"])
    app.add_api_route(PATHS["uncorrect"], uncorrect, methods=["POST"])


def begin(request: Request, visit: Inside, member: str) -> Response:
    """Show the form, filled with the address that is held."""
    found = lookup(request, visit, member).member
    return shown(request, visit, _correct_page(request, found, BLANK), here=Place.DESK)


def correct(request: Request, visit: Inside, member: str, values: Annotated[dict[str, str], Depends(said)]) -> Response:
    """Keep a correction."""
    found = lookup(request, visit, member).member
    if errors := _wrong(values, _today(request)):
        page = _correct_page(request, found, Filled(kept(values), errors))
        return shown(request, visit, page, here=Place.DESK, status=UNUSABLE)
    work = partial(_correct, request, visit, found, values)
    return onward(idempotency.do_once(request, visit, tuple(values.values()), work))


def uncorrect(request: Request, visit: Inside, member: str) -> Response:
    """End a correction."""
    found = lookup(request, visit, member).member
    return onward(idempotency.do_once(request, visit, (), partial(_uncorrect, request, visit, found)))


def _correct(request: Request, visit: Visit, member: Member, values: dict[str, str]) -> str:
    address = Address(**{name: values[name] for name in _PARTS})
    until = date.fromisoformat(values["until"])
    house(request).entrance.counter.correct(
        member.library, member.number, address, reason=values["reason"], until=until, actor=actor(visit)
    )
    say(request, visit, Flash("good", "corrected", {"until": written.day(until, language(request))}))
    return path("member", member=member.number)


def _uncorrect(request: Request, visit: Visit, member: Member) -> str:
    counter = house(request).entrance.counter
    try:
        counter.uncorrect(member.library, member.number, actor(visit))
    except LedgerError:
        raise
    except StoreError:  # it had ended already
        say(request, visit, Flash("info", "uncorrected_before"))
    else:
        say(request, visit, Flash("good", "uncorrected"))
    return path("member", member=member.number)


def _wrong(values: dict[str, str], today: date) -> dict[str, str]:
    """Give what is wrong with each part: nothing of it, or not what can be kept."""
    errors = {name: error for name, error in _NEEDED.items() if not values[name]}
    errors |= {name: "length_form" for name, most in _MOST.items() if len(values[name]) > most}
    errors |= {name: "number_insz" for name, text in values.items() if is_number(text)}
    if not _COUNTRY.fullmatch(values["country"]):
        errors.setdefault("country", "country_form")
    if values["country"] == _HOME and not _HOME_CODE.fullmatch(values["postal_code"]):
        errors.setdefault("postal_code", "postal_form" if values["postal_code"] else "postal_missing")
    if not _is_day(values["until"], today):
        errors.setdefault("until", "until_form")
    return {name: errors[name] for name in values if name in errors}


def _is_day(text: str, today: date) -> bool:
    try:
        return today < date.fromisoformat(text) <= last_day(today)
    except ValueError:
        return False


def _correct_page(request: Request, member: Member, filled: Filled) -> CorrectPage:
    address = member.held.address
    if filled is BLANK:
        held = {name: getattr(address, name) for name in _PARTS}
        filled = Filled(kept(held | {"country": address.country or _HOME}))
    return CorrectPage(heading(member), address, last_day(_today(request)), filled)


def _today(request: Request) -> date:
    return belgian_day(house(request).now)


def _printable(text: str) -> str:
    return tidy("".join(char if char.isprintable() else " " for char in text))
