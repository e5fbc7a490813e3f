"""Which members are due and why, how many questions may leave at once, and how long a run takes.

1. Members who were never asked about, in the present form of the library's row, come first; then the oldest.
2. A member without a number is never asked about. After the end of the membership a member is asked about only while
   loans or debts are open: there is no other ground to (RR 28/2009: management of members).
3. A member whose hold asking again would not lift is not due: deceased, cancelled, unknown, renumbered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from rrsync.core.exchange import Reason

_BRUSSELS: Final = ZoneInfo("Europe/Brussels")

#: Holds that asking again would not lift (MAGDA fact sheet §9, 10 and 11).
SETTLED: Final = frozenset({Reason.DECEASED, Reason.CANCELLED, Reason.UNKNOWN, Reason.NEW_NUMBER})
#: No question of a desk is under way this long.
DESK_TIME: Final = timedelta(minutes=15)


def belgian_day(now: datetime) -> date:
    """Return the day it is in Belgium: authorisations, memberships and the register's periods end with it."""
    return now.astimezone(_BRUSSELS).date()


class Why(StrEnum):
    """Why a member is due."""

    NEVER = "never"
    STALE = "stale"
    MUTATION = "mutation"
    DESK = "desk"
    NEW_NUMBER = "new_number"


@dataclass(frozen=True, slots=True)
class Due:
    """One member to be asked about, and why."""

    library: str
    number: str
    why: Why


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes a member due tonight: last asked about before ``before`` (UTC); if that is ``None``, always."""

    today: date
    before: datetime | None
    skip: frozenset[Reason]
    most: int | None = None


def tonight(*, now: datetime, stale_after_days: int, full: bool, most: int | None) -> Plan:
    """Return the plan of a night; a full one includes every member there is a ground to ask about."""
    if full:
        return Plan(belgian_day(now), None, frozenset(), most)
    return Plan(belgian_day(now), now - timedelta(days=stale_after_days), SETTLED, most)


def questions_to_send(*, at_once: int, in_flight: int, rest_s: float | None) -> int:
    """Return how many questions to record and send now, so that about twice ``at_once`` are under way.

    ``rest_s`` is ``None`` while the register answers. While it is away, it is the time until one question may see
    whether it is back.

    >>> [questions_to_send(at_once=8, in_flight=n, rest_s=None) for n in (0, 8, 9)]
    [16, 8, 0]
    >>> [questions_to_send(at_once=8, in_flight=n, rest_s=0.0) for n in (0, 1)]
    [1, 0]
    """
    if rest_s is not None:
        return 0 if rest_s or in_flight else 1
    room = 2 * at_once - in_flight
    return room if room >= at_once else 0


def is_lost(*, run: str, at: datetime, now: datetime) -> bool:
    """Whether an intent of this moment will get no outcome, as seen by the one run that holds the lease."""
    return bool(run) or at < now - DESK_TIME


def seconds_left(steps: int, per_second: float) -> int:
    """Return how long so many steps take at this rate, in whole seconds.

    >>> seconds_left(80, 8.0)
    10
    """
    return round(steps / per_second) if per_second > 0 else 0
