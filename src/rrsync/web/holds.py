"""The worklist: what a person must look at, one after the other, and what they decide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response

from rrsync.core.exchange import Reason
from rrsync.core.person import Address, Masked, Member, Name
from rrsync.errors import LedgerError, StoreError
from rrsync.store.holds import OpenHold
from rrsync.store.sessions import Visit
from rrsync.sync.hold_decisions import PURPOSE, Asked, PutOff
from rrsync.web import idempotency
from rrsync.web.desk_pages import (
    Differing,
    Heading,
    HoldLine,
    actor,
    differing,
    heading,
    language,
    leads_back,
    nearing,
    onward,
    own,
    shown,
    take_turn_about,
)
from rrsync.web.errors import refused
from rrsync.web.guard import Away, Inside, TurnedAway, house
from rrsync.web.paths import PATHS, path
from rrsync.web.render import Flash, Place
from rrsync.web.responses import say
from rrsync.web.server import asking


@dataclass(frozen=True, slots=True, repr=False)
class HoldsPage(Masked):
    """A page of the worklist, the oldest first.

    ``counts`` are of all, ``chosen`` is the reason they are narrowed to; ``beyond`` is the last hold before this page,
    and ``further`` the last of this one, when there are more.
    """

    name: ClassVar[str] = "holds"

    holds: tuple[HoldLine, ...]
    counts: tuple[tuple[Reason, int], ...] = ()
    chosen: Reason | None = None
    beyond: int = 0
    further: int | None = None

    @property
    def total(self) -> int:
        """How many there are of what is shown, on all pages."""
        return sum(count for reason, count in self.counts if self.chosen in {None, reason})


@dataclass(frozen=True, slots=True, repr=False)
class HoldPage(Masked):
    """One hold: why, what to do, what it proposes; and its place in the worklist, narrowed to ``chosen`` if it is.

    ``can_accept`` says whether there is something to take over. ``has_new_number`` that it is a new national number,
    which is not shown; ``twin`` is the member of this library that has it already. The form sends ``decision``
    (``accept`` or ``dismiss``), ``reference`` (the answer that is decided about) and ``reason`` (what is chosen).
    """

    name: ClassVar[str] = "hold"

    hold: HoldLine
    address: Address
    rows: tuple[Differing, ...] = ()
    can_accept: bool = False
    has_new_number: bool = False
    twin: str = ""
    place: int = 1
    total: int = 1
    before: int | None = None
    after: int | None = None
    chosen: Reason | None = None
    reference: str = ""


_DIGITS: Final = 9
_DECISIONS: Final = frozenset({"accept", "dismiss"})
_GONE: Final = Flash("warn", "hold_gone")


def mount(app: FastAPI) -> None:
    """Let the holds be worked."""
    idempotency.mount(app)
    app.add_api_route(PATHS["holds"], listed, methods=["GET"])
    app.add_api_route(PATHS["hold"], show, methods=["GET"])
    app.add_api_route(PATHS["hold"], asking(decide), methods=["POST"])


def listed(request: Request, visit: Inside, reason: str = "", beyond: str = "") -> Response:
    """Show a page of the worklist, narrowed to a reason if one is named."""
    here, library, chosen = house(request), own(visit), _reason(reason)
    before = _number(beyond) or 0
    holds, has_more = here.entrance.worklist.page(library, reason=chosen, beyond=before)
    members = here.app.members.of([(library, hold.number) for hold in holds])
    page = HoldsPage(
        holds=tuple(_line(hold, members.get((library, hold.number))) for hold in holds),
        counts=tuple(here.entrance.worklist.counts(library).items()),
        chosen=chosen,
        beyond=before,
        further=holds[-1].id if has_more else None,
    )
    return shown(request, visit, page, here=Place.HOLDS)


def show(request: Request, visit: Inside, hold: str, reason: str = "") -> Response:
    """Show one hold, and what to do about it."""
    found, chosen = _find(request, visit, hold), _reason(reason)
    return shown(request, visit, _page(request, found, chosen), here=Place.HOLDS)


def decide(
    request: Request,
    visit: Inside,
    hold: str,
    decision: Annotated[str, Form()] = "",
    reference: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Take over what a hold proposes, or keep what is held; the next one comes then."""
    own(visit)
    if decision not in _DECISIONS:
        return refused(request, HTTPStatus.BAD_REQUEST)
    work = partial(_decide, request, visit, hold, decision=decision, reference=reference, chosen=_reason(reason))
    return onward(idempotency.do_once(request, visit, (decision, reference, reason), work))


