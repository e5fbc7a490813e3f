"""How often one may ask at the desk, where a handler is about to ask the register for somebody.

What the pages of the desk share: whose desk it is, whom a page is about, and what differs.

What the desk shows: a search, a member, what the register says otherwise, a correction, the holds.

Everything here may hold a person's data, so it all prints masked. No national number is in any of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import structlog
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from rrsync.core.desk_quota import Granted, Window
from rrsync.core.exchange import Reason
from rrsync.core.insz import holds_insz
from rrsync.core.log_entry import Actor, ActorKind
from rrsync.core.person import Address, Held, Masked, Member, Name, PartialDate
from rrsync.store.rows import Standing
from rrsync.store.sessions import Visit
from rrsync.text import formatting
from rrsync.web.errors import TooMany
from rrsync.web.guard import Away, TurnedAway, house
from rrsync.web.paths import part
from rrsync.web.render import Flash, Language, Page, Place
from rrsync.web.responses import respond


class Age(StrEnum):
    """How old what we hold is: asked lately, due again, never asked."""

    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never"


class Source(StrEnum):
    """Where an address comes from: the register, the library's own file, a member of staff."""

    REGISTER = "register"
    LIBRARY = "library"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, repr=False)
class Heading(Masked):
    """Whom a page is about: enough to see that it is the person at the desk."""

    number: str
    name: Name
    birth_date: PartialDate | None


@dataclass(frozen=True, slots=True, repr=False)
class MemberLine(Masked):
    """One member that was found."""

    who: Heading
    address: Address
    age: Age
    asked_at: datetime | None
    has_hold: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Correction(Masked):
    """What staff put in the place of the register's word: why, by whom, until when."""

    reason: str
    by: str
    at: datetime
    until: date


@dataclass(frozen=True, slots=True)
class Asked:
    """One time the register was asked: when, by whom (empty: the night), why, for which case, what came of it.

    ``purpose`` is a code, ``outcome`` a key of ``words.codes.OUTCOMES``.
    """

    at: datetime
    by: str
    purpose: str
    case: str
    outcome: str


@dataclass(frozen=True, slots=True, repr=False)
class HoldLine(Masked):
    """One hold in the worklist."""

    id: int
    who: Heading
    reason: Reason
    since: datetime
    proposes: bool


@dataclass(frozen=True, slots=True, repr=False)
class Differing(Masked):
    """One field, what we hold and what the register says; ``field`` is a name of ``words.codes.FIELDS``."""

    field: str
    ours: str
    theirs: str
    is_other: bool = True


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
    return formatting.partial(day, spoken) if day else ""


log = structlog.get_logger()


def take_turn(request: Request, library: str, name: str) -> tuple[Window, ...]:
    """Count one question of somebody at a library's desk, and give the limits they come near with it.

    To be called once for every question that goes to the register, before it does; what is shown again without a
    question takes no turn.

    Raises:
        TooMany: they asked as often as they may, or their library did.
        StoreError: it cannot be counted, so nothing may be asked.
    """
    verdict = house(request).entrance.quotas.take(library, name)
    if isinstance(verdict, Granted):
        return verdict.near
    log.warning("desk.limit", library=library, reason=verdict.window.value)
    raise TooMany(verdict)


def take_turn_about(
    request: Request, library: str, number: str, *, actor: Actor, purpose: str, case: str
) -> tuple[Window, ...]:
    """Count one question about a member; that it was one too many stands in the access log.

    Raises:
        TooMany, StoreError: as ``take_turn``.
    """
    try:
        return take_turn(request, library, actor.name)
    except TooMany:
        house(request).entrance.counter.refused(library, number, actor=actor, purpose=purpose, case=case)
        raise


def nearing(request: Request, visit: Visit, near: Iterable[Window]) -> tuple[Flash, ...]:
    """Give what is said to who comes near these limits: how often they may ask still.

    Raises:
        StoreError: it cannot be counted.
    """
    windows, library = tuple(near), visit.staff.library
    if not windows or library is None:
        return ()
    left = house(request).entrance.quotas.left(library, visit.staff.name)
    return tuple(Flash("warn", f"near_{window.value}", {"left": left[window]}) for window in windows)
