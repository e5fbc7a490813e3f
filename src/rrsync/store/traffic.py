"""The traffic with the register, shared through the database: one row, changed by one process at a time.

On PostgreSQL the server's clock counts, so that the clocks of several machines may differ. SQLite is one machine: its
stopwatch, which every process reads alike, counts from when it was started.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import text

from rrsync.core.traffic import Traffic, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from sqlmodel import Session

    from rrsync.store.engine import Database

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
        """Give the traffic as it stands, and the seconds of its clock; who looks keeps nobody waiting.

        Raises:
            StoreError: it could not be read.
        """
        with self._database.read() as session:
            state, at = session.execute(_LOOK if self._database.is_sqlite else _LOOK_THERE).one()
            now = self._now(at)
            return parse(state or "", now), now

    def _ours(self, session: Session) -> tuple[str, float]:
        """Give the state, ours alone until the end of the transaction, and the time when it became ours."""
        wanted = _OURS if self._database.is_sqlite else _OURS_THERE
        row = session.execute(wanted).one_or_none()
        if row is None:
            session.execute(_MAKE)
            row = session.execute(wanted).one()
        state, at = row
        return state, self._now(at)

    def _now(self, at: Decimal | None) -> float:
        """Give the time; ``at`` is the server's, if there is one."""
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
