"""An address that staff know better than the register: why, and until when; and its end."""

from __future__ import annotations

import re
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Request

from rrsync.core.person import Address, tidy
from rrsync.core.plan import belgian_day
from rrsync.errors import LedgerError, StoreError
from rrsync.sync.counter import LONGEST, last_day
from rrsync.web import once
from rrsync.web import show as written
from rrsync.web.guard import Inside
from rrsync.web.house import house
from rrsync.web.page import say
from rrsync.web.paths import PATHS, path
from rrsync.web.people import UNUSABLE, actor, heading, is_number, kept, language, lookup, onward, shown
from rrsync.web.views.desk import CorrectPage
from rrsync.web.views.frame import BLANK, Filled, Flash, Place

if TYPE_CHECKING:
    from fastapi import FastAPI, Response

    from rrsync.core.member import Member
    from rrsync.store.sessions import Visit

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


def mount(app: FastAPI) -> None:
    """Let addresses be corrected."""
    once.mount(app)
    app.add_api_route(PATHS["correct"], begin, methods=["GET"])
    app.add_api_route(PATHS["correct"], correct, methods=["POST"])
    app.add_api_route(PATHS["uncorrect"], uncorrect, methods=["POST"])


def begin(request: Request, visit: Inside, member: str) -> Response:
    """Show the form, filled with the address that is held."""
    found = lookup(request, visit, member).member
    return shown(request, visit, _page(request, found, BLANK), here=Place.DESK)


def correct(request: Request, visit: Inside, member: str, values: Annotated[dict[str, str], Depends(said)]) -> Response:
    """Keep a correction."""
    found = lookup(request, visit, member).member
    if errors := _wrong(values, _today(request)):
        page = _page(request, found, Filled(kept(values), errors))
        return shown(request, visit, page, here=Place.DESK, status=UNUSABLE)
    work = partial(_correct, request, visit, found, values)
    return onward(once.do_once(request, visit, tuple(values.values()), work))


def uncorrect(request: Request, visit: Inside, member: str) -> Response:
    """End a correction."""
    found = lookup(request, visit, member).member
    return onward(once.do_once(request, visit, (), partial(_uncorrect, request, visit, found)))


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


def _page(request: Request, member: Member, filled: Filled) -> CorrectPage:
    address = member.held.address
    if filled is BLANK:
        held = {name: getattr(address, name) for name in _PARTS}
        filled = Filled(kept(held | {"country": address.country or _HOME}))
    return CorrectPage(heading(member), address, last_day(_today(request)), filled)


def _today(request: Request) -> date:
    return belgian_day(house(request).now)


def _printable(text: str) -> str:
    return tidy("".join(char if char.isprintable() else " " for char in text))
