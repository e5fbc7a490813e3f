"""What makes an access by a person stand out, so that somebody looks at it; a flag is a question, no verdict.

Processes are never flagged. A refused attempt counts as a look, for it was meant as one; so does an answer that is
shown again. In this order:

1. ``many_staff``: so many of the staff looked at this person in seven days.
2. ``many_lookups``: so many looks by one person in the last hour, or in the last day. Looks at the same person within a
   minute are one: a question that is tried again is not a second look.
3. ``own_record``: who looks is, by the list of staff, who is looked at.
4. ``colleague``: who is looked at is on that list under another name.
5. ``outside_hours``: the library was closed.
6. ``no_ground``: nothing the reason could match. The person is no member; or the membership ended, no loans or debts
   are open and nothing is on hold, when the night would not ask either (``core.plan``, rule 2); or the register
   confirmed what we hold within the last day, our own file has said nothing new since, and nothing is on hold, so that
   there was nothing left to ask (which who is shown an answer again did not).
7. ``odd_case``: the case is not written as this library writes them.
8. ``refused``: it was denied; ``many_refused``: so many denials of one person's attempts in the last day.

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
    """The rules, by the word that stands on the entry."""

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
    """From how many on it is many, and what is usual in a library.

    ``staff`` different people about one person in seven days; ``per_hour`` and ``per_day`` looks, and ``refused``
    denials in a day, of one person. ``hours`` and ``case``, which a case must match as a whole, are not looked at when
    they are not given.
    """

    staff: int = 5
    per_hour: int = 30
    per_day: int = 100
    refused: int = 3
    hours: Hours | None = None
    case: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One access by a person that is about to be logged; ``subject`` is the pseudonym of who is looked at.

    ``is_again`` says that nothing is asked: an answer is shown again.
    """

    at: datetime
    name: str
    subject: bytes
    case: str
    is_denied: bool = False
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Tie:
    """What binds a member to the library, and when the register last confirmed what is held."""

    membership_end: date | None
    open_items: int
    is_on_hold: bool = False
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Traces:
    """What the log and the tables say around an attempt, without it.

    ``looks`` are the same person's attempts of the last day, in any order; ``staff`` who looked at the same subject in
    the last seven days; ``names`` those under which the subject is on the list of staff; ``tie`` is ``None`` for who is
    no member.
    """

    looks: tuple[Attempt, ...] = ()
    staff: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    tie: Tie | None = None


def flags(attempt: Attempt, traces: Traces, limits: Limits) -> list[str]:
    """Return the rules that an attempt meets, sorted."""
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
    """Count looks: attempts at the same person within a minute of the first of them are one."""
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
    """Whether there was something to ask about a member for."""
    if tie is None:
        return False
    if tie.is_on_hold:
        return True
    has_ended = tie.membership_end is not None and tie.membership_end < belgian_day(attempt.at)
    is_fresh = not attempt.is_again and tie.confirmed_at is not None and attempt.at - tie.confirmed_at < DAY
    return (not has_ended or tie.open_items > 0) and not is_fresh
