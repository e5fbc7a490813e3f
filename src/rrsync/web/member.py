"""One member at the desk: the address and its age, what was asked, and the question to the register.

What was asked about one member of late, by whom, why, and what came of it, as the access log tells the desk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Annotated, ClassVar, Final, Literal

from fastapi import FastAPI, Form, Request, Response

from rrsync.app.services import App
from rrsync.core.authorisation import Authorisation
from rrsync.core.insz import Insz
from rrsync.core.log_entry import Access, ActorKind, Kind
from rrsync.core.person import Address, Masked, Member, PartialDate
from rrsync.core.planning import belgian_day
from rrsync.store.log_search import Wanted
from rrsync.store.rows import Standing
from rrsync.store.sessions import Visit
from rrsync.web import idempotency
from rrsync.web.desk_pages import (
    UNUSABLE,
    Age,
    Asked,
    Correction,
    Heading,
    HoldLine,
    Source,
    actor,
    age,
    heading,
    is_number,
    kept,
    lookup,
    nearing,
    onward,
    own,
    shown,
    take_turn_about,
)
from rrsync.web.guard import House, Inside, house
from rrsync.web.paths import PATHS, path
from rrsync.web.render import BLANK, Filled, Place
from rrsync.web.responses import go, say
from rrsync.web.server import asking


@dataclass(frozen=True, slots=True, repr=False)
class MemberPage(Masked):
    """One member: address, its source and age, what was asked, and the form to ask again.

    ``number_kind`` says whether there is a national number (``national``, ``bis``, ``none``). ``since`` is the
    register's own begin date of the address. ``barred`` is why the register cannot be asked, as a key of the page's
    words (``no_number``, ``no_ground``), empty when it can. ``again_from`` is when the register was last asked, if that
    is so short ago that its answer is shown again without a second access.
    ``purposes`` are the codes the authorisation names. Fields of the form: ``purpose``, ``case``; a case that holds a
    national number is not given back.
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
    correction: Correction | None = None
    hold: HoldLine | None = None
    looks: tuple[Asked, ...] = ()
    barred: str = ""
    again_from: datetime | None = None
    filled: Filled = BLANK
    case_example: str = ""


#: How many of the last times are shown.
MOST: Final = 10
#: What was decided about a change that was offered -> what came of the question; without a decision, nothing yet.
_DECIDED: Final = {"accepted": "change", "declined": "declined"}


def asked(app: App, member: Member) -> tuple[Asked, ...]:
    """Give the last times a member was asked about or an answer shown again, under any number they have or had.

    Raises:
        StoreError, BrokenChain: the log cannot be read.
    """
    library = member.library
    numbers = app.members.numbers(library, member.number)
    subjects = tuple(ref for insz in numbers for ref in app.ledger.pseudonyms(library, insz))
    if not subjects:
        return ()
    found = list(app.search.accesses(Wanted(library, subjects=subjects, last=MOST)))
    decided = _decided(app, library, subjects) if any(each.is_offered for each in found) else {}
    return tuple(_asked(each, _outcome(each, decided)) for each in reversed(found))


def _decided(app: App, library: str, subjects: Sequence[bytes]) -> dict[str, str]:
    """Give what was decided about the changes that were offered, by the reference of the question."""
    return {
        str(line.get("ref")): _DECIDED.get(str(line.get("decision")), "")
        for _, line in app.search.deeds(library, {Kind.OFFER}, subjects=subjects)
    }


def _asked(found: Access, outcome: str) -> Asked:
    by = found.actor.name if found.actor.kind is ActorKind.PERSON else ""
    return Asked(found.at, by, found.purpose, found.case, outcome)


def _outcome(found: Access, decided: Mapping[str, str]) -> str:
    """Give what an access came to, as ``words.codes.OUTCOMES`` has it; a change that was offered was not written."""
    match found:
        case Access(status="reused"):
            return found.status
        case Access(is_preview=True):
            return "preview"
        case Access(is_offered=True):
            return decided.get(found.reference) or "offered"
        case Access(verdict="same") if found.changed:
            return "filled"
        case _:
            return found.verdict or found.status


#: What a case reference may be (trust reference, §4): nothing that could name a person.
CASE: Final = re.compile(r"[A-Za-z0-9/-]{3,40}")
_LONGEST: Final = 64
_EXAMPLE: Final = "brief-2026-118"
_FROM_REGISTER: Final = frozenset({"same", "change"})


def mount(app: FastAPI) -> None:
    """Let members be looked at, and asked about."""
    idempotency.mount(app)
    app.add_api_route(PATHS["member"], show, methods=["GET"])
    app.add_api_route(PATHS["refresh"], asking(refresh), methods=["POST"])


