"""What the pages of the desk share: whose desk it is, whom a page is about, and what differs."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from fastapi.responses import RedirectResponse

from rrsync.core.entry import Actor, ActorKind
from rrsync.core.insz import holds_insz
from rrsync.core.person import Address, Name
from rrsync.web import show
from rrsync.web.house import house
from rrsync.web.page import respond
from rrsync.web.paths import part
from rrsync.web.turned import Away, TurnedAway
from rrsync.web.views.desk import Age, Differing, Heading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fastapi import Request
    from fastapi.responses import HTMLResponse, Response

    from rrsync.core.member import Held, Member
    from rrsync.core.person import PartialDate
    from rrsync.store.rows import Standing
    from rrsync.store.sessions import Visit
    from rrsync.web.render import Page
    from rrsync.web.views.frame import Language, Place

OK: Final = 200
UNUSABLE: Final = 422
_SEE_OTHER: Final = 303
_LONGEST_NUMBER: Final = 64
_SHOWN: Final = (*(each.name for each in fields(Name)), *(each.name for each in fields(Address)))
_UNSHOWN: Final = frozenset({"nis_code"})


def own(visit: Visit) -> str:
    """Give the library whose desk somebody is at.

    Raises:
        TurnedAway: they are at none.
    """
    if visit.staff.library is None:
        raise TurnedAway(Away.FORBIDDEN)
    return visit.staff.library


def actor(visit: Visit) -> Actor:
    """Give who is logged in as the log names them."""
    return Actor(ActorKind.PERSON, visit.staff.name)


def lookup(request: Request, visit: Visit, member: str) -> Standing:
    """Give a member of one's own library by what stands in the address; errors from here on lead back to their page.

    Raises:
        TurnedAway: there is none, whether or not another library has one.
    """
    library, number = own(visit), part(member)
    usable = number.isprintable() and len(number) <= _LONGEST_NUMBER
    found = house(request).app.members.find(library, number) if usable else None
    if found is None:
        raise TurnedAway(Away.MISSING)
    leads_back(request, "member", member=number)
    return found


def leads_back(request: Request, name: str, **parts: str) -> None:
    """Say which page an error leads back to."""
    request.state.again = name, parts


def shown(request: Request, visit: Visit, page: Page, *, here: Place, status: int = OK) -> HTMLResponse:
    """Give a page of the desk, with how many holds await a person."""
    waiting = house(request).entrance.worklist.count(own(visit))
    return respond(request, page, status=status, here=here, waiting=waiting)


def onward(address: str) -> Response:
    """Lead a browser on to an address of ``web.paths``."""
    return RedirectResponse(address, status_code=_SEE_OTHER)


def heading(member: Member) -> Heading:
    """Give whom a page is about."""
    return Heading(member.number, member.held.name, member.held.birth_date)


def age(standing: Standing, now: datetime, stale_after_days: int) -> Age:
    """Give how old what is held of a member is."""
    if standing.refreshed_at is None:
        return Age.NEVER
    return Age.FRESH if (now - standing.refreshed_at).days < stale_after_days else Age.STALE


def language(request: Request) -> Language:
    """Give the language somebody reads."""
    here = house(request)
    return here.cookies.language(request) or here.language


def differing(ours: Held, theirs: Held, spoken: Language) -> tuple[Differing, ...]:
    """Give what is held beside what would be, field by field; a birth date and a begin date where they differ."""
    mine, other = _texts(ours, spoken), _texts(theirs, spoken)
    rows = [Differing(name, mine[name], other[name], is_other=mine[name] != other[name]) for name in mine]
    return tuple(row for row in rows if row.is_other or (row.field in _SHOWN and (row.ours or row.theirs)))


def is_number(text: str) -> bool:
    """Whether a national number was typed, however it is spaced."""
    return holds_insz(text) or holds_insz("".join(char for char in text if char.isalnum()))


def kept(values: Mapping[str, str]) -> dict[str, str]:
    """Give what of a form may be given back: nothing that holds a national number."""
    return {name: text for name, text in values.items() if not is_number(text)}


def _texts(held: Held, spoken: Language) -> dict[str, str]:
    texts = {name: getattr(held.name, name) for name in (each.name for each in fields(Name))}
    texts["birth_date"] = _date(held.birth_date, spoken)
    texts |= {each.name: getattr(held.address, each.name) for each in fields(Address) if each.name not in _UNSHOWN}
    return texts | {"address_since": _date(held.address_since, spoken)}


def _date(day: PartialDate | None, spoken: Language) -> str:
    return show.partial(day, spoken) if day else ""
