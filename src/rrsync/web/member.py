"""The page of one member at the desk, and the question to the register about them.

The page shows the address and its age, and the last queries about the member as the access log has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, ClassVar, Final, Literal

from fastapi import FastAPI, Form, Request, Response

from rrsync.core.authorisation import Authorisation
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Access, ActorKind, Kind
from rrsync.core.person import Address, Masked, Member, PartialDate
from rrsync.core.planning import belgian_day
from rrsync.store.log_search import AccessFilter
from rrsync.store.rows import MemberStatus
from rrsync.store.sessions import StaffSession
from rrsync.web.context import Context, WebContext
from rrsync.web.desk_pages import (
    Age,
    Heading,
    HoldLine,
    age,
    heading,
    lookup,
    near_limits,
    own_library,
    shown,
    submit_once,
    take_turn_about,
)
from rrsync.web.forms import CASE, UNUSABLE, is_number, without_numbers
from rrsync.web.guard import Inside, actor
from rrsync.web.paths import PATHS, path
from rrsync.web.render import BLANK, Filled, Place
from rrsync.web.responses import go, say
from rrsync.web.server import asking

#: How many of the last queries are shown.
MOST: Final = 10
_LONGEST: Final = 64
_EXAMPLE: Final = "brief-2026-118"
_FROM_REGISTER: Final = frozenset({"same", "change"})
#: The decision about an offered change -> the outcome of the query; without a decision there is none yet.
_DECIDED: Final = {"accepted": "change", "declined": "declined"}


class Source(StrEnum):
    """Where an address comes from: the register, the library's own file, a member of staff."""

    REGISTER = "register"
    LIBRARY = "library"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, repr=False)
class CorrectionLine(Masked):
    """An address that staff put in the place of the register's: why, by whom, until when."""

    reason: str
    by: str
    at: datetime
    until: date


@dataclass(frozen=True, slots=True)
class PastQuery:
    """One query about the member: when, by whom (empty: the nightly run), why, for which case, what came of it.

    ``purpose`` is a code, ``outcome`` a key of the outcomes of the texts.
    """

    at: datetime
    by: str
    purpose: str
    case: str
    outcome: str


@dataclass(frozen=True, slots=True, repr=False)
class MemberPage(Masked):
    """One member: address, its source and age, the last queries, and the form for another.

    ``since`` is the register's own begin date of the address. ``barred`` is why the register cannot be asked, as a key
    of the page's texts (``no_number``, ``no_ground``), empty when it can. ``again_from`` is when the register was last
    asked, if that is so short ago that its answer is shown again without a second query. ``purposes`` are the codes
    that the authorisation names. Fields of the form: ``purpose``, ``case``; a case that holds a national number is not
    given back.
    """

    name: ClassVar[str] = "member"

    who: Heading
    address: Address
    source: Source
    age: Age
    purposes: tuple[str, ...]
    asked_at: datetime | None = None
    changed_at: datetime | None = None
    since: PartialDate | None = None
    number_kind: Literal["national", "bis", "none"] = "national"
    membership_end: date | None = None
    open_items: int = 0
    correction: CorrectionLine | None = None
    hold: HoldLine | None = None
    looks: tuple[PastQuery, ...] = ()
    barred: str = ""
    again_from: datetime | None = None
    filled: Filled = BLANK
    case_example: str = ""


def register_routes(app: FastAPI) -> None:
    """Add the routes of a member's page."""
    app.add_api_route(PATHS["member"], show, methods=["GET"])
    app.add_api_route(PATHS["refresh"], asking(refresh), methods=["POST"])


def show(request: Request, ctx: Context, visit: Inside, member: str) -> Response:
    """Show one member."""
    return shown(request, visit, _page(ctx, lookup(request, visit, member)), here=Place.DESK)


def refresh(
    request: Request,
    ctx: Context,
    visit: Inside,
    member: str,
    purpose: Annotated[str, Form()] = "",
    case: Annotated[str, Form()] = "",
) -> Response:
    """Ask the register about a member, or show its last answer again; the answer has a page of its own."""
    standing = lookup(request, visit, member)
    purpose, case = purpose.strip(), case.strip()
    if errors := _errors(purpose, case):
        filled = Filled(without_numbers({"purpose": purpose, "case": case}), errors)
        page = replace(_page(ctx, standing), filled=filled)
        return shown(request, visit, page, here=Place.DESK, status=UNUSABLE)
    number = standing.member.number
    if standing.member.insz is None:
        return go("member", member=number)
    ask = partial(_ask, request, ctx, visit, number, purpose=purpose, case=case)
    return submit_once(request, visit, (purpose, case), ask)


def _errors(purpose: str, case: str) -> dict[str, str]:
    is_code = 0 < len(purpose) <= _LONGEST and purpose.isprintable() and not is_number(purpose)
    errors = {} if is_code else {"purpose": "purpose_missing"}
    if not case:
        errors["case"] = "case_missing"
    elif is_number(case):
        errors["case"] = "case_insz"
    elif not CASE.fullmatch(case):
        errors["case"] = "case_form"
    return errors


