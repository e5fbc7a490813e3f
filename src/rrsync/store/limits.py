"""The limits that all processes on one database share: the quotas of the desks, and the rate limit of the register.

1. A query at a desk is judged and counted in one transaction (``core.desk_quota``).
2. The state of the rate limit (``core.rate_limit``) is one row, changed by one process at a time.
3. On PostgreSQL the clock is the server's, since the clocks of several machines may differ. SQLite is used on one
   machine: its monotonic clock is the same for every process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final, TypeVar

from sqlalchemy import bindparam, func, select, text
from sqlmodel import Session

from rrsync.core.desk_quota import DAY, Limits, QuotaGranted, QuotaUsage, Verdict, Window, judge, left
from rrsync.core.rate_limit import RateLimitState, parse
from rrsync.store.engine import Database
from rrsync.store.tables import AskRow, table

_ASK: Final = table(AskRow)
_RECENT: Final = _ASK.c.library == bindparam("of"), _ASK.c.at > bindparam("since")
_COUNT_ALL: Final = select(func.count()).select_from(_ASK).where(*_RECENT)
_OWN: Final = select(_ASK.c.at).where(*_RECENT, _ASK.c.name == bindparam("by"))
_ADD: Final = _ASK.insert().inline()
_DELETE_OLD: Final = _ASK.delete().where(_ASK.c.library == bindparam("of"), _ASK.c.at <= bindparam("until"))
_LOCK_LIBRARY: Final = text("SELECT pg_advisory_xact_lock(:turn)")


class DeskQuotas:
    """The desk quotas of one installation."""

    def __init__(self, database: Database, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock

    def take(self, library: str, name: str) -> Verdict:
        """Grant and count a query at a library's desk, if the quotas allow it; a refused one does not count.

        Raises:
            StoreError: it cannot be counted, so it is not allowed.
        """
        with self._database.write(passing=True) as session:
            if not self._database.is_sqlite:  # SQLite has one writer anyway
                session.execute(_LOCK_LIBRARY, {"turn": _lock_number(library)})
            at = self._clock()
            verdict = judge(at, _own(session, library, name, at), self._used(session, library, at), self._limits)
            if isinstance(verdict, QuotaGranted):
                session.execute(_ADD, {"library": library, "name": name, "at": at})
                session.execute(_DELETE_OLD, {"of": library, "until": at - DAY})
        return verdict

    def left(self, library: str, name: str) -> dict[Window, int]:
        """Return how many queries a person has left, by quota.

        Raises:
            StoreError: the queries cannot be counted.
        """
        at = self._clock()
        with self._database.read() as session:
            used = self._used(session, library, at).count
            return left(at, _own(session, library, name, at), used, self._limits)

    def _used(self, session: Session, library: str, at: datetime) -> QuotaUsage:
        count = session.execute(_COUNT_ALL, {"of": library, "since": at - DAY}).scalar_one()
        room = count - self._limits.library_per_day
        if room < 0:
            return QuotaUsage(count, None)
        leaving = select(_ASK.c.at).where(*_RECENT).order_by(_ASK.c.at).offset(room).limit(1)
        return QuotaUsage(count, session.execute(leaving, {"of": library, "since": at - DAY}).scalar_one())


def _own(session: Session, library: str, name: str, at: datetime) -> list[datetime]:
    return list(session.execute(_OWN, {"of": library, "by": name, "since": at - DAY}).scalars())


def _lock_number(library: str) -> int:
    """Return the number of the advisory lock of a library."""
    return int.from_bytes(sha256(f"rrsync ask {library}".encode()).digest()[:8], "big", signed=True)


_Result = TypeVar("_Result")


class SharedRateLimit:
    """The rate limit of all processes on one database; ``clock``, in seconds, replaces their common clock."""

    def __init__(self, database: Database, clock: Callable[[], float] | None = None) -> None:
        self._database = database
        self._clock = clock

    def __call__(self, change: Callable[[RateLimitState, float], tuple[RateLimitState, _Result]]) -> _Result:
        """Change the state by a rule, exclusively, and return the result of the rule.

        Raises:
            StoreError: it could not be read or written.
        """
        with self._database.write(passing=True) as session:
            before, now = self._lock(session)
            state = parse(before, now)
            after, result = change(state, now)
            if after is not state:
                session.execute(_WRITE_STATE, {"state": after.dump()})
        return result

    def look(self) -> tuple[RateLimitState, float]:
        """Return the state and the time of its clock, in seconds, without a lock.

        Raises:
            StoreError: it could not be read.
        """
        with self._database.read() as session:
            state, at = session.execute(_READ if self._database.is_sqlite else _READ_ON_SERVER).one()
            now = self._now(at)
            return parse(state or "", now), now

    def _lock(self, session: Session) -> tuple[str, float]:
        """Return the state, locked until the end of the transaction, and the time of the lock."""
        wanted = _LOCKED if self._database.is_sqlite else _LOCKED_ON_SERVER
        row = session.execute(wanted).one_or_none()
        if row is None:
            session.execute(_ADD_STATE)
            row = session.execute(wanted).one()
        state, at = row
        return state, self._now(at)

    def _now(self, at: Decimal | None) -> float:
        """Return the time; ``at`` is the time of the server, if there is one."""
        if self._clock is not None:
            return self._clock()
        return time.monotonic() if at is None else float(at)


_READ: Final = text("SELECT (SELECT state FROM traffic WHERE id = 1), NULL")
_READ_ON_SERVER: Final = text("SELECT (SELECT state FROM traffic WHERE id = 1), extract(epoch FROM clock_timestamp())")
_LOCKED: Final = text("SELECT state, NULL FROM traffic WHERE id = 1")
# The clock is read after the lock: waiting for it takes time.
_LOCKED_ON_SERVER: Final = text(
    "WITH locked AS (SELECT state FROM traffic WHERE id = 1 FOR UPDATE) "
    "SELECT state, extract(epoch FROM clock_timestamp()) FROM locked"
)
_ADD_STATE: Final = text("INSERT INTO traffic (id, state) VALUES (1, '') ON CONFLICT DO NOTHING")
_WRITE_STATE: Final = text("UPDATE traffic SET state = :state WHERE id = 1")
