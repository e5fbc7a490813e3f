"""The traffic with the register, shared through the database: one row, changed by one process at a time.

On PostgreSQL the server's clock counts, so that the clocks of several machines may differ. SQLite is one machine: its
stopwatch, which every process reads alike, counts from when it was started.

What was asked at the desks, counted for all processes on one database: an ask is granted and counted in one go.
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

from rrsync.core.desk_quota import DAY, Granted, Limits, Used, Verdict, Window, judge, left
from rrsync.core.rate_limit import Traffic, parse
from rrsync.store.engine import Database
from rrsync.store.tables import AskRow, table

_TURN: Final = text("SELECT pg_advisory_xact_lock(:turn)")
_ASK: Final = table(AskRow)
_RECENT: Final = _ASK.c.library == bindparam("of"), _ASK.c.at > bindparam("since")
_COUNT: Final = select(func.count()).select_from(_ASK).where(*_RECENT)
_OWN: Final = select(_ASK.c.at).where(*_RECENT, _ASK.c.name == bindparam("by"))
_ADD: Final = _ASK.insert().inline()
_FORGET: Final = _ASK.delete().where(_ASK.c.library == bindparam("of"), _ASK.c.at <= bindparam("until"))


class Quotas:
    """The limits of one installation (``core.quota``), over every process that shares its database."""

    def __init__(self, database: Database, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock

    def take(self, library: str, name: str) -> Verdict:
        """Let somebody ask once at a library's desk, if the limits have room; what is refused does not count.

        Raises:
            StoreError: it cannot be counted, so nothing may be asked.
        """
        with self._database.write(passing=True) as session:
            if not self._database.is_sqlite:  # where a writer is alone anyway
                session.execute(_TURN, {"turn": _turn(library)})
            at = self._clock()
            verdict = judge(at, _own(session, library, name, at), self._used(session, library, at), self._limits)
            if isinstance(verdict, Granted):
                session.execute(_ADD, {"library": library, "name": name, "at": at})
                session.execute(_FORGET, {"of": library, "until": at - DAY})
        return verdict

    def left(self, library: str, name: str) -> dict[Window, int]:
        """Return how often somebody may ask still, by each limit.

        Raises:
            StoreError: it cannot be counted.
        """
        at = self._clock()
        with self._database.read() as session:
            used = self._used(session, library, at).count
            return left(at, _own(session, library, name, at), used, self._limits)

    def _used(self, session: Session, library: str, at: datetime) -> Used:
        count = session.execute(_COUNT, {"of": library, "since": at - DAY}).scalar_one()
        room = count - self._limits.library_per_day
        if room < 0:
            return Used(count, None)
        leaving = select(_ASK.c.at).where(*_RECENT).order_by(_ASK.c.at).offset(room).limit(1)
        return Used(count, session.execute(leaving, {"of": library, "since": at - DAY}).scalar_one())


def _own(session: Session, library: str, name: str, at: datetime) -> list[datetime]:
    return list(session.execute(_OWN, {"of": library, "by": name, "since": at - DAY}).scalars())


def _turn(library: str) -> int:
    """Return the number under which the processes wait for each other, of a library."""
    return int.from_bytes(sha256(f"rrsync ask {library}".encode()).digest()[:8], "big", signed=True)


T = TypeVar("T")


class Shared:
    """The traffic of all processes on one database; ``clock``, in seconds, instead of the one they have in common."""

    def __init__(self, database: Database, clock: Callable[[], float] | None = None) -> None:
        self._database = database
        self._clock = clock

    def __call__(self, change: Callable[[Traffic, float], tuple[Traffic, T]]) -> T:
        """Change the traffic by a rule, alone, and give what the rule gives.

        Raises:
            StoreError: it could not be read or written.
        """
        with self._database.write(passing=True) as session:
            before, now = self._ours(session)
            state = parse(before, now)
            after, given = change(state, now)
            if after is not state:
                session.execute(_PUT, {"state": after.dump()})
        return given

    def look(self) -> tuple[Traffic, float]:
        """Return the traffic as it stands, and the seconds of its clock; who looks keeps nobody waiting.

        Raises:
            StoreError: it could not be read.
        """
        with self._database.read() as session:
            state, at = session.execute(_LOOK if self._database.is_sqlite else _LOOK_THERE).one()
            now = self._now(at)
            return parse(state or "", now), now

    def _ours(self, session: Session) -> tuple[str, float]:
        """Return the state, ours alone until the end of the transaction, and the time when it became ours."""
        wanted = _OURS if self._database.is_sqlite else _OURS_THERE
        row = session.execute(wanted).one_or_none()
        if row is None:
            session.execute(_MAKE)
            row = session.execute(wanted).one()
        state, at = row
        return state, self._now(at)

    def _now(self, at: Decimal | None) -> float:
        """Return the time; ``at`` is the server's, if there is one."""
        if self._clock is not None:
            return self._clock()
        return time.monotonic() if at is None else float(at)


_LOOK: Final = text("SELECT (SELECT state FROM traffic WHERE id = 1), NULL")
_LOOK_THERE: Final = text("SELECT (SELECT state FROM traffic WHERE id = 1), extract(epoch FROM clock_timestamp())")
_OURS: Final = text("SELECT state, NULL FROM traffic WHERE id = 1")
# The clock is read of a row that is ours: while it was not, time passed.
_OURS_THERE: Final = text(
    "WITH ours AS (SELECT state FROM traffic WHERE id = 1 FOR UPDATE) "
    "SELECT state, extract(epoch FROM clock_timestamp()) FROM ours"
)
_MAKE: Final = text("INSERT INTO traffic (id, state) VALUES (1, '') ON CONFLICT DO NOTHING")
_PUT: Final = text("UPDATE traffic SET state = :state WHERE id = 1")