def _ask(request: Request, ctx: WebContext, visit: StaffSession, number: str, *, purpose: str, case: str) -> str:
    desk, library, who = ctx.desk_service, own_library(visit), actor(visit)
    recent = desk.recent(library, number)
    if recent is not None:
        if (recent.by, recent.purpose, recent.case) != (who.name, purpose, case):
            desk.reuse(recent, actor=who, purpose=purpose, case=case)
        return path("difference", member=number)
    near = take_turn_about(ctx, library, number, actor=who, purpose=purpose, case=case)
    desk.ask(library, number, actor=who, purpose=purpose, case=case)
    if flashes := near_limits(ctx, visit, near):
        say(request, visit, *flashes)
    return path("difference", member=number)


def _page(ctx: WebContext, standing: MemberStatus) -> MemberPage:
    member = standing.member
    library = member.library
    authorisation = ctx.authorisations.get(library)
    correction = _correction(ctx, member)
    recent = ctx.desk_service.recent(library, member.number)
    return MemberPage(
        who=heading(member),
        address=member.held.address,
        source=_source(standing, is_corrected=correction is not None),
        age=age(standing, ctx),
        purposes=tuple(sorted(authorisation.purposes)) if authorisation else (),
        asked_at=standing.refreshed_at,
        changed_at=standing.changed_at,
        since=member.held.address_since,
        number_kind=_number_kind(member.insz),
        membership_end=member.membership_end,
        open_items=member.open_items,
        correction=correction,
        hold=_hold(ctx, member),
        looks=past_queries(ctx, member),
        barred=_barred(member, authorisation, ctx),
        again_from=recent.asked_at if recent else None,
        case_example=_case_example(ctx, library),
    )


def past_queries(ctx: WebContext, member: Member) -> tuple[PastQuery, ...]:
    """Return the last queries about a member, under any national number they have or had, the newest first.

    Raises:
        StoreError, BrokenChain: the log cannot be read.
    """
    library = member.library
    numbers = ctx.members.numbers(library, member.number)
    subjects = tuple(ref for insz in numbers for ref in ctx.access_log.pseudonyms(library, insz))
    if not subjects:
        return ()
    found = list(ctx.log_search.accesses(AccessFilter(library, subjects=subjects, last=MOST)))
    decisions = _decisions(ctx, library, subjects) if any(each.is_offered for each in found) else {}
    return tuple(_past_query(each, decisions) for each in reversed(found))


def _decisions(ctx: WebContext, library: str, subjects: Sequence[bytes]) -> dict[str, str]:
    """Return what was decided about offered changes, by the reference of the query."""
    return {
        str(line.get("ref")): _DECIDED.get(str(line.get("decision")), "")
        for _, line in ctx.log_search.deeds(library, {Kind.OFFER}, subjects=subjects)
    }


def _past_query(found: Access, decisions: Mapping[str, str]) -> PastQuery:
    by = found.actor.name if found.actor.kind is ActorKind.PERSON else ""
    return PastQuery(found.at, by, found.purpose, found.case, _outcome(found, decisions))


def _outcome(found: Access, decisions: Mapping[str, str]) -> str:
    """Return what came of a query, as a key of the outcomes of the texts; an offered change was not written."""
    match found:
        case Access(status="reused"):
            return found.status
        case Access(is_preview=True):
            return "preview"
        case Access(is_offered=True):
            return decisions.get(found.reference) or "offered"
        case Access(verdict="same") if found.changed:
            return "filled"
        case _:
            return found.verdict or found.status


def _correction(ctx: WebContext, member: Member) -> CorrectionLine | None:
    found = ctx.corrections.of(member.library, member.number)
    return None if found is None else CorrectionLine(found.reason, found.by, found.at, found.until)


def _hold(ctx: WebContext, member: Member) -> HoldLine | None:
    found = ctx.holds.of(member.library, member.number)
    if found is None:
        return None
    return HoldLine(found.id, heading(member), found.reason, found.opened_at, proposes=found.offers)


def _source(standing: MemberStatus, *, is_corrected: bool) -> Source:
    """Return where the address comes from.

    It is the register's when the register gave or confirmed it since the library's last file. A row of that file with
    another address removes the begin date.
    """
    if is_corrected:
        return Source.STAFF
    is_theirs = standing.verdict in _FROM_REGISTER or standing.member.held.address_since is not None
    return Source.REGISTER if is_theirs else Source.LIBRARY


def _number_kind(insz: Insz | None) -> Literal["national", "bis", "none"]:
    if insz is None:
        return "none"
    return "bis" if insz.is_bis else "national"


def _barred(member: Member, authorisation: Authorisation | None, ctx: WebContext) -> str:
    if member.insz is None:
        return "no_number"
    today = belgian_day(ctx.now)
    is_in_force = authorisation is not None and authorisation.valid_from <= today <= authorisation.valid_until
    return "" if is_in_force else "no_ground"


def _case_example(ctx: WebContext, library: str) -> str:
    """Return an example of a case reference, if it fits the library's own pattern."""
    pattern = next((each.case_pattern for each in ctx.settings.library if each.id == library), "")
    return _EXAMPLE if not pattern or re.fullmatch(pattern, _EXAMPLE) else ""
