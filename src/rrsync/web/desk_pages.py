"""What the pages of the desk share: the values they show, whose desk it is, and the limits of questions.

Most of it may hold a person's data, so it prints masked. No national number is in any of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from rrsync.core.desk_quota import QuotaGranted, Window
from rrsync.core.exchange import Reason
from rrsync.core.log_entry import Actor
from rrsync.core.person import Address, Held, Masked, Member, Name, PartialDate
from rrsync.errors import LedgerError, StoreError
from rrsync.store.rows import MemberStatus
from rrsync.store.sessions import StaffSession
from rrsync.text import formatting
from rrsync.web.context import WebContext, context_of
from rrsync.web.errors import TooMany
from rrsync.web.guard import AccessError, Denied
from rrsync.web.paths import part
from rrsync.web.render import Flash, Language, Page, Place
from rrsync.web.responses import respond

_LONGEST_NUMBER: Final = 64
_ALWAYS_SHOWN: Final = (*(each.name for each in fields(Name)), *(each.name for each in fields(Address)))
_NEVER_SHOWN: Final = frozenset({"nis_code"})

log = structlog.get_logger()


class Age(StrEnum):
    """When the register was last asked about a member: lately, too long ago, never."""

    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never"


@dataclass(frozen=True, slots=True, repr=False)
class Heading(Masked):
    """The member a page is about: enough to recognise the person at the desk."""

    number: str
    name: Name
    birth_date: PartialDate | None


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
    """One field, as held and as the register has it; ``field`` is a key of the field names of the texts."""

    field: str
    ours: str
    theirs: str
    is_other: bool = True


def own_library(visit: StaffSession) -> str:
    """Return the library whose desk a session is at.

    Raises:
        AccessError: the session is of no library.
    """
    if visit.staff.library is None:
        raise AccessError(Denied.FORBIDDEN)
    return visit.staff.library


def lookup(request: Request, visit: StaffSession, member: str) -> MemberStatus:
    """Return a member of one's own library by its number in the address; error pages then link to the member's page.

    Raises:
        AccessError: the library has no such member, whether or not another library has one.
    """
    library, number = own_library(visit), part(member)
    usable = number.isprintable() and len(number) <= _LONGEST_NUMBER
    found = context_of(request).members.find(library, number) if usable else None
    if found is None:
        raise AccessError(Denied.MISSING)
    link_errors_to(request, "member", member=number)
    return found


def link_errors_to(request: Request, name: str, **parts: str) -> None:
    """Have the error pages of a request link to a page by its name."""
    request.state.again = name, parts


def shown(
    request: Request, visit: StaffSession, page: Page, *, here: Place, status: int = HTTPStatus.OK
) -> HTMLResponse:
    """Return a page of the desk, with the number of open holds in its navigation."""
    waiting = context_of(request).holds.count(own_library(visit))
    return respond(request, page, status=status, here=here, waiting=waiting)


def submit_once(request: Request, visit: StaffSession, values: Iterable[str], work: Callable[[], str]) -> Response:
    """Do the work of a form, unless the same form was sent a moment ago, and redirect to the address it returns."""
    ctx = context_of(request)
    address = ctx.submissions.run_once((visit.id, request.url.path, *values), ctx.now, work)
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)


def carried_out(work: Callable[[], object]) -> bool:
    """Carry a decision out; return whether it was: not when somebody else decided first, or changed the member."""
    try:
        work()
    except LedgerError:
        raise
    except StoreError:
        return False
    return True


def heading(member: Member) -> Heading:
    """Return the heading of a member's page."""
    return Heading(member.number, member.held.name, member.held.birth_date)


def age(standing: MemberStatus, ctx: WebContext) -> Age:
    """Return when the register was last asked about a member, by the limit of the nightly run."""
    if standing.refreshed_at is None:
        return Age.NEVER
    night = ctx.settings.night
    return Age.FRESH if (ctx.now - standing.refreshed_at).days < night.stale_after_days else Age.STALE


def differing(ours: Held, theirs: Held, language: Language) -> tuple[Differing, ...]:
    """Compare what is held with what the register has, field by field.

    The fields of the name and the address are all there; a birth date and a begin date only where they differ.
    """
    mine, other = _texts(ours, language), _texts(theirs, language)
    rows = [Differing(name, mine[name], other[name], is_other=mine[name] != other[name]) for name in mine]
    return tuple(row for row in rows if row.is_other or (row.field in _ALWAYS_SHOWN and (row.ours or row.theirs)))


def _texts(held: Held, language: Language) -> dict[str, str]:
    texts = {name: getattr(held.name, name) for name in (each.name for each in fields(Name))}
    texts["birth_date"] = _date(held.birth_date, language)
    texts |= {each.name: getattr(held.address, each.name) for each in fields(Address) if each.name not in _NEVER_SHOWN}
    return texts | {"address_since": _date(held.address_since, language)}


def _date(day: PartialDate | None, language: Language) -> str:
    return formatting.partial(day, language) if day else ""


def take_turn(ctx: WebContext, library: str, name: str) -> tuple[Window, ...]:
    """Count one question of a person, and return the limits that it comes near.

    Call it once before each question to the register; an answer that is shown again is not counted.

    Raises:
        TooMany: the person, or the library, reached a limit.
        StoreError: it cannot be counted, so nothing may be asked.
    """
    verdict = ctx.quotas.take(library, name)
    if isinstance(verdict, QuotaGranted):
        return verdict.near
    log.warning("desk.limit", library=library, reason=verdict.window.value)
    raise TooMany(verdict)


def take_turn_about(
    ctx: WebContext, library: str, number: str, *, actor: Actor, purpose: str, case: str
) -> tuple[Window, ...]:
    """Count one question about a member; a question over a limit is an entry of the access log.

    Raises:
        TooMany, StoreError: as ``take_turn``.
    """
    try:
        return take_turn(ctx, library, actor.name)
    except TooMany:
        ctx.desk_service.refused(library, number, actor=actor, purpose=purpose, case=case)
        raise


def near_limits(ctx: WebContext, visit: StaffSession, near: Iterable[Window]) -> tuple[Flash, ...]:
    """Return a message for each limit that is near: how many questions are left.

    Raises:
        StoreError: it cannot be counted.
    """
    windows, library = tuple(near), visit.staff.library
    if not windows or library is None:
        return ()
    left = ctx.quotas.left(library, visit.staff.name)
    return tuple(Flash("warn", f"near_{window.value}", {"left": left[window]}) for window in windows)