def show(request: Request, visit: Inside, member: str) -> Response:
    """Show one member."""
    return shown(request, visit, _page(request, lookup(request, visit, member)), here=Place.DESK)


def refresh(
    request: Request,
    visit: Inside,
    member: str,
    purpose: Annotated[str, Form()] = "",
    case: Annotated[str, Form()] = "",
) -> Response:
    """Ask the register about a member, or show again what it said a moment ago; the answer has a page of its own."""
    standing = lookup(request, visit, member)
    purpose, case = purpose.strip(), case.strip()
    if errors := _wrong(purpose, case):
        filled = Filled(kept({"purpose": purpose, "case": case}), errors)
        page = replace(_page(request, standing), filled=filled)
        return shown(request, visit, page, here=Place.DESK, status=UNUSABLE)
    number = standing.member.number
    if standing.member.insz is None:
        return go("member", member=number)
    ask = partial(_ask, request, visit, number, purpose=purpose, case=case)
    return onward(idempotency.do_once(request, visit, (purpose, case), ask))


def _wrong(purpose: str, case: str) -> dict[str, str]:
    is_code = 0 < len(purpose) <= _LONGEST and purpose.isprintable() and not is_number(purpose)
    errors = {} if is_code else {"purpose": "purpose_missing"}
    if not case:
        errors["case"] = "case_missing"
    elif is_number(case):
        errors["case"] = "case_insz"
    elif not CASE.fullmatch(case):
        errors["case"] = "case_form"
    return errors


def _ask(request: Request, visit: Visit, number: str, *, purpose: str, case: str) -> str:
    counter, library, who = house(request).entrance.counter, own(visit), actor(visit)
    recent = counter.recent(library, number)
    if recent is not None:
        if (recent.by, recent.purpose, recent.case) != (who.name, purpose, case):
            counter.reuse(recent, actor=who, purpose=purpose, case=case)
        return path("difference", member=number)
    near = take_turn_about(request, library, number, actor=who, purpose=purpose, case=case)
    counter.ask(library, number, actor=who, purpose=purpose, case=case)
    if flashes := nearing(request, visit, near):
        say(request, visit, *flashes)
    return path("difference", member=number)


def _page(request: Request, standing: Standing) -> MemberPage:
    here, member = house(request), standing.member
    library, counter = member.library, here.entrance.counter
    authorisation = here.app.authorisations.get(library)
    corrected = _correction(here, member)
    recent = counter.recent(library, member.number)
    return MemberPage(
        who=heading(member),
        address=member.held.address,
        source=_source(standing, is_corrected=corrected is not None),
        age=age(standing, here.now, here.app.settings.night.stale_after_days),
        purposes=tuple(sorted(authorisation.purposes)) if authorisation else (),
        asked_at=standing.refreshed_at,
        changed_at=standing.changed_at,
        since=member.held.address_since,
        number_kind=_kind(member.insz),
        membership_end=member.membership_end,
        open_items=member.open_items,
        correction=corrected,
        hold=_hold(here, member),
        looks=asked(here.app, member),
        barred=_barred(member, authorisation, here),
        again_from=recent.asked_at if recent else None,
        filled=BLANK,
        case_example=_example(here, library),
    )


def _correction(here: House, member: Member) -> Correction | None:
    found = here.entrance.counter.corrections.of(member.library, member.number)
    return None if found is None else Correction(found.reason, found.by, found.at, found.until)


def _hold(here: House, member: Member) -> HoldLine | None:
    found = here.entrance.worklist.of(member.library, member.number)
    if found is None:
        return None
    return HoldLine(found.id, heading(member), found.reason, found.opened_at, proposes=found.offers)


def _source(standing: Standing, *, is_corrected: bool) -> Source:
    """Give where the address comes from: it is the register's when that gave it, or confirmed it, since the last file.

    A row of the library's own file that says an address anew takes the day since when with it.
    """
    if is_corrected:
        return Source.STAFF
    is_theirs = standing.verdict in _FROM_REGISTER or standing.member.held.address_since is not None
    return Source.REGISTER if is_theirs else Source.LIBRARY


def _kind(insz: Insz | None) -> Literal["national", "bis", "none"]:
    if insz is None:
        return "none"
    return "bis" if insz.is_bis else "national"


def _barred(member: Member, authorisation: Authorisation | None, here: House) -> str:
    if member.insz is None:
        return "no_number"
    today = belgian_day(here.now)
    is_in_force = authorisation is not None and authorisation.valid_from <= today <= authorisation.valid_until
    return "" if is_in_force else "no_ground"


def _example(here: House, library: str) -> str:
    """Give a case reference as this library writes them, if ours is one."""
    pattern = next((each.case_pattern for each in here.app.settings.library if each.id == library), "")
    return _EXAMPLE if not pattern or re.fullmatch(pattern, _EXAMPLE) else ""
