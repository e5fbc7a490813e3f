"""Rules that flag an access by a person, so that somebody reviews it. A flag asks a question; it is no verdict.

Accesses by processes are never flagged. A denied attempt and an answer that is shown again count as lookups. The
rules, in this order:

1. ``many_staff``: many members of staff looked up this person within seven days.
2. ``many_lookups``: one person made many lookups in the last hour, or in the last day. Lookups of the same person
   within a minute count as one, because a retry is no second lookup.
3. ``own_record``: the actor looked up their own record, according to the list of staff.
4. ``colleague``: the person looked up is on the list of staff under another name.
5. ``outside_hours``: the library was closed.
6. ``no_ground``: nothing justified the access. The person is no member; or the membership ended, with no open items
   and no hold, when the night would not ask either (``core.planning``, rule 2); or the register confirmed the data
   within the last day, the library's file has not changed since, and there is no hold. The last case does not apply
   to an answer that is shown again.
7. ``odd_case``: the case does not have the form that this library uses.
8. ``refused``: the access was denied. ``many_refused``: many attempts of one person were denied in the last day.

>>> an = Attempt(at=datetime.fromisoformat("2026-07-01T10:00Z"), name="an", subject=b"1", case="x", is_denied=True)
>>> flags(an, Traces(names=frozenset({"An"}), tie=Tie(None, 0)), Limits(case=re.compile("letter-[0-9]+")))
['odd_case', 'own_record', 'refused']
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from rrsync.core.belgian_time import Hours
from rrsync.core.planning import belgian_day

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
_MINUTE: Final = timedelta(minutes=1)


class Flag(StrEnum):
    """The flags, as they are written in log entries."""

    MANY_STAFF = "many_staff"
    MANY_LOOKUPS = "many_lookups"
    OWN_RECORD = "own_record"
    COLLEAGUE = "colleague"
    OUTSIDE_HOURS = "outside_hours"
    NO_GROUND = "no_ground"
    ODD_CASE = "odd_case"
    REFUSED = "refused"
    MANY_REFUSED = "many_refused"


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds, and what is usual in a library.

    ``staff`` counts people who looked up one person in seven days. ``per_hour`` and ``per_day`` count lookups, and
    ``refused`` counts denials in a day, of one actor. ``hours`` and ``case`` (a pattern for the whole case) are not
    checked when absent.
    """

    staff: int = 5
    per_hour: int = 30
    per_day: int = 100
    refused: int = 3
    hours: Hours | None = None
    case: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One access by a person that is about to be logged; ``subject`` is the pseudonym of the person looked up.

    ``is_again`` says that an answer is shown again and nothing is asked.
    """

    at: datetime
    name: str
    subject: bytes
    case: str
    is_denied: bool = False
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Tie:
    """A member's relation to the library, and the time of the register's last confirmation."""

    membership_end: date | None
    open_items: int
    is_on_hold: bool = False
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Traces:
    """The context of an attempt, from the log and the tables, without the attempt itself.

    ``looks`` are the actor's attempts of the last day, in any order; ``staff`` are the people who looked up the same
    subject in the last seven days; ``names`` are the subject's names on the list of staff; ``tie`` is ``None`` for a
    non-member.
    """

    looks: tuple[Attempt, ...] = ()
    staff: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    tie: Tie | None = None


def flags(attempt: Attempt, traces: Traces, limits: Limits) -> list[str]:
    """Return the flags of an attempt, sorted."""
    recent = [*traces.looks, attempt]
    names = {name.casefold() for name in traces.names}
    is_own = attempt.name.casefold() in names
    refused = sum(look.is_denied for look in _since(recent, attempt.at - DAY))
    met = {
        Flag.MANY_STAFF: len(traces.staff | {attempt.name}) >= limits.staff,
        Flag.MANY_LOOKUPS: any(
            looks(_since(recent, attempt.at - span)) >= most
            for span, most in ((HOUR, limits.per_hour), (DAY, limits.per_day))
        ),
        Flag.OWN_RECORD: is_own,
        Flag.COLLEAGUE: bool(names) and not is_own,
        Flag.OUTSIDE_HOURS: limits.hours is not None and not limits.hours.covers(attempt.at),
        Flag.NO_GROUND: not _has_ground(traces.tie, attempt),
        Flag.ODD_CASE: limits.case is not None and limits.case.fullmatch(attempt.case) is None,
        Flag.REFUSED: attempt.is_denied,
        Flag.MANY_REFUSED: attempt.is_denied and refused >= limits.refused,
    }
    return sorted(flag.value for flag, is_met in met.items() if is_met)


def looks(attempts: Iterable[Attempt]) -> int:
    """Count lookups; attempts at the same person within a minute of the first one count as one."""
    counted = 0
    last: dict[bytes, datetime] = {}
    for attempt in sorted(attempts, key=lambda each: each.at):
        before = last.get(attempt.subject)
        if before is None or attempt.at - before >= _MINUTE:
            last[attempt.subject] = attempt.at
            counted += 1
    return counted


def _since(attempts: Iterable[Attempt], moment: datetime) -> list[Attempt]:
    return [attempt for attempt in attempts if attempt.at > moment]


def _has_ground(tie: Tie | None, attempt: Attempt) -> bool:
    """Whether there was a reason to look up a member."""
    if tie is None:
        return False
    if tie.is_on_hold:
        return True
    has_ended = tie.membership_end is not None and tie.membership_end < belgian_day(attempt.at)
    is_fresh = not attempt.is_again and tie.confirmed_at is not None and attempt.at - tie.confirmed_at < DAY
    return (not has_ended or tie.open_items > 0) and not is_fresh
