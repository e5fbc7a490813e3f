"""Who is due and why, and how long it will take.

1. Who was never asked, in the present form of the library's row, comes first; then the oldest.
2. Nobody is asked without a number, or after the end of the membership unless loans or debts are open: there is no
   ground to (RR 28/2009: management of members).
3. What is settled for good is not asked again by itself: deceased, cancelled, unknown, renumbered.
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


def belgian_day(now: datetime) -> date:
    """Give the day it is in Belgium: authorisations, memberships and the register's periods end with it."""
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
    """What makes a member due tonight: asked before ``before`` (UTC), with everybody if it is ``None``."""

    today: date
    before: datetime | None
    skip: frozenset[Reason]
    most: int | None = None


def tonight(*, now: datetime, stale_after_days: int, full: bool, most: int | None) -> Plan:
    """Give the plan of a night; a full one asks everybody there is a ground to ask about."""
    if full:
        return Plan(belgian_day(now), None, frozenset(), most)
    return Plan(belgian_day(now), now - timedelta(days=stale_after_days), SETTLED, most)


def seconds_left(steps: int, per_second: float) -> int:
    """Give how long so many steps take at this rate, in whole seconds.

    >>> seconds_left(80, 8.0)
    10
    """
    return round(steps / per_second) if per_second > 0 else 0