def _decide(
    request: Request, visit: Visit, number: str, *, decision: str, reference: str, chosen: Reason | None
) -> str:
    found = _find(request, visit, number)
    if found.reference != reference:
        say(request, visit, _GONE)
        return path("hold", hold=found.id)
    turn = house(request).entrance.worklist.turn(found.library, found.id, reason=chosen)
    carry_out = _accepted if decision == "accept" else _dismissed
    say(request, visit, *carry_out(request, visit, found))
    return _address(chosen, turn.after or turn.before)


def _accepted(request: Request, visit: Visit, hold: OpenHold) -> tuple[Flash, ...]:
    """Write what a hold proposes; under a new number the register is asked at once, which takes a turn."""
    app, who = house(request).app, actor(visit)
    if hold.new_insz is not None:
        return _renumbered(request, visit, hold)
    try:
        app.settlement.accept(hold, who)
    except LedgerError:
        raise
    except StoreError:
        return (_GONE,)
    return (Flash("good", "hold_accepted"),)


def _renumbered(request: Request, visit: Visit, hold: OpenHold) -> tuple[Flash, ...]:
    here, who = house(request), actor(visit)
    case = f"hold-{hold.id}"
    near = take_turn_about(request, hold.library, hold.number, actor=who, purpose=PURPOSE, case=case)
    try:
        done = here.app.renumber(here.entrance.counter.desk).accept(hold, who)
    except LedgerError:
        raise
    except StoreError:
        return (_GONE,)
    match done:
        case Asked():
            said = Flash("good", "hold_renumbered")
        case PutOff():
            said = Flash("warn", "hold_put_off")
    return said, *nearing(request, visit, near)


def _dismissed(request: Request, visit: Visit, hold: OpenHold) -> tuple[Flash, ...]:
    try:
        house(request).app.settlement.dismiss(hold, actor(visit))
    except LedgerError:
        raise
    except StoreError:
        return (_GONE,)
    return (Flash("good", "hold_dismissed"),)


def _find(request: Request, visit: Visit, hold: str) -> OpenHold:
    """Give an open hold of one's own library.

    Raises:
        TurnedAway: there is none, whether or not another library has one.
    """
    number = _number(hold)
    found = None if number is None else house(request).app.holds.find(number)
    if found is None or found.library != own(visit):
        raise TurnedAway(Away.MISSING)
    leads_back(request, "hold", hold=str(found.id))
    return found


def _page(request: Request, hold: OpenHold, chosen: Reason | None) -> HoldPage:
    here = house(request)
    standing = here.app.members.find(hold.library, hold.number)
    if standing is None:
        raise TurnedAway(Away.MISSING)
    held, turn = standing.member.held, here.entrance.worklist.turn(hold.library, hold.id, reason=chosen)
    rows = differing(held, hold.proposal, language(request)) if hold.proposal else ()
    return HoldPage(
        hold=_line(hold, standing.member),
        address=held.address,
        rows=rows,
        can_accept=hold.offers,
        has_new_number=hold.new_insz is not None,
        twin=hold.twin or "",
        place=turn.place,
        total=turn.total,
        before=turn.before,
        after=turn.after,
        chosen=chosen,
        reference=hold.reference,
    )


def _line(hold: OpenHold, member: Member | None) -> HoldLine:
    who = heading(member) if member else Heading(hold.number, Name(), None)
    return HoldLine(hold.id, who, hold.reason, hold.opened_at, proposes=hold.offers)


def _address(chosen: Reason | None, hold: int | None) -> str:
    """Give where the next hold stands, or the worklist when there is none."""
    at = path("holds") if hold is None else path("hold", hold=hold)
    return at if chosen is None else f"{at}?reason={chosen.value}"


def _reason(text: str) -> Reason | None:
    return Reason(text) if text in set(Reason) else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
