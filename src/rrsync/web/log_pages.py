"""The days that a form asks for, as a span of time by the clock in Belgium; the last day is meant too.

>>> read("2026-11-01", "2026-11-01").until
datetime.datetime(2026, 11, 1, 23, 0, tzinfo=datetime.timezone.utc)
>>> read("2026-11-02", "2026-11-01").errors
{'until': 'until_wrong'}

What the officer's pages share: whose logs they may see, and a look at a person as a line of a list.

What the data-protection officer sees of the log: searched, an entry of it, a person's accesses, figures, exports.

People stand in the log under pseudonyms; staff stand in it under their account's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from fastapi import Request

from rrsync.audit.letter_texts import ANSWERED
from rrsync.audit.sample import Decision
from rrsync.core.belgian_time import midnight
from rrsync.core.log_entry import REUSED, Access, Actor, ActorKind
from rrsync.store.sessions import Visit
from rrsync.web.guard import Away, TurnedAway, house
from rrsync.web.render import Choice


@dataclass(frozen=True, slots=True)
class LookLine:
    """One look in a list: the entry, when, who, why and for which case, how it ended, what came of it.

    ``by`` is a person's account, or a process's name when ``is_process``. ``outcome`` is a key of
    ``words.codes.OUTCOMES``: ``preview`` of a preview, else the verdict of an answer, else the status. ``flags`` are
    keys of ``words.codes.FLAGS``; ``about`` is a pseudonym of a person.
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
class Decided:
    """What a reviewer decided: ``finding`` is a key of ``words.codes.FINDINGS``."""

    at: datetime
    by: str
    finding: str


def libraries(request: Request, visit: Visit) -> Mapping[str, str]:
    """Give the libraries whose logs are an officer's to see: id -> name, in the order of the settings."""
    return {name: title for name, title in house(request).libraries.items() if visit.staff.reaches(name)}


def choices(request: Request, visit: Visit) -> tuple[Choice, ...]:
    """Give the same to choose from."""
    return tuple(Choice(*each) for each in libraries(request, visit).items())


def chosen(request: Request, visit: Visit, library: str) -> str:
    """Give the library that a form names, or the only one there is when it names none; else ``""``.

    Raises:
        TurnedAway: it names one that is not theirs, or not there.
    """
    theirs = libraries(request, visit)
    if library and library not in theirs:
        raise TurnedAway(Away.MISSING)
    return library or (next(iter(theirs)) if len(theirs) == 1 else "")


def line(look: Access) -> LookLine:
    """Give a look as a list has it."""
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
    """Give looks as a list has them, the newest first."""
    newest = sorted(looks, key=lambda look: (look.at, look.library, look.seq), reverse=True)
    return tuple(map(line, newest))


def name(actor: Actor) -> str:
    """Give who acts; an entry that names nobody says so."""
    return actor.name or "?"


def outcome(look: Access) -> str:
    """Give what came of a look, as a key of ``log_terms.OUTCOMES``; what staff decided then is another entry."""
    if look.status not in ANSWERED or look.status == REUSED:
        return look.status
    if look.is_preview:
        return "preview"
    if look.is_offered:
        return "differed"
    if look.verdict == "same" and look.changed:
        return "filled"
    return look.verdict or look.status


def decided(decision: Decision) -> Decided:
    """Give what a reviewer decided."""
    return Decided(decision.at, decision.by, decision.finding.value)


_DAY: Final = re.compile(r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}")
_ONE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """From the first moment that is meant up to the first that is not; open where it is ``None``.

    ``errors`` says what of it cannot be used: a field -> a key of a page's words.
    """

    since: datetime | None = None
    until: datetime | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


def read(since: str, until: str) -> Period:
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
