"""Breaking the glass: asking about somebody who is no member, with a colleague's word (``sync.outside``).

Off unless ``[web] outside_per_month`` says how many; then there is no such page. The answer stands in the response to
the question and nowhere else.

What breaking the glass shows: wishes to ask about somebody who is no member, one wish, and the answer, once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Final

from fastapi import FastAPI, Form, Request, Response

from rrsync.core.break_glass import Stage, Wish
from rrsync.core.exchange import Answer, Found, Reason, Refused, Unknown
from rrsync.core.insz import Insz
from rrsync.core.person import Masked, Person
from rrsync.errors import NotAnInsz
from rrsync.store.sessions import Visit
from rrsync.sync.desk import Outside
from rrsync.web.desk_pages import UNUSABLE, actor, is_number, shown, take_turn
from rrsync.web.guard import Away, Inside, TurnedAway, house
from rrsync.web.member import CASE
from rrsync.web.paths import PATHS
from rrsync.web.render import BLANK, Filled, Flash, Place
from rrsync.web.responses import go, say
from rrsync.web.server import asking


@dataclass(frozen=True, slots=True)
class WishLine:
    """One wish, without whom it is about; ``is_own`` says that it is the visitor's."""

    id: int
    by: str
    at: datetime
    until: datetime
    purpose: str
    case: str
    stage: Stage
    decided_by: str
    is_own: bool


@dataclass(frozen=True, slots=True, repr=False)
class OutsidePage(Masked):
    """The form of a wish, and the wishes that have not lapsed.

    Fields: ``insz``, never given back, ``purpose`` and ``case``. ``per_month`` is how many the library may have.
    """

    name: ClassVar[str] = "outside"

    purposes: tuple[str, ...]
    wishes: tuple[WishLine, ...]
    per_month: int
    filled: Filled = BLANK


@dataclass(frozen=True, slots=True, repr=False)
class WishPage(Masked):
    """One wish, and what the visitor may do with it: a colleague sends ``decision``, who wished it sends ``ask``.

    ``person`` or ``reason`` is the register's answer, in the page that comes of asking and in no other.
    """

    name: ClassVar[str] = "wish"

    wish: WishLine
    is_answer: bool = False
    person: Person | None = None
    reasons: tuple[Reason, ...] = ()


_NUMBER: Final = re.compile(r"[0-9]{1,9}")


def mount(app: FastAPI) -> None:
    """Add the pages."""
    app.add_api_route(PATHS["outside"], listed, methods=["GET"])
    app.add_api_route(PATHS["outside"], want, methods=["POST"])
    app.add_api_route(PATHS["wish"], show, methods=["GET"])
    app.add_api_route(PATHS["wish"], asking(act), methods=["POST"])


def listed(request: Request, visit: Inside) -> Response:
    """Show the form, and what waits."""
    return shown(request, visit, _page(request, visit), here=Place.OUTSIDE)


def want(
    request: Request,
    visit: Inside,
    insz: Annotated[str, Form()] = "",
    purpose: Annotated[str, Form()] = "",
    case: Annotated[str, Form()] = "",
) -> Response:
    """Note a wish, and lead to it."""
    library, room = _room(request, visit)
    app = house(request).app
    wrong: dict[str, str] = {}
    number = None
    try:
        number = Insz.parse(insz, production=app.production)
    except NotAnInsz:
        wrong["insz"] = "number_wrong"
    if purpose not in _purposes(request, library):
        wrong["purpose"] = "purpose_missing"
    if not CASE.fullmatch(case) or is_number(case):
        wrong["case"] = "case_wrong"
    if wrong or number is None:
        values = {"purpose": purpose} | ({} if "case" in wrong else {"case": case})
        page = _page(request, visit, Filled(values, wrong))
        return shown(request, visit, page, here=Place.OUTSIDE, status=UNUSABLE)
    made = room.want(library, number, actor=actor(visit), purpose=purpose, case=case)
    say(request, visit, Flash("good", "wish_made"))
    return go("wish", wish=made)


def show(request: Request, visit: Inside, wish: str) -> Response:
    """Show one wish."""
    _, _, found = _wish(request, visit, wish)
    return shown(request, visit, WishPage(_line(found, request, visit)), here=Place.OUTSIDE)


def act(request: Request, visit: Inside, wish: str, deed: Annotated[str, Form()] = "") -> Response:
    """Decide about a colleague's wish, or ask what was approved."""
    _, room, found = _wish(request, visit, wish)
    if deed == "ask":
        take_turn(request, found.library, visit.staff.name)
        answer = room.ask(found, actor(visit))
        _, _, found = _wish(request, visit, wish)
        return shown(request, visit, _answer(_line(found, request, visit), answer), here=Place.OUTSIDE)
    if deed not in {"approve", "refuse"}:
        raise TurnedAway(Away.MISSING)
    room.decide(found, actor(visit), is_approved=deed == "approve")
    say(request, visit, Flash("good", "wish_approved" if deed == "approve" else "wish_refused"))
    return go("outside")


def _room(request: Request, visit: Visit) -> tuple[str, Outside]:
    """Give the library and the room, where it is on."""
    room, library = house(request).entrance.outside, visit.staff.library
    if room.per_month < 1 or library is None:
        raise TurnedAway(Away.MISSING)
    return library, room


def _wish(request: Request, visit: Visit, number: str) -> tuple[str, Outside, Wish]:
    library, room = _room(request, visit)
    found = room.glasses.find(library, int(number)) if _NUMBER.fullmatch(number) else None
    if found is None:
        raise TurnedAway(Away.MISSING)
    return library, room, found


def _page(request: Request, visit: Visit, filled: Filled | None = None) -> OutsidePage:
    library, room = _room(request, visit)
    here = house(request)
    recent = [each for each in room.glasses.recent(library) if each.stage(here.now) in {Stage.WAITING, Stage.READY}]
    return OutsidePage(
        purposes=_purposes(request, library),
        wishes=tuple(_line(each, request, visit) for each in recent),
        per_month=room.per_month,
        filled=filled or Filled(),
    )


def _purposes(request: Request, library: str) -> tuple[str, ...]:
    found = house(request).app.authorisations.get(library)
    return () if found is None else tuple(sorted(found.purposes))


def _line(wish: Wish, request: Request, visit: Visit) -> WishLine:
    return WishLine(
        id=wish.id,
        by=wish.by,
        at=wish.at,
        until=wish.until,
        purpose=wish.purpose,
        case=wish.case,
        stage=wish.stage(house(request).now),
        decided_by=wish.decided_by,
        is_own=wish.is_of(visit.staff.name),
    )


def _answer(wish: WishLine, answer: Answer) -> WishPage:
    reasons: tuple[Reason, ...]
    match answer:
        case Found():
            reasons = tuple(sorted(answer.signals))
            return WishPage(wish, is_answer=True, person=answer.person, reasons=reasons)
        case Unknown() | Refused():
            return WishPage(wish, is_answer=True, reasons=(answer.why,))
