"""The worklist: the holds of a library, the oldest first, and what a person decides about each."""

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
from rrsync.store.sessions import StaffSession
from rrsync.sync.hold_decisions import PURPOSE, AskedAgain, Postponed
from rrsync.web.context import Context, WebContext
from rrsync.web.desk_pages import (
    Differing,
    Heading,
    HoldLine,
    carried_out,
    differing,
    heading,
    link_errors_to,
    near_limits,
    own_library,
    shown,
    submit_once,
    take_turn_about,
)
from rrsync.web.errors import error_page
from rrsync.web.guard import AccessError, Denied, Inside, actor
from rrsync.web.paths import PATHS, path
from rrsync.web.render import Flash, Place
from rrsync.web.responses import say
from rrsync.web.server import asking

_DIGITS: Final = 9
_DECISIONS: Final = frozenset({"accept", "dismiss"})
_GONE: Final = Flash("warn", "hold_gone")


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
        """The number of holds on all pages, of the reason that is chosen."""
        return sum(count for reason, count in self.counts if self.chosen in {None, reason})


@dataclass(frozen=True, slots=True, repr=False)
class HoldPage(Masked):
    """One hold: why, what to do, what it proposes; and its place in the worklist, narrowed to ``chosen`` if it is.

    ``can_accept`` says whether there is a proposal; ``has_new_number``, whether that is a new national number, which is
    not shown. ``twin`` is the member of this library that has the number already. The form sends ``decision``
    (``accept`` or ``dismiss``), ``reference`` (of the answer) and ``reason`` (what is chosen).
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


def register_routes(app: FastAPI) -> None:
    """Add the routes of the worklist."""
    app.add_api_route(PATHS["holds"], listed, methods=["GET"])
    app.add_api_route(PATHS["hold"], show, methods=["GET"])
    app.add_api_route(PATHS["hold"], asking(decide), methods=["POST"])


def listed(request: Request, ctx: Context, visit: Inside, reason: str = "", beyond: str = "") -> Response:
    """Show a page of the worklist, narrowed to a reason if one is named."""
    library, chosen = own_library(visit), _reason(reason)
    before = _number(beyond) or 0
    holds, has_more = ctx.holds.page(library, reason=chosen, beyond=before)
    members = ctx.members.of([(library, hold.number) for hold in holds])
    page = HoldsPage(
        holds=tuple(_line(hold, members.get((library, hold.number))) for hold in holds),
        counts=tuple(ctx.holds.counts(library).items()),
        chosen=chosen,
        beyond=before,
        further=holds[-1].id if has_more else None,
    )
    return shown(request, visit, page, here=Place.HOLDS)


def show(request: Request, ctx: Context, visit: Inside, hold: str, reason: str = "") -> Response:
    """Show one hold, and what to do about it."""
    found, chosen = _find(request, ctx, visit, hold), _reason(reason)
    return shown(request, visit, _page(request, ctx, found, chosen), here=Place.HOLDS)


def decide(
    request: Request,
    ctx: Context,
    visit: Inside,
    hold: str,
    decision: Annotated[str, Form()] = "",
    reference: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Write what a hold proposes, or keep what is held; then the next hold is shown."""
    own_library(visit)
    if decision not in _DECISIONS:
        return error_page(request, HTTPStatus.BAD_REQUEST)
    work = partial(_decide, request, ctx, visit, hold, decision=decision, reference=reference, chosen=_reason(reason))
    return submit_once(request, visit, (decision, reference, reason), work)


def _decide(
    request: Request,
    ctx: WebContext,
    visit: StaffSession,
    number: str,
    *,
    decision: str,
    reference: str,
    chosen: Reason | None,
) -> str:
    found = _find(request, ctx, visit, number)
    if found.reference != reference:
        say(request, visit, _GONE)
        return path("hold", hold=found.id)
    turn = ctx.holds.turn(found.library, found.id, reason=chosen)
    carry_out = _accepted if decision == "accept" else _dismissed
    say(request, visit, *carry_out(ctx, visit, found))
    return _address(chosen, turn.after or turn.before)


def _accepted(ctx: WebContext, visit: StaffSession, hold: OpenHold) -> tuple[Flash, ...]:
    """Write what a hold proposes; under a new national number the register is asked at once, which takes a turn."""
    if hold.new_insz is not None:
        return _renumbered(ctx, visit, hold)
    is_done = carried_out(partial(ctx.settlement.accept, hold, actor(visit)))
    return (Flash("good", "hold_accepted") if is_done else _GONE,)


def _renumbered(ctx: WebContext, visit: StaffSession, hold: OpenHold) -> tuple[Flash, ...]:
    who, case = actor(visit), f"hold-{hold.id}"
    near = take_turn_about(ctx, hold.library, hold.number, actor=who, purpose=PURPOSE, case=case)
    renumber = ctx.renumber(ctx.desk_service.desk)
    try:
        done = renumber.accept(hold, who)
    except LedgerError:
        raise
    except StoreError:
        return (_GONE,)
    match done:
        case AskedAgain():
            said = Flash("good", "hold_renumbered")
        case Postponed():
            said = Flash("warn", "hold_put_off")
    return said, *near_limits(ctx, visit, near)


def _dismissed(ctx: WebContext, visit: StaffSession, hold: OpenHold) -> tuple[Flash, ...]:
    is_done = carried_out(partial(ctx.settlement.dismiss, hold, actor(visit)))
    return (Flash("good", "hold_dismissed") if is_done else _GONE,)


def _find(request: Request, ctx: WebContext, visit: StaffSession, hold: str) -> OpenHold:
    """Return an open hold of one's own library.

    Raises:
        AccessError: the library has no such hold, whether or not another library has one.
    """
    number = _number(hold)
    found = None if number is None else ctx.holds.find(number)
    if found is None or found.library != own_library(visit):
        raise AccessError(Denied.MISSING)
    link_errors_to(request, "hold", hold=str(found.id))
    return found


def _page(request: Request, ctx: WebContext, hold: OpenHold, chosen: Reason | None) -> HoldPage:
    standing = ctx.members.find(hold.library, hold.number)
    if standing is None:
        raise AccessError(Denied.MISSING)
    held, turn = standing.member.held, ctx.holds.turn(hold.library, hold.id, reason=chosen)
    return HoldPage(
        hold=_line(hold, standing.member),
        address=held.address,
        rows=differing(held, hold.proposal, ctx.language(request)) if hold.proposal else (),
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
    """Return the address of the next hold, or of the worklist when there is none."""
    at = path("holds") if hold is None else path("hold", hold=hold)
    return at if chosen is None else f"{at}?reason={chosen.value}"


def _reason(text: str) -> Reason | None:
    return Reason(text) if text in set(Reason) else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
