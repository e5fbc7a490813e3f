"""What the officer's pages share: whose logs a session may see, an access as a line of a list, the days of a form.

People stand in the log under pseudonyms; staff stand in it under their account's name.

The days of a form are a span of time by the clock in Belgium; the last day is included.

>>> read_period("2026-11-01", "2026-11-01").until
datetime.datetime(2026, 11, 1, 23, 0, tzinfo=datetime.timezone.utc)
>>> read_period("2026-11-02", "2026-11-01").errors
{'until': 'until_wrong'}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from rrsync.audit.letter_texts import ANSWERED
from rrsync.audit.sample import Decision
from rrsync.core.belgian_time import midnight
from rrsync.core.log_entry import REUSED, Access, Actor, ActorKind
from rrsync.store.sessions import StaffSession
from rrsync.web.context import WebContext
from rrsync.web.guard import AccessError, Denied
from rrsync.web.render import Choice

_DAY: Final = re.compile(r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}")
_ONE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LookLine:
    """One access in a list: the entry, when, who, why and for which case, how it ended, what came of it.

    ``by`` is a person's account, or a process's name when ``is_process``. ``outcome`` is a key of
    the outcomes of the texts: ``preview`` of a preview, else the verdict of an answer, else the status. ``flags`` are
    keys of the flags of the texts; ``about`` is a pseudonym of a person.
    """

    library: str
    seq: int
    at: datetime
    by: str
    is_process: bool
    purpose: str
    case: str
    outcome: str
    flags: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """A decision of a reviewer: ``finding`` is a key of the findings of the texts."""

    at: datetime
    by: str
    finding: str


@dataclass(frozen=True, slots=True)
class OverdueMonth:
    """A month, as ``2026-10``, whose sample has waited too long: ``left`` of ``of`` are still to be decided."""

    library: str
    month: str
    left: int
    of: int


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` up to, but without, ``until``; open where one is ``None``.

    ``errors`` says what cannot be used: a field -> a key of the texts of a page.
    """

    since: datetime | None = None
    until: datetime | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


def choices(ctx: WebContext, visit: StaffSession) -> tuple[Choice, ...]:
    """Return the libraries whose logs a session may see, to choose from."""
    return tuple(Choice(*each) for each in ctx.reached(visit).items())


def chosen(ctx: WebContext, visit: StaffSession, library: str) -> str:
    """Return the library that a form names; when it names none, the only one there is, else ``""``.

    Raises:
        AccessError: the session may not see the library's log, or there is no such library.
    """
    theirs = ctx.reached(visit)
    if library and library not in theirs:
        raise AccessError(Denied.MISSING)
    return library or (next(iter(theirs)) if len(theirs) == 1 else "")


def line(look: Access) -> LookLine:
    """Return an access as a line."""
    return LookLine(
        library=look.library,
        seq=look.seq,
        at=look.at,
        by=name(look.actor),
        is_process=look.actor.kind is ActorKind.PROCESS,
        purpose=look.purpose,
        case=look.case,
        outcome=outcome(look),
        flags=look.flags,
        about=look.subject,
    )


def lines(looks: Iterable[Access]) -> tuple[LookLine, ...]:
    """Return accesses as lines, the newest first."""
    newest = sorted(looks, key=lambda look: (look.at, look.library, look.seq), reverse=True)
    return tuple(map(line, newest))


def name(actor: Actor) -> str:
    """Return the name of an actor; ``?`` in an entry that names nobody."""
    return actor.name or "?"


def outcome(look: Access) -> str:
    """Return what came of an access, as a key of the outcomes of the texts; a decision about it is another entry."""
    if look.status not in ANSWERED or look.status == REUSED:
        return look.status
    if look.is_preview:
        return "preview"
    if look.is_offered:
        return "differed"
    if look.verdict == "same" and look.changed:
        return "filled"
    return look.verdict or look.status


def decided(decision: Decision) -> DecisionLine:
    """Return a decision as a page shows it."""
    return DecisionLine(decision.at, decision.by, decision.finding.value)


def read_period(since: str, until: str) -> Period:
    """Read the two days of a form; either may be empty."""
    errors = {}
    first, last = _day(since), _day(until)
    if since.strip() and first is None:
        errors["since"] = "since_wrong"
    if until.strip() and (last is None or (first is not None and last < first)):
        errors["until"] = "until_wrong"
    if errors:
        return Period(errors=errors)
    return Period(None if first is None else midnight(first), None if last is None else midnight(last + _ONE))


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text.strip()) if _DAY.fullmatch(text.strip()) else None
    except ValueError:
        return None
    return found if found is None or found < date.max else None
